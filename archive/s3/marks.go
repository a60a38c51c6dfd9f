package s3

import (
	"net/url"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/epilogue-dev/epilogue/archive"
)

// marks is what goes along with every object, of one request or in parts, and says nothing of its bytes.
type marks struct {
	encryption   types.ServerSideEncryption
	key          *string // of KMS
	storageClass types.StorageClass
	tags         *string // as a query
}

func newMarks(cfg Config) marks {
	m := marks{encryption: types.ServerSideEncryption(cfg.Encryption), storageClass: types.StorageClass(cfg.StorageClass)}
	if cfg.KMSKey != "" {
		m.key = &cfg.KMSKey
	}
	if len(cfg.Tags) > 0 {
		query := url.Values{}
		for name, value := range cfg.Tags {
			query.Set(name, value)
		}
		tags := query.Encode()
		m.tags = &tags
	}
	return m
}

// put marks an object. Only what is kept has a storage class: journals and probes go within minutes, and the classes of
// rarely read objects bill them for a month.
func (m *marks) put(input *s3.PutObjectInput) {
	input.ServerSideEncryption, input.SSEKMSKeyId, input.Tagging = m.encryption, m.key, m.tags
	if archive.IsLogName(*input.Key) {
		input.StorageClass = m.storageClass
	}
}
