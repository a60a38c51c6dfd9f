package follow

import (
	"fmt"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// heldLog returns a log that holds the lines.
func heldLog(t *testing.T, lines []archive.Line) *spool.Log {
	t.Helper()
	log := watchtest.HeldLogOf(t, archive.Instance{PodRef: archive.PodRef{Namespace: "ns", Pod: "p", PodUID: "u"}, Container: "c"})
	if _, err := log.Append(lines...); err != nil {
		t.Fatal(err)
	}
	return log
}

func TestOverlap(t *testing.T) {
	line := func(second int, text string) archive.Line {
		return archive.Line{Time: time.Unix(int64(second), 0).UnixNano(), Text: []byte(text)}
	}
	a, b, c, d := line(10, "a"), line(11, "b"), line(12, "c"), line(13, "d")
	for _, x := range []struct {
		name         string
		held, served []archive.Line
		since        int
		fresh        string // texts of the lines that are new
		gapBefore    string // text of the line before which a gap stands, "" for none
		proven       bool   // the sentinel was served
	}{
		{"all held and one more", []archive.Line{a, b}, []archive.Line{a, b, c}, 10, "c", "", true},
		{"the sentinel alone", []archive.Line{a, b}, []archive.Line{b, c}, 11, "c", "", true},
		{"nothing new", []archive.Line{a, b}, []archive.Line{a, b}, 10, "", "", true},
		{"nothing served", []archive.Line{a, b}, nil, 10, "", "", false},
		{"the sentinel is gone", []archive.Line{a, b}, []archive.Line{c, d}, 10, "cd", "c", false},
		{"a held line but not the sentinel", []archive.Line{a, b}, []archive.Line{a, c}, 10, "c", "c", false},
		{"equal lines stay two", []archive.Line{a, a}, []archive.Line{a, a, a}, 10, "a", "", true},
		{"equal times", []archive.Line{a, line(10, "x")}, []archive.Line{a, line(10, "x"), line(10, "y")}, 10, "y", "", true},
		{"out of order", []archive.Line{b, a, c}, []archive.Line{b, a, c, line(11, "z"), d}, 10, "zd", "", true},
		{"an older line that was never served", []archive.Line{b, c}, []archive.Line{b, line(11, "late"), c, d}, 10, "lated", "", true},
		{"an older line, and the sentinel is gone", []archive.Line{a, c}, []archive.Line{b, d}, 10, "bd", "b", false},
		{"the clock was set back", []archive.Line{c, a}, []archive.Line{c, a, b}, 8, "b", "", true},
		{"held before since", []archive.Line{a, b, c}, []archive.Line{b, c, d}, 11, "d", "", true},
		{"the same text without an end", []archive.Line{a}, []archive.Line{a, {Time: a.Time, Text: a.Text, Partial: true}}, 10, "a", "", true},
	} {
		t.Run(x.name, func(t *testing.T) {
			o, err := newOverlap(heldLog(t, x.held), place{since: time.Unix(int64(x.since), 0).UnixNano()})
			if err != nil {
				t.Fatal(err)
			}
			var fresh, gapBefore string
			early := func() {
				for _, l := range o.early {
					fresh += string(l.Text)
				}
				o.early = nil
			}
			for _, l := range x.served {
				switch {
				case o.have(l):
					if o.found {
						early()
					}
					continue
				case o.waits(l):
					continue
				case o.missed():
					gapBefore += string(o.firstOf(l).Text)
					early()
				}
				fresh += string(l.Text)
			}
			if fresh != x.fresh || gapBefore != x.gapBefore || o.found != x.proven {
				t.Errorf("got new %q, gap before %q, proven %t, want %q, %q, %t", fresh, gapBefore, o.found, x.fresh, x.gapBefore, x.proven)
			}
		})
	}
}

func TestOverlapOfNothing(t *testing.T) {
	if o, err := newOverlap(heldLog(t, nil), place{}); o != nil || err != nil {
		t.Errorf("got %v, %v, want nil, nil", o, err)
	}
}

func TestSince(t *testing.T) {
	for _, c := range []struct{ last, want int64 }{
		{0, 0},
		{10_000_000_000, 8_000_000_000},
		{10_999_999_999, 8_000_000_000},
	} {
		t.Run(fmt.Sprint(c.last), func(t *testing.T) {
			if got := since(c.last); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

// TestOverlapWaitsForLittle: new lines wait for the sentinel in memory, and so only few of them.
func TestOverlapWaitsForLittle(t *testing.T) {
	log := heldLog(t, []archive.Line{{Time: int64(time.Hour), Text: []byte("held")}})
	o, err := newOverlap(log, place{})
	if err != nil {
		t.Fatal(err)
	}
	text, waiting := make([]byte, 1<<10), 0
	for n := range 10 * mostWaiting / len(text) {
		if o.waits(archive.Line{Time: int64(n), Text: text}) {
			waiting += len(text)
		}
	}
	if waiting < mostWaiting || waiting > mostWaiting+len(text) {
		t.Errorf("%d bytes wait, want %d and no more than a line beyond", waiting, mostWaiting)
	}
}
