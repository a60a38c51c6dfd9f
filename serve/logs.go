package serve

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/room"
	"github.com/epilogue-dev/epilogue/serve/access"
	"github.com/epilogue-dev/epilogue/serve/wire"
)

// Headers of an answer with lines.
const (
	headerSource  = "X-Log-Source"  // live, journal, archive or mixed; not there where no line is held
	headerVerdict = "X-Log-Verdict" // the worst of all logs; open while one is
	headerSeams   = "X-Log-Seams"   // of all logs together, as far as they are known; not there where there is none
	// headerWithheld is the number of namespaces that have logs of the workload which the caller may not read; not
	// there where there is none.
	headerWithheld = "X-Log-Withheld"
)

func (a *API) logRoutes() []Route {
	const base = "GET /api/v1/namespaces/{namespace}"
	return []Route{
		{Pattern: base + "/jobs/{job}/log", Act: access.ReadLogs, Handle: func(w http.ResponseWriter, r *http.Request) error {
			return a.serveLog(w, r, archive.Target{Namespace: r.PathValue("namespace"), Job: r.PathValue("job")})
		}},
		{Pattern: base + "/pods/{pod}/log", Act: access.ReadLogs, Handle: func(w http.ResponseWriter, r *http.Request) error {
			return a.serveLog(w, r, archive.Target{Namespace: r.PathValue("namespace"), Pod: r.PathValue("pod")})
		}},
		{Pattern: "GET /api/v1/workloads/{workload}/log", Handle: func(w http.ResponseWriter, r *http.Request) error {
			return a.serveLog(w, r, archive.Target{Workload: r.PathValue("workload")})
		}},
		{Pattern: base + "/pods/{pod}/log.zst", Act: access.ReadLogs, Handle: a.download},
		{Pattern: base + "/manifests/{pod}", Act: access.ReadLogs, Handle: a.manifest},
	}
}

