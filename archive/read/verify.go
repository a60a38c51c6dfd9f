package read

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"

	"github.com/epilogue-dev/epilogue/archive"
)

// Checked is the check of one log object against its manifest, or of a manifest.
type Checked struct {
	Pod      archive.PodRef
	Manifest archive.Key
	Record   *archive.InstanceRecord // whose log was checked; nil: the manifest itself
	// Err is nil where all is as the manifest says. It wraps ErrDamaged where bytes are not what was written, and
	// ErrNotFound where the object is gone; any other error is the store's, and says nothing about the object.
	Err error
	// Done and Total are bytes of log objects in the store: those that were checked so far, and all that there were
	// when it began.
	Done, Total int64
}

// Verify checks everything that is kept of a target, or with a nil target the whole store: each log object is read to
// its end, each frame's checksums are checked, and its text is hashed, counted and compared with the manifest's record.
// Every record is given, as a progress to show; only those with an Err are damaged. An error besides it is the last
// thing that comes.
func (r *Reader) Verify(ctx context.Context, t *archive.Target) iter.Seq2[Checked, error] {
	return func(yield func(Checked, error) bool) {
		v := &verifying{reader: r, yield: yield}
		if err := v.run(ctx, t); err != nil && !errors.Is(err, errEnough) {
			yield(Checked{}, fmt.Errorf("verify: %w", err))
		}
	}
}

type verifying struct {
	reader      *Reader
	yield       func(Checked, error) bool
	done, total int64
}

func (v *verifying) run(ctx context.Context, t *archive.Target) error {
	if t != nil {
		if err := t.Validate(); err != nil {
			return err
		}
		return v.target(ctx, *t)
	}
	for object, err := range v.reader.Cfg.Store.List(ctx, archive.KeysBegin, "") {
		if err != nil {
			return err
		}
		if archive.IsLogKey(object.Key) {
			v.total += object.Size
		}
	}
	for object, err := range v.reader.Cfg.Store.List(ctx, archive.KeysBegin, "") {
		if err != nil {
			return err
		}
		if _, _, ok := archive.SplitKey(object.Key); ok && archive.IsManifestKey(object.Key) {
			if err := v.manifest(ctx, object.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *verifying) target(ctx context.Context, t archive.Target) error {
	s, err := v.reader.Stored(ctx, t)
	if err != nil {
		return err
	}
	if len(s.Manifests) == 0 {
		return fmt.Errorf("%s: %w", t, archive.ErrNotFound)
	}
	manifests, err := v.reader.Manifests(ctx, s, v.reader.StoredManifest)
	if err != nil && !errors.Is(err, archive.ErrDamaged) {
		return err
	}
	for _, m := range manifests {
		if m == nil {
			continue
		}
		for _, i := range m.Instances {
			if i.Log != nil {
				v.total += i.Log.Size
			}
		}
	}
	for _, object := range s.Manifests {
		if err := v.manifest(ctx, object.Key); err != nil {
			return err
		}
	}
	return nil
}

// manifest checks one pod.
func (v *verifying) manifest(ctx context.Context, key archive.Key) error {
	ref, _, _ := archive.SplitKey(key)
	m, err := v.reader.ManifestAt(ctx, key)
	if errors.Is(err, archive.ErrNotFound) {
		return nil // expired since it was listed
	}
	if err == nil && m.Pod.PodUID != ref.PodUID {
		err = fmt.Errorf("manifest is that of pod %s: %w", m.Pod.PodUID, archive.ErrDamaged)
	}
	c := Checked{Pod: ref, Manifest: key, Err: err}
	if err := v.tell(&c); err != nil || c.Err != nil {
		return err
	}
	for i := range m.Instances {
		record := &m.Instances[i]
		if record.Log == nil {
			continue
		}
		c.Record, c.Err = record, v.reader.verifyLog(ctx, record)
		v.done += record.Log.Size
		if err := v.tell(&c); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (v *verifying) tell(c *Checked) error {
	c.Done, c.Total = v.done, max(v.total, v.done)
	if !v.yield(*c, nil) {
		return errEnough
	}
	return nil
}

// verifyLog reads a log object whole and compares it with its record.
func (r *Reader) verifyLog(ctx context.Context, record *archive.InstanceRecord) error {
	want := record.Log
	o, err := r.sealed(ctx, &record.Instance, want.Key, want.Bytes)
	if err != nil {
		return err
	}
	numbers := make([]int, len(o.index.Frames))
	for n := range numbers {
		numbers[n] = n
	}
	var lines, size int64
	sum := sha256.New()
	for f, err := range o.Frames(ctx, numbers) {
		if err != nil {
			return err
		}
		err := f.Lines(func(archive.Line) bool {
			lines++
			return true
		})
		if err != nil {
			return fmt.Errorf("read %s: %w", want.Key, err)
		}
		size += int64(len(f.Text))
		sum.Write(f.Text)
	}
	got := archive.LogRecord{Size: o.index.Size, Lines: lines, Bytes: size, SHA256: hex.EncodeToString(sum.Sum(nil))}
	if err := want.Compare(&got); err != nil {
		return fmt.Errorf("%s: %w", want.Key, err)
	}
	if got := o.index.Summary.Rotations; got != record.Seams {
		return fmt.Errorf("%s: seams: %d, its manifest says %d: %w", want.Key, got, record.Seams, archive.ErrDamaged)
	}
	return nil
}
