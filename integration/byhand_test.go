//go:build integration

package integration

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/s3"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/integration/gateway"
)

// TestReadByHand runs the commands of docs/read-by-hand.md as they stand there over an archive in an S3 server: it must
// stay readable without this program.
func TestReadByHand(t *testing.T) {
	page, err := os.ReadFile("../docs/read-by-hand.md")
	if err != nil {
		t.Fatal(err)
	}
	g := gateway.Start(t)
	g.Setenv()
	text := archiveToRead(t, g)
	got := runBlocks(t, g, string(page))
	const folder = "kept/v1/zenml/train.v2/job-uid/"
	lines := strings.SplitAfter(text, "\n")
	for heading, want := range map[string]string{
		"Where the archive is":   "",
		"The Jobs of a day":      "zenml.train.v2.job-uid\n",
		"The Jobs of a workload": "zenml.train.v2.job-uid\n",
		"The folder of a Job":    folder + "job.json\n" + folder + "train-x1.pod-uid/main.0.log.zst\n" + folder + "train-x1.pod-uid/manifest.json\n" + folder + "train-x1.pod-uid/side.0.log.zst\n",
		"How the Job ended":      "train-x1\tempty partial complete\tmain exited with 1\n",
		"The gaps":               "side\t1\trotated\ttwo files at once\n",
		"The log":                "only line\n" + text,
		"Is the log what the manifest says": "ok       v1/zenml/train.v2/job-uid/train-x1.pod-uid/side.0.log.zst\n" +
			"ok       v1/zenml/train.v2/job-uid/train-x1.pod-uid/main.0.log.zst\n",
		"What is kept of each container": "pod-uid\tinit\t0\tempty\t-\t-\n" +
			"pod-uid\tside\t0\tpartial\t1\trotated: two files at once\n" +
			fmt.Sprintf("pod-uid\tmain\t0\tcomplete\t%d\t-\n", len(lines)-1),
		"The end of a large log, without the rest": strings.Join(lines[len(lines)-3:], ""),
		"Names that are too long":                  "only line\n",
		"What is not sealed yet":                   "open-y2\tmain\t2\t0+%d\nstill\nopen\n",
	} {
		if !strings.Contains(want, "%d") {
			if got[heading] != want {
				t.Errorf("%s:\n%s\nwant\n%s", heading, cut(got[heading]), cut(want))
			}
			continue
		}
		var size int
		if n, err := fmt.Sscanf(got[heading], strings.SplitAfter(want, "%d")[0], &size); n != 1 || err != nil || got[heading] != fmt.Sprintf(want, size) {
			t.Errorf("%s:\n%s\nwant\n%s", heading, cut(got[heading]), want)
		}
	}
}

// cut keeps an error text short.
func cut(s string) string {
	const most = 600
	if len(s) > most {
		return s[:most/2] + "\n...\n" + s[len(s)-most/2:]
	}
	return s
}

