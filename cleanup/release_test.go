package cleanup

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/epilogue-dev/epilogue/mark"
)

// gated is a Job with these finalizers, and annotations as key, value, key, value.
func gated(name string, finalizers []string, annotations ...string) *batchv1.Job {
	j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "jobs", Name: name, UID: types.UID(name + "-uid"), Finalizers: finalizers}}
	for i := 0; i < len(annotations); i += 2 {
		metav1.SetMetaDataAnnotation(&j.ObjectMeta, annotations[i], annotations[i+1])
	}
	return j
}

func gatedPod(name, job string, finalizers ...string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "jobs", Name: name, UID: types.UID(name + "-uid"), Finalizers: finalizers,
		Labels:          map[string]string{batchv1.JobNameLabel: job, "controller-uid": job + "-uid"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: job, UID: types.UID(job + "-uid")}},
	}}
}

// patches returns the patches that were sent, in their order: what, then the text.
func patches(client *fake.Clientset) (sent []string) {
	for _, a := range client.Actions() {
		if p, ok := a.(clienttesting.PatchAction); ok {
			sent = append(sent, fmt.Sprintf("%s/%s %s", p.GetResource().Resource, p.GetName(), p.GetPatch()))
		}
	}
	return sent
}

func TestReleaseOneJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset(gated("a", []string{"other", mark.Finalizer}, mark.Verdict, "partial"), gated("b", []string{mark.Finalizer}),
			gatedPod("a-1", "a", mark.Finalizer), gatedPod("b-1", "b", mark.Finalizer))
		var out strings.Builder
		r := NewReleaser(ReleaseConfig{Namespace: "jobs"}, only(client, "a"), &out)
		if err := r.Job(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		want := []string{
			`jobs/a {"metadata":{"annotations":{"epilogue.dev/released":"2000-01-01T00:00:00Z"},"uid":"a-uid"}}`,
			`jobs/a [{"op":"test","path":"/metadata/uid","value":"a-uid"},{"op":"test","path":"/metadata/finalizers/1","value":"epilogue.dev/archive"},` +
				`{"op":"remove","path":"/metadata/finalizers/1","value":null}]`,
			`pods/a-1 [{"op":"test","path":"/metadata/uid","value":"a-1-uid"},{"op":"test","path":"/metadata/finalizers/0","value":"epilogue.dev/archive"},` +
				`{"op":"remove","path":"/metadata/finalizers/0","value":null}]`,
		}
		if got := patches(client); !reflect.DeepEqual(got, want) {
			t.Errorf("got patches\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if got, want := out.String(), "job/a released; its logs are archived, verdict partial\npod/a-1 released\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		a, _ := client.BatchV1().Jobs("jobs").Get(t.Context(), "a", metav1.GetOptions{})
		if got := a.Finalizers; !slices.Equal(got, []string{"other"}) {
			t.Errorf("got finalizers %q, want the other one alone", got)
		}
	})
}

// TestReleaseOfAJobWithItsOwnSelector frees its pods, which need not have the usual labels, and no others that the
// selector picks.
func TestReleaseOfAJobWithItsOwnSelector(t *testing.T) {
	picky := gated("picky", []string{mark.Finalizer})
	picky.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"picky": "yes"}}
	mine, theirs := gatedPod("picky-1", "picky", mark.Finalizer), gatedPod("other-1", "other", mark.Finalizer)
	mine.Labels, theirs.Labels = picky.Spec.Selector.MatchLabels, picky.Spec.Selector.MatchLabels
	client := only(fake.NewClientset(picky, mine, theirs), "picky")
	if err := NewReleaser(ReleaseConfig{Namespace: "jobs"}, client, &strings.Builder{}).Job(t.Context(), "picky"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"picky-1": 0, "other-1": 1} {
		pod, err := client.CoreV1().Pods("jobs").Get(t.Context(), name, metav1.GetOptions{})
		if err != nil || len(pod.Finalizers) != want {
			t.Errorf("%s has finalizers %q, %v, want %d", name, pod.Finalizers, err, want)
		}
	}
}

// only makes the fake answer a list by name, which it does not do by itself.
func only(client *fake.Clientset, name string) *fake.Clientset {
	client.PrependReactor("list", "jobs", func(a clienttesting.Action) (bool, runtime.Object, error) {
		fields := a.(clienttesting.ListAction).GetListRestrictions().Fields
		if fields.Empty() {
			return false, nil, nil
		}
		got, err := client.Tracker().Get(schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}, "jobs", name)
		if apierrors.IsNotFound(err) {
			return true, &batchv1.JobList{}, nil
		}
		return true, &batchv1.JobList{Items: []batchv1.Job{*got.(*batchv1.Job)}}, err
	})
	return client
}

func TestReleaseSaysWhatItCannot(t *testing.T) {
	client := only(fake.NewClientset(gated("open", nil)), "none")
	r := NewReleaser(ReleaseConfig{Namespace: "jobs"}, client, &strings.Builder{})
	if err := r.Job(t.Context(), "none"); !errors.Is(err, ErrNoJob) {
		t.Errorf("got error %v, want %v", err, ErrNoJob)
	}
	var out strings.Builder
	r = NewReleaser(ReleaseConfig{Namespace: "jobs"}, only(fake.NewClientset(gated("open", nil)), "open"), &out)
	if err := r.Job(t.Context(), "open"); err != nil || !strings.Contains(out.String(), "does not carry the gate") {
		t.Errorf("got %q and error %v, want it said that there is no gate", out.String(), err)
	}
}

