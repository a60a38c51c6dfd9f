package process

import (
	"fmt"
	"os"
)

// TerminationLog is where the kubelet reads why a container ended, for `kubectl describe pod`. Only a container has it.
// Tests set it.
var TerminationLog = "/dev/termination-log"

// mostWords is how much of that the kubelet takes.
const mostWords = 4096

// LastWords leaves why the process ends where the kubelet looks for it. Whoever is on call sees it before looking for a
// log, and also where the log is full of something else. Of a panic the kubelet takes the end of the log instead:
// nothing of ours runs then.
func LastWords(code int, reason string) {
	file, err := os.OpenFile(TerminationLog, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return // no container; the log says the same
	}
	defer file.Close()
	text := fmt.Sprintf("exit code %d: %s", code, reason)
	_, _ = file.WriteString(text[:min(len(text), mostWords)]) // as above
}
