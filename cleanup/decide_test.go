package cleanup

import (
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/mark"
)

func TestFinishedJobs(t *testing.T) {
	kept := pod("a", succeeded, sealed)
	only := []Pod{kept}
	check(t, []row{
		{"before its time", Facts{Job: job(done, open), Pods: only}, nil, noon.Add(-time.Second), "wait ttl-success 12:00"},
		{"at its time", Facts{Job: job(done, open), Pods: only}, nil, noon, "delete-job ttl-success"},
		{"failed ones have another time", Facts{Job: job(broken, open), Pods: only}, nil, noon, "wait ttl-failure 14:00"},
		{"failed ones go, too", Facts{Job: job(broken, open), Pods: only}, nil, evening, "delete-job ttl-failure"},
		{"its end lies in the future", Facts{Job: job(done, open), Pods: only}, nil, started1, "wait ttl-success 12:00"},
		{"no pods at all", Facts{Job: job(broken, open)}, nil, evening, "delete-job ttl-failure"},
		{"sealed: the gate opens first", Facts{Job: job(done), Pods: only}, nil, ended, "release sealed, wait ttl-success 12:00"},
		{"sealed late", Facts{Job: job(done), Pods: only}, nil, evening, "release sealed, delete-job ttl-success"},
		{"not sealed", Facts{Job: job(done), Pods: []Pod{pod("a", succeeded)}}, nil, evening, "keep unsealed"},
		{"not sealed and without a gate", Facts{Job: job(done, open), Pods: []Pod{pod("a", succeeded)}}, nil, ended, "hold gate, wait ttl-success 12:00"},
		{"not sealed, and had finished before", Facts{Job: job(done, open), Pods: []Pod{pod("a", succeeded)}, Since: noon}, nil, ended, "wait ttl-success 12:00"},
		{"one of two is not sealed", Facts{Job: job(done), Pods: []Pod{kept, pod("b", succeeded)}}, nil, evening, "keep unsealed"},
		{"one that is gone is not sealed", Facts{Job: job(done), Pods: only, Open: 1}, nil, evening, "keep unsealed"},
		{"not known yet: no gate for it", Facts{Job: job(done, open), Pods: []Pod{pod("a", succeeded, unproven)}}, nil, evening, "keep unsealed"},
		{"TTL 0", Facts{Job: job(done, open), Pods: only}, func(s *config.Cleanup) { s.TTLSuccess = 0 }, ended, "delete-job ttl-success"},
		{"cleanup off", Facts{Job: job(done), Pods: only}, func(s *config.Cleanup) { s.Enabled = false }, evening, "release sealed, keep disabled"},
		{"CronJob's", Facts{Job: job(done, open, ofCronJob), Pods: only}, nil, evening, "keep cronjob"},
		{"CronJob's, told so", Facts{Job: job(done, open, ofCronJob), Pods: only}, func(s *config.Cleanup) { s.CronJobs = true }, evening, "delete-job ttl-success"},
		{"CronJob's whose TTL was taken", Facts{Job: job(done, open, ofCronJob, annotated(mark.AdoptedTTL, "60")), Pods: only}, nil, evening, "delete-job adopted-ttl"},
	})
}

