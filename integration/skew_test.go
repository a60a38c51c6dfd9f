//go:build integration

package integration

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/mark"
)

// skews are what the clocks of API server and nodes are ahead of the daemon's.
var skews = map[string]time.Duration{"the daemon's clock is behind": 10 * time.Minute, "the daemon's clock is ahead": -10 * time.Minute}

// TestFaultSkewTTL has a Job deleted when its TTL is over by the clock that wrote its end.
func TestFaultSkewTTL(t *testing.T) {
	for name, skew := range skews {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := tidy()
			s.TTLSuccess = 4 * time.Second
			h := settle(t, setting{cleanup: s, wrap: skewed(skew)}, quick(0))
			job := h.launch("due", func(j *batchv1.Job) { j.Finalizers = []string{"example.com/hold"} })
			deleted := h.until("its deletion", job, func(j *batchv1.Job) bool { return j.DeletionTimestamp != nil })
			h.after("the end", endOf(deleted), deleted.DeletionTimestamp.Time, s.TTLSuccess)
			h.hear(job, "JobExpired", "ttl-success")
		})
	}
}

// TestFaultSkewDeadline has the gate hold a deleted Job for as long as it is set to, while the store is down.
func TestFaultSkewDeadline(t *testing.T) {
	for name, skew := range skews {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := tidy()
			s.GateDeadline = 4 * time.Second
			store := newStop(storetest.NewMemory(t))
			h := settle(t, setting{cleanup: s, store: store, wrap: skewed(skew)}, quick(0))
			store.close()
			job := h.launch("held", func(j *batchv1.Job) { j.Finalizers = []string{"example.com/hold"} })
			h.until("its end under the gate", job, func(j *batchv1.Job) bool { return ends(j) && slices.Contains(j.Finalizers, mark.Finalizer) })
			h.delete(job, metav1.DeletePropagationBackground)
			dated := h.until("the date on it", job, func(j *batchv1.Job) bool { return j.Annotations[mark.HeldSince] != "" })
			if since, err := mark.ParseTime(dated.Annotations[mark.HeldSince]); err != nil || time.Since(since).Abs() > time.Minute {
				t.Errorf("got it held since %s (%v), want about now, %s", since, err, time.Now())
			}
			h.until("the open gate", job, func(j *batchv1.Job) bool { return !slices.Contains(j.Finalizers, mark.Finalizer) })
			h.after("the end", endOf(dated), time.Now(), s.GateDeadline)
			h.hear(job, "LogsLost", "not all logs were in the archive")
		})
	}
}

// TestFaultSkewSince asks for the last minutes of a log: those before now by the clock that stamped its lines.
func TestFaultSkewSince(t *testing.T) {
	for name, skew := range skews {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// When it started.
			node := []kubelet.Option{kubelet.Clock(func() time.Time { return time.Now().Add(-time.Hour) })}
			r, p, c := started(t, setting{wrap: skewed(skew), node: node})
			for _, ago := range []time.Duration{30 * time.Minute, 7 * time.Minute, 3 * time.Minute, 0} {
				c.Write(time.Now().Add(-ago), "written "+ago.String()+" ago")
			}
			r.await("the lines", func() bool { return r.held(p, c) == 4 })
			r.allow("reader", "get", "pods/log")
			answer := ask(r.ctx, t, r.api().URL+"/api/v1/namespaces/"+r.ns+"/pods/"+p.Name()+"/log?sinceSeconds=300", r.token("reader"))
			text, err := io.ReadAll(answer.Body)
			if want := "written 3m0s ago\nwritten 0s ago\n"; err != nil || string(text) != want {
				t.Errorf("got %q, %v, want %q", text, err, want)
			}
			c.Exit(0)
			r.manifest(p)
		})
	}
}

