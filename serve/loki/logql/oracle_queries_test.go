package logql

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// oracleQueries are what is asked of Loki and of the engine: those that are known to be edges, and random ones. Each is
// its kind, a tab, and the query in one line. A kind is instant, range, or range with one thing more: forward (the
// oldest lines first), every (an interval of 30 s) or categorized (metadata and parsed labels apart from those of the
// stream).
func oracleQueries() (all []string) {
	for _, stage := range oraclePipelines {
		all = append(all, "range\t"+`{namespace=~".+"} `+stage)
	}
	for _, odd := range []string{"| json", "| logfmt", "| logfmt --strict", "| logfmt --keep-empty", `| json a="a", b="a.b.c", c="a[0]"`, `| logfmt a, is="d"`, `| logfmt --keep-empty a, is="d", no="none"`, `| logfmt --strict a, is="d"`, `| json a, b="a.b"`, `| json is="a[1]", b="a[0].b"`,
		"| json | logfmt", "| json | logfmt --strict", "| logfmt --strict | json", `| logfmt | b > 5 | json`, `| logfmt | b > 5 | logfmt --strict`, `| json a="a" | logfmt --strict`,
		`| logfmt | n > 5`, `| logfmt | d > 5m`, `| logfmt | b > 5KB`, `| logfmt | n != 5`, `| logfmt --keep-empty | n != 5`,
		`| logfmt | d <= 61s`, `| json | a > 5`, `| json | a < 5`, `| json | a != 5`, `| logfmt | n3 > 5 | n > 100`,
		`| logfmt | n3 > 5 or b3 > 5KB`, `| logfmt | n3 > 5 | b3 > 5KB`, `| logfmt | d > 5KB`, `| logfmt | n > 5m`, `| json a="a[1]", b="c", c="[0]"`,
		`| logfmt | b == 5KB`, `| json | __error__=""`, `| logfmt --strict | __error__=""`, `| json | drop __error__`,
		`| json | line_format "{{.a}}|{{.b}}"`, `| decolorize`, `| logfmt | label_format job="x", n=d`, `| json | keep a, level`,
		`| json | drop level`, `| logfmt | level_extracted="mine"`, `| json | level="mine"`, `| label_format level="x"`, `| label_format z=level`,
		`| logfmt | label_format pod=job`, `| json | a=""`, `| logfmt | n=~"5.*" or d=""`} {
		for _, window := range []string{"00", "30"} { // the odd lines fill more than one answer
			all = append(all, "range\t"+`{job="odd"} |~ "`+map[string]string{"00": "[{]", "30": "^[^{]*$"}[window]+`" `+odd)
		}
	}
	all = append(all, "range\t"+`{job="odd"} |= "two words" | logfmt f="a"`)
	for _, stage := range []string{`| drop job, level, pod | json`, `| label_format job="x", was=level | json`, `| keep job | json`, `| json | json`, `| json | line_format "{{.level_extracted}}" | logfmt`,
		`| json job="pod", pod="job"`, `| json job_extracted="pod" | json`, `| drop level | json level`, `| json | drop level | label_format level=level_extracted`,
		`| label_format level_extracted="x" | json`, `| json | label_format a=a`, `| json | label_format b=none, none=level`, `| json | level_extracted="mine" | drop level_extracted="mine"`,
		`| json | label_format a="{{.level}}", level="{{.a}}"`, `| logfmt | drop level | logfmt`,
		`| json | label_format x=level, a="{{.x}}", b="{{.a}}"`, `| json | label_format a="{{.level}}", level=pod, b="{{.level}}"`, `| json a="none", b="job" | label_format c="{{.a}}"`} {
		all = append(all, "range\t"+`{job="odd"} |~ "mine|deep" `+stage, "categorized\t"+`{job="odd"} |~ "mine|deep" `+stage)
	}
	for _, metric := range oracleMetrics {
		all = append(all, "range\t"+metric, "instant\t"+metric)
	}
	for _, stage := range []string{``, `|= "error"`, `| json | logfmt`, `| json | __error__=""`, `| logfmt | label_format job=level, x=pod, y="{{.job}}"`, `| drop pod, job`,
		`| json | keep a, level, job`, `| logfmt | line_format "{{.msg}}"`} {
		for _, kind := range []string{"forward", "every", "categorized"} {
			all = append(all, kind+"\t"+`{namespace=~".+"} `+stage, kind+"\t"+`{job="odd"} `+stage)
		}
	}
	for _, asked := range oracleClients {
		all = append(all, "range\t"+asked)
	}
	rng := rand.New(rand.NewPCG(26, 20))
	for range 60 {
		all = append(all, oneOf(rng, "range", "range", "range", "forward", "every", "categorized")+"\t"+randomLog(rng))
	}
	for range 150 {
		all = append(all, randomPiped(rng))
	}
	for range 80 {
		all = append(all, oneOf(rng, "range", "instant")+"\t"+randomMetric(rng, 3))
	}
	return all
}

