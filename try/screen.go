package try

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/cli/show"
)

// Screen is what the trial is seen on, a terminal or a file. Whoever calls it writes whole lines, so that those of many
// pods stand below each other. Safe for concurrent use.
type Screen struct {
	mu    sync.Mutex
	lines *show.Lines               // guarded by mu
	names map[archive.PodUID]string // guarded by mu; of pods in prefixes
	told  map[string]time.Time      // guarded by mu; when a trouble was last told
	err   error                     // guarded by mu; the first that a write gave
}

// NewScreen makes one. A terminal gets no control character of a container's text; a file gets its bytes.
func NewScreen(out io.Writer, terminal, color bool) *Screen {
	s := &Screen{names: map[archive.PodUID]string{}, told: map[string]time.Time{}}
	s.lines = show.NewLines(out, show.LineStyle{Prefix: true, Flush: true, Terminal: terminal, Color: color, Called: s.called})
	return s
}

// Name sets the name of a pod in prefixes.
func (s *Screen) Name(pod archive.PodUID, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[pod] = name
}

// Forget forgets it.
func (s *Screen) Forget(pod archive.PodUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.names, pod)
}

// Called is the name of a log.
func (s *Screen) Called(i *archive.Instance) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.called(i)
}

// called is Called. Called with mu held.
func (s *Screen) called(i *archive.Instance) string {
	name := s.names[i.PodUID]
	if name == "" {
		name = i.Pod
	}
	if name += "/" + i.Container; i.Restart > 0 {
		name = fmt.Sprintf("%s[%d]", name, i.Restart)
	}
	return name
}

// Line shows a line of a log.
func (s *Screen) Line(e *archive.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep(s.lines.Line(e))
}

// Say shows one line of ours, such as "* job nightly: running".
func (s *Screen) Say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep(s.lines.Note("* " + fmt.Sprintf(format, args...)))
}

// Plain shows a text of ours as it is.
func (s *Screen) Plain(lines ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range lines {
		s.keep(s.lines.Note(line))
	}
}

// again is how long the same trouble is not told a second time: what is tried again every second needs no line for each
// try.
const again = time.Minute

// Trouble tells what went wrong and is tried again.
func (s *Screen) Trouble(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if at, ok := s.told[text]; ok && now.Sub(at) < again {
		return
	}
	if len(s.told) > 1000 { // texts that are all different, over days
		clear(s.told)
	}
	s.told[text] = now
	s.keep(s.lines.Note("! " + text))
}

func (s *Screen) keep(err error) {
	if s.err == nil {
		s.err = err
	}
}

// Err returns what the first write gave that failed.
func (s *Screen) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return fmt.Errorf("write output: %w", s.err)
	}
	return nil
}
