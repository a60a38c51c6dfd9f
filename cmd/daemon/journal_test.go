package main

import (
	"bytes"
	"log/slog"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/dir"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/spool"
)

// TestJournalCommand runs the command over a journal in a folder, with the daemon's settings.
func TestJournalCommand(t *testing.T) {
	root := t.TempDir()
	store, err := dir.Open(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	codec, err := format.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	spool, err := spool.Open(spool.Config{Dir: t.TempDir(), Limit: 1 << 20, Memory: 1 << 20, FlushInterval: time.Second}, codec, quiet)
	if err != nil {
		t.Fatal(err)
	}
	log, err := spool.Log(archive.Instance{PodRef: archive.PodRef{Namespace: "ns", Pod: "pod", PodUID: "uid"}, Container: "main", ContainerID: "id"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Append(archive.Line{Time: 1, Text: []byte("last words")}); err != nil {
		t.Fatal(err)
	}
	journal := journal.New(journal.Config{Replica: "epilogue-0"}, store, spool, quiet, func(error) {})
	if err := journal.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var number string // begins with the time
	for object, err := range store.List(t.Context(), "v1/_journal/epilogue-0/", "") {
		if err != nil {
			t.Fatal(err)
		}
		number = strings.TrimLeft(path.Base(string(object.Key)), "0")
	}
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		cmd := command()
		cmd.SetOut(&out)
		cmd.SetArgs(append(args, "--namespace", "jobs", "--archive", "file://"+root))
		err := cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
	for _, test := range []struct {
		name    string
		args    []string
		want    string // in what is printed
		wantErr string
	}{
		{"help", []string{"journal"}, "list", ""},
		{"list", []string{"journal", "list"}, "epilogue-0  " + number + " ", ""},
		{"list one", []string{"journal", "list", "epilogue-0", "-o", "json"}, `"replica":"epilogue-0","sequence":` + number, ""},
		{"list none", []string{"journal", "list", "other", "-o", "json"}, "", ""},
		{"dump", []string{"journal", "dump", "epilogue-0/" + number}, "log main.0 id: 1 lines so far", ""},
		{"dump as JSON", []string{"journal", "dump", "epilogue-0/" + number, "--output", "json"}, `"crc32c":`, ""},
		{"text", []string{"journal", "dump", "epilogue-0/" + number, "--log", "uid/main.0"}, "last words\n", ""},
		{"wrong object", []string{"journal", "dump", "epilogue-0"}, "", `"epilogue-0" is no journal object: want <replica>/<sequence>`},
		{"absent object", []string{"journal", "dump", "epilogue-0/2"}, "", "v1/_journal/epilogue-0/00000000000000000002: object not found"},
		{"wrong log", []string{"journal", "dump", "epilogue-0/" + number, "--log", "main"}, "", `--log: "main" is no log: want <pod uid>/<container>.<restart>`},
		{"absent log", []string{"journal", "dump", "epilogue-0/" + number, "--log", "uid/main.1"}, "", "restart 1: no such log in the object"},
		{"wrong output", []string{"journal", "list", "-o", "yaml"}, "", `--output: value "yaml": want text or json`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := run(test.args...)
			if !strings.Contains(got, test.want) || test.want == "" && got != "" {
				t.Errorf("got %q, want %q in it", got, test.want)
			}
			if test.wantErr == "" && err != nil || test.wantErr != "" && (err == nil || !strings.Contains(err.Error(), test.wantErr)) {
				t.Errorf("got error %v, want %q in it", err, test.wantErr)
			}
		})
	}
}
