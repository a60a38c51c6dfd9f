#!/usr/bin/env bash
# What: versitygw 1.8.0, asked by ListObjectsV2 for `encoding-type=url`, answers with names as they are, and does not say so: the element
# EncodingType, by which a client knows whether to decode, is missing. A control character, which XML 1.0 cannot hold, comes out as
# U+FFFD, so that the name in the listing is the name of no object.
# Expected: AWS documents that the names are URL-encoded where that is asked for, and that EncodingType is then in the answer.
# So: who decodes without looking at EncodingType reads another name where one holds a percent sign; a listing is no way to find
# an object back whose name holds a control character.
# Needs: Go, bash, and the Go module proxy. It runs a server on the loopback for a few seconds.
#
# Seen (versitygw v1.8.0, aws-sdk-go-v2/service/s3 v1.114.9):
#   asked for encoding-type url; answered with EncodingType ""
#   put "100%41"     listed "100%41"
#   put "a\x01b"     listed "a\ufffdb"
set -euo pipefail

dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
export GOBIN=$dir/bin GOFLAGS=-mod=mod GOWORK=off CGO_ENABLED=0
cd "$dir"
go install github.com/versity/versitygw/cmd/versitygw@v1.8.0

mkdir -p client data/things
cat >client/main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(os.Args[1]), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("someone", "not-a-secret", ""),
	})
	bucket := aws.String("things")
	names := []string{"100%41", "a\x01b"}
	for _, name := range names {
		for {
			_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String(name), Body: strings.NewReader("x")})
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				panic(err)
			}
			time.Sleep(100 * time.Millisecond) // the server is starting
		}
	}
	list, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket, EncodingType: types.EncodingTypeUrl})
	if err != nil {
		panic(err)
	}
	fmt.Printf("asked for encoding-type url; answered with EncodingType %q\n", list.EncodingType)
	for i, o := range list.Contents {
		fmt.Printf("put %-12q listed %+q\n", names[i], *o.Key)
	}
}
GO
cd client
go mod init example.invalid/client 2>/dev/null
go get github.com/aws/aws-sdk-go-v2/service/s3@v1.114.9 github.com/aws/aws-sdk-go-v2/credentials@v1.20.16 2>/dev/null
go build -o ../bin/client .
cd ..

port=7391
ROOT_ACCESS_KEY=someone ROOT_SECRET_KEY=not-a-secret bin/versitygw --port 127.0.0.1:$port --quiet posix data >server.log 2>&1 &
server=$!
got=$(bin/client http://127.0.0.1:$port)
want='asked for encoding-type url; answered with EncodingType ""
put "100%41"     listed "100%41"
put "a\x01b"     listed "a\ufffdb"'
echo "$got"
[ "$got" = "$want" ] || { echo "this is not what was seen before:"; echo "$want"; exit 1; }