var oraclePipelines = []string{
	``, `|= "error"`, `|= "out of memory" or "retry"`, `!= "step" or "retry"`, `|~ "(?i)error"`, `|~ "err|time" or "shard"`, `!~ "e" or "x"`, `|= ""`, `!= ""`,
	`|~ ""`, `!~ ""`, `|~ "^level"`, `|~ "[0-9]{3}$"`, `|= "\"level\":\"error\""`, "|= `\"level\":\"error\"`", `|= "ünï"`, `|~ "(?i)ÄÖ"`,
	`| pod="train-1"`, `| pod=""`, `| pod!=""`, `| attempt=~"1|2"`, `| attempt>1`, `| attempt!=1`, `| job="train"`, `| json | status >= 500`,
	`|= "status" | json | status >= 500`, `|= "status=" | logfmt | status >= 500 and level="error"`, `|= "status=" | logfmt | status = 500`,
	`|= "status=" | logfmt | (took > 1s or size > 1MB) and status != 200`, `|= "status=" | logfmt | took >= 950ms, status < 300`,
	`|= "status=" | logfmt | size >= 3MiB`, `|= "http" | json | http_method="GET" | http_path=~"/v1/[0-3]"`,
	`|= "http" | json method="http.method", tag="tags[1]", none="x.y" | line_format "{{.method}} {{.tag}}{{.none}}"`,
	`|= "http" | json level, http | line_format "{{.http}}"`, `| line_format "{{.job}}/{{.pod}}: {{__line__}}"`, `| line_format "{{.none}}"`,
	`| line_format "x" |= "x"`, `| line_format "x" |= "e"`, `| label_format j=job, x="{{.namespace}}-{{.container}}"`, `| label_format job="new"`,
	`| label_format pod=job`, `| label_format a=none`, `| drop job`, `| drop pod, attempt`, `| drop job="train"`, `| drop job=~"t.*", pod`, `| keep job`, `| keep job="train", pod`,
	`| decolorize |= "red plain"`, `| job="train" or job="load"`, `| job="train" and container="main" and pod=~"t.*"`, `| logfmt | json`, `| json | logfmt`,
	`| logfmt | status=200 or level="error" and step>50`, `| logfmt | step>50 and level="error" or status=200`, `| logfmt | step>50, level="error" or status=200`,
	`| logfmt | step>50 level="error" or status=200`, `| logfmt | status=200 or level="error", step>50`, `| logfmt | level="info" and step>9 status=404 or status=500 and step<30`,
	`| job="none"`, `| job>5`, `# a comment`,
}

