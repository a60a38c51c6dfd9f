package controlplane

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"golang.org/x/sync/errgroup"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
)

// seedBatch is how many objects go into one transaction; etcd takes 128.
const seedBatch = 100

// SeedJobs puts Jobs into etcd as the API server stores them, past the API server, which would take minutes for a
// hundred thousand: it hears of them as of those that another API server has written. Namespace, name and UID must be
// set.
func (cp *ControlPlane) SeedJobs(ctx context.Context, jobs iter.Seq[*batchv1.Job]) error {
	type put struct {
		Key   []byte `json:"key"`
		Value []byte `json:"value"`
	}
	type request struct {
		Put put `json:"requestPut"`
	}
	encoder := scheme.Codecs.EncoderForVersion(protobuf.NewSerializer(scheme.Scheme, scheme.Scheme), batchv1.SchemeGroupVersion)
	var work errgroup.Group
	work.SetLimit(2)
	var batch []request
	flush := func() {
		requests := batch
		batch = nil
		work.Go(func() error {
			var answer struct{ Succeeded bool }
			err := cp.callEtcd(ctx, "/v3/kv/txn", map[string]any{"success": requests}, &answer)
			if err == nil && !answer.Succeeded {
				err = fmt.Errorf("seed %d Jobs: etcd did not", len(requests))
			}
			return err
		})
	}
	for job := range jobs {
		value, err := stored(encoder, job)
		if err != nil {
			return err
		}
		batch = append(batch, request{put{[]byte("/registry/jobs/" + job.Namespace + "/" + job.Name), value}})
		if len(batch) == seedBatch {
			flush()
		}
	}
	if len(batch) > 0 {
		flush()
	}
	return work.Wait()
}

func stored(encoder runtime.Encoder, job *batchv1.Job) ([]byte, error) {
	var b bytes.Buffer
	if err := encoder.Encode(job, &b); err != nil {
		return nil, fmt.Errorf("encode Job %s: %w", job.Name, err)
	}
	return b.Bytes(), nil
}
