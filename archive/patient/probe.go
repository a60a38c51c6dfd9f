package patient

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// Capabilities says what a store can do beyond what every store must.
type Capabilities struct {
	// ConditionalPut: a Put with IfAbsent refuses a key that is taken. Where it is false, IfAbsent may be refused with
	// errors.ErrUnsupported or may replace in silence. The caller then looks with Get before it puts without IfAbsent.
	// Two writers at the same instant can both put then; what they put under one key is the same, or the archive's own
	// read after the write shows that the other one was later.
	ConditionalPut bool
	// Ranges: Get gives the bytes that were asked for. Where it is false, objects are read as a whole (Partly).
	Ranges bool
}

// probeCleanup bounds the deletion of the probe's object, which happens also when the probe's time is over.
const probeCleanup = 10 * time.Second

// Probe finds out at start-up what the store can do, by doing it under v1/_probe/: some stores take a conditional put
// and ignore the condition. An error means that the store could not be used at all, or could not be asked; it says
// nothing about capabilities. A crash leaves one object of a few bytes that nobody reads or removes.
func Probe(ctx context.Context, s archive.Store) (Capabilities, error) {
	key := archive.Key(archive.ProbePrefix + rand.Text())
	c, err := probe(ctx, s, key)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeCleanup)
	defer cancel()
	if gone := s.Delete(ctx, key); gone != nil && err == nil {
		err = gone
	}
	if err != nil {
		return Capabilities{}, fmt.Errorf("probe store: %w", err)
	}
	return c, nil
}

func probe(ctx context.Context, s archive.Store, key archive.Key) (c Capabilities, err error) {
	body := []byte("0123456789 " + key)
	if err := s.Put(ctx, key, bytes.NewReader(body), archive.PutOptions{}); err != nil {
		return c, err
	}
	got, err := readBack(ctx, s, key, archive.Range{})
	if err != nil {
		return c, err
	}
	if !bytes.Equal(got, body) {
		return c, fmt.Errorf("put %d bytes under %s and read %d other bytes back", len(body), key, len(got))
	}
	if err := probeList(ctx, s, key, int64(len(body))); err != nil {
		return c, err
	}
	if c.Ranges, err = probeRanges(ctx, s, key, body); err != nil {
		return c, err
	}
	c.ConditionalPut, err = probeCondition(ctx, s, key, body)
	return c, err
}

// probeList: what is in no list is found by no reader, taken over by nobody, and never deleted.
func probeList(ctx context.Context, s archive.Store, key archive.Key, size int64) error {
	for object, err := range s.List(ctx, string(key), "") {
		if err != nil {
			return err
		}
		if object.Key == key && object.Size == size {
			return nil
		}
	}
	return fmt.Errorf("put %d bytes under %s, and they are not in the list of what is there", size, key)
}

func probeRanges(ctx context.Context, s archive.Store, key archive.Key, body []byte) (bool, error) {
	n := len(body)
	tests := []struct {
		r    archive.Range
		want []byte
	}{
		{archive.Range{Length: 4}, body[:4]},
		{archive.Range{Offset: 3, Length: 4}, body[3:7]},
		{archive.Range{Offset: 3}, body[3:]},
		{archive.Range{Offset: -4}, body[n-4:]},
		{archive.Range{Offset: -2 * int64(n)}, body}, // as of each small log: more than there is
	}
	for _, tt := range tests {
		got, err := readBack(ctx, s, key, tt.r)
		if errors.Is(err, errors.ErrUnsupported) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if !bytes.Equal(got, tt.want) {
			return false, nil
		}
	}
	return true, nil
}

// probeCondition puts over an object that is there. That the put fails is not enough: what was there must still be
// there.
func probeCondition(ctx context.Context, s archive.Store, key archive.Key, body []byte) (bool, error) {
	err := s.Put(ctx, key, bytes.NewReader([]byte("other")), archive.PutOptions{IfAbsent: true})
	switch {
	case err == nil || errors.Is(err, errors.ErrUnsupported):
		return false, nil
	case !errors.Is(err, archive.ErrExists):
		return false, err
	}
	got, err := readBack(ctx, s, key, archive.Range{})
	if err != nil {
		return false, err
	}
	if !bytes.Equal(got, body) {
		return false, nil
	}
	return probeFree(ctx, s, key)
}

// probeFree puts where nothing is: a store that refuses that too would never let anything be sealed.
func probeFree(ctx context.Context, s archive.Store, key archive.Key) (bool, error) {
	if err := s.Delete(ctx, key); err != nil {
		return false, err
	}
	err := s.Put(ctx, key, bytes.NewReader([]byte("free")), archive.PutOptions{IfAbsent: true})
	if errors.Is(err, archive.ErrExists) {
		return false, nil
	}
	return err == nil, err
}

// readBack returns the bytes of the object that r asks for.
func readBack(ctx context.Context, s archive.Store, key archive.Key, r archive.Range) ([]byte, error) {
	body, _, err := s.Get(ctx, key, r)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return got, nil
}
