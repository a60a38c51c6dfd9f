package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/dir"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/s3"
	"github.com/epilogue-dev/epilogue/cli/live"
	"github.com/epilogue-dev/epilogue/config"
)

// The places that --source names.
const (
	fromAuto    = "auto"
	fromLive    = "live"
	fromArchive = "archive"
)

func (p *program) addSource(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.source, "source", fromAuto, "Where to read. archive: what Epilogue keeps; live: the cluster alone, without Epilogue; "+
		"auto: archive, and live for what Epilogue does not know or where it cannot be reached")
	complete(cmd, "source", fromAuto, fromLive, fromArchive)
}

// store opens the archive that the settings name; nil where they name none.
func (p *program) store(ctx context.Context) (archive.Store, error) {
	place, bucket, err := p.place.LoadArchive(p.lookup)
	switch {
	case err != nil:
		return nil, &useError{err}
	case place.Dir != "":
		return openDir(ctx, place)
	case place.Bucket != "":
		return s3.Open(ctx, s3.Config{
			Bucket: place.Bucket, Prefix: place.Prefix, Region: bucket.Region, Endpoint: bucket.Endpoint,
			PathStyle: bucket.Style(), CAFile: bucket.CAFile, Timeout: bucket.Timeout,
		})
	default:
		return nil, nil
	}
}

// openDir refuses a folder that is not there: opening a store makes it, and a typing error would look like an empty
// archive.
func openDir(ctx context.Context, place config.Archive) (archive.Store, error) {
	if _, err := os.Stat(place.Dir); err != nil {
		return nil, fmt.Errorf("open archive %s: %w", place, err)
	}
	return dir.Open(ctx, place.Dir)
}

var errNoStore = errors.New("no archive is named; give --archive s3://bucket/prefix or set EPILOGUE_ARCHIVE")

// reader opens the archive itself, for what the daemon does not do for others.
func (p *program) reader(ctx context.Context) (*read.Reader, error) {
	store, err := p.store(ctx)
	if err != nil {
		return nil, err
	}
	if store == nil {
		return nil, &useError{errNoStore}
	}
	return newReader(store)
}

func newReader(store archive.Store) (*read.Reader, error) {
	codec, err := format.NewCodec()
	if err != nil {
		return nil, err
	}
	return read.New(find.Config{Store: store, Codec: codec}), nil
}

// open returns what answers, by --source: the archive where it is named, else the daemon; or the cluster alone.
func (p *program) open(ctx context.Context) (origin, error) {
	if p.origin != nil {
		return p.origin, nil
	}
	switch p.source {
	case fromLive:
		return p.live()
	case fromArchive, "": // of a command without the flag
		return p.kept(ctx)
	case fromAuto:
		return p.auto(ctx)
	default:
		return nil, wrongUse("--source is %q, want auto, archive or live", p.source)
	}
}

// kept returns what answers for what Epilogue keeps.
func (p *program) kept(ctx context.Context) (origin, error) {
	store, err := p.store(ctx)
	if err != nil {
		return nil, err
	}
	if store != nil {
		return newReader(store)
	}
	return p.remote()
}

func (p *program) live() (origin, error) {
	client, err := p.client()
	if err != nil {
		return nil, err
	}
	return live.New(client), nil
}

// auto asks Epilogue first, and the cluster for what Epilogue does not know, or where there is none.
func (p *program) auto(ctx context.Context) (origin, error) {
	first, err := p.kept(ctx)
	if err != nil {
		return nil, err
	}
	second, err := p.live()
	if err != nil {
		return first, nil // without a kubeconfig there is only the archive
	}
	return &both{first: first, second: second, warn: p.warn}, nil
}
