package lease

import (
	"context"
	"log/slog"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// member is one replica's Leases at work.
type member struct {
	*Leases
	stop func()
}

func join(t *testing.T, s *watchtest.LeaseServer, replica string) *member {
	t.Helper()
	return joinAs(t, s, Config{Namespace: "system", Group: "epilogue", Replica: replica, Duration: watchtest.LeaseTime, API: replica + ".example:8443"})
}

func joinAs(t *testing.T, s *watchtest.LeaseServer, cfg Config) *member {
	t.Helper()
	l, err := New(cfg, s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = l.Run(ctx)
	}()
	m := &member{l, func() { cancel(); <-done }}
	t.Cleanup(m.stop)
	return m
}

// sees returns who is live in the eyes of a replica.
func (m *member) sees() []string {
	v, _ := m.View()
	return v.Roster().Live
}

func (m *member) lease() types.UID {
	v, _ := m.View()
	return v.Self.Lease
}

func check(t *testing.T, what string, m *member, want ...string) {
	t.Helper()
	if got := m.sees(); !slices.Equal(got, want) {
		t.Errorf("%s: %s sees %v, want %v", what, m.cfg.Replica, got, want)
	}
}
