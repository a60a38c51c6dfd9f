package api

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestClock: whatever this machine's clock says, the API server's is told to half a second, and a difference that
// proves nothing is none.
func TestClock(t *testing.T) {
	for name, test := range map[string]struct {
		ahead, slow time.Duration // the API server's clock; how long each answer is under way
		want, off   time.Duration // want it so far ahead, or off by so much at most
	}{
		"the same":            {0, 10 * time.Millisecond, 0, 0},
		"a bit apart":         {400 * time.Millisecond, 10 * time.Millisecond, 400 * time.Millisecond, 400 * time.Millisecond},
		"ten minutes ahead":   {10 * time.Minute, 10 * time.Millisecond, 10 * time.Minute, 500 * time.Millisecond},
		"ten minutes behind":  {-10 * time.Minute, 10 * time.Millisecond, -10 * time.Minute, 500 * time.Millisecond},
		"answers are slow":    {10 * time.Minute, 4 * time.Second, 10 * time.Minute, 2500 * time.Millisecond},
		"the same, and slow":  {0, 20 * time.Second, 0, 0},
		"an hour, and slowly": {time.Hour, 40 * time.Second, time.Hour, 21 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var said bytes.Buffer
				c := NewClock(slog.New(slog.NewTextHandler(&said, nil)))
				transport := c.Wrap(datedBy(func() time.Time { return time.Now().Add(test.ahead) }, test.slow))
				for n := range 30 {
					get(t, transport)
					if off := (aheadOf(c) - test.want).Abs(); off > test.off {
						t.Errorf("answer %d: got the API server's clock %s ahead, want %s", n, aheadOf(c), test.want)
					}
					time.Sleep(time.Duration(n) * 77 * time.Millisecond)
				}
				if off := c.Now().Sub(time.Now().Add(test.want)).Abs(); off > test.off {
					t.Errorf("got a time that is off by %s", off)
				}
				want := 0
				if test.want.Abs() > time.Minute {
					want = 1
				}
				if got := strings.Count(said.String(), "far apart"); got != want {
					t.Errorf("got it said %d times that they are far apart, want %d: %s", got, want, said.String())
				}
			})
		})
	}
}

func aheadOf(c *Clock) time.Duration { return time.Until(c.Now()) }

// TestClockDoesNotGoBack: what is known of the difference becomes finer by an answer that is quick, and who was woken
// at a time finds that it has come.
func TestClockDoesNotGoBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := func() time.Time { return time.Now().Add(10 * time.Minute) }
		for n := range 100 {
			c := NewClock(slog.New(slog.DiscardHandler))
			get(t, c.Wrap(datedBy(server, time.Duration(n)*31*time.Millisecond)))
			last := c.Now()
			get(t, c.Wrap(datedBy(server, 0)))
			if now := c.Now(); now.Before(last) {
				t.Errorf("after an answer that took %d ms: got %s after %s", n*31, now, last)
			}
			time.Sleep(37 * time.Millisecond)
		}
	})
}

// TestClockIsSet: one of the two was set, and that is found out by the next answer.
func TestClockIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ahead := 10 * time.Minute
		c := NewClock(slog.New(slog.DiscardHandler))
		transport := c.Wrap(datedBy(func() time.Time { return time.Now().Add(ahead) }, 0))
		for _, next := range []time.Duration{ahead, 0, -time.Hour, -time.Hour + 30*time.Second, 0} {
			ahead = next
			get(t, transport)
			if off := (aheadOf(c) - next).Abs(); off > 500*time.Millisecond {
				t.Errorf("got the API server's clock %s ahead, want %s", aheadOf(c), next)
			}
		}
	})
}

// TestClockAlone: without answers that tell the time, and without a clock, it is this machine's.
func TestClockAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewClock(slog.New(slog.DiscardHandler))
		get(t, c.Wrap(playedTransport(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}}, nil
		})))
		for _, clock := range []*Clock{c, nil} {
			if got, want := clock.Now(), time.Now(); !got.Equal(want) {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	})
}

// datedBy answers after a while with the time of a clock, cut to the second as HTTP has it.
func datedBy(clock func() time.Time, slow time.Duration) http.RoundTripper {
	return playedTransport(func(*http.Request) (*http.Response, error) {
		time.Sleep(slow / 2)
		date := clock()
		time.Sleep(slow / 2)
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{"Date": {date.UTC().Format(http.TimeFormat)}}}, nil
	})
}

func get(t *testing.T, transport http.RoundTripper) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.example/version", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
}
