package serve

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/serve/access"
	"github.com/epilogue-dev/epilogue/serve/wire"
)

const jobsPath = "/api/v1/namespaces/jobs/jobs"

func (s *shelf) list(query string) *wire.JobList {
	s.t.Helper()
	w := s.ask(jobsPath + "?" + query)
	if w.Code != http.StatusOK {
		s.t.Fatalf("%s: got %d %s", query, w.Code, w.Body)
	}
	var l wire.JobList
	decode(s.t, w.Body.Bytes(), &l)
	return &l
}

func namesOf(l *wire.JobList) string {
	var names []string
	for _, j := range l.Items {
		names = append(names, j.Name)
	}
	return strings.Join(names, " ")
}

// kept puts Jobs a, b and c into the archive, a day apart, and leaves d open. Lists go from the newest day to the
// oldest.
func kept(t *testing.T) *shelf {
	s := newShelf(t)
	for n, name := range []string{"a", "b", "c"} {
		pod := archive.PodRef{Namespace: "jobs", Job: name, JobUID: archive.JobUID("uid-" + name), Pod: name + "-pod", PodUID: archive.PodUID("pod-" + name)}
		s.write(pod, "line")
		m := manifestOf(pod)
		m.Job.CreatedAt = start.AddDate(0, 0, n-3)
		record, err := s.sealer.Log(t.Context(), s.log(pod, "main"))
		if err != nil {
			t.Fatal(err)
		}
		m.Instances = []archive.InstanceRecord{record}
		if name == "b" {
			m.Pod.Phase = "Failed"
			m.Instances = append(m.Instances, archive.InstanceRecord{Instance: instance(pod, "side"), Verdict: archive.Lost, Reason: "evicted"})
		}
		s.sealAs(m)
	}
	open := archive.PodRef{Namespace: "jobs", Job: "d", JobUID: "uid-d", Pod: "d-pod", PodUID: "pod-d"}
	m := manifestOf(open)
	m.Job.CreatedAt = start
	m.Workloads = []string{"other"}
	m.Instances = []archive.InstanceRecord{{Instance: instance(open, "main")}}
	if err := s.spool.SaveDraft(&archive.Draft{Manifest: *m}); err != nil {
		t.Fatal(err)
	}
	s.write(open, "line")
	return s
}

func TestList(t *testing.T) {
	s := kept(t)
	tests := []struct{ query, want string }{
		{"", "d c b a"},
		{"failed", "b"},
		{"state=succeeded", "c a"},
		{"state=running", "d"},
		{"verdict=lost", "b"},
		{"verdict=lost,complete", "c b a"},
		{"since=2026-11-21T10:00:00Z", "d c b"},
		{"since=2026-11-21T10:00:01Z", "d c"},
		{"until=2026-11-21T10:00:00Z", "a"},
		{"workload=" + workload, "a b c"},
		{"workload=other", "d"},
		{"workload=none", ""},
		{"labelSelector=kind%3Db", "b"},
		{"labelSelector=kind+in+(a,c)", "c a"},
		{"limit=4", "d c b a"},
	}
	for _, test := range tests {
		l := s.list(test.query)
		if got := namesOf(l); got != test.want || l.Kind != "JobList" || l.Metadata.Continue != "" {
			t.Errorf("%q: got %q, continue %q, want %q and no more", test.query, got, l.Metadata.Continue, test.want)
		}
	}
	b := s.list("verdict=lost").Items[0]
	if b.State != "failed" || b.Open || len(b.Pods) != 1 || fmt.Sprint(b.Pods[0].Verdicts) != "[complete lost]" || b.Workloads[0] != workload {
		t.Errorf("got %+v, want the failed Job with both verdicts", b)
	}
	if d := s.list("state=running").Items[0]; !d.Open || d.UID != "uid-d" {
		t.Errorf("got %+v, want the Job that is open", d)
	}
}

// TestListOfAllNamespaces takes the right at the cluster scope; that in each namespace is not enough, as with kubectl.
func TestListOfAllNamespaces(t *testing.T) {
	s := kept(t)
	s.write(secretPod, "line")
	s.seal(secretPod, "main")
	wantStatus(t, s.askAs("", "/api/v1/jobs"), http.StatusUnauthorized, metav1.StatusReasonUnauthorized)
	wantStatus(t, s.askAs("admin", "/api/v1/jobs"), http.StatusForbidden, metav1.StatusReasonForbidden)
	s.access.rights["admin list pods "] = true
	for _, test := range []struct{ query, want string }{
		{"", "jobs/d secret/run jobs/c jobs/b jobs/a"},
		{"?failed", "jobs/b"},
		{"?limit=2", "jobs/d secret/run"},
	} {
		w := s.askAs("admin", "/api/v1/jobs"+test.query)
		var l wire.JobList
		decode(t, w.Body.Bytes(), &l)
		var got []string
		for _, j := range l.Items {
			got = append(got, j.Namespace+"/"+j.Name)
		}
		if w.Code != http.StatusOK || strings.Join(got, " ") != test.want {
			t.Errorf("%q: got %d %s, want %s", test.query, w.Code, got, test.want)
		}
	}
	if got, want := s.access.acts[len(s.access.acts)-1], access.ListPods; got != want {
		t.Errorf("asked for %+v, want %+v, of no namespace", got, want)
	}
}

