package format

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/epilogue-dev/epilogue/archive"
)

// The column of a frame's times holds their differences, first to the earliest and then to the one before: neighbours
// are near each other. It has one of two forms, and its first byte tells which.
//
//   - A zstd frame, whose first byte is even, of the differences as varints: for few lines.
//   - A byte whose bits name the planes that follow, bit 0 always set, so that it is odd; then for each plane its
//     length as a uvarint and a zstd frame. Plane n holds byte n of every zig-zagged difference. A plane that is not
//     named is zero.
//
// The last digits of real times are random, and nothing makes them smaller. In planes they take no more than they are,
// while the upper bytes, hardly ever different, shrink to next to nothing; mixed with them as varints, they do not.
const (
	planes = 8
	// fewTimes is up to how many times the planes' own frames would cost more than they save.
	fewTimes = 100
)

func zigzag(v int64) uint64   { return uint64(v)<<1 ^ uint64(v>>63) }
func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

// appendColumn appends the column of the times.
func (c *Codec) appendColumn(dst []byte, base int64, times []int64) []byte {
	if len(times) <= fewTimes {
		return c.appendVarints(dst, base, times)
	}
	union := uint64(1) // plane 0 is always there
	each(base, times, func(d uint64) { union |= d })
	named := byte(0)
	for n := range (bits.Len64(union) + 7) / 8 {
		if byte(union>>(8*n)) != 0 {
			named |= 1 << n
		}
	}
	dst = append(dst, named)
	for n := range planes {
		if named&(1<<n) == 0 {
			continue
		}
		raw := c.Scratch()
		each(base, times, func(d uint64) { raw = append(raw, byte(d>>(8*n))) })
		plane := c.compress(raw)
		dst = binary.AppendUvarint(dst, uint64(len(plane)))
		dst = append(dst, plane...)
		c.Release(raw)
		c.Release(plane)
	}
	return dst
}

// each gives the zig-zagged differences.
func each(base int64, times []int64, yield func(uint64)) {
	for _, t := range times {
		if t == 0 { // not known, nor any before it
			t = base
		}
		yield(zigzag(t - base))
		base = t
	}
}

func (c *Codec) appendVarints(dst []byte, base int64, times []int64) []byte {
	raw := c.Scratch()
	each(base, times, func(d uint64) { raw = binary.AppendUvarint(raw, d) })
	column := c.compress(raw)
	dst = append(dst, column...)
	c.Release(raw)
	c.Release(column)
	return dst
}

// decodeColumn returns so many times. What it allocates is bounded by their number.
func (c *Codec) decodeColumn(column []byte, base, lines int64) ([]int64, error) {
	if len(column) > 0 && column[0]&1 != 0 {
		return c.decodePlanes(column, base, lines)
	}
	raw, err := c.decompress(column, lines*binary.MaxVarintLen64)
	if err != nil {
		return nil, err
	}
	return decodeVarints(raw, base, lines)
}

func (c *Codec) decodePlanes(column []byte, base, lines int64) ([]int64, error) {
	d := &decoder{rest: column[1:]}
	var times []int64
	for n := range planes {
		if column[0]&(1<<n) == 0 {
			continue
		}
		data := d.bytes(d.count())
		if d.err != nil {
			return nil, d.err
		}
		plane, err := c.decompress(data, lines)
		if err != nil {
			return nil, err
		}
		if int64(len(plane)) != lines {
			return nil, fmt.Errorf("plane %d of %d times has %d bytes: %w", n, lines, len(plane), archive.ErrDamaged)
		}
		if times == nil {
			times = make([]int64, lines)
		}
		for i, b := range plane {
			times[i] |= int64(uint64(b) << (8 * n))
		}
	}
	if len(d.rest) > 0 {
		return nil, fmt.Errorf("%d bytes after the last plane: %w", len(d.rest), archive.ErrDamaged)
	}
	for i, difference := range times {
		base += unzigzag(uint64(difference))
		times[i] = base
	}
	return times, nil
}

func decodeVarints(column []byte, base, lines int64) ([]int64, error) {
	if lines > int64(len(column)) {
		return nil, fmt.Errorf("%d times in a column of %d bytes: %w", lines, len(column), archive.ErrDamaged)
	}
	times := make([]int64, lines)
	d := &decoder{rest: column}
	for i := range times {
		base += d.varint()
		times[i] = base
	}
	if d.err == nil && len(d.rest) > 0 {
		d.err = fmt.Errorf("%d bytes after the last time: %w", len(d.rest), archive.ErrDamaged)
	}
	return times, d.err
}
