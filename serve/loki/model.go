package loki

import (
	"cmp"
	"strconv"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/serve/loki/logql"
)

// keptJob is what the API knows of a Job, or of a pod without one. It is shared and not changed once it is made.
type keptJob struct {
	ref           archive.PodRef // without the pod, unless it is a pod without a Job
	created       int64
	open          bool // some of its pods are not sealed yet
	state         string
	kind          string // "": not known
	workload, run string
	logs          []*keptLog
}

// keptLog is what the API knows of one instance's log.
type keptLog struct {
	job      *keptJob
	instance archive.Instance
	verdict  string
	attempt  int
	open     bool
	key      archive.Key // of the log object; "": there is none (yet)
	size     int64
	sum      string // of its text

	lines, bytes int64
	from, to     int64 // between these are all lines and notes; of an open log to is far away
	first, last  int64 // times of the lines of a sealed log: both included

	notes []note

	stream *logql.Stream // of its lines
	aside  *logql.Stream // of its notes
	meta   logql.Labels  // of both; sorted
}

// note is an entry of its own about a log: a gap, why nothing is kept of it, damage.
type note struct {
	at     int64
	after  int64 // the number of lines before it
	kind   string
	reason string
	text   string
}

// Values of the label epilogue, which lines do not have. never-started is the third.
const (
	kindGap    = "gap"
	kindDamage = "damage"
)

const verdictOpen = "open" // of a log that is not sealed

// Names of labels and of structured metadata.
const (
	labelNamespace = "namespace"
	labelJob       = "job"
	labelContainer = "container"
	labelService   = "service_name"
	labelKind      = "kind"
	labelState     = "state"
	labelVerdict   = "verdict"
	labelNote      = "epilogue"

	metaLevel    = "detected_level"
	metaPod      = "pod"
	metaUID      = "uid"
	metaAttempt  = "attempt"
	metaRestart  = "restart"
	metaLine     = "line"
	metaTime     = "time"
	metaWorkload = "workload"
	metaRun      = "run"
	metaReason   = "reason"
)

func (l *keptLog) cover(at int64) {
	if at != 0 {
		l.from, l.to = min(l.from, at), max(l.to, at)
	}
}

func (l *keptLog) note(n note) {
	l.notes = append(l.notes, n)
	l.cover(n.at)
}

// finish gives a log its labels.
func (j *keptJob) finish(l *keptLog) {
	name := cmp.Or(j.ref.Job, j.ref.Pod)
	pairs := map[string]string{
		labelNamespace: j.ref.Namespace, labelContainer: l.instance.Container, labelService: name,
		labelState: j.state, labelVerdict: l.verdict,
	}
	if j.ref.Job != "" {
		pairs[labelJob] = j.ref.Job
	}
	if j.kind != "" {
		pairs[labelKind] = j.kind
	}
	l.stream = &logql.Stream{Labels: logql.NewLabels(pairs)}
	if len(l.notes) > 0 {
		pairs[labelNote] = l.notes[0].kind
		l.aside = &logql.Stream{Labels: logql.NewLabels(pairs)}
	}
	meta := map[string]string{
		metaPod: l.instance.Pod, metaUID: string(l.instance.PodUID), metaAttempt: strconv.Itoa(l.attempt),
		metaRestart: strconv.Itoa(l.instance.Restart),
	}
	if j.workload != "" {
		meta[metaWorkload] = j.workload
	}
	if j.run != "" {
		meta[metaRun] = j.run
	}
	l.meta = logql.NewLabels(meta)
	j.logs = append(j.logs, l)
}

// damageStream is the stream of what is told of a log's damage.
func (l *keptLog) damageStream() *logql.Stream {
	pairs := l.stream.Labels.Map()
	pairs[labelNote] = kindDamage
	return &logql.Stream{Labels: logql.NewLabels(pairs)}
}

// weight is what the Job takes in memory, nearly.
func (j *keptJob) weight() int {
	const job, log, ofNote = 400, 1400, 120 // measured
	n := job
	for _, l := range j.logs {
		n += log
		for i := range l.notes {
			n += ofNote + len(l.notes[i].text)
		}
	}
	return n
}

// matches says whether matchers hold for a stream of the log. What is metadata of all its lines may be asked for as if
// it were labels.
func (l *keptLog) matches(matchers []logql.Matcher, stream *logql.Stream) bool {
	if stream == nil {
		return false
	}
	for i := range matchers {
		value, ok := stream.Labels.Get(matchers[i].Name)
		if !ok {
			value, _ = l.meta.Get(matchers[i].Name)
		}
		if !matchers[i].Matches(value) {
			return false
		}
	}
	return true
}

// compare orders logs in a way that stays the same: by Job, pod, container and restart.
func (l *keptLog) compare(other *keptLog) int {
	a, b := &l.instance, &other.instance
	return cmp.Or(cmp.Compare(l.job.created, other.job.created), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.JobUID, b.JobUID),
		cmp.Compare(l.attempt, other.attempt), cmp.Compare(a.PodUID, b.PodUID), cmp.Compare(a.Container, b.Container), cmp.Compare(a.Restart, b.Restart))
}
