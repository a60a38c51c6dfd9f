//go:build stores

package s3

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/patient"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/archive/takeover"
)

// storesPage says of each server what is seen here.
const storesPage = "../../docs/stores.md"

// endpointOfSuite names the server for a run of the suite alone, in a process of its own, for where a server breaks a
// promise the suite fails.
const endpointOfSuite = "EPILOGUE_STORES_ENDPOINT"

// TestStores asks each server whose program is named what it does, has Epilogue work over it, and holds both against
// docs/stores.md.
func TestStores(t *testing.T) {
	if os.Getenv(endpointOfSuite) != "" {
		return
	}
	environment(t)
	text, err := os.ReadFile(storesPage)
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, s := range servers {
		program := os.Getenv(s.program)
		if program == "" {
			continue
		}
		ran++
		t.Run(s.name, func(t *testing.T) {
			endpoint := s.run(t, program)
			for _, row := range append(ask(t, endpoint), work(t, endpoint)...) {
				t.Logf("%-40s %s", row[0], row[1])
				// what comes of chance has two answers
				want := strings.Split(cell(string(text), row[0], s.name), "; or ")
				if !slices.Contains(want, row[1]) {
					t.Errorf("%s: got %q, and %s says %q", row[0], row[1], filepath.Base(storesPage), want)
				}
			}
		})
	}
	if ran == 0 {
		t.Fatal("no server is named: `make stores` builds them and runs this")
	}
}

func environment(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_SESSION_TOKEN": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": "/none", "AWS_SHARED_CREDENTIALS_FILE": "/none", "AWS_CA_BUNDLE": "",
	} {
		t.Setenv(name, value)
	}
}

// ask puts the questions: of each the row of the page, and the answer.
func ask(t *testing.T, endpoint string) [][2]string {
	a := asking{t, newStore(t, endpoint).bucket.client}
	byPrefix, byPage := a.uploads()
	return [][2]string{
		{"`If-None-Match: *` over a taken key", a.condition()},
		{"the same, at the end of an upload in parts", a.conditionInParts()},
		{"a suffix range longer than the object", a.suffix()},
		{"an object is seen when its put has ended", a.whole()},
		{"many deleted in one request", a.deleteMany()},
		{"lists in the order of bytes", a.order()},
		{"open uploads listed by a prefix", byPrefix},
		{"the same, page by page", byPage},
		{"a name of 238 bytes between slashes", a.name(238)},
		{"a name of 290", a.name(290)},
	}
}

// work has Epilogue do over the server what other servers were seen to spoil.
func work(t *testing.T, endpoint string) [][2]string {
	return [][2]string{
		{"the probe", probed(t, endpoint)},
		{"the suite of all stores", suite(t, endpoint)},
		{"two sealers, a log above 8 MiB", twoSealers(t, endpoint)},
		{"a replica dies with its disk", takenOver(t, endpoint)},
		{"open uploads given back", givenBack(t, endpoint)},
	}
}

func newStore(t *testing.T, endpoint string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{Bucket: bucketOf, Prefix: "logs/" + rand.Text(), Endpoint: endpoint})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func probed(t *testing.T, endpoint string) string {
	can, err := patient.Probe(t.Context(), newStore(t, endpoint))
	if err != nil {
		return err.Error()
	}
	var found []string
	if can.ConditionalPut {
		found = append(found, "conditional put")
	}
	if can.Ranges {
		found = append(found, "ranges")
	}
	return strings.Join(found, ", ")
}

// suite returns the subtests that fail.
func suite(t *testing.T, endpoint string) string {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestSuiteOfOneServer$", "-test.v", "-test.timeout", "15m")
	cmd.Env = append(os.Environ(), endpointOfSuite+"="+endpoint)
	out, err := cmd.CombinedOutput()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatal(err)
	}
	var names []string
	for _, found := range regexp.MustCompile(`(?m)^ +--- FAIL: TestSuiteOfOneServer/([^/\s]+) \(`).FindAllSubmatch(out, -1) {
		names = append(names, strings.ReplaceAll(string(found[1]), "_", " "))
	}
	if len(names) == 0 && err == nil {
		return "passes"
	}
	t.Logf("%s", out)
	return "fails: " + strings.Join(names, "; ")
}

func TestSuiteOfOneServer(t *testing.T) {
	endpoint := os.Getenv(endpointOfSuite)
	if endpoint == "" {
		return // it is run by TestStores, once for each server
	}
	storetest.Run(t, func(t *testing.T) archive.Store { return newStore(t, endpoint) })
}

// replica is what seals and journals.
type replica struct {
	t       *testing.T
	spool   *spool.Spool
	sealer  *seal.Sealer
	journal *takeover.Taker
}