// TestFaultSkewVerdict: what was read from the start is complete, though its first line came late; what was not is in
// doubt.
func TestFaultSkewVerdict(t *testing.T) {
	for name, skew := range skews {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, p, c := started(t, setting{wrap: skewed(skew)})
			c.Write(time.Now().Add(5*time.Second), "after a silence")
			r.followed(c)
			c.Exit(0)
			if got := r.record(r.manifest(p), c); got.Verdict != archive.Complete || got.Log.Lines != 1 {
				t.Errorf("got verdict %s with gaps %+v, want complete", got.Verdict, got.Gaps)
			}
		})
		t.Run(name+", and the first file is gone", func(t *testing.T) {
			t.Parallel()
			// When it started.
			node := []kubelet.Option{kubelet.Clock(func() time.Time { return time.Now().Add(-time.Minute) })}
			r := newRig(t, setting{wrap: skewed(skew), node: node})
			p, c := r.running()
			c.Write(time.Now().Add(-50*time.Second), "nobody reads this")
			c.Rotate()
			c.Write(time.Now(), "the first line that is left")
			r.start()
			r.followed(c)
			c.Exit(0)
			if got := r.record(r.manifest(p), c); got.Verdict != archive.Partial || len(got.Gaps) != 1 || got.Gaps[0].Reason != archive.GapLateStart {
				t.Errorf("got verdict %s with gaps %+v, want partial with one of late-start", got.Verdict, got.Gaps)
			}
		})
	}
}

// after checks that something came so long after something else, and not much later. Times of the API server are in
// whole seconds.
func (h *house) after(what string, from, at time.Time, want time.Duration) {
	h.t.Helper()
	if took := at.Sub(from); took < want-time.Second || took > want+patience/2 {
		h.t.Errorf("got it %s after %s, want %s", took, what, want)
	}
}

func endOf(job *batchv1.Job) time.Time {
	return job.Status.Conditions[len(job.Status.Conditions)-1].LastTransitionTime.Time
}

// skewed puts a daemon before clocks of API server and nodes that are ahead of its own: it moves each time in what it
// is answered by so much, and each in what it asks back. It needs answers in JSON.
func skewed(by time.Duration) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper { return skew{next, by} }
}

type skew struct {
	next http.RoundTripper
	by   time.Duration
}

func (s skew) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	query := r.URL.Query()
	for _, values := range query {
		for i := range values {
			values[i] = string(moved([]byte(values[i]), -s.by))
		}
	}
	r.URL.RawQuery = query.Encode()
	r.Header.Set("Accept", "application/json, */*")
	if r.Body != nil {
		if err := s.moveBody(r); err != nil {
			return nil, err
		}
	}
	answer, err := s.next.RoundTrip(r)
	if err != nil {
		return answer, err
	}
	if date, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		answer.Header.Set("Date", date.Add(s.by).UTC().Format(http.TimeFormat))
	}
	answer.Body = &movedBody{ReadCloser: answer.Body, by: s.by}
	return answer, nil
}

func (s skew) moveBody(r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil {
		return err
	}
	if strings.Contains(r.Header.Get("Content-Type"), "json") {
		body = moved(body, -s.by) // of the same length
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

var (
	timeText  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d`)
	timeBegun = regexp.MustCompile(`\d[\dT:-]{0,18}$`)
)

// moved returns the text with every time in it moved.
func moved(text []byte, by time.Duration) []byte {
	const layout = "2006-01-02T15:04:05"
	return timeText.ReplaceAllFunc(text, func(at []byte) []byte {
		t, err := time.Parse(layout, string(at))
		if err != nil {
			return at
		}
		return []byte(t.Add(by).Format(layout))
	})
}

// movedBody moves the times of an answer as they come. A time that is cut by the end of a read waits for its rest.
type movedBody struct {
	io.ReadCloser
	by    time.Duration
	ready []byte // to be given
	begun []byte // may be the begin of a time
	err   error
}

func (b *movedBody) Read(p []byte) (int, error) {
	buffer := make([]byte, 32<<10)
	for len(b.ready) == 0 && b.err == nil {
		n, err := b.ReadCloser.Read(buffer)
		text := slices.Concat(b.begun, buffer[:n])
		b.begun, b.err = nil, err
		if at := timeBegun.FindIndex(text); at != nil && err == nil && !timeText.Match(text[at[0]:]) {
			b.begun = bytes.Clone(text[at[0]:])
			text = text[:at[0]]
		}
		b.ready = moved(text, b.by)
	}
	n := copy(p, b.ready)
	b.ready = b.ready[n:]
	if n == 0 {
		return 0, b.err
	}
	return n, nil
}
