package loki

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/epilogue-dev/epilogue/serve/loki/logql"
)

const (
	// mostForm bounds the body of a request: a query is text that somebody wrote.
	mostForm = 1 << 20

	usualLines = 100
	mostLines  = 5000
	usualSpan  = time.Hour
	mostSteps  = 11_000
	usualSteps = 250 // of a range whose step is left out
	usualLimit = 100 // of volumes
)

// params reads the parameters of a request, by Loki's rules. The first error stays. Names that are not known are passed
// over, as Loki does: its clients send some that say nothing to us.
type params struct {
	values url.Values
	now    time.Time
	err    error
}

// paramsOf takes the query and the form together.
func paramsOf(w http.ResponseWriter, r *http.Request, now time.Time) (*params, error) {
	r.Body = http.MaxBytesReader(w, r.Body, mostForm)
	if err := r.ParseForm(); err != nil {
		return nil, bad("%s", err)
	}
	return &params{values: r.Form, now: now}, nil
}

// bad is a Status of 400; the route gives its bare text.
func bad(format string, args ...any) error {
	return apierrors.NewBadRequest(fmt.Sprintf(format, args...))
}

func (p *params) fail(format string, args ...any) {
	if p.err == nil {
		p.err = bad(format, args...)
	}
}

func (p *params) text(name string) string { return p.values.Get(name) }

// time reads a moment: digits are seconds, or nanoseconds where there are more than ten of them; with a point they are
// seconds, rounded to milliseconds; all else is RFC 3339. So milliseconds, of thirteen digits, land in 1970, here as in
// Loki.
func (p *params) time(name string, otherwise time.Time) time.Time {
	text := p.text(name)
	if text == "" {
		return otherwise
	}
	at, err := parseTime(text)
	if err != nil {
		p.fail("could not parse '%s' parameter: %s", name, err)
	}
	return at
}

func parseTime(text string) (time.Time, error) {
	if strings.Contains(text, ".") {
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			seconds, rest := math.Modf(f)
			if math.Abs(seconds) > math.MaxInt64/1e9 || math.IsNaN(f) {
				return time.Time{}, fmt.Errorf("%q is no time between 1678 and 2262", text)
			}
			return time.Unix(int64(seconds), int64(math.Round(rest*1000))*int64(time.Millisecond)).UTC(), nil
		}
	}
	n, noNumber := strconv.ParseInt(text, 10, 64)
	if noNumber == nil {
		if len(text) <= 10 {
			return time.Unix(n, 0).UTC(), nil
		}
		return time.Unix(0, n).UTC(), nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	switch {
	case err != nil:
		return at, noNumber
	case at.Year() < 1678 || at.Year() > 2261:
		return at, fmt.Errorf("%q is no time between 1678 and 2262", text)
	}
	return at, nil
}

// span reads start, end and since. Where start is left out it lies so long before the end, which counts as now where it
// is in the future.
func (p *params) span() (start, end time.Time) {
	end = p.time("end", p.now)
	back := usualSpan
	if text := p.text("since"); text != "" {
		var err error
		if back, err = parseDays(text); err != nil {
			p.fail("could not parse 'since' parameter: not a valid duration string: %q", text)
		}
	}
	last := end
	if last.After(p.now) {
		last = p.now
	}
	return p.time("start", last.Add(-back)), end
}

// duration reads a number of seconds, or a duration with units.
func (p *params) duration(name string, otherwise time.Duration) time.Duration {
	text := p.text(name)
	if text == "" {
		return otherwise
	}
	d, err := parseDuration(text)
	if err != nil {
		p.fail("could not parse '%s' parameter: %s", name, err)
	}
	return d
}

func parseDuration(text string) (time.Duration, error) {
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		ns := f * float64(time.Second)
		if ns > math.MaxInt64 || ns < math.MinInt64 || math.IsNaN(ns) {
			return 0, fmt.Errorf("cannot parse %q to a valid duration. It overflows int64", text)
		}
		return time.Duration(ns), nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return d, nil
	}
	if d, err := parseDays(text); err == nil {
		return d, nil
	}
	return 0, fmt.Errorf("cannot parse %q to a valid duration", text)
}

// parseDays reads what Go's durations have no unit for: 1d, 2w, 1y12h.
func parseDays(text string) (time.Duration, error) {
	total := time.Duration(0)
	for _, unit := range []struct {
		name string
		long time.Duration
	}{{"y", 365 * 24 * time.Hour}, {"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		number, rest, found := strings.Cut(text, unit.name)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil || time.Duration(n) > (math.MaxInt64-total)/unit.long {
			return 0, fmt.Errorf("not a duration: %q", text)
		}
		total += time.Duration(n) * unit.long
		text = rest
	}
	if text == "" {
		return total, nil
	}
	rest, err := time.ParseDuration(text)
	return total + rest, err
}

// number reads a whole number that is not negative.
func (p *params) number(name string, otherwise int) int {
	text := p.text(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		p.fail("%s", strings.ReplaceAll(err.Error(), "ParseUint", "Atoi"))
	}
	return int(n)
}

// lines reads the limit of lines.
func (p *params) lines() int {
	if strings.HasPrefix(p.text("limit"), "-") {
		p.fail("limit must be a positive value")
		return 0
	}
	n := p.number("limit", usualLines)
	switch {
	case p.err != nil:
	case n == 0:
		p.fail("limit must be a positive value")
	case n > mostLines:
		p.fail("max entries limit per query exceeded, limit > max_entries_limit_per_query (%d > %d)", n, mostLines)
	}
	return n
}

func (p *params) direction() logql.Direction {
	switch text := p.text("direction"); strings.ToLower(text) {
	case "", "backward":
		return logql.Backward
	case "forward":
		return logql.Forward
	default:
		p.fail("invalid direction '%s'", text)
		return logql.Backward
	}
}

// step reads the step of a range; left out it is a 250th of the range, one second at least.
func (p *params) step(start, end time.Time) time.Duration {
	otherwise := time.Duration(math.Max(math.Floor(end.Sub(start).Seconds()/usualSteps), 1)) * time.Second
	step := p.duration("step", otherwise)
	switch {
	case p.err != nil:
	case step <= 0:
		p.fail("zero or negative query resolution step widths are not accepted. Try a positive integer")
	case end.Sub(start)/step > mostSteps:
		p.fail("exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter")
	}
	return step
}

// ordered refuses an end before the start.
func (p *params) ordered(start, end time.Time) {
	if end.Before(start) {
		p.fail("end timestamp must not be before or equal to start time")
	}
}

// query reads a query, which must be there.
func (p *params) query() logql.Expr {
	query, err := logql.Parse(p.text("query"))
	if err != nil && p.err == nil {
		p.err = err
	}
	return query
}

// selector reads a selector; "" and {} ask for everything.
func (p *params) selector(text string) []logql.Matcher {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	m, err := logql.ParseMatchers(text)
	if err != nil && p.err == nil {
		p.err = err
	}
	return m
}
