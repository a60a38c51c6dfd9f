package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	program, base := filepath.Join(dir, "built-v1"), filepath.Join(dir, "base.tar")
	writeFile(t, program, "a program")
	var below bytes.Buffer
	w := tar.NewWriter(&below)
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: "etc/hosts", Mode: 0o644, Size: 2}), content(w, "hi"), w.Close()); err != nil {
		t.Fatal(err)
	}
	writeFile(t, base, below.String())
	archive := filepath.Join(dir, "images.tar")
	out, err := os.Create(archive)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(run([]string{"registry.k8s.io/etcd:3=" + program, "registry.k8s.io/kube-proxy:v1=" + program + "," + base}, out), out.Close()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		image, entry string
		files        map[string]string
	}{
		{"registry.k8s.io/etcd:3", "/usr/local/bin/etcd", map[string]string{"usr/local/bin/etcd": "a program"}},
		{"registry.k8s.io/kube-proxy:v1", "/usr/local/bin/kube-proxy", map[string]string{"usr/local/bin/kube-proxy": "a program", "etc/hosts": "hi"}},
	} {
		tag, err := name.NewTag(c.image)
		if err != nil {
			t.Fatal(err)
		}
		image, err := tarball.ImageFromPath(archive, &tag)
		if err != nil {
			t.Fatalf("%s: %v", c.image, err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(config.Config.Entrypoint, " "); got != c.entry {
			t.Errorf("%s: got entry point %q, want %q", c.image, got, c.entry)
		}
		if got, want := config.OS+"/"+config.Architecture, "linux/"+runtime.GOARCH; got != want {
			t.Errorf("%s: got platform %q, want %q", c.image, got, want)
		}
		got := map[string]string{}
		for r := tar.NewReader(mutate.Extract(image)); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			got[h.Name] = string(text)
		}
		for file, want := range c.files {
			if got[file] != want {
				t.Errorf("%s: got %q in %s, want %q", c.image, got[file], file, want)
			}
		}
	}
}

func TestRunRefuses(t *testing.T) {
	for _, c := range []struct{ arg, want string }{
		{"etcd", `argument "etcd": want IMAGE=PROGRAM`},
		{"etcd:1=", "want IMAGE=PROGRAM"},
		{"Not A Name=x", "argument"},
		{"etcd:1=/no/such/program", "make etcd:1: open /no/such/program"},
	} {
		err := run([]string{c.arg}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want an error with %q", c.arg, err, c.want)
		}
	}
	if err := run(nil, io.Discard); err == nil {
		t.Error("no argument: got nil, want an error")
	}
}

func content(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
