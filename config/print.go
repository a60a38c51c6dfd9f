package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// effective is what Print says about one setting.
type effective struct {
	group, name, text, from string
}

// effective gathers the table's values after everything is set.
func (l *loading) effective() []effective {
	var rows []effective
	for _, s := range l.table {
		f := l.value(s)
		rows = append(rows, effective{s.group, s.name, l.printed(s, f.text), f.from.described()})
	}
	return rows
}

// described tells a reader of Print where a value came from.
func (o origin) described() string {
	switch o.layer {
	case "default":
		return "default"
	case "file":
		return "file " + o.file
	default:
		return o.layer + " " + o.name
	}
}

// printed returns one line for a value: secrets masked, JSON without line breaks, "auto" with what it stands for.
func (l *loading) printed(s setting, text string) string {
	switch {
	case text == auto && s.name == "s3-path-style":
		if l.config.S3.Endpoint == "" {
			return auto // the AWS chain may have an endpoint
		}
		return fmt.Sprintf("auto (%t)", l.config.S3.PathStyle)
	case text == auto && s.name == "launcher":
		return fmt.Sprintf("auto (%t)", l.config.Launch.Enabled)
	case text == "":
		return "-"
	case s.secret:
		return masked
	case s.kind == "json":
		text = withoutEnvironment(text)
		var line bytes.Buffer
		if json.Compact(&line, []byte(text)) == nil {
			return withoutPassword(line.String())
		}
	}
	return withoutPassword(text)
}

// Print writes the effective value of every setting and where it came from, one line each, in the order of the table
// and in aligned columns. "-" stands for a value that is not set.
func (c Config) Print(w io.Writer) error {
	var names, origins int
	for _, row := range c.effective {
		names, origins = max(names, len(row.name)), max(origins, len(row.from))
	}
	group, out := "", &bytes.Buffer{}
	for _, row := range c.effective {
		if row.group != group {
			group = row.group
			fmt.Fprintf(out, "# %s\n", group)
		}
		fmt.Fprintf(out, "%-*s  %-*s  %s\n", names, row.name, origins, row.from, row.text)
	}
	if _, err := out.WriteTo(w); err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	return nil
}

// masked stands for a secret.
const masked = "(hidden)"

// shown returns a value as an error may show it.
func (s setting) shown(text string) string {
	if s.secret {
		return masked
	}
	if s.kind == "json" {
		text = withoutEnvironment(text)
	}
	return quoted(text)
}

// quoted returns text on one line, without passwords, cut where it is long.
func quoted(text string) string {
	const most = 160
	text = withoutPassword(text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strconv.Quote(text)
}

// withoutPassword masks user and password of a URL, for people do write them there.
func withoutPassword(text string) string {
	return regexp.MustCompile(`://[^/\s"]*@`).ReplaceAllString(text, "://"+masked+"@")
}

// oneLine folds a message of a library into one line.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
