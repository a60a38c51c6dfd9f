package config

import (
	"fmt"
	"path"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/epilogue-dev/epilogue/mark"
)

const rulesExample = `[{"kind": "builder", "ttl": "1h"}, {"selector": "team=ml", "ttlFailure": "7d", "historyLimit": 5}, {"name": "audit-*", "keep": true}]`

// Rule says how some Jobs are cleaned up. A Job matches if it matches all that the rule names; what the rule leaves out
// is as the settings say.
type Rule struct {
	Selector labels.Selector // nil: any labels
	Name     string          // pattern of path.Match; "": any name
	Kind     string          // mark.Runner or mark.Builder; "": any

	TTLSuccess, TTLFailure *time.Duration // nil: as the settings say
	HistoryLimit           *int
	Keep                   bool // nothing is ended or deleted
}

// ruleText is a rule as it is written.
type ruleText struct {
	Selector     *string `json:"selector"`
	Name         *string `json:"name"`
	Kind         *string `json:"kind"`
	TTL          *string `json:"ttl"`
	TTLSuccess   *string `json:"ttlSuccess"`
	TTLFailure   *string `json:"ttlFailure"`
	HistoryLimit *int32  `json:"historyLimit"`
	Keep         bool    `json:"keep"`
}

func rules(text string) ([]Rule, error) {
	j := jsonValue{text, '[', rulesExample}
	var raw []ruleText
	if err := j.decode(&raw); err != nil {
		return nil, err
	}
	out := make([]Rule, 0, len(raw))
	for i, r := range raw {
		rule, err := j.cleanupRule(fmt.Sprintf("[%d]", i), r)
		if err != nil {
			return nil, err
		}
		out = append(out, rule)
	}
	return out, nil
}

func (j jsonValue) cleanupRule(at string, r ruleText) (Rule, error) {
	out := Rule{Keep: r.Keep}
	if r.Selector == nil && r.Name == nil && r.Kind == nil {
		return out, j.wrong(at, "want what it matches: selector, name or kind")
	}
	says := r.TTL != nil || r.TTLSuccess != nil || r.TTLFailure != nil || r.HistoryLimit != nil || r.Keep
	if !says {
		return out, j.wrong(at, "want what it says: ttl, ttlSuccess, ttlFailure, historyLimit or keep")
	}
	if err := j.matching(at, r, &out); err != nil {
		return out, err
	}
	for _, t := range []struct {
		key  string
		text *string
		into []**time.Duration
	}{
		{"ttl", r.TTL, []**time.Duration{&out.TTLSuccess, &out.TTLFailure}},
		{"ttlSuccess", r.TTLSuccess, []**time.Duration{&out.TTLSuccess}},
		{"ttlFailure", r.TTLFailure, []**time.Duration{&out.TTLFailure}},
	} {
		if t.text == nil {
			continue
		}
		d, err := mark.ParseTTL(*t.text)
		if err != nil {
			return out, j.wrong(at+"."+t.key, err.Error())
		}
		for _, into := range t.into {
			*into = &d
		}
	}
	if r.HistoryLimit != nil {
		n := int(*r.HistoryLimit)
		if n < 0 {
			return out, j.wrong(at+".historyLimit", "want a whole number from 0, which means no limit")
		}
		out.HistoryLimit = &n
	}
	return out, nil
}

func (j jsonValue) matching(at string, r ruleText, out *Rule) error {
	if r.Selector != nil {
		s, err := labels.Parse(*r.Selector)
		if err != nil {
			return j.wrong(at+".selector", "want a label selector such as team=ml,tier!=test ("+oneLine(err.Error())+")")
		}
		out.Selector = s
	}
	if r.Name != nil {
		if _, err := path.Match(*r.Name, ""); err != nil || *r.Name == "" {
			return j.wrong(at+".name", "want a pattern such as nightly-* or run-[0-9]?")
		}
		out.Name = *r.Name
	}
	if r.Kind != nil {
		if *r.Kind != mark.Runner && *r.Kind != mark.Builder {
			return j.wrong(at+".kind", fmt.Sprintf("want %q or %q", mark.Runner, mark.Builder))
		}
		out.Kind = *r.Kind
	}
	return nil
}
