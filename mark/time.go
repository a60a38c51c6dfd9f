package mark

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"time"
)

// mostSeconds is Kubernetes' own bound of ttlSecondsAfterFinished.
const mostSeconds = math.MaxInt32

var days = regexp.MustCompile(`^(?:(\d{1,5})w)?(?:(\d{1,5})d)?(.*)$`)

// ParseTTL reads a time to live: a duration with its unit, as Go writes it with days and weeks before, such as 30m, 36h
// or 1w2d12h; or a whole number of seconds, which is how Kubernetes and ZenML write it.
func ParseTTL(text string) (time.Duration, error) {
	wrong := errors.New("want a whole number of seconds such as 86400, or a duration with its unit such as 30m, 24h or 7d")
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n < 0 || n > mostSeconds {
			return 0, errors.New("want a number of seconds from 0 to " + strconv.Itoa(mostSeconds))
		}
		return time.Duration(n) * time.Second, nil
	}
	parts := days.FindStringSubmatch(text)
	var whole time.Duration
	for i, unit := range []time.Duration{7 * 24 * time.Hour, 24 * time.Hour} {
		if parts[i+1] != "" {
			n, _ := strconv.Atoi(parts[i+1]) // five digits at most
			whole += time.Duration(n) * unit
		}
	}
	if parts[3] == "" && text != "" {
		return bounded(whole)
	}
	rest, err := time.ParseDuration(parts[3])
	if err != nil || rest < 0 {
		return 0, wrong
	}
	return bounded(whole + rest)
}

func bounded(d time.Duration) (time.Duration, error) {
	if d > mostSeconds*time.Second || d < 0 {
		return 0, errors.New("want at most " + strconv.Itoa(mostSeconds) + " seconds, which are 68 years")
	}
	return d, nil
}

// ParseTime reads a moment: RFC 3339, or a date, which is its first second in UTC.
func ParseTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("want a time such as 2026-11-30T18:00:00Z, or a date such as 2026-11-30")
}
