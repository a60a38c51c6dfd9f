// Package picture draws a dashboard as SVG from what Prometheus answered to its panels.
//
// It knows of Grafana's panels what ours use: rows, stats and time series, by their places, titles, units, thresholds and legends. It
// keeps nothing, and the same answers give the same bytes.
package picture

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Dashboard is a dashboard of Grafana, as far as it is drawn. It is read from Grafana's JSON.
type Dashboard struct {
	Title  string
	Panels []Panel
}

// Panel is one panel, or the heading of a row of them.
type Panel struct {
	Type, Title string
	GridPos     Place
	FieldConfig struct {
		Defaults struct {
			Unit       string
			Thresholds struct{ Steps []Step }
		}
	}
	Targets []Target
}

// Place is a rectangle in Grafana's grid of 24 columns.
type Place struct{ X, Y, W, H int }

// Step is the colour of a stat's value from a value on; the first one has none and holds below.
type Step struct {
	Color string
	Value *float64
}

// Target is a query of a panel, with the names that its series have in the legend.
type Target struct{ Expr, LegendFormat string }

// Series is one line of an answer, as Prometheus' query_range gives it.
type Series struct {
	Metric map[string]string
	Values []Point // by time
}

// Point is one value, at so many seconds since 1970. Values that are no numbers are NaN.
type Point struct{ At, Value float64 }

// UnmarshalJSON reads Prometheus' form, [1700000000.5, "0.25"].
func (p *Point) UnmarshalJSON(text []byte) error {
	var value string
	pair := []any{&p.At, &value}
	if err := json.Unmarshal(text, &pair); err != nil {
		return fmt.Errorf("read point %s: %w", text, err)
	}
	v, err := strconv.ParseFloat(value, 64)
	if err != nil || len(pair) != 2 {
		return fmt.Errorf("read point %s: want a time and a number in quotes", text)
	}
	p.Value = v
	return nil
}

// Answers are the series of each query, by its text as it stands in the dashboard. Of a stat only the last value is drawn.
type Answers map[string][]Series

// Sizes in pixels. The width is that of a page of text, so that nothing is scaled there.
const (
	column  = 42 // a column of the grid
	cell    = 29 // a line of the grid
	margin  = 4  // around a panel, half of what lies between two
	heading = 40 // above the grid
	small   = 10 // letters of legends and axes
	plain   = 11 // letters of titles
	line    = 13 // from one line of text to the next
)

// ErrNoPanels means that there is nothing to draw.
var ErrNoPanels = errors.New("the dashboard has no panels")

