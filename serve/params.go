package serve

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/epilogue-dev/epilogue/serve/wire"
)

// params reads the parameters of a request. The first error stays; finish returns it. A name that nobody has asked for
// is an error too: a filter with a typo must not pass for no filter.
type params struct {
	values url.Values
	known  map[string]bool
	now    time.Time
	err    error
}

func newParams(rawQuery string, now time.Time) *params {
	p := &params{known: map[string]bool{}, now: now}
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		p.bad("query", rawQuery, "one of the form name=value&name=value, percent-encoded")
	}
	p.values = values
	return p
}

func (p *params) bad(name, value, want string) {
	if p.err == nil {
		p.err = badParameter(name, value, want)
	}
}

// finish returns the first error.
func (p *params) finish() error {
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		if !p.known[name] {
			p.bad(name, p.values.Get(name), "one of the parameters "+strings.Join(slices.Sorted(maps.Keys(p.known)), ", "))
		}
	}
	return p.err
}

// text returns a parameter that may be given once; ok is false where it is not given or empty.
func (p *params) text(name string) (value string, ok bool) {
	p.known[name] = true
	values := p.values[name]
	if len(values) > 1 {
		p.bad(name, strings.Join(values, ", "), "one value")
	}
	if len(values) == 0 || values[0] == "" {
		return "", false
	}
	return values[0], true
}

// list returns a parameter that may be given more than once, or as one value with commas.
func (p *params) list(name string) (all []string) {
	p.known[name] = true
	for _, value := range p.values[name] {
		for part := range strings.SplitSeq(value, ",") {
			if part = strings.TrimSpace(part); part != "" {
				all = append(all, part)
			}
		}
	}
	return all
}

// flag returns a switch. Its bare name is on, as in ?follow.
func (p *params) flag(name string) bool {
	value, ok := p.text(name)
	if !ok {
		return len(p.values[name]) > 0 && p.values[name][0] == ""
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		p.bad(name, value, "true or false")
	}
	return on
}

// number returns a whole number between bounds, nil where it is not given.
func (p *params) number(name string, least, most int64) *int64 {
	value, ok := p.text(name)
	if !ok {
		return nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < least || n > most {
		p.bad(name, value, fmt.Sprintf("a whole number from %d to %d", least, most))
		return nil
	}
	return &n
}

// word returns one of some words, the first where it is not given.
func (p *params) word(name string, words ...string) string {
	value, ok := p.text(name)
	if !ok {
		return words[0]
	}
	if !slices.Contains(words, value) {
		p.bad(name, value, "one of "+strings.Join(words, ", "))
	}
	return value
}

const momentWant = "a time as 2026-11-23T10:00:00Z, or a duration before now as 90s or 2h"

// moment returns a point in time: as such, or as a duration before now. Zero where it is not given.
func (p *params) moment(name string) time.Time {
	value, ok := p.text(name)
	if !ok {
		return time.Time{}
	}
	if d, err := time.ParseDuration(value); err == nil && d >= 0 {
		return p.now.Add(-d)
	}
	return p.time(name, value, momentWant)
}

func (p *params) time(name, value, want string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, value)
	// What nanoseconds since 1970 cannot hold has no meaning for a log.
	if err != nil || t.Year() < 1970 || t.Year() > 2261 {
		p.bad(name, value, want)
		return time.Time{}
	}
	return t
}

// span returns "FROM-TO", both included and each of them left out for no bound. 0, 0 where it is not given; an open end
// is -1.
func (p *params) span(name string, least int64) (from, to int64, ok bool) {
	value, ok := p.text(name)
	if !ok {
		return 0, 0, false
	}
	low, high, found := strings.Cut(value, "-")
	from, to = least, -1
	var errLow, errHigh error
	if low != "" {
		from, errLow = strconv.ParseInt(low, 10, 64)
	}
	if high != "" {
		to, errHigh = strconv.ParseInt(high, 10, 64)
	}
	if !found || low == "" && high == "" || errLow != nil || errHigh != nil || from < least || high != "" && to < from || to > wire.MaxNumber || from > wire.MaxNumber {
		p.bad(name, value, fmt.Sprintf("FROM-TO with numbers from %d on and FROM not above TO, FROM- or -TO", least))
		return 0, 0, false
	}
	return from, to, true
}

// plainNames refuses names in a path that cannot be one of a Kubernetes object: they become parts of keys.
func plainNames(r *http.Request) error {
	for _, name := range []string{"namespace", "job", "pod", "workload"} {
		value := r.PathValue(name)
		if len(value) > 253 || strings.HasPrefix(value, ".") || strings.ContainsFunc(value, func(c rune) bool { return c <= ' ' || c == '/' || c == '\\' || c > '~' }) {
			return badParameter(name, value, "a name of up to 253 letters, digits, hyphens and dots that does not start with a dot")
		}
	}
	return nil
}
