package process

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/epilogue-dev/epilogue/config"
)

// crashMark ends the head of a crash report. What follows is the runtime's.
const crashMark = "--- what the Go runtime said:\n"

// crashMost is how much of a report the log repeats.
const crashMost = 64 << 10

// GuardCrashes makes the runtime write a panic, of whatever goroutine, not only to standard error but also into a file
// beside the spool, below the version and the settings; the next start of the container finds it there and logs it
// whole, so that what to send is in one line of the current log. A volume that cannot be written costs only that. The
// function that it returns ends the watch, and removes the file: nothing has crashed then. A process that is killed
// leaves the head alone, which the next start passes over.
func GuardCrashes(version string, cfg config.Config, log *slog.Logger) (forget func()) {
	path := strings.TrimRight(cfg.Spool.Dir, "/") + ".crash"
	tellCrash(path, log)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		log.Debug("no crash report", "err", err)
		return func() {}
	}
	defer file.Close() // the runtime keeps its own
	if err := writeCrashHead(file, version, cfg); err != nil {
		log.Debug("no crash report", "err", err)
		return func() {}
	}
	if err := debug.SetCrashOutput(file, debug.CrashOptions{}); err != nil {
		log.Debug("no crash report", "err", err)
	}
	return func() {
		_ = debug.SetCrashOutput(nil, debug.CrashOptions{}) // fails for no file
		os.Remove(path)
	}
}

func writeCrashHead(to io.Writer, version string, cfg config.Config) error {
	if _, err := fmt.Fprintf(to, "epilogue %s, %s, %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH); err != nil {
		return err
	}
	if err := cfg.Print(to); err != nil {
		return err
	}
	_, err := io.WriteString(to, crashMark)
	return err
}

// tellCrash logs the report of the last run, if it crashed, once.
func tellCrash(path string, log *slog.Logger) {
	text, err := os.ReadFile(path)
	if err != nil {
		return // there is none
	}
	if _, trace, found := bytes.Cut(text, []byte(crashMark)); !found || len(trace) == 0 {
		return
	}
	log.Error("the last run crashed; please report it with this line, which holds no secret that we know of: look it over first",
		"report", string(text[:min(len(text), crashMost)]))
}
