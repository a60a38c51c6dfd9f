// Command pack writes images of one static binary each as one archive, in the form of `docker save`, to its output:
//
//	pack IMAGE=PROGRAM[,BASE.tar] ... | ctr images import -
//
// The program lies in /usr/local/bin under the last element of the image's name and is the entry point; BASE.tar, an
// uncompressed root file system, lies under it. Layers stay uncompressed: who reads the archive is on this machine.
package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	images := map[name.Tag]v1.Image{}
	for _, arg := range args {
		image, contents, ok := strings.Cut(arg, "=")
		if !ok || contents == "" {
			return fmt.Errorf("argument %q: want IMAGE=PROGRAM[,BASE.tar]", arg)
		}
		tag, err := name.NewTag(image)
		if err != nil {
			return fmt.Errorf("argument %q: %w", arg, err)
		}
		program, base, _ := strings.Cut(contents, ",")
		if images[tag], err = build(path.Base(tag.RepositoryStr()), program, base); err != nil {
			return fmt.Errorf("make %s: %w", image, err)
		}
	}
	if len(images) == 0 {
		return errors.New("no image named: want IMAGE=PROGRAM or IMAGE=PROGRAM,BASE.tar")
	}
	return tarball.MultiWrite(images, out)
}

func build(command, program, base string) (v1.Image, error) {
	// Who imports for a platform passes over an image that names none.
	image, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: runtime.GOARCH, Config: v1.Config{
		Entrypoint: []string{"/usr/local/bin/" + command},
		Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	}})
	if err != nil {
		return nil, err
	}
	if base != "" {
		layer, err := tarball.LayerFromFile(base, tarball.WithCompression(compression.None))
		if err != nil {
			return nil, err
		}
		if image, err = mutate.AppendLayers(image, layer); err != nil {
			return nil, err
		}
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return pipe(command, program) }, tarball.WithCompression(compression.None))
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(image, layer)
}

// pipe returns the layer of a program as it is written, so that it is in no memory.
func pipe(command, program string) (io.ReadCloser, error) {
	in, err := os.Open(program)
	if err != nil {
		return nil, err
	}
	about, err := in.Stat()
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	r, w := io.Pipe()
	go func() {
		defer in.Close()
		w.CloseWithError(write(w, in, command, about.Size()))
	}()
	return r, nil
}

func write(w io.Writer, in io.Reader, command string, size int64) error {
	t := tar.NewWriter(w)
	for _, h := range []*tar.Header{
		{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777},
		{Typeflag: tar.TypeDir, Name: "usr/local/bin/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "usr/local/bin/" + command, Mode: 0o755, Size: size},
	} {
		if err := t.WriteHeader(h); err != nil {
			return err
		}
	}
	if _, err := io.Copy(t, in); err != nil {
		return err
	}
	return t.Close()
}
