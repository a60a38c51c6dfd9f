package follow

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// blocks writes numbered lines in blocks, as a program does whose output is buffered.
type blocks struct {
	*bed
	lines int
	kept  string
	ends  func(line int) string // what each line ends with; nil: nothing
}

const blockBytes = 8 << 10

// say writes so many lines, a millisecond each.
func (w *blocks) say(count int) {
	for range count {
		end := ""
		if w.ends != nil {
			end = w.ends(w.lines)
		}
		w.kept += fmt.Sprintf("line %d %s%s\n", w.lines, strings.Repeat("x", 80), end)
		if w.lines++; len(w.kept) >= blockBytes {
			w.c.Print(time.Now(), w.kept[:blockBytes])
			w.kept = w.kept[blockBytes:]
		}
		time.Sleep(time.Millisecond)
	}
}

// end writes what is left.
func (w *blocks) last() {
	w.c.Print(time.Now(), w.kept)
	w.kept = ""
	synctest.Wait()
}

// TestFollowCutLines: a rotation cuts a line wherever the runtime has read a part of it. Who follows is served the line
// whole, and no line begins with the new file; nothing is missing, and nothing is in doubt.
func TestFollowCutLines(t *testing.T) {
	for _, every := range []int{3500, 10_000} {
		t.Run(fmt.Sprint("in blocks, rotated every ", every, " lines"), func(t *testing.T) {
			inBubble(t, func(b *bed) {
				b.start()
				w := &blocks{bed: b}
				for range 6 {
					w.say(every)
					b.c.Rotate()
				}
				w.say(100)
				w.last()
				b.c.Exit(0)
				b.complete()
			})
		})
	}
	t.Run("text and newline apart", func(t *testing.T) {
		inBubble(t, func(b *bed) {
			b.start()
			for n := range 40_000 {
				b.c.Print(time.Now(), fmt.Sprintf("%d %s", n, strings.Repeat("y", 60)))
				if n%7000 == 6999 {
					b.c.Rotate()
				}
				time.Sleep(time.Millisecond / 2)
				b.c.Print(time.Now(), "\n")
				time.Sleep(time.Millisecond / 2)
			}
			b.c.Exit(0)
			b.complete()
		})
	})
}

// TestFollowResumedAfterACutLine: a file that begins inside a line is read from its start by who goes on shortly after
// the rotation, and by who compares the whole of it. The rest of that line is no line of its own.
func TestFollowResumedAfterACutLine(t *testing.T) {
	resumes := map[string]func(b *bed){
		"after a crash":  func(b *bed) { b.crash(); b.start() },
		"after a cut":    func(b *bed) { b.k.KillStreams() },
		"after a moment": func(b *bed) { time.Sleep(30 * time.Second); b.k.KillStreams() },
	}
	for name, resume := range resumes {
		for _, after := range []int{0, 60, 200, 1500} {
			t.Run(fmt.Sprintf("%s, %d lines behind the rotation", name, after), func(t *testing.T) {
				inBubble(t, func(b *bed) {
					b.start()
					w := &blocks{bed: b}
					w.say(7000)
					b.c.Rotate()
					w.say(85 + after) // so that the rest of the line is served, in the next block
					time.Sleep(2 * time.Second)
					resume(b)
					w.say(3000)
					w.last()
					time.Sleep(time.Second)
					b.c.Exit(0)
					b.complete()
				})
			})
		}
	}
}

// TestFollowServedACutFileTwice: of a file that the kubelet serves twice no line stands twice, though it begins inside
// a line.
func TestFollowServedACutFileTwice(t *testing.T) {
	inBubble(t, func(b *bed) {
		hold := kubelet.NewHold()
		b.c.Inject(&kubelet.Fault{On: kubelet.OnFollow, Times: 1, AfterLines: 1500, Hold: hold})
		b.start()
		w := &blocks{bed: b}
		w.say(4000)
		b.c.Rotate()
		w.say(4000)
		b.c.Rotate()
		w.say(3000)
		w.last()
		hold.Release()
		time.Sleep(time.Second)
		w.say(500)
		w.last()
		b.c.Exit(0)
		record, lines := b.end(time.Hour)
		seen := map[string]int{}
		for _, l := range lines {
			if seen[l.Text]++; seen[l.Text] > 1 {
				t.Fatalf("%s stands twice", l.Text)
			}
		}
		if len(record.Gaps) != 1 || record.Gaps[0].Reason != archive.GapRotated {
			t.Errorf("got gaps %+v, want one of rotated", record.Gaps)
		}
	})
}

// TestFollowJoinedLine: where the kubelet's reader is taken past a file it joins the line inside which the file before
// ended with the first record of the newest file. Nobody wrote that line, so the gap lies inside it, though its end be
// that of every other line.
func TestFollowJoinedLine(t *testing.T) {
	ends := map[string]func(int) string{
		"ends of their own": func(n int) string { return fmt.Sprintf(" line %d ends here", n) },
		"the same end":      func(int) string { return " level=info source=worker" },
	}
	for name, end := range ends {
		for _, slow := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, slow %t", name, slow), func(t *testing.T) {
				inBubble(t, func(b *bed) {
					hold := kubelet.NewHold()
					if slow {
						b.c.Inject(&kubelet.Fault{On: kubelet.OnFollow, AfterLines: 1, BytesPerSecond: 20 << 10})
					} else {
						b.c.Inject(&kubelet.Fault{On: kubelet.OnFollow, Times: 1, AfterLines: 1500, Hold: hold})
					}
					b.start()
					w := &blocks{bed: b, ends: end}
					for range 2 {
						w.say(4000)
						b.c.Rotate()
					}
					w.say(3000)
					w.last()
					hold.Release()
					time.Sleep(time.Minute)
					w.say(500)
					w.last()
					time.Sleep(time.Minute)
					b.c.Exit(0)
					record, lines := b.end(time.Hour)
					if err := watchtest.Truthful(lines, watchtest.Text(b.c.Lines()), record); err != nil {
						t.Error(err)
					}
					if record.Verdict != archive.Partial || len(record.Gaps) != 1 {
						t.Errorf("got verdict %s and gaps %+v, want partial and one gap", record.Verdict, record.Gaps)
					}
				})
			})
		}
	}
}
