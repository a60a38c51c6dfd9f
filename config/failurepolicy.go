package config

import (
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

const failurePolicyExample = `{"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}`

// Kubernetes' own bounds of a pod failure policy.
const (
	mostRules      = 20
	mostConditions = 20
	mostExitCodes  = 255
)

// failurePolicy takes a Job's podFailurePolicy and checks it by the API server's rules, so that a wrong one is told at
// start-up and not at the first launch.
func failurePolicy(text string) (*batchv1.PodFailurePolicy, error) {
	j := jsonValue{text, '{', failurePolicyExample}
	out := &batchv1.PodFailurePolicy{}
	if err := j.decode(out); err != nil {
		return nil, err
	}
	if n := len(out.Rules); n == 0 || n > mostRules {
		return nil, j.wrong("rules", fmt.Sprintf("want 1 to %d rules, such as %s", mostRules, failurePolicyExample))
	}
	for i := range out.Rules {
		if err := j.rule(fmt.Sprintf("rules[%d]", i), &out.Rules[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (j jsonValue) rule(path string, r *batchv1.PodFailurePolicyRule) error {
	switch r.Action {
	case batchv1.PodFailurePolicyActionFailJob, batchv1.PodFailurePolicyActionIgnore, batchv1.PodFailurePolicyActionCount:
	case batchv1.PodFailurePolicyActionFailIndex:
		return j.wrong(path+".action", "want FailJob, Ignore or Count; FailIndex needs an indexed Job, and ours have one pod")
	default:
		return j.wrongOrMissing(path, ".action", "want an action: FailJob, Ignore or Count")
	}
	switch {
	case (r.OnExitCodes == nil) == (len(r.OnPodConditions) == 0):
		return j.wrong(path, "want either onExitCodes or onPodConditions")
	case r.OnExitCodes != nil:
		return j.exitCodes(path+".onExitCodes", r.OnExitCodes)
	default:
		return j.conditions(path+".onPodConditions", r.OnPodConditions)
	}
}

func (j jsonValue) exitCodes(path string, on *batchv1.PodFailurePolicyOnExitCodesRequirement) error {
	in := on.Operator == batchv1.PodFailurePolicyOnExitCodesOpIn
	switch {
	case !in && on.Operator != batchv1.PodFailurePolicyOnExitCodesOpNotIn:
		return j.wrongOrMissing(path, ".operator", "want an operator: In or NotIn")
	case on.ContainerName != nil && len(validation.IsDNS1123Label(*on.ContainerName)) > 0:
		return j.wrong(path+".containerName", "want a container's name: lower-case letters, digits and hyphens")
	case len(on.Values) == 0 || len(on.Values) > mostExitCodes:
		return j.wrongOrMissing(path, ".values", fmt.Sprintf("want 1 to %d exit codes", mostExitCodes))
	case !slices.IsSorted(on.Values) || len(slices.Compact(slices.Clone(on.Values))) < len(on.Values):
		return j.wrong(path+".values", "want exit codes in rising order, each once")
	case in && slices.Contains(on.Values, 0):
		return j.wrong(path+".values", "want no 0 with the operator In, for 0 is no failure")
	}
	return nil
}

// conditions also fills in the status that the API server would: the launcher compares the Job it wants with the one it
// finds.
func (j jsonValue) conditions(path string, on []batchv1.PodFailurePolicyOnPodConditionsPattern) error {
	if len(on) > mostConditions {
		return j.wrong(path, fmt.Sprintf("want at most %d conditions", mostConditions))
	}
	for i := range on {
		at := fmt.Sprintf("%s[%d]", path, i)
		if len(validation.IsQualifiedName(string(on[i].Type))) > 0 {
			return j.wrongOrMissing(at, ".type", "want a type of pod condition, such as DisruptionTarget")
		}
		switch on[i].Status {
		case "":
			on[i].Status = corev1.ConditionTrue
		case corev1.ConditionTrue, corev1.ConditionFalse, corev1.ConditionUnknown:
		default:
			return j.wrong(at+".status", `want "True", "False" or "Unknown"`)
		}
	}
	return nil
}

// wrongOrMissing points at the key where it stands, else at the object that misses it.
func (j jsonValue) wrongOrMissing(object, key, want string) error {
	if locate([]byte(j.text), object+key) > 0 {
		return j.wrong(object+key, want)
	}
	return j.wrong(object, want)
}
