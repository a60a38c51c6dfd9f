package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/serve/wire"
)

// manifest answers with what is known of a pod.
func (a *API) manifest(w http.ResponseWriter, r *http.Request) error {
	p := newParams(r.URL.RawQuery, a.parts.Now())
	uid, _ := p.text("uid")
	if err := p.finish(); err != nil {
		return err
	}
	ref := archive.PodRef{Namespace: r.PathValue("namespace"), Pod: r.PathValue("pod"), PodUID: archive.PodUID(uid)}
	if a.peers.answer(w, r, ref.Target()) {
		return nil
	}
	m, sealed, err := a.parts.Reader.Manifest(r.Context(), ref)
	if err != nil {
		return asParameter(err)
	}
	standing := wire.Open
	if sealed {
		standing = wire.Sealed
	}
	w.Header().Set(wire.ManifestHeader, standing)
	return WriteJSON(w, http.StatusOK, m)
}

// download answers with a log object as it is stored. It never changes, so that a client may come back for the rest of
// it.
func (a *API) download(w http.ResponseWriter, r *http.Request) error {
	p := newParams(r.URL.RawQuery, a.parts.Now())
	uid, _ := p.text("uid")
	container, _ := p.text("container")
	restart := p.number("restart", 0, 1<<31-1)
	if err := p.finish(); err != nil {
		return err
	}
	ref := archive.PodRef{Namespace: r.PathValue("namespace"), Pod: r.PathValue("pod"), PodUID: archive.PodUID(uid)}
	m, _, err := a.parts.Reader.Manifest(r.Context(), ref)
	if err != nil {
		return asParameter(err)
	}
	record, err := pickLog(m, container, restart)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/zstd")
	h.Set("ETag", fmt.Sprintf(`"%s-%d"`, record.Log.SHA256, record.Log.Size))
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", fmt.Sprintf("%s.%s.%d%s", m.Pod.Pod, record.Container, record.Restart, archive.LogExt)))
	h.Set(headerSource, string(archive.FromArchive))
	h.Set(headerVerdict, string(record.Verdict))
	tellSeams(h, record.Seams)
	body := &objectReader{ctx: r.Context(), objects: a.parts.Objects, key: record.Log.Key, size: record.Log.Size}
	defer body.close()
	http.ServeContent(w, r, "", m.SealedAt, body)
	return body.failed
}

// pickLog returns the sealed log that is asked for: of the newest instance where no restart is named, of the only
// container where none is named.
func pickLog(m *archive.Manifest, container string, restart *int64) (*archive.InstanceRecord, error) {
	var names []string
	var found *archive.InstanceRecord
	for i := range m.Instances {
		r := &m.Instances[i]
		if !slices.Contains(names, r.Container) {
			names = append(names, r.Container)
		}
		if (container == "" || r.Container == container) && (restart == nil || int64(r.Restart) == *restart) &&
			(found == nil || r.Restart >= found.Restart) {
			found = r
		}
	}
	switch {
	case container == "" && len(names) > 1:
		return nil, badParameter("container", "", fmt.Sprintf("one of %v", names))
	case found == nil:
		return nil, notFound(fmt.Sprintf("pod %s/%s has no such instance; its containers are %v", m.Pod.Namespace, m.Pod.Pod, names))
	case found.Log == nil:
		why := found.Reason
		if why == "" {
			why = "it is not sealed yet"
			if found.Verdict != "" {
				why = string(found.Verdict)
			}
		}
		return nil, notFound(fmt.Sprintf("there is no log object of %s: %s", found.Instance, why))
	}
	return found, nil
}

// objectReader reads an object in pieces, from where it is told to. It is io.ReadSeeker for http.ServeContent, which
// does not say how much of the object it wants: pieces grow, so that a small part costs little and a large one few
// requests.
type objectReader struct {
	ctx     context.Context // an io.ReadSeeker has no other way to be ended
	objects Objects
	key     archive.Key
	size    int64

	at     int64
	piece  int64 // bytes of the piece that is open
	open   io.ReadCloser
	failed error
}

const (
	firstPiece = 256 << 10
	mostPiece  = 16 << 20
)

func (o *objectReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += o.at
	case io.SeekEnd:
		offset += o.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start")
	}
	if offset != o.at {
		o.close()
		o.at, o.piece = offset, 0
	}
	return offset, nil
}

func (o *objectReader) Read(p []byte) (int, error) {
	for o.at < o.size {
		if o.open == nil {
			if err := o.next(); err != nil {
				return 0, err
			}
		}
		n, err := o.open.Read(p)
		o.at += int64(n)
		if errors.Is(err, io.EOF) {
			o.close()
			err = nil
		}
		if n > 0 || err != nil {
			return n, o.fail(err)
		}
	}
	return 0, io.EOF
}

// next opens the next piece.
func (o *objectReader) next() error {
	o.piece = min(max(firstPiece, 4*o.piece), mostPiece)
	body, object, err := o.objects.Object(o.ctx, o.key, archive.Range{Offset: o.at, Length: o.piece})
	if err != nil {
		return o.fail(err)
	}
	o.open = body
	if object.Size != o.size {
		return o.fail(fmt.Errorf("%s has %d bytes, and by its manifest %d: %w", o.key, object.Size, o.size, archive.ErrDamaged))
	}
	return nil
}

func (o *objectReader) fail(err error) error {
	if err != nil {
		o.failed = err
	}
	return err
}

func (o *objectReader) close() {
	if o.open != nil {
		_ = o.open.Close() // it was only read
		o.open = nil
	}
}
