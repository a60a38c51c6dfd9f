package follow

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/integration/oracle"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// pinned are schedules that once failed, with what they showed. They are played whatever the range is. What a seed
// plays changes with the acts: who changes those leaves those that rand draws as they are, and draws from more.
var pinned = []watchtest.Pin{
	{Seed: 75, Shows: "the clock was set back behind since while a line began: of the rest, without a time, nothing was held, and it was passed over"},
	{Seed: 66, Shows: "the file was to be compared as a whole, and its first record could not be had: lines from long before since stood twice"},
	{Seed: 350, Shows: "that request was cut, and looked like that of an empty file"},
	{Seed: 336, Shows: "a file began with the rest of a line, too short to be known by its text, and the clock had been an hour ahead before"},
	{Seed: 432, Shows: "the clock was set back by much before: since served lines of that time, and hid the end of one and those behind it"},
	{Seed: 444, Shows: "the clock was set back behind since and forward again, and the file was rotated meanwhile: nothing showed what was hidden"},
	{Seed: 528, Shows: "that was in one file, while nobody read: what was hidden was found at the end, and called complete behind the rest"},
	{Seed: 511, Shows: "a file began with the end of a line that had begun long before the lines before it: it was held twice"},
	{Seed: 443, Shows: "a file began with a short end of a line, and those behind it were of its block and its time: it was held twice"},
	{Seed: 494, Shows: "lines that since had hidden were found when the file was compared, and stood behind later ones, which then stood twice"},
	{Seed: 375, Shows: "an answer hung inside a held line, and the file was rotated: the line's start was held once more"},
	{Seed: 944, Shows: "a file began inside a line of which the answer before had brought the start, and the clock had been ahead before"},
	{Seed: 910, Shows: "the rest of a line with which a file began had come in part, too little to be known by its text"},
	{Seed: 515, Shows: "that rest had come whole when the file was asked for again"},
	{Seed: 408, Shows: "a file was seen and never met, and the line before it was joined with a newer one's first record, which is empty"},
	{Seed: 807, Shows: "a short end of what an answer brought is like the start of the next file, by chance"},
	{Seed: 2828, Shows: "the clock was set back inside a line that took long: its end was hidden, and the next line stood in it, its time as text"},
	{Seed: 1099, Shows: "since hid what was written, from the first stream of a new process on, and the file was rotated before a look"},
	{Seed: 1547, Shows: "a part of a held line was written while the clock was set back: asked from a time, the line came without it, as a new one"},
	{Seed: 3338, Shows: "that line was the first one of its file, and its start was held as a part of another one"},
	{Seed: 560, Shows: "that end of a line had been joined with the start of another, for two files between were skipped"},
	{Seed: 260, Shows: "of a log only a part of the first line was served, and the file was rotated then"},
	{Seed: 588, Shows: "a stream that fell behind was deaf to a rotation, and its file was skipped: it was found empty, and nobody looked again"},
	{Seed: 2820, Shows: "since hid the end of the file's first line, of which the start had a later time: a gap was written by that answer"},
	{Seed: 3048, Shows: "the last stream was cut in the second of the container's end, and the rest of its line was rotated away"},
	{Seed: 4775, Shows: "the last stream was cut in the second of the container's end, and the file that was written then was rotated away"},
	{Seed: 8471, Shows: "that stream was cut twice in a row, as those of a container that has ended end"},
	{Seed: 17763, Shows: "the clock was set back behind since, and the file that was written then was rotated away: the stream seemed to have stood at its end"},
	{Seed: 3863, Shows: "since hid lines while the clock was behind it, and the line that came then was taken for one behind a backlog"},
	{Seed: 5254, Shows: "a stream that was deaf to a rotation brought too little to be looked at, and a file was skipped"},
	{Seed: 12014, Shows: "since hid a part of a line from a stream that was opened later: another line stood in it, with its time"},
	{Seed: 16014, Shows: "the clock was set back behind the since of a stream that brought little, and nobody asked for the last record soon"},
	{Seed: 8549, Shows: "the end of an unfinished line was like the start of the file by five bytes, and the line where it began was not looked for"},
	{Seed: 18344, Shows: "the end of a line with which the file began was cut on its way: its start was held twice"},
	{Seed: 8395, Shows: "a new process read a log that had ended from a time only: since hid a line before the last one"},
	{Seed: 5629, Shows: "the gap of a skipped file was put where times said, and the clock had been ahead long before"},
	{Seed: 3446, Shows: "a stream went on with an open line, and was taken past a file inside it: the line's time was that of the last one before it"},
	{Seed: 5686, Shows: "a stream was taken past a file inside a line: the gap stood behind it, and that line was two"},
	{Seed: 7207, Shows: "a line that was two was the last one before a crash, and the gap stood behind it"},
}