func TestReleaseAll(t *testing.T) {
	objects := func() []runtime.Object {
		return []runtime.Object{
			gated("held", []string{mark.Finalizer}), gated("other", []string{"other"}),
			gated("adopted", []string{mark.Finalizer}, mark.AdoptedTTL, "0"), gated("free", nil, mark.AdoptedTTL, "60"),
			gated("odd", []string{mark.Finalizer}, mark.AdoptedTTL, "soon"), gatedPod("pod", "held", mark.Finalizer), gatedPod("plain", "held"),
		}
	}
	giveBack := func(name string, seconds int) string {
		at := "/metadata/annotations/epilogue.dev~1ttl-seconds-after-finished"
		return fmt.Sprintf(`jobs/%s: remove %s, add /spec/ttlSecondsAfterFinished %d`, name, at, seconds)
	}
	tests := []struct {
		name string
		cfg  ReleaseConfig
		n    int
		want []string
	}{
		{"by hand", ReleaseConfig{}, 4, []string{
			"jobs/adopted: remove /metadata/finalizers/0", "jobs/held: remove /metadata/finalizers/0", "jobs/odd: remove /metadata/finalizers/0",
			"pods/pod: remove /metadata/finalizers/0",
		}},
		{"for good", ReleaseConfig{ForGood: true}, 5, []string{
			strings.Replace(giveBack("adopted", 0), "remove", "remove /metadata/finalizers/0, remove", 1), giveBack("free", 60),
			"jobs/held: remove /metadata/finalizers/0", "jobs/odd: remove /metadata/finalizers/0", "pods/pod: remove /metadata/finalizers/0",
		}},
		{"dry run", ReleaseConfig{DryRun: true, ForGood: true}, 5, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client := fake.NewClientset(objects()...)
			test.cfg.Namespace = "jobs"
			var out strings.Builder
			n, err := NewReleaser(test.cfg, client, &out).All(t.Context())
			if err != nil || n != test.n {
				t.Errorf("got %d and error %v, want %d", n, err, test.n)
			}
			if got := changes(client); !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			if got := strings.Count(out.String(), "\n"); got != test.n {
				t.Errorf("got %d lines, want %d:\n%s", got, test.n, out.String())
			}
		})
	}
}

// changes returns what the JSON patches change, without their tests, sorted.
func changes(client *fake.Clientset) (all []string) {
	for _, a := range client.Actions() {
		p, ok := a.(clienttesting.PatchAction)
		if !ok || p.GetPatchType() != types.JSONPatchType {
			continue
		}
		var parts []string
		for _, s := range decode(p.GetPatch()) {
			switch s.Op {
			case "remove":
				parts = append(parts, "remove "+s.Path)
			case "add":
				parts = append(parts, fmt.Sprintf("add %s %v", s.Path, s.Value))
			}
		}
		all = append(all, fmt.Sprintf("%s/%s: %s", p.GetResource().Resource, p.GetName(), strings.Join(parts, ", ")))
	}
	slices.Sort(all)
	return all
}

func decode(patch []byte) (steps []step) {
	_ = json.Unmarshal(patch, &steps) // what cannot be read changes nothing, which the comparison shows
	return steps
}

// An object that changes between the listing and the patch is taken by the next pass, and one that is gone is no error.
func TestReleaseMeetsOthers(t *testing.T) {
	client := fake.NewClientset(gated("changing", []string{mark.Finalizer}), gated("going", []string{mark.Finalizer}))
	met := 0
	client.PrependReactor("patch", "jobs", func(a clienttesting.Action) (bool, runtime.Object, error) {
		p := a.(clienttesting.PatchAction)
		if p.GetName() == "going" {
			gvr := p.GetResource()
			_ = client.Tracker().Delete(gvr, "jobs", "going") // the second time it is gone already
			return true, nil, apierrors.NewNotFound(gvr.GroupResource(), "going")
		}
		if met++; met == 1 {
			return true, nil, apierrors.NewInvalid(schema.GroupKind{Kind: "Job"}, "changing", nil)
		}
		return false, nil, nil
	})
	if _, err := NewReleaser(ReleaseConfig{Namespace: "jobs", ForGood: true}, client, &strings.Builder{}).All(t.Context()); err != nil {
		t.Fatal(err)
	}
	j, err := client.BatchV1().Jobs("jobs").Get(t.Context(), "changing", metav1.GetOptions{})
	if err != nil || len(j.Finalizers) > 0 || met != 2 {
		t.Errorf("got finalizers %q after %d patches, error %v, want none after 2", j.Finalizers, met, err)
	}
}

// A daemon that still puts the gate on is found out, and does not keep the command busy for ever.
func TestReleaseIsUndone(t *testing.T) {
	client := fake.NewClientset(gated("a", []string{mark.Finalizer}))
	client.PrependReactor("patch", "jobs", func(clienttesting.Action) (bool, runtime.Object, error) { return true, gated("a", nil), nil })
	_, err := NewReleaser(ReleaseConfig{Namespace: "jobs"}, client, &strings.Builder{}).All(t.Context())
	if err == nil || !strings.Contains(err.Error(), "does a daemon") {
		t.Errorf("got error %v, want one that asks for the daemon", err)
	}
}
