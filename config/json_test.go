package config

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// Each wrong JSON value names the place and the fix.
func TestWrongJSON(t *testing.T) {
	resources := func(text string) error { _, err := podResources(text); return err }
	selector := func(text string) error { _, err := nodeSelector(text); return err }
	taints := func(text string) error { _, err := tolerations(text); return err }
	policy := func(text string) error { _, err := failurePolicy(text); return err }
	for _, tt := range []struct {
		name  string
		parse func(string) error
		text  string
		want  string
	}{
		{"python quotes", resources, `{'requests': {}}`, `line 1 column 2: want double quotes (") instead of single ones, as in ` + resourcesExample},
		{"comma before bracket", resources, "{\n  \"requests\": {\"cpu\": 1,}\n}", `line 2 column 25: remove the comma before }`},
		{"python constant", selector, `{"gpu": True}`, `line 1 column 9: want true, false or null in lower case`},
		{"bare key", selector, `{gpu: "x"}`, `line 1 column 2: want keys in double quotes, as in ` + selectorExample},
		{"cut", selector, `{"gpu": "x"`, `line 1 column 12: the text ends too early; close what is open, or quote the whole value, as in ` + selectorExample},
		{"after the end", selector, `{} x`, `line 1 column 4: invalid character 'x' after top-level value; want JSON such as ` + selectorExample},
		{"array for object", selector, `[]`, `line 1 column 1: want a JSON object such as ` + selectorExample},
		{"object for array", taints, `{"key": "a"}`, `line 1 column 1: want a JSON array such as ` + tolerationsExample},
		{"null", policy, `null`, `line 1 column 1: want a JSON object such as ` + failurePolicyExample},
		{"unknown key", resources, `{"limits": {}, "request": {}}`, `line 1 column 27: request: no such key; did you mean "requests"?`},
		{"wrong case", taints, `[{"Key": "a"}]`, `line 1 column 10: [0].Key: no such key; did you mean "key"?`},
		{"twice", selector, `{"a": "b", "a": "c"}`, `line 1 column 7: a: this key stands twice; remove one`},
		{"wrong type", selector, `{"gpu": true}`, `line 1 column 9: gpu: want a text in double quotes, found bool`},
		{"object for text", taints, `[{"key": {"a": "b"}}]`, `line 1 column 10: [0].key: want a text in double quotes, found object`},
		{"fraction", taints, `[{"key": "a", "effect": "NoExecute", "tolerationSeconds": 1.5}]`, `line 1 column 59: [0].tolerationSeconds: want a whole number that fits int64, found number`},
		{"quantity", resources, `{"limits": {"memory": "700MB"}}`, `line 1 column 23: limits.memory: want a quantity of 0 or more, such as 500m or 2 for cpu and 400Mi or 2Gi for memory`},
		{"resource name", resources, `{"limits": {"ram": "1Gi"}}`, `line 1 column 20: limits.ram: no such resource; want cpu, memory, ephemeral-storage, hugepages-<size> or a full name such as nvidia.com/gpu`},
		{"request over limit", resources, `{"requests": {"memory": "2Gi"}, "limits": {"memory": "700Mi"}}`, `line 1 column 25: requests.memory: want at most the limit, 700Mi`},
		{"label key", selector, `{"node pool": "x"}`, `line 1 column 15: node pool: want a label key such as node-pool or example.com/node-pool`},
		{"label value", selector, `{"a": "x y"}`, `line 1 column 7: a: want a label value of up to 63 letters, digits, - _ and dots`},
		{"operator", taints, `[{"key": "a", "operator": "equals"}]`, `line 1 column 27: [0].operator: want Equal or Exists`},
		{"effect", taints, `[{"key": "a", "effect": "noschedule"}]`, `line 1 column 25: [0].effect: want NoSchedule, PreferNoSchedule, NoExecute or nothing`},
		{"no key", taints, `[{"key":"a"}, {"value": "x"}]`, `line 1 column 15: [1]: want a key, or the operator Exists to tolerate every taint`},
		{"value of exists", taints, `[{"key": "a", "operator": "Exists", "value": "x"}]`, `line 1 column 46: [0].value: want no value with the operator Exists`},
		{"seconds without effect", taints, `[{"key": "a", "tolerationSeconds": 3}]`, `line 1 column 36: [0].tolerationSeconds: want the effect NoExecute with tolerationSeconds`},
		{"no rules", policy, `{"rules": []}`, `line 1 column 11: rules: want 1 to 20 rules, such as ` + failurePolicyExample},
		{"rules alone", policy, `[{"action": "Count"}]`, `line 1 column 1: want a JSON object such as ` + failurePolicyExample},
		{"no action", policy, `{"rules": [{"onExitCodes": {"operator": "In", "values": [1]}}]}`, `line 1 column 12: rules[0]: want an action: FailJob, Ignore or Count`},
		{"fail index", policy, `{"rules": [{"action": "FailIndex"}]}`, `line 1 column 23: rules[0].action: want FailJob, Ignore or Count; FailIndex needs an indexed Job, and ours have one pod`},
		{"neither", policy, `{"rules": [{"action": "Count"}]}`, `line 1 column 12: rules[0]: want either onExitCodes or onPodConditions`},
		{"exit operator", policy, `{"rules": [{"action": "Count", "onExitCodes": {"operator": "Is", "values": [1]}}]}`, `line 1 column 60: rules[0].onExitCodes.operator: want an operator: In or NotIn`},
		{"no values", policy, `{"rules": [{"action": "Count", "onExitCodes": {"operator": "In"}}]}`, `line 1 column 47: rules[0].onExitCodes: want 1 to 255 exit codes`},
		{"order", policy, `{"rules": [{"action": "Count", "onExitCodes": {"operator": "In", "values": [3, 3]}}]}`, `line 1 column 76: rules[0].onExitCodes.values: want exit codes in rising order, each once`},
		{"zero", policy, `{"rules": [{"action": "Count", "onExitCodes": {"operator": "In", "values": [0]}}]}`, `line 1 column 76: rules[0].onExitCodes.values: want no 0 with the operator In, for 0 is no failure`},
		{"condition", policy, `{"rules": [{"action": "Ignore", "onPodConditions": [{"status": "True"}]}]}`, `line 1 column 53: rules[0].onPodConditions[0]: want a type of pod condition, such as DisruptionTarget`},
		{"status", policy, `{"rules": [{"action": "Ignore", "onPodConditions": [{"type": "A", "status": "yes"}]}]}`, `line 1 column 77: rules[0].onPodConditions[0].status: want "True", "False" or "Unknown"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.parse(tt.text); err == nil || err.Error() != tt.want {
				t.Errorf("got:\n%v\nwant:\n%s", err, tt.want)
			}
		})
	}
}

// The policy that ZenML's own orchestrator uses, and the status that the API server would fill in.
func TestFailurePolicy(t *testing.T) {
	p, err := failurePolicy(`{"rules": [
		{"action": "Count", "onExitCodes": {"containerName": "main", "operator": "NotIn", "values": [0]}},
		{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(p.Rules[1].OnPodConditions[0].Status), "True"; got != want {
		t.Errorf("status: got %s, want %s", got, want)
	}
}

// Whatever the text: no panic, one line, a place inside the text; and what is right stays right when it is written
// again.
func FuzzJSONSettings(f *testing.F) {
	for _, seed := range []string{resourcesExample, selectorExample, tolerationsExample, failurePolicyExample, `{"a":`, `{'a'}`, `[1,]`, "{\"a\":\n1}", `null`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.TrimSpace(text)
		if text == "" {
			return
		}
		again(t, text, podResources)
		again(t, text, nodeSelector)
		again(t, text, tolerations)
		again(t, text, failurePolicy)
	})
}

func again[T any](t *testing.T, text string, parse func(string) (T, error)) {
	v, err := parse(text)
	if err == nil {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if _, err := parse(string(raw)); err != nil {
			t.Fatalf("%q was right, but %s is not: %v", text, raw, err)
		}
		return
	}
	var fault *jsonFault
	if !errors.As(err, &fault) {
		t.Fatalf("%q: got %v, want a fault with a position", text, err)
	}
	lines := strings.Split(text, "\n")
	if fault.line < 1 || fault.line > len(lines) || fault.column < 1 || fault.column > len(lines[fault.line-1])+1 {
		t.Fatalf("%q: position %d:%d is outside", text, fault.line, fault.column)
	}
	if strings.ContainsAny(fault.Error(), "\r\n") {
		t.Fatalf("%q: got two lines: %q", text, fault.Error())
	}
}
