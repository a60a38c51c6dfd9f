// Package workloads answers requests to launch Jobs: it turns HTTP into calls of a launcher, and keeps nothing. Who may
// create Jobs in the namespace may launch there; the other routes ask for the verbs that their names say.
package workloads

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive/message"
	"github.com/epilogue-dev/epilogue/launch"
	"github.com/epilogue-dev/epilogue/serve"
	"github.com/epilogue-dev/epilogue/serve/access"
	"github.com/epilogue-dev/epilogue/serve/wire"
)

// Launcher takes requests: launch.Launcher.
type Launcher interface {
	Start(ctx context.Context, r launch.Run) (launch.Ref, error)
	Build(ctx context.Context, b launch.Build) (launch.Ref, error)
	Cancel(ctx context.Context, workload, why string) error
	Delete(ctx context.Context, workload string) error
}

// Queue shows where Jobs stand: launch.Launcher.
type Queue interface {
	Wait(ctx context.Context, name string) (launch.Status, error)
	Jobs(workload string) []launch.Status
}

// Config is what the routes work with.
type Config struct {
	Namespace string // the launcher's
	Launcher  Launcher
	Queue     Queue
	// Keep takes a message for a workload's log; it returns when the message is safe.
	Keep func(ctx context.Context, m message.Message) error
}

const (
	mostBody   = 4 << 20 // bytes of a request
	mostWait   = 10 * time.Minute
	retryAfter = 10 // seconds, where the queue is full
)

// Routes returns the routes for serve.API's Add.
func Routes(c Config) []serve.Route {
	act := func(verb string) access.Act { return access.Act{Verb: verb, Group: "batch", Resource: "jobs"} }
	const of = " /api/v1/namespaces/{namespace}/workloads/{workload}"
	routes := []serve.Route{
		{Pattern: "POST" + of + "/runs", Act: act("create"), Handle: c.run},
		{Pattern: "POST" + of + "/builds", Act: act("create"), Handle: c.build},
		{Pattern: "POST" + of + "/messages", Act: act("create"), Handle: c.message},
		{Pattern: "POST" + of + "/cancel", Act: act("patch"), Handle: c.cancel},
		{Pattern: "DELETE" + of, Act: act("delete"), Handle: c.remove},
		{Pattern: "GET" + of + "/jobs", Act: act("list"), Handle: c.jobs},
		{Pattern: "GET" + of + "/jobs/{name}", Act: act("get"), Handle: c.job},
		{Pattern: "GET /api/v1/namespaces/{namespace}/queue", Act: act("list"), Handle: c.queue},
	}
	for i := range routes {
		routes[i].Handle = c.here(routes[i].Handle)
	}
	return routes
}

// here answers for the launcher's namespace alone, and puts the launcher's errors into HTTP's terms.
func (c Config) here(handle func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if got := r.PathValue("namespace"); got != c.Namespace {
			return refusal(http.StatusNotFound, metav1.StatusReasonNotFound, fmt.Sprintf("nothing is launched in namespace %s; want %s", got, c.Namespace))
		}
		return translate(handle(w, r))
	}
}

// translate says what the launcher's errors are in HTTP. Any other is trouble of the API server or the registry, not
// for ever.
func translate(err error) error {
	switch {
	case errors.Is(err, launch.ErrInvalid):
		return refusal(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, err.Error())
	case errors.Is(err, launch.ErrNotFound):
		return refusal(http.StatusNotFound, metav1.StatusReasonNotFound, err.Error())
	case errors.Is(err, launch.ErrFull):
		return apierrors.NewTooManyRequests(err.Error(), retryAfter)
	case apierrors.IsForbidden(err) || apierrors.IsInvalid(err):
		// The API server's no to the daemon is not one to the caller: what it refuses is how Jobs are configured here.
		return refusal(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "the cluster refuses the Job: "+err.Error())
	}
	return err
}

func refusal(code int32, reason metav1.StatusReason, text string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: text}}
}

// timeout is a Job's, as the request has it in seconds.
func timeout(seconds int64) time.Duration {
	if seconds < 0 || seconds > int64(1<<31) {
		return -1 // the launcher says what is right
	}
	return time.Duration(seconds) * time.Second
}

func (c Config) run(w http.ResponseWriter, r *http.Request) error {
	var in wire.Run
	if err := decode(w, r, &in); err != nil {
		return err
	}
	ref, err := c.Launcher.Start(r.Context(), launch.Run{
		Workload: r.PathValue("workload"), Image: in.Image, Command: in.Command, Arguments: in.Arguments,
		Environment: in.Environment, Timeout: timeout(in.Timeout), RequestID: in.RequestID,
	})
	if err != nil {
		return err
	}
	return c.launched(w, r, ref, launch.Runner, in.Sync)
}

func (c Config) build(w http.ResponseWriter, r *http.Request) error {
	var in wire.Build
	if err := decode(w, r, &in); err != nil {
		return err
	}
	ref, err := c.Launcher.Build(r.Context(), launch.Build{
		Workload: r.PathValue("workload"), Dockerfile: in.Dockerfile, ImageName: in.ImageName, Timeout: timeout(in.Timeout), RequestID: in.RequestID,
	})
	if err != nil {
		return err
	}
	return c.launched(w, r, ref, launch.Builder, in.Sync && ref.Name != "")
}

