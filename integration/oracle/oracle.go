// Package oracle judges an archived log in tests: against what the container wrote, and against the gaps that are
// recorded.
package oracle

import (
	"fmt"
	"strings"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

// pieceBytes is where the follower cuts lines (docs/format.md): what is longer is archived in pieces of one time, or in
// shorter ones where it came slowly.
const pieceBytes = 64 << 10

// joined puts the shorter pieces together, but for those with a cut between them, and returns the cuts' places among
// the others.
func joined(archived []kubelet.Line, cuts map[int]bool) (lines []kubelet.Line, moved map[int]bool) {
	moved = map[int]bool{}
	for n, l := range archived {
		if cuts[n] {
			moved[len(lines)] = true
		}
		if last := len(lines) - 1; last >= 0 && !cuts[n] && goesOn(lines[last], l) {
			lines[last].Text += l.Text
			lines[last].Partial = l.Partial
			continue
		}
		lines = append(lines, l)
	}
	if cuts[len(archived)] {
		moved[len(lines)] = true
	}
	return lines, moved
}

func goesOn(piece, next kubelet.Line) bool {
	return piece.Partial && piece.Time.Equal(next.Time) && len(piece.Text)%pieceBytes > 0 && len(piece.Text)+len(next.Text) <= pieceBytes
}

// pieces returns lines as they are archived.
func pieces(lines []kubelet.Line) []kubelet.Line {
	var cut []kubelet.Line
	for _, l := range lines {
		for len(l.Text) > pieceBytes {
			piece := l
			piece.Text, piece.Partial = l.Text[:pieceBytes], true
			cut, l.Text = append(cut, piece), l.Text[pieceBytes:]
		}
		cut = append(cut, l)
	}
	return cut
}

// Accounted reports whether the archived lines are the written ones, in order and each once, but for those inside gaps.
// Between two gaps the archive must hold an unbroken run of what was written.
func Accounted(archived, written []kubelet.Line, gaps []archive.Gap) error {
	written = pieces(written)
	cuts := map[int]bool{}
	for _, g := range gaps {
		through := max(g.AfterLine, g.ThroughLine)
		if g.AfterLine < 0 || through > int64(len(archived)) {
			return fmt.Errorf("gap %+v lies outside the log's %d lines", g, len(archived))
		}
		for n := g.AfterLine; n <= through; n++ {
			cuts[int(n)] = true
		}
	}
	archived, cuts = joined(archived, cuts)
	at, begin := 0, 0
	for end := 1; end <= len(archived); end++ {
		if end < len(archived) && !cuts[end] {
			continue
		}
		found, err := find(archived[begin:end], written, at, cuts[begin])
		if err != nil {
			return fmt.Errorf("lines %d to %d of %d archived, %d written, gaps %+v: %w", begin+1, end, len(archived), len(written), gaps, err)
		}
		at, begin = found, end
	}
	if at < len(written) && !cuts[len(archived)] {
		return fmt.Errorf("%d of %d lines at the end are missing outside any gap %+v, from %s on", len(written)-at, len(written), gaps, Show(written[at]))
	}
	return nil
}

// Whole reports whether a log that is held whole is called what it is: complete or empty where it is one file, and
// seamed otherwise, with one seam at least and none that is not there.
func Whole(record archive.InstanceRecord, written *kubelet.Instance) error {
	files := len(written.Files())
	want := archive.Complete
	switch {
	case files > 1:
		want = archive.Seamed
	case len(written.Records()) == 0:
		want = archive.Empty
	}
	if record.Verdict != want {
		return fmt.Errorf("got verdict %s (%s), want %s of %d files", record.Verdict, record.Reason, want, files)
	}
	if (record.Seams > 0) != (files > 1) || record.Seams >= int64(files) {
		return fmt.Errorf("got %d seams of %d files", record.Seams, files)
	}
	return nil
}

// find looks for a run of lines in what was written from line at on, and returns where it ends. Without a gap before it
// the run begins right there.
func find(run, written []kubelet.Line, at int, gap bool) (end int, err error) {
	for ; at+len(run) <= len(written); at++ {
		n := 0
		for n < len(run) && same(run[n], written[at+n]) {
			n++
		}
		if n == len(run) {
			return at + n, nil
		}
		if err == nil || n > 0 {
			err = fmt.Errorf("line %d is %s, want %s", n+1, Show(run[n]), Show(written[at+n]))
		}
		if !gap {
			return 0, err
		}
	}
	if err == nil {
		err = fmt.Errorf("%d lines are left of what was written, got %d, the first %s", len(written)-at, len(run), Show(run[0]))
	}
	return 0, err
}

func same(a, b kubelet.Line) bool {
	return a.Time.Equal(b.Time) && a.Text == b.Text && a.Partial == b.Partial
}

// Show returns a line for a message.
func Show(l kubelet.Line) string {
	text := l.Text
	if len(text) > 60 {
		text = text[:60] + "…"
	}
	end := "\\n"
	if l.Partial {
		end = ""
	}
	return fmt.Sprintf("%s %q%s", l.Time.UTC().Format("15:04:05.000000000"), strings.ToValidUTF8(text, "?"), end)
}
