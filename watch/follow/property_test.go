package follow

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/integration/oracle"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// seeds is how many schedules are played; EPILOGUE_MODEL_SEEDS plays so many, and EPILOGUE_SEED one again.
const seeds = 200

// TestFaultProperty plays random schedules of lines, rotations, cuts, clock steps, crashes and store faults. The
// archive must hold what was written, in order and once, but for what lies inside gaps, and a gap must stand only where
// a file ended.
func TestFaultProperty(t *testing.T) {
	first, last := watchtest.Seeds(t, seeds)
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &schedule{bed: newBed(t), rand: rand.New(rand.NewPCG(seed, 0))}
				s.play()
			})
		})
	}
}

// schedule is one random run.
type schedule struct {
	*bed
	rand    *rand.Rand
	lines   int
	step    time.Duration // of the node's clock
	rotated time.Time
	first   time.Time // when the first line was written
	said    []string
}

func (s *schedule) play() {
	s.bed.start()
	s.rotated = time.Now().Add(promptly - kubeletLeast)
	acts := []func(){s.writeSome, s.writeSome, s.writeSome, s.flood, s.rotate, s.cut, s.fault, s.clock, s.die, s.breakStore, s.nodeDown}
	for range 5 + s.rand.IntN(40) {
		acts[s.rand.IntN(len(acts))]()
		s.pause()
	}
	if s.rand.IntN(4) == 0 {
		s.c.WritePartial(s.now(), "last words")
	}
	s.c.Exit(s.rand.IntN(2))
	if s.rand.IntN(3) == 0 {
		s.c.Write(s.now(), "flushed late")
	}
	time.Sleep(s.upTo(2 * time.Second))
	s.k.Heal()
	s.store.Mend()
	if s.rand.IntN(4) == 0 {
		s.die()
	}
	record, lines := s.end(3 * time.Hour)
	written := s.c.Lines()
	if err := oracle.Accounted(lines, written, record.Gaps); err != nil {
		s.t.Errorf("%v\n%s", err, strings.Join(s.said, "\n"))
	}
	if err := oracle.Whole(record, s.c); err != nil && len(record.Gaps) == 0 {
		s.t.Errorf("%v\n%s", err, strings.Join(s.said, "\n"))
	}
	s.justified(lines, written, record.Gaps)
}

// justified checks that each gap stands where the log was rotated: a gap anywhere else is false.
func (s *schedule) justified(lines, written []kubelet.Line, gaps []archive.Gap) {
	place := map[string]int{}
	for n, l := range written {
		place[l.Text] = n
	}
	var ends []int
	n := 0
	for _, file := range s.c.Files() {
		n += len(kubelet.Render(file))
		ends = append(ends, n)
	}
	for _, g := range gaps {
		from, to := 0, len(written)
		if g.AfterLine > 0 {
			from = place[lines[g.AfterLine-1].Text] + 1
		}
		if through := max(g.AfterLine, g.ThroughLine); through < int64(len(lines)) {
			to = place[lines[through].Text]
		}
		fits := g.Reason == archive.GapLateStart && g.Unproven && g.AfterLine == 0
		for _, end := range ends[:len(ends)-1] {
			fits = fits || from <= end && end <= to
		}
		if !fits {
			s.t.Errorf("gap %+v stands between lines %d and %d, and files end at %v\n%s", g, from, to, ends, strings.Join(s.said, "\n"))
		}
	}
}

func (s *schedule) note(format string, args ...any) {
	s.said = append(s.said, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

func (s *schedule) upTo(d time.Duration) time.Duration { return time.Duration(s.rand.Int64N(int64(d))) }

// now is the node's time.
func (s *schedule) now() time.Time { return time.Now().Add(s.step) }

// pause lets time pass: mostly little, sometimes long.
func (s *schedule) pause() {
	time.Sleep(s.upTo([]time.Duration{time.Millisecond, 100 * time.Millisecond, 3 * time.Second, 30 * time.Second}[s.rand.IntN(4)]))
	if s.rand.IntN(2) == 0 {
		synctest.Wait()
	}
}

func (s *schedule) writeSome() { s.burst(1+s.rand.IntN(20), 40) }

func (s *schedule) flood() { s.burst(200+s.rand.IntN(300), 1000) }

// burst writes lines of up to size bytes. Times may be equal or a little out of order; every text is another.
func (s *schedule) burst(count, size int) {
	s.note("write %d lines from %d on", count, s.lines)
	if s.first.IsZero() {
		s.first = time.Now()
	}
	for range count {
		at := s.now()
		if s.rand.IntN(10) == 0 {
			at = at.Add(-s.upTo(500 * time.Millisecond))
		}
		text := fmt.Sprintf("%d %s", s.lines, strings.Repeat("x", s.rand.IntN(size)))
		s.lines++
		if s.rand.IntN(50) == 0 {
			s.c.WriteSplit(at, text, 1+s.rand.IntN(len(text)))
		} else {
			s.c.Write(at, text)
		}
		if s.rand.IntN(20) == 0 {
			time.Sleep(s.upTo(10 * time.Millisecond))
		}
	}
}

// rotate rotates the log, no more often than the kubelet does, and not so soon after the first line that no reader
// could have been there: a file must grow before it is rotated.
func (s *schedule) rotate() {
	if s.first.IsZero() {
		s.writeSome()
	}
	if wait := 2*promptly - time.Since(s.first); wait > 0 {
		time.Sleep(wait)
	}
	if wait := kubeletLeast - time.Since(s.rotated); wait > 0 {
		time.Sleep(wait)
	}
	s.rotated = time.Now()
	s.note("rotate after line %d", s.lines)
	s.c.Rotate()
}

func (s *schedule) cut() {
	s.note("cut")
	s.k.KillStreams()
}

// fault plays a fault on the next requests.
func (s *schedule) fault() {
	f := watchtest.RandomFault(s.rand)
	s.note("fault of %s", watchtest.SaysFault(f))
	s.c.Inject(f)
	s.k.KillStreams()
}

// clock sets the node's clock, back by less than what a log is read again by.
func (s *schedule) clock() {
	s.step = s.upTo(1400 * time.Millisecond)
	s.note("clock is %s ahead", s.step)
}

// die crashes the daemon and starts it again after a while.
func (s *schedule) die() {
	s.note("crash")
	s.crash()
	time.Sleep(s.upTo(5 * time.Second))
	s.bed.start()
}

func (s *schedule) breakStore() {
	effect := []storetest.Effect{storetest.NotStored(nil), storetest.Stored(nil), storetest.Slow(10 << 10)}[s.rand.IntN(3)]
	s.store.Break(storetest.Fault{Op: storetest.OpPut, Times: 1 + s.rand.IntN(3), Effect: effect})
}

func (s *schedule) nodeDown() {
	s.note("node down")
	s.k.Down()
	time.Sleep(s.upTo(20 * time.Second))
	s.writeSome()
	s.k.Up()
}
