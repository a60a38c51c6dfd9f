package picture

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
)

const board = `{"title": "Logs <& more>", "panels": [
  {"type": "row", "title": "Is anything being lost?", "gridPos": {"x": 0, "y": 0, "w": 24, "h": 1}},
  {"type": "stat", "title": "Logs lost", "gridPos": {"x": 0, "y": 1, "w": 4, "h": 5}, "targets": [{"expr": "lost"}],
   "fieldConfig": {"defaults": {"unit": "short", "thresholds": {"steps": [{"color": "green", "value": null}, {"color": "red", "value": 1}]}}}},
  {"type": "stat", "title": "Store", "gridPos": {"x": 4, "y": 1, "w": 4, "h": 5}, "targets": [{"expr": "up"}],
   "fieldConfig": {"defaults": {"unit": "bool_yes_no", "thresholds": {"steps": [{"color": "green", "value": null}]}}}},
  {"type": "timeseries", "title": "Memory", "gridPos": {"x": 8, "y": 1, "w": 4, "h": 5},
   "targets": [{"expr": "memory", "legendFormat": "{{pod}} <{{ kind }}>"}], "fieldConfig": {"defaults": {"unit": "bytes"}}},
  {"type": "timeseries", "title": "Verdicts", "gridPos": {"x": 12, "y": 1, "w": 4, "h": 5},
   "targets": [{"expr": "verdicts", "legendFormat": "{{verdict}}"}], "fieldConfig": {"defaults": {"unit": "short"}}},
  {"type": "timeseries", "title": "Time to the next deadline", "gridPos": {"x": 16, "y": 1, "w": 4, "h": 5},
   "targets": [{"expr": "nothing"}], "fieldConfig": {"defaults": {"unit": "s"}}}]}`

const said = `{
  "lost": [{"metric": {}, "values": [[0, "0"], [60, "2"]]}],
  "up": [{"metric": {}, "values": [[0, "0"], [60, "1"]]}],
  "memory": [{"metric": {"pod": "a&b", "kind": "x"}, "values": [[0, "NaN"], [20, "1048576"], [40, "+Inf"], [60, "3145728"]]}],
  "verdicts": [
    {"metric": {"verdict": "complete"}, "values": [[0, "1"], [10, "3.5"], [20, "3.5"], [30, "3.5"], [60, "12.34"]]},
    {"metric": {"verdict": "lost"}, "values": [[0, "0"]]},
    {"metric": {"verdict": "empty"}, "values": [[0, "0"]]},
    {"metric": {"verdict": "a"}, "values": [[0, "0"], [10, "1"]]}]}`

func drawn(t *testing.T, board, said string) string {
	t.Helper()
	var d Dashboard
	var answers Answers
	if err := errors.Join(json.Unmarshal([]byte(board), &d), json.Unmarshal([]byte(said), &answers)); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Draw(&out, d, answers); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// texts gives what stands in the picture, and fails where it is no XML.
func texts(t *testing.T, svg string) []string {
	t.Helper()
	var all []string
	for decoder := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		if text, ok := token.(xml.CharData); ok && strings.TrimSpace(string(text)) != "" {
			all = append(all, string(text))
		}
	}
}

func TestDraw(t *testing.T) {
	svg := drawn(t, board, said)
	all := "\n" + strings.Join(texts(t, svg), "\n") + "\n"
	for _, want := range []string{
		"Logs <& more>", "60 seconds; a vertical line every 30",
		"Is anything being lost?", "Logs lost", "2", "Store", "Yes", "Memory", "a&b <x> 3 MiB", "Verdicts", "a 1\ncomplete 12.3\n2 others 0",
		"Time to the next\ndeadline", "no data",
		"4 MiB", "20", // the axes
	} {
		if !strings.Contains(all, "\n"+want+"\n") {
			t.Errorf("got no text %q in %q", want, all)
		}
	}
	if bad := regexp.MustCompile(`NaN|Inf|[0-9]e[-+]`).FindString(svg); bad != "" {
		t.Errorf("got %s in the picture, want plain numbers alone", bad)
	}
	if !regexp.MustCompile(`fill="#c4162a">2<`).MatchString(svg) || !regexp.MustCompile(`fill="#37872d">Yes<`).MatchString(svg) {
		t.Error("got other colours, want 2 lost logs in red and the store in green")
	}
	if again := drawn(t, board, said); again != svg {
		t.Error("got another picture of the same answers")
	}
}

