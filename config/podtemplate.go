package config

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	templateExample = `{"spec": {"imagePullSecrets": [{"name": "registry"}]}}`
	builderExample  = `{"spec": {"containers": [{"name": "main", "resources": {"requests": {"memory": "2Gi"}}}]}}`
)

// podTemplate takes a pod template that is merged over a generated one, and refuses in it what the launcher must decide
// itself. The text is kept: null removes what is generated, and a decoded template would have forgotten the nulls.
func podTemplate(text string) (string, error) {
	j := jsonValue{text, '{', templateExample}
	var t corev1.PodTemplateSpec
	if err := j.decode(&t); err != nil {
		return "", err
	}
	spec := t.Spec
	switch {
	case cmp.Or(spec.RestartPolicy, corev1.RestartPolicyNever) != corev1.RestartPolicyNever:
		return "", j.wrong("spec.restartPolicy", "want Never or nothing: a pod that restarts its container gives up the log before")
	case spec.ActiveDeadlineSeconds != nil:
		return "", j.wrong("spec.activeDeadlineSeconds", "want none here; each request has a timeout of its own")
	case t.Name != "" || t.GenerateName != "" || t.Namespace != "":
		return "", j.wrong("metadata", "want labels and annotations only; names are given by the Job")
	}
	for key := range t.Labels {
		if domain, _, _ := strings.Cut(key, "/"); strings.HasSuffix(domain, "epilogue.dev") {
			return "", j.wrong("metadata.labels", fmt.Sprintf("want no label of Epilogue's own, found %s", key))
		}
	}
	for i, c := range spec.Containers {
		if c.Name == "" {
			return "", j.wrong(fmt.Sprintf("spec.containers[%d]", i), `want a name; the container that runs the workload is called "main"`)
		}
	}
	return text, nil
}

// kindLimits takes pairs such as builder=1,runner=2.
func kindLimits(text string) (map[string]int, error) {
	limits := map[string]int{}
	for pair := range strings.SplitSeq(text, ",") {
		kind, number, _ := strings.Cut(strings.TrimSpace(pair), "=")
		n, err := count(100_000)(number)
		if _, twice := limits[kind]; kind != "runner" && kind != "builder" || err != nil || twice {
			return nil, fmt.Errorf("want each kind once with a number from 1 on, such as builder=1,runner=2; %q is wrong", pair)
		}
		limits[kind] = n
	}
	return limits, nil
}

func secretName(text string) (string, error) {
	if len(validation.IsDNS1123Subdomain(text)) > 0 {
		return "", errors.New("want the name of a Secret: lower-case letters, digits, hyphens and dots, such as registry-credentials")
	}
	return text, nil
}
