package mark

import (
	"testing"
	"time"
)

func TestParseTTL(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		text string
		want time.Duration // negative: refused
	}{
		{"0", 0}, {"172800", 48 * time.Hour}, {"30m", 30 * time.Minute}, {"1h30m", 90 * time.Minute}, {"0s", 0},
		{"7d", 7 * day}, {"2w", 14 * day}, {"1w2d12h", 9*day + 12*time.Hour}, {"2147483647", 2147483647 * time.Second},
		{"", -1}, {"-1", -1}, {"-5m", -1}, {"1d-1h", -1}, {"2147483648", -1}, {"99999w", -1}, {"1d2w", -1}, {"forever", -1}, {"d", -1}, {"1.5d", -1},
		{"9999999h", -1},
	} {
		got, err := ParseTTL(tt.text)
		if refused := err != nil; refused != (tt.want < 0) || !refused && got != tt.want {
			t.Errorf("%q: got %s, %v, want %s", tt.text, got, err, tt.want)
		}
	}
}

func TestParseTime(t *testing.T) {
	for _, tt := range []struct {
		text string
		want time.Time
	}{
		{"2026-11-30T18:00:00Z", time.Date(2026, 11, 30, 18, 0, 0, 0, time.UTC)},
		{"2026-11-30T18:00:00+02:00", time.Date(2026, 11, 30, 16, 0, 0, 0, time.UTC)},
		{"2026-11-30", time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)},
		{"tomorrow", time.Time{}}, {"", time.Time{}}, {"2026-11-31", time.Time{}},
	} {
		got, err := ParseTime(tt.text)
		if !got.Equal(tt.want) || (err != nil) != tt.want.IsZero() {
			t.Errorf("%q: got %s, %v, want %s", tt.text, got, err, tt.want)
		}
	}
}
