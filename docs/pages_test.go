package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages returns every page by its path from the root of the repository, without its blocks of code where prose is
// wanted.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	add := func(path string) {
		text, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		found[path] = string(text)
	}
	add("README.md")
	add("CONTRIBUTING.md")
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			add(filepath.Join("docs", path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// prose drops fenced blocks.
func prose(text string) string {
	return regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(text, "")
}

// anchors returns what a page can be entered at, as GitHub makes it of headings.
func anchors(text string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^#{1,6} (.+)$`).FindAllStringSubmatch(prose(text), -1) {
		slug := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(slug, " ", "-"))
	}
	return all
}

// TestLinksResolve: every link to a file of ours names one, and every anchor a heading.
func TestLinksResolve(t *testing.T) {
	all := pages(t)
	links := 0
	for page, text := range all {
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(prose(text), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			links++
			path, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(filepath.Join("..", target)); err != nil {
				t.Errorf("%s: got a link to %s, and no such file", page, m[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(all[target]), anchor) {
				t.Errorf("%s: got a link to %s, want one of the headings %q", page, m[1], anchors(all[target]))
			}
		}
	}
	if links < 30 {
		t.Errorf("got %d links, want the test to find them", links)
	}
}

// TestEveryPageIsReached: whoever starts at the README finds each page.
func TestEveryPageIsReached(t *testing.T) {
	all := pages(t)
	seen := map[string]bool{"README.md": true}
	for open := []string{"README.md"}; len(open) > 0; {
		page := open[0]
		open = open[1:]
		for _, m := range regexp.MustCompile(`\]\(([^)\s#]+\.md)`).FindAllStringSubmatch(all[page], -1) {
			if target := filepath.Join(filepath.Dir(page), m[1]); !seen[target] {
				seen[target] = true
				open = append(open, target)
			}
		}
	}
	for page := range all {
		if !seen[page] {
			t.Errorf("got no way from README.md to %s", page)
		}
	}
}

// TestNamedMetricsExist: docs/metrics.md is made of the program's own.
func TestNamedMetricsExist(t *testing.T) {
	known := named(t, "metrics.md", "`(epilogue_[a-z0-9_]+)`")
	for page, text := range pages(t) {
		for _, name := range regexp.MustCompile(`\bepilogue_[a-z0-9_]+`).FindAllString(text, -1) {
			base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			if !known[name] && !known[base] && name != "epilogue_zenml" {
				t.Errorf("%s: got the metric %s, which docs/metrics.md does not have", page, name)
			}
		}
	}
}

// TestNamedVariablesExist: docs/configuration.md and docs/cli.md are made of the programs' own.
func TestNamedVariablesExist(t *testing.T) {
	known := named(t, "configuration.md", "`((?:EPILOGUE|ZENML)_[A-Z0-9_]+)`")
	for _, other := range []string{"cli.md", "../deploy/zenml/epilogue_zenml/client.py", "../e2e/cluster/lib.sh", "../e2e/cluster/cold.sh", "../e2e/cluster/up.sh", "../release/vuln.sh", "../Makefile"} {
		for name := range named(t, other, `\b(EPILOGUE_[A-Z0-9_]+)\b`) {
			known[name] = true
		}
	}
	// Those of a ZenML server or of its Jobs, and of tests.
	notOurs := regexp.MustCompile(`^(ZENML_(SERVER|STORE|RUNNER)_|EPILOGUE_(E2E|TEST)_)`)
	all := pages(t)
	delete(all, "docs/configuration.md") // made by the program, and with a variable of a builder's in it
	for page, text := range all {
		for _, name := range regexp.MustCompile(`\b(?:EPILOGUE|ZENML)_[A-Z0-9_]*[A-Z0-9]\b`).FindAllString(text, -1) {
			if !known[name] && !notOurs.MatchString(name) {
				t.Errorf("%s: got the variable %s, which no page of settings has", page, name)
			}
		}
	}
}

// TestNamedSettingsExist: a page that tells which setting to change names one that docs/configuration.md has, or a
// value of the chart.
func TestNamedSettingsExist(t *testing.T) {
	settings := named(t, "configuration.md", "`([a-z0-9]+(?:-[a-z0-9]+)+)`")
	for _, other := range []string{"cli.md", "format.md", "metrics.md"} { // flags, reasons, labels
		for name := range named(t, other, "([a-z0-9]+(?:-[a-z0-9]+)+)") {
			settings[name] = true
		}
	}
	values := named(t, "../deploy/chart/epilogue/README.md", "`([a-zA-Z0-9]+(?:\\.[a-zA-Z0-9]+)*)`")
	tops := map[string]bool{}
	for value := range values {
		top, _, _ := strings.Cut(value, ".")
		tops[top] = true
	}
	all, found := pages(t), 0
	for page := range all {
		if !regexp.MustCompile(`^docs/(operations|upgrade|faq|sizing|install-eks|runbooks/.*)\.md$`).MatchString(page) {
			continue
		}
		for _, m := range regexp.MustCompile("`([a-zA-Z0-9.-]+)`").FindAllStringSubmatch(prose(all[page]), -1) {
			word := m[1]
			top, _, dotted := strings.Cut(word, ".")
			switch {
			case dotted && tops[top] && !values[word] && !values[top]: // resources.limits is below a value
				t.Errorf("%s: got the value %s, which the chart does not have", page, word)
			case regexp.MustCompile(`^[a-z]+(-[a-z]+)+$`).MatchString(word) && !settings[word] && !regexp.MustCompile(`^(my|zenml|epilogue)-`).MatchString(word):
				t.Errorf("%s: got the setting %s, which docs/configuration.md does not have", page, word)
			}
			found++
		}
	}
	if found < 100 {
		t.Errorf("got %d words, want the test to find them", found)
	}
}

// named returns what a file names.
func named(t *testing.T, path, pattern string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
		found[m[1]] = true
	}
	if len(found) == 0 {
		t.Fatalf("got no name in %s", path)
	}
	return found
}

func TestTyped(t *testing.T) {
	const page = "Say `tool a \\| b`.\n\n    tool one \\\n      --two 'three four' # five\n\n```sh\ntool six | cat\n```\n"
	var got []string
	for _, line := range typed(page) {
		got = append(got, strings.Join(words(line), "|"))
	}
	want := []string{"tool|a", "tool|one|--two|three four", "tool|six"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
