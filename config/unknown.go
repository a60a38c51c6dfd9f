package config

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Unknown returns one line for each variable that looks like a misspelt setting; environ is os.Environ. These are worth
// a warning, not the start: Kubernetes puts variables named after Services into every pod, and ZenML may know more than
// we do.
func (s *Source) Unknown(environ []string) []string {
	var known, lines []string
	for _, row := range s.table {
		known = append(known, row.env()...)
	}
	ours := regexp.MustCompile(`^(EPILOGUE|ZENML_(AWS_)?KUBERNETES_WORKLOAD_MANAGER)_`)
	service := regexp.MustCompile(`_SERVICE_(HOST|PORT)|_PORT(_[0-9]+_(TCP|UDP|SCTP).*)?$`)
	for _, pair := range slices.Sorted(slices.Values(environ)) {
		name, _, _ := strings.Cut(pair, "=") // the value is none of our business: it may be a secret
		if !ours.MatchString(name) || slices.Contains(known, name) || service.MatchString(name) {
			continue
		}
		if near := nearest(name, known); near != "" {
			lines = append(lines, fmt.Sprintf("%s: no such setting; did you mean %s?", name, near))
			continue
		}
		lines = append(lines, fmt.Sprintf("%s: no such setting", name))
	}
	return lines
}

// nearest returns the name closest to the given one, or "" if none is near. Case, dashes and underscores do not count.
func nearest(to string, names []string) string {
	plain := func(s string) []byte {
		return []byte(strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(s)))
	}
	best, least := "", 1+min(len(to)/3, 3)
	for _, name := range names {
		if d := distance(plain(to), plain(name)); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance counts the letters to insert, delete or replace between two words.
func distance(a, b []byte) int {
	if bytes.Equal(a, b) {
		return 0
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
