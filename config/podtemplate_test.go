package config

import (
	"strings"
	"testing"
)

func TestPodTemplate(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"pull secrets", templateExample, ""},
		{"null removes", `{"spec": {"containers": [{"name": "main", "securityContext": null}]}}`, ""},
		{"side container", `{"spec": {"containers": [{"name": "proxy", "image": "proxy:1"}]}}`, ""},
		{"not JSON", `{"spec": {"imagePullSecrets": [{'name': "a"}]}}`, "line 1 column 33: want double quotes"},
		{"unknown key", `{"spec": {"imagePullSecret": []}}`, `spec.imagePullSecret: no such key; did you mean "imagePullSecrets"?`},
		{"wrong type", `{"spec": {"volumes": {}}}`, "line 1 column 22: spec.volumes: want an array"},
		{"restarts", `{"spec": {"restartPolicy": "OnFailure"}}`, "line 1 column 28: spec.restartPolicy: want Never"},
		{"deadline", `{"spec": {"activeDeadlineSeconds": 5}}`, "spec.activeDeadlineSeconds: want none here"},
		{"a name", `{"metadata": {"name": "x"}}`, "line 1 column 14: metadata: want labels and annotations only"},
		{"our label", `{"metadata": {"labels": {"epilogue.dev/kind": "x"}}}`, "metadata.labels: want no label of Epilogue's own"},
		{"nameless", `{"spec": {"containers": [{"image": "a"}]}}`, "spec.containers[0]: want a name"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := podTemplate(test.text)
			if test.want == "" && (err != nil || got != test.text) {
				t.Errorf("got %q, %v, want the text", got, err)
			}
			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got error %v, want %s", err, test.want)
			}
		})
	}
}

func TestKindLimits(t *testing.T) {
	got, err := kindLimits("builder=1, runner=20")
	if err != nil || got["builder"] != 1 || got["runner"] != 20 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, text := range []string{"builder", "builder=0", "cook=1", "builder=1,builder=2", ""} {
		if got, err := kindLimits(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}
