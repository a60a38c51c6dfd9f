package seal

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// Find returns the records of the pod's logs whose objects are in the store, in the order of their keys. A replica that
// dies with its disk after it put one and before the journal said so leaves nothing else; the object's own index tells
// whose log it is. Of several objects of an instance it is the one that holds most.
func (s *Sealer) Find(ctx context.Context, pod archive.PodRef) ([]archive.InstanceRecord, error) {
	keys, err := s.logKeys(ctx, pod)
	if err != nil {
		return nil, fmt.Errorf("look for log objects of %s/%s: %w", pod.Namespace, pod.Pod, err)
	}
	var found []*archive.Kept
	for _, key := range keys {
		there, err := s.identify(ctx, pod, key)
		if err != nil {
			return nil, fmt.Errorf("look at log object %s: %w", key, err)
		}
		if there == nil {
			continue
		}
		n := slices.IndexFunc(found, func(k *archive.Kept) bool { return k.Instance == there.Instance })
		switch {
		case n < 0:
			found = append(found, there)
		case there.Lines > found[n].Lines, there.Lines == found[n].Lines && len(there.Gaps) < len(found[n].Gaps):
			found[n] = there
		}
	}
	var records []archive.InstanceRecord
	for _, k := range found {
		records = append(records, k.Record(k.Instance))
	}
	return records, nil
}

// logKeys returns the keys of the pod's log objects.
func (s *Sealer) logKeys(ctx context.Context, pod archive.PodRef) (keys []archive.Key, err error) {
	for object, err := range s.store.List(ctx, pod.Prefix(), "") {
		if err != nil {
			return nil, err
		}
		if archive.IsLogName(string(object.Key)) {
			keys = append(keys, object.Key)
		}
	}
	return keys, nil
}

// identify reads what the store holds under a key: nil where it is no log of the pod.
func (s *Sealer) identify(ctx context.Context, pod archive.PodRef, key archive.Key) (*archive.Kept, error) {
	return s.readKept(ctx, key, func(there archive.Summary) bool { return there.Instance.PodUID == pod.PodUID })
}

// readKept reads the index of an object: nil where there is none, where it is damaged or where it is not what is
// wanted.
func (s *Sealer) readKept(ctx context.Context, key archive.Key, wanted func(archive.Summary) bool) (*archive.Kept, error) {
	x, err := format.ReadIndex(ctx, s.store, key)
	switch {
	case errors.Is(err, archive.ErrNotFound):
		return nil, nil
	case errors.Is(err, archive.ErrDamaged):
		s.log.Error("log object in the store is damaged", "key", key, "err", err)
		return nil, nil
	case err != nil:
		return nil, err
	case !wanted(x.Summary):
		return nil, nil
	}
	return &archive.Kept{Summary: x.Summary, Key: key, Size: x.Size}, nil
}
