package s3

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/epilogue-dev/epilogue/archive"
)

// deleteBatch is how many objects S3 deletes in one request.
const deleteBatch = 1000

// List is archive.Store's. It asks for a page of up to 1000 objects when it comes to it. A store that gives keys out of
// order is an error: whoever lists goes on from the last key.
func (s *bucket) List(ctx context.Context, prefix string, after archive.Key) iter.Seq2[archive.Object, error] {
	return func(yield func(archive.Object, error) bool) {
		last := after
		for found, err := range s.pages(ctx, prefix, after) {
			key := archive.Key(strings.TrimPrefix(aws.ToString(found.Key), s.prefix))
			if err == nil {
				err = ctx.Err()
			}
			if err == nil && key <= last {
				err = fmt.Errorf("the store gave %q behind %q, want keys in their order", key, last)
			}
			if err != nil {
				yield(archive.Object{}, fmt.Errorf("list %s: %w", prefix, translate(ctx, err)))
				return
			}
			if last = key; !yield(archive.Object{Key: key, Size: aws.ToInt64(found.Size)}, nil) {
				return
			}
		}
	}
}

// pages yields what S3 lists; an error is the last thing it yields. Names come encoded: as they are, one that XML has
// no letters for would make its whole page unreadable, to everybody and for good.
func (s *bucket) pages(ctx context.Context, prefix string, after archive.Key) iter.Seq2[types.Object, error] {
	input := &s3.ListObjectsV2Input{
		Bucket: &s.bucket, Prefix: aws.String(s.prefix + prefix), EncodingType: types.EncodingTypeUrl,
	}
	if after != "" {
		input.StartAfter = aws.String(s.prefix + string(after))
	}
	return func(yield func(types.Object, error) bool) {
		for pages := s3.NewListObjectsV2Paginator(s.client, input); pages.HasMorePages(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(types.Object{}, err)
				return
			}
			for _, found := range page.Contents {
				found.Key, err = decoded(found.Key, page.EncodingType)
				if page.EncodingType == "" && !inXML(aws.ToString(found.Key)) {
					continue // a name that the store could not write: nobody's of the archive, for Put takes none
				}
				if !yield(found, err) || err != nil {
					return
				}
			}
		}
	}
}

// decoded returns a name of an answer as it is. A store that does not know encodings says so by naming none.
func decoded(name *string, by types.EncodingType) (*string, error) {
	if by != types.EncodingTypeUrl {
		return name, nil
	}
	plain, err := url.QueryUnescape(aws.ToString(name))
	if err != nil {
		return nil, fmt.Errorf("the store gave the name %q, want it encoded as in a URL: %w", aws.ToString(name), err)
	}
	return &plain, nil
}

// inXML reports whether a name can be written in XML at all. Where it cannot, encoders put U+FFFD for the letter, and
// so name another object; a name that has this one cannot be told from such.
func inXML(name string) bool {
	for _, c := range name {
		fits := c == '\t' || c == '\n' || c == '\r' || c >= ' ' && c <= 0xD7FF || c >= 0xE000 && c < utf8.RuneError || c >= 0x10000
		if !fits {
			return false
		}
	}
	return true
}

// Delete is archive.Store's. It deletes 1000 objects in one request, or one by one where the store does not take that.
func (s *bucket) Delete(ctx context.Context, keys ...archive.Key) error {
	names := make([]string, 0, len(keys))
	for _, key := range keys {
		name, err := s.name(key)
		if err != nil {
			return fmt.Errorf("delete %q: %w", key, err)
		}
		names = append(names, *name)
	}
	slices.Sort(names)
	for batch := range slices.Chunk(slices.Compact(names), deleteBatch) {
		if err := s.deleteSome(ctx, batch); err != nil {
			return fmt.Errorf("delete %d objects from %s on: %w",
				len(batch), strings.TrimPrefix(batch[0], s.prefix), translate(ctx, err))
		}
	}
	return nil
}

// deleteSome tries one request first. Many stores refuse it, for want of a checksum of another kind or because they do
// not know it. Only when single deletes work after a refusal is the request left out from then on.
func (s *bucket) deleteSome(ctx context.Context, names []string) error {
	if len(names) == 1 || s.singly.Load() || !allInXML(names) {
		return s.deleteEach(ctx, names)
	}
	err := s.deleteTogether(ctx, names)
	if err == nil || !isRefusal(err) {
		return err
	}
	if failed := s.deleteEach(ctx, names); failed != nil {
		return errors.Join(err, failed)
	}
	s.singly.Store(true)
	return nil
}

func allInXML(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return !inXML(name) })
}

func (s *bucket) deleteTogether(ctx context.Context, names []string) error {
	objects := make([]types.ObjectIdentifier, len(names))
	for i := range names {
		objects[i].Key = &names[i]
	}
	out, err := s.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &s.bucket, Delete: &types.Delete{Objects: objects, Quiet: aws.Bool(true)},
	})
	if err != nil {
		return err
	}
	for _, e := range out.Errors {
		if code := aws.ToString(e.Code); code != codeNoSuchKey {
			return fmt.Errorf("%s: %s (%s)", aws.ToString(e.Key), aws.ToString(e.Message), code)
		}
	}
	return nil
}

func (s *bucket) deleteEach(ctx context.Context, names []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.concurrency)
	for _, name := range names {
		group.Go(func() error {
			_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &name})
			if errors.Is(translate(ctx, err), archive.ErrNotFound) {
				return nil
			}
			return err
		})
	}
	return group.Wait()
}
