package main

import (
	"fmt"
	"os"
	"strings"
)

// terminationLog is where the kubelet reads why a container ended, for `kubectl describe pod`. Only a container has it. Tests set it.
var terminationLog = "/dev/termination-log"

// mostWords is how much of that the kubelet takes.
const mostWords = 4096

// lastWords leaves why the process ends where the kubelet looks for it. Who is woken at night sees it so before he looks for a log, and
// also where the log is full of something else. Of a panic the kubelet takes the end of the log instead: nothing of ours runs then.
func lastWords(code int, reason string) {
	file, err := os.OpenFile(terminationLog, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return // no container; the log says the same
	}
	defer file.Close()
	text := fmt.Sprintf("exit code %d: %s", code, strings.TrimPrefix(reason, errTold.Error()+": "))
	_, _ = file.WriteString(text[:min(len(text), mostWords)]) // as above
}
