package kubelet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// TestPrint: what is written in blocks makes records of lines, and a rotation makes two of the line that it falls into.
func TestPrint(t *testing.T) {
	long := strings.Repeat("x", ChunkBytes)
	for name, c := range map[string]struct {
		play func(i *Instance)
		want []string // each file's records, with P behind one that has no end
	}{
		"lines in one block":          {func(i *Instance) { i.Print(at(0), "a\nb\n") }, []string{"a b"}},
		"a line in two blocks":        {func(i *Instance) { i.Print(at(0), "a\nb"); i.Print(at(1), "c\n") }, []string{"a bc"}},
		"a long line":                 {func(i *Instance) { i.Print(at(0), long+"y\n") }, []string{long + "P y"}},
		"a rotation between lines":    {func(i *Instance) { i.Print(at(0), "a\n"); i.Rotate(); i.Print(at(1), "b\n") }, []string{"a", "b"}},
		"a rotation inside a line":    {func(i *Instance) { i.Print(at(0), "a\nb"); i.Rotate(); i.Print(at(1), "c\nd\n") }, []string{"a bP", "c d"}},
		"a rotation before a newline": {func(i *Instance) { i.Print(at(0), "a"); i.Rotate(); i.Print(at(1), "\nb\n") }, []string{"aP", " b"}},
		"a rotation by size":          {func(i *Instance) { i.RotateAt(1); i.Print(at(0), "a\nb"); i.RotateAt(0); i.Print(at(1), "c\n") }, []string{"a bP", "c"}},
		"last words":                  {func(i *Instance) { i.Print(at(0), "a\nb"); i.Exit(0) }, []string{"a bP"}},
	} {
		t.Run(name, func(t *testing.T) {
			i := New(t, nil, "node").Pod("jobs", Spec{Name: "pod"}).Start("main")
			c.play(i)
			var got []string
			for _, file := range i.Files() {
				var texts []string
				for _, r := range file {
					texts = append(texts, string(r.Text)+map[bool]string{true: "P"}[r.Partial])
				}
				got = append(got, strings.Join(texts, " "))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got files %.100q, want %.100q", fmt.Sprint(got), fmt.Sprint(c.want))
			}
		})
	}
}

// caseCutLine: who follows a rotation inside a line is served one line with the time of its start, who reads the new
// file the rest alone.
func caseCutLine(b *bed) {
	c := b.running()
	c.Print(at(0), "a\nb")
	r := b.follow()
	b.want("line before", b.next(r), "a\n")
	b.settled(c)
	c.Rotate()
	b.settled(c)
	c.Print(at(time.Second), "c\nd\n")
	b.want("line that was cut", b.next(r), "bc\n")
	b.want("line behind", b.next(r), "d\n")
	b.want("new file", b.read(corev1.PodLogOptions{Timestamps: true, LimitBytes: new(int64(len(stamp(0)) + 3))}), stamp(time.Second)+" c\n")
	c.Exit(0)
}
