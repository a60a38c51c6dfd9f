package process

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/config"
)

// In both forms a duration has its unit, also inside a group.
func TestLoggedDurations(t *testing.T) {
	for format, want := range map[string][]string{
		"json": {`"elapsed":"2.5s"`, `"pod":{"age":"1m30s"}`},
		"text": {"elapsed=2.5s", "pod.age=1m30s"},
	} {
		var out bytes.Buffer
		before := slog.Default()
		log := Logger(config.Process{LogFormat: format}, &out)
		slog.SetDefault(before)
		log.Info("x", "elapsed", 2500*time.Millisecond, slog.Group("pod", "age", 90*time.Second))
		for _, part := range want {
			if !strings.Contains(out.String(), part) {
				t.Errorf("%s: got %s, want %s in it", format, out.String(), part)
			}
		}
	}
}
