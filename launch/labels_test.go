package launch

import (
	"fmt"
	"strings"
	"testing"
)

func TestLabelsForSelector(t *testing.T) {
	for text, want := range map[string]string{
		"": "map[]", "team=ml": "map[team:ml]", "tier in (a),team": "map[team: tier:a]", "epilogue.dev/kind": "map[]", "!other": "map[]",
	} {
		got, err := LabelsFor(text)
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%q: got %v, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"!epilogue.dev/kind", "epilogue.dev/kind=other", "team=a,team!=a"} {
		if got, err := LabelsFor(text); err == nil || !strings.Contains(err.Error(), "selector: value") {
			t.Errorf("%q: got %v, %v, want an error", text, got, err)
		}
	}
}