func TestAnnotationsBeatRules(t *testing.T) {
	only := []Pod{pod("a", succeeded, sealed)}
	an := func(key, value string) Facts { return Facts{Job: job(done, open, annotated(key, value)), Pods: only} }
	keepAll := func(s *config.Cleanup) { s.Rules = []config.Rule{{Name: "*", Keep: true}} }
	check(t, []row{
		{"keep", an(mark.Keep, "true"), nil, evening, "keep kept"},
		{"keep: anything else keeps, too", an(mark.Keep, ""), nil, evening, "keep kept"},
		{"keep: false", an(mark.Keep, "false"), nil, evening, "delete-job ttl-success"},
		{"ttl", an(mark.TTL, "7h"), nil, evening.Add(-2 * time.Hour), "wait annotation 17:00"},
		{"ttl is over", an(mark.TTL, "30m"), nil, noon.Add(-time.Hour), "delete-job annotation"},
		{"ttl for ever", an(mark.TTL, "forever"), nil, evening, "keep kept"},
		{"ttl that cannot be read", an(mark.TTL, "soon"), nil, evening, "keep bad-annotation"},
		{"expires", an(mark.Expires, "2026-11-24T20:00:00Z"), nil, evening, "wait annotation 20:00"},
		{"expired before its end", an(mark.Expires, "2026-11-23"), nil, ended, "delete-job annotation"},
		{"expired before its end, which lies in the future", an(mark.Expires, "2026-11-23"), nil, started1, "wait annotation 10:00"},
		{"expires that cannot be read", an(mark.Expires, "x"), nil, evening, "keep bad-annotation"},
		{"adopted TTL", an(mark.AdoptedTTL, "3600"), nil, noon, "delete-job adopted-ttl"},
		{"adopted TTL, not yet", an(mark.AdoptedTTL, "10800"), nil, noon, "wait adopted-ttl 13:00"},
		{"adopted TTL that cannot be read", an(mark.AdoptedTTL, "1h"), nil, evening, "keep bad-annotation"},
		{"keep: false over a rule that keeps", an(mark.Keep, "false"), keepAll, evening, "delete-job ttl-success"},
		{"keep: false does not beat what else its owner wrote", Facts{Job: job(done, open, annotated(mark.Keep, "false"), annotated(mark.TTL, "forever")), Pods: only},
			nil, evening, "keep kept"},
		{"keep: false of one that runs, over a rule that keeps", Facts{Job: job(annotated(mark.Keep, "false")), Pods: []Pod{pod("a", unscheduled(started1))}},
			keepAll, evening, "keep running, withdraw-pod unschedulable a"},
		{"annotation over a rule that keeps", an(mark.TTL, "1h"), keepAll, noon, "delete-job annotation"},
		{"annotation over history", Facts{Job: job(done, open, annotated(mark.TTL, "8h")), Pods: only, Newer: 9},
			func(s *config.Cleanup) { s.HistoryLimit = 1 }, noon, "wait annotation 18:00"},
		{"own TTL over adopted", Facts{Job: job(done, open, annotated(mark.TTL, "1h"), annotated(mark.AdoptedTTL, "9999")), Pods: only}, nil, noon, "delete-job annotation"},
	})
}

func TestRules(t *testing.T) {
	only := []Pod{pod("a", succeeded, sealed)}
	hour, long, two := time.Hour, 9*time.Hour, 2
	ml, _ := labels.Parse("team=ml")
	rules := func(s *config.Cleanup) {
		s.Rules = []config.Rule{
			{Name: "audit-*", Keep: true}, {Kind: mark.Builder, TTLSuccess: &hour}, {Selector: ml, TTLSuccess: &long, HistoryLimit: &two},
		}
	}
	team := func(j *batchv1.Job) { j.Labels["team"] = "ml" }
	named := func(j *batchv1.Job) { j.Name = "audit-7" }
	check(t, []row{
		{"none matches", Facts{Job: job(done, open), Pods: only}, rules, noon, "delete-job ttl-success"},
		{"name", Facts{Job: job(done, open, named), Pods: only}, rules, evening, "keep kept"},
		{"kind", Facts{Job: job(done, open), Pods: only, Kind: mark.Builder}, rules, noon.Add(-time.Hour), "delete-job ttl-success"},
		{"labels", Facts{Job: job(done, open, team), Pods: only}, rules, evening, "wait ttl-success 19:00"},
		{"the first that matches counts", Facts{Job: job(done, open, team), Pods: only, Kind: mark.Builder}, rules, evening, "delete-job ttl-success"},
		{"what a rule leaves out is as the settings say", Facts{Job: job(broken, open, team), Pods: only}, rules, noon, "wait ttl-failure 14:00"},
		{"history of a rule", Facts{Job: job(done, open, team), Pods: only, Newer: 2}, rules, ended, "delete-job history"},
		{"within the history", Facts{Job: job(done, open, team), Pods: only, Newer: 1}, rules, ended, "wait ttl-success 19:00"},
		{"history of the settings", Facts{Job: job(done, open), Pods: only, Newer: 3}, func(s *config.Cleanup) { s.HistoryLimit = 3 }, ended, "delete-job history"},
		{"history waits for the seal", Facts{Job: job(done), Pods: []Pod{pod("a", succeeded)}, Newer: 3},
			func(s *config.Cleanup) { s.HistoryLimit = 3 }, ended, "keep unsealed"},
	})
}

