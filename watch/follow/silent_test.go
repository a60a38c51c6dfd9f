package follow

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/watch/pods"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// TestFollowSilentAcrossRenewal: a log that is silent while its stream is opened anew has no gap at its start.
func TestFollowSilentAcrossRenewal(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		time.Sleep(3 * b.cfg.ReconnectAfter)
		b.write("first", "last")
		time.Sleep(time.Second)
		b.c.Exit(0)
		b.complete()
	})
}

// TestFollowHangsFromTheStart: what a stream that hangs did not bring before the log was rotated is in doubt.
func TestFollowHangsFromTheStart(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.c.Inject(&kubelet.Fault{On: kubelet.OnFollow, Times: 1, Hang: true})
		b.start()
		b.write("never served")
		time.Sleep(watchtest.UsualPace)
		b.c.Rotate()
		b.write("served")
		time.Sleep(2 * b.cfg.StallAfter)
		b.c.Exit(0)
		record := b.proven(time.Hour)
		if g := record.Gaps; len(g) != 1 || g[0].Reason != archive.GapLateStart || record.Log.Lines != 1 {
			t.Errorf("got gaps %+v and %d lines, want the start in doubt and one line", g, record.Log.Lines)
		}
	})
}

// TestFollowHangsFromTheStartAndEnds: a stream that brought nothing and ended by itself does not show that there was
// nothing: a file may have come and gone.
func TestFollowHangsFromTheStartAndEnds(t *testing.T) {
	for name, c := range map[string]struct {
		ends  func(b *bed)
		lines int
	}{
		"it breaks": {lines: 1, ends: func(b *bed) {
			b.k.KillStreams()
			time.Sleep(time.Second)
			b.write("served")
		}},
		"it breaks, and the log is silent from then on": {ends: func(b *bed) { b.k.KillStreams() }},
		"it outlives its container":                     {ends: func(b *bed) { b.c.Exit(0) }},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bed) {
				b.c.Inject(&kubelet.Fault{On: kubelet.OnFollow, Times: 1, Hang: true})
				b.start()
				b.write("never served")
				time.Sleep(watchtest.UsualPace)
				b.c.Rotate()
				time.Sleep(time.Second)
				c.ends(b)
				time.Sleep(time.Minute)
				b.c.Exit(0)
				record, lines := b.end(20 * time.Minute)
				if g := record.Gaps; len(g) != 1 || g[0].Reason != archive.GapLateStart || !g[0].Unproven || len(lines) != c.lines {
					t.Errorf("got gaps %+v and %d lines, want the start in doubt and %d lines", g, len(lines), c.lines)
				}
			})
		})
	}
}

// TestFollowSilentToItsEnd: a stream that was there in time and lasted until its container ended has seen all of the
// log, though it ended by itself, the news of the container's end came after, and the node's clock is another.
func TestFollowSilentToItsEnd(t *testing.T) {
	for name, words := range map[string][]string{"nothing": nil, "last words behind the end": {"flushed late"}} {
		for _, ahead := range []time.Duration{0, time.Minute} {
			t.Run(fmt.Sprintf("%s, clock %s ahead", name, ahead), func(t *testing.T) {
				inBubble(t, func(b *bed) {
					b.looker = &slowNews{looker{b}, time.Second, ahead}
					b.start()
					time.Sleep(5 * time.Minute)
					b.c.Exit(0)
					for _, word := range words {
						b.c.Write(time.Now().Add(ahead), word)
					}
					if record, lines := b.end(20 * time.Minute); len(record.Gaps) != 0 || len(lines) != len(words) {
						t.Errorf("got gaps %+v and %d lines, want none and %d lines", record.Gaps, len(lines), len(words))
					}
				})
			})
		}
	}
}

// slowNews sees that a container has ended a while after its stream has, by the clock of a node that is ahead.
type slowNews struct {
	looker
	late, ahead time.Duration
}

func (l *slowNews) Look(ctx context.Context, i archive.Instance, live bool) (pods.Sight, error) {
	s, err := l.looker.Look(ctx, i, live)
	status := &s.Pod.Status.ContainerStatuses[0]
	if end := s.Terminated; end != nil {
		if time.Since(end.FinishedAt.Time) < time.Second+l.late {
			s.Running, s.Terminated = true, nil
			status.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: end.StartedAt}}
		} else {
			end.StartedAt.Time, end.FinishedAt.Time = end.StartedAt.Add(l.ahead), end.FinishedAt.Add(l.ahead)
		}
	}
	if run := status.State.Running; run != nil {
		run.StartedAt.Time = run.StartedAt.Add(l.ahead)
	}
	return s, err
}

// TestLateReadingCannotTell: a log that wrote a file before anybody read it, had that rotated away and was silent then
// is served as one is that had been silent from its start. So the start of both is in doubt; that of one which is read
// soon is not.
func TestLateReadingCannotTell(t *testing.T) {
	for name, c := range map[string]struct {
		burst bool
		begin time.Duration // of reading
		doubt int           // gaps
	}{
		"silent, read late":             {begin: 2 * promptly, doubt: 1},
		"a file came and went before":   {begin: 2 * promptly, doubt: 1, burst: true},
		"silent, read soon":             {begin: promptly - time.Second},
		"silent, read right from there": {},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bed) {
				begun := time.Now()
				if c.burst {
					b.write("a file", "that comes and goes")
					time.Sleep(time.Second)
					b.c.Rotate()
				}
				time.Sleep(c.begin - time.Since(begun))
				b.start()
				time.Sleep(watchtest.UsualPace)
				b.write("the first line that is served")
				time.Sleep(time.Second)
				b.c.Exit(0)
				record := b.proven(time.Hour)
				if g := record.Gaps; len(g) != c.doubt || c.doubt > 0 && (g[0].Reason != archive.GapLateStart || !g[0].Unproven) {
					t.Errorf("got gaps %+v, want %d of an unproven late start", g, c.doubt)
				}
			})
		})
	}
}

// TestFollowHangsInsideTheFirstLine: a stream that hangs inside the log's first line and then ends properly does not
// show that there was no line. A rotation takes that one away before the next stream.
func TestFollowHangsInsideTheFirstLine(t *testing.T) {
	for _, ends := range []string{"its stream breaks", "its stream is renewed"} {
		t.Run(ends, func(t *testing.T) {
			inBubble(t, func(b *bed) {
				b.c.Inject(&kubelet.Fault{On: kubelet.OnFollow, Times: 1, AfterBytes: 40, Hang: true})
				if ends == "its stream is renewed" {
					b.cfg.ReconnectAfter, b.cfg.StallAfter = 20*time.Second, time.Minute
				}
				b.start()
				b.write("the first line, which the kubelet rotates away")
				time.Sleep(watchtest.UsualPace)
				b.c.Rotate()
				if ends == "its stream breaks" {
					b.k.KillStreams()
				} else {
					time.Sleep(2 * watchtest.UsualPace)
				}
				b.write("served")
				time.Sleep(time.Minute)
				b.c.Exit(0)
				record := b.proven(time.Hour)
				if g := record.Gaps; len(g) != 1 || g[0].Reason != archive.GapLateStart || record.Log.Lines != 1 {
					t.Errorf("got gaps %+v and %d lines, want the start in doubt and one line", g, record.Log.Lines)
				}
			})
		})
	}
}
