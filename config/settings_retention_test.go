package config

import (
	"testing"
	"time"
)

func TestRetention(t *testing.T) {
	tests := []struct {
		text string
		want time.Duration
		ok   bool
	}{
		{"0", 0, true},
		{"0d", 0, true},
		{"90d", 90 * 24 * time.Hour, true},
		{"2160h", 90 * 24 * time.Hour, true},
		{"1d", 24 * time.Hour, true},
		{"20000d", 20000 * 24 * time.Hour, true},
		{"7776000", 90 * 24 * time.Hour, true},
		{"23h", 0, false},
		{"-1d", 0, false},
		{"-48h", 0, false},
		{"20001d", 0, false},
		{"65536d", 0, false},
		{"90", 0, false},
		{"1.5d", 0, false},
		{"three days", 0, false},
	}
	for _, test := range tests {
		got, err := retention(test.text)
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("%q: got %s and error %v, want %s and an error: %t", test.text, got, err, test.want, !test.ok)
		}
	}
}
