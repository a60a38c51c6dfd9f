package live

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
)

// errUnsupported says that the cluster alone cannot answer a query.
var errUnsupported = errors.New("the cluster alone cannot tell lines by number or byte, nor go on behind a line")

// Read returns what the kubelet serves now: log after log; with Follow those of containers that run at once as they
// come. The numbers of lines count from the first one that is served. Of a log that is followed an end of the stream is
// taken for the log's; Epilogue exists because it may not be.
func (c *Cluster) Read(ctx context.Context, q archive.Query) (*archive.Answer, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	if q.FirstLine+q.LastLine+q.FromByte+q.ToByte > 0 || len(q.After) > 0 {
		return nil, errUnsupported
	}
	pods, err := c.podsOf(ctx, q.Target)
	if err != nil {
		return nil, err
	}
	r := &reading{cluster: c, query: &q, left: q.LimitBytes}
	if r.grep, err = compile(q.Grep); err != nil {
		return nil, err
	}
	answer := &archive.Answer{Source: archive.FromLive}
	for _, record := range pick(pods, &q) {
		answer.Logs = append(answer.Logs, archive.LogStatus{InstanceRecord: record, Source: archive.FromLive})
	}
	answer.Entries = func(yield func(archive.Entry, error) bool) {
		ctx, yield, end := r.bounded(ctx, yield)
		defer end()
		if q.Follow && len(answer.Logs) > 1 {
			r.atOnce(ctx, answer.Logs, yield)
			return
		}
		for i := range answer.Logs {
			for e, err := range r.entries(ctx, &answer.Logs[i].Instance) {
				if !r.give(e, err, yield) {
					return
				}
			}
		}
	}
	return answer, nil
}

// delay is how long the kubelet may take to serve a line.
const delay = 5 * time.Second

// bounded ends a follow some time after Query.Until, which is no error.
func (r *reading) bounded(ctx context.Context, yield func(archive.Entry, error) bool) (context.Context, func(archive.Entry, error) bool, func()) {
	if !r.query.Follow || r.query.Until.IsZero() {
		return ctx, yield, func() {}
	}
	limited, cancel := context.WithDeadline(ctx, r.query.Until.Add(delay))
	return limited, func(e archive.Entry, err error) bool {
		if err != nil && limited.Err() != nil && ctx.Err() == nil {
			return false
		}
		return yield(e, err)
	}, cancel
}

func compile(g *archive.Grep) (*regexp.Regexp, error) {
	if g == nil {
		return nil, nil
	}
	return regexp.Compile(g.Expression())
}

// reading is one answer. Owned by who ranges over it, but that streams of several logs may be read at once.
type reading struct {
	cluster *Cluster
	query   *archive.Query
	grep    *regexp.Regexp
	left    int64 // of LimitBytes
}

// give yields a line as far as the limit allows.
func (r *reading) give(e archive.Entry, err error, yield func(archive.Entry, error) bool) bool {
	if err != nil || r.query.LimitBytes == 0 {
		return yield(e, err) && err == nil
	}
	if size := int64(len(e.Text)); size >= r.left {
		e.Text, e.Partial = e.Text[:r.left], true
		yield(e, nil)
		return false
	}
	r.left -= int64(len(e.Text)) + 1
	return yield(e, nil) && r.left > 0
}

// options are kubectl's. What is filtered here is counted here.
func (r *reading) options(i *archive.Instance) *corev1.PodLogOptions {
	o := &corev1.PodLogOptions{
		Container: i.Container, Follow: r.query.Follow, Previous: r.query.Which == archive.Previous, Timestamps: true,
	}
	if !r.query.Since.IsZero() {
		o.SinceTime = &metav1.Time{Time: r.query.Since}
	}
	if r.grep == nil && r.query.Until.IsZero() {
		o.TailLines = r.query.Tail
	}
	return o
}

