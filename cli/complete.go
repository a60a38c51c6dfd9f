package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
)

// completionTime bounds what a person waits for a list of names, and mostNames what the shell is given.
const (
	completionTime = 5 * time.Second
	mostNames      = 100
)

// names returns what a flag or an argument can be. Trouble is no names: a shell has no place for an error.
type names func(ctx context.Context, args []string, begin string) []string

// complete lets the shell complete a flag that is one of some words.
func complete(cmd *cobra.Command, flag string, words ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words, cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // a flag that is not declared, or declared twice
	}
}

// completeWith lets the shell complete a flag with names that are asked for.
func (p *program) completeWith(cmd *cobra.Command, flag string, from names) {
	if err := cmd.RegisterFlagCompletionFunc(flag, p.completion(from)); err != nil {
		panic(err)
	}
}

func (p *program) completion(from names) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begin string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		all := slices.DeleteFunc(from(ctx, args, begin), func(name string) bool { return !strings.HasPrefix(name, begin) })
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

// targetNames completes the one argument that names a Job, a pod or a workload.
func (p *program) targetNames(cmd *cobra.Command, args []string, begin string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return p.completion(p.keptNames)(cmd, args, begin)
}

// keptNames returns the names of Jobs, and behind "pod/" and "workload/" of those.
func (p *program) keptNames(ctx context.Context, _ []string, begin string) (all []string) {
	kind, _, found := strings.Cut(begin, "/")
	prefix := ""
	if found {
		prefix = kind + "/"
	}
	for _, job := range p.someJobs(ctx) {
		switch {
		case kind == "pod" || kind == "po":
			for _, pod := range job.Document.Pods {
				all = append(all, prefix+pod.Name)
			}
		case kind == "workload" || kind == "wl":
			for _, id := range job.Document.Workloads {
				all = append(all, prefix+id)
			}
		case job.Job != "":
			all = append(all, prefix+job.Job)
		default:
			all = append(all, "pod/"+job.Pod)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// someJobs returns the newest Jobs of the namespace.
func (p *program) someJobs(ctx context.Context) (jobs []archive.KeptJob) {
	namespace, err := p.namespace()
	if err != nil {
		return nil
	}
	o, err := p.open(ctx)
	if err != nil {
		return nil
	}
	for job, err := range o.Jobs(ctx, archive.JobQuery{Namespace: namespace}) {
		if err == nil {
			jobs = append(jobs, job)
		}
		if len(jobs) == mostNames {
			break
		}
	}
	return jobs
}

func (p *program) workloadNames(ctx context.Context, _ []string, _ string) (all []string) {
	for _, job := range p.someJobs(ctx) {
		all = append(all, job.Document.Workloads...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// containerNames returns those of what the command's argument names.
func (p *program) containerNames(ctx context.Context, args []string, _ string) (all []string) {
	if len(args) == 0 {
		return nil
	}
	pods, err := p.pods(ctx, args[0])
	if err != nil {
		return nil
	}
	for _, m := range pods {
		for i := range m.Instances {
			all = append(all, m.Instances[i].Container)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// completeGlobalFlags completes what kubectl completes.
func (p *program) completeGlobalFlags(root *cobra.Command) {
	p.completeWith(root, "namespace", func(ctx context.Context, _ []string, _ string) (all []string) {
		client, err := p.client()
		if err != nil {
			return nil
		}
		list, err := client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{Limit: mostNames})
		if err != nil {
			return nil
		}
		for i := range list.Items {
			all = append(all, list.Items[i].Name)
		}
		return all
	})
	p.completeWith(root, "context", func(context.Context, []string, string) (all []string) {
		config, err := p.kube.ToRawKubeConfigLoader().ConfigAccess().GetStartingConfig()
		if err != nil {
			return nil
		}
		for name := range config.Contexts {
			all = append(all, name)
		}
		slices.Sort(all)
		return all
	})
}
