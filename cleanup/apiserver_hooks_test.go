package cleanup

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// intercept has a function called before each request. One at a time is.
func (a *apiServer) intercept(before func(verb, kind, name string) error) {
	a.hooks.Lock()
	defer a.hooks.Unlock()
	a.before = before
}

// lose has a function called after each request: what was asked for is done, and an error is all that is heard of it.
func (a *apiServer) lose(after func(verb, kind string) error) {
	a.hooks.Lock()
	defer a.hooks.Unlock()
	a.after = after
}

// ask calls what intercepts the request.
func (a *apiServer) ask(verb, kind, name string) error {
	a.hooks.Lock()
	defer a.hooks.Unlock()
	if a.before == nil {
		return nil
	}
	return a.before(verb, kind, name)
}

func (a *apiServer) lost(verb, kind string) error {
	a.hooks.Lock()
	defer a.hooks.Unlock()
	if a.after == nil {
		return nil
	}
	return a.after(verb, kind)
}

// unheard makes a change of which nobody is told.
func (a *apiServer) unheard(change func()) {
	told := a.listen(nil)
	change()
	a.listen(told)
}

func (a *apiServer) listen(changed func(metav1.Object, bool)) (before func(metav1.Object, bool)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before, a.changed = a.changed, changed
	return before
}