func newReplica(t *testing.T, store archive.Store, name string) *replica {
	t.Helper()
	codec, err := format.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	spool, err := spool.Open(spool.Config{Dir: t.TempDir(), Limit: 1 << 30, Memory: 1 << 26, FlushInterval: time.Second}, codec, log)
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{t, spool, seal.New(store, spool, name, log, func(error) {}), nil}
	r.journal = takeover.New(journal.New(journal.Config{Replica: name}, store, spool, log, func(error) {}))
	return r
}

var (
	podOf      = archive.PodRef{Namespace: "ns", Job: "job", JobUID: "job-uid", Pod: "job-1", PodUID: "pod-uid"}
	instanceOf = archive.Instance{PodRef: podOf, Container: "main", ContainerID: "containerd://abc", Kind: archive.KindMain}
)

// write appends lines that no codec makes shorter.
func (r *replica) write(lines, size int) *spool.Log {
	r.t.Helper()
	log, err := r.spool.Log(instanceOf)
	if err != nil {
		r.t.Fatal(err)
	}
	text := make([]byte, size)
	for n := range lines {
		_, _ = rand.Read(text) // never fails
		if _, err := log.Append(archive.Line{Time: int64(n + 1), Text: []byte(base64.StdEncoding.EncodeToString(text))}); err != nil {
			r.t.Fatal(err)
		}
	}
	return log
}

// seal seals a log of random lines, and its pod.
func (r *replica) seal(ctx context.Context, lines, size int) (archive.InstanceRecord, error) {
	if _, err := r.sealer.Probe(ctx); err != nil {
		return archive.InstanceRecord{}, err
	}
	record, err := r.sealer.Log(ctx, r.write(lines, size))
	if err == nil {
		err = r.sealer.Pod(ctx, &archive.Manifest{Pod: archive.PodSummary{PodRef: podOf}, Instances: []archive.InstanceRecord{record}})
	}
	return record, err
}

// twoSealers: the second one has seen less of the log, and knows nothing of the first.
func twoSealers(t *testing.T, endpoint string) string {
	store := newStore(t, endpoint)
	first, err := newReplica(t, store, "a").seal(t.Context(), 4000, 3000)
	if err != nil {
		return "the first: " + err.Error()
	}
	_, err = newReplica(t, store, "b").seal(t.Context(), 3000, 3000)
	x, failed := format.ReadIndex(t.Context(), store, first.Log.Key)
	switch {
	case failed != nil:
		return failed.Error()
	case x.Summary.SHA256 != first.Log.SHA256:
		return "the first log is replaced"
	case !errors.Is(err, seal.ErrSealed):
		return fmt.Sprint("the second: ", err)
	}
	return "the second refused"
}

// takenOver: another replica goes on by the journal alone, which is shorter than what is read of its end.
func takenOver(t *testing.T, endpoint string) string {
	const lines = 200
	store := newStore(t, endpoint)
	a, b := newReplica(t, store, "a"), newReplica(t, store, "b")
	a.write(lines, 20)
	if err := a.journal.Flush(t.Context()); err != nil {
		return err.Error()
	}
	all := func(archive.PodRef) bool { return true }
	if _, err := b.journal.TakeOver(t.Context(), []string{"a"}, all, func(archive.PodRef) {}); err != nil {
		return err.Error()
	}
	log, err := b.spool.Log(instanceOf)
	if err != nil {
		return err.Error()
	}
	sum, err := log.End()
	if err != nil || sum.Lines != lines {
		return fmt.Sprintf("%d of %d lines, %v", sum.Lines, lines, err)
	}
	return "all lines"
}

// givenBack leaves more uploads than a page has, or as many as the server takes.
func givenBack(t *testing.T, endpoint string) string {
	const most = 1005
	s, begun, bound := newStore(t, endpoint), 0, ""
	for ; begun < most; begun++ {
		key := aws.String(fmt.Sprintf("%sv1/ns/job/uid/pod.%05d/main.0.log.zst", s.bucket.prefix, begun))
		_, err := s.bucket.client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String(bucketOf), Key: key})
		if err != nil {
			bound = "; it takes no more than a thousand"
			break
		}
	}
	all := 0
	for round := range 3 {
		n, err := s.AbortUploads(t.Context(), time.Now().Add(time.Hour))
		switch all += n; {
		case err != nil:
			continue
		case all < begun:
			return fmt.Sprintf("%d of %d", all, begun)
		case round > 0:
			return fmt.Sprintf("all, by %d rounds", round+1) + bound
		}
		return "all" + bound
	}
	return "not all by 3 rounds" + bound
}
