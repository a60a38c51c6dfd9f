//go:build integration

package s3

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/epilogue-dev/epilogue/integration/gateway"
)

// TestAbortUploadsOfARealServer begins uploads and leaves them, as a process does that dies.
func TestAbortUploadsOfARealServer(t *testing.T) {
	g := gateway.Start(t)
	g.Setenv()
	s, err := Open(t.Context(), Config{Bucket: g.Bucket, Prefix: "logs", Region: g.Region, Endpoint: g.Endpoint})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"logs/v1/ns/job/uid/pod.uid/main.0.log.zst", "logs/v1/movie.mp4", "v1/ns/job/uid/pod.uid/main.0.log.zst"} {
		if _, err := s.bucket.client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &g.Bucket, Key: aws.String(key)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		before time.Time
		want   int
	}{{time.Now().Add(-time.Hour), 0}, {time.Now().Add(time.Hour), 1}, {time.Now().Add(time.Hour), 0}} {
		if got, err := s.AbortUploads(t.Context(), test.before); got != test.want || err != nil {
			t.Errorf("AbortUploads = %d, %v, want %d, nil", got, err, test.want)
		}
	}
	left, err := s.bucket.client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &g.Bucket})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(left.Uploads); got != 2 {
		t.Errorf("got %d uploads left, want the 2 of others", got)
	}
}