// sealingInto returns a spool of its own, and what seals its logs into a store.
func sealingInto(t *testing.T, store archive.Store) (*spool.Spool, *seal.Sealer) {
	t.Helper()
	codec, err := format.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	spool, err := spool.Open(spool.Config{Dir: t.TempDir(), Limit: 1 << 30, Memory: 1 << 20, FlushInterval: time.Second}, codec, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return spool, seal.New(store, spool, "replica-0", quiet, func(error) {})
}

// archiveToRead seals a Job with one pod of three containers and journals a pod that is open. It returns the text of
// the large log.
func archiveToRead(t *testing.T, g *gateway.Gateway) string {
	t.Helper()
	store, err := s3.Open(t.Context(), s3.Config{Bucket: g.Bucket, Prefix: "kept/", Region: g.Region, Endpoint: g.Endpoint, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	spool, sealer := sealingInto(t, store)
	began := time.Date(2026, 9, 21, 12, 0, 0, 0, time.UTC)
	ref := archive.PodRef{Namespace: "zenml", Job: "train.v2", JobUID: "job-uid", Pod: "train-x1", PodUID: "pod-uid"}
	m := &archive.Manifest{
		Pod:       archive.PodSummary{PodRef: ref, Phase: "Failed", CreatedAt: began},
		Job:       &archive.JobSummary{Name: ref.Job, UID: ref.JobUID, CreatedAt: began},
		Workloads: []string{"11111111-2222-3333-4444-555555555555"}, Diagnosis: "main exited with 1",
	}
	var text strings.Builder
	for _, c := range []struct {
		name  string
		lines int
		gap   bool
	}{{"init", 0, false}, {"side", 1, true}, {"main", 16_000, false}} {
		log := appendByHand(t, spool, ref, c.name, c.lines, began, &text)
		if c.gap {
			log.Gap(archive.Gap{AfterLine: 1, Reason: archive.GapRotated, Detail: "two files at once"})
		}
		r, err := sealer.Log(t.Context(), log)
		if err != nil {
			t.Fatal(err)
		}
		m.Instances = append(m.Instances, r)
	}
	if err := sealer.Pod(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if _, err := sealer.Job(t.Context(), ref, &archive.JobDocument{Namespace: ref.Namespace, Job: *m.Job}); err != nil {
		t.Fatal(err)
	}
	long := archive.PodRef{Namespace: "zenml", Pod: strings.Repeat("long.", 50) + "pod", PodUID: "7c9e6679-7425-40de-944b-e07fc1f90ae7"}
	r, err := sealer.Log(t.Context(), appendByHand(t, spool, long, "main", 1, began, &text))
	if err != nil {
		t.Fatal(err)
	}
	alone := archive.PodSummary{PodRef: long, Phase: "Succeeded", CreatedAt: began.AddDate(0, 0, 1)}
	if err := sealer.Pod(t.Context(), &archive.Manifest{Pod: alone, Instances: []archive.InstanceRecord{r}}); err != nil {
		t.Fatal(err)
	}
	open := archive.PodRef{Namespace: "zenml", Job: "open", JobUID: "open-uid", Pod: "open-y2", PodUID: "open-pod"}
	log, err := spool.Log(archive.Instance{PodRef: open, Container: "main", Kind: archive.KindMain})
	if err == nil {
		_, err = log.Append(archive.Line{Time: 1, Text: []byte("still")}, archive.Line{Time: 2, Text: []byte("open")})
	}
	if err == nil {
		err = journal.New(journal.Config{Replica: "replica-0"}, store, spool, slog.New(slog.DiscardHandler), func(error) {}).Flush(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// appendByHand writes so many lines, one by its own text, more into text too.
func appendByHand(t *testing.T, spool *spool.Spool, pod archive.PodRef, container string, lines int, at time.Time, text *strings.Builder) *spool.Log {
	t.Helper()
	log, err := spool.Log(archive.Instance{PodRef: pod, Container: container, Kind: archive.KindMain, ContainerID: "containerd://" + container})
	if err != nil {
		t.Fatal(err)
	}
	for n := range lines {
		line := archive.Line{Time: at.UnixNano() + int64(n), Text: []byte("only line")}
		if lines > 1 {
			line.Text = fmt.Appendf(nil, "step %d %x", n, sha256.Sum256([]byte{byte(n), byte(n >> 8)}))
			fmt.Fprintf(text, "%s\n", line.Text)
		}
		if _, err := log.Append(line); err != nil {
			t.Fatal(err)
		}
	}
	return log
}

// runBlocks runs all blocks of the page in one shell and returns what those under each heading printed.
func runBlocks(t *testing.T, g *gateway.Gateway, page string) map[string]string {
	t.Helper()
	const mark = "=== heading: "
	script := "set -euo pipefail\naws() { command aws --endpoint-url '" + g.Endpoint + "' \"$@\"; }\n"
	for _, section := range strings.Split(page, "\n## ")[1:] {
		heading, rest, _ := strings.Cut(section, "\n")
		script += "echo '" + mark + heading + "'\n"
		for _, block := range strings.Split(rest, "```bash\n")[1:] {
			code, _, _ := strings.Cut(block, "```")
			script += code
		}
	}
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "AWS_DEFAULT_REGION="+g.Region, "TZ=UTC")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the page's commands: %v\n%s\n%s", err, stderr.String(), cut(string(out)))
	}
	printed := map[string]string{}
	for _, part := range strings.Split(string(out), mark)[1:] {
		heading, text, _ := strings.Cut(part, "\n")
		printed[heading] = text
	}
	return printed
}
