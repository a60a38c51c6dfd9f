package cleanup

import (
	"context"
	"errors"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/watch"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// Errors for which a decision is put off.
var (
	errUnwritten = errors.New("the Job's document is not in the store yet")
	errUnsealed  = errors.New("a pod of the Job is not archived")
)

// storePatience bounds the wait for a store that does not answer: the worker is needed for others, and comes back. The
// listing of a Job as large as Jobs can be fits in, at a third of a second for each page.
const storePatience = 2 * time.Minute

// proven are facts as the store tells them.
type proven struct {
	Facts
	ref      archive.PodRef
	evidence archive.Evidence
	unseen   int // pods that the Job's controller has counted, that are gone, and of which there is no manifest
}

// proof replaces what the cache believes to be sealed by what the store holds. Pods that the cache may have missed are
// looked for in the API server, where fewer manifests are there than the Job's controller has counted pods.
func (j *Janitor) proof(ctx context.Context, f Facts) (proven, error) {
	p := proven{Facts: f, ref: refOf(f)}
	limited, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	var err error
	if p.evidence, err = j.parts.Store.Evidence(limited, p.ref); err != nil {
		if !errors.Is(err, seal.ErrUnfinished) {
			j.blocked("store")
		}
		return p, err
	}
	if job := f.Job; job != nil {
		p.unseen = counted(job) - len(p.evidence.Manifests)
		if finished := pods.Finished(job); finished && p.unseen > 0 || !finished && (job.DeletionTimestamp != nil || f.Ending) {
			if err := j.addUnknown(ctx, &p); err != nil {
				j.blocked("api")
				return p, err
			}
		}
		p.unseen = max(0, p.unseen)
	}
	p.markSealed()
	p.Hidden = p.hidden()
	return p, nil
}

// hidden: pods of the Job have ended, and neither the store nor the API server has anything of one. Where the Job's
// selector is its own, that proves nothing: nobody is sure that its pods could have been seen.
func (p *proven) hidden() bool {
	return p.Job != nil && p.Job.Spec.ManualSelector != nil && *p.Job.Spec.ManualSelector &&
		counted(p.Job) > 0 && len(p.Pods)+len(p.evidence.Manifests) == 0
}

// counted returns how many pods the Job's controller has seen end. What another controller than Kubernetes' own writes
// there, as one that runs the Job in another cluster, are no pods of ours.
func counted(job *batchv1.Job) int {
	if by := job.Spec.ManagedBy; by != nil && *by != batchv1.JobControllerName {
		return 0
	}
	return int(job.Status.Succeeded + job.Status.Failed)
}

func (p *proven) markSealed() {
	there := map[archive.PodUID]bool{}
	for _, m := range p.evidence.Manifests {
		there[m.Pod.PodUID] = true
	}
	for i := range p.Pods {
		p.Pods[i].Sealed, p.Pods[i].Unproven = there[archive.PodUID(p.Pods[i].UID)], false
	}
}

// addUnknown adds the Job's pods that are in the API server and not in the cache.
func (j *Janitor) addUnknown(ctx context.Context, p *proven) error {
	live, err := j.cluster.pods(ctx, p.Job)
	if err != nil {
		return err
	}
	known := map[types.UID]bool{}
	for _, pod := range p.Pods {
		known[pod.UID] = true
	}
	for _, pod := range live {
		if !known[pod.UID] {
			p.Pods = append(p.Pods, Pod{PodStanding: watch.PodStanding{Pod: pod}})
		}
	}
	return nil
}

// verdict returns the worst verdict on the logs of the Job. A pod that nobody saw is lost.
func (p *proven) verdict() archive.Verdict {
	order := []archive.Verdict{archive.Lost, archive.Partial, archive.Seamed, archive.Complete, archive.Empty, archive.NeverStarted}
	there := map[archive.Verdict]bool{archive.Lost: p.unseen > 0}
	for _, m := range p.evidence.Manifests {
		for _, r := range m.Instances {
			there[r.Verdict] = true
		}
	}
	for _, v := range order {
		if there[v] {
			return v
		}
	}
	return archive.NeverStarted
}

// inWords is the verdict with the number of seams, if there are any.
func (p *proven) inWords() string {
	var seams int64
	for _, m := range p.evidence.Manifests {
		for i := range m.Instances {
			seams += m.Instances[i].Seams
		}
	}
	if seams == 0 {
		return string(p.verdict())
	}
	return fmt.Sprintf("%s, unproven seams: %d", p.verdict(), seams)
}

// sealedAt returns the time when the last manifest was written.
func (p *proven) sealedAt() time.Time {
	var at time.Time
	for _, m := range p.evidence.Manifests {
		at = latest(at, m.SealedAt)
	}
	return at
}
