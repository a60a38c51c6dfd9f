package launch

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// merge lays a template in JSON over a pod, by the rules of a strategic merge patch: containers, volumes and the like
// meet by their names, lists of words are replaced, null takes away.
func merge(pod corev1.PodTemplateSpec, template string) (corev1.PodTemplateSpec, error) {
	if template == "" {
		return pod, nil
	}
	original, err := json.Marshal(pod)
	if err != nil {
		return pod, fmt.Errorf("encode pod template: %w", err)
	}
	merged, err := strategicpatch.StrategicMergePatch(original, []byte(template), corev1.PodTemplateSpec{})
	if err != nil {
		return pod, fmt.Errorf("merge pod template: %w", err)
	}
	var out corev1.PodTemplateSpec
	if err := json.Unmarshal(merged, &out); err != nil {
		return pod, fmt.Errorf("decode merged pod template: %w", err)
	}
	return out, nil
}
