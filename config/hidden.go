package config

import (
	"encoding/json"
	"log/slog"
	"strings"
)

// withoutEnvironment hides the values of variables in the JSON of a pod template: a pod's environment is never shown.
// What cannot be read, and may hold one, is hidden whole.
func withoutEnvironment(text string) string {
	if !strings.Contains(text, "env") {
		return text
	}
	var whole any
	if json.Unmarshal([]byte(text), &whole) != nil {
		return masked
	}
	hideEnvironment(whole)
	hidden, err := json.Marshal(whole)
	if err != nil {
		return masked
	}
	return string(hidden)
}

func hideEnvironment(node any) {
	switch n := node.(type) {
	case []any:
		for _, item := range n {
			hideEnvironment(item)
		}
	case map[string]any:
		for key, value := range n {
			if key == "env" {
				hideValues(value)
				continue
			}
			hideEnvironment(value)
		}
	}
}

func hideValues(env any) {
	list, _ := env.([]any)
	for _, item := range list {
		if variable, ok := item.(map[string]any); ok && variable["value"] != nil {
			variable["value"] = masked
		}
	}
}

// LogValue returns the settings that are not the default, as Print shows them: what one has to know of a daemon that is
// in trouble.
func (c Config) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, row := range c.effective {
		if row.from != (origin{layer: "default"}).described() {
			attrs = append(attrs, slog.String(strings.ReplaceAll(row.name, "-", "_"), row.text))
		}
	}
	return slog.GroupValue(attrs...)
}
