package logql

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// lengths are the units of a duration that Go has not, and their order.
var lengths = []struct {
	unit string
	long time.Duration
}{
	{"y", 365 * 24 * time.Hour}, {"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour},
	{"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond},
}

// parseLength reads a duration as Go writes it (1h30m, 1.5s), or as Prometheus does (1d12h: whole numbers, the longer
// unit first).
func parseLength(s string) (time.Duration, bool) {
	if s == "" || !isDigit(s[0]) && s[0] != '.' {
		return 0, false
	}
	if d, err := time.ParseDuration(s); err == nil {
		return d, true
	}
	var sum time.Duration
	next := 0
	for s != "" {
		digits := prefix(s, isDigit)
		n, err := strconv.ParseInt(s[:digits], 10, 64)
		unit := s[digits:]
		unit = unit[:prefix(unit, func(c byte) bool { return !isDigit(c) })]
		for next < len(lengths) && lengths[next].unit != unit {
			next++
		}
		if err != nil || next == len(lengths) || n > int64((math.MaxInt64-sum)/lengths[next].long) {
			return 0, false
		}
		sum += time.Duration(n) * lengths[next].long
		next++
		s = s[digits+len(unit):]
	}
	return sum, true
}

// parseSize reads a number of bytes: 20KB is 20,000, 20KiB is 20,480; case does not matter.
func parseSize(s string) (float64, bool) {
	b, err := readSize(s)
	return b, err == nil
}

// readSize says in Loki's words what is wrong.
func readSize(s string) (float64, error) {
	digits := prefix(s, func(c byte) bool { return isDigit(c) || c == '.' || c == ',' })
	n, err := strconv.ParseFloat(strings.ReplaceAll(s[:digits], ",", ""), 64)
	if err != nil {
		return 0, err
	}
	unit := strings.ToLower(strings.TrimSpace(s[digits:]))
	factor, ok := sizeUnit(unit)
	if !ok {
		return 0, fmt.Errorf("unhandled size name: %v", unit)
	}
	if n *= factor; n >= math.MaxUint64 {
		return 0, fmt.Errorf("too large: %v", s)
	}
	return math.Floor(n), nil
}

func sizeUnit(unit string) (factor float64, ok bool) {
	if unit == "" || unit == "b" {
		return 1, true
	}
	power := strings.IndexByte("kmgtpe", unit[0]) + 1
	switch rest := unit[1:]; {
	case power == 0:
		return 0, false
	case rest == "" || rest == "b":
		return math.Pow(1000, float64(power)), true
	case rest == "i" || rest == "ib":
		return math.Pow(1024, float64(power)), true
	}
	return 0, false
}
