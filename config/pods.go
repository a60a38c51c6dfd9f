package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

// What right values of the JSON settings look like.
const (
	resourcesExample   = `{"requests": {"cpu": "100m", "memory": "400Mi"}, "limits": {"memory": "700Mi"}}`
	selectorExample    = `{"node-pool": "zenml-pool"}`
	tolerationsExample = `[{"key": "node-pool", "operator": "Equal", "value": "zenml-pool", "effect": "NoSchedule"}]`
)

// podResources takes requests and limits as in a container. Claims are refused: a launched pod declares none.
func podResources(text string) (corev1.ResourceRequirements, error) {
	// Quantities are kept raw at first: their own decoder would not say which of them is wrong.
	var raw struct {
		Requests map[string]json.RawMessage `json:"requests"`
		Limits   map[string]json.RawMessage `json:"limits"`
	}
	j := jsonValue{text, '{', resourcesExample}
	var out corev1.ResourceRequirements
	if err := j.decode(&raw); err != nil {
		return out, err
	}
	var err error
	if out.Requests, err = j.quantities("requests", raw.Requests); err != nil {
		return corev1.ResourceRequirements{}, err
	}
	if out.Limits, err = j.quantities("limits", raw.Limits); err != nil {
		return corev1.ResourceRequirements{}, err
	}
	return out, j.requestsFit(out)
}

func (j jsonValue) quantities(list string, raw map[string]json.RawMessage) (corev1.ResourceList, error) {
	if raw == nil {
		return nil, nil
	}
	out := corev1.ResourceList{}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		path := list + "." + name
		if !resourceName(name) {
			return nil, j.wrong(path, "no such resource; want cpu, memory, ephemeral-storage, hugepages-<size> or a full name such as nvidia.com/gpu")
		}
		q, err := resource.ParseQuantity(strings.Trim(string(raw[name]), `"`))
		if err != nil || q.Sign() < 0 {
			return nil, j.wrong(path, "want a quantity of 0 or more, such as 500m or 2 for cpu and 400Mi or 2Gi for memory")
		}
		out[corev1.ResourceName(name)] = q
	}
	return out, nil
}

func resourceName(name string) bool {
	switch corev1.ResourceName(name) {
	case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		return true
	}
	full := strings.Contains(name, "/") || strings.HasPrefix(name, corev1.ResourceHugePagesPrefix)
	return full && len(validation.IsQualifiedName(name)) == 0
}

func (j jsonValue) requestsFit(r corev1.ResourceRequirements) error {
	for _, name := range slices.Sorted(maps.Keys(r.Requests)) {
		request := r.Requests[name]
		if limit, ok := r.Limits[name]; ok && request.Cmp(limit) > 0 {
			return j.wrong("requests."+string(name), fmt.Sprintf("want at most the limit, %s", limit.String()))
		}
	}
	return nil
}

func nodeSelector(text string) (map[string]string, error) {
	j := jsonValue{text, '{', selectorExample}
	var out map[string]string
	if err := j.decode(&out); err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(out)) {
		if len(validation.IsQualifiedName(key)) > 0 {
			return nil, j.wrong(key, "want a label key such as node-pool or example.com/node-pool")
		}
		if len(validation.IsValidLabelValue(out[key])) > 0 {
			return nil, j.wrong(key, "want a label value of up to 63 letters, digits, - _ and dots")
		}
	}
	return out, nil
}

func tolerations(text string) ([]corev1.Toleration, error) {
	j := jsonValue{text, '[', tolerationsExample}
	var out []corev1.Toleration
	if err := j.decode(&out); err != nil {
		return nil, err
	}
	for i, t := range out {
		if err := j.toleration(fmt.Sprintf("[%d]", i), t); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// toleration checks what the API server would refuse, long before the first Job is launched.
func (j jsonValue) toleration(path string, t corev1.Toleration) error {
	exists := t.Operator == corev1.TolerationOpExists
	switch t.Operator {
	case "", corev1.TolerationOpEqual, corev1.TolerationOpExists, corev1.TolerationOpLt, corev1.TolerationOpGt:
	default:
		return j.wrong(path+".operator", "want Equal or Exists")
	}
	switch t.Effect {
	case "", corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute:
	default:
		return j.wrong(path+".effect", "want NoSchedule, PreferNoSchedule, NoExecute or nothing")
	}
	switch {
	case t.Key == "" && !exists:
		return j.wrong(path, "want a key, or the operator Exists to tolerate every taint")
	case t.Key != "" && len(validation.IsQualifiedName(t.Key)) > 0:
		return j.wrong(path+".key", "want a taint key such as node-pool or example.com/node-pool")
	case exists && t.Value != "":
		return j.wrong(path+".value", "want no value with the operator Exists")
	case len(validation.IsValidLabelValue(t.Value)) > 0:
		return j.wrong(path+".value", "want a label value of up to 63 letters, digits, - _ and dots")
	case t.TolerationSeconds != nil && t.Effect != corev1.TaintEffectNoExecute:
		return j.wrong(path+".tolerationSeconds", "want the effect NoExecute with tolerationSeconds")
	}
	return nil
}
