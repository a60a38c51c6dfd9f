//go:build integration

package s3_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/patient"
	"github.com/epilogue-dev/epilogue/archive/s3"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/integration/gateway"
)

func configFor(g *gateway.Gateway) s3.Config {
	return s3.Config{Bucket: g.Bucket, Prefix: "/logs/" + rand.Text() + "/", Region: g.Region, Endpoint: g.Endpoint, CAFile: g.CAFile}
}

func open(t *testing.T, cfg s3.Config) *s3.Store {
	t.Helper()
	s, err := s3.Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Open(%+v) = %v, want nil", cfg, err)
	}
	return s
}

func TestConformsHTTP(t *testing.T) {
	g := gateway.Start(t)
	g.Setenv()
	storetest.Run(t, func(t *testing.T) archive.Store { return open(t, configFor(g)) })
}

func TestConformsHTTPS(t *testing.T) {
	g := gateway.StartTLS(t)
	g.Setenv()
	storetest.Run(t, func(t *testing.T) archive.Store { return open(t, configFor(g)) })
}

func TestProbe(t *testing.T) {
	g := gateway.StartTLS(t)
	g.Setenv()
	got, err := patient.Probe(t.Context(), open(t, configFor(g)))
	if want := (patient.Capabilities{ConditionalPut: true, Ranges: true}); err != nil || got != want {
		t.Errorf("Probe = %+v, %v, want %+v, nil", got, err, want)
	}
}

// TestMissingBucket has a bucket that is not there: no object may look absent then.
func TestMissingBucket(t *testing.T) {
	g := gateway.Start(t)
	g.Setenv()
	cfg := configFor(g)
	cfg.Bucket = "no-such-bucket"
	s := open(t, cfg)
	_, _, errGet := s.Get(t.Context(), "v1/a", archive.Range{})
	errs := map[string]error{
		"Put":           s.Put(t.Context(), "v1/a", strings.NewReader("x"), archive.PutOptions{IfAbsent: true}),
		"Get":           errGet,
		"Delete":        s.Delete(t.Context(), "v1/a"),
		"Delete of two": s.Delete(t.Context(), "v1/a", "v1/b"),
	}
	for _, err := range s.List(t.Context(), "", "") {
		errs["List"] = err
	}
	for method, err := range errs {
		if err == nil || errors.Is(err, archive.ErrNotFound) || !strings.Contains(err.Error(), "NoSuchBucket") {
			t.Errorf("%s = %v, want an ordinary error that says NoSuchBucket", method, err)
		}
	}
}

// TestOutage kills the store between two puts, and in the middle of a large one.
func TestOutage(t *testing.T) {
	g := gateway.Start(t)
	g.Setenv()
	cfg := configFor(g)
	cfg.Timeout = time.Second
	s := open(t, cfg)
	put := func(key archive.Key, size int) error {
		return s.Put(t.Context(), key, bytes.NewReader(bytes.Repeat([]byte("x"), size)), archive.PutOptions{})
	}
	if err := put("v1/before", 100); err != nil {
		t.Fatalf("Put before = %v, want nil", err)
	}
	g.Kill()
	for _, size := range []int{100, 20 << 20} {
		if err := put("v1/while", size); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("Put of %d bytes while down = %v, want an ordinary error", size, err)
		}
	}
	if _, _, err := s.Get(t.Context(), "v1/before", archive.Range{}); err == nil || errors.Is(err, archive.ErrNotFound) {
		t.Errorf("Get while down = %v, want an ordinary error", err)
	}
	g.Restart()
	if err := put("v1/after", 20<<20); err != nil {
		t.Errorf("Put after = %v, want nil", err)
	}
	var got []archive.Key
	for obj, err := range s.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, obj.Key)
	}
	if len(got) != 2 || got[0] != "v1/after" || got[1] != "v1/before" {
		t.Errorf("List after = %q, want v1/after and v1/before", got)
	}
}

// TestPaused has a store that accepts connections and never answers.
func TestPaused(t *testing.T) {
	g := gateway.Start(t)
	g.Setenv()
	cfg := configFor(g)
	cfg.Timeout = 300 * time.Millisecond
	s := open(t, cfg)
	g.Pause()
	start := time.Now()
	err := s.Put(t.Context(), "v1/a", strings.NewReader("x"), archive.PutOptions{})
	if err == nil || !strings.Contains(err.Error(), "no byte moved for 300ms") {
		t.Errorf("Put while paused = %v, want an error that says no byte moved", err)
	}
	if got, limit := time.Since(start), 20*time.Second; got > limit {
		t.Errorf("Put while paused took %s, want less than %s", got, limit)
	}
	g.Resume()
	if err := s.Put(t.Context(), "v1/a", strings.NewReader("x"), archive.PutOptions{}); err != nil {
		t.Errorf("Put after = %v, want nil", err)
	}
}