// TestPages: every Job is on one page, whatever the size of a page and with whatever filter.
func TestPages(t *testing.T) {
	s := kept(t)
	for _, filter := range []string{"", "&verdict=complete", "&workload=" + workload} {
		want := namesOf(s.list("limit=1000" + filter))
		for limit := 1; limit <= 3; limit++ {
			var got []string
			query := fmt.Sprintf("limit=%d%s", limit, filter)
			for l := s.list(query); ; l = s.list(query + "&continue=" + url.QueryEscape(l.Metadata.Continue)) {
				if len(l.Items) > limit {
					t.Fatalf("%s: a page of %d", query, len(l.Items))
				}
				if len(l.Items) > 0 {
					got = append(got, namesOf(l))
				}
				if l.Metadata.Continue == "" {
					break
				}
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s: got %v, want %s", query, got, want)
			}
		}
	}
}

func TestWrongListParameters(t *testing.T) {
	s := kept(t)
	tests := []struct{ query, want string }{
		{"limit=0", `parameter limit is "0", want a whole number from 1 to 1000`},
		{"verdict=bad", `parameter verdict is "bad", want complete, seamed, partial, empty, lost or never-started`},
		{"state=done", `parameter state is "done"`},
		{"failed&state=running", `parameter failed is "true"`},
		{"labelSelector=a%3D%3D%3D", `parameter labelSelector is "a==="`},
		{"continue=!", `parameter continue is "!", want metadata.continue of an earlier page`},
		{"continue=YWJj", `parameter continue is "YWJj", want metadata.continue of an earlier page`},
		{"since=1h&until=2h", `parameter until`},
		{"names=a", `parameter names is "a", want one of the parameters`},
	}
	for _, test := range tests {
		status := wantStatus(t, s.ask(jobsPath+"?"+test.query), http.StatusBadRequest, metav1.StatusReasonBadRequest)
		if !strings.Contains(status.Message, test.want) {
			t.Errorf("%s: got %q, want it to hold %q", test.query, status.Message, test.want)
		}
	}
}

// TestDamagedDocumentHidesNoOther: of a Job whose document cannot be read nothing is told, of the others everything.
func TestDamagedDocumentHidesNoOther(t *testing.T) {
	s := kept(t)
	s.damage("v1/jobs/b/uid-b/job.json", 0)
	if got, want := namesOf(s.list("")), "d c a"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOneJob(t *testing.T) {
	s := kept(t)
	var j wire.Job
	decode(t, s.ask(jobsPath+"/b").Body.Bytes(), &j)
	if j.Name != "b" || j.State != "failed" || len(j.Pods) != 1 {
		t.Errorf("got %+v, want b", j)
	}
	wantStatus(t, s.ask(jobsPath+"/b?uid=other"), http.StatusNotFound, metav1.StatusReasonNotFound)
}

// TestListCostsWhatItShows: a page of one Job does not read the documents of all.
func TestListCostsWhatItShows(t *testing.T) {
	s := kept(t)
	before := s.faulty.Count(storetest.OpGet).Requests
	s.list("limit=1&until=2026-11-23T09:00:00Z")
	if got := s.faulty.Count(storetest.OpGet).Requests - before; got > 3 {
		t.Errorf("%d GETs for a page of one Job of three, want at most one for each", got)
	}
}

// TestListAgain: asking again and again reads no document a second time, and each caller is asked about each time.
func TestListAgain(t *testing.T) {
	s := kept(t)
	first := namesOf(s.list(""))
	before := s.faulty.Count(storetest.OpGet).Requests
	const times = 20
	for range times {
		if got := namesOf(s.list("")); got != first {
			t.Fatalf("listed again: %s, want %s", got, first)
		}
		wantStatus(t, s.askAs("joe", jobsPath), http.StatusForbidden, metav1.StatusReasonForbidden)
	}
	if gets := s.faulty.Count(storetest.OpGet).Requests - before; gets > 0 {
		t.Errorf("%d more lists cost %d GETs, want none", times, gets)
	}
	if asked := len(s.access.acts); asked != 1+2*times {
		t.Errorf("rights were asked for %d times, want %d", asked, 1+2*times)
	}
	delete(s.access.rights, "jane list pods jobs")
	wantStatus(t, s.ask(jobsPath), http.StatusForbidden, metav1.StatusReasonForbidden)
}
