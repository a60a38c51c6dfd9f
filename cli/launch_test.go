package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestLaunch plays the launcher's routes before the API of the shelf: a request makes the Job that the test names, and
// the Job is asked for until its log is there and it has ended.
func TestLaunch(t *testing.T) {
	dockerfile := filepath.Join(t.TempDir(), "Dockerfile")
	if err := os.WriteFile(dockerfile, []byte("FROM zenml"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		args   []string
		job    string   // that is made; "": the image is there
		states []string // what the Job is each time that it is asked for
		want   int
		out    string // part of what goes to standard output
		says   string // part of what goes to standard error
		sent   string // part of the request, as JSON
	}{
		{
			name: "run", args: []string{"run", "--image", "i", "--env", "A=b=c", "-e", "TOKEN", "--timeout", "3m", "--", "python", "-m", "x"}, job: "nightly",
			out:  "job/nightly launched for workload ",
			sent: `"command":["python","-m","x"],"environment":{"A":"b=c","TOKEN":"` + secret + `"},"timeout_in_seconds":180`,
		},
		{
			name: "run and follow", args: []string{"run", "-f", "--workload", workload}, job: "nightly",
			states: []string{"running", "failed"}, want: codeJob, out: "try 2", says: "job/nightly failed: exit code 3",
		},
		{
			name: "wait in the queue", args: []string{"run", "--wait"}, job: "hourly", states: []string{"queued", "queued", "running", "succeeded"},
			says: "job/hourly is queued, at place 2\njob/hourly is running\njob/hourly succeeded",
		},
		{
			name: "a log that comes late", args: []string{"run", "-f"}, job: "later", states: []string{"running", "succeeded"},
			says: "job/later succeeded",
		},
		{
			name: "build", args: []string{"build", "--dockerfile", dockerfile, "--image-name", "x:1", "--request-id", "r"}, job: "nightly",
			sent: `{"dockerfile":"FROM zenml","image_name":"x:1","request_id":"r"}`,
		},
		{name: "built already", args: []string{"build", "-f", "--dockerfile", dockerfile, "--image-name", "x:1"}, out: "image host/x:1 is there already"},
		{name: "no name", args: []string{"build", "--dockerfile", dockerfile}, want: codeUse, says: "--image-name"},
		{name: "no file", args: []string{"build", "--dockerfile", dockerfile + "x", "--image-name", "x"}, want: codeFailed, says: "no such file"},
		{name: "no variable", args: []string{"run", "--env", "NONE"}, want: codeUse, says: "NONE"},
		{name: "no time", args: []string{"run", "--timeout", "soon"}, want: codeUse, says: "--timeout"},
		{name: "refused", args: []string{"run"}, job: "invalid", want: codeUse, says: "the cluster refuses the Job"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newShelf(t, storetest.NewMemory(t)).daemon()
			defer d.Close()
			sent, asked := "", 0
			d.meets(func(api http.Handler, w http.ResponseWriter, r *http.Request) {
				answer := map[string]any{"name": tt.job, "kind": "runner", "image": "host/x:1"}
				switch _, path, _ := strings.Cut(r.URL.Path, "/api/v1/namespaces/zenml/workloads/"); {
				case path == "":
					api.ServeHTTP(w, r)
					return
				case r.Method == http.MethodPost && tt.job == "invalid":
					w.WriteHeader(http.StatusUnprocessableEntity)
					fmt.Fprint(w, `{"kind":"Status","status":"Failure","code":422,"reason":"Invalid","message":"the cluster refuses the Job"}`)
					return
				case r.Method == http.MethodPost:
					body, _ := io.ReadAll(r.Body)
					sent = string(body)
				case r.URL.Query().Get("wait") == "" || !strings.HasSuffix(path, "/jobs/"+tt.job):
					t.Errorf("got %s, want a question with a time", r.URL)
				default:
					answer["state"] = tt.states[min(asked, len(tt.states)-1)]
					if answer["state"] == "queued" {
						answer["position"] = 2
					}
					answer["reason"] = "exit code 3"
					asked++
				}
				if err := json.NewEncoder(w).Encode(answer); err != nil {
					t.Error(err)
				}
			})
			c := newScreen()
			c.env["TOKEN"] = secret
			c.api = d.remote(t, nil)
			code := c.does(t.Context(), tt.args...)
			if code != tt.want || !strings.Contains(c.out.String(), tt.out) || !strings.Contains(c.errOut.String(), tt.says) {
				t.Errorf("got exit code %d, %q and %q, want %d, %q and %q", code, c.out, c.errOut, tt.want, tt.out, tt.says)
			}
			if !strings.Contains(sent, tt.sent) {
				t.Errorf("got request %s, want %s in it", sent, tt.sent)
			}
			if strings.Contains(c.out.String()+c.errOut.String(), secret) {
				t.Errorf("got %q and %q, want nothing of the environment", c.out, c.errOut)
			}
		})
	}
}

func TestQueueAndCancel(t *testing.T) {
	d := newShelf(t, storetest.NewMemory(t)).daemon()
	defer d.Close()
	var asked []string
	d.meets(func(_ http.Handler, w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, r.Method+" "+r.URL.Path+" "+string(body))
		fmt.Fprint(w, `{"jobs":[{"name":"a","kind":"runner","workload_id":"w","attempt":"1","state":"running","created":"2026-11-23T10:00:00Z"},
			{"name":"b","kind":"builder","workload_id":"w","state":"queued","position":1,"created":"2026-11-23T10:00:00Z"}]}`)
	})
	for _, tt := range []struct {
		args, out, asked string
	}{
		{"queue --no-headers", "a     runner    running   -     w     ", "GET /api/v1/namespaces/zenml/queue "},
		{"queue w -o name", "launchedjob.epilogue.dev/a\nlaunchedjob.epilogue.dev/b\n", "GET /api/v1/namespaces/zenml/workloads/w/jobs "},
		{"cancel workload/w --reason why", "workload/w cancelled\n", `POST /api/v1/namespaces/zenml/workloads/w/cancel {"reason":"why"}`},
	} {
		c := newScreen()
		c.api = d.remote(t, nil)
		code := c.does(t.Context(), strings.Split(tt.args, " ")...)
		if code != codeOK || !strings.HasPrefix(c.out.String(), tt.out) || asked[len(asked)-1] != tt.asked {
			t.Errorf("%s: got exit code %d, %q (%s) and request %q, want %q and %q", tt.args, code, c.out, c.errOut, asked[len(asked)-1], tt.out, tt.asked)
		}
	}
}