// launched answers with the Job, or with its end where that is waited for. Who hangs up leaves the Job as it is.
func (c Config) launched(w http.ResponseWriter, r *http.Request, ref launch.Ref, kind launch.Kind, sync bool) error {
	if sync {
		s, err := c.Queue.Wait(r.Context(), ref.Name)
		if err != nil {
			return err
		}
		return serve.WriteJSON(w, http.StatusOK, launchedOf(s))
	}
	if ref.Name == "" {
		return serve.WriteJSON(w, http.StatusOK, wire.Accepted{Image: ref.Image})
	}
	return serve.WriteJSON(w, http.StatusAccepted, wire.Accepted{
		Name: ref.Name, UID: string(ref.UID), Kind: string(kind), Workload: r.PathValue("workload"), Image: ref.Image,
	})
}

func (c Config) message(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Message string    `json:"message"`
		Time    time.Time `json:"time"` // the sender's; without one it is now
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.Message == "" || len(in.Message) > message.MaxMessage {
		return refusal(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid,
			fmt.Sprintf("message: %d bytes, want 1 to %d", len(in.Message), message.MaxMessage))
	}
	m := message.Message{Namespace: c.Namespace, Workload: r.PathValue("workload"), Time: plausible(in.Time, time.Now()), Text: in.Message}
	if err := c.Keep(r.Context(), m); err != nil {
		return err
	}
	return serve.WriteJSON(w, http.StatusCreated, map[string]string{})
}

// plausible returns the sender's time, or ours where he gives none, or one that cannot be: what lies in the future
// would stand at the end of every log, and never grow old.
func plausible(said, now time.Time) time.Time {
	const apart = time.Hour // more than clocks differ
	if said.IsZero() || said.After(now.Add(apart)) || said.Before(time.Unix(0, 0)) {
		return now
	}
	return said
}

func (c Config) cancel(w http.ResponseWriter, r *http.Request) error {
	in := wire.Cancel{Reason: "cancelled on request"}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	const most = 1000 // bytes; it becomes an annotation
	if in.Reason == "" || len(in.Reason) > most {
		return refusal(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, fmt.Sprintf("reason: %d bytes, want 1 to %d", len(in.Reason), most))
	}
	if err := c.Launcher.Cancel(r.Context(), r.PathValue("workload"), in.Reason); err != nil {
		return err
	}
	return serve.WriteJSON(w, http.StatusAccepted, map[string]string{})
}

func (c Config) remove(w http.ResponseWriter, r *http.Request) error {
	if err := c.Launcher.Delete(r.Context(), r.PathValue("workload")); err != nil {
		return err
	}
	return serve.WriteJSON(w, http.StatusAccepted, map[string]string{})
}

func (c Config) jobs(w http.ResponseWriter, r *http.Request) error {
	return serve.WriteJSON(w, http.StatusOK, queueOf(c.Queue.Jobs(r.PathValue("workload"))))
}

// job answers at once, or with ?wait=25s when the Job has ended and after that time at the latest.
func (c Config) job(w http.ResponseWriter, r *http.Request) error {
	wait := time.Duration(0)
	if text := r.URL.Query().Get("wait"); text != "" {
		var err error
		if wait, err = time.ParseDuration(text); err != nil || wait < 0 || wait > mostWait {
			return apierrors.NewBadRequest(fmt.Sprintf("parameter wait is %q, want a duration from 0s to %s", text, mostWait))
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	s, err := c.Queue.Wait(ctx, r.PathValue("name"))
	if err == nil && s.Workload != r.PathValue("workload") {
		err = fmt.Errorf("%w: %s of workload %s", launch.ErrNotFound, r.PathValue("name"), r.PathValue("workload"))
	}
	if err != nil {
		return err
	}
	return serve.WriteJSON(w, http.StatusOK, launchedOf(s))
}

// queue returns every Job that has not ended, oldest first.
func (c Config) queue(w http.ResponseWriter, _ *http.Request) error {
	open := slices.DeleteFunc(c.Queue.Jobs(""), func(s launch.Status) bool { return s.State.Over() })
	return serve.WriteJSON(w, http.StatusOK, queueOf(open))
}

func queueOf(jobs []launch.Status) wire.Queue {
	q := wire.Queue{Jobs: []wire.Launched{}}
	for _, s := range jobs {
		q.Jobs = append(q.Jobs, launchedOf(s))
	}
	return q
}

func launchedOf(s launch.Status) wire.Launched {
	return wire.Launched{
		Name: s.Name, Kind: string(s.Kind), Workload: s.Workload, Attempt: s.Attempt, State: string(s.State), Position: s.Position,
		Reason: s.Reason, Image: s.Image, Created: s.Created,
	}
}

// decode reads a body. Unknown fields are accepted, for ZenML's interface grows. The error does not repeat it: there is
// a token in it.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostBody)).Decode(into)
	var typed *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &tooLarge):
		return err
	case errors.As(err, &typed):
		return apierrors.NewBadRequest(fmt.Sprintf("body: %s: want %s, found %s", typed.Field, typed.Type, typed.Value))
	case errors.As(err, &syntax):
		return apierrors.NewBadRequest(fmt.Sprintf("body: want JSON; it is none at byte %d", syntax.Offset))
	default:
		return apierrors.NewBadRequest("body: want a JSON object")
	}
}
