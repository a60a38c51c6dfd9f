//go:build integration

package integration

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

const envHelm = "EPILOGUE_TEST_HELM"

// What is installed is taken by a real API server, without a field that it does not know and, in namespaces that warn
// of the restricted profile, without a warning: an expression of a policy that does not compile is refused, too.
func TestServerTakesTheChart(t *testing.T) {
	t.Parallel()
	const policies = "--api-versions=admissionregistration.k8s.io/v1/MutatingAdmissionPolicy,admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy"
	tests := []struct {
		name string
		args []string
	}{
		{"defaults", []string{policies, "--set", "archive=s3://bucket/logs,namespace=jobs"}},
		{"everything", []string{policies, "--values=../deploy/testdata/everything.yaml"}},
		{"example minimal", []string{"--values=../deploy/examples/minimal.yaml"}},
		{"example prebuilt", []string{"--values=../deploy/examples/prebuilt.yaml"}},
		{"example aws", []string{"--values=../deploy/examples/aws.yaml"}},
	}
	server := newDryRun(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := renderChart(t, append(test.args, "--set", "serviceMonitor.enabled=false,prometheusRule.enabled=false")...)
			for _, err := range server.apply(t, text) {
				t.Error(err)
			}
		})
	}
	t.Run("install.yaml", func(t *testing.T) {
		text, err := os.ReadFile("../deploy/install.yaml")
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range server.apply(t, string(text)) {
			t.Error(err)
		}
	})
	// The same way sees what is wrong.
	good := renderChart(t, policies, "--set", "archive=s3://bucket/logs,namespace=jobs")
	for name, change := range map[string]*strings.Replacer{
		`.readinesProbe: field not declared in schema`: strings.NewReplacer("readinessProbe:", "readinesProbe:"),
		`allowPrivilegeEscalation != false`:            strings.NewReplacer("allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"),
		`Syntax error`:                                 strings.NewReplacer("? [JSONPatch{", "? [JSONPatch{{"),
	} {
		if got := errors.Join(server.apply(t, change.Replace(good))...); got == nil || !strings.Contains(got.Error(), name) {
			t.Errorf("got %v, want %q in it", got, name)
		}
	}
}

func renderChart(t *testing.T, args ...string) string {
	t.Helper()
	helm := os.Getenv(envHelm)
	if helm == "" {
		t.Fatalf("%s is empty, want the path of helm; make integration sets it", envHelm)
	}
	args = append([]string{"template", "epilogue", "../deploy/chart/epilogue", "-n", "epilogue"}, args...)
	cmd := exec.CommandContext(t.Context(), helm, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	return string(text)
}

// dryRun sends objects to the API server, which does all but keep them.
type dryRun struct {
	client   dynamic.Interface
	kinds    meta.RESTMapper
	mu       sync.Mutex
	warnings []string // guarded by mu
}

func newDryRun(t *testing.T) *dryRun {
	t.Helper()
	d := &dryRun{}
	config := plane.RESTConfig()
	config.WarningHandlerWithContext = d
	var err error
	if d.client, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	found, err := restmapper.GetAPIGroupResources(discovery.NewDiscoveryClientForConfigOrDie(config))
	if err != nil {
		t.Fatal(err)
	}
	d.kinds = restmapper.NewDiscoveryRESTMapper(found)
	for _, name := range []string{"epilogue", "jobs", "zenml-workload-manager"} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"pod-security.kubernetes.io/warn": "restricted"}}}
		if _, err := plane.Client().CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	return d
}

// HandleWarningHeaderWithContext takes what the server has to say of an object that it takes.
func (d *dryRun) HandleWarningHeaderWithContext(_ context.Context, _ int, _ string, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.warnings = append(d.warnings, text)
}

// apply returns an error for every object that the server refuses or warns of.
func (d *dryRun) apply(t *testing.T, text string) (errs []error) {
	t.Helper()
	n := 0
	for documents := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text))); ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var object unstructured.Unstructured
		if err := yaml.Unmarshal(document, &object.Object); err != nil {
			t.Fatalf("%v in:\n%s", err, document)
		}
		if object.Object == nil { // nothing but comments
			continue
		}
		n++
		if err := d.applyOne(t.Context(), &object, document); err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err))
		}
	}
	if n < 5 {
		t.Fatalf("got %d objects, want a whole release", n)
	}
	return errs
}

func (d *dryRun) applyOne(ctx context.Context, object *unstructured.Unstructured, document []byte) error {
	kind := object.GroupVersionKind()
	mapping, err := d.kinds.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	var resource dynamic.ResourceInterface = d.client.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		namespace := object.GetNamespace()
		if namespace == "" {
			namespace = "epilogue"
		}
		resource = d.client.Resource(mapping.Resource).Namespace(namespace)
	}
	_, err = resource.Patch(ctx, object.GetName(), types.ApplyYAMLPatchType, document, metav1.PatchOptions{
		DryRun: []string{metav1.DryRunAll}, FieldManager: "test", FieldValidation: metav1.FieldValidationStrict,
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.warnings {
		err = errors.Join(err, errors.New(w))
	}
	d.warnings = nil
	return err
}

var _ rest.WarningHandlerWithContext = (*dryRun)(nil)
