package picture

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// palette is Grafana's classic one, without what is hard to see on white.
var palette = []string{"#56a64b", "#3274d9", "#e0752d", "#c4162a", "#8f3bb8", "#1f9bb0", "#b08900", "#5c6773"}

const grey = "#9a9da1"

// plot draws the lines, their legend below them and the axis of values at their left.
func (c *canvas) plot(b box, p Panel, lines []named, s span) {
	entries := entriesOf(lines, p.FieldConfig.Defaults.Unit)
	rows := flow(entries, letters(b.w, small))
	b.h -= float64(len(rows) * line)
	c.entries(box{b.x, b.y + b.h, b.w, 0}, rows)

	top := ceiling(lines, p.FieldConfig.Defaults.Unit)
	area := c.axes(b, top, p.FieldConfig.Defaults.Unit, s)
	for n, l := range lines {
		c.put(`<path d="%s" fill="none" stroke="%s" stroke-width="1.4" stroke-linejoin="round"/>`, path(l.points, area, top, s), colourOf(lines, n))
	}
}

// colourOf gives each line that ever moves a colour of its own.
func colourOf(lines []named, n int) string {
	if lines[n].flat() && len(lines) > 1 {
		return grey
	}
	moving := 0
	for _, l := range lines[:n] {
		if !l.flat() {
			moving++
		}
	}
	return palette[moving%len(palette)]
}

// axes draws the grid with the values at its top, middle and bottom, and gives the area of the lines.
func (c *canvas) axes(b box, top float64, unit string, s span) box {
	labels := []string{Format(top, unit), Format(top/2, unit), Format(0, unit)}
	wide := 0
	for _, l := range labels {
		wide = max(wide, len(l))
	}
	left := float64(wide)*0.56*small + 4
	area := box{b.x + left, b.y + 8, b.w - left, b.h - 16}
	for n, said := range labels {
		y := area.y + area.h*float64(n)/2
		c.put(`<path d="M%s %sh%s" stroke="#e7e8ea"/>`, short(area.x), short(y), short(area.w))
		c.text(area.x-4, y+3.5, small, `text-anchor="end" fill="#6e7276"`, said)
	}
	for at := tick; float64(at) < s.end-s.begin; at += tick {
		c.put(`<path d="M%s %sv%s" stroke="#eff0f1"/>`, short(area.x+area.w*float64(at)/(s.end-s.begin)), short(area.y), short(area.h))
	}
	return area
}

// path goes through the points, and leaves out where values are missing. Of points in one level only the ends are there.
func path(points []Point, area box, top float64, s span) string {
	var d strings.Builder
	step := pace(points)
	for n, p := range points {
		verb := "L"
		if n == 0 || p.At-points[n-1].At > 1.5*step {
			verb = "M"
		}
		if verb == "L" && n+1 < len(points) && p.Value == points[n-1].Value && p.Value == points[n+1].Value && points[n+1].At-p.At <= 1.5*step {
			continue
		}
		x, y := area.x, area.y+area.h*(1-p.Value/top)
		if s.end > s.begin {
			x += area.w * (p.At - s.begin) / (s.end - s.begin)
		}
		fmt.Fprintf(&d, "%s%s %s", verb, short(x), short(y))
		if len(points) == 1 {
			d.WriteString("h2") // a point that can be seen
		}
	}
	return d.String()
}

// pace is the least time between two points.
func pace(points []Point) float64 {
	step := math.Inf(1)
	for n := 1; n < len(points); n++ {
		step = min(step, points[n].At-points[n-1].At)
	}
	return step
}

// ceiling is a round number, in the unit that it is shown in, that no value is above; with no value above zero it is one.
func ceiling(lines []named, unit string) float64 {
	top := 0.0
	for _, l := range lines {
		for _, p := range l.points {
			top = max(top, p.Value)
		}
	}
	if top == 0 {
		return 1
	}
	scale := scaleOf(top, unit).size
	top /= scale
	power := math.Pow(10, math.Floor(math.Log10(top)))
	for _, round := range []float64{1, 2, 4, 6, 8} {
		if round*power >= top {
			return round * power * scale
		}
	}
	return 10 * power * scale
}

// entry is a line of the legend.
type entry struct{ said, colour string }

// entriesOf gives each line its name and last value. Lines that stay at zero share one entry where they are several.
func entriesOf(lines []named, unit string) (entries []entry) {
	flat := 0
	for _, l := range lines {
		if l.flat() {
			flat++
		}
	}
	for n, l := range lines {
		if l.flat() && flat > 1 {
			continue
		}
		entries = append(entries, entry{strings.TrimSpace(l.name + " " + Format(l.last(), unit)), colourOf(lines, n)})
	}
	if flat > 1 {
		entries = append(entries, entry{fmt.Sprintf("%d others %s", flat, Format(0, unit)), grey})
	}
	if flat == len(lines) && flat > 1 {
		entries[0].said = fmt.Sprintf("all %d %s", flat, Format(0, unit))
	}
	return entries
}

// flow puts entries one after the other into rows of so many letters.
func flow(entries []entry, limit int) (rows [][]entry) {
	used := 0
	for _, e := range entries {
		wide := len(e.said) + 4 // its stroke, and what lies between two
		if len(rows) == 0 || used+wide > limit {
			rows, used = append(rows, nil), 0
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], e)
		used += wide
	}
	return rows
}

func (c *canvas) entries(b box, rows [][]entry) {
	for n, row := range rows {
		x, y := b.x, b.y+float64(n*line)+plain
		for _, e := range row {
			c.put(`<path d="M%s %sh8" stroke="%s" stroke-width="2.5"/>`, short(x), short(y-3.5), e.colour)
			c.put(`<text x="%s" y="%s" font-size="%d" fill="#3f4347">%s</text>`, short(x+11), short(y), small, html.EscapeString(e.said))
			x += float64(len(e.said)+4) * 0.56 * small
		}
	}
}
