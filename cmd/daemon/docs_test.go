package main

import (
	"testing"

	"github.com/epilogue-dev/epilogue/docs"
)

// TestCommandsOfThePages: whatever the pages tell readers to type is a command with these flags and arguments.
func TestCommandsOfThePages(t *testing.T) {
	n := 0
	for _, program := range []string{"epilogue", "bin/epilogue", "kubectl -n $SYS exec deployment/epilogue -- /epilogue"} {
		commands, err := docs.Commands("../..", program)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range commands {
			n++
			if err := c.Check(command()); err != nil {
				t.Errorf("%s: %s: %v", c.Page, c.Line, err)
			}
		}
	}
	if n < 6 {
		t.Errorf("got %d commands, want the test to find them", n)
	}
}