func TestGate(t *testing.T) {
	never := func(s *config.Cleanup) { s.Gate = config.GateNever }
	only := func(s *config.Cleanup) { s.Gate = config.GateLaunchedOnly }
	launched := func(j *batchv1.Job) { j.Labels[mark.Kind] = mark.Runner }
	check(t, []row{
		{"put on at once", Facts{Job: job(open)}, nil, started1, "hold gate, keep running"},
		{"it is there", Facts{Job: job()}, nil, started1, "keep running"},
		{"never", Facts{Job: job(open)}, never, started1, "keep running"},
		{"launched only: not launched", Facts{Job: job(open)}, only, started1, "keep running"},
		{"launched only: launched", Facts{Job: job(open, launched)}, only, started1, "hold gate, keep running"},
		{"CronJob's is held all the same", Facts{Job: job(open, ofCronJob)}, nil, started1, "hold gate, keep cronjob"},
		{"cleanup off: held all the same", Facts{Job: job(open)}, func(s *config.Cleanup) { s.Enabled = false }, started1, "hold gate, keep disabled"},
		{"never: one from elsewhere is let go", Facts{Job: job(done), Pods: []Pod{pod("a", succeeded, sealed)}}, never, ended, "release sealed, wait ttl-success 12:00"},
		{"it was released by hand", Facts{Job: job(open, annotated(mark.Released, "2026-11-24T08:00:00Z"))}, nil, started1, "keep running"},
		{"a TTL is taken over", Facts{Job: job(ownTTL(60))}, nil, started1, "adopt-ttl gate, keep running"},
		{"with the gate", Facts{Job: job(open, ownTTL(60))}, nil, started1, "hold gate, adopt-ttl gate, keep running"},
		{"a TTL that was taken over is put back, as by a manifest that is applied again", Facts{Job: job(ownTTL(60), annotated(mark.AdoptedTTL, "60"))}, nil, started1, "keep running"},
		{"it is kept all the same", Facts{Job: job(done, open, ownTTL(3600), annotated(mark.AdoptedTTL, "3600")), Pods: []Pod{pod("a", succeeded, sealed)}},
			nil, noon, "delete-job adopted-ttl"},
		{"another one is set", Facts{Job: job(ownTTL(90), annotated(mark.AdoptedTTL, "60"))}, nil, started1, "adopt-ttl gate, keep running"},
		{"a TTL is left", Facts{Job: job(ownTTL(60))}, func(s *config.Cleanup) { s.AdoptTTL = false }, started1, "keep running"},
		{"a TTL that is left is Kubernetes' own", Facts{Job: job(done, open, ownTTL(60)), Pods: []Pod{pod("a", succeeded, sealed)}},
			func(s *config.Cleanup) { s.AdoptTTL = false }, evening, "keep kubernetes-ttl"},
		{"a CronJob's TTL is left", Facts{Job: job(ofCronJob, ownTTL(60))}, nil, started1, "keep cronjob"},
		{"cleanup off: a TTL is left", Facts{Job: job(ownTTL(60))}, func(s *config.Cleanup) { s.Enabled = false }, started1, "keep disabled"},
		{"a kept Job's TTL is taken, or it would not be kept", Facts{Job: job(ownTTL(60), annotated(mark.Keep, "true"))}, nil, started1, "adopt-ttl gate, keep kept"},
	})
}
