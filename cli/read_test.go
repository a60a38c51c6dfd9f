package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/golden"
)

// TestGolden compares whole outputs: what a person sees of each command, its exit code, and what goes to standard
// error.
func TestGolden(t *testing.T) {
	for _, tt := range []struct {
		name     string
		args     string
		terminal bool
		env      map[string]string
		alone    bool // the daemon does not answer this one, or in other words
	}{
		{name: "list", args: "list"},
		{name: "list-wide", args: "list -A -o wide"},
		{name: "list-failed", args: "list --failed --no-headers"},
		{name: "list-none", args: "list --verdict lost"},
		{name: "list-selector", args: "list -l tier=nightly -o name"},
		{name: "list-json", args: "list --workload " + workload + " -o json", alone: true},
		{name: "list-limit", args: "list --limit 1"},
		{name: "get", args: "get nightly"},
		{name: "get-wide", args: "get pod/nightly-bbbbb -o wide"},
		{name: "get-yaml", args: "get pod/nightly-bbbbb -o yaml"},
		{name: "get-jsonpath", args: "get workload/" + workload + " -o jsonpath={.items[*].instances[*].verdict}"},
		{name: "describe", args: "describe nightly"},
		{name: "describe-pod", args: "describe stuck-ddddd"},
		{name: "logs", args: "logs nightly"},
		{name: "logs-terminal", args: "logs nightly", terminal: true},
		{name: "logs-no-color", args: "logs nightly --prefix", terminal: true, env: map[string]string{"NO_COLOR": "1"}},
		{name: "logs-prefix", args: "logs nightly --prefix --timestamps --color always -H try"},
		{name: "logs-raw-terminal", args: "logs pod/nightly-aaaaa -o raw", terminal: true},
		{name: "logs-json", args: "logs pod/nightly-bbbbb -o json"},
		{name: "logs-attempt", args: "logs nightly --attempt -1 -c main --tail 2"},
		{name: "logs-filters", args: "logs workload/" + workload + " -i try -i start -e 2"},
		{name: "logs-both-tail", args: "logs nightly -i . -e Trace --tail 1"},
		{name: "logs-around", args: "logs pod/nightly-bbbbb -c main -i try -C 1"},
		{name: "logs-before", args: "logs pod/nightly-bbbbb -c main -i Trace -B 1 -e try"},
		{name: "logs-bad-around", args: "logs nightly -C 3"},
		{name: "logs-too-many-around", args: "logs nightly -i try --before 1001"},
		{name: "logs-exclude", args: "logs nightly-aaaaa -e start"},
		{name: "logs-since", args: "logs nightly --since 72m59s"},
		{name: "logs-empty", args: "logs hourly"},
		{name: "logs-never-started", args: "logs stuck"},
		{name: "logs-no-container", args: "logs nightly -c other"},
		{name: "logs-unknown", args: "logs nobody"},
		{name: "logs-bad-regexp", args: "logs nightly -i ("},
		{name: "logs-bad-since", args: "logs nightly --since yesterday"},
		{name: "unknown-command", args: "lst"},
		{name: "unknown-flag", args: "list --wide"},
		{name: "no-name", args: "logs"},
		{name: "two-names", args: "logs a b"},
		{name: "bad-kind", args: "get deployment/x"},
		{name: "complete-jobs", args: "__complete logs n"},
		{name: "complete-pods", args: "__complete describe pod/"},
		{name: "complete-containers", args: "__complete logs nightly -c "},
		{name: "version", args: "version"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onShelf(t, func(t *testing.T, s *shelf) {
				play := func(c *screen, more ...string) []byte {
					c.env = tt.env
					c.terminal = func(any) bool { return tt.terminal }
					code := c.does(t.Context(), append(strings.Split(tt.args, " "), more...)...)
					return fmt.Appendf(nil, "$ kubectl epilogue %s\n%s\n# standard error:\n%s\n# exit code: %d\n",
						tt.args, shown(c.out.Bytes()), shown(c.errOut.Bytes()), code)
				}
				got := play(s.screen())
				golden.Compare(t, filepath.Join("testdata", tt.name+".txt"), got)
				if tt.alone || strings.HasPrefix(tt.args, "__complete") {
					return
				}
				d := s.daemon()
				defer d.Close()
				if remote := play(newScreen(), d.flags()...); !bytes.Equal(remote, got) {
					t.Errorf("through the daemon: got\n%s\nwant\n%s", remote, got)
				}
			})
		})
	}
}

// shown makes control characters visible, so that a golden file can be read.
func shown(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte{0x1b}, []byte("<ESC>"))
	return bytes.ReplaceAll(text, []byte{0x07}, []byte("<BEL>"))
}

// TestStoreAlone reads the archive with nothing but its address, as when daemon and cluster are gone.
func TestStoreAlone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, address := shelfInFolder(t)
		for _, how := range []string{"flag", "environment"} {
			c := newScreen()
			args := []string{"logs", "nightly", "--attempt=1"}
			if how == "flag" {
				args = append(args, "--archive="+address)
			} else {
				c.env["EPILOGUE_ARCHIVE"] = address
			}
			code := c.does(t.Context(), args...)
			if got, want := strings.Count(c.out.String(), "\n"), 3; code != codeOK || got != want {
				t.Errorf("%s: got exit code %d, %d lines (%s), want %d lines", how, code, got, c.errOut, want)
			}
		}
	})
}

func TestNoFolderIsMade(t *testing.T) {
	root := filepath.Join(t.TempDir(), "typo")
	c := newScreen()
	if code := c.does(t.Context(), "list", "--archive=file://"+root); code != codeFailed {
		t.Errorf("got exit code %d, want %d", code, codeFailed)
	}
	if _, err := os.Stat(root); !os.IsNotExist(err) {
		t.Errorf("got %v of %s, want that it is not made", err, root)
	}
}

