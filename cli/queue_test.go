package cli

import (
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/epilogue-dev/epilogue/serve/wire"
)

// TestQueueIsMadeSafe: the reason of a Job may be the end of a build's log.
func TestQueueIsMadeSafe(t *testing.T) {
	c := newScreen()
	c.now = func() time.Time { return time.Unix(2e9, 0) }
	var job wire.Launched
	for v, i := reflect.ValueOf(&job).Elem(), 0; i < v.NumField(); i++ {
		if f := v.Field(i); f.Kind() == reflect.String {
			f.SetString("x\x1b]0;t\x07\ny\tz")
		}
	}
	out := newOutput("wide")
	*out.flags.OutputFormat = "wide"
	if err := c.writeQueue([]wire.Launched{job}, &out); err != nil {
		t.Fatal(err)
	}
	text := c.out.String()
	if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && unicode.IsControl(r) }) || strings.Count(text, "\n") != 2 {
		t.Errorf("got %q, want a head and one row without control characters", text)
	}
}
