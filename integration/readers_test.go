//go:build integration

package integration

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/dir"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// readable is a log object as others find it, and what the manifest says of its text.
type readable struct {
	name   string
	path   string
	sha256 string
	bytes  int64
	one    bool // it is one frame, and begins with it: whoever reads ordinary .zst files reads it
}

// TestReadersOfTheObject reads log objects as docs/read-by-hand.md says, with what knows nothing of us, and compares
// with the manifest.
func TestReadersOfTheObject(t *testing.T) {
	t.Parallel()
	python, node, fzstd := program(t, "EPILOGUE_TEST_PYTHON"), program(t, "EPILOGUE_TEST_NODE"), program(t, "EPILOGUE_TEST_FZSTD")
	objects := readableObjects(t)
	server := serveObjects(t, objects)
	for _, reader := range []struct {
		name    string
		several bool // reads several frames, and what a frame does not begin
		command func(o readable) []string
	}{
		{"zstd -dc", true, func(o readable) []string { return []string{"zstd", "-dc", o.path} }},
		{"Python zstandard.open", true, func(o readable) []string {
			return []string{python, "-c", `import sys, zstandard
for line in zstandard.open(sys.argv[1], 'rt', encoding='utf-8', errors='surrogateescape', newline=''):
    sys.stdout.buffer.write(line.encode(errors='surrogateescape'))`, o.path}
		}},
		{"Python stream_reader", true, func(o readable) []string {
			return []string{python, "-c", "import sys, zstandard\nsys.stdout.buffer.write(zstandard.ZstdDecompressor().stream_reader(open(sys.argv[1], 'rb')).read())", o.path}
		}},
		{"Python decompress", false, func(o readable) []string {
			return []string{python, "-c", "import sys, zstandard\nsys.stdout.buffer.write(zstandard.ZstdDecompressor().decompress(open(sys.argv[1], 'rb').read()))", o.path}
		}},
		{"Node zstdDecompressSync", false, func(o readable) []string {
			return []string{node, "-e", "process.stdout.write(require('zlib').zstdDecompressSync(require('fs').readFileSync(process.argv[1])))", o.path}
		}},
		{"Node createZstdDecompress", false, func(o readable) []string {
			return []string{node, "-e", "require('fs').createReadStream(process.argv[1]).pipe(require('zlib').createZstdDecompress()).pipe(process.stdout)", o.path}
		}},
		{"Node fetch", false, func(o readable) []string {
			return []string{node, "-e", "fetch(process.argv[1]).then(r => r.arrayBuffer()).then(b => process.stdout.write(Buffer.from(b)))", server.URL + "/" + o.name}
		}},
		{"Node fzstd", true, func(o readable) []string {
			return []string{node, "-e", "process.stdout.write(require(process.argv[1]).decompress(require('fs').readFileSync(process.argv[2])))", fzstd, o.path}
		}},
	} {
		t.Run(reader.name, func(t *testing.T) {
			for _, o := range objects {
				if !o.one && !reader.several {
					continue // the page names another way
				}
				command := reader.command(o)
				cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
				var said bytes.Buffer
				cmd.Stderr = &said
				text, err := cmd.Output()
				if err != nil {
					t.Errorf("%s: %v\n%s", o.name, err, cut(said.String()))
				}
				o.compare(t, int64(len(text)), sha256.Sum256(text))
			}
		})
	}
	t.Run("zstd -t", func(t *testing.T) {
		for _, o := range objects {
			if out, err := exec.CommandContext(t.Context(), "zstd", "-t", o.path).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", o.name, err, out)
			}
		}
	})
}

func (o *readable) compare(t *testing.T, size int64, sum [sha256.Size]byte) {
	t.Helper()
	if got := hex.EncodeToString(sum[:]); size != o.bytes || got != o.sha256 {
		t.Errorf("%s: %d bytes with SHA-256 %.8s, the manifest says %d and %.8s", o.name, size, got, o.bytes, o.sha256)
	}
}

// TestBrowserReadsTheObject has a browser fetch log objects from a server that calls them by their encoding.
func TestBrowserReadsTheObject(t *testing.T) {
	t.Parallel()
	objects := readableObjects(t)
	server := serveObjects(t, objects)
	profile, err := os.MkdirTemp("", "browser") //nolint:usetesting // what the browser started may write to it a moment longer
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(profile) })
	args := []string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-port=0", "--user-data-dir=" + profile, server.URL + "/",
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, program(t, "EPILOGUE_TEST_BROWSER"), args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &said, &said, 10*time.Second // for all that hold its output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var saw map[string]string
	select {
	case saw = <-server.saw:
		stop()
		<-ended
	case err := <-ended:
		t.Fatalf("the browser ended before it had read all: %v\n%s", err, cut(said.String()))
	}
	for _, o := range objects {
		if got, want := saw[o.name], fmt.Sprint(o.bytes, " ", o.sha256); got != want {
			t.Errorf("%s: the browser has %s, the manifest says %s", o.name, got, want)
		}
	}
}

