package access

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// ask asks for the token from an address and says how long that took.
func ask(t *testing.T, r *Reviews, address, token string) (took time.Duration, code int) {
	t.Helper()
	begun := time.Now()
	_, err := r.User(From(t.Context(), address), bearer(token))
	return time.Since(begun), codeOf(err)
}

// flood has wrong tokens come from an address, so many a minute, until the context ends.
func flood(ctx context.Context, r *Reviews, address string, perMinute int, group *sync.WaitGroup) {
	tick := time.NewTicker(time.Minute / time.Duration(perMinute))
	defer tick.Stop()
	for n := 0; ; n++ {
		group.Go(func() { _, _ = r.User(From(ctx, address), bearer(fmt.Sprintf("wrong-%d", n))) })
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// TestStrangersHoldUpNobody: ten thousand wrong tokens a minute, each of which the API server takes its time for,
// change nothing for who is known, little for who was, and somebody new still comes in.
func TestStrangersHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slow = 200 * time.Millisecond
		server := &reviewer{aware: true, slow: slow, allowed: map[string]bool{"jane get pods/log jobs": true}}
		reviews := server.reviews()
		for _, token := range []string{"often", "seldom"} {
			if took, code := ask(t, reviews, "10.0.0.1:1", token); code != 0 || took != slow {
				t.Fatalf("%s: got code %d after %s, want 0 after one review", token, code, took)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() { flood(ctx, reviews, "10.9.9.9:1", 10_000, &group) })
		for second := 1; second <= 300; second++ {
			time.Sleep(time.Second)
			if took, code := ask(t, reviews, "10.0.0.1:1", "often"); code != 0 || took != 0 {
				t.Errorf("after %d s, who comes often: got code %d after %s, want 0 at once", second, code, took)
			}
			if second%100 != 0 {
				continue
			}
			if took, code := ask(t, reviews, "10.0.0.1:1", "seldom"); code != 0 || took > slow {
				t.Errorf("after %d s, who comes seldom: got code %d after %s, want 0 after one review", second, code, took)
			}
			// Somebody new waits for those who came before, of whom there is a bound.
			most := slow * (maxWaitingOne/maxStrange + 2)
			if took, code := ask(t, reviews, "10.0.0.2:1", fmt.Sprintf("new-%d", second)); code != 0 || took > most {
				t.Errorf("after %d s, somebody new: got code %d after %s, want 0 within %s", second, code, took, most)
			}
		}
		stop()
		group.Wait()
		time.Sleep(reviewTimeout) // the last of them are asked for all the same
		if got := len(reviews.users.Keys()); got != 5 {
			t.Errorf("%d tokens are known, want the 5 that are good", got)
		}
	})
}

// TestRefusalsPushNothingOut: a thousandfold of wrong tokens and of denials, and what is known stays known.
func TestRefusalsPushNothingOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &reviewer{aware: true, allowed: map[string]bool{"jane get pods/log jobs": true}}
		reviews := server.reviews()
		user, err := reviews.User(t.Context(), bearer("opaque"))
		if err != nil {
			t.Fatal(err)
		}
		if err := reviews.May(t.Context(), user, ReadLogs.In("jobs", "")); err != nil {
			t.Fatal(err)
		}
		for n := range maxDenied + 1 {
			_, _ = reviews.User(t.Context(), bearer(fmt.Sprintf("wrong-%d", n)))
			_ = reviews.May(t.Context(), user, ReadLogs.In("others", fmt.Sprint(n)))
		}
		tokens, acts := server.asked()
		if _, err := reviews.User(t.Context(), bearer("opaque")); err != nil {
			t.Error(err)
		}
		if err := reviews.May(t.Context(), user, ReadLogs.In("jobs", "")); err != nil {
			t.Error(err)
		}
		if againTokens, againActs := server.asked(); againTokens != tokens || againActs != acts {
			t.Errorf("asked for %d tokens and %d acts again, want none: both are known", againTokens-tokens, againActs-acts)
		}
	})
}

// TestRefreshedTokenIsLost: what is asked for beside the answers counts as if it had been waited for.
func TestRefreshedTokenIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &reviewer{aware: true}
		reviews := server.reviews()
		_, _ = ask(t, reviews, "", "opaque")
		server.mu.Lock()
		server.lost = "opaque"
		server.mu.Unlock()
		time.Sleep(knownFor * 9 / 10)
		if _, code := ask(t, reviews, "", "opaque"); code != 0 {
			t.Errorf("within its minute: got code %d, want it known", code)
		}
		synctest.Wait()
		if _, code := ask(t, reviews, "", "opaque"); code != 401 {
			t.Errorf("after the API server has said no: got code %d, want 401", code)
		}
	})
}

// TestStrangersHaveOneRoom: one address cannot take all of it, and what does not fit is told so at once.
func TestStrangersHaveOneRoom(t *testing.T) {
	s := newStrangers(3, 2)
	enter := func(from string, want int) func() {
		t.Helper()
		leave, err := s.enter(from)
		if got := codeOf(err); got != want {
			t.Fatalf("%s: got code %d, want %d", from, got, want)
		}
		return leave
	}
	first, second := enter("a", 0), enter("a", 0)
	enter("a", 429)
	third := enter("b", 0)
	enter("c", 429)
	first()
	fourth := enter("c", 0)
	for _, leave := range []func(){second, third, fourth} {
		leave()
	}
	if s.waiting != 0 || len(s.of) != 0 {
		t.Errorf("got %d waiting and addresses %v, want none", s.waiting, s.of)
	}
}
