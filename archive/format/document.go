package format

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/epilogue-dev/epilogue/archive"
)

// maxDocument and maxDocumentObjects bound what a reader allocates for a Job's document. Of each pod it has some 300
// bytes, and one object; an Indexed Job can have 100,000, and as many that were tried again.
const (
	maxDocument        = 64 << 20
	maxDocumentObjects = 400_000
)

// EncodeDocument returns a document as text, with indents unless they would make a long one longer than a reader takes.
func EncodeDocument(d *archive.JobDocument) ([]byte, error) {
	text, err := json.MarshalIndent(d, "", "  ")
	if err == nil && len(text) > maxDocument/2 {
		text, err = json.Marshal(d)
	}
	if err == nil && len(text) >= maxDocument {
		err = fmt.Errorf("document of %d pods has %d bytes, must have less than %d", len(d.Pods), len(text), maxDocument)
	}
	return text, err
}

// ReadDocument reads a Job's document.
func ReadDocument(ctx context.Context, store archive.Store, key archive.Key) (*archive.JobDocument, error) {
	b, size, err := Fetch(ctx, store, key, archive.Range{Length: maxDocument})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if size > maxDocument || bytes.Count(b, []byte{'{'}) > maxDocumentObjects {
		return nil, fmt.Errorf("read %s: document of %d bytes: %w", key, size, archive.ErrDamaged)
	}
	var d archive.JobDocument
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, fmt.Errorf("read %s: %w: %w", key, err, archive.ErrDamaged)
	}
	if d.Version != archive.FormatVersion {
		return nil, fmt.Errorf("read %s: version %q, this program reads %q: %w", key, d.Version, archive.FormatVersion, archive.ErrDamaged)
	}
	return &d, nil
}

// ReadManifest reads a pod's manifest. ErrDamaged: it is no manifest of this format version.
func ReadManifest(ctx context.Context, store archive.Store, key archive.Key) (*archive.Manifest, error) {
	body, _, err := store.Get(ctx, key, archive.Range{})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	m, err := archive.ReadManifest(body)
	if err = Closing(body, err); err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return m, nil
}