// Draw writes the dashboard as an SVG of its own, which needs no other file. Errors are those of w, and ErrNoPanels.
func Draw(w io.Writer, d Dashboard, answers Answers) error {
	if len(d.Panels) == 0 {
		return ErrNoPanels
	}
	lines := 0
	for _, p := range d.Panels {
		lines = max(lines, p.GridPos.Y+p.GridPos.H)
	}
	span := spanOf(answers)
	c := &canvas{}
	width, height := 24*column, heading+lines*cell+margin
	c.put(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="Helvetica,Arial,sans-serif">`, width, height, width, height)
	c.put(`<rect width="%d" height="%d" fill="#f4f5f5"/>`, width, height)
	c.text(2*margin, 25, 17, `font-weight="bold" fill="#24292e"`, d.Title)
	c.text(24*column-2*margin, 25, plain, `text-anchor="end" fill="#6e7276"`, span.describe())
	for _, p := range d.Panels {
		c.panel(p, answers, span)
	}
	c.put("</svg>\n")
	if _, err := io.WriteString(w, c.String()); err != nil {
		return fmt.Errorf("write the picture: %w", err)
	}
	return nil
}

// span is the time that is drawn, in seconds since 1970.
type span struct{ begin, end float64 }

func spanOf(answers Answers) span {
	s := span{math.Inf(1), math.Inf(-1)}
	for _, all := range answers {
		for _, one := range all {
			for _, p := range one.Values {
				s.begin, s.end = min(s.begin, p.At), max(s.end, p.At)
			}
		}
	}
	return s
}

// tick is how far the vertical lines of a plot are apart, in seconds.
const tick = 30

func (s span) describe() string {
	if s.end <= s.begin {
		return ""
	}
	return fmt.Sprintf("%.0f seconds; a vertical line every %d", s.end-s.begin, tick)
}

// canvas is the text of an SVG.
type canvas struct{ strings.Builder }

func (c *canvas) put(format string, args ...any) { fmt.Fprintf(c, format+"\n", args...) }

func (c *canvas) text(x, y float64, size int, attributes, said string) {
	c.put(`<text x="%s" y="%s" font-size="%d" %s>%s</text>`, short(x), short(y), size, attributes, html.EscapeString(said))
}

// box is a rectangle in pixels.
type box struct{ x, y, w, h float64 }

func (c *canvas) panel(p Panel, answers Answers, s span) {
	g := p.GridPos
	b := box{float64(g.X*column + margin), float64(heading + g.Y*cell + margin), float64(g.W*column - 2*margin), float64(g.H*cell - 2*margin)}
	if p.Type == "row" {
		c.text(b.x+margin, b.y+15, 13, `font-weight="bold" fill="#24292e"`, p.Title)
		return
	}
	c.put(`<rect x="%s" y="%s" width="%s" height="%s" rx="2" fill="#fff" stroke="#dcdee0"/>`, short(b.x), short(b.y), short(b.w), short(b.h))
	inner := box{b.x + 7, b.y + 5, b.w - 14, b.h - 10}
	inner = c.title(inner, p.Title)
	lines := linesOf(p, answers)
	switch {
	case len(lines) == 0:
		c.text(inner.x, inner.y+line, small, `fill="#9a9da1"`, "no data")
	case p.Type == "stat":
		c.stat(inner, p, lines[0])
	default:
		c.plot(inner, p, lines, s)
	}
}

// title writes the title, in two lines where one is too short, and gives what is left of the box.
func (c *canvas) title(b box, title string) box {
	for _, said := range wrap(title, letters(b.w, plain)) {
		c.text(b.x, b.y+plain, plain, `font-weight="bold" fill="#3f4347"`, said)
		b.y, b.h = b.y+line, b.h-line
	}
	return b
}

// letters is how many of a size go into a width, by a mean letter.
func letters(width float64, size int) int { return int(width / (0.56 * float64(size))) }

func wrap(text string, limit int) (lines []string) {
	for word := range strings.FieldsSeq(text) {
		if n := len(lines); n > 0 && len(lines[n-1])+1+len(word) <= limit {
			lines[n-1] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	return lines
}

func (c *canvas) stat(b box, p Panel, l named) {
	said := Format(l.last(), p.FieldConfig.Defaults.Unit)
	size := min(30, b.w/(0.6*float64(len(said))))
	c.put(`<text x="%s" y="%s" font-size="%s" text-anchor="middle" fill="%s">%s</text>`,
		short(b.x+b.w/2), short(b.y+b.h/2+10), short(size), p.colour(l.last()), html.EscapeString(said))
}

// colour gives that of the last step that the value reaches.
func (p Panel) colour(value float64) string {
	name := ""
	for _, s := range p.FieldConfig.Defaults.Thresholds.Steps {
		if s.Value == nil || value >= *s.Value {
			name = s.Color
		}
	}
	if name == "red" {
		return "#c4162a"
	}
	return "#37872d"
}

// named is one line of a plot: finite points under the name that the legend gives it.
type named struct {
	name   string
	points []Point // never empty
}

func (n named) last() float64 { return n.points[len(n.points)-1].Value }

// flat says that the line is zero all the time.
func (n named) flat() bool {
	for _, p := range n.points {
		if p.Value != 0 {
			return false
		}
	}
	return true
}

// linesOf gives the lines of a panel, those of each query by their names: Prometheus gives them in any order.
func linesOf(p Panel, answers Answers) (lines []named) {
	for _, target := range p.Targets {
		first := len(lines)
		for _, s := range answers[target.Expr] {
			n := named{name: legend(target.LegendFormat, s.Metric)}
			for _, point := range s.Values {
				if !math.IsNaN(point.Value) && !math.IsInf(point.Value, 0) {
					n.points = append(n.points, point)
				}
			}
			if len(n.points) > 0 {
				lines = append(lines, n)
			}
		}
		slices.SortStableFunc(lines[first:], func(a, b named) int { return strings.Compare(a.name, b.name) })
	}
	return lines
}

var label = regexp.MustCompile(`{{\s*(\w+)\s*}}`)

// legend fills labels in, as in "{{kind}} {{reason}}".
func legend(format string, labels map[string]string) string {
	return label.ReplaceAllStringFunc(format, func(l string) string { return labels[label.FindStringSubmatch(l)[1]] })
}
