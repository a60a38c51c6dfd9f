package kubelet

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// start is the time of a test's first record.
var start = time.Date(2026, 11, 23, 10, 0, 0, 250_000_000, time.UTC)

func at(d time.Duration) time.Time { return start.Add(d) }

// newNode gives a node without an API server, a running container on it and a client of its transport.
func newNode(t *testing.T, opts ...Option) (*Kubelet, *Instance, kubernetes.Interface) {
	t.Helper()
	k := New(t, nil, "node-a", opts...)
	client, err := kubernetes.NewForConfig(&rest.Config{Host: "http://node", Transport: k.Transport(), QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	return k, k.Pod("jobs", Spec{Name: "p"}).Start("main"), client
}

func open(t *testing.T, client kubernetes.Interface, opts corev1.PodLogOptions) io.ReadCloser {
	t.Helper()
	body, err := client.CoreV1().Pods("jobs").GetLogs("p", &opts).Stream(t.Context())
	if err != nil {
		t.Fatalf("open log: %v", err)
	}
	t.Cleanup(func() { _ = body.Close() })
	return body
}

func all(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read log: %v", err)
	}
	return string(b)
}

func read(t *testing.T, client kubernetes.Interface, opts corev1.PodLogOptions) string {
	t.Helper()
	return all(t, open(t, client, opts))
}

func sinceTime(at time.Time) *metav1.Time { return &metav1.Time{Time: at} }

func ptr[T any](v T) *T { return &v }

func stamp(d time.Duration) string { return at(d).Format(timeFormat) }

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

func TestReadOptions(t *testing.T) {
	_, c, client := newNode(t)
	c.Write(at(0), "one")
	c.Write(at(time.Second), "two")
	c.Write(at(2*time.Second), "three")
	since := sinceTime(at(1500 * time.Millisecond))
	tests := []struct {
		name string
		opts corev1.PodLogOptions
		want string
	}{
		{"plain", corev1.PodLogOptions{}, "one\ntwo\nthree\n"},
		{"timestamps", corev1.PodLogOptions{Timestamps: true, TailLines: ptr(int64(1))}, stamp(2*time.Second) + " three\n"},
		{"since is inclusive and has whole seconds", corev1.PodLogOptions{SinceTime: since}, "two\nthree\n"},
		{"tail none", corev1.PodLogOptions{TailLines: ptr(int64(0))}, ""},
		{"tail more than there is", corev1.PodLogOptions{TailLines: ptr(int64(9))}, "one\ntwo\nthree\n"},
		{"limit cuts inside a line", corev1.PodLogOptions{LimitBytes: ptr(int64(6))}, "one\ntw"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			expect(t, "log", read(t, client, test.opts), test.want)
		})
	}
}

func TestOnlyTheCurrentFileCanBeRead(t *testing.T) {
	_, c, client := newNode(t)
	c.Write(at(0), "old")
	c.Rotate()
	c.Write(at(1), "new")
	expect(t, "log", read(t, client, corev1.PodLogOptions{}), "new\n")
	if got, want := len(c.Records()), 2; got != want {
		t.Errorf("got %d records in the model, want %d", got, want)
	}
	expect(t, "never served", string(c.Unserved()[0].Text), "old")
	expect(t, "served", string(c.Served()[0].Text), "new")
}

func TestSplitLines(t *testing.T) {
	_, c, client := newNode(t)
	c.Append(Record{Time: at(0), Partial: true, Text: []byte("AAAA-part1-")})
	c.WriteStderr(at(1), "an stderr line")
	c.Append(Record{Time: at(2), Text: []byte("AAAA-part2")})
	c.WriteSplit(at(1500*time.Millisecond), "BBBB-part1BBBB-part2", 10)
	glued := stamp(0) + " AAAA-part1-an stderr line\n" + stamp(2) + " AAAA-part2\n" + stamp(1500*time.Millisecond) + " BBBB-part1BBBB-part2\n"
	expect(t, "one new-line flag for both outputs", read(t, client, corev1.PodLogOptions{Timestamps: true}), glued)
	last := read(t, client, corev1.PodLogOptions{Timestamps: true, TailLines: ptr(int64(1))})
	expect(t, "tail counts chunks", last, at(1500*time.Millisecond+time.Microsecond).Format(timeFormat)+" BBBB-part2\n")
}

func TestSinceInsideASplitLine(t *testing.T) {
	_, c, client := newNode(t)
	c.Append(
		Record{Time: at(700 * time.Millisecond), Partial: true, Text: []byte("CC-1")},
		Record{Time: at(800 * time.Millisecond), Text: []byte("CC-2")},
	)
	got := read(t, client, corev1.PodLogOptions{Timestamps: true, SinceTime: sinceTime(at(750 * time.Millisecond))})
	expect(t, "first line without a time", got, "CC-2\n")
}

func TestBytesPassUntouched(t *testing.T) {
	_, c, client := newNode(t)
	long := strings.Repeat("x", 40_000)
	c.Write(at(0), "nul \x00 and \xff\xfe\r")
	c.Write(at(1), long)
	c.WritePartial(at(2), "no newline")
	expect(t, "log", read(t, client, corev1.PodLogOptions{}), "nul \x00 and \xff\xfe\n"+long+"\nno newline")
	if got, want := len(c.Records()), 5; got != want {
		t.Errorf("got %d records, want %d: a long line is split", got, want)
	}
}

func TestFollowEndsWithTheContainer(t *testing.T) {
	k, c, client := newNode(t)
	c.Write(at(0), "before")
	r := bufio.NewReader(open(t, client, corev1.PodLogOptions{Follow: true}))
	expect(t, "first", next(t, r), "before\n")
	c.Write(at(1), "live")
	expect(t, "second", next(t, r), "live\n")
	c.Exit(0)
	expect(t, "rest", all(t, r), "")
	if got := k.Counters(); got.Follow != 1 || got.Opened != 1 || got.Bytes != 12 {
		t.Errorf("got counters %+v, want 1 follow of 1 stream and 12 bytes", got)
	}
}

func next(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("read line: %v", err)
	}
	return line
}

func TestFollowCrossesARotation(t *testing.T) {
	_, c, client := newNode(t)
	c.Write(at(0), "a")
	r := bufio.NewReader(open(t, client, corev1.PodLogOptions{Follow: true}))
	expect(t, "first file", next(t, r), "a\n")
	settle(t, c)
	c.Write(at(1), "b")
	c.Rotate()
	c.Write(at(2), "c")
	expect(t, "last line of the first file", next(t, r), "b\n")
	expect(t, "second file", next(t, r), "c\n")
	c.Exit(0)
	expect(t, "rest", all(t, r), "")
}

// settle waits until a follower of the instance waits for news.
func settle(t *testing.T, c *Instance) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.WaitFollowed(ctx, 1); err != nil {
		t.Fatal(err)
	}
}
