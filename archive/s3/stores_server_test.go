//go:build stores

package s3

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// server is a program that speaks S3. Its name is that of its column in docs/stores.md.
type server struct {
	name    string
	program string // the variable that holds its path
	command func(folder string, port int) (args, env []string)
}

const (
	accessKey = "access"
	secretKey = "secretsecret"
	bucketOf  = "archive"
)

var servers = []server{
	{"versitygw", "EPILOGUE_TEST_VERSITYGW", func(folder string, port int) (args, env []string) {
		return []string{"--port", address(port), "--quiet", "posix", "--sidecar", sub(folder, "side"), sub(folder, "data")},
			[]string{"ROOT_ACCESS_KEY=" + accessKey, "ROOT_SECRET_KEY=" + secretKey}
	}},
	{"rclone", "EPILOGUE_TEST_RCLONE", func(folder string, port int) (args, env []string) {
		return []string{"serve", "s3", "--config", filepath.Join(folder, "none"), "--addr", address(port),
			"--auth-key", accessKey + "," + secretKey, sub(folder, "data")}, nil
	}},
	{"gofakes3", "EPILOGUE_TEST_GOFAKES3", func(_ string, port int) (args, env []string) {
		return []string{"-host", address(port), "-backend", "memory", "-quiet"}, nil
	}},
	{"SeaweedFS", "EPILOGUE_TEST_WEED", func(folder string, port int) (args, env []string) {
		n := strconv.Itoa
		return []string{"server", "-s3", "-dir", sub(folder, "data"), "-ip", "127.0.0.1", "-volume.max", "20",
			"-s3.port", n(port), "-master.port", n(port + 1), "-volume.port", n(port + 2), "-filer.port", n(port + 3)}, nil
	}},
	{"MinIO", "EPILOGUE_TEST_MINIO", func(folder string, port int) (args, env []string) {
		return []string{"server", "--quiet", "--address", address(port), sub(folder, "data")},
			[]string{"MINIO_ROOT_USER=" + accessKey, "MINIO_ROOT_PASSWORD=" + secretKey, "MINIO_BROWSER=off", "MINIO_UPDATE=off"}
	}},
}

func address(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

func sub(folder, name string) string {
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(path, 0o750); err != nil {
		panic(err) // of a test's own folder
	}
	return path
}

// run starts a server with an empty bucket until the test ends, and gives its URL.
func (s *server) run(t *testing.T, program string) (endpoint string) {
	t.Helper()
	port := freePort(t)
	folder := t.TempDir()
	args, env := s.command(folder, port)
	cmd := exec.Command(program, args...)
	cmd.Env = append(append(os.Environ(), "HOME="+folder, "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey), env...)
	cmd.Dir = folder
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed at the end
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	endpoint = "http://" + address(port)
	if err := s.makeBucket(t.Context(), endpoint, ended); err != nil {
		_ = cmd.Process.Kill()
		<-ended
		t.Fatalf("%s: %v\n%s", s.name, err, said.Bytes()[:min(said.Len(), 4000)])
	}
	return endpoint
}

// makeBucket asks until the server does it: some answer before they can.
func (s *server) makeBucket(ctx context.Context, endpoint string, ended <-chan struct{}) error {
	store, err := Open(ctx, Config{Bucket: bucketOf, Endpoint: endpoint, Timeout: 5 * time.Second})
	if err != nil {
		return err
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(2 * time.Minute); ; {
		_, err = store.bucket.client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucketOf)})
		if err == nil || code(err) == "BucketAlreadyOwnedByYou" {
			return nil
		}
		select {
		case <-tick.C:
		case <-ended:
			return fmt.Errorf("it ended at its start: %w", err)
		case <-limit:
			return err
		}
	}
}

// freePort returns the first of four ports that are free, as are those ten thousand above, which some take besides.
func freePort(t *testing.T) int {
	t.Helper()
	free := func(port int) bool {
		l, err := net.Listen("tcp", address(port))
		return err == nil && l.Close() == nil
	}
	for port := 20_000 + os.Getpid()%5000; port < 45_000; port += 10 {
		all := true
		for n := range 4 {
			all = all && free(port+n) && free(port+n+10_000)
		}
		if all {
			return port
		}
	}
	t.Fatal("no four ports in a row are free")
	return 0
}

// cell returns what a table of the page has in a row, under a heading that begins with the column's name.
func cell(text, row, column string) string {
	at := -1
	for line := range strings.SplitSeq(text, "\n") {
		cells := strings.Split(strings.Trim(line, "| "), "|")
		if !strings.HasPrefix(line, "|") {
			at = -1
			continue
		}
		if at < 0 {
			for n, heading := range cells {
				if strings.HasPrefix(strings.TrimSpace(heading), column) {
					at = n
				}
			}
		}
		if strings.TrimSpace(cells[0]) == row && at > 0 && at < len(cells) {
			return strings.TrimSpace(cells[at])
		}
	}
	return ""
}
