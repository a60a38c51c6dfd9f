package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/epilogue-dev/epilogue/cli/show"
	"github.com/epilogue-dev/epilogue/cli/survey"
	"github.com/epilogue-dev/epilogue/mark"
)

const longDiscover = `Show which labels, service accounts, arguments and owners the Jobs and pods of a namespace carry, and what a selection
would match: for who has to choose the settings selector and workload-labels.

It reads Jobs and pods and changes nothing. Environments are never printed, and of arguments only their names and what
kind of value stands behind them.`

func (p *program) discover() *cobra.Command {
	var selector string
	var keys []string
	cmd := &cobra.Command{
		Use: "discover", Short: "Show what Jobs and pods carry, and what a selection would match", Long: longDiscover,
		Example: `  # What is there?
  kubectl epilogue discover -n zenml-workload-manager

  # What would these settings of the daemon do?
  kubectl epilogue discover -n zenml-workload-manager -l app=zenml --workload-labels workload-id`,
		Args: takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			chosen, err := labels.Parse(selector)
			if err != nil {
				return wrongUse("--selector is %q, want a label selector such as app=zenml,tier!=test: %w", selector, err)
			}
			return p.look(cmd.Context(), survey.Options{Selector: chosen, WorkloadLabels: keys})
		},
	}
	cmd.Flags().StringVarP(&selector, "selector", "l", "", "Label selector as in the daemon's setting selector; empty is every Job")
	cmd.Flags().StringSliceVar(&keys, "workload-labels", []string{mark.WorkloadID}, "Label keys as in the daemon's setting workload-labels")
	return cmd
}

func (p *program) look(ctx context.Context, o survey.Options) error {
	namespace, err := p.namespace()
	if err != nil {
		return err
	}
	client, err := p.client()
	if err != nil {
		return err
	}
	s, err := survey.Look(ctx, client, namespace, o)
	if err != nil {
		return err
	}
	return writeSurvey(p.Out, s)
}

func writeSurvey(out io.Writer, s *survey.Survey) error {
	w := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
	fmt.Fprintf(w, "Namespace %s: %d Jobs, %d pods; %d Jobs have the arguments of a ZenML runner.\n", s.Namespace, s.Jobs, s.Pods, s.ZenML)
	if s.Jobs+s.Pods == 0 {
		return w.Flush()
	}
	fmt.Fprint(w, "\nLABEL\tJOBS\tPODS\tVALUES\tFOR EXAMPLE\n")
	for _, l := range s.Labels {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\n", show.Safe(l.Key), l.Jobs, l.Pods, l.Values, show.Safe(l.Example))
	}
	for _, c := range []struct {
		head string
		rows []survey.Count
	}{{"SERVICE ACCOUNT\tPODS", s.Accounts}, {"OWNER OF JOBS\tJOBS", s.JobOwners}, {"OWNER OF PODS\tPODS", s.PodOwners}} {
		fmt.Fprintf(w, "\n%s\n", c.head)
		for _, row := range c.rows {
			fmt.Fprintf(w, "%s\t%d\n", show.Safe(row.Name), row.Of)
		}
	}
	fmt.Fprint(w, "\nARGUMENT\tPODS\tVALUE\n")
	for _, a := range s.Arguments {
		fmt.Fprintf(w, "%s\t%d\t%s\n", show.Safe(a.Name), a.Pods, show.Safe(a.Kind))
	}
	fmt.Fprint(w, "\nSELECTOR\tJOBS\tZENML RUNNERS\t\n")
	for _, sel := range s.Selection {
		fmt.Fprintf(w, "%s\t%d of %d\t%d of %d\t%s\n", orWord(sel.Selector, "<every Job>"), sel.Jobs, s.Jobs, sel.ZenML, s.ZenML, givenOr(sel.Given, "would fit"))
	}
	fmt.Fprint(w, "\nWORKLOAD LABEL\tJOBS WITH AN ID\t\n")
	for _, l := range s.Workload {
		notes := givenOr(l.Given, "holds ids")
		if l.Same != "" {
			notes += ", the same as " + l.Same
		}
		fmt.Fprintf(w, "%s\t%d of %d\t%s\n", show.Safe(l.Key), l.Jobs, s.Jobs, show.Safe(notes))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(out, advice(s))
	return err
}

func orWord(text, none string) string {
	if text == "" {
		return none
	}
	return text
}

func givenOr(given bool, word string) string {
	if given {
		return "as given"
	}
	return word
}

// advice names settings that fit better than the given ones.
func advice(s *survey.Survey) string {
	var lines []string
	given := s.Selection[0]
	if given.ZenML < s.ZenML {
		lines = append(lines, fmt.Sprintf("The selector leaves out %d of %d Jobs that look like ZenML runners.", s.ZenML-given.ZenML, s.ZenML))
	}
	if len(s.Selection) > 1 && s.Selection[1].Jobs < given.Jobs {
		best := s.Selection[1]
		lines = append(lines, fmt.Sprintf("selector=%s would match %d Jobs, the ZenML runners among them; builders may carry another label.", best.Selector, best.Jobs))
	}
	for _, l := range s.Workload {
		if !l.Given && l.Same != "" && l.Jobs > s.Workload[0].Jobs {
			lines = append(lines, fmt.Sprintf("workload-labels=%s would give %d Jobs the id that ZenML asks for.", l.Key, l.Jobs))
			break
		}
	}
	if len(lines) == 0 {
		return ""
	}
	return "\n" + strings.Join(lines, "\n") + "\n"
}
