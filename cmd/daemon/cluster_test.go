package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/mark"
)

// TestIdentify: an API server that does not answer is waited for, and one that refuses to is not.
func TestIdentify(t *testing.T) {
	away, forbidden := errors.New("away"), apierrors.NewForbidden(schema.GroupResource{Resource: "namespaces"}, "kube-system", nil)
	for _, tt := range []struct {
		name    string
		answers []error // before the object itself
		says    string
		after   time.Duration // at the least
	}{
		{"at once", nil, "cluster=uid", 0},
		{"later", []error{away, away}, "cluster=uid", 3 * time.Second},
		{"no right", []error{forbidden}, "the cluster is not known", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := fake.NewClientset(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system", UID: "uid"}})
				answers := tt.answers
				client.PrependReactor("get", "namespaces", func(clienttesting.Action) (bool, runtime.Object, error) {
					if len(answers) == 0 {
						return false, nil, nil
					}
					err := answers[0]
					answers = answers[1:]
					return true, nil, err
				})
				var said bytes.Buffer
				p := &parts{client: client, spool: new(spool.Spool), log: slog.New(slog.NewTextHandler(&said, nil))}
				began := time.Now()
				p.identify(t.Context())
				if got := said.String(); !strings.Contains(got, tt.says) || time.Since(began) < tt.after {
					t.Errorf("got %q after %s, want %q after %s", got, time.Since(began), tt.says, tt.after)
				}
			})
		})
	}
}

// TestLeave: a daemon whose own namespace is deleted leaves no Job held; one that is merely stopped leaves all as it
// is.
func TestLeave(t *testing.T) {
	now := metav1.Now()
	for _, tt := range []struct {
		name  string
		going *metav1.Time
		own   string
		held  bool
	}{
		{"its namespace goes", &now, "jobs", false},
		{"its namespace stays", nil, "jobs", true},
		{"another namespace goes", &now, "system", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := fake.NewClientset(
				&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "jobs", DeletionTimestamp: tt.going, Finalizers: []string{"kubernetes"}}},
				&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "jobs", Name: "a", UID: "1", Finalizers: []string{mark.Finalizer}}},
			)
			var cfg config.Config
			cfg.Kubernetes.Namespace, cfg.Replica.LeaseNamespace = "jobs", tt.own
			cfg.Cleanup.Enabled, cfg.Cleanup.Gate = true, config.GateAlways
			(&parts{client: client, log: slog.New(slog.DiscardHandler)}).leave(t.Context(), cfg)
			job, err := client.BatchV1().Jobs("jobs").Get(t.Context(), "a", metav1.GetOptions{})
			if err != nil || (len(job.Finalizers) > 0) != tt.held {
				t.Errorf("got finalizers %q, %v, want it held: %t", job.Finalizers, err, tt.held)
			}
		})
	}
}
