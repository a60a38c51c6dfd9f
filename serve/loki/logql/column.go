package logql

import "math"

// pageSize is how many steps are kept together. A Job's lines lie in few of the steps of a day: pages without any are
// not there.
const pageSize = 64

// pageCost is about what a page takes.
const pageCost = pageSize*8 + 24

// noSample is the value of a step without a sample. It is a NaN that no arithmetic makes.
var noSample = math.Float64frombits(0x7ff4_0000_4e4f_4e45)

// column is the samples of a series, one for each step or none.
type column struct{ pages []*[pageSize]float64 }

func newColumn(steps int) column {
	return column{make([]*[pageSize]float64, (steps+pageSize-1)/pageSize)}
}

// get gives the sample of a step.
func (c *column) get(step int) (value float64, ok bool) {
	page := c.pages[step/pageSize]
	if page == nil {
		return 0, false
	}
	value = page[step%pageSize]
	return value, math.Float64bits(value) != math.Float64bits(noSample)
}

// set gives a step a sample; grown is what that takes.
func (c *column) set(step int, value float64) (grown int64) {
	at := &c.pages[step/pageSize]
	if *at == nil {
		*at = new([pageSize]float64)
		for i := range *at {
			(*at)[i] = noSample
		}
		grown = pageCost
	}
	(*at)[step%pageSize] = value
	return grown
}

// changes counts what comes into and goes out of windows, step by step. A line costs two of them, however many windows
// it lies in.
type changes struct{ pages []*[pageSize]int64 }

func newChanges(steps int) changes {
	return changes{make([]*[pageSize]int64, steps/pageSize+1)}
}

func (c *changes) add(step int, n int64) (grown int64) {
	at := &c.pages[step/pageSize]
	if *at == nil {
		*at = new([pageSize]int64)
		grown = pageCost
	}
	(*at)[step%pageSize] += n
	return grown
}

// at gives the change of a step.
func (c *changes) at(step int) int64 {
	if page := c.pages[step/pageSize]; page != nil {
		return page[step%pageSize]
	}
	return 0
}