var oracleMetrics = []string{
	`count_over_time({job="train"}[1m])`, `rate({job="train"}[1m])`, `bytes_over_time({job="train"}[1m])`, `bytes_rate({job="train"}[90s])`,
	`count_over_time({namespace=~".+"}[1m] offset 1m)`, `sum(count_over_time({namespace=~".+"}[10s]))`, `sum by (job) (rate({namespace=~".+"}[1m]))`,
	`sum by (pod, nothing) (count_over_time({namespace=~".+"}[1m]))`, `sum without (pod, attempt) (count_over_time({namespace=~".+"}[1m]))`,
	`avg by (namespace) (bytes_over_time({namespace=~".+"}[2m]))`, `max(bytes_over_time({namespace=~".+"}[2m]))`, `min by (job) (bytes_over_time({namespace=~".+"}[2m]))`,
	`count(count_over_time({namespace=~".+"}[2m]))`, `topk(2, sum by (job) (bytes_over_time({namespace=~".+"}[2m])))`,
	`bottomk(1, sum by (job) (bytes_over_time({namespace=~".+"}[2m])))`, `topk by (namespace) (1, sum by (job, namespace) (bytes_rate({namespace=~".+"}[5m])))`,
	`sum by (level) (count_over_time({job="train"} | json [1m]))`, `sum by (level) (count_over_time({job="train"} |= "level=" | logfmt [1m]))`,
	`sum by (level, detected_level) (count_over_time({job="train"} |= "level=" | logfmt | __error__="" [1m]))`,
	`sum(count_over_time({job="odd"} | json [1m]))`, `sum(count_over_time({job="odd"} | json | drop a [1m]))`, `sum(bytes_over_time({job="odd"} | logfmt --strict | keep a [1m]))`,
	`sum(count_over_time({job="odd"} | json x="a" | line_format "{{.x}}" [1m]))`, `sum(rate({job="odd"} | json |= "a" | decolorize [1m]))`,
	`sum by () (count_over_time({job="odd"} | json | label_format x=a [1m]))`, `max without (level) (count_over_time({job="odd"} | logfmt --keep-empty a, c [1m]))`,
	`sum without (pod) (count_over_time({job="odd"} | logfmt --keep-empty a, c | c!="" [1m]))`, `sum by (a) (count_over_time({job="odd"} | json [1m]))`, `sum by (job) (count_over_time({job="odd"} | json [1m]))`,
	`sum by (a) (count_over_time({job="odd"} | json | __error__="" [1m]))`, `sum(count_over_time({job="odd"} | logfmt | n > 5 [10m]))`,
	`sum(count_over_time({job="odd"} | logfmt | n > 5 | __error__="" [10m]))`, `count_over_time({job="odd"} | json [10m])`,
	`sum by (level) (count_over_time({job="odd"} | logfmt [5m]))`, `sum by (level_extracted) (count_over_time({job="odd"} | logfmt [5m]))`,
	`bytes_over_time({job="load"} | line_format "{{.job}}" [1m])`, `count_over_time({job="load"} | line_format "" [1m])`, `bytes_over_time({job="load"} | line_format "" [1m])`,
	`count_over_time({job="load"} |~ "ERROR|WARN" [1m])`, `sum(rate({job="load"} |= "ERROR" [5m])) / sum(rate({job="load"}[5m]))`,
	`sum(rate({job="load"} |= "ERROR" [1m])) / sum(rate({job="load"}[1m])) * 100`, `sum(count_over_time({job="load"}[1m])) or vector(0)`,
	`sum by (job) (count_over_time({namespace="ml"}[1m])) - sum by (job) (count_over_time({job="train"}[1m]))`,
	`sum by (job) (count_over_time({namespace=~".+"}[1m])) and sum by (job) (count_over_time({namespace="ml"}[1m]))`,
	`sum by (job) (count_over_time({namespace=~".+"}[1m])) unless sum by (job) (count_over_time({namespace="ml"}[1m]))`,
	`sum by (job, namespace) (count_over_time({namespace=~".+"}[1m])) * on (job) sum by (job) (count_over_time({namespace=~".+"}[1m]))`,
	`sum by (job, namespace) (count_over_time({namespace=~".+"}[1m])) * ignoring (namespace) sum by (job) (count_over_time({namespace=~".+"}[1m]))`,
	`sum by (job, namespace) (count_over_time({namespace=~".+"}[1m])) > on (job) sum by (job) (count_over_time({namespace=~".+"}[30s]))`,
	`sum by (namespace) (count_over_time({namespace=~".+"}[1m])) * on (namespace) sum by (job, namespace) (count_over_time({namespace=~".+"}[1m]))`,
	`sum by (job) (count_over_time({namespace=~".+"}[1m])) > 5`, `5 < sum by (job) (count_over_time({namespace=~".+"}[1m]))`, `sum by (job) (count_over_time({namespace=~".+"}[1m])) > bool 5`,
	`5 < bool sum by (job) (count_over_time({namespace=~".+"}[1m]))`, `sum by (job) (count_over_time({namespace=~".+"}[1m])) == 5`, `sum by (job) (count_over_time({namespace=~".+"}[1m])) != 5`,
	`2 ^ sum(count_over_time({job="load"}[10s]))`, `sum(count_over_time({job="load"}[1m])) % 3`, `sum(count_over_time({job="load"}[1m])) / 0`, `0 / sum(count_over_time({job="load"}[1m]))`,
	`sum(count_over_time({job="load"}[1m])) % 0`, `vector(1)+vector(1)`, `vector(5)`, `1`, `1 + 2 * 3`, `2 ^ 3 ^ 2`, `-2 ^ 2`, `10 - 3 - 2`, `7 % 4`, `1 / 0`, `-1 / 0`, `1 > 2`, `2 > 1`, `2 > bool 1`, `1 == 1`,
	`1 + vector(1)`, `vector(1) > 0`, `vector(1) > 2`, `vector(1) > bool 2`, `1 > vector(0)`, `vector(2) == vector(2)`, `vector(2) != bool vector(2)`, `sum(vector(3))`,
	`count_over_time({job="none"}[1m])`, `sum(count_over_time({job="none"}[1m]))`, `sum(count_over_time({job="none"}[1m])) or vector(0)`,
	`{job="train"}`, `{job="train"} |= "x"`, `count_over_time({job="train"}[1m] |= "error")`, `count_over_time(({job="train"} |= "error")[1m])`,
	`sum by () (count_over_time({job="train"}[1m]))`, `sum without () (count_over_time({job="train"}[1m]))`, `(sum(count_over_time({job="train"}[1m])))`,
	`max by (job) (sum by (job, container) (count_over_time({namespace=~".+"}[1m])))`, `sum(count_over_time({namespace=~".+"}[1m])) by (job)`, `topk(1, vector(1))`,
}

