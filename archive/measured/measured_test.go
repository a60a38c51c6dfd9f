package measured

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/metrics"
)

func TestConforms(t *testing.T) {
	storetest.Run(t, func(t *testing.T) archive.Store {
		return New(storetest.NewMemory(nil), metrics.NewStore(prometheus.NewRegistry(), "bucket"))
	})
}

// broken fails at everything with the same error.
type broken struct{ err error }

func (b broken) Put(context.Context, archive.Key, io.ReadSeeker, archive.PutOptions) error {
	return b.err
}

func (b broken) Get(context.Context, archive.Key, archive.Range) (io.ReadCloser, archive.Object, error) {
	return nil, archive.Object{}, b.err
}

func (b broken) List(context.Context, string, archive.Key) iter.Seq2[archive.Object, error] {
	return func(yield func(archive.Object, error) bool) { yield(archive.Object{}, b.err) }
}

func (b broken) Delete(context.Context, ...archive.Key) error { return b.err }

// half breaks off in the middle of the bytes.
type half struct{ broken }

func (half) Get(context.Context, archive.Key, archive.Range) (io.ReadCloser, archive.Object, error) {
	return io.NopCloser(io.MultiReader(strings.NewReader("half"), failing{})), archive.Object{}, nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func use(ctx context.Context, s archive.Store, operation string) {
	switch operation {
	case "upload":
		_ = s.Put(ctx, "v1/key", strings.NewReader("12345"), archive.PutOptions{})
	case "iter":
		for range s.List(ctx, "v1/", "") {
			break
		}
	case "delete":
		_ = s.Delete(ctx, "v1/key")
	default:
		r := archive.Range{}
		if operation == "get_range" {
			r.Length = 2
		}
		if body, _, err := s.Get(ctx, "v1/key", r); err == nil {
			_, _ = io.Copy(io.Discard, body)
			body.Close()
			body.Close()
		}
	}
}

func TestCounts(t *testing.T) {
	gone, leave := context.WithCancel(t.Context())
	leave()
	there := func() archive.Store {
		m := storetest.NewMemory(t)
		if err := m.Put(t.Context(), "v1/key", strings.NewReader("12345"), archive.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		return m
	}
	wide := errors.New("no route to host")
	tests := []struct {
		name            string
		ctx             context.Context
		store           archive.Store
		operation       string
		failed, timed   int
		moved, observed float64 // bytes, and how often
	}{
		{"put", t.Context(), there(), "upload", 0, 1, 5, 1},
		{"get", t.Context(), there(), "get", 0, 1, 5, 1},
		{"get a range", t.Context(), there(), "get_range", 0, 1, 2, 1},
		{"list and leave early", t.Context(), there(), "iter", 0, 1, 0, 0},
		{"delete", t.Context(), there(), "delete", 0, 1, 0, 0},
		{"put fails", t.Context(), broken{wide}, "upload", 1, 0, 0, 0},
		{"put finds one", t.Context(), broken{archive.ErrExists}, "upload", 0, 1, 0, 0},
		{"get fails", t.Context(), broken{wide}, "get", 1, 0, 0, 0},
		{"get finds none", t.Context(), broken{archive.ErrNotFound}, "get", 0, 1, 0, 0},
		{"get breaks off", t.Context(), half{}, "get", 1, 0, 0, 0},
		{"list fails", t.Context(), broken{wide}, "iter", 1, 0, 0, 0},
		{"delete fails", t.Context(), broken{wide}, "delete", 1, 0, 0, 0},
		{"caller leaves", gone, broken{context.Canceled}, "delete", 0, 0, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := metrics.NewStore(prometheus.NewRegistry(), "bucket")
			use(test.ctx, New(test.store, m), test.operation)
			if got := testutil.ToFloat64(m.Operations.WithLabelValues(test.operation)); got != 1 {
				t.Errorf("got %v operations, want 1", got)
			}
			if got := testutil.ToFloat64(m.Failures.WithLabelValues(test.operation)); got != float64(test.failed) {
				t.Errorf("got %v failures, want %v", got, test.failed)
			}
			if _, got := observed(t, m.Duration.WithLabelValues(test.operation)); got != float64(test.timed) {
				t.Errorf("got %v times, want %v", got, test.timed)
			}
			if test.observed == 0 {
				return
			}
			if moved, n := observed(t, m.Transferred.WithLabelValues(test.operation)); moved != test.moved || n != test.observed {
				t.Errorf("got %v bytes in %v, want %v in %v", moved, n, test.moved, test.observed)
			}
		})
	}
}

func observed(t *testing.T, o prometheus.Observer) (sum, count float64) {
	t.Helper()
	var m dto.Metric
	if err := o.(prometheus.Metric).Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetHistogram().GetSampleSum(), float64(m.GetHistogram().GetSampleCount())
}

// TestUploadsAreAborted: the retention finds out by a type assertion whether a store has uploads to give back.
func TestUploadsAreAborted(t *testing.T) {
	m := metrics.NewStore(prometheus.NewRegistry(), "bucket")
	store := New(multipart{}, m)
	n, err := store.(aborter).AbortUploads(t.Context(), time.Time{})
	if n != 7 || err != nil {
		t.Errorf("got %d, %v, want what the store said", n, err)
	}
	if _, ok := New(broken{}, m).(aborter); ok {
		t.Error("a store without uploads says that it has some")
	}
}

type multipart struct{ broken }

func (multipart) AbortUploads(context.Context, time.Time) (int, error) { return 7, nil }

// TestBodyIsLeftWhole: a body that was measured is put from its start.
func TestBodyIsLeftWhole(t *testing.T) {
	memory := storetest.NewMemory(t)
	s := New(memory, metrics.NewStore(prometheus.NewRegistry(), "bucket"))
	body := bytes.NewReader([]byte("whole"))
	if _, err := body.Seek(3, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "v1/key", body, archive.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	r, _, err := memory.Get(t.Context(), "v1/key", archive.Range{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); string(got) != "whole" || err != nil {
		t.Errorf("got %q, %v, want all of it", got, err)
	}
}
