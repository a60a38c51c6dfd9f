package stage

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/epilogue-dev/epilogue/archive"
)

// Text decompresses a whole log object with a plain zstd reader, as any other tool would, and knows nothing of frames.
func (s *Stage) Text(ctx context.Context, key archive.Key, w io.Writer) error {
	body, _, err := s.Store.Get(ctx, key, archive.Range{})
	if err != nil {
		return err
	}
	defer body.Close()
	z, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer z.Close()
	if _, err := io.Copy(w, z); err != nil {
		return fmt.Errorf("decompress %s: %w", key, err)
	}
	return nil
}

// Measured says what the text of a log object is, by reading it.
func (s *Stage) Measured(ctx context.Context, key archive.Key) (Truth, error) {
	sum, count := sha256.New(), &counter{}
	if err := s.Text(ctx, key, io.MultiWriter(sum, count)); err != nil {
		return Truth{}, err
	}
	return Truth{Lines: count.lines(), Bytes: count.bytes, SHA256: fmt.Sprintf("%x", sum.Sum(nil))}, nil
}

// counter counts lines, the last one also where no newline ends it.
type counter struct {
	ends, bytes int64
	last        byte
}

func (c *counter) Write(b []byte) (int, error) {
	c.bytes += int64(len(b))
	for _, x := range b {
		if x == '\n' {
			c.ends++
		}
		c.last = x
	}
	return len(b), nil
}

func (c *counter) lines() int64 {
	if c.bytes > 0 && c.last != '\n' {
		return c.ends + 1
	}
	return c.ends
}

// Numbers returns the numbers of the sample's numbered lines in a log object, in their order.
func (s *Stage) Numbers(ctx context.Context, key archive.Key) ([]int64, error) {
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := s.Text(ctx, key, w)
		done <- err
		w.CloseWithError(err)
	}()
	var numbers []int64
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			return numbers, fmt.Errorf("%s: line %q has no number", key, lines.Text())
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return numbers, fmt.Errorf("%s: line %q has no number: %w", key, lines.Text(), err)
		}
		numbers = append(numbers, n)
	}
	return numbers, <-done
}
