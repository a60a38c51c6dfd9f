package fold

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/epilogue-dev/epilogue/archive"
)

// What stands between two slashes of a key is a part of it. Stores over a file system take 255 bytes of one, and those
// over an encrypted one 143; a pod without a Job may have a name of 253, and its UID goes with it. So a long part is
// folded: it becomes a folder, its first bytes with a "%" behind, and in that folder the rest. A folder store of ours
// has the same names, so that what is copied between the two is read.
const (
	foldAt = 238
	// foldShort is for a store that refuses names which are folded at foldAt. Longer than what the names of ordinary
	// pods make.
	foldShort = 120
	foldMark  = "%"
	foldSlack = 3 // bytes by which a fold may come earlier: it is no place inside a letter
)

// Folded gives a store keys with parts of any length. Which names it takes is found out by its refusals (ErrKey). All
// else sees keys alone.
//
// An archive that was written before there were folds may have long parts as they are: they are found, too. A key is
// put once: what is there under any of its names is there. A crash leaves nothing that a store without folds would not.
type Folded struct {
	archive.Store
}

// isFold: a part of a name that goes on in the next one.
func isFold(part string) bool {
	stem, ok := strings.CutSuffix(part, foldMark)
	n := len(stem)
	return ok && (n <= foldAt && n >= foldAt-foldSlack || n <= foldShort && n >= foldShort-foldSlack)
}

// fold returns the name of a key whose parts are folded at so many bytes. A part that looks like a fold is folded as
// well, or it would be one.
func fold(key archive.Key, at int) archive.Key {
	if !hasLong(string(key), foldShort-foldSlack) {
		return key
	}
	parts := strings.Split(string(key), "/")
	for i, part := range parts {
		var folded strings.Builder
		for len(part) > at || i < len(parts)-1 && isFold(part) {
			cut := min(at, len(part)-1)
			for back := 0; back < foldSlack && !utf8.RuneStart(part[cut]); back++ {
				cut--
			}
			folded.WriteString(part[:cut] + foldMark + "/")
			part = part[cut:]
		}
		parts[i] = folded.String() + part
	}
	return archive.Key(strings.Join(parts, "/"))
}

// unfold returns the key of a name.
func unfold(name archive.Key) archive.Key {
	if !strings.Contains(string(name), foldMark+"/") {
		return name
	}
	var key strings.Builder
	for rest := string(name); ; {
		part, after, more := strings.Cut(rest, "/")
		switch {
		case !more:
			key.WriteString(part)
			return archive.Key(key.String())
		case isFold(part):
			key.WriteString(strings.TrimSuffix(part, foldMark))
		default:
			key.WriteString(part + "/")
		}
		rest = after
	}
}

// hasLong: some part has more bytes than these.
func hasLong(text string, n int) bool { return len(upTo(text, n)) < len(text) }

// upTo cuts a text inside the first of its parts that has more bytes than these.
func upTo(text string, n int) string {
	start := 0
	for i := range len(text) {
		if text[i] == '/' {
			start = i + 1
		} else if i-start >= n {
			return text[:i]
		}
	}
	return text
}

// unfolded is what all names of the keys with a prefix begin with.
func unfolded(prefix string) string { return upTo(prefix, foldShort-foldSlack) }

// names returns those under which a key is put: the first that the store takes counts.
func names(key archive.Key) []archive.Key {
	return slices.Compact([]archive.Key{fold(key, foldAt), fold(key, foldShort)})
}

