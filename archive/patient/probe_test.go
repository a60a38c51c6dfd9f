package patient_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/patient"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// oddStore breaks promises as real stores do.
type oddStore struct {
	archive.Store
	put func(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error
	get func(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error)
}

func (s *oddStore) Put(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error {
	if s.put != nil {
		return s.put(ctx, key, body, opts)
	}
	return s.Store.Put(ctx, key, body, opts)
}

func (s *oddStore) Get(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error) {
	if s.get != nil {
		return s.get(ctx, key, r)
	}
	return s.Store.Get(ctx, key, r)
}

func TestProbe(t *testing.T) {
	type odd = func(*oddStore, archive.Store)
	ignoresIfAbsent := func(o *oddStore, s archive.Store) {
		o.put = func(ctx context.Context, key archive.Key, body io.ReadSeeker, _ archive.PutOptions) error {
			return s.Put(ctx, key, body, archive.PutOptions{})
		}
	}
	refusesButReplaces := func(o *oddStore, s archive.Store) {
		o.put = func(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error {
			err := s.Put(ctx, key, body, archive.PutOptions{})
			if opts.IfAbsent {
				return archive.ErrExists
			}
			return err
		}
	}
	ifAbsent := func(answer error) odd {
		return func(o *oddStore, s archive.Store) {
			o.put = func(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error {
				if opts.IfAbsent {
					return answer
				}
				return s.Put(ctx, key, body, opts)
			}
		}
	}
	ignoresRanges := func(o *oddStore, s archive.Store) {
		o.get = func(ctx context.Context, key archive.Key, _ archive.Range) (io.ReadCloser, archive.Object, error) {
			return s.Get(ctx, key, archive.Range{})
		}
	}
	refusesRanges := func(o *oddStore, s archive.Store) {
		o.get = func(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error) {
			if r != (archive.Range{}) {
				return nil, archive.Object{}, errors.ErrUnsupported
			}
			return s.Get(ctx, key, r)
		}
	}
	emptySuffix := func(o *oddStore, s archive.Store) { o.get = shortOfSuffixes(s) }
	tests := []struct {
		name string
		odd  odd
		want patient.Capabilities
	}{
		{"gives nothing of an end that is longer than the object", emptySuffix, patient.Capabilities{ConditionalPut: true}},
		{"able", nil, patient.Capabilities{ConditionalPut: true, Ranges: true}},
		{"ignores if-absent", ignoresIfAbsent, patient.Capabilities{Ranges: true}},
		{"does not know if-absent", ifAbsent(errors.ErrUnsupported), patient.Capabilities{Ranges: true}},
		{"refuses if-absent but replaces", refusesButReplaces, patient.Capabilities{Ranges: true}},
		{"refuses if-absent where nothing is", ifAbsent(archive.ErrExists), patient.Capabilities{Ranges: true}},
		{"ignores ranges", ignoresRanges, patient.Capabilities{ConditionalPut: true}},
		{"does not know ranges", refusesRanges, patient.Capabilities{ConditionalPut: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := storetest.NewMemory(t)
			s := &oddStore{Store: m}
			if tt.odd != nil {
				tt.odd(s, m)
			}
			got, err := patient.Probe(t.Context(), s)
			if err != nil || got != tt.want {
				t.Errorf("Probe = %+v, %v, want %+v, nil", got, err, tt.want)
			}
			if left := m.Keys(); len(left) > 0 {
				t.Errorf("Probe left %q, want nothing", left)
			}
		})
	}
}

// shortOfSuffixes takes an end that is longer than the object for one that is past its end.
func shortOfSuffixes(s archive.Store) func(context.Context, archive.Key, archive.Range) (io.ReadCloser, archive.Object, error) {
	return func(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error) {
		body, object, err := s.Get(ctx, key, r)
		if err == nil && -r.Offset > object.Size {
			return io.NopCloser(strings.NewReader("")), object, body.Close()
		}
		return body, object, err
	}
}

// hidden lists nothing.
type hidden struct{ archive.Store }

func (hidden) List(context.Context, string, archive.Key) iter.Seq2[archive.Object, error] {
	return func(func(archive.Object, error) bool) {}
}

func TestProbeTrouble(t *testing.T) {
	corrupt := func(context.Context, archive.Key, archive.Range) (io.ReadCloser, archive.Object, error) {
		return io.NopCloser(strings.NewReader("other")), archive.Object{}, nil
	}
	if got, err := patient.Probe(t.Context(), &oddStore{Store: storetest.NewMemory(t), get: corrupt}); err == nil {
		t.Errorf("Probe of a store that gives other bytes = %+v, nil, want an error", got)
	}
	if got, err := patient.Probe(t.Context(), hidden{storetest.NewMemory(t)}); err == nil {
		t.Errorf("Probe of a store that lists nothing = %+v, nil, want an error", got)
	}
	for _, fault := range []storetest.Fault{
		{Op: storetest.OpList},
		{Op: storetest.OpPut},
		{Op: storetest.OpPut, Effect: storetest.Stored(nil)},
		{Op: storetest.OpPut, Skip: 1},
		{Op: storetest.OpPut, Skip: 2},
		{Op: storetest.OpGet},
		{Op: storetest.OpGet, Effect: storetest.BreakBody(3, nil)},
		{Op: storetest.OpGet, Skip: 2},
		{Op: storetest.OpGet, Skip: 5},
		{Op: storetest.OpDelete},
		{Op: storetest.OpDelete, Skip: 1},
	} {
		m := storetest.NewMemory(t)
		s := &storetest.Faulty{Store: m}
		s.Break(fault)
		if got, err := patient.Probe(t.Context(), s); !errors.Is(err, storetest.ErrFault) || got != (patient.Capabilities{}) {
			t.Errorf("%+v: Probe = %+v, %v, want nothing and ErrFault", fault, got, err)
		}
		s.VerifyAllFired(t)
		if left := m.Keys(); len(left) > 0 && (fault.Op != storetest.OpDelete || fault.Skip == 0) {
			t.Errorf("%+v: Probe left %q, want nothing", fault, left)
		}
	}
}

// TestProbeCleansUpLate has a context that ends in the middle: what was put is still taken away.
func TestProbeCleansUpLate(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m := storetest.NewMemory(t)
	s := &storetest.Faulty{Store: m}
	s.Break(storetest.Fault{Op: storetest.OpGet, Effect: storetest.Before(cancel)})
	if _, err := patient.Probe(ctx, s); !errors.Is(err, context.Canceled) {
		t.Errorf("Probe = %v, want context.Canceled", err)
	}
	if left := m.Keys(); len(left) > 0 {
		t.Errorf("Probe left %q, want nothing", left)
	}
	s.VerifyAllFired(t)
}
