package kubelet

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func caseReadOptions(b *bed) {
	c := b.running()
	c.Write(at(0), "one")
	c.Write(at(time.Second), "two")
	c.Write(at(2*time.Second), "three")
	tests := []struct {
		name string
		opts corev1.PodLogOptions
		want string
	}{
		{"plain", corev1.PodLogOptions{}, "one\ntwo\nthree\n"},
		{"timestamps", corev1.PodLogOptions{Timestamps: true, TailLines: new(int64(1))}, stamp(2*time.Second) + " three\n"},
		{"since has whole seconds", corev1.PodLogOptions{SinceTime: sinceTime(at(1500 * time.Millisecond))}, "two\nthree\n"},
		{"since drops what is older", corev1.PodLogOptions{SinceTime: sinceTime(at(1800 * time.Millisecond))}, "three\n"},
		{"tail none", corev1.PodLogOptions{TailLines: new(int64(0))}, ""},
		{"tail more than there is", corev1.PodLogOptions{TailLines: new(int64(9))}, "one\ntwo\nthree\n"},
		{"limit cuts inside a line", corev1.PodLogOptions{LimitBytes: new(int64(6))}, "one\ntw"},
	}
	for _, test := range tests {
		b.want(test.name, b.read(test.opts), test.want)
	}
	if got := b.k.Counters(); got.Opened != 7 || got.Tail != 3 || got.Since != 2 || got.Limit != 1 || got.Open != 0 {
		b.t.Errorf("got counters %+v, want 7 opened, 3 tail, 2 since, 1 limit, none open", got)
	}
}

func caseCurrentFile(b *bed) {
	c := b.running()
	c.Write(at(0), "old")
	c.Rotate()
	c.Write(at(1), "new")
	b.want("log", b.read(corev1.PodLogOptions{}), "new\n")
	if got, want := len(c.Records()), 2; got != want {
		b.t.Errorf("got %d records in the model, want %d", got, want)
	}
	b.want("never served", string(c.Unserved()[0].Text), "old")
	b.want("served", string(c.Served()[0].Text), "new")
}

func caseSplitLines(b *bed) {
	c := b.running()
	c.Append(Record{Time: at(0), Partial: true, Text: []byte("AAAA-part1-")})
	c.WriteStderr(at(1), "an stderr line")
	c.Append(Record{Time: at(2), Text: []byte("AAAA-part2")})
	c.WriteSplit(at(3), "BBBB-part1BBBB-part2", 10)
	glued := stamp(0) + " AAAA-part1-an stderr line\n" + stamp(2) + " AAAA-part2\n" + stamp(3) + " BBBB-part1BBBB-part2\n"
	b.want("one new-line flag for both outputs", b.read(corev1.PodLogOptions{Timestamps: true}), glued)
	last := b.read(corev1.PodLogOptions{Timestamps: true, TailLines: new(int64(1))})
	b.want("tail counts chunks", last, stamp(3+time.Microsecond)+" BBBB-part2\n")
	if got, want := len(c.Lines()), 3; got != want {
		b.t.Errorf("got %d lines in the model, want %d", got, want)
	}
	b.want("line of the model", c.Lines()[2].Text, "BBBB-part1BBBB-part2")
}

func caseSinceInsideSplit(b *bed) {
	c := b.running()
	c.Append(
		Record{Time: at(700 * time.Millisecond), Partial: true, Text: []byte("CC-1")}, // .95
		Record{Time: at(800 * time.Millisecond), Text: []byte("CC-2")},                // 1.05
	)
	got := b.read(corev1.PodLogOptions{Timestamps: true, SinceTime: sinceTime(at(800 * time.Millisecond))})
	b.want("first line without a time", got, "CC-2\n")
}

func caseBytes(b *bed) {
	c := b.running()
	long := strings.Repeat("x", 1<<20)
	c.Write(at(0), "nul \x00 and \xff\xfe\r")
	c.Write(at(1), long)
	c.WritePartial(at(2), "no newline")
	if got, want := b.read(corev1.PodLogOptions{}), "nul \x00 and \xff\xfe\n"+long+"\nno newline"; got != want {
		b.t.Errorf("got %d bytes %.30q..., want %d bytes %.30q...", len(got), got, len(want), want)
	}
	if got, want := len(c.Records()), 66; got != want {
		b.t.Errorf("got %d records, want %d: 64 chunks of the long line and two more", got, want)
	}
	if lines := c.Lines(); len(lines) != 3 || lines[1].Text != long || !lines[2].Partial {
		b.t.Errorf("got %d lines, want 3, the last one partial", len(lines))
	}
}

func caseZone(b *bed) {
	b.running().Write(at(0), "x")
	b.want("log", b.read(corev1.PodLogOptions{Timestamps: true}), "2026-11-23T12:00:00.250000000+02:00 x\n")
}

func caseShortTimes(b *bed) {
	b.running().Write(at(0), "x")
	b.want("log", b.read(corev1.PodLogOptions{Timestamps: true}), "2026-11-23T10:00:00.25Z x\n")
}

func TestRender(t *testing.T) {
	tests := []struct {
		name    string
		records []Record
		want    []Line
	}{
		{"nothing", nil, nil},
		{"empty line", []Record{{Time: at(0)}}, []Line{{Time: at(0)}}},
		{"no newline", []Record{{Time: at(0), Partial: true, Text: []byte("a")}}, []Line{{at(0), "a", true}}},
		{"empty chunk ends a line", []Record{{Time: at(0), Partial: true}, {Time: at(1)}}, []Line{{at(0), "", true}, {at(1), "", false}}},
		{"chunks", Chunks(at(0), Stdout, "abcde", 2), []Line{{at(0), "abcde", false}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Render(test.records)
			if len(got) != len(test.want) {
				t.Fatalf("got %v, want %v", got, test.want)
			}
			for n := range got {
				if got[n] != test.want[n] {
					t.Errorf("line %d: got %v, want %v", n, got[n], test.want[n])
				}
			}
		})
	}
}
