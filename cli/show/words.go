package show

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/epilogue-dev/epilogue/archive"
)

// none stands where there is nothing to say, as kubectl has it.
const none = "<none>"

// Open stands for the verdict of a log that is still being followed.
const Open = "open"

// badness orders verdicts: a later one is worse.
var badness = []archive.Verdict{archive.Complete, archive.Empty, "", archive.NeverStarted, archive.Seamed, archive.Partial, archive.Lost}

// Worst returns the worst of some verdicts in a word: "open" where the worst is that a log is not sealed yet, "none"
// without any.
func Worst(verdicts []archive.Verdict) string {
	if len(verdicts) == 0 {
		return "none"
	}
	worst := slices.MaxFunc(verdicts, func(a, b archive.Verdict) int {
		return slices.Index(badness, a) - slices.Index(badness, b)
	})
	return verdict(worst)
}

// verdict is a verdict in a word.
func verdict(v archive.Verdict) string {
	if v == "" {
		return Open
	}
	return string(v)
}

// Proof is the verdict in a word, and how many seams there are: "seamed (2)", "partial (2 seams)".
func Proof(verdict string, seams int64) string {
	switch {
	case seams == 0:
		return verdict
	case verdict == string(archive.Seamed):
		return fmt.Sprintf("%s (%d)", verdict, seams)
	case seams == 1:
		return verdict + " (1 seam)"
	default:
		return fmt.Sprintf("%s (%d seams)", verdict, seams)
	}
}

// JobStatus is how a Job ended, in a word: Complete, Failed, or Deleted before it was either; or Running.
func JobStatus(j *archive.JobSummary) string {
	if j.End() == "" && !j.DeletedAt.IsZero() {
		return "Deleted"
	}
	return cmp.Or(j.End(), "Running")
}

// Bytes is a number of bytes for people.
func Bytes(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	size, unit := float64(n), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB"} {
		if size /= 1 << 10; size < 1<<10 {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", size, unit)
}

func age(now, then time.Time) string {
	if then.IsZero() {
		return "<unknown>"
	}
	return duration.HumanDuration(now.Sub(then))
}

// moment is a time for people, with how long it is ago.
func moment(now, then time.Time) string {
	if then.IsZero() {
		return none
	}
	return fmt.Sprintf("%s (%s ago)", then.UTC().Format(time.RFC3339), age(now, then))
}

func orNone(text string) string {
	if text == "" {
		return none
	}
	return text
}

// Safe is a stranger's text within a line of ours, and within a cell of a table: control characters are shown, whatever
// the output is.
func Safe(text string) string {
	clean, _ := clean(nil, []byte(strings.TrimSpace(text)), false)
	return strings.ReplaceAll(string(clean), "\t", " ")
}

// SafeLines is a text of ours that may hold a stranger's: its lines stay lines.
func SafeLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		clean, _ := clean(nil, []byte(line), false)
		lines[i] = string(clean)
	}
	return strings.Join(lines, "\n")
}