// What is drawn of our own dashboard has the title of each of its panels, and lies within the picture.
func TestDrawOurDashboard(t *testing.T) {
	text, err := os.ReadFile("../../deploy/chart/epilogue/files/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var d Dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(texts(t, drawn(t, string(text), "{}")), " ")
	for _, p := range d.Panels {
		if !strings.Contains(all, p.Title) {
			t.Errorf("got no panel %q", p.Title)
		}
		if p.Type != "row" && p.Type != "stat" && p.Type != "timeseries" {
			t.Errorf("panel %q: got type %s, which is not drawn", p.Title, p.Type)
		}
		if unit := p.FieldConfig.Defaults.Unit; p.Type != "row" && unit != "bool_yes_no" && scales[unit] == nil {
			t.Errorf("panel %q: got unit %q, which has no form", p.Title, unit)
		}
	}
}

func TestDrawNothing(t *testing.T) {
	if err := Draw(io.Discard, Dashboard{}, nil); !errors.Is(err, ErrNoPanels) {
		t.Errorf("got %v, want %v", err, ErrNoPanels)
	}
}

func TestPath(t *testing.T) {
	area, s := box{10, 0, 100, 50}, span{0, 100}
	for _, c := range []struct {
		name   string
		points []Point
		want   string
	}{
		{"one point can be seen", []Point{{50, 5}}, "M60 25h2"},
		{"a line", []Point{{0, 0}, {10, 10}}, "M10 50L20 0"},
		{"of a level its ends", []Point{{0, 5}, {10, 5}, {20, 5}, {30, 10}}, "M10 25L30 25L40 0"},
		{"what is missing", []Point{{0, 5}, {10, 5}, {40, 5}, {50, 10}}, "M10 25L20 25M50 25L60 0"},
	} {
		if got := path(c.points, area, 10, s); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		value float64
		unit  string
		want  string
	}{
		{0, "short", "0"}, {0.004, "short", "0"}, {-0.001, "short", "0"}, {12.34, "short", "12.3"}, {99.97, "short", "100"}, {20480, "short", "20.5k"},
		{0, "s", "0 s"}, {0.0123, "s", "12.3 ms"}, {1.5, "s", "1.5 s"}, {90, "s", "1.5 min"}, {3600, "s", "1 h"},
		{0, "bool_yes_no", "No"}, {1, "bool_yes_no", "Yes"}, {0.999, "percentunit", "99.9%"}, {0, "percentunit", "0%"},
		{1536, "bytes", "1.5 KiB"}, {10, "Bps", "10 B/s"}, {2.25, "ops", "2.25/s"}, {1200, "reqps", "1.2k/s"}, {0.15, "cores", "0.15"},
	} {
		if got := Format(c.value, c.unit); got != c.want {
			t.Errorf("Format(%v, %s): got %q, want %q", c.value, c.unit, got, c.want)
		}
	}
}

func TestPointIsRead(t *testing.T) {
	for _, c := range []struct {
		text string
		want Point
		bad  bool
	}{
		{text: `[1.5, "2"]`, want: Point{1.5, 2}},
		{text: `[1, "NaN"]`, want: Point{1, math.NaN()}},
		{text: `[1]`, bad: true}, {text: `[1, "2", 3]`, bad: true}, {text: `[1, "x"]`, bad: true}, {text: `{}`, bad: true},
	} {
		var got Point
		err := json.Unmarshal([]byte(c.text), &got)
		same := got == c.want || math.IsNaN(got.Value) && math.IsNaN(c.want.Value)
		if (err != nil) != c.bad || !c.bad && !same {
			t.Errorf("%s: got %v, %v, want %v", c.text, got, err, c.want)
		}
	}
}
