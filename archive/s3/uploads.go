package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// keysBegin is what every key of the archive begins with.
const keysBegin = "v1/"

// codeNoSuchUpload: it was completed or aborted meanwhile.
const codeNoSuchUpload = "NoSuchUpload"

// AbortUploads gives back the parts of the archive's uploads that were begun before the given time and neither completed
// nor aborted: a process that died in the middle of a large Put leaves one, it is in no listing, and it is paid for. It
// says how many these were. On AWS it needs s3:ListBucketMultipartUploads and s3:AbortMultipartUpload.
func (s *Store) AbortUploads(ctx context.Context, before time.Time) (int, error) {
	stale, err := s.staleUploads(ctx, before)
	err = translate(ctx, err)
	if errors.Is(err, errors.ErrUnsupported) {
		return 0, nil // a store that does not list them has its own way to forget them
	}
	if err != nil {
		return 0, fmt.Errorf("list uploads: %w", err)
	}
	for n, upload := range stale {
		_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
			Bucket: &s.bucket, Key: upload.Key, UploadId: upload.UploadId,
		})
		if err != nil && code(err) != codeNoSuchUpload { // another replica may be at it, too
			return n, fmt.Errorf("abort upload of %s: %w", strings.TrimPrefix(aws.ToString(upload.Key), s.prefix), translate(ctx, err))
		}
	}
	return len(stale), nil
}

// staleUploads lists before anything is aborted, so that no page changes under the listing.
func (s *Store) staleUploads(ctx context.Context, before time.Time) ([]types.MultipartUpload, error) {
	prefix := s.prefix + keysBegin
	var stale []types.MultipartUpload
	pages := s3.NewListMultipartUploadsPaginator(s.client, &s3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, upload := range page.Uploads {
			// Some stores pass over the prefix, and one that does not say when an upload began says nothing of its age.
			if s.isOfArchive(aws.ToString(upload.Key)) && upload.Initiated != nil && upload.Initiated.Before(before) {
				stale = append(stale, upload)
			}
		}
	}
	return stale, nil
}

// isOfArchive says whether the archive would put a large object under this name: a log, a document or a part of a journal.
// Others may put theirs below the same prefix.
func (s *Store) isOfArchive(name string) bool {
	key, ok := strings.CutPrefix(name, s.prefix+keysBegin)
	if !ok {
		return false
	}
	return strings.HasPrefix(key, "_journal/") || strings.HasSuffix(key, ".log.zst") ||
		strings.HasSuffix(key, "/manifest.json") || strings.HasSuffix(key, "/job.json")
}
