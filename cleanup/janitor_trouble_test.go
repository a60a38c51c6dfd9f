package cleanup

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// TestAPIServerInTrouble: every request fails for ten minutes; they get rarer, and in the end all is done.
func TestAPIServerInTrouble(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.start()
		j, p := b.finished("a")
		b.seal(p, archive.Complete)
		b.finish(j.UID)
		after(time.Hour)
		tries := 0
		until := time.Now().Add(time.Hour + 10*time.Minute)
		b.api.intercept(func(string, string, string) error {
			if time.Now().Before(until) {
				tries++
				return errServer
			}
			return nil
		})
		after(time.Hour + 15*time.Minute)
		if b.job("a") != nil {
			t.Error("the Job is there still")
		}
		if most := 40; tries == 0 || tries > most {
			t.Errorf("got %d tries in ten minutes, want up to %d", tries, most)
		}
	})
}

// TestAnswerLost: the API server does each change of the Job in turn, and its answer is lost. The cache hears of it
// before it is tried again, so that trying again changes nothing; all the same the Job goes at its time.
func TestAnswerLost(t *testing.T) {
	for nth := range 2 { // the opening of the gate, the deletion
		t.Run(fmt.Sprintf("of change %d", nth), func(t *testing.T) {
			inBubble(t, func(b *bench) {
				changes := 0
				b.api.lose(func(verb, kind string) error {
					if kind != "jobs" || verb == http.MethodGet {
						return nil
					}
					if changes++; changes-1 == nth {
						return errServer
					}
					return nil
				})
				b.start()
				j, p := b.finished("a")
				b.seal(p, archive.Complete)
				b.finish(j.UID)
				after(3 * time.Hour)
				if changes <= nth {
					t.Fatalf("got %d changes, want the one whose answer is lost among them", changes)
				}
				if b.job("a") != nil {
					t.Error("the Job is there still")
				}
			})
		})
	}
}
