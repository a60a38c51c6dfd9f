package launch

import (
	"fmt"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/epilogue-dev/epilogue/mark"
)

// LabelsFor returns labels that the watcher's selector picks: a Job that it does not see would never be started.
func LabelsFor(text string) (map[string]string, error) {
	selector, err := labels.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("selector: %w", err)
	}
	wanted := map[string]string{}
	requirements, _ := selector.Requirements()
	for _, r := range requirements {
		switch r.Operator() {
		case selection.Equals, selection.DoubleEquals, selection.In:
			wanted[r.Key()] = r.ValuesUnsorted()[0]
		case selection.Exists:
			wanted[r.Key()] = ""
		}
	}
	for _, own := range []string{mark.WorkloadID, mark.Kind, mark.Attempt} {
		delete(wanted, own)
	}
	for _, kind := range []string{mark.Runner, mark.Builder} {
		all := labels.Merge(wanted, labels.Set{mark.WorkloadID: "any", mark.Kind: kind, mark.Attempt: "1"})
		if !selector.Matches(all) {
			return nil, fmt.Errorf("selector: value %q: launched Jobs would carry %s, which it does not pick; want one that does, or no launcher",
				text, all)
		}
	}
	return wanted, nil
}
