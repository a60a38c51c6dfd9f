// Package docs gives the commands that the pages tell readers to type, for the tests of those who have to understand
// them. It keeps nothing; the pages are read when it is asked.
package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// Command is one command of a page.
type Command struct {
	Page string   // path from the root of the repository
	Line string   // as it stands there, continued lines joined
	Args []string // words after the program's, without what a shell would do with the rest of the line
}

// Commands returns those of README.md and of all pages below docs that begin with a program, such as
// "kubectl epilogue": in blocks, and in a sentence between backquotes. Root is the path of the repository.
func Commands(root, program string) ([]Command, error) {
	var all []Command
	visit := func(path string) error {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			return err
		}
		for _, line := range typed(string(text)) {
			if rest, ok := strings.CutPrefix(line, program+" "); ok {
				all = append(all, Command{Page: path, Line: line, Args: words(rest)})
			}
		}
		return nil
	}
	if err := visit("README.md"); err != nil {
		return nil, err
	}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".md") {
			return err
		}
		path, err = filepath.Rel(root, path)
		if err != nil {
			return err
		}
		return visit(path)
	})
	return all, err
}

var (
	continued = regexp.MustCompile(`\\\n\s*`)
	span      = regexp.MustCompile("`([^`\n]+)`")
	prompt    = regexp.MustCompile(`^(    +|\$ )`)
)

// typed returns the lines of blocks, indented or fenced, and what stands between backquotes in the others.
func typed(text string) []string {
	var lines []string
	fenced := false
	for line := range strings.Lines(continued.ReplaceAllString(text, " ")) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case fenced || strings.HasPrefix(line, "    "):
			lines = append(lines, strings.TrimSpace(prompt.ReplaceAllString(line, "")))
		default:
			for _, m := range span.FindAllStringSubmatch(line, -1) {
				lines = append(lines, strings.ReplaceAll(m[1], `\|`, "|"))
			}
		}
	}
	return lines
}

// words splits a line as a shell does where it is simple, up to a comment, a pipe or another command.
func words(line string) []string {
	var all []string
	var word strings.Builder
	open, quote := false, rune(0)
	end := func() {
		if open {
			all = append(all, word.String())
		}
		word.Reset()
		open = false
	}
	escaped := false
	for _, c := range line {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			escaped, open = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, open = c, true
		case c == ' ':
			end()
		case strings.ContainsRune("|;&><", c), c == '#' && !open:
			end()
			return all
		default:
			word.WriteRune(c)
			open = true
		}
	}
	end()
	return all
}

// Check says what is wrong with the command, if it is one of the program that root is: no such command, flag or number
// of arguments. Nothing runs.
func (c Command) Check(root *cobra.Command) error {
	cmd, rest, err := root.Find(c.Args)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if len(c.Args) == 1 { // a name alone is no call
		return nil
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}
