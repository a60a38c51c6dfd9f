package cli

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/launch"
	"github.com/epilogue-dev/epilogue/serve/workloads"
)

// launcher notes what it is asked, behind the daemon's own routes.
type launcher struct {
	run       launch.Run
	build     launch.Build
	cancelled string
}

func (l *launcher) Start(_ context.Context, r launch.Run) (launch.Ref, error) {
	l.run = r
	return launch.Ref{Name: "nightly", UID: "uid"}, nil
}

func (l *launcher) Build(_ context.Context, b launch.Build) (launch.Ref, error) {
	l.build = b
	return launch.Ref{Image: "host/" + b.ImageName}, nil
}

func (l *launcher) Cancel(_ context.Context, id, why string) error {
	l.cancelled = id + ": " + why
	return nil
}

func (l *launcher) Delete(context.Context, string) error { return nil }

func (l *launcher) Wait(_ context.Context, name string) (launch.Status, error) {
	return launch.Status{Name: name, Workload: l.run.Workload, State: launch.Failed, Reason: "exit code 3"}, nil
}

func (l *launcher) Jobs(id string) []launch.Status {
	return []launch.Status{{Name: "b", Workload: "w" + id, State: launch.Queued, Position: 7, Attempt: "2", Image: "i", Created: time.Now()}}
}

// TestLauncherRoutes: the daemon's own routes understand what is sent, and their answers are understood.
func TestLauncherRoutes(t *testing.T) {
	s := newShelf(t, storetest.NewMemory(t))
	reader, err := newReader(s.store)
	if err != nil {
		t.Fatal(err)
	}
	l := &launcher{}
	d := playDaemon(reader, workloads.Routes(workloads.Config{Namespace: zenml, Launcher: l, Queue: l})...)
	defer d.Close()
	for _, tt := range []struct {
		args string
		want int
		out  string
		says string
	}{
		{"run -f --workload " + workload + " --image i --env A=b --timeout 90s --request-id r -- c a", codeJob, "try 2", "job/nightly failed: exit code 3"},
		{"build --workload w --dockerfile - --image-name x:1 --request-id r", codeOK, "image host/x:1 is there already", ""},
		{"queue -o wide --no-headers", codeOK, "b           queued   7     w     0s    2     i     <none>", ""},
		{"queue v -o jsonpath={.items[0].workload_id}", codeOK, "wv", ""},
		{"cancel w --reason why", codeOK, "workload/w cancelled", ""},
		{"queue -n elsewhere", codeNotFound, "", "nothing is launched in namespace elsewhere"},
	} {
		c := newScreen()
		c.In = strings.NewReader("FROM zenml")
		c.api = d.remote(t, nil)
		code := c.does(t.Context(), strings.Split(tt.args, " ")...)
		if code != tt.want || !strings.Contains(c.out.String(), tt.out) || !strings.Contains(c.errOut.String(), tt.says) {
			t.Errorf("%s: got exit code %d, %q and %q, want %d, %q and %q", tt.args, code, c.out, c.errOut, tt.want, tt.out, tt.says)
		}
	}
	wantRun := launch.Run{
		Workload: workload, Image: "i", Command: []string{"c", "a"}, Environment: map[string]string{"A": "b"}, Timeout: 90 * time.Second, RequestID: "r",
	}
	if !reflect.DeepEqual(l.run, wantRun) {
		t.Errorf("got run %+v, want %+v", l.run, wantRun)
	}
	if want := (launch.Build{Workload: "w", Dockerfile: "FROM zenml", ImageName: "x:1", RequestID: "r"}); !reflect.DeepEqual(l.build, want) {
		t.Errorf("got build %+v, want %+v", l.build, want)
	}
	if got, want := l.cancelled, "w: why"; got != want {
		t.Errorf("got cancel %q, want %q", got, want)
	}
}
