//go:build e2e

package deploy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	program := os.Getenv("EPILOGUE_E2E_HELM")
	if program == "" {
		t.Fatal("EPILOGUE_E2E_HELM is empty, want the path of helm; make e2e sets it")
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return said.String(), err
	}
	return out.String(), nil
}

func template(t *testing.T, values ...string) (string, error) {
	t.Helper()
	args := []string{"template", "epilogue", "chart/epilogue", "-n", "system"}
	for _, v := range values {
		if strings.HasPrefix(v, "--") {
			args = append(args, v)
			continue
		}
		args = append(args, "--set", v)
	}
	return helm(t, args...)
}

// withPolicies says that the API server has the kinds of the admission policies.
const withPolicies = "--api-versions=admissionregistration.k8s.io/v1/MutatingAdmissionPolicy," +
	"admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy"

// render returns the chart's objects by kind, without those that are there for the uninstallation alone. Values that
// begin with "--" are flags of helm.
func render(t *testing.T, values ...string) map[string]runtime.Object {
	t.Helper()
	return renderAll(t, false, values...)
}

// renderUninstall returns what helm makes before it deletes the release.
func renderUninstall(t *testing.T, values ...string) map[string]runtime.Object {
	t.Helper()
	return renderAll(t, true, values...)
}

// strict knows the fields that a server and the Prometheus operator of these versions know, and no others.
var strict = func() runtime.Decoder {
	known := runtime.NewScheme()
	utilruntime.Must(scheme.AddToScheme(known))
	utilruntime.Must(monitoringv1.AddToScheme(known))
	return serializer.NewCodecFactory(known, serializer.EnableStrict).UniversalDeserializer()
}()

func renderAll(t *testing.T, uninstall bool, values ...string) map[string]runtime.Object {
	t.Helper()
	text, err := template(t, append([]string{"archive=s3://bucket/logs", "namespace=system"}, values...)...)
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	objects := map[string]runtime.Object{}
	for documents := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text))); ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		object, kind, err := strict.Decode(document, nil, nil)
		if err != nil {
			t.Fatalf("%v in:\n%s", err, document)
		}
		about, err := meta.Accessor(object)
		if err != nil {
			t.Fatal(err)
		}
		if (about.GetAnnotations()["helm.sh/hook"] != "") == uninstall {
			objects[keyOf(kind.Kind, about)] = object
		}
	}
}

// keyOf tells apart what there are two of.
func keyOf(kind string, object metav1.Object) string {
	for ending, of := range map[string]string{"-leases": " of Leases", "-uninstall-daemon": " of the daemon", "-cluster": " of the cluster", "-gate-pods": " of pods"} {
		if strings.HasSuffix(object.GetName(), ending) {
			return kind + of
		}
	}
	return kind
}
