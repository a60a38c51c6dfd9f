package s3

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/epilogue-dev/epilogue/archive"
)

// codeNoSuchUpload: it was completed or aborted meanwhile.
const codeNoSuchUpload = "NoSuchUpload"

// AbortUploads is the bucket's.
func (s *Store) AbortUploads(ctx context.Context, before time.Time) (int, error) {
	return s.bucket.AbortUploads(ctx, before)
}

// AbortUploads returns back the parts of the archive's uploads that were begun before the given time and neither
// completed nor aborted: a process that died in the middle of a large Put leaves one, it is in no listing, and it is
// paid for. It says how many these were. On AWS it needs s3:ListBucketMultipartUploads and s3:AbortMultipartUpload.
func (s *bucket) AbortUploads(ctx context.Context, before time.Time) (n int, err error) {
	for page, err := range s.uploads(ctx) {
		err = translate(ctx, err)
		if errors.Is(err, errors.ErrUnsupported) {
			return n, nil // a store that does not list them has its own way to forget them
		}
		if err != nil {
			return n, fmt.Errorf("list uploads: %w", err)
		}
		// Page by page: some stores fail at the second one. Then each round gets further than the one before it.
		for _, upload := range page {
			if !s.isStale(upload, before) {
				continue
			}
			if err := s.abort(ctx, upload); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}

func (s *bucket) abort(ctx context.Context, upload types.MultipartUpload) error {
	_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: &s.bucket, Key: upload.Key, UploadId: upload.UploadId,
	})
	if err != nil && code(err) != codeNoSuchUpload { // another replica may be at it, too
		return fmt.Errorf("abort upload of %s: %w", strings.TrimPrefix(aws.ToString(upload.Key), s.prefix), translate(ctx, err))
	}
	return nil
}

// isStale: some stores pass over the prefix, and one that does not say when an upload began says nothing of its age.
func (s *bucket) isStale(upload types.MultipartUpload, before time.Time) bool {
	return s.isOfArchive(aws.ToString(upload.Key)) && upload.Initiated != nil && upload.Initiated.Before(before)
}

// uploads yields the pages of the store's list; an error is the last thing it yields. Names come encoded, as those of
// objects do.
func (s *bucket) uploads(ctx context.Context) iter.Seq2[[]types.MultipartUpload, error] {
	input := &s3.ListMultipartUploadsInput{
		Bucket: &s.bucket, Prefix: aws.String(s.prefix + archive.KeysBegin), EncodingType: types.EncodingTypeUrl,
	}
	return func(yield func([]types.MultipartUpload, error) bool) {
		for {
			page, err := s.client.ListMultipartUploads(ctx, input)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range page.Uploads {
				if page.Uploads[i].Key, err = decoded(page.Uploads[i].Key, page.EncodingType); err != nil {
					yield(nil, err)
					return
				}
			}
			marker, err := decoded(page.NextKeyMarker, page.EncodingType)
			if !yield(page.Uploads, err) || err != nil || !aws.ToBool(page.IsTruncated) || stuck(input, marker, page.NextUploadIdMarker) {
				return
			}
			input.KeyMarker, input.UploadIdMarker = marker, page.NextUploadIdMarker
		}
	}
}

// stuck: the next page would not be another one: there are stores that say so without end.
func stuck(input *s3.ListMultipartUploadsInput, key, upload *string) bool {
	return aws.ToString(key) == aws.ToString(input.KeyMarker) && aws.ToString(upload) == aws.ToString(input.UploadIdMarker)
}

// isOfArchive reports whether the archive would put a large object under this name: a log, a document or a part of a
// journal. Others may put theirs below the same prefix.
func (s *bucket) isOfArchive(name string) bool {
	key, ok := strings.CutPrefix(name, s.prefix)
	return ok && archive.MayBeLarge(archive.Key(key))
}
