package logql

import "slices"

// pipe applies the stages of a log query. Line filters that nothing stands before that changes a line come first: most
// lines get no further, and cost nothing more.
type pipe struct {
	filter LineFilter
	stages []stage
	entry  working
}

func newPipe(q *logQuery) *pipe {
	p := &pipe{}
	var first []*lineTest
	for i, s := range q.stages {
		if changesLine(s) {
			p.stages = append(p.stages, q.stages[i:]...)
			break
		}
		line, ok := s.(*lineStage)
		switch {
		case ok && line.test.always():
		case ok:
			first = append(first, &line.test)
		case len(p.stages) > 0 || !dropsErrors(s): // there are none before the first stage
			p.stages = append(p.stages, s)
		}
	}
	p.filter = newLineFilter(first)
	return p
}

// dropsErrors says that a stage takes the labels of errors away, and no others.
func dropsErrors(s stage) bool {
	drop, ok := s.(*dropStage)
	return ok && !drop.keep && !slices.ContainsFunc(drop.items, func(x dropItem) bool { return !isOurs(x.name) })
}

// bare says that every line passes as it is.
func (p *pipe) bare() bool { return len(p.stages) == 0 && len(p.filter.tests) == 0 }

func changesLine(s stage) bool {
	switch s.(type) {
	case *formatStage, decolorizeStage:
		return true
	}
	return false
}

// drops says whether a stage after the filter can leave lines out.
func (p *pipe) drops() bool {
	for _, s := range p.stages {
		switch s.(type) {
		case *lineStage, *labelStage:
			return true
		}
	}
	return false
}

// forgetLabels leaves out the stages that only make labels, or take them away, where nothing asks for labels: the lines
// are counted without them, and without what can go wrong in them. With bytes, a line that is made of labels asks for
// them.
func (p *pipe) forgetLabels(bytes bool) {
	formats := false
	for _, s := range p.stages {
		switch s.(type) {
		case *labelStage, *labelFormatStage:
			return
		case *formatStage:
			formats = true
		case *lineStage:
			if formats {
				return
			}
		}
	}
	if !formats || !bytes {
		p.stages = slices.DeleteFunc(p.stages, onlyLabels)
	}
}

func onlyLabels(s stage) bool {
	switch s.(type) {
	case *jsonStage, *logfmtStage, *dropStage:
		return true
	}
	return false
}

// pass takes an entry through. What it became is in p.entry.
func (p *pipe) pass(x Entry) bool {
	if !p.filter.Pass(x.Line) {
		return false
	}
	return p.run(x)
}

// run takes an entry through that passed the filter.
func (p *pipe) run(x Entry) bool {
	p.entry.start(x)
	for _, s := range p.stages {
		if !s.run(&p.entry) {
			return false
		}
	}
	return true
}

// Pipeline applies the stages of a log query to one entry after the other, for a tail. One caller uses it at a time.
type Pipeline struct {
	pipe       *pipe
	categorize bool
	known      map[string]Labels
}

// mostKnown bounds how many sets of labels a tail keeps. Beyond that it forgets them: equal ones are then made anew.
const mostKnown = 10_000

// NewPipeline gives the stages of a log query. A metric query is an *EvalError.
func NewPipeline(query Expr, categorize bool) (*Pipeline, error) {
	q, ok := query.(*logQuery)
	if !ok {
		return nil, &EvalError{"only lines can be followed, and this query asks for numbers"}
	}
	return &Pipeline{pipe: newPipe(q), categorize: categorize, known: map[string]Labels{}}, nil
}

// Filter is what the source may apply before.
func (p *Pipeline) Filter() LineFilter { return p.pipe.filter }

// Process gives the entry as it is answered, and its labels, which are shared by the entries that have the same. ok is
// false where it is filtered out.
func (p *Pipeline) Process(entry Entry) (labels Labels, line LogEntry, ok bool) {
	if !p.pipe.pass(entry) {
		return nil, LogEntry{}, false
	}
	labels, line = p.pipe.entry.answer(p.categorize)
	key := labels.appendKey(p.pipe.entry.key[:0])
	p.pipe.entry.key = key
	known, ok := p.known[string(key)]
	if !ok {
		if len(p.known) >= mostKnown {
			clear(p.known)
		}
		known = labels.clone()
		p.known[string(key)] = known
	}
	return known, line, true
}

// answer gives the entry as it is answered. The labels are good until the next entry, what is in the line is its own.
func (e *working) answer(categorize bool) (labels Labels, line LogEntry) {
	line = LogEntry{Time: e.at, Line: string(e.line)}
	if !categorize {
		return e.merged(), line
	}
	line.Meta = Labels(e.labels[ofMeta]).clone()
	line.Meta.sort()
	parsed := Labels(e.labels[ofLine])
	if e.err != "" {
		parsed = append(parsed, Label{errorLabel, e.err})
	}
	if e.details != "" {
		parsed = append(parsed, Label{detailsLabel, e.details})
	}
	line.Parsed = parsed.clone()
	line.Parsed.sort()
	if e.touched {
		Labels(e.labels[ofStream]).sort()
	}
	return e.labels[ofStream], line
}
