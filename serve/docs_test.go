package serve

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

// example is one command of docs/api.md with what it prints. "..." stands for anything.
type example struct{ command, output string }

func examples(t *testing.T) (all []example) {
	t.Helper()
	page, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllSubmatch(page, -1) {
		for part := range strings.SplitSeq("\n"+string(block[1]), "\n$ ") {
			command, output, _ := strings.Cut(part, "\n")
			if command != "" {
				all = append(all, example{command, output})
			}
		}
	}
	return all
}

// TestExamplesOfThePage: each command of docs/api.md prints what the page says.
func TestExamplesOfThePage(t *testing.T) {
	s := filled(t)
	m := manifestOf(archive.PodRef{Namespace: "jobs", Job: "lost", JobUID: "lost-uid", Pod: "lost-pod", PodUID: "lost-pod-uid"})
	m.Pod.Phase, m.Workloads = "Failed", nil
	m.Instances = []archive.InstanceRecord{{Instance: instance(m.Pod.PodRef, "main"), Verdict: archive.Lost, Reason: "evicted: the kubelet removed its logs"}}
	s.sealAs(m)
	all := examples(t)
	if len(all) < 8 {
		t.Fatalf("got %d examples, want all of the page", len(all))
	}
	for _, e := range all {
		got := s.curl(e.command)
		want := "(?s)^" + strings.ReplaceAll(regexp.QuoteMeta(strings.TrimRight(e.output, "\n")), `\.\.\.`, ".*") + "$"
		if !regexp.MustCompile(want).MatchString(strings.TrimRight(got, "\n")) {
			t.Errorf("%s\nprints:\n%s\nand the page says:\n%s", e.command, got, e.output)
		}
	}
}

// curl does what curl does with the few flags that the page uses.
func (s *shelf) curl(command string) string {
	s.t.Helper()
	command = strings.NewReplacer("$TOKEN", "jane", "$API", "").Replace(command)
	var header []string
	path, head := "", false
	for _, word := range regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(command, -1)[1:] {
		word = strings.Trim(word, `"`)
		switch name, value, isHeader := strings.Cut(word, ": "); {
		case isHeader:
			header = append(header, name, value)
		case word == "-D-":
			head = true
		case strings.HasPrefix(word, "/"):
			path = word
		case !slices.Contains([]string{"-s", "-H", "-o/dev/null"}, word):
			s.t.Fatalf("curl %s: the test does not know this flag", word)
		}
	}
	w := s.ask(path, header...)
	if head {
		return headOf(w)
	}
	return w.Body.String()
}

func headOf(w *httptest.ResponseRecorder) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d OK\n", w.Code)
	_ = w.Result().Header.Write(&b)
	return strings.ReplaceAll(b.String(), "\r\n", "\n")
}
