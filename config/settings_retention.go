package config

import (
	"errors"
	"time"

	"github.com/epilogue-dev/epilogue/mark"
)

// Retention says how long archived logs are kept.
type Retention struct {
	After time.Duration // since the seal; 0: for ever
}

func retentionSettings() []setting {
	return []setting{{
		name: "retention", group: groupArchive, kind: "duration",
		help: "How long archived logs are kept, such as 90d or 12w; then they are deleted from the store, by whole days, with their manifests and index keys. Empty or 0 means for ever.",
		set:  field(func(c *Config) *time.Duration { return &c.Retention.After }, retention),
	}}
}

const (
	aDay          = 24 * time.Hour
	mostRetention = 20_000 * aDay
)

func retention(text string) (time.Duration, error) {
	d, err := mark.ParseTTL(text)
	if err != nil || d != 0 && d < aDay || d > mostRetention {
		return 0, errors.New("want 0 or a time from 1d to 20000d, such as 90d or 12w")
	}
	return d, nil
}
