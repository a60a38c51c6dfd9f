// Command sample is the program of every test Job: it writes what its arguments say and then tells, beside the log,
// what it wrote. A test compares the archive with that truth and so needs no other reader of the log.
//
// The arguments are steps with the word "then" between them:
//
//	sample lines -n 200000 -rate 20000 -size 40 then sleep 2s then exit 3
//
// The truth is a JSON object {"lines": n, "bytes": n, "sha256": hex} in the pod's termination message, over everything
// written to stdout. It is written at the end, and before any step that cannot end well. What is killed by surprise
// leaves none; its lines are numbered, so a test can still tell whether they are whole.
package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

func main() {
	out := &output{file: os.Stdout, truth: "/dev/termination-log"}
	err := runAll(os.Args[1:], out)
	if terr := out.tell(); err == nil {
		err = terr
	}
	var code exitCode
	switch {
	case err == nil:
	case errors.As(err, &code):
		os.Exit(int(code))
	default:
		fmt.Fprintln(os.Stderr, "sample:", err) // the log has it, and the truth does not: no test can miss it
		os.Exit(125)
	}
}

// runAll runs the steps in their order until one of them ends the program.
func runAll(args []string, out *output) error {
	for len(args) > 0 {
		end := slices.Index(args, "then")
		if end < 0 {
			end = len(args)
		}
		if err := run(args[:end], out); err != nil {
			return err
		}
		args = args[min(end+1, len(args)):]
	}
	return nil
}

// run runs one step: a name and its arguments.
func run(step []string, out *output) error {
	if len(step) == 0 {
		return errors.New("a step is empty, want one on each side of \"then\"")
	}
	do := steps[step[0]]
	if do == nil {
		return fmt.Errorf("step %q is unknown, want one of %q", step[0], stepNames())
	}
	if err := do(step[1:], out); err != nil {
		return fmt.Errorf("%s: %w", step[0], err)
	}
	return nil
}

// exitCode ends the program on purpose.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit with code %d", int(c)) }
