package cleanup

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/mark"
)

// TestSeamedIsSafe: a Job whose logs have seams is released and deleted as one whose logs are complete, to the second,
// with the same Events, which are no warnings and say how many seams are unproven.
func TestSeamedIsSafe(t *testing.T) {
	for _, tt := range []struct {
		verdict archive.Verdict
		seams   int64
		want    string
	}{
		{archive.Complete, 0, "verdict complete"},
		{archive.Seamed, 3, "verdict seamed, unproven seams: 3"},
	} {
		t.Run(string(tt.verdict), func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.start()
				j, p := b.finished("a")
				due := j.Status.Conditions[0].LastTransitionTime.Add(b.cfg.TTLSuccess)
				b.shelf.put(p, tt.verdict)
				b.shelf.mu.Lock()
				b.shelf.manifests[j.UID][p.UID].Instances[0].Seams = tt.seams
				b.shelf.mu.Unlock()
				b.seal(p, tt.verdict)
				b.finish(j.UID)
				time.Sleep(time.Until(due) - time.Second)
				if job := b.job("a"); job == nil || job.Annotations[mark.Verdict] != string(tt.verdict) || slices.Contains(job.Finalizers, mark.Finalizer) {
					t.Errorf("a second before its time: got %+v, want it released, with its verdict", job)
				}
				after(2 * time.Second)
				if b.job("a") != nil {
					t.Error("a second after its time: the Job is there still")
				}
				if got, want := b.api.said("a"), []string{logsArchived, jobExpired}; !slices.Equal(got, want) {
					t.Errorf("got Events %v, want %v", got, want)
				}
				b.api.mu.Lock()
				defer b.api.mu.Unlock()
				for _, e := range b.api.events {
					if e.Type != "Normal" || !strings.Contains(e.Message, tt.want) {
						t.Errorf("got %s Event %q, want a normal one with %q", e.Type, e.Message, tt.want)
					}
				}
			})
		})
	}
}

// TestVerdictOfAJob is the worst of its logs.
func TestVerdictOfAJob(t *testing.T) {
	order := []archive.Verdict{archive.NeverStarted, archive.Empty, archive.Complete, archive.Seamed, archive.Partial, archive.Lost}
	if got, want := len(order), len(archive.Verdicts); got != want {
		t.Errorf("got an order of %d verdicts, want all %d", got, want)
	}
	for n, better := range order {
		for _, worse := range order[n:] {
			p := proven{evidence: archive.Evidence{Manifests: []*archive.Manifest{{Instances: []archive.InstanceRecord{{Verdict: worse}, {Verdict: better}}}}}}
			if got := p.verdict(); got != worse {
				t.Errorf("%s and %s: got %s", better, worse, got)
			}
		}
	}
}
