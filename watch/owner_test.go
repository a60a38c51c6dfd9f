package watch

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
