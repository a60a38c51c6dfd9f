package logql

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// oracleBase is when the lines of the oracle begin.
var oracleBase = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// The oracle's queries go over these.
const (
	oracleSpan  = 10 * time.Minute
	oracleStep  = 30 * time.Second
	oracleLimit = 40
)

// oracleLine is a line as it is pushed to Loki.
type oracleLine struct {
	Time   int64             `json:"time,string"`
	Labels map[string]string `json:"labels"`
	Meta   map[string]string `json:"meta,omitempty"`
	Line   string            `json:"line"`
}

// oracleStreams are the streams, each with lines of its own kind.
var oracleStreams = []struct {
	labels, meta map[string]string
	kind         string
	lines        int
}{
	{map[string]string{"namespace": "ml", "job": "train", "container": "main"}, map[string]string{"pod": "train-1", "attempt": "1"}, "logfmt", 70},
	{map[string]string{"namespace": "ml", "job": "train", "container": "sidecar"}, map[string]string{"pod": "train-1"}, "json", 60},
	{map[string]string{"namespace": "ml", "job": "evaluate", "container": "main"}, map[string]string{"pod": "evaluate-1", "attempt": "2"}, "json", 40},
	{map[string]string{"namespace": "etl", "job": "load", "container": "main"}, nil, "plain", 50},
	{map[string]string{"namespace": "etl", "job": "odd", "container": "main"}, map[string]string{"pod": "odd-1", "level": "meta"}, "odd", 0},
}

// oracleOdd are lines that a parser can stumble over.
var oracleOdd = []string{
	``, ` `, `{}`, `[]`, `null`, `"text"`, `{"a":1`, `{"a":1}}`, `{"a":1} trailing`, `{"a":tru}`, `{"a":01}`, `{"a":1,}`, `{,}`,
	`{"a":null,"b":true,"c":false}`, `{"a":[1,2,{"b":3}],"c":{}}`, `{"a":{"b":{"c":"deep"}},"a_b_c":"flat"}`, `{"a":"1","a":"2"}`,
	`{"job":"mine","pod":"mine","level":"mine"}`, `{"":"empty","a b":"space","1x":"digit","ü":"umlaut","a.b":"dot"}`,
	`{"a":"\u00fc\n\t\"\\\/","b":"\ud83d\ude00","c":"\ud83d"}`, `{"a":"\x"}`, `{"a":"x` + "\t" + `y"}`, `{ "a" : 1.50 , "b" : -2e3 }`, `  {"a":1}`,
	`{"a":""}`, `{"a":{"b":""}}`, `{"a" 1}`, `{"a":}`, `{a:1}`,
	`a=1 b="two words" c= d e="" f="q\"r"`, `a=1 a=2`, `a="x" =y b=2`, `a=b=c d=1`, `a="unterminated`, `a="x"y b=1`, `"quoted"=1 b=2`, `a='x y'`,
	`a=1,b=2`, `job=mine pod=mine level=mine`, `a.b=1 c-d=2 1e=3 ü=4`, `a="\u00fc\n"`, `a="\q" b=1`, `a =1 b= 2`, "a=1\tb=2",
	`n=5 n2=5.5 n3=abc d=5m d2=61s d3=1h30m b=5KB b2=1MiB b3=abc`, `n=NaN d=-5s b=0`, `n=1e3 d=1.5h b=1.5kb`, `n= d= b=`, `n=0x10 d=1d b=12`,
	"\x1b[31mred\x1b[0m plain \x1b[1;32mgreen\x1b[m", `Error ERROR error eRRoR`, `ünïcode ÄÖÜ äöü`, `back\slash "quotes" ` + "`ticks`",
	`{"a":{"b":{}},"c":[]} {"d":1}`, `{"a":1 "b":2}`, `{"a":{"b":1}`, `{"a":"open`, `{"a":[1,2`, `{"a":-}`, `{"a":+1}`, `{"a":.5}`, `{"a":1e}`, `{"a":nul}`,
	`ключ=1 a=значение`, `a="1"b="2"`, `a==1`, `a=1 =`, `a= "x"`, `a=\x b=1`, `a="x\u00e9" b="\ud83d"`, `a=[1,2] b={x} c=(y)`, `key with words a=1`,
	`(parentheses) [brackets] {braces} a+b a.b a*b ^$ |`, `level=error msg="out of memory" code=137`,
}

// oracleLines are the lines that were pushed to Loki, oldest first, no two at one time.
func oracleLines() (all []oracleLine) {
	rng := rand.New(rand.NewPCG(20, 26))
	for _, s := range oracleStreams {
		if s.kind == "odd" {
			s.lines = len(oracleOdd)
		}
		for n := range s.lines {
			at := time.Duration(rng.Int64N(int64(oracleSpan)))
			if n%5 == 0 { // some at the edges of windows
				at = at.Truncate(10 * time.Second)
			}
			all = append(all, oracleLine{
				Time: oracleBase.Add(at).UnixNano(), Labels: s.labels, Meta: s.meta, Line: oracleText(rng, s.kind, n),
			})
		}
	}
	sortOracle(all)
	return all
}

func sortOracle(all []oracleLine) {
	for moved := true; moved; { // a moved line can land on the next one
		moved = false
		slices.SortStableFunc(all, func(a, b oracleLine) int { return cmp.Compare(a.Time, b.Time) })
		for i := 1; i < len(all); i++ {
			if all[i].Time <= all[i-1].Time {
				all[i].Time, moved = all[i-1].Time+1, true
			}
		}
	}
}

func oracleText(rng *rand.Rand, kind string, n int) string {
	level := oneOf(rng, "info", "info", "info", "warn", "error", "debug")
	status := oneOf(rng, "200", "200", "201", "404", "500", "503")
	took := oneOf(rng, "3ms", "12.5ms", "950ms", "1.2s", "2m3s")
	size := oneOf(rng, "512B", "20KB", "1.5MB", "3MiB")
	msg := oneOf(rng, "step done", "out of memory", "retry later", "checkpoint saved", "Error reading shard", "timeout: deadline exceeded")
	switch kind {
	case "logfmt":
		return fmt.Sprintf(`level=%s msg=%q status=%s took=%s size=%s step=%d`, level, msg, status, took, size, n)
	case "json":
		return fmt.Sprintf(`{"level":%q,"msg":%q,"status":%s,"took":%q,"size":%q,"http":{"method":%q,"path":"/v1/%d"},"tags":["a","b%d"]}`,
			level, msg, status, took, size, oneOf(rng, "GET", "POST"), n%7, n%3)
	case "odd":
		return oracleOdd[n]
	}
	return fmt.Sprintf("%s [%d] %s %s %s", strings.ToUpper(level), n, msg, status, took)
}

func oneOf(rng *rand.Rand, words ...string) string { return words[rng.IntN(len(words))] }

// oracleSource has the lines as the archive would give them.
func oracleSource() *kept {
	streams := map[string]*Stream{}
	k := &kept{}
	for _, x := range oracleLines() {
		key := fmt.Sprint(x.Labels)
		if streams[key] == nil {
			streams[key] = &Stream{NewLabels(x.Labels)}
		}
		k.entries = append(k.entries, Entry{Time: x.Time, Line: []byte(x.Line), Stream: streams[key], Meta: NewLabels(x.Meta)})
	}
	return k
}

// oracleFile is the lines, one JSON object each.
func oracleFile() string {
	var b strings.Builder
	for _, x := range oracleLines() {
		line, _ := json.Marshal(x)
		b.Write(append(line, '\n'))
	}
	return b.String()
}
