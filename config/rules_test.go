package config

import (
	"testing"
	"time"
)

func TestCleanupDefaults(t *testing.T) {
	for _, tt := range []struct {
		name             string
		env              []string
		success, failure time.Duration
	}{
		{"one for both", nil, 48 * time.Hour, 48 * time.Hour},
		{"ZenML's is both", []string{zenml + "TTL_SECONDS_AFTER_FINISHED", "60"}, time.Minute, time.Minute},
		{"apart", []string{zenml + "TTL_SECONDS_AFTER_FINISHED", "60", "EPILOGUE_TTL_FAILURE", "7d"}, time.Minute, 168 * time.Hour},
		{"at once", []string{"EPILOGUE_TTL_SUCCESS", "0"}, 0, 48 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, input{env: with(enough(), tt.env...)})
			if err != nil || c.Cleanup.TTLSuccess != tt.success || c.Cleanup.TTLFailure != tt.failure {
				t.Errorf("got %s and %s, %v, want %s and %s", c.Cleanup.TTLSuccess, c.Cleanup.TTLFailure, err, tt.success, tt.failure)
			}
		})
	}
}

func TestRules(t *testing.T) {
	c, err := load(t, input{env: enough(), file: `
cleanup-rules:
- {kind: builder, ttl: 1h, ttlFailure: 2d}
- {selector: 'team=ml,tier!=test', name: 'nightly-*', historyLimit: 5}
- {name: 'audit-*', keep: true}
`})
	if err != nil {
		t.Fatal(err)
	}
	got := c.Cleanup.Rules
	if len(got) != 3 {
		t.Fatalf("got %d rules, want 3", len(got))
	}
	if r := got[0]; r.Kind != "builder" || *r.TTLSuccess != time.Hour || *r.TTLFailure != 48*time.Hour || r.HistoryLimit != nil || r.Keep {
		t.Errorf("got %+v, want builders kept for 1h, failed ones for 48h", r)
	}
	if r := got[1]; r.Selector.String() != "team=ml,tier!=test" || r.Name != "nightly-*" || r.TTLSuccess != nil || *r.HistoryLimit != 5 {
		t.Errorf("got %+v, want 5 of the nightly ones", r)
	}
	if r := got[2]; !r.Keep || r.Selector != nil {
		t.Errorf("got %+v, want audits kept", r)
	}
}

func TestWrongRules(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"matches nothing", `[{"ttl": "1h"}]`, "line 1 column 2: [0]: want what it matches: selector, name or kind"},
		{"says nothing", `[{"kind": "runner"}]`, "line 1 column 2: [0]: want what it says: ttl, ttlSuccess, ttlFailure, historyLimit or keep"},
		{"no such kind", `[{"kind": "Builder", "keep": true}]`, `line 1 column 11: [0].kind: want "runner" or "builder"`},
		{"duration", `[{"kind": "runner", "ttlFailure": "1y"}]`,
			"line 1 column 35: [0].ttlFailure: want a whole number of seconds such as 86400, or a duration with its unit such as 30m, 24h or 7d"},
		{"number", `[{"kind": "runner", "ttl": 60}]`, "line 1 column 28: [0].ttl: want a text in double quotes, found number"},
		{"pattern", `[{"name": "a[", "keep": true}]`, "line 1 column 11: [0].name: want a pattern such as nightly-* or run-[0-9]?"},
		{"limit", `[{"kind": "runner", "historyLimit": -1}]`, "line 1 column 37: [0].historyLimit: want a whole number from 0, which means no limit"},
		{"key", `[{"kind": "runner", "tll": "1h"}]`, `line 1 column 28: [0].tll: no such key; did you mean "ttl"?`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := rules(tt.text)
			wantLines(t, err, tt.want)
		})
	}
}
