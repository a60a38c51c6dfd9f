package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/cleanup"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/watch/lease"
)

func releaseCommand(source *config.Source) *cobra.Command {
	all := false
	cmd := &cobra.Command{
		Use:   "release [JOB ...]",
		Short: "Take the gate off Jobs, be their logs archived or not",
		Long: `Takes the finalizer epilogue.dev/archive off the named Jobs and their pods, or off all of the namespace. A Job that
somebody has deleted is gone then, and what of its logs is not archived is lost; the output says of each whether it is.
A Job that stays is marked, and the daemon does not put the gate on it again. With --dry-run it only says what it would
do.

It needs the rights to list and patch Jobs and pods: those of your kubeconfig or, in a pod, those of its service
account.`,
		Args: func(_ *cobra.Command, jobs []string) error {
			if all == (len(jobs) > 0) {
				return errors.New("release: want names of Jobs, or --all")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, jobs []string) error {
			cfg, client, err := clusterOnly(source)
			if err != nil {
				return err
			}
			r := cleanup.NewReleaser(cleanup.ReleaseConfig{
				Namespace: cfg.Kubernetes.Namespace, DryRun: cfg.Cleanup.DryRun,
			}, client, cmd.OutOrStdout())
			for _, job := range jobs {
				err = errors.Join(err, r.Job(cmd.Context(), job))
			}
			if all {
				_, err = r.All(cmd.Context())
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "Every Job and pod of the namespace that carries the gate.")
	return cmd
}

func uninstallCommand(source *config.Source) *cobra.Command {
	var deployment, pods, queue string
	var bindings []string
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Stop the daemon and take the gate off everything, as helm uninstall does first",
		Long: `Deletes the bindings of the admission policies, scales the daemon to nothing and waits for its end, takes the gate off
every Job and pod of the namespace, gives Kubernetes the TTLs back that were taken over, and deletes the daemon's
Leases: in that order, for whoever goes later would put the gate on again. What it leaves are the chart's objects. It
may be repeated. With --dry-run it only says what it would do.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, client, err := clusterOnly(source)
			if err != nil {
				return err
			}
			namespace := cfg.Replica.OwnNamespace()
			if namespace == "" {
				return errors.New("uninstall: lease-namespace is empty, want the namespace of the daemon")
			}
			r := cleanup.NewReleaser(cleanup.ReleaseConfig{
				Namespace: cfg.Kubernetes.Namespace, DryRun: cfg.Cleanup.DryRun, ForGood: true,
			}, client, cmd.OutOrStdout())
			return cleanup.NewUninstall(cleanup.UninstallConfig{
				Namespace: namespace, Deployment: deployment, DaemonPods: pods, Leases: lease.Selector(cfg.Replica.Release),
				Jobs: cfg.Kubernetes.Namespace, QueueLease: queue,
				PolicyBindings: bindings, DryRun: cfg.Cleanup.DryRun,
			}, client, r, cmd.OutOrStdout()).Run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&deployment, "deployment", "epilogue", "Name of the daemon's Deployment, in lease-namespace.")
	cmd.Flags().StringVar(&pods, "deployment-pods", "app.kubernetes.io/name=epilogue", "Label selector of its pods.")
	cmd.Flags().StringVar(&queue, "queue-lease", "", "Name of the launcher's Lease in namespace, epilogue-queue where one launched.")
	cmd.Flags().StringSliceVar(&bindings, "policy-bindings", nil, "Names of the chart's MutatingAdmissionPolicyBindings.")
	return cmd
}

// clusterOnly connects a command that needs no archive. It asks as fast as the API server answers: whoever waits for it
// is a person, or a helm that has a deadline.
func clusterOnly(source *config.Source) (config.Config, kubernetes.Interface, error) {
	cfg, err := source.LoadCluster(os.LookupEnv)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return cfg, nil, fmt.Errorf("%w: %w: %w", errTold, errSettings, err)
	}
	c, err := restConfig(cfg.Kubernetes)
	if err != nil {
		return cfg, nil, err
	}
	c.QPS, c.Burst = cfg.Kubernetes.QPS, cfg.Kubernetes.Burst
	client, err := kubernetes.NewForConfig(c)
	if err != nil {
		return cfg, nil, fmt.Errorf("connect to Kubernetes: %w", err)
	}
	return cfg, client, nil
}
