package follow

import (
	"bytes"
	"time"
)

// stampReader reads the RFC 3339 time before a line. The node writes it in its own zone and older kubelets trim the
// fraction's zeros, so its width differs and it ends at the first space. The seconds of one time are mostly those of
// the one before: they are kept, and a line costs the reading of its fraction.
type stampReader struct {
	known   [19]byte // the date and time of day that seconds belongs to
	seconds int64    // since 1970, were the zone UTC
	valid   bool
}

// read returns the time in ns since 1970 and the length of the stamp with its space.
func (s *stampReader) read(b []byte) (ns int64, length int, ok bool) {
	if len(b) < 21 || b[10] != 'T' {
		return 0, 0, false
	}
	if !s.valid || !bytes.Equal(b[:19], s.known[:]) {
		t, err := time.Parse("2006-01-02T15:04:05", string(b[:19]))
		if err != nil {
			return 0, 0, false
		}
		copy(s.known[:], b)
		s.seconds, s.valid = t.Unix(), true
	}
	at := 19
	fraction, digits := int64(0), 0
	if b[at] == '.' {
		for at++; at < len(b) && b[at] >= '0' && b[at] <= '9' && digits < 9; at++ {
			fraction = fraction*10 + int64(b[at]-'0')
			digits++
		}
		for ; digits < 9; digits++ {
			fraction *= 10
		}
	}
	offset, n, ok := zone(b[at:])
	if !ok {
		return 0, 0, false
	}
	at += n
	// A line without any text still has the space. Some proxies trim it, so the end of the line will do too.
	if at < len(b) {
		if b[at] != ' ' {
			return 0, 0, false
		}
		at++
	}
	return (s.seconds-offset)*int64(time.Second) + fraction, at, true
}

// zone reads Z or ±hh:mm and gives its seconds east of UTC.
func zone(b []byte) (offset int64, length int, ok bool) {
	if len(b) > 0 && b[0] == 'Z' {
		return 0, 1, true
	}
	if len(b) < 6 || b[0] != '+' && b[0] != '-' || b[3] != ':' {
		return 0, 0, false
	}
	for _, i := range []int{1, 2, 4, 5} {
		if b[i] < '0' || b[i] > '9' {
			return 0, 0, false
		}
	}
	offset = int64(b[1]-'0')*36000 + int64(b[2]-'0')*3600 + int64(b[4]-'0')*600 + int64(b[5]-'0')*60
	if b[0] == '-' {
		offset = -offset
	}
	return offset, 6, true
}