// objectServer serves objects with their encoding, and a page that reads all of them and says what it saw.
type objectServer struct {
	*httptest.Server
	saw chan map[string]string // of the text of each: its bytes and its SHA-256
}

const readersPage = `<!doctype html><script>
const hex = sum => [...new Uint8Array(sum)].map(b => b.toString(16).padStart(2, '0')).join('')
async function read(name) {
  const text = await (await fetch(name)).arrayBuffer()
  return text.byteLength + ' ' + hex(await crypto.subtle.digest('SHA-256', text))
}
(async () => {
  const saw = {}
  for (const name of %s) saw[name] = await read(name).catch(String)
  await fetch('/saw', {method: 'POST', body: JSON.stringify(saw)})
})()
</script>`

func serveObjects(t *testing.T, objects []readable) *objectServer {
	t.Helper()
	s := &objectServer{saw: make(chan map[string]string, 1)}
	mux := http.NewServeMux()
	var names []string
	for _, o := range objects {
		names = append(names, o.name)
		mux.HandleFunc("GET /"+o.name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "zstd")
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			http.ServeFile(w, r, o.path)
		})
	}
	list, err := json.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, readersPage, list)
	})
	mux.HandleFunc("POST /saw", func(_ http.ResponseWriter, r *http.Request) {
		var saw map[string]string
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &saw)
		}
		if err != nil {
			t.Errorf("the browser's answer: %v", err)
		}
		s.saw <- saw
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// readableObjects seals logs whose frames are of odd sizes: some readers take several frames for one where a frame's
// text just fills their buffer, of 16 or of 128 KiB. The last object is one that an older version wrote.
func readableObjects(t *testing.T) []readable {
	t.Helper()
	folder := t.TempDir()
	store, err := dir.Open(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	spool, sealer := sealingInto(t, store)
	began := time.Date(2026, 9, 21, 12, 0, 0, 0, time.UTC)
	ref := archive.PodRef{Namespace: "zenml", Job: "read", JobUID: "job-uid", Pod: "read-x1", PodUID: "pod-uid"}
	var objects []readable
	for _, c := range []struct {
		name  string
		lines int
		gap   bool
		one   bool
	}{{"line", 1, false, true}, {"gap", 10, true, true}, {"frame", 1111, false, true}, {"mega", 12_345, false, true}, {"several", 41_234, true, false}} {
		var text strings.Builder
		log := appendByHand(t, spool, ref, c.name, 0, began, &text)
		if c.gap {
			log.Gap(archive.Gap{Reason: archive.GapLateStart})
		}
		appendByHand(t, spool, ref, c.name, c.lines, began, &text)
		r, err := sealer.Log(t.Context(), log)
		if err != nil {
			t.Fatal(err)
		}
		x, err := format.ReadIndex(t.Context(), store, r.Log.Key)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range x.Frames {
			if f.Lines > 0 && f.RawSize%(16<<10) == 0 {
				t.Errorf("%s: a frame of %d bytes of text, want an odd size", c.name, f.RawSize)
			}
		}
		if one := len(x.Frames) == 1; one != c.one {
			t.Errorf("%s: %d bytes of text are %d frames, want one: %t", c.name, r.Log.Bytes, len(x.Frames), c.one)
		}
		objects = append(objects, readable{c.name, filepath.Join(folder, string(r.Log.Key)), r.Log.SHA256, r.Log.Bytes, c.one})
	}
	return append(objects, oldObject(t))
}

// oldObject is one of version 1, which begins with the head of its first frame.
func oldObject(t *testing.T) readable {
	t.Helper()
	const pod = "../archive/read/testdata/v1/store/v1/ns/job/job-uid/pod-3.uid-3/"
	file, err := os.Open(pod + "manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	m, err := archive.ReadManifest(file)
	if err != nil {
		t.Fatal(err)
	}
	log := m.Instances[0].Log
	return readable{"version1", pod + "main.0.log.zst", log.SHA256, log.Bytes, false}
}
