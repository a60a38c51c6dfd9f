package stage

import (
	"context"
	"fmt"
	"io"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/cleanup"
	"github.com/epilogue-dev/epilogue/mark"
)

// Remove deletes a Stage, also one of which a killed run left a part, and does not wait for the end of its namespaces.
// What would be left without a daemon goes first: the policies, which no namespace holds, and the gate.
func Remove(ctx context.Context, client kubernetes.Interface, namespace string) error {
	if err := removePolicies(ctx, client, namespace); err != nil {
		return err
	}
	for _, name := range []string{namespace + "-jobs", namespace} {
		err := client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete namespace %s: %w", name, err)
		}
	}
	jobs := namespace + "-jobs"
	releaser := cleanup.NewReleaser(cleanup.ReleaseConfig{Namespace: jobs, ForGood: true}, client, io.Discard)
	// A daemon that still runs puts no gate on a Job that is being deleted.
	return await(ctx, "the deletion of all Jobs of "+jobs, func() (bool, error) {
		if _, err := releaser.All(ctx); err != nil {
			return false, err
		}
		list, err := client.BatchV1().Jobs(jobs).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		for i := range list.Items {
			if j := &list.Items[i]; j.DeletionTimestamp == nil || slices.Contains(j.Finalizers, mark.Finalizer) {
				return false, nil
			}
		}
		return true, nil
	})
}

// Policies returns the names of the release's cluster-scoped objects, each with its kind.
func Policies(ctx context.Context, client kubernetes.Interface, namespace string) ([]string, error) {
	admission, found := client.AdmissionregistrationV1(), []string(nil)
	prefix := namespace + "-" + Release + "-gate"
	add := func(kind, name string) {
		if name == prefix || name == prefix+"-pods" {
			found = append(found, kind+"/"+name)
		}
	}
	mutating, err := admission.MutatingAdmissionPolicies().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, p := range mutating.Items {
		add("MutatingAdmissionPolicy", p.Name)
	}
	mutatingBindings, err := admission.MutatingAdmissionPolicyBindings().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, p := range mutatingBindings.Items {
		add("MutatingAdmissionPolicyBinding", p.Name)
	}
	validating, err := admission.ValidatingAdmissionPolicies().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, p := range validating.Items {
		add("ValidatingAdmissionPolicy", p.Name)
	}
	validatingBindings, err := admission.ValidatingAdmissionPolicyBindings().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, p := range validatingBindings.Items {
		add("ValidatingAdmissionPolicyBinding", p.Name)
	}
	return found, nil
}

func removePolicies(ctx context.Context, client kubernetes.Interface, namespace string) error {
	admission, now := client.AdmissionregistrationV1(), metav1.DeleteOptions{}
	for _, name := range []string{namespace + "-" + Release + "-gate", namespace + "-" + Release + "-gate-pods"} {
		for _, err := range []error{
			admission.MutatingAdmissionPolicyBindings().Delete(ctx, name, now), admission.MutatingAdmissionPolicies().Delete(ctx, name, now),
			admission.ValidatingAdmissionPolicyBindings().Delete(ctx, name, now), admission.ValidatingAdmissionPolicies().Delete(ctx, name, now),
		} {
			if err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("delete policy %s: %w", name, err)
			}
		}
	}
	return nil
}

// Delete deletes a namespace, as kubectl delete namespace does.
func (s *Stage) Delete(ctx context.Context, namespace string) error {
	if err := s.Client.CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete namespace %s: %w", namespace, err)
	}
	return nil
}

// AwaitGone waits until a namespace that was deleted is no more.
func (s *Stage) AwaitGone(ctx context.Context, namespace string) error {
	return await(ctx, "the end of namespace "+namespace, func() (bool, error) {
		ns, err := s.Client.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		return false, fmt.Errorf("still there: %+v", ns.Status.Conditions)
	})
}