// oracleClients are what Grafana's Explore, its histogram, Logs Drilldown and ZenML ask.
var oracleClients = []string{
	`sum by (level, detected_level) (count_over_time({namespace="ml"} |= ` + "``" + ` [1m]))`,
	`sum by (level) (count_over_time({namespace="ml"} | json | logfmt | drop __error__, __error_details__ [1m]))`,
	`sum by (level) (count_over_time({namespace=~".+"} | drop __error__ [1m]))`,
	`sum(count_over_time({namespace=~".+"} | drop __error__ [1m])) by (job)`,
	`{namespace="ml"} | json | logfmt | drop __error__, __error_details__`,
	`{namespace="ml"} | json | logfmt | drop __error__, __error_details__ | level="error"`,
	`{namespace="ml"} |~ "(?i)MEMORY" | json | logfmt | drop __error__, __error_details__ | status="503"`,
	`sum by (status) (count_over_time({namespace="ml"} | json | logfmt | drop __error__, __error_details__ | status!="" [1m]))`,
	`topk(2, sum by (pod) (bytes_over_time({namespace=~".+"} [10m])))`,
	`{job="train"} | pod="train-1" |= "step" | attempt!=""`,
	`{job="train"} | pod=~"train-1|other" | level=""`,
	`sum(count_over_time({job="train"} | json | level="error" [1m])) / sum(count_over_time({job="train"} [1m]))`,
	`sum by (namespace) (rate({namespace=~".+"} !~ "(?i)(debug|info)" [5m])) > 0.01`,
	`{namespace="ml"} | logfmt level, status | level="error" | line_format "{{.status}}"`,
	`{namespace="ml"} | json status, method="http.method" | method="GET" and status >= 500`,
}

func randomSelector(rng *rand.Rand) string {
	return oneOf(rng, `{namespace=~".+"}`, `{job="train"}`, `{job="train", container="main"}`, `{job=~"train|evaluate"}`, `{namespace="ml", job!="train"}`,
		`{namespace="etl"}`, `{job=~"l.*"}`, `{container="main", job!~"t.*"}`, `{job="load"}`)
}

func randomPipeline(rng *rand.Rand) string {
	var b strings.Builder
	for range rng.IntN(3) {
		b.WriteString(oneOf(rng, ` |= "error"`, ` != "step"`, ` |~ "[45]0[0-9]"`, ` !~ "(?i)debug"`, ` |= "memory" or "timeout"`, ` |~ "retry|saved"`, ` != "info" or "warn"`))
	}
	if rng.IntN(2) == 0 {
		b.WriteString(oneOf(rng, ` |= "level=" | logfmt`, ` |= "{" | json | __error__=""`, ` | logfmt | __error__=""`, ` | logfmt --strict | __error__=""`, ` | json | __error__=""`,
			` |= "http" | json status, level, took="took" | __error__=""`))
		for range rng.IntN(3) {
			b.WriteString(oneOf(rng, ` | status >= 404`, ` | level=~"error|warn"`, ` | level!="info"`, ` | status < 300 or level="error"`, ` | status = 200`, ` | msg=~".*memory.*"`,
				` | (status > 200 and status < 500) or level="debug"`, ` | took = "3ms"`, ` | drop msg, took, size`, ` | keep level, job`, ` | label_format lvl=level`) + ` | __error__=""`)
		}
	}
	if rng.IntN(4) == 0 {
		b.WriteString(oneOf(rng, ` | line_format "{{.level}} {{.msg}}"`, ` | label_format x="{{.job}}:{{.level}}"`, ` | drop pod`, ` | keep job, level`))
	}
	return b.String()
}

func randomLog(rng *rand.Rand) string { return randomSelector(rng) + randomPipeline(rng) }

func randomMetric(rng *rand.Rand, depth int) string {
	switch n := rng.IntN(6); {
	case depth == 0 || n < 2:
		return fmt.Sprintf(`%s(%s [%s])`, oneOf(rng, rangeOps...), randomLog(rng), oneOf(rng, "10s", "30s", "1m", "90s", "5m"))
	case n < 5:
		op := oneOf(rng, "sum", "sum", "min", "max", "avg", "count")
		group := oneOf(rng, "", " by (job)", " by (namespace)", " by (level)", " by (pod, job)", " without (pod)", " without (level, msg, took, size, step)")
		return op + group + " (" + randomMetric(rng, depth-1) + ")"
	}
	left := "sum by (job) (" + randomMetric(rng, depth-1) + ")"
	right := oneOf(rng, "2", "0.5", "sum by (job) ("+randomMetric(rng, depth-1)+")", "vector(3)")
	op := oneOf(rng, "+", "-", "*", "/", "%", "^", ">", "<=", "!=", "> bool")
	if rng.IntN(4) == 0 && strings.HasPrefix(right, "sum") {
		op = oneOf(rng, "and", "or", "unless")
	}
	return "(" + left + " " + op + " " + right + ")"
}
