package lease

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

// The expected owners are part of the protocol: replicas of two versions must agree.
func TestOwner(t *testing.T) {
	const job = types.UID("6f1c0e0a-5a4e-4d0b-9f39-0d1f2c3b4a59")
	tests := []struct {
		name string
		live []string
		want string
	}{
		{"nobody", nil, ""},
		{"alone", []string{"a"}, "a"},
		{"order does not matter", []string{"c", "b", "a"}, Owner(job, []string{"a", "b", "c"})},
		{"three", []string{"epilogue-0", "epilogue-1", "epilogue-2"}, "epilogue-1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Owner(job, test.live); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestOwnerOf(t *testing.T) {
	const job = types.UID("6f1c0e0a-5a4e-4d0b-9f39-0d1f2c3b4a59") // belongs to epilogue-1, see TestOwner
	member := func(n string) Member {
		return Member{Replica: "epilogue-" + n, Lease: types.UID("lease-" + n), API: "10.0.0." + n + ":8443"}
	}
	zero, one, two := member("0"), member("1"), member("2")
	tests := []struct {
		name string
		view View
		want Member
	}{
		{"nobody", View{}, Member{}},
		{"self", View{Self: one, Others: []Member{zero, two}}, one},
		{"another one", View{Self: zero, Others: []Member{one, two}}, one},
		{"self without a Lease", View{Self: Member{}, Others: []Member{one, two}}, one},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, ok := test.view.OwnerOf(job)
			if !got.is(test.want) || ok != (test.want.Replica != "") {
				t.Errorf("got %+v, %t, want %+v", got, ok, test.want)
			}
		})
	}
	for j := range 1000 {
		uid := types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", j))
		v := View{Self: two, Others: []Member{zero, one}}
		if got, _ := v.OwnerOf(uid); (got.Replica == two.Replica) != v.Roster().Owns(uid) {
			t.Fatalf("Job %s: got owner %s, and the roster says %t of %s", uid, got.Replica, v.Roster().Owns(uid), two.Replica)
		}
	}
}

func replicas(n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("epilogue-6d5f7c9b8d-%05d", i))
	}
	return names
}

func TestOwnerIsFairAndMovesLittle(t *testing.T) {
	const jobs = 20_000
	for n := 1; n <= 8; n++ {
		before, after := replicas(n), replicas(n+1)
		joined := after[n]
		count, moved := map[string]int{}, 0
		for j := range jobs {
			uid := types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", j))
			old, now := Owner(uid, before), Owner(uid, after)
			count[old]++
			if old == now {
				continue
			}
			moved++
			if now != joined {
				t.Fatalf("Job %s went from %s to %s when %s joined, want to nobody else", uid, old, now, joined)
			}
		}
		fair := func(got, shares int) bool { return got*shares > jobs*9/10 && got*shares < jobs*11/10 }
		for _, replica := range before {
			if !fair(count[replica], n) {
				t.Errorf("%d replicas: %s owns %d of %d Jobs, want its share within a tenth", n, replica, count[replica], jobs)
			}
		}
		if !fair(moved, n+1) {
			t.Errorf("%d replicas and one more: %d of %d Jobs moved, want 1 of %d within a tenth", n, moved, jobs, n+1)
		}
	}
}