// serveLog answers with the lines of a log, from wherever they are.
func (a *API) serveLog(w http.ResponseWriter, r *http.Request, target archive.Target) error {
	l, err := parseLog(r, target, a.parts.Now())
	if err != nil {
		return err
	}
	// A workload's namespace is known once it is found: nothing is asked of another replica before it may be answered.
	if target.Workload == "" && a.peers.answer(w, r, l.query.Target) {
		return nil
	}
	if l.query.Follow {
		ctx, cancel := untilStop(r.Context())
		var watching sync.WaitGroup
		defer watching.Wait()
		defer cancel()
		r = r.WithContext(ctx)
		l.query.NoMore, l.query.More = a.noMore(ctx, &watching, l.query.Target), a.more(l.query.Target)
	}
	if target.Workload != "" {
		l.scope = a.newScope()
		ctx := r.Context()
		l.query.Within = func(namespace string) bool { return l.scope.may(ctx, namespace) }
	}
	if l.format == formatSSE {
		l.query.Begun, l.query.Marked = l.begun, l.place.Marked
	}
	answer, err := a.parts.Reader.Read(r.Context(), l.query)
	if target.Workload != "" {
		if err := l.scope.refusal(r.Context()); err != nil {
			return err
		}
		if a.peers.answer(w, r, l.query.Target) {
			return nil
		}
	}
	if err != nil {
		return err
	}
	aw := w.(*answerWriter)
	tell(w.Header(), answer)
	l.scope.tell(w.Header())
	switch {
	case l.format == formatZenML:
		return a.serveZenML(aw, r, l, answer)
	case l.format == formatSSE && l.place.Given() && exhausted(answer, l.query.NoMore):
		// An EventSource comes back after every end of an answer. This tells it to stay away.
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return a.copyLog(aw, r, l, answer)
}

func (a *API) copyLog(w *answerWriter, r *http.Request, l *logRequest, answer *archive.Answer) error {
	s := newStream(w, l.formOf())
	if s.form.place != nil {
		l.tell = func() { _ = s.append(s.form.place) } // the next line meets the same error
	}
	copyAll := func() error { return s.copy(answer.Entries) }
	var err error
	if l.query.Follow {
		// At once, so that the client knows that it is listening, although there may be no line for hours.
		if err = s.flush(); err == nil {
			err = s.paced(a.cfg.Ping, copyAll)
		}
	} else {
		err = copyAll()
	}
	if err != nil {
		return a.breakOff(s, whyEnded(r.Context(), err))
	}
	if s.form.end != nil {
		end := a.endOf(r.Context(), l, answer)
		err = s.append(func(dst []byte) []byte { return s.form.end(dst, end) })
	}
	if err == nil {
		err = s.flush()
	}
	return err
}

// breakOff says why an answer ends before its end, if something was said already and the form has a way to say it.
func (a *API) breakOff(s *stream, err error) error {
	if (s.w.begun || len(s.buffer) > 0) && s.form.failure != nil && s.trouble == nil {
		_ = s.append(func(dst []byte) []byte { return s.form.failure(dst, statusOf(err)) })
	}
	if s.w.begun || len(s.buffer) > 0 {
		_ = s.flush() // lines that were read are no worse for what came after
	}
	return fmt.Errorf("read log: %w", err)
}

// endOf says what is known of each log at the end. A log that was followed has its verdict only now.
func (a *API) endOf(ctx context.Context, l *logRequest, answer *archive.Answer) *wire.End {
	if l.query.Follow {
		q, none := l.query, int64(0)
		q.Follow, q.Tail, q.After = false, &none, nil
		room.Of(ctx).Close() // nothing of the answer is read any more
		if now, err := a.parts.Reader.Read(ctx, q); err == nil {
			answer = now
		}
	}
	return wire.EndOf(answer)
}

// tell puts into the header what an answer of plain lines has no other place for.
func tell(h http.Header, answer *archive.Answer) {
	if answer.Source != "" {
		h.Set(headerSource, string(answer.Source))
	}
	h.Set(headerVerdict, worst(answer.Logs))
	tellSeams(h, seamsOf(answer.Logs))
	const most = 20 // of warnings; headers have a limit everywhere
	warned := 0
	for i := range answer.Logs {
		text := explain(&answer.Logs[i])
		if text == "" {
			continue
		}
		if warned++; warned > most {
			break
		}
		h.Add("Warning", `299 epilogue "`+quoted(text)+`"`)
	}
}

func tellSeams(h http.Header, seams int64) {
	if seams > 0 {
		h.Set(headerSeams, strconv.FormatInt(seams, 10))
	}
}

func seamsOf(logs []archive.LogStatus) (n int64) {
	for i := range logs {
		n += logs[i].Seams
	}
	return n
}

// quoted is text for within quotes in a header.
func quoted(text string) string {
	const most = 500
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return ' '
		}
		return c
	}, text)
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)
}

// worst is the verdict that a reader must know of: the one that says least good of its log.
func worst(logs []archive.LogStatus) string {
	order := []archive.Verdict{archive.Complete, archive.Empty, archive.NeverStarted, archive.Seamed, archive.Partial, archive.Lost}
	at, open := -1, false
	for i := range logs {
		open = open || logs[i].Verdict == ""
		at = max(at, slices.Index(order, logs[i].Verdict))
	}
	switch {
	case open:
		return "open"
	case at < 0:
		return "none"
	default:
		return string(order[at])
	}
}

// explain says in one line what is the matter with a log, "" where nothing is.
func explain(s *archive.LogStatus) string {
	because := ""
	if s.Reason != "" {
		because = ": " + s.Reason
	}
	switch s.Verdict {
	case "":
		if because != "" {
			return fmt.Sprintf("%s has not started yet%s", s.Instance, because)
		}
	case archive.Empty:
		return fmt.Sprintf("%s ran and wrote nothing", s.Instance)
	case archive.Lost:
		return fmt.Sprintf("the log of %s is lost%s", s.Instance, because)
	case archive.NeverStarted:
		return fmt.Sprintf("%s never started%s", s.Instance, because)
	case archive.Seamed:
		return fmt.Sprintf("the log of %s was rotated while it was read%s", s.Instance, because)
	case archive.Partial:
		return fmt.Sprintf("lines of %s are missing, or may be%s", s.Instance, because)
	}
	return ""
}
