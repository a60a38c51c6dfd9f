package logql

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// randomStages are stages of all kinds behind each other, over labels that are there and that are not. Left out is what
// is known to be another thing in Loki: it tries the filters of labels while it parses, also those that stand before
// the parser, and knows a key that was parsed once by no second name.
func randomStages(rng *rand.Rand) string {
	for {
		var stages []string
		filtered, parsers, logfmt := false, 0, false
		known := false
		for range rng.IntN(5) {
			s := randomStage(rng)
			isLogfmt := strings.HasPrefix(s, "| logfmt")
			switch isParser := isLogfmt || strings.HasPrefix(s, "| json"); {
			case isParser:
				known = known || filtered
				parsers++
				logfmt = logfmt || isLogfmt
			case strings.HasPrefix(s, "| drop"), strings.HasPrefix(s, "| keep"):
				filtered = filtered || strings.ContainsAny(s, `"`)
			case strings.HasPrefix(s, "| ") && !strings.HasPrefix(s, "| label_format") && !strings.HasPrefix(s, "| line_format"):
				filtered = true
			}
			stages = append(stages, s)
		}
		if !known && (!logfmt || parsers < 2) {
			return strings.Join(stages, " ")
		}
	}
}

func randomStage(rng *rand.Rand) string {
	name := func() string {
		return oneOf(rng, "a", "b", "c", "d", "n", "a_b_c", "job", "pod", "level", "attempt", "container", "status", "size", "took", "none", "level_extracted")
	}
	switch rng.IntN(12) {
	case 0:
		return `| json`
	case 1:
		return oneOf(rng, `| logfmt`, `| logfmt --strict`, `| logfmt --keep-empty`, `| logfmt --strict --keep-empty`)
	case 2:
		return fmt.Sprintf(`| json is="%s", was="%s"`, oneOf(rng, "a", "a.b", "a[0]", "http.path", "tags[1]", "level"), oneOf(rng, "b", "http", "c"))
	case 3:
		return fmt.Sprintf(`| logfmt is="%s"`, name())
	case 4:
		return fmt.Sprintf(`| %s %s, %s`, oneOf(rng, "drop", "keep"), name(), name())
	case 5:
		return fmt.Sprintf(`| label_format %s=%s`, name(), name())
	case 6:
		return fmt.Sprintf(`| label_format %s="{{.%s}}-{{.%s}}"`, name(), name(), name())
	case 7:
		return fmt.Sprintf(`| line_format "{{.%s}} %s={{.%s}}"`, name(), name(), name())
	case 8:
		return fmt.Sprintf(`| %s%s"%s"`, name(), oneOf(rng, "=", "!=", "=~", "!~"), oneOf(rng, "0", "1", ".+", "mine", "odd.*", "1|2|train"))
	case 9:
		return fmt.Sprintf(`| %s%s%s`, name(), oneOf(rng, "==", "!=", ">", ">=", "<", "<="), oneOf(rng, "1", "0", "-1.5", "5m", "1s", "5KB", "1B"))
	case 10:
		return fmt.Sprintf(`| %s=~"%s" %s %s%s%s`, name(), oneOf(rng, "0", "1", ".+"), oneOf(rng, "and", "or", ","), name(), oneOf(rng, "==", ">", "<"), oneOf(rng, "1", "5m", "5KB"))
	}
	return oneOf(rng, `|= "a"`, `!= "a"`, `|~ "[0-9]+"`, `!~ "(?i)A"`, `|= "=" or "{"`, `| __error__=""`, `| __error__!=""`, `| drop __error__`, `| drop __error__, __error_details__`,
		`| drop a="1", job=~"m.*"`)
}

// randomPiped is lines of the odd stream and of the others through random stages, asked for or counted.
func randomPiped(rng *rand.Rand) string {
	log := oneOf(rng, `{namespace=~".+"}`, `{job="odd"}`, `{job="odd"} |= "{"`, `{job="odd"} != "{"`, `{job="train"}`) + " " + randomStages(rng)
	kind := oneOf(rng, "range", "range", "forward", "categorized", "instant")
	if kind != "instant" && rng.IntN(4) > 0 {
		return kind + "\t" + log
	}
	if kind != "instant" {
		kind = "range"
	}
	return fmt.Sprintf("%s\t%s (%s) (%s(%s [%s]))", kind, oneOf(rng, "sum by", "sum by", "max by", "count by", "avg by"),
		oneOf(rng, "a", "job", "level, job", "pod", "", "b, c"), oneOf(rng, rangeOps...), log, oneOf(rng, "1m", "20s", "5m"))
}
