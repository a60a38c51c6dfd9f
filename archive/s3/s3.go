// Package s3 is the archive's store in an S3 bucket, or in anything that speaks S3.
//
// It owns the objects below one prefix of one bucket, and it alone knows the AWS SDK: its errors, its checksums, its
// retries. It promises what archive.Store does. Every request ends: one that moves no byte for Config.Timeout is given
// up, and tried again at most twice; trouble that lasts is the caller's to wait out.
//
// What survives a crash: every object whose Put returned. What a crash leaves: the parts of an unfinished multipart
// upload. They are no object and cannot be read, but they are billed; a lifecycle rule of the bucket that aborts
// incomplete multipart uploads takes them away. Nobody else does.
//
// A try that is repeated can meet its own first try: a Put with IfAbsent whose answer was lost gives ErrExists though
// the object is its own. Callers that must know compare what is there with what they put.
//
// Rights needed on the bucket: s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload and s3:ListBucket.
// Without the last one S3 answers 403 for an absent object, and nothing is ever seen to be absent.
package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/fold"
)

// Config says which bucket to use and how. Credentials come from the SDK's default chain: environment, web identity,
// shared files, instance role.
type Config struct {
	Bucket   string // required
	Prefix   string // stands before every key, without slashes at its ends; "" is the bucket's top
	Region   string // "" is the SDK's default chain, or us-east-1 where an endpoint is set
	Endpoint string // URL of a store that is not AWS; "" is AWS, or what AWS_ENDPOINT_URL_S3 says
	// PathStyle puts the bucket into the path instead of the host name. nil is true where an endpoint is set.
	PathStyle *bool
	// Encryption is the x-amz-server-side-encryption of every object: AES256, aws:kms or aws:kms:dsse. "" is the
	// bucket's own default, and no header, which a policy of the bucket may insist on.
	Encryption string
	// KMSKey is the key of aws:kms: its id, ARN or alias. "" is AWS's own.
	KMSKey string
	// StorageClass is that of log objects; all else is small, or short-lived. "" is the bucket's default.
	StorageClass string
	// Tags stand on every object. They take the right s3:PutObjectTagging.
	Tags map[string]string
	// CAFile is a PEM file of certificates to trust besides the system's. "" is none.
	CAFile string
	// Timeout is how long a request may go without a byte moving in either direction. 0 is 20 seconds.
	Timeout time.Duration
	// Concurrency is how many parts of one large object, or single deletes, are under way at once. 0 is 3: some stores
	// refuse more.
	Concurrency int
	// PartSize is the largest body that goes up in one request, and the size of a part of larger ones, in bytes.
	// 0 is 8 MiB; S3 takes no less than 5 MiB.
	PartSize int64
	// HTTPClient gives the transport. nil is one with pooled connections that trusts CAFile; then CAFile is ignored.
	HTTPClient *http.Client
}

// Store is an archive.Store in a bucket.
type Store struct {
	fold.Folded
	bucket *bucket
}

// bucket is a Store but for names that a server may refuse for their length.
type bucket struct {
	client      *s3.Client
	uploader    *manager.Uploader
	bucket      string
	prefix      string // "" or ends in a slash
	marks       marks
	partSize    int64
	concurrency int
	// singly is set once the store has refused to delete many objects in one request but deleted them one by one.
	singly atomic.Bool
	// unsummed is set once the store has refused a put with a checksum but taken it with a digest.
	unsummed atomic.Bool
}

var _ archive.Store = (*Store)(nil)

const (
	defaultTimeout     = 20 * time.Second
	defaultConcurrency = 3
	defaultPartSize    = 8 << 20
)

// Open loads credentials and region as the SDK finds them, and makes the store. It does not reach the bucket yet: that
// is archive.Probe's work. It fails on a setting that cannot be right.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, fmt.Errorf("open store s3://%s/%s: %w", cfg.Bucket, cfg.Prefix, err)
	}
	client, err := newClient(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open store s3://%s/%s: %w", cfg.Bucket, cfg.Prefix, err)
	}
	b := &bucket{
		client: client, uploader: newUploader(client, cfg),
		bucket: cfg.Bucket, prefix: cfg.Prefix, marks: newMarks(cfg), partSize: cfg.PartSize, concurrency: cfg.Concurrency,
	}
	return &Store{Folded: fold.Folded{Store: b}, bucket: b}, nil
}

// complete checks the settings and returns them with their defaults.
func (c Config) complete() (Config, error) {
	if c.Prefix = strings.Trim(c.Prefix, "/"); c.Prefix != "" {
		c.Prefix += "/"
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Concurrency == 0 {
		c.Concurrency = defaultConcurrency
	}
	if c.PartSize == 0 {
		c.PartSize = defaultPartSize
	}
	return c, errors.Join(c.checkNumbers(), c.checkPlace())
}

func (c Config) checkNumbers() error {
	switch {
	case c.Timeout < 0:
		return fmt.Errorf("timeout is %s, want more than 0", c.Timeout)
	case c.Concurrency < 0:
		return fmt.Errorf("concurrency is %d, want 1 or more", c.Concurrency)
	case c.PartSize < manager.MinUploadPartSize:
		return fmt.Errorf("part size is %d bytes, want %d or more", c.PartSize, manager.MinUploadPartSize)
	}
	return nil
}

func (c Config) checkPlace() error {
	if c.Bucket == "" || strings.Contains(c.Bucket, "/") {
		return fmt.Errorf("bucket is %q, want the bare name of a bucket", c.Bucket)
	}
	if c.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("endpoint is %q, want a URL as https://host:port", c.Endpoint)
	}
	return nil
}

// longestKey is S3's own bound, in bytes.
const longestKey = 1024

// name returns the bucket's key for a key of the archive. An empty key would make S3 act on the bucket itself.
func (s *bucket) name(key archive.Key) (*string, error) {
	if key == "" {
		return nil, errors.New("key is empty")
	}
	name := s.prefix + string(key)
	if len(name) > longestKey {
		return nil, fmt.Errorf("%d bytes with the prefix, must be at most %d: %w", len(name), longestKey, archive.ErrKey)
	}
	return &name, nil
}