// entries returns the lines of one log that the query asks for. The texts are good until the next one.
func (r *reading) entries(ctx context.Context, i *archive.Instance) iter.Seq2[archive.Entry, error] {
	return func(yield func(archive.Entry, error) bool) {
		o := r.options(i)
		body, err := r.cluster.client.CoreV1().Pods(i.Namespace).GetLogs(i.Pod, o).Stream(ctx)
		if err != nil {
			yield(archive.Entry{}, fmt.Errorf("read log of %s: %w", i, err))
			return
		}
		defer body.Close()
		all := r.wanted(lines(body, o.SinceTime != nil), i)
		if r.query.Tail != nil && o.TailLines == nil && !r.query.Follow {
			all = last(all, int(*r.query.Tail))
		}
		all(yield)
	}
}

// wanted returns the lines that are not filtered out, with their numbers.
func (r *reading) wanted(all iter.Seq2[archive.Line, error], i *archive.Instance) iter.Seq2[archive.Entry, error] {
	return func(yield func(archive.Entry, error) bool) {
		n, near := int64(0), &around{grep: r.grep, query: r.query.Grep}
		for line, err := range all {
			if err != nil {
				yield(archive.Entry{}, fmt.Errorf("read log of %s: %w", i, err))
				return
			}
			n++
			// The API knows whole seconds.
			early := line.Time != 0 && line.Time < r.query.Since.UnixNano() && !r.query.Since.IsZero()
			late := line.Time != 0 && !r.query.Until.IsZero() && line.Time >= r.query.Until.UnixNano()
			if early || late {
				continue
			}
			for _, e := range near.pick(archive.Entry{Line: line, Number: n, Offset: -1, Instance: i}) {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// last returns the last n of some entries.
func last(all iter.Seq2[archive.Entry, error], n int) iter.Seq2[archive.Entry, error] {
	return func(yield func(archive.Entry, error) bool) {
		var kept []archive.Entry
		for e, err := range all {
			if err != nil {
				yield(e, err)
				return
			}
			if e.Text = bytes.Clone(e.Text); n > 0 {
				kept = append(kept[max(0, len(kept)-n+1):], e)
			}
		}
		for _, e := range kept {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// pieceBytes is the longest line that is given whole, as in the archive: who follows sees a line without an end grow,
// and no more of it is held.
const pieceBytes = 64 << 10

// lines cuts what the API serves into lines, and longer ones into pieces, all with their line's time and all but the
// last Partial. Where since falls inside a line of several records, the rest of it comes first and without a time.
func lines(body io.Reader, since bool) iter.Seq2[archive.Line, error] {
	return func(yield func(archive.Line, error) bool) {
		in := bufio.NewReaderSize(body, pieceBytes+longestStamp)
		var at int64
		inside := false // the bytes go on with a line of which a piece was given
		for {
			text, err := in.ReadSlice('\n')
			if len(text) > 0 {
				ended := err != nil && !errors.Is(err, bufio.ErrBufferFull)
				line, stamped := cut(text)
				switch {
				case inside:
					line = archive.Line{Time: at, Text: bytes.TrimSuffix(text, []byte("\n")), Partial: line.Partial}
				case !stamped && (!since || ended && len(text) <= longestError):
					yield(archive.Line{}, fmt.Errorf("the kubelet says %q", line.Text[:min(len(line.Text), longestError)]))
					return
				}
				at, inside = line.Time, line.Partial
				if !yield(line, nil) {
					return
				}
			}
			if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
				if !errors.Is(err, io.EOF) {
					yield(archive.Line{}, err)
				}
				return
			}
		}
	}
}

const (
	longestStamp = 40 // a date, nine digits of fraction, a zone, and the space
	// longestError: the kubelet tells its errors with status 200, as text without a time and a newline. What is longer
	// is none.
	longestError = 1 << 10
)

// cut cuts the time off a line's front; a text without one stays whole.
func cut(text []byte) (line archive.Line, stamped bool) {
	body, whole := bytes.CutSuffix(text, []byte("\n"))
	stamp, _, _ := bytes.Cut(body[:min(len(body), longestStamp)], []byte(" "))
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return archive.Line{Text: body, Partial: !whole}, false
	}
	return archive.Line{Time: at.UnixNano(), Text: bytes.TrimPrefix(body[len(stamp):], []byte(" ")), Partial: !whole}, true
}
