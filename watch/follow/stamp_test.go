package follow

import (
	"testing"
	"time"
)

func TestStampReader(t *testing.T) {
	second := time.Date(2026, 11, 23, 22, 0, 0, 0, time.UTC).UnixNano()
	for _, c := range []struct {
		name, text string
		ns         int64
		length     int
		ok         bool
	}{
		{"nine digits", "2026-11-23T22:00:00.123456789Z x", second + 123456789, 31, true},
		{"trimmed digits", "2026-11-23T22:00:00.12Z x", second + 120000000, 24, true},
		{"no fraction", "2026-11-23T22:00:00Z x", second, 21, true},
		{"east", "2026-11-23T23:30:00.000000001+01:30 x", second + 1, 36, true},
		{"west", "2026-11-23T14:00:00.5-08:00 x", second + 500000000, 28, true},
		{"no blank at the end", "2026-11-23T22:00:00.5Z", second + 500000000, 22, true},
		{"other text", "unable to retrieve container logs", 0, 0, false},
		{"nothing", "", 0, 0, false},
		{"cut", "2026-11-23T22:00:00.5", 0, 0, false},
		{"no zone", "2026-11-23T22:00:00.5 x", 0, 0, false},
		{"text right behind", "2026-11-23T22:00:00.5Zx", 0, 0, false},
		{"month 13", "2026-13-23T22:00:00.5Z x", 0, 0, false},
		{"zone of letters", "2026-11-23T22:00:00+ab:cd x", 0, 0, false},
		{"ten digits", "2026-11-23T22:00:00.1234567890Z x", 0, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s stampReader
			for range 2 { // the second reading has the first one's seconds
				ns, length, ok := s.read([]byte(c.text))
				if ns != c.ns || length != c.length || ok != c.ok {
					t.Errorf("got %d, %d, %t, want %d, %d, %t", ns, length, ok, c.ns, c.length, c.ok)
				}
			}
		})
	}
}

func TestStampReaderAllocations(t *testing.T) {
	var s stampReader
	text := []byte("2026-11-23T22:00:00.123456789+01:00 x")
	if got := testing.AllocsPerRun(1000, func() { s.read(text) }); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

// FuzzStampReader: what is taken for a time is one, and the same one that the library reads.
func FuzzStampReader(f *testing.F) {
	f.Add("2026-11-23T22:00:00.123456789Z x", "2026-11-23T22:00:01Z y")
	f.Add("2026-11-23T22:00:00+01:00", "2026-11-23T22:00:00.-01:00 ")
	f.Fuzz(func(t *testing.T, first, second string) {
		var s stampReader
		for _, text := range []string{first, second} {
			ns, length, ok := s.read([]byte(text))
			if !ok {
				continue
			}
			if length > len(text) || length < 20 {
				t.Fatalf("%q: got length %d", text, length)
			}
			stamp := text[:length]
			if stamp[length-1] == ' ' {
				stamp = stamp[:length-1]
			}
			want, err := time.Parse(time.RFC3339Nano, stamp)
			if err == nil && want.UnixNano() != ns {
				t.Errorf("%q: got %d, want %d", text, ns, want.UnixNano())
			}
		}
	})
}
