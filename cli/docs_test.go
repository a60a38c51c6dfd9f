package cli

import (
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/docs"
)

// TestCommandsOfThePages: whatever the pages tell readers to type is a command with these flags and arguments.
func TestCommandsOfThePages(t *testing.T) {
	n := 0
	for _, program := range []string{"kubectl epilogue", "kubectl-epilogue"} {
		commands, err := docs.Commands("..", program)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range commands {
			if c.Args[0] == "completion" || c.Args[0] == "--help" || strings.Contains(c.Line, "[") {
				continue // what cobra adds when the program runs, and lines of usage
			}
			n++
			if err := c.Check(newScreen().command()); err != nil {
				t.Errorf("%s: %s: %v", c.Page, c.Line, err)
			}
		}
	}
	if n < 20 {
		t.Errorf("got %d commands, want the test to find them", n)
	}
}
