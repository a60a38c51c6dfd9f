package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/epilogue-dev/epilogue/cli/show"
	"github.com/epilogue-dev/epilogue/serve/wire"
)

func (p *program) queue() *cobra.Command {
	out := newOutput("wide")
	cmd := &cobra.Command{
		Use: "queue [WORKLOAD]", Short: "Show launched Jobs that run or wait; of a workload all of them",
		Example: `  # What runs and what waits
  kubectl epilogue queue`,
		Args: takes(0, 1, "workload"), ValidArgsFunction: p.completion(p.workloadNames),
	}
	out.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		print, err := out.printer(p.Out)
		if err != nil {
			return err
		}
		jobs, namespace, err := p.launched(cmd.Context(), strings.Join(args, ""))
		if err != nil {
			return err
		}
		if print != nil {
			return print.list(launchedObjects(jobs, namespace))
		}
		return p.writeQueue(jobs, &out)
	}
	return cmd
}

func (p *program) launched(ctx context.Context, workload string) ([]wire.Launched, string, error) {
	namespace, err := p.namespace()
	if err != nil {
		return nil, "", err
	}
	client, err := p.remote()
	if err != nil {
		return nil, "", err
	}
	defer client.Close()
	jobs, err := client.Queue(ctx, namespace, strings.TrimPrefix(workload, "workload/"))
	return jobs, namespace, err
}

func launchedObjects(jobs []wire.Launched, namespace string) []map[string]any {
	objects := make([]map[string]any, 0, len(jobs))
	for i := range jobs {
		objects = append(objects, object("LaunchedJob", namespace, jobs[i].Name, jobs[i].Created, &jobs[i]))
	}
	return objects
}

func (p *program) writeQueue(jobs []wire.Launched, out *output) error {
	if len(jobs) == 0 {
		p.warn("No launched Job runs or waits.")
		return nil
	}
	t := show.NewTable(p.Out)
	if !out.noHeaders {
		head := []string{"NAME", "KIND", "STATE", "PLACE", "WORKLOAD", "AGE"}
		if out.wide() {
			head = append(head, "ATTEMPT", "IMAGE", "REASON")
		}
		t.Row(head...)
	}
	for i := range jobs {
		j := &jobs[i]
		place := "-"
		if j.Position > 0 {
			place = fmt.Sprint(j.Position)
		}
		row := []string{j.Name, j.Kind, j.State, place, j.Workload, duration.HumanDuration(p.now().Sub(j.Created))}
		if out.wide() {
			row = append(row, orWord(j.Attempt, "-"), orWord(j.Image, "<none>"), orWord(j.Reason, "<none>"))
		}
		t.Row(row...)
	}
	return t.Flush()
}

func (p *program) cancel() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "cancel WORKLOAD", Short: "End the Jobs of a workload gently, so that their logs are kept",
		Example: `  # Those that wait do not start, those that run are ended
  kubectl epilogue cancel 6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b --reason "wrong data"`,
		Args: takes(1, 1, "workload"), ValidArgsFunction: p.completion(p.workloadNames),
	}
	cmd.Flags().StringVar(&reason, "reason", "cancelled by kubectl epilogue", "Why, for who looks later")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		namespace, err := p.namespace()
		if err != nil {
			return err
		}
		client, err := p.remote()
		if err != nil {
			return err
		}
		defer client.Close()
		workload := strings.TrimPrefix(args[0], "workload/")
		if err := client.Cancel(cmd.Context(), namespace, workload, reason); err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.Out, "workload/%s cancelled\n", workload)
		return err
	}
	return cmd
}
