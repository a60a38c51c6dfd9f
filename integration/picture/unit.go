package picture

import (
	"math"
	"strconv"
)

// scale is a larger or smaller form of a unit: values are divided by its size and have its name behind them.
type scale struct {
	size float64
	name string
}

// scales are the forms of Grafana's units, smallest first. A unit that is not here has those of numbers.
var scales = map[string][]scale{
	"short":       numbers(""),
	"ops":         numbers("/s"),
	"reqps":       numbers("/s"),
	"cores":       {{1, ""}}, // there is no room for the word, and the title says CPU
	"percentunit": {{0.01, "%"}},
	"s":           {{0.001, " ms"}, {1, " s"}, {60, " min"}, {3600, " h"}, {86400, " d"}},
	"bytes":       binary(""),
	"Bps":         binary("/s"),
}

func numbers(behind string) []scale {
	return []scale{{1, behind}, {1e3, "k" + behind}, {1e6, "M" + behind}}
}

func binary(behind string) []scale {
	return []scale{{1, " B" + behind}, {1 << 10, " KiB" + behind}, {1 << 20, " MiB" + behind}, {1 << 30, " GiB" + behind}}
}

// scaleOf gives the largest form in which the value is at least one. Zero has the form of one.
func scaleOf(value float64, unit string) scale {
	all := scales[unit]
	if all == nil {
		all = scales["short"]
	}
	if value == 0 {
		value = 1
	}
	found := all[0]
	for _, s := range all {
		if math.Abs(value) >= s.size {
			found = s
		}
	}
	return found
}

// Format writes a finite value in one of Grafana's units, with three digits.
func Format(value float64, unit string) string {
	if unit == "bool_yes_no" {
		if value == 0 {
			return "No"
		}
		return "Yes"
	}
	s := scaleOf(value, unit)
	return digits(value/s.size) + s.name
}

// digits rounds to three digits, and to whole numbers from a hundred on.
func digits(value float64) string {
	places := 2
	switch size := math.Abs(value); {
	case size >= 99.95:
		places = 0
	case size >= 9.995:
		places = 1
	}
	return trim(value, places)
}

// short writes a coordinate, to a tenth of a pixel.
func short(value float64) string { return trim(value, 1) }

func trim(value float64, places int) string {
	power := math.Pow(10, float64(places))
	rounded := math.Round(value*power) / power
	if rounded == 0 {
		rounded = 0 // not -0
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}
