package cleanup

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
)

// TestLateJobsAreShown: a Job that is due and not archived shows until it goes, from the moment it is due.
func TestLateJobsAreShown(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.start()
		j, p := b.finished("a")
		due := j.Status.Conditions[0].LastTransitionTime.Add(b.cfg.TTLSuccess)
		after(time.Minute)
		if n, since := b.janitor.Late(); n != 0 || !since.IsZero() {
			t.Errorf("before its time: got %d late since %s, want none", n, since)
		}
		after(time.Until(due) + time.Minute)
		if n, since := b.janitor.Late(); n != 1 || since.Sub(due).Abs() > time.Second {
			t.Errorf("after its time: got %d late since %s, want one since %s", n, since, due)
		}
		b.seal(p, archive.Complete)
		b.finish(j.UID)
		after(time.Minute)
		if n, since := b.janitor.Late(); n != 0 || !since.IsZero() {
			t.Errorf("after it went: got %d late since %s, want none", n, since)
		}
		if b.job("a") != nil {
			t.Error("the Job is there still")
		}
	})
}

// TestDryRunIsNeverLate: what a dry run leaves stays for ever, and nobody is to be woken for it.
func TestDryRunIsNeverLate(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.cfg.DryRun = true
		b.start()
		_, p := b.finished("a")
		b.seal(p, archive.Complete)
		after(3 * b.cfg.TTLSuccess)
		if n, _ := b.janitor.Late(); n != 0 {
			t.Errorf("got %d late, want none", n)
		}
	})
}

// TestNextDeadlineIsShown: the gate says when it lets go the first of those that it holds.
func TestNextDeadlineIsShown(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.start()
		j, p := b.finished("a")
		b.finished("b")
		after(time.Minute)
		if at := b.janitor.NextDeadline(); !at.IsZero() {
			t.Errorf("nothing is held: got %s, want none", at)
		}
		background := metav1.DeletePropagationBackground
		if err := b.api.remove(b.job("a"), &metav1.DeleteOptions{PropagationPolicy: &background}, false); err != nil {
			t.Fatal(err)
		}
		after(time.Second)
		want := j.Status.Conditions[0].LastTransitionTime.Add(b.cfg.GateDeadline)
		if at := b.janitor.NextDeadline(); !at.Equal(want) {
			t.Errorf("one is held: got %s, want %s", at, want)
		}
		b.seal(p, archive.Complete)
		b.finish(j.UID)
		after(time.Minute)
		if at := b.janitor.NextDeadline(); !at.IsZero() {
			t.Errorf("it was let go: got %s, want none", at)
		}
	})
}
