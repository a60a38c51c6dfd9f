package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// DumpJob writes what there is to know of a Job that went wrong.
func (s *Stage) DumpJob(w io.Writer, job string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, args := range [][]string{
		{"get", "job", job, "-o", "wide"},
		{"get", "pods", "-l", "job-name=" + job, "-o", "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.status}{\"\\n\"}{end}"},
	} {
		out, err := s.kubectl(ctx, "", append([]string{"-n", s.Jobs}, args...)...)
		fmt.Fprintf(w, "--- kubectl %v\n%s", args, out)
		if err != nil {
			fmt.Fprintln(w, err)
		}
	}
	found, err := s.Manifests(ctx, job)
	fmt.Fprintf(w, "--- %d manifests of %s (error: %v)\n", len(found), job, err)
	for _, m := range found {
		text, _ := json.MarshalIndent(m, "", "  ") // a manifest that was decoded can be encoded
		fmt.Fprintf(w, "%s\n", text)
	}
	for object := range s.Store.List(ctx, fmt.Sprintf("v1/%s/%s/", s.Jobs, job), "") {
		fmt.Fprintf(w, "%10d %s\n", object.Size, object.Key)
	}
}

// Dump writes the state of daemon, S3 and both namespaces.
func (s *Stage) Dump(w io.Writer) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for _, args := range [][]string{
		{"-n", s.Namespace, "get", "pods", "-o", "wide"},
		{"-n", s.Namespace, "get", "events", "--sort-by=.lastTimestamp"},
		{"-n", s.Jobs, "get", "pods", "-o", "wide"},
		{"-n", s.Jobs, "get", "events", "--sort-by=.lastTimestamp"},
		{"-n", s.Namespace, "logs", "--tail=400", "-l", daemonSelector},
		{"-n", s.Namespace, "logs", "--tail=200", "-l", daemonSelector, "--previous"},
	} {
		out, err := s.kubectl(ctx, "", args...)
		fmt.Fprintf(w, "--- kubectl %v\n%s", args, out)
		if err != nil {
			fmt.Fprintln(w, err)
		}
	}
}
