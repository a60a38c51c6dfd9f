package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/pause"
)

const (
	// conflictTries bounds how often a put that lost against another one under way is begun anew.
	conflictTries = 5
	conflictWait  = 100 * time.Millisecond
	// abortTimeout bounds how much longer than its context a broken upload may take, to give back its parts.
	abortTimeout = 3 * time.Second
)

// Put is archive.Store's. A body up to the part size goes up in one request with its checksum, a larger one in parts
// that are read straight from the body. Where the context ends in the middle of a large body, Put returns up to 3
// seconds later, because it takes back the parts.
func (s *bucket) Put(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error {
	input, err := s.putInput(key, opts)
	if err != nil {
		return fmt.Errorf("put %q: %w", key, err)
	}
	for try := 1; ; try++ {
		err = s.put(ctx, *input, body)
		// A conflict decides nothing: the other put can still fail.
		if !isConflict(err) || try == conflictTries || part(ctx, conflictWait<<try) != nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("put %s: %w", key, translate(ctx, err))
	}
	return nil
}

func (s *bucket) putInput(key archive.Key, opts archive.PutOptions) (*s3.PutObjectInput, error) {
	name, err := s.name(key)
	if err != nil {
		return nil, err
	}
	if !inXML(*name) {
		return nil, errors.New("key holds letters that XML cannot write, and so a listing")
	}
	input := &s3.PutObjectInput{Bucket: &s.bucket, Key: name, ContentType: aws.String("application/octet-stream")}
	s.marks.put(input)
	if opts.ContentType != "" {
		input.ContentType = &opts.ContentType
	}
	if opts.IfAbsent {
		input.IfNoneMatch = aws.String("*")
	}
	return input, nil
}

func (s *bucket) put(ctx context.Context, input s3.PutObjectInput, body io.ReadSeeker) error {
	size, err := body.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	section := io.NewSectionReader(readerAt(body), 0, size)
	if size > s.partSize {
		input.Body = section
		_, err = s.uploader.Upload(ctx, &input)
		return err
	}
	input.ContentLength = &size
	return s.putWhole(ctx, input, section)
}

// putWhole puts a body in one request. Our own checksum goes as a plain header, which nearly every store takes: the
// SDK's would go behind the body, in a framing that some stores keep as part of the object. Those which refuse it, too,
// take a digest.
func (s *bucket) putWhole(ctx context.Context, input s3.PutObjectInput, body io.ReadSeeker) error {
	input.Body = body
	if s.unsummed.Load() {
		return s.putWithDigest(ctx, input, body)
	}
	sum, err := digest(body, crc32.NewIEEE())
	if err != nil {
		return err
	}
	with := input
	with.ChecksumCRC32 = &sum
	_, err = s.client.PutObject(ctx, &with)
	if s.client.Options().BaseEndpoint == nil || status(err) != http.StatusBadRequest || errors.Is(translate(ctx, err), archive.ErrKey) {
		return err
	}
	failed := s.putWithDigest(ctx, input, body)
	if failed != nil && !isConflict(failed) && status(failed) != http.StatusPreconditionFailed {
		return err // it was not the checksum
	}
	s.unsummed.Store(true)
	return failed
}

func (s *bucket) putWithDigest(ctx context.Context, input s3.PutObjectInput, body io.ReadSeeker) error {
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum, err := digest(body, md5.New())
	if err != nil {
		return err
	}
	input.ContentMD5 = &sum
	_, err = s.client.PutObject(ctx, &input)
	return err
}

// part waits about d, so that putters in conflict part.
func part(ctx context.Context, d time.Duration) error { return pause.For(ctx, d/2+rand.N(d)) }

// readerAt returns the body as the uploader wants it: it reads parts in place then, and copies them to memory
// otherwise.
func readerAt(body io.ReadSeeker) io.ReaderAt {
	if r, ok := body.(io.ReaderAt); ok {
		return r
	}
	return &seekingReader{body: body}
}

// seekingReader reads at a place by seeking there. Parts that go up at once take turns.
type seekingReader struct {
	mu   sync.Mutex
	body io.ReadSeeker // guarded by mu
}

func (r *seekingReader) ReadAt(p []byte, offset int64) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.body.Seek(offset, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(r.body, p)
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	return n, err
}

// newUploader returns the SDK's uploader. It is deprecated in favour of one that does not read in place; this is the
// only spot that knows it.
func newUploader(client *s3.Client, cfg Config) *manager.Uploader {
	return manager.NewUploader(&uploadClient{client, client.Options().BaseEndpoint != nil}, func(u *manager.Uploader) {
		u.PartSize = cfg.PartSize
		u.Concurrency = cfg.Concurrency
		u.LeavePartsOnError = false
		u.RequestChecksumCalculation = client.Options().RequestChecksumCalculation
	})
}

// uploadClient adds to the SDK's client what its uploader leaves out.
type uploadClient struct {
	*s3.Client
	// other is a store that is not AWS. It gets a digest with each part, as some do not take the SDK's trailing
	// checksum, and is looked at before an upload is completed, as some keep the condition for puts in one request
	// only.
	other bool
}

// CompleteMultipartUpload is the SDK's, on a store other than AWS after a look whether the key is taken, if it must not
// be: some know conditions of puts and pass over this one, and would replace what is there. Between the look and the
// completion another one's can come; a store that keeps the condition refuses ours then, on others ours replaces it.
func (c *uploadClient) CompleteMultipartUpload(
	ctx context.Context, input *s3.CompleteMultipartUploadInput, opts ...func(*s3.Options),
) (*s3.CompleteMultipartUploadOutput, error) {
	if c.other && input.IfNoneMatch != nil {
		_, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: input.Bucket, Key: input.Key}, opts...)
		if err == nil {
			return nil, &smithy.GenericAPIError{Code: codePrecondition, Message: "the key is taken"}
		}
		if status(err) != http.StatusNotFound {
			return nil, err
		}
	}
	return c.Client.CompleteMultipartUpload(ctx, input, opts...)
}

// UploadPart is the SDK's, with the digest that every store knows.
func (c *uploadClient) UploadPart(
	ctx context.Context, input *s3.UploadPartInput, opts ...func(*s3.Options),
) (*s3.UploadPartOutput, error) {
	if part, ok := input.Body.(io.ReadSeeker); ok && c.other {
		sum, err := digest(part, md5.New())
		if err != nil {
			return nil, err
		}
		input.ContentMD5 = &sum
	}
	return c.Client.UploadPart(ctx, input, opts...)
}

// AbortMultipartUpload is the SDK's, under a deadline of its own: a broken upload gives back its parts also when it
// broke because its context ended.
func (c *uploadClient) AbortMultipartUpload(
	ctx context.Context, input *s3.AbortMultipartUploadInput, opts ...func(*s3.Options),
) (*s3.AbortMultipartUploadOutput, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	return c.Client.AbortMultipartUpload(ctx, input, opts...)
}

// digest returns the body's sum in base64, and leaves the body at its start.
func digest(body io.ReadSeeker, sum hash.Hash) (string, error) {
	if _, err := io.Copy(sum, body); err != nil {
		return "", err
	}
	_, err := body.Seek(0, io.SeekStart)
	return base64.StdEncoding.EncodeToString(sum.Sum(nil)), err
}
