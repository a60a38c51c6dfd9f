package docs

import (
	"regexp"
	"testing"
)

// TestOperated: each command of the pages of operations has a row, which TestReadme of e2e runs, and each row a
// command.
func TestOperated(t *testing.T) {
	commands, err := OperationsCommands("..")
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range Operated {
		if len(commands[i]) == 0 {
			t.Errorf("got no command that begins with %q", row.Begins)
		}
		if _, err := regexp.Compile(row.Want); err != nil {
			t.Errorf("%s: got %v", row.Begins, err)
		}
	}
}
