package seal

import (
	"context"
	"errors"
	"fmt"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/patient"
	"github.com/epilogue-dev/epilogue/archive/spool"
)

// Log seals one instance's log and returns its record without the container's state. The frames have left the spool
// when it returns. ErrSealed: the pod's manifest is there already and vouches for another log.
func (s *Sealer) Log(ctx context.Context, l *spool.Log) (archive.InstanceRecord, error) {
	// A record that is there was written after the log object was stored: an earlier try, or an earlier process.
	r, ok, err := l.Record()
	if err != nil {
		return r, err
	}
	if ok {
		return r, l.Drop()
	}
	sum, err := l.End()
	if err != nil {
		return r, err
	}
	there, err := s.keep(ctx, l, sum)
	if err != nil {
		return r, fmt.Errorf("put log object of %s: %w", l.Instance(), err)
	}
	r = there.Record(l.Instance())
	if err := l.WriteRecord(&r); err != nil {
		return r, fmt.Errorf("write record of %s: %w", l.Instance(), err)
	}
	return r, l.Drop()
}

// keep puts the log object. An object that is there already is never replaced: a manifest, ours or another replica's,
// may vouch for it at any time.
func (s *Sealer) keep(ctx context.Context, l *spool.Log, sum archive.Summary) (*archive.Kept, error) {
	key := l.Instance().LogKey()
	switch {
	case sum.Lines > 0:
	case len(sum.Gaps) == 0:
		return &archive.Kept{Summary: sum}, nil
	default:
		// An earlier life may have stored the log, and then lost its disk.
		there, err := s.look(ctx, l.Instance(), key)
		if there == nil && err == nil {
			there = &archive.Kept{Summary: sum}
		}
		return there, err
	}
	ours, err := s.put(ctx, l, sum, key)
	if !errors.Is(err, archive.ErrExists) {
		return ours, err
	}
	there, err := s.look(ctx, l.Instance(), key)
	if err != nil {
		return nil, err
	}
	if there != nil && there.StandsBefore(&sum) {
		return there, nil
	}
	if _, err := s.Manifest(ctx, l.Instance().PodRef); !errors.Is(err, archive.ErrNotFound) {
		if err == nil {
			err = ErrSealed
		}
		return nil, err
	}
	return s.keepBeside(ctx, l, sum)
}

// keepBeside puts the log under a key that names its text. What stands there is ours, stored by a try that reported
// failure, or damaged: then a key is free that names more of the sum. Without one the pod could never be sealed.
func (s *Sealer) keepBeside(ctx context.Context, l *spool.Log, sum archive.Summary) (*archive.Kept, error) {
	var key archive.Key
	for _, digits := range []int{16, 32, 64} {
		key = l.Instance().OtherLogKey(sum.SHA256[:digits])
		s.log.Warn("another log stands under the key; ours is put beside it", "instance", l.Instance(), "key", key)
		ours, err := s.put(ctx, l, sum, key)
		if !errors.Is(err, archive.ErrExists) {
			return ours, err
		}
		if there, err := s.look(ctx, l.Instance(), key); there != nil || err != nil {
			return there, err
		}
	}
	return nil, fmt.Errorf("object %s: %w", key, archive.ErrDamaged)
}

func (s *Sealer) put(ctx context.Context, l *spool.Log, sum archive.Summary, key archive.Key) (*archive.Kept, error) {
	var size int64
	body := func() (patient.Body, error) {
		o, err := l.Object()
		if err == nil {
			size = o.Size()
		}
		return o, err
	}
	if err := s.store.PutMade(ctx, key, body, archive.PutOptions{IfAbsent: true, ContentType: "application/zstd"}); err != nil {
		return nil, err
	}
	return &archive.Kept{Summary: sum, Key: key, Size: size}, nil
}

// look reads what the store holds of the instance under a key: nil where that is nothing, or nothing of use.
func (s *Sealer) look(ctx context.Context, i archive.Instance, key archive.Key) (*archive.Kept, error) {
	return s.readKept(ctx, key, func(there archive.Summary) bool {
		return there.Instance.ContainerID == i.ContainerID && there.Lines > 0
	})
}