// Put is the store's.
func (f *Folded) Put(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error {
	all := names(key)
	if len(all) > 1 && opts.IfAbsent {
		r, _, err := f.Get(ctx, key, archive.Range{Length: 1})
		if err == nil {
			err = errors.Join(archive.ErrExists, r.Close())
		}
		if !errors.Is(err, archive.ErrNotFound) {
			return err
		}
	}
	var err error
	for _, name := range all {
		if err = f.Store.Put(ctx, name, body, opts); !errors.Is(err, archive.ErrKey) {
			return err
		}
	}
	return err
}

// Get is the store's. What it refuses to be asked for is not there.
func (f *Folded) Get(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error) {
	all := names(key)
	if len(all) == 1 {
		return f.Store.Get(ctx, key, r)
	}
	for asked := false; ; asked = true {
		for _, name := range all {
			body, object, err := f.Store.Get(ctx, name, r)
			if err == nil || !errors.Is(err, archive.ErrNotFound) && !errors.Is(err, archive.ErrKey) {
				object.Key = key
				return body, object, err
			}
		}
		if asked {
			return nil, archive.Object{}, fmt.Errorf("get %s: %w", key, archive.ErrNotFound)
		}
		var err error
		if all, err = f.asItIs(ctx, key); err != nil {
			return nil, archive.Object{}, err
		}
	}
}

// asItIs returns the key itself where that would be folded now and stands in the store as it is. It is looked for in a
// list: some stores answer the question for it with trouble of their own.
func (f *Folded) asItIs(ctx context.Context, key archive.Key) ([]archive.Key, error) {
	if !hasLong(string(key), foldAt) {
		return nil, nil
	}
	for object, err := range f.Store.List(ctx, unfolded(string(key)), "") {
		switch {
		case err != nil:
			return nil, err
		case object.Key == key:
			return []archive.Key{key}, nil
		case object.Key > key:
			return nil, nil
		}
	}
	return nil, nil
}

// Delete is the store's. Of what is long only the names that are there are named to it: it may refuse the others.
func (f *Folded) Delete(ctx context.Context, keys ...archive.Key) error {
	all := make([]archive.Key, 0, len(keys))
	long := map[string]map[archive.Key]bool{} // by what their names begin with
	for _, key := range keys {
		base := unfolded(string(key))
		switch {
		case len(base) == len(key):
			all = append(all, key)
		case long[base] == nil:
			long[base] = map[archive.Key]bool{key: true}
		default:
			long[base][key] = true
		}
	}
	for base, wanted := range long {
		for object, err := range f.Store.List(ctx, base, "") {
			if err != nil {
				return fmt.Errorf("delete %d objects: %w", len(keys), err)
			}
			if wanted[unfold(object.Key)] {
				all = append(all, object.Key)
			}
		}
	}
	return f.Store.Delete(ctx, all...)
}

// List is the store's, in the order of keys. Names that are folded stand before the others that begin as they do. They
// are held until their place has come: the objects that have more than a hundred bytes of a name in common, and no
// more.
func (f *Folded) List(ctx context.Context, prefix string, after archive.Key) iter.Seq2[archive.Object, error] {
	return func(yield func(archive.Object, error) bool) {
		u := unfolding{prefix: prefix, last: after, yield: yield}
		for object, err := range f.Store.List(ctx, unfolded(prefix), archive.Key(unfolded(string(after)))) {
			if err != nil {
				yield(archive.Object{}, err)
				return
			}
			if !u.take(object) {
				return
			}
		}
		u.give("")
	}
}

// unfolding is one List.
type unfolding struct {
	prefix string
	last   archive.Key // that was given
	yield  func(archive.Object, error) bool
	held   []archive.Object // by their keys, and in order
	stem   string           // what the names of held begin with
}

// take gets the next object by its name. It is false where no more is wanted.
func (u *unfolding) take(object archive.Object) bool {
	name := object.Key
	object.Key = unfold(name)
	if len(u.held) > 0 && !strings.HasPrefix(string(name), u.stem) && !u.give("") {
		return false
	}
	if object.Key == name {
		return u.give(object.Key) && u.one(object)
	}
	if len(u.held) == 0 {
		u.stem = upToFold(name)
	}
	at, _ := slices.BinarySearchFunc(u.held, object.Key, func(o archive.Object, key archive.Key) int { return strings.Compare(string(o.Key), string(key)) })
	u.held = slices.Insert(u.held, at, object)
	return true
}

// upToFold returns a name up to its first fold.
func upToFold(name archive.Key) string {
	start := 0
	for part := range strings.SplitSeq(string(name), "/") {
		if isFold(part) {
			return string(name[:start+len(part)-len(foldMark)])
		}
		start += len(part) + 1
	}
	return string(name)
}

// give returns what is held and stands before a key; "" is behind all.
func (u *unfolding) give(before archive.Key) bool {
	for len(u.held) > 0 && (before == "" || u.held[0].Key < before) {
		first := u.held[0]
		u.held = u.held[1:]
		if !u.one(first) {
			return false
		}
	}
	return true
}

// one returns an object if it is asked for, and was not given by another name of its key.
func (u *unfolding) one(object archive.Object) bool {
	if !strings.HasPrefix(string(object.Key), u.prefix) || object.Key <= u.last {
		return true
	}
	u.last = object.Key
	return u.yield(object, nil)
}
