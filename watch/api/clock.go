package api

import (
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Clock tells the API server's time, by which Jobs end, are deleted and expire, and containers start: how long that is
// ago, the own clock alone cannot say, for it may be minutes off. Every answer of the API server tells its time to the
// second, so that each bounds what the clocks differ by. A difference that may as well be none is none.
//
// It takes the clocks of API servers, of their controllers and of the nodes for one. A nil Clock is this machine's.
type Clock struct {
	log *slog.Logger

	mu          sync.Mutex
	known       bool          // guarded by mu; an answer came
	least, most time.Duration // guarded by mu; the API server's clock goes ahead of ours by so much
	told        bool          // guarded by mu; that they are far apart was said
	given       time.Time     // guarded by mu; the latest time that Now gave
}

// NewClock makes a clock that is this machine's until an answer comes through Wrap.
func NewClock(log *slog.Logger) *Clock { return &Clock{log: log} }

// Now returns the API server's time. It does not go back by what it comes to know better, for somebody who was woken at
// a time would find that it has not come yet; it does where one of the clocks was set.
func (c *Clock) Now() time.Time {
	if c == nil {
		return time.Now()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now().Add(c.between())
	if now.Before(c.given) {
		return c.given
	}
	c.given = now
	return now
}

// between returns by how much the API server's clock goes ahead of ours. The caller holds mu.
func (c *Clock) between() time.Duration {
	if c.least <= 0 && c.most >= 0 {
		return 0
	}
	return (c.least + c.most) / 2
}

// farApart is a difference that an operator is told of.
const farApart = time.Minute

// saw takes what an answer told of the time between two moments of ours.
func (c *Clock) saw(date, sent, came time.Time) {
	// By the wall, for a machine that slept or was set has the monotonic clock go on. The date is cut to the second.
	least, most := date.Sub(came.Round(0)), date.Add(time.Second).Sub(sent.Round(0))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known && max(least, c.least) <= min(most, c.most) {
		c.least, c.most = max(least, c.least), min(most, c.most)
	} else { // the first one, or one of the clocks was set
		c.known, c.least, c.most, c.given = true, least, most, time.Time{}
	}
	between := c.between()
	far := between.Abs() >= farApart
	if far && !c.told {
		c.log.Warn("the clocks of this machine and of the API server are far apart; times of the cluster are judged by the latter", "ahead", between)
	}
	c.told = far
}

// Wrap takes the time from the transport's answers.
func (c *Clock) Wrap(next http.RoundTripper) http.RoundTripper { return dated{next, c} }

type dated struct {
	next  http.RoundTripper
	clock *Clock
}

// RoundTrip is http.RoundTripper's.
func (d dated) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := time.Now()
	answer, err := d.next.RoundTrip(r)
	if err != nil {
		return answer, err
	}
	// A proxy that answers for the API server may well lack a date.
	if date, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		d.clock.saw(date, sent, time.Now())
	}
	return answer, nil
}
