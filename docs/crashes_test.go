package docs

import (
	"regexp"
	"strings"
	"testing"
)

// TestCrashesAreTold: for each write, docs/design.md says what a crash before it and after it leaves, and what becomes
// of one that fails; and it, or its section, names the test.
func TestCrashesAreTold(t *testing.T) {
	_, text, found := strings.Cut(pages(t)["docs/design.md"], "\n## What a crash leaves\n")
	if !found {
		t.Fatal("got no chapter on what a crash leaves")
	}
	proof := regexp.MustCompile("`Test[A-Z]\\w*\\*?`|- test: none, for ")
	writes := 0
	for _, section := range strings.Split(text, "\n### ")[1:] {
		parts := strings.Split(section, "\n#### ")
		for _, part := range parts[1:] {
			writes++
			title, told, _ := strings.Cut(part, "\n")
			for _, word := range []string{"before", "after", "late"} {
				if !strings.Contains(told, "\n- "+word+": ") && !strings.Contains(told, "\n- left: ") {
					t.Errorf("%s: got no line %q", title, word)
				}
			}
			if !proof.MatchString(told) && !proof.MatchString(parts[0]) {
				t.Errorf("%s: got no test, neither here nor above the section's writes", title)
			}
		}
	}
	if writes < 60 {
		t.Errorf("got %d writes, want all of them", writes)
	}
}
