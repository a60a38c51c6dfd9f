package config

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Retention says how long archived logs are kept.
type Retention struct {
	After time.Duration // since the seal; 0: for ever
}

func retentionSettings() []setting {
	return []setting{{
		name: "retention", group: groupArchive, kind: "duration",
		help: "How long archived logs are kept, such as 90d or 2160h; then they are deleted from the store, by whole days, with their manifests and index keys. Empty or 0 means for ever.",
		set:  field(func(c *Config) *time.Duration { return &c.Retention.After }, retention),
	}}
}

const (
	aDay          = 24 * time.Hour
	mostRetention = 100 * 365 * aDay
)

// retention takes days, which Go's durations do not know, or a duration.
func retention(text string) (time.Duration, error) {
	wrong := errors.New("want 0 or a time from 1d to 36500d, such as 90d or 2160h")
	var d time.Duration
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, wrong
		}
		d = time.Duration(n) * aDay
	} else {
		var err error
		if d, err = time.ParseDuration(text); err != nil {
			return 0, wrong
		}
	}
	if d != 0 && d < aDay || d > mostRetention {
		return 0, wrong
	}
	return d, nil
}
