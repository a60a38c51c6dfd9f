package survey

import (
	"cmp"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
)

func (c *collection) survey(o Options) *Survey {
	s := &Survey{Jobs: len(c.jobs), Pods: len(c.pods)}
	owners, podOwners, accounts := map[string]int{}, map[string]int{}, map[string]int{}
	for _, j := range c.jobs {
		owners[j.owner]++
		if j.zenml {
			s.ZenML++
		}
	}
	for _, p := range c.pods {
		podOwners[p.owner]++
		accounts[p.account]++
	}
	s.JobOwners, s.PodOwners, s.Accounts = counts(owners), counts(podOwners), counts(accounts)
	s.Labels, s.Arguments = c.labels(), c.arguments()
	s.Selection, s.Workload = c.selections(o.Selector, s.ZenML), c.workload(o.WorkloadLabels)
	return s
}

func (c *collection) labels() []Label {
	all, values := map[string]*Label{}, map[string]map[string]bool{}
	note := func(of map[string]string, count func(*Label)) {
		for key, value := range of {
			if all[key] == nil {
				all[key], values[key] = &Label{Key: key}, map[string]bool{}
			}
			count(all[key])
			values[key][value] = true
		}
	}
	for _, j := range c.jobs {
		note(j.labels, func(l *Label) { l.Jobs++ })
	}
	for _, p := range c.pods {
		note(p.labels, func(l *Label) { l.Pods++ })
	}
	list := make([]Label, 0, len(all))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		l := *all[key]
		l.Values, l.Example = len(values[key]), slices.Min(slices.Collect(maps.Keys(values[key])))
		list = append(list, l)
	}
	return list
}

func (c *collection) arguments() []Argument {
	pods, kinds := map[string]int{}, map[string]string{}
	for _, p := range c.pods {
		for name, kind := range p.args {
			pods[name]++
			if old, seen := kinds[name]; seen && old != kind {
				kind = other
			}
			kinds[name] = kind
		}
	}
	list := make([]Argument, 0, len(pods))
	for _, name := range slices.Sorted(maps.Keys(pods)) {
		list = append(list, Argument{name, pods[name], kinds[name]})
	}
	return list
}

func (c *collection) match(selector labels.Selector) (jobs, zenml int) {
	for _, j := range c.jobs {
		if selector.Matches(labels.Set(j.labels)) {
			jobs++
			if j.zenml {
				zenml++
			}
		}
	}
	return jobs, zenml
}

// selections returns what the given selector matches, and then the labels that all of ZenML's Jobs carry, the narrowest
// first.
func (c *collection) selections(given labels.Selector, zenml int) []Selection {
	if given == nil {
		given = labels.Everything()
	}
	jobs, of := c.match(given)
	list := []Selection{{Selector: given.String(), Given: true, Jobs: jobs, ZenML: of}}
	if zenml == 0 {
		return list
	}
	var fitting []Selection
	for _, pair := range c.pairs() {
		selector := labels.SelectorFromSet(pair)
		if jobs, of := c.match(selector); of == zenml && selector.String() != given.String() {
			fitting = append(fitting, Selection{Selector: selector.String(), Jobs: jobs, ZenML: of})
		}
	}
	slices.SortFunc(fitting, func(a, b Selection) int {
		return cmp.Or(a.Jobs-b.Jobs, cmp.Compare(a.Selector, b.Selector))
	})
	const most = 5
	return append(list, fitting[:min(most, len(fitting))]...)
}

// pairs returns each label that a Job of ZenML's carries.
func (c *collection) pairs() []labels.Set {
	seen := map[[2]string]bool{}
	for _, j := range c.jobs {
		if !j.zenml {
			continue
		}
		for key, value := range j.labels {
			seen[[2]string{key, value}] = true
		}
	}
	list := make([]labels.Set, 0, len(seen))
	for pair := range seen {
		list = append(list, labels.Set{pair[0]: pair[1]})
	}
	return list
}

// workload returns the given label keys, and others whose values are ids.
func (c *collection) workload(given []string) []WorkloadLabel {
	found := map[string]*WorkloadLabel{}
	for _, key := range given {
		found[key] = &WorkloadLabel{Key: key, Given: true}
	}
	for _, j := range c.jobs {
		for key, value := range j.labels {
			if found[key] == nil && !uuid.MatchString(value) || key == "controller-uid" || key == "batch.kubernetes.io/controller-uid" {
				continue
			}
			if found[key] == nil {
				found[key] = &WorkloadLabel{Key: key}
			}
			found[key].Jobs++
			for _, name := range slices.Sorted(maps.Keys(j.args)) {
				if j.args[name] == value {
					found[key].Same = name
					break
				}
			}
		}
	}
	list := make([]WorkloadLabel, 0, len(found))
	for _, key := range slices.Sorted(maps.Keys(found)) {
		list = append(list, *found[key])
	}
	slices.SortStableFunc(list, func(a, b WorkloadLabel) int {
		if a.Given != b.Given {
			if a.Given {
				return -1
			}
			return 1
		}
		return b.Jobs - a.Jobs
	})
	return list
}
