package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/epilogue-dev/epilogue/archive"
)

// Get is archive.Store's. Where the store does not know ranges the error is errors.ErrUnsupported.
func (s *bucket) Get(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error) {
	body, size, err := s.get(ctx, key, r)
	if err != nil {
		return nil, archive.Object{}, fmt.Errorf("get %s: %w", key, translate(ctx, err))
	}
	return body, archive.Object{Key: key, Size: size}, nil
}

func (s *bucket) get(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, int64, error) {
	if r.Length < 0 {
		return nil, 0, fmt.Errorf("range length is %d, must be 0 or more", r.Length)
	}
	name, err := s.name(key)
	if err != nil {
		return nil, 0, err
	}
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: name, Range: header(r)})
	if isPastEnd(err) {
		size, err := s.sizePastEnd(ctx, name, err)
		if r.Offset < 0 && size > 0 && err == nil {
			// The last bytes of an object that has any are never past its end: this store knows no more of them than
			// there are.
			return s.get(ctx, key, lastOf(size, r))
		}
		return io.NopCloser(strings.NewReader("")), size, err
	}
	if err != nil {
		return nil, 0, err
	}
	size, err := sizeOf(out, r)
	if err != nil {
		return nil, 0, errors.Join(err, out.Body.Close())
	}
	body := &receiving{ctx: ctx, key: key, ReadCloser: out.Body, left: -1}
	if r.Offset < 0 && r.Length > 0 { // a header cannot ask for a part of the last bytes
		body.left = r.Length
	}
	return body, size, nil
}

// lastOf returns the range of an object's last bytes as one from its start.
func lastOf(size int64, r archive.Range) archive.Range {
	return archive.Range{Offset: max(0, size+r.Offset), Length: r.Length}
}

// header returns the Range header, nil for the whole object.
func header(r archive.Range) *string {
	switch last := r.Offset + r.Length - 1; {
	case r.Offset == 0 && r.Length == 0:
		return nil
	case r.Offset < 0:
		return aws.String("bytes=" + strconv.FormatInt(r.Offset, 10))
	case r.Length == 0 || last < 0: // the sum ran over: no object is that long
		return aws.String(fmt.Sprintf("bytes=%d-", r.Offset))
	default:
		return aws.String(fmt.Sprintf("bytes=%d-%d", r.Offset, last))
	}
}

// sizeOf returns the size of the whole object. It fails where the store has given the whole instead of the range.
func sizeOf(out *s3.GetObjectOutput, r archive.Range) (int64, error) {
	if size, ok := total(aws.ToString(out.ContentRange)); ok {
		return size, nil
	}
	size := aws.ToInt64(out.ContentLength)
	all := r.Offset == 0 && (r.Length == 0 || r.Length >= size) || r.Offset < 0 && r.Offset+size <= 0
	if !all {
		return 0, fmt.Errorf("the store gave the whole object and not its range: %w", errors.ErrUnsupported)
	}
	return size, nil
}

// total returns the number behind the slash of a Content-Range: "bytes 2-4/10" or "bytes */10".
func total(contentRange string) (int64, bool) {
	_, after, _ := strings.Cut(contentRange, "/")
	size, err := strconv.ParseInt(after, 10, 64)
	return size, err == nil
}

// sizePastEnd returns the size of an object that ends before the range begins, from the store's refusal or by asking
// again.
func (s *bucket) sizePastEnd(ctx context.Context, name *string, refusal error) (int64, error) {
	if resp, ok := errors.AsType[*awshttp.ResponseError](refusal); ok {
		if size, ok := total(resp.Response.Header.Get("Content-Range")); ok {
			return size, nil
		}
	}
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: name})
	if code(err) == codeNotFound {
		return 0, archive.ErrNotFound // a HEAD has no body that could say more, and the store has just known the object
	}
	if err != nil {
		return 0, err
	}
	return aws.ToInt64(out.ContentLength), nil
}

// receiving is the body of a Get. It holds the context of that call, which bounds its reads.
type receiving struct {
	ctx context.Context
	key archive.Key
	io.ReadCloser
	left int64 // bytes still to be given; negative: all
}

func (b *receiving) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	if err := b.ctx.Err(); err != nil {
		return 0, fmt.Errorf("read %s: %w", b.key, err)
	}
	if b.left > 0 {
		p = p[:min(int64(len(p)), b.left)]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left > 0 {
		b.left -= int64(n)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("read %s: %w", b.key, translate(b.ctx, err))
	}
	return n, err
}