// TestFollowerModel plays everything at once: a process that writes in blocks which end anywhere, lines that take
// seconds, a second output between, rotations at any byte, clocks that step, answers that are cut, hang or lie, kills,
// and a node that goes away. What the process wrote is the truth: each byte is archived once and in order, or lies
// inside a gap; what is called complete is equal to it; and everything ends.
func TestFollowerModel(t *testing.T) {
	watchtest.Play(t, watchtest.Model{Count: seeds, Pinned: pinned}, func(t *testing.T, seed uint64) { newModel(t, seed).play() })
}

// model is one random run of one reader, with a process that writes as it likes.
type model struct {
	*schedule
	process *watchtest.Process
	more    *rand.Rand // what is drawn from it leaves the schedules of rand as they are
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{schedule: &schedule{bed: newBed(t), rand: rand.New(rand.NewPCG(seed, 1))}, more: rand.New(rand.NewPCG(seed, 2))}
	m.process = &watchtest.Process{Instance: m.c, Rand: m.rand, Now: m.now, Note: m.note}
	return m
}

func (m *model) play() {
	m.bed.start()
	m.rotated = time.Now().Add(promptly - kubeletLeast)
	p := m.process
	acts := []func(){p.Say, p.Say, p.Say, p.Slowly, m.turn, m.turn, m.cut, m.fault, m.set, m.die, m.away}
	for range 5 + m.rand.IntN(30) {
		acts[m.rand.IntN(len(acts))]()
		m.pause()
		if m.more.IntN(10) == 0 {
			p.Aside(m.more)
		}
	}
	if m.rand.IntN(2) == 0 {
		p.Put("\n")
	}
	m.c.Exit(m.rand.IntN(2))
	time.Sleep(m.upTo(2 * time.Second))
	m.k.Heal()
	if m.rand.IntN(4) == 0 {
		m.die()
	}
	record, lines := m.end(3 * time.Hour)
	if err := p.Truthful(lines, record); err != nil {
		m.t.Errorf("%v\n%s", err, strings.Join(m.said, "\n"))
	}
	if err := oracle.Whole(record, m.c); err != nil && len(record.Gaps) == 0 {
		m.t.Errorf("%v\n%s", err, strings.Join(m.said, "\n"))
	}
}

// turn rotates the log, wherever the process is.
func (m *model) turn() {
	m.process.Grow(time.Sleep)
	if wait := kubeletLeast - time.Since(m.rotated); wait > 0 {
		time.Sleep(wait)
	}
	m.rotated = time.Now()
	m.note("rotate after byte %d", m.process.Wrote.Len())
	m.c.Rotate()
}

// set sets the node's clock, mostly by little.
func (m *model) set() {
	m.step = m.upTo([]time.Duration{time.Second, time.Second, 20 * time.Second, time.Hour}[m.rand.IntN(4)])
	m.note("clock is %s ahead", m.step)
}

func (m *model) away() {
	m.note("node down")
	m.k.Down()
	time.Sleep(m.upTo(20 * time.Second))
	m.process.Say()
	m.k.Up()
}
