package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

func testIfAbsentLarge(t *testing.T, s archive.Store) {
	const key = "v1/if-absent-large.log.zst"
	once := archive.PutOptions{IfAbsent: true, ContentType: "application/zstd"}
	first := pattern(9 << 20)
	if err := s.Put(t.Context(), key, bytes.NewReader(first), once); err != nil {
		t.Fatalf("Put(IfAbsent, 9 MiB) of a free key = %v, want nil", err)
	}
	other := bytes.Repeat([]byte("other"), 2<<20)
	if err := s.Put(t.Context(), key, bytes.NewReader(other), once); !errors.Is(err, archive.ErrExists) {
		t.Errorf("Put(IfAbsent, 10 MiB) of a taken key = %v, want ErrExists", err)
	}
	wantObject(t, s, key, first)
}

func testIfAbsentRace(t *testing.T, s archive.Store) {
	const racers, rounds = 16, 5
	for round := range rounds {
		key := archive.Key(fmt.Sprintf("v1/race/%d", round))
		errs := make([]error, racers)
		bodies := make([][]byte, racers)
		start := make(chan struct{})
		var wg sync.WaitGroup
		for i := range racers {
			bodies[i] = bytes.Repeat([]byte{byte('a' + i)}, 1000+i)
			wg.Go(func() {
				<-start
				errs[i] = s.Put(t.Context(), key, bytes.NewReader(bodies[i]), archive.PutOptions{IfAbsent: true})
			})
		}
		close(start)
		wg.Wait()
		wantOneWinner(t, s, key, bodies, errs)
	}
}

func wantOneWinner(t *testing.T, s archive.Store, key archive.Key, bodies [][]byte, errs []error) {
	t.Helper()
	winner, won := 0, 0
	for i, err := range errs {
		switch {
		case err == nil:
			winner, won = i, won+1
		case !errors.Is(err, archive.ErrExists):
			t.Errorf("%s: racer %d: Put = %v, want nil or ErrExists", key, i, err)
		}
	}
	if won != 1 {
		t.Fatalf("%s: %d racers won, want 1", key, won)
	}
	wantObject(t, s, key, bodies[winner])
}

func testBodyFromStart(t *testing.T, s archive.Store) {
	const key = "v1/body"
	for _, size := range []int{100, 9 << 20} {
		want := pattern(size)
		body := bytes.NewReader(want)
		if _, err := body.Seek(int64(size/2), io.SeekStart); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Put(t.Context(), key, body, archive.PutOptions{}); err != nil {
				t.Fatalf("Put(%d bytes, read to the middle before) = %v, want nil", size, err)
			}
			wantObject(t, s, key, want)
		}
	}
}

// onlySeeker hides every method of a body but Read and Seek, and says when it was closed.
type onlySeeker struct {
	io.ReadSeeker
	closed bool
}

func (b *onlySeeker) Close() error {
	b.closed = true
	return nil
}

func testBodyNotClosed(t *testing.T, s archive.Store) {
	for _, size := range []int{0, 100, 9 << 20} {
		want := pattern(size)
		body := &onlySeeker{ReadSeeker: bytes.NewReader(want)}
		if err := s.Put(t.Context(), "v1/closed", body, archive.PutOptions{}); err != nil {
			t.Fatalf("Put(%d bytes that only read and seek) = %v, want nil", size, err)
		}
		if body.closed {
			t.Errorf("Put(%d bytes) closed the body, want it left open", size)
		}
		wantObject(t, s, "v1/closed", want)
	}
}

var errBroken = errors.New("body is broken")

// brokenBody cannot be read behind its first good bytes.
type brokenBody struct {
	io.ReadSeeker
	good, place int64
}

func (b *brokenBody) Seek(offset int64, whence int) (int64, error) {
	place, err := b.ReadSeeker.Seek(offset, whence)
	b.place = place
	return place, err
}

func (b *brokenBody) Read(p []byte) (int, error) {
	if b.place >= b.good {
		return 0, errBroken
	}
	n, err := b.ReadSeeker.Read(p[:min(int64(len(p)), b.good-b.place)])
	b.place += int64(n)
	return n, err
}

func testBodyFails(t *testing.T, s archive.Store) {
	for _, size := range []int{100, 9 << 20} {
		key := archive.Key(fmt.Sprintf("v1/broken/%d", size))
		body := &brokenBody{ReadSeeker: bytes.NewReader(pattern(size)), good: int64(size / 2)}
		err := s.Put(t.Context(), key, body, archive.PutOptions{})
		if err == nil || errors.Is(err, archive.ErrExists) || errors.Is(err, archive.ErrNotFound) {
			t.Errorf("Put of a body that fails after %d of %d bytes = %v, want an error of the body", size/2, size, err)
		}
		wantAbsent(t, s, key)
	}
	wantKeys(t, s, "", "", nil)
}

// testReaderWhileReplaced reads an object while it is replaced over and over by objects of another length and content.
func testReaderWhileReplaced(t *testing.T, s archive.Store) {
	const key, rounds = "v1/replaced", 20
	versions := [][]byte{bytes.Repeat([]byte("a"), 1<<20), bytes.Repeat([]byte("b"), 1<<20+4321)}
	put(t, s, key, versions[0])
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range rounds {
			if err := s.Put(t.Context(), key, bytes.NewReader(versions[(i+1)%2]), archive.PutOptions{}); err != nil {
				t.Errorf("Put while read = %v, want nil", err)
			}
		}
	}()
	defer func() { <-done }()
	for {
		got, obj, err := get(t.Context(), s, key, archive.Range{})
		if err != nil {
			t.Fatalf("Get while replaced = %v, want nil", err)
		}
		if !bytes.Equal(got, versions[0]) && !bytes.Equal(got, versions[1]) {
			t.Fatalf("Get while replaced gave a mix: %d bytes, %d of them 'a'", len(got), bytes.Count(got, []byte("a")))
		}
		if obj.Size != int64(len(got)) {
			t.Fatalf("Get while replaced gave size %d with %d bytes, want the same", obj.Size, len(got))
		}
		select {
		case <-done:
			return
		default:
		}
	}
}
