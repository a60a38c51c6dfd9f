package archive

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckKey(t *testing.T) {
	for _, c := range []struct {
		name string
		key  Key
		ok   bool
	}{
		{"a manifest", "v1/jobs/job/uid/pod.uid/manifest.json", true},
		{"as long as it may be", Key("v1/" + strings.Repeat("x", 1021)), true},
		{"too long", Key("v1/" + strings.Repeat("x", 1022)), false},
		{"empty", "", false},
		{"out of its folder", "v1/jobs/../other/manifest.json", false},
		{"a folder without a name", "v1/jobs//manifest.json", false},
		{"a folder", "v1/jobs/", false},
		{"absolute", "/v1/jobs", false},
		{"here", "v1/./jobs", false},
		{"a control character", "v1/jobs/a\x01b", false},
		{"a line's end", "v1/jobs/a\nb", false},
		{"no UTF-8", "v1/jobs/a\xffb", false},
		{"a name with dots", "v1/jobs/a..b/uid/job.json", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := CheckKey(c.key); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrKey) {
				t.Errorf("got %v, want that it is taken: %t", err, c.ok)
			}
		})
	}
}
