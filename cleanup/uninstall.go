package cleanup

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/pause"
)

// UninstallConfig names what of a release keeps the gate standing.
type UninstallConfig struct {
	Namespace      string   // of the daemon
	Deployment     string   // the daemon's
	DaemonPods     string   // label selector of its pods
	Leases         string   // label selector of its Leases
	Jobs           string   // the watched namespace
	QueueLease     string   // name of the launcher's Lease there; "": the daemon launched nothing
	PolicyBindings []string // names of MutatingAdmissionPolicyBindings; those that are not there are passed over
	DryRun         bool     // only say what would be done
}

// Uninstall takes the gate off everything, for good. Whoever puts it on goes first, or it would be back at once:
//
//	bindings of the admission policies → daemon scaled to nothing → its pods gone
//	  → gates taken off, until none comes any more → Leases
//
// The queue's Lease belongs to the namespace. Another release that launches there makes it anew, and may start one Job
// more than its limit just then: it does not know which start was the last.
//
// A crash, or an error, leaves some of it done; done again it goes on from there. What it leaves, chart and all, is
// removed by whoever asked for it.
type Uninstall struct {
	cfg      UninstallConfig
	client   kubernetes.Interface
	releaser *Releaser
	out      io.Writer
}

const (
	// quiet is how long no gate may turn up before none will: API servers notice the end of a binding within a second
	// or two.
	quiet = 5 * time.Second
	// stopPatience is longer than a daemon takes to stop. One that does not is on a node that is lost.
	stopPatience = 2 * time.Minute
	lookAgain    = time.Second
)

// NewUninstall makes an Uninstall. It tells on out what it does.
func NewUninstall(cfg UninstallConfig, client kubernetes.Interface, releaser *Releaser, out io.Writer) *Uninstall {
	return &Uninstall{cfg: cfg, client: client, releaser: releaser, out: out}
}

// Run does all of it once.
func (u *Uninstall) Run(ctx context.Context) error {
	if u.cfg.DryRun {
		return u.dryRun(ctx)
	}
	for _, do := range []func(context.Context) error{u.unbind, u.stop, u.awaitStop, u.release, u.leases, u.queue} {
		if err := do(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (u *Uninstall) dryRun(ctx context.Context) error {
	for _, name := range u.cfg.PolicyBindings {
		fmt.Fprintf(u.out, "mutatingadmissionpolicybinding/%s would be deleted\n", name)
	}
	fmt.Fprintf(u.out, "deployment/%s would be scaled to 0\n", u.cfg.Deployment)
	_, err := u.releaser.All(ctx)
	return err
}

// unbind ends the policies' effect. The policies themselves belong to the chart.
func (u *Uninstall) unbind(ctx context.Context) error {
	bindings := u.client.AdmissionregistrationV1().MutatingAdmissionPolicyBindings()
	for _, name := range u.cfg.PolicyBindings {
		err := bindings.Delete(ctx, name, metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) { // also where the API server does not know the kind
			continue
		}
		if err != nil {
			return fmt.Errorf("delete MutatingAdmissionPolicyBinding %s: %w", name, err)
		}
		fmt.Fprintf(u.out, "mutatingadmissionpolicybinding/%s deleted\n", name)
	}
	return nil
}

func (u *Uninstall) stop(ctx context.Context) error {
	_, err := u.client.AppsV1().Deployments(u.cfg.Namespace).Patch(ctx, u.cfg.Deployment, types.MergePatchType,
		[]byte(`{"spec":{"replicas":0}}`), metav1.PatchOptions{}, "scale")
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("scale Deployment %s/%s to 0: %w", u.cfg.Namespace, u.cfg.Deployment, err)
	}
	fmt.Fprintf(u.out, "deployment/%s scaled to 0\n", u.cfg.Deployment)
	return nil
}

// awaitStop waits for the pods: also one that has been told to stop may put the gate on a Job.
func (u *Uninstall) awaitStop(ctx context.Context) error {
	for end := time.Now().Add(stopPatience); ; {
		list, err := u.client.CoreV1().Pods(u.cfg.Namespace).List(ctx, metav1.ListOptions{LabelSelector: u.cfg.DaemonPods})
		if err != nil {
			return fmt.Errorf("list pods of the daemon: %w", err)
		}
		if len(list.Items) == 0 {
			return nil
		}
		if time.Now().After(end) {
			var names []string
			for i := range list.Items {
				names = append(names, list.Items[i].Name)
			}
			fmt.Fprintf(u.out, "still there after %s, so passed over: pods %s\n", stopPatience, strings.Join(names, ", "))
			return nil
		}
		if err := pause.For(ctx, lookAgain); err != nil {
			return fmt.Errorf("wait for the end of the daemon: %w", err)
		}
	}
}

// release goes on until no gate has turned up for a while: an API server may have put one on after the binding was
// deleted.
func (u *Uninstall) release(ctx context.Context) error {
	all := 0
	for last := time.Now(); time.Since(last) < quiet; {
		n, err := u.releaser.All(ctx)
		if err != nil {
			return err
		}
		if n > 0 {
			all, last = all+n, time.Now()
		}
		if err := pause.For(ctx, lookAgain); err != nil {
			return fmt.Errorf("release all Jobs: %w", err)
		}
	}
	fmt.Fprintf(u.out, "%d Jobs and pods released\n", all)
	return nil
}

// leases removes what replicas leave that were killed. One that stops removes its own.
func (u *Uninstall) leases(ctx context.Context) error {
	leases := u.client.CoordinationV1().Leases(u.cfg.Namespace)
	list, err := leases.List(ctx, metav1.ListOptions{LabelSelector: u.cfg.Leases})
	if err != nil {
		return fmt.Errorf("list Leases of the daemon: %w", err)
	}
	for i := range list.Items {
		name := list.Items[i].Name
		if err := leases.Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete Lease %s: %w", name, err)
		}
		fmt.Fprintf(u.out, "lease/%s deleted\n", name)
	}
	return nil
}

func (u *Uninstall) queue(ctx context.Context) error {
	if u.cfg.QueueLease == "" {
		return nil
	}
	err := u.client.CoordinationV1().Leases(u.cfg.Jobs).Delete(ctx, u.cfg.QueueLease, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete Lease %s/%s: %w", u.cfg.Jobs, u.cfg.QueueLease, err)
	}
	fmt.Fprintf(u.out, "lease/%s deleted\n", u.cfg.QueueLease)
	return nil
}
