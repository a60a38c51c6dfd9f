//go:build stores

package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// asking puts questions to a server as it is, by the SDK alone.
type asking struct {
	t      *testing.T
	client *s3.Client
}

// answer is "yes", or what the server says instead.
func answer(err error) string {
	if err == nil {
		return "yes"
	}
	return strings.TrimSpace(fmt.Sprint(status(err)) + " " + code(err))
}

func (a asking) put(key, body string, condition *string) error {
	_, err := a.client.PutObject(a.t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(bucketOf), Key: &key, Body: strings.NewReader(body), IfNoneMatch: condition,
	})
	return err
}

// get returns an object, or a part of one.
func (a asking) get(key, part string) (string, error) {
	input := &s3.GetObjectInput{Bucket: aws.String(bucketOf), Key: &key}
	if part != "" {
		input.Range = &part
	}
	out, err := a.client.GetObject(a.t.Context(), input)
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(out.Body)
	return b.String(), err
}

// kept says whether an object is as it was.
func (a asking) kept(key, want string, err error) string {
	got, failed := a.get(key, "")
	switch {
	case failed != nil:
		return answer(failed)
	case got != want:
		return "replaced in silence"
	case status(err) == http.StatusPreconditionFailed:
		return "refused, " + answer(err)
	}
	return answer(err)
}

func (a asking) condition() string {
	a.must(a.put("ask/taken", "first", nil))
	return a.kept("ask/taken", "first", a.put("ask/taken", "second", aws.String("*")))
}

// conditionInParts puts over a taken key by an upload of one part.
func (a asking) conditionInParts() string {
	ctx, bucket, key := a.t.Context(), aws.String(bucketOf), aws.String("ask/parts")
	a.must(a.put(*key, "first", nil))
	begun, err := a.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key})
	a.must(err)
	part, err := a.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: bucket, Key: key, UploadId: begun.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("second"),
	})
	a.must(err)
	_, err = a.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: bucket, Key: key, UploadId: begun.UploadId, IfNoneMatch: aws.String("*"),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{ETag: part.ETag, PartNumber: aws.Int32(1)}}},
	})
	return a.kept(*key, "first", err)
}

// suffix asks for more of an object's end than there is.
func (a asking) suffix() string {
	a.must(a.put("ask/short", "0123456789", nil))
	got, err := a.get("ask/short", "bytes=-100")
	if err == nil && got != "0123456789" {
		return fmt.Sprintf("%d bytes", len(got))
	}
	return answer(err)
}

func (a asking) name(bytes int) string {
	return answer(a.put("ask/names/"+strings.Repeat("n", bytes), "body", nil))
}

// halfWay calls back before the last quarter of a body is read the second time: the first time it is hashed.
type halfWay struct {
	body   *bytes.Reader
	passes int
	call   func()
}

func (h *halfWay) Read(p []byte) (int, error) {
	if h.body.Len() == int(h.body.Size()) {
		h.passes++
	}
	if h.passes == 2 && h.call != nil && h.body.Len() < int(h.body.Size())/4 {
		h.call()
		h.call = nil
	}
	return h.body.Read(p)
}

func (h *halfWay) Seek(offset int64, whence int) (int64, error) { return h.body.Seek(offset, whence) }

// whole asks for an object while it is put.
func (a asking) whole() string {
	const key = "ask/whole"
	seen := "nobody asked"
	body := &halfWay{body: bytes.NewReader(make([]byte, 4<<20))}
	body.call = func() {
		time.Sleep(300 * time.Millisecond) // what was sent is with the server then
		got, err := a.get(key, "")
		if seen = "yes"; err == nil || status(err) != http.StatusNotFound {
			seen = strings.TrimSpace(fmt.Sprintf("no: %t %s", len(got) > 0, answer(err)))
		}
	}
	_, err := a.client.PutObject(a.t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucketOf), Key: aws.String(key), Body: body})
	a.must(err)
	return seen
}

func (a asking) deleteMany() string {
	a.must(errors.Join(a.put("ask/many/1", "x", nil), a.put("ask/many/2", "x", nil)))
	_, err := a.client.DeleteObjects(a.t.Context(), &s3.DeleteObjectsInput{Bucket: aws.String(bucketOf), Delete: &types.Delete{
		Objects: []types.ObjectIdentifier{{Key: aws.String("ask/many/1")}, {Key: aws.String("ask/many/2")}},
	}})
	return answer(err)
}

// order lists keys whose order by bytes is not that of a walk through folders.
func (a asking) order() string {
	for _, key := range []string{"a/b", "a-b", "a.b", "a0", "B"} {
		a.must(a.put("ask/order/"+key, "x", nil))
	}
	page, err := a.client.ListObjectsV2(a.t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucketOf), Prefix: aws.String("ask/order/")})
	a.must(err)
	var keys []string
	for _, object := range page.Contents {
		keys = append(keys, *object.Key)
	}
	if !slices.IsSorted(keys) || len(keys) != 5 {
		return fmt.Sprintf("%d of 5, not in order", len(keys))
	}
	return "yes"
}

// uploads begins three uploads below a prefix and asks for them by it, and then one by one.
func (a asking) uploads() (byPrefix, byPage string) {
	bucket, prefix := aws.String(bucketOf), aws.String("ask/uploads/")
	var begun []*s3.CreateMultipartUploadOutput
	for n := range 3 {
		up, err := a.client.CreateMultipartUpload(a.t.Context(), &s3.CreateMultipartUploadInput{Bucket: bucket, Key: aws.String(fmt.Sprint(*prefix, n))})
		a.must(err)
		begun = append(begun, up)
	}
	defer func() {
		for n, up := range begun {
			_, _ = a.client.AbortMultipartUpload(context.WithoutCancel(a.t.Context()), &s3.AbortMultipartUploadInput{
				Bucket: bucket, Key: aws.String(fmt.Sprint(*prefix, n)), UploadId: up.UploadId,
			}) // others find what is left
		}
	}()
	count := func(most *int32) string {
		n, input := 0, &s3.ListMultipartUploadsInput{Bucket: bucket, Prefix: prefix, MaxUploads: most}
		for range 5 {
			page, err := a.client.ListMultipartUploads(a.t.Context(), input)
			if err != nil {
				return answer(err)
			}
			if n += len(page.Uploads); !aws.ToBool(page.IsTruncated) {
				break
			}
			input.KeyMarker, input.UploadIdMarker = page.NextKeyMarker, page.NextUploadIdMarker
		}
		if n == len(begun) {
			return "yes"
		}
		return fmt.Sprintf("%d of %d", n, len(begun))
	}
	return count(nil), count(aws.Int32(1))
}

func (a asking) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}
