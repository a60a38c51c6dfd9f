package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// auto is the value of a switch that follows another setting.
const auto = "auto"

// maxStream is the age at which the kubelet cuts a log stream, whatever its client does.
const maxStream = 4 * time.Hour

// asIs takes any text that is not empty.
func asIs(text string) (string, error) {
	if text == "" {
		return "", errors.New("want a value, found none")
	}
	return text, nil
}

// storageClass takes a class whose objects can be read at once.
func storageClass(text string) (string, error) {
	if ok, _ := regexp.MatchString(`^[A-Z][A-Z0-9_]*$`, text); !ok || text == "GLACIER" || text == "DEEP_ARCHIVE" {
		return "", errors.New("want a storage class that is read without a restoration, such as STANDARD_IA or GLACIER_IR")
	}
	return text, nil
}

// objectTags takes name=value, separated by commas.
func objectTags(text string) (map[string]string, error) {
	const most = 10 // of S3
	tags := map[string]string{}
	for tag := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(tag), "=")
		if _, twice := tags[name]; !ok || twice || !tagText.MatchString(name) || len(name) > 128 || !tagText.MatchString(value+"x") || len(value) > 256 {
			return nil, fmt.Errorf("want tags such as team=data,cost=7, each name once, of letters, digits, spaces and + - = . _ : / @; %q is none", tag)
		}
		tags[name] = value
	}
	if len(tags) > most {
		return nil, fmt.Errorf("want %d tags at most, as S3 takes, found %d", most, len(tags))
	}
	return tags, nil
}

var tagText = regexp.MustCompile(`^[\p{L}\p{N} +\-=._:/@]+$`)

func boolean(text string) (bool, error) {
	v, err := strconv.ParseBool(text)
	if err != nil {
		return false, errors.New("want true or false")
	}
	return v, nil
}

// autoOrBool leaves the field alone for auto: resolve fills it in once the other settings are known.
func autoOrBool(get func(*Config) *bool) func(*Config, string) error {
	return func(c *Config, text string) error {
		if text == auto {
			return nil
		}
		v, err := boolean(text)
		if err != nil {
			return errors.New("want auto, true or false")
		}
		*get(c) = v
		return nil
	}
}

// duration takes Go's durations between least and most.
func duration(least, most time.Duration) func(string) (time.Duration, error) {
	return func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		if err != nil {
			return 0, errors.New("want a duration with its unit, such as 500ms, 30s or 2h")
		}
		if d < least || d > most {
			return 0, fmt.Errorf("want a duration from %s to %s", short(least), short(most))
		}
		return d, nil
	}
}

// short writes 1h for Go's 1h0m0s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func reconnectAfter(text string) (time.Duration, error) {
	d, err := duration(time.Second, math.MaxInt64)(text)
	if err == nil && d >= maxStream {
		return 0, errors.New("want less than 4h, because the kubelet cuts log streams at 4 h")
	}
	return d, err
}

// quantityOfBytes takes Kubernetes quantities of at least the given one and returns bytes.
func quantityOfBytes(least string) func(string) (int64, error) {
	bound := resource.MustParse(least)
	return func(text string) (int64, error) {
		q, err := resource.ParseQuantity(text)
		if err != nil {
			return 0, errors.New("want a number of bytes, such as 2Gi, 512Mi or 1000000000")
		}
		if q.Cmp(bound) < 0 {
			return 0, fmt.Errorf("want at least %s", least)
		}
		n, exact := q.AsInt64()
		if !exact {
			return 0, errors.New("want a whole number of bytes below 8Ei")
		}
		return n, nil
	}
}

// count reads a number of things, of which there must be one at least.
func count(most int) func(string) (int, error) {
	return func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > most {
			return 0, fmt.Errorf("want a whole number from 1 to %d", most)
		}
		return n, nil
	}
}

func backoffLimit(text string) (*int32, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("want a whole number from 0 to %d", math.MaxInt32)
	}
	limit := int32(n)
	return &limit, nil
}

// rate takes numbers per second above 0.
func rate[F float32 | float64](text string) (F, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v > 0 && v <= 100_000) {
		return 0, errors.New("want a number per second above 0 and up to 100000, such as 50 or 0.5")
	}
	return F(v), nil
}

func oneOf(words ...string) func(string) (string, error) {
	return func(text string) (string, error) {
		if slices.Contains(words, text) {
			return text, nil
		}
		return "", fmt.Errorf("want %s", orList(words))
	}
}

func logLevel(text string) (slog.Level, error) {
	word, err := oneOf("debug", "info", "warn", "error")(text)
	if err != nil {
		return 0, err
	}
	var level slog.Level
	return level, level.UnmarshalText([]byte(word))
}

func listenAddress(text string) (string, error) {
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return "", errors.New("want an address as host:port or :port, such as :8080 or 127.0.0.1:8080")
	}
	return text, nil
}

// orList joins words as "a, b or c".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
