// Command builder is the image builder of the end-to-end tests. It pushes a real image with real layers to a real
// registry, and cannot run a Dockerfile: it knows FROM scratch, LABEL, and RUN, which always fails. The image holds
// this very program and the Dockerfile, and when it is run it prints the Dockerfile: so a log shows which image ran.
//
//	EPILOGUE_IMAGE=registry:5000/zenml/runner:tag builder    builds and pushes
//	builder run                                              is the built image's entrypoint
package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

const source = "/epilogue/dockerfile/Dockerfile"

func main() {
	do := build
	if len(os.Args) > 1 && os.Args[1] == "run" {
		do = run
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "builder:", err)
		os.Exit(1)
	}
}

func run() error {
	text, err := os.ReadFile("/Dockerfile")
	if err == nil {
		fmt.Printf("this image was built from %s\n", strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "; "))
	}
	return err
}

func build() error {
	text, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		fmt.Println("step:", line)
		if strings.HasPrefix(line, "RUN ") {
			return fmt.Errorf("%s: this builder runs nothing", line)
		}
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	image := empty.Image
	for _, file := range []struct {
		name string
		mode int64
		text []byte
	}{{"runner", 0o755, self}, {"Dockerfile", 0o644, text}} {
		if image, err = withFile(image, file.name, file.mode, file.text); err != nil {
			return err
		}
	}
	config, err := image.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = runtime.GOOS, runtime.GOARCH
	config.Config.Entrypoint, config.Config.User = []string{"/runner", "run"}, "65532:65532"
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return err
	}
	ref, err := name.ParseReference(os.Getenv("EPILOGUE_IMAGE"), name.Insecure)
	if err != nil {
		return err
	}
	if err := remote.Write(ref, image); err != nil {
		return err
	}
	fmt.Println("pushed", ref)
	return nil
}

func withFile(image v1.Image, path string, mode int64, text []byte) (v1.Image, error) {
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	if err := w.WriteHeader(&tar.Header{Name: path, Mode: mode, Size: int64(len(text))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed.Bytes())), nil })
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(image, layer)
}
