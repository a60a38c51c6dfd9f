package find

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// mostAhead is how many names are listed together: as many as S3 gives for one request.
const mostAhead = 1000

// byDay lists the days one by one from the newest on. Most archives have days with few Jobs or none, and each listing
// is a request of the dear kind: so the first day is listed by itself, then two days together, then four, for as long
// as they have not too many names for one listing.
func (l *jobList) byDay(ctx context.Context, yield func(archive.KeptJob, error) bool) {
	first, day, err := l.span(ctx)
	for together := 1; err == nil && !day.Before(first); together *= 2 {
		from := day.AddDate(0, 0, 1-together)
		if from.Before(first) {
			from = first
		}
		l.ahead = nil
		if together > 1 {
			if l.ahead, err = l.listAhead(ctx, from, day); err != nil {
				break
			}
			if l.ahead == nil {
				from, together = day, 1
			}
		}
		for ; !day.Before(from); day = day.AddDate(0, 0, -1) {
			if !l.day(ctx, day.Format(time.DateOnly), yield) {
				return
			}
		}
	}
	if err != nil {
		yield(archive.KeptJob{}, err)
	}
}

func (l *jobList) day(ctx context.Context, name string, yield func(archive.KeptJob, error) bool) bool {
	if err := ctx.Err(); err != nil { // most days have nothing for which the store is asked
		yield(archive.KeptJob{}, err)
		return false
	}
	return l.folder(ctx, archive.DayFolder(name), l.openOn(name), yield)
}

// openOn returns the names of the open Jobs of a day.
func (l *jobList) openOn(day string) []string {
	if l.days == nil {
		l.days = map[string][]string{}
		for name, pods := range l.open {
			for _, p := range pods {
				made := p.jobMade().UTC().Format(time.DateOnly)
				if !slices.Contains(l.days[made], name) {
					l.days[made] = append(l.days[made], name)
				}
			}
		}
	}
	return l.days[day]
}

// listAhead lists the folders of some days together; nil: they have too many names.
func (l *jobList) listAhead(ctx context.Context, first, last time.Time) (map[string][]string, error) {
	from, until := first.Format(time.DateOnly), last.Format(time.DateOnly)
	same := 0
	for same < len(from) && from[same] == until[same] {
		same++
	}
	ahead, n := map[string][]string{}, 0
	for object, err := range l.reader.Cfg.Store.List(ctx, archive.DayPrefix+from[:same], archive.Key(archive.DayPrefix+from)) {
		if err != nil {
			return nil, fmt.Errorf("list Jobs: %w", err)
		}
		day, name := archive.SplitDayKey(object.Key)
		if day > until {
			break
		}
		if n++; n > mostAhead {
			return nil, nil
		}
		folder := archive.DayFolder(day)
		ahead[folder] = append(ahead[folder], name)
	}
	return ahead, nil
}

// farthest is how far in the future a day may lie from which a list goes back: further than any clock goes ahead, and
// not so far that the days between cost anything.
const farthest = 100 // years

// span returns the first and the last day that can have Jobs.
func (l *jobList) span(ctx context.Context) (first, last time.Time, err error) {
	tomorrow := time.Now().UTC().AddDate(0, 0, 1) // a clock that goes ahead
	last = tomorrow
	if !l.query.Until.IsZero() {
		last = l.query.Until.UTC()
	}
	if after, _, ok := strings.Cut(strings.TrimPrefix(l.query.After, "day/"), "/"); ok {
		if last, err = time.Parse(time.DateOnly, after); err != nil {
			return first, last, archive.BadQuery("After", l.query.After, "the Cursor of a Job")
		}
	}
	if last.After(tomorrow.AddDate(farthest, 0, 0)) { // made by hand
		last = tomorrow
	}
	if first = l.query.Since.UTC(); l.query.Since.IsZero() {
		if first, err = l.oldest(ctx, last); err != nil {
			return first, last, err
		}
	}
	return first.Truncate(24 * time.Hour), last.Truncate(24 * time.Hour), nil
}

// oldest returns the day of the oldest Job.
func (l *jobList) oldest(ctx context.Context, last time.Time) (time.Time, error) {
	oldest := last
	for object, err := range l.reader.Cfg.Store.List(ctx, archive.DayPrefix, "") {
		if err != nil {
			return oldest, fmt.Errorf("list days: %w", err)
		}
		name, _ := archive.SplitDayKey(object.Key)
		if day, err := time.Parse(time.DateOnly, name); err == nil && day.Before(oldest) {
			oldest = day
		}
		break
	}
	for _, pods := range l.open {
		for _, p := range pods {
			if made := p.jobMade().UTC(); !made.IsZero() && made.Before(oldest) {
				oldest = made
			}
		}
	}
	return oldest, nil
}
