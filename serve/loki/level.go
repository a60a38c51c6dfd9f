package loki

import (
	"bytes"
	"strings"
)

// levels are the words by which programs say how bad a line is, as Loki's clients show them.
const (
	levelUnknown  = "unknown"
	levelFatal    = "fatal"
	levelCritical = "critical"
	levelError    = "error"
	levelWarn     = "warn"
	levelInfo     = "info"
	levelDebug    = "debug"
	levelTrace    = "trace"
)

// levelNames are the fields that say the level of a structured line. Where logfmt has several of them the first one of
// these counts.
var levelNames = []string{
	"level", "LEVEL", "Level", "log.level", "severity", "SEVERITY", "Severity", "SeverityText", "SEVERITYTEXT", "lvl", "LVL", "Lvl",
	"severity_text", "Severity_Text", "SEVERITY_TEXT",
}

// inFields are the values of such a field, inText the words of any other text. Both were asked of Loki, line by line.
var (
	inFields = map[string]string{
		"trace": levelTrace, "trc": levelTrace, "debug": levelDebug, "dbg": levelDebug, "info": levelInfo, "inf": levelInfo, "information": levelInfo,
		"warn": levelWarn, "wrn": levelWarn, "warning": levelWarn, "error": levelError, "err": levelError, "critical": levelCritical, "fatal": levelFatal,
	}
	inText = map[string]string{
		"trace": levelTrace, "debug": levelDebug, "info": levelInfo, "warn": levelWarn, "warning": levelWarn,
		"error": levelError, "err": levelError, "critical": levelCritical, "fatal": levelFatal,
	}
)

// levelOf finds out how bad a line is: by the field that says so, where it is JSON or logfmt, else by the first word in
// it that is the name of a level.
func levelOf(line []byte) string {
	text := bytes.TrimSpace(line)
	var value []byte
	if len(text) > 1 && text[0] == '{' && text[len(text)-1] == '}' {
		value = jsonLevel(text)
	} else if bytes.IndexByte(text, '=') > 0 {
		value = logfmtLevel(text)
	}
	if level := named(inFields, value); level != "" {
		return level
	}
	return textLevel(line)
}

// named gives the level that a word names, "" where it names none.
func named(words map[string]string, word []byte) string {
	const longest = len("information")
	if len(word) < 3 || len(word) > longest {
		return ""
	}
	var lower [longest]byte
	for i, c := range word {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	return words[string(lower[:len(word)])]
}

func isLevelName(name []byte) bool { return levelRank(name) >= 0 }

// levelRank gives where a name stands among levelNames, -1 where it does not.
func levelRank(name []byte) int {
	if len(name) < len("lvl") || len(name) > len("severity_text") || !strings.ContainsRune("lLsS", rune(name[0])) {
		return -1
	}
	for i, other := range levelNames {
		if string(name) == other {
			return i
		}
	}
	return -1
}

// jsonLevel gives the text of the first property that says a level, in the object and those within it. What is in a
// list does not count.
func jsonLevel(line []byte) []byte {
	lists := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '[':
			lists++
		case ']':
			lists--
		case '"':
			end := stringEnd(line, i)
			name := line[i+1 : max(end, i+1)]
			i = end
			next := skipSpace(line, i+1)
			if next >= len(line) || line[next] != ':' || lists > 0 || !isLevelName(name) {
				continue
			}
			if next = skipSpace(line, next+1); next < len(line) && line[next] == '"' {
				return line[next+1 : max(stringEnd(line, next), next+1)]
			}
			return nil
		}
	}
	return nil
}

// stringEnd gives where the string that begins at a quote ends: at the quote, or at the end of the line.
func stringEnd(line []byte, start int) int {
	for i := start + 1; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(line)
}

func skipSpace(line []byte, i int) int {
	for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
		i++
	}
	return i
}

// logfmtLevel gives the value of the field that says a level: of several that of the name which counts most, and of
// that the first.
func logfmtLevel(line []byte) (value []byte) {
	best := len(levelNames)
	for i := skipSpace(line, 0); i < len(line); i = skipSpace(line, i) {
		start := i
		for i < len(line) && line[i] != '=' && line[i] != ' ' && line[i] != '\t' && line[i] != '"' {
			i++
		}
		name := line[start:i]
		if i == len(line) || line[i] != '=' {
			if i < len(line) && line[i] == '"' { // text in quotes that is nobody's value
				i = stringEnd(line, i) + 1
			}
			continue
		}
		i++
		start = i
		if i < len(line) && line[i] == '"' {
			i = stringEnd(line, i)
			start++
		} else {
			for i < len(line) && line[i] != ' ' && line[i] != '\t' {
				i++
			}
		}
		if rank := levelRank(name); rank >= 0 && rank < best {
			best, value = rank, line[start:min(max(i, start), len(line))]
		}
		if i < len(line) && line[i] == '"' {
			i++
		}
	}
	return value
}

// textLevel gives the level of the first word that names one. A word begins and ends where the line does, or at some
// marks.
func textLevel(line []byte) string {
	for i := 0; i < len(line); {
		if !isLetter(line[i]) {
			i++
			continue
		}
		start := i
		for i < len(line) && isLetter(line[i]) {
			i++
		}
		if i-start < 3 || i-start > len("critical") || start > 0 && !begins[line[start-1]] || i < len(line) && !ends[line[i]] {
			continue
		}
		if level := named(inText, line[start:i]); level != "" {
			return level
		}
	}
	return levelUnknown
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// begins and ends are the marks before and behind a word.
var begins, ends = marks(" \t\"(=[{"), marks(" \t\"()=[]{},:!")

func marks(all string) (set [256]bool) {
	for i := range len(all) {
		set[all[i]] = true
	}
	return set
}
