package archive

import (
	"testing"
)

// FuzzIndexName: a name is refused, or it is exactly the one that is made of what was read from it.
func FuzzIndexName(f *testing.F) {
	for _, name := range []string{"ns.job.uid", "ns.a.job.uid", "ns._pod.a.pod.uid", "ns._pod.uid", "ns.job.", "..", "", "ns.uid", "ns.a/b.uid"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		ref, err := ParseIndexName(name)
		if err != nil {
			return
		}
		if got := ref.IndexName(); got != name {
			t.Errorf("got %+v, which makes %q, want %q", ref, got, name)
		}
	})
}

func TestIndexName(t *testing.T) {
	tests := []struct {
		name string
		want PodRef
		ok   bool
	}{
		{"ns.a.job.uid", PodRef{Namespace: "ns", Job: "a.job", JobUID: "uid"}, true},
		{"ns._pod.a.pod.uid", PodRef{Namespace: "ns", Pod: "a.pod", PodUID: "uid"}, true},
		{"ns.job", PodRef{}, false},
		{"ns.job.", PodRef{}, false},
		{".job.uid", PodRef{}, false},
		{"ns..uid", PodRef{}, false},
		{"ns.a/b.uid", PodRef{}, false},
		{"ns._pod.uid", PodRef{}, false},
		{"ns._pod..uid", PodRef{}, false},
	}
	for _, test := range tests {
		got, err := ParseIndexName(test.name)
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("%q: got %+v and error %v, want %+v", test.name, got, err, test.want)
		}
	}
}