func TestDownload(t *testing.T) {
	onShelf(t, func(t *testing.T, s *shelf) {
		c, to := s.screen(), t.TempDir()
		if code := c.does(t.Context(), "download", "nightly", "-d", to); code != codeOK {
			t.Fatalf("got exit code %d: %s", code, c.errOut)
		}
		pod := filepath.Join(to, zenml, "nightly", "nightly-bbbbb")
		got, err := os.ReadFile(filepath.Join(pod, "main.0.log"))
		if want := "start \x1b[32mok\x1b[0m\ntry 2\nTraceback: \x1b]0;gone\x07 boom\n"; err != nil || string(got) != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
		f, err := os.Open(filepath.Join(pod, "manifest.json"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		m, err := archive.ReadManifest(f)
		if err != nil || m.Pod.Pod != "nightly-bbbbb" || len(m.Instances) != 2 {
			t.Errorf("got manifest %+v, %v", m, err)
		}
		if code := c.does(t.Context(), "download", "pod/nightly-bbbbb", "--compressed", "-d", to); code != codeOK {
			t.Fatalf("got exit code %d: %s", code, c.errOut)
		}
		stored, err := os.ReadFile(filepath.Join(pod, "main.0.log.zst"))
		if want := m.Instances[1].Log.Size; err != nil || int64(len(stored)) != want {
			t.Errorf("got %d bytes, %v, want the %d of the log object", len(stored), err, want)
		}
		left, _ := filepath.Glob(filepath.Join(pod, ".download-*"))
		if len(left) > 0 {
			t.Errorf("got %v left, want none", left)
		}
	})
}

// damage flips a byte in the middle of a log object.
func (s *shelf) damage(key archive.Key) {
	s.t.Helper()
	body, _, err := s.store.Get(s.t.Context(), key, archive.Range{})
	if err != nil {
		s.t.Fatal(err)
	}
	defer body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(body); err != nil {
		s.t.Fatal(err)
	}
	b.Bytes()[90] ^= 0xff
	if err := s.store.Put(s.t.Context(), key, bytes.NewReader(b.Bytes()), archive.PutOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

func TestVerify(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s, address := shelfInFolder(t)
		broken := archive.Instance{PodRef: ref("nightly", "nightly-aaaaa"), Container: "main"}.LogKey()
		for _, step := range []struct {
			name   string
			before func()
			args   []string
			want   int
			says   string // on standard output
		}{
			{"whole", func() {}, []string{"verify"}, codeOK, ""},
			{"damaged", func() { s.damage(broken) }, []string{"verify"}, codeDamaged, string(broken)},
			{"of one Job", func() {}, []string{"verify", "nightly"}, codeDamaged, string(broken)},
			{"of another one", func() {}, []string{"verify", "hourly"}, codeOK, ""},
			{"gone", func() {
				if err := s.store.Delete(t.Context(), broken); err != nil {
					t.Fatal(err)
				}
			}, []string{"verify"}, codeDamaged, string(broken)},
		} {
			step.before()
			c := newScreen()
			c.terminal = func(any) bool { return true }
			code := c.does(t.Context(), append(step.args, "--archive="+address)...)
			if code != step.want || !strings.Contains(c.out.String(), step.says) || step.says == "" && c.out.Len() > 0 {
				t.Errorf("%s: got exit code %d and %q, want %d and %q", step.name, code, c.out, step.want, step.says)
			}
			if !strings.Contains(c.errOut.String(), "checked") || !strings.Contains(c.errOut.String(), "\rverify [") {
				t.Errorf("%s: got %q, want progress and a summary", step.name, c.errOut)
			}
		}
	})
}

// TestLogsOfDamage: what can be read is given, and the exit code says that something could not.
func TestLogsOfDamage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s, address := shelfInFolder(t)
		s.damage(archive.Instance{PodRef: ref("nightly", "nightly-aaaaa"), Container: "main"}.LogKey())
		c := newScreen()
		code := c.does(t.Context(), "logs", "nightly", "--archive="+address)
		if got := c.out.String(); code != codeDamaged || !strings.Contains(got, "try 2") || strings.Contains(got, "try 1") {
			t.Errorf("got exit code %d and %q, want %d and the lines that are whole", code, got, codeDamaged)
		}
		if !strings.Contains(c.errOut.String(), "frame 0") {
			t.Errorf("got %q, want where the damage is", c.errOut)
		}
	})
}

func TestVerifyNeedsTheStore(t *testing.T) {
	c := newScreen()
	if code := c.does(t.Context(), "verify"); code != codeUse || !strings.Contains(c.errOut.String(), "--archive") {
		t.Errorf("got exit code %d and %q, want %d and how to name the archive", code, c.errOut, codeUse)
	}
}

func TestGetIsTheManifest(t *testing.T) {
	onShelf(t, func(t *testing.T, s *shelf) {
		c := s.screen()
		if code := c.does(t.Context(), "get", "pod/nightly-bbbbb", "-o", "json"); code != codeOK {
			t.Fatal(c.errOut)
		}
		m, err := archive.ReadManifest(bytes.NewReader(c.out.Bytes()))
		if err != nil || m.Instances[1].Gaps[0].From != s.before(70).UnixNano() {
			t.Errorf("got %+v, %v, want the manifest with whole nanoseconds", m, err)
		}
		if o := decode(t, c.out.Bytes()); o["kind"] != "Manifest" || o["apiVersion"] != apiVersion {
			t.Errorf("got kind %v of %v, want Manifest of %s", o["kind"], o["apiVersion"], apiVersion)
		}
	})
}
