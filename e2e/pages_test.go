//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// typedCommand is a command of a page, and what becomes of it where the release of TestReadme stands.
type typedCommand struct {
	begins string // as the page has it; the rest comes from there. Of several that fit, the longest counts
	want   string // a regular expression that its output matches
	never  string // what its output does not hold; "": anything
	not    string // why it is not run
	code   int    // with which it ends
	also   string // what is typed behind it
	last   bool   // run after the release is uninstalled
}

// operated are the commands of the pages by which somebody operates Epilogue, in the order in which they are run.
var operated = []typedCommand{
	// What looks, and changes nothing.
	{begins: "kubectl -n epilogue describe deployment epilogue", want: "1 available"},
	{begins: "kubectl epilogue doctor", want: "(?m)^ok "},
	{begins: "kubectl epilogue doctor -n zenml-workload-manager --archive", not: "there is no Amazon here"},
	{begins: "kubectl -n $SYS get --raw /api", want: "ok"},
	{begins: "kubectl -n $SYS get pods -l", want: `(?m)^epilogue-\S+ +0 +<none>$`},
	{begins: "kubectl -n $SYS get deployment,pods -l", want: "deployment.apps/epilogue +1/1"},
	{begins: "kubectl -n $SYS get deployment epilogue", want: "1/1"},
	{begins: "kubectl -n $SYS get pods", want: "epilogue-.* 1/1 "},
	{begins: "kubectl -n $SYS describe pod", want: "Name: +epilogue-"},
	{begins: "kubectl -n $SYS logs -p POD", want: "previous terminated container .* not found", code: 1},
	{begins: "kubectl -n $SYS logs deployment/epilogue --previous", want: "previous terminated container .* not found", code: 1},
	{begins: "kubectl -n $SYS logs deployment/epilogue | grep", want: "seal|WARN|store"},
	{begins: "kubectl -n $SYS logs deployment/epilogue | grep -i lost", want: "^$", code: 1},
	{begins: "kubectl -n $NS get jobs -o custom-columns", want: `(?m)^operated +<none> +\[epilogue.dev/archive\]`},
	{begins: "kubectl -n $NS get job JOB -o jsonpath", want: "epilogue.dev/archive"},
	{begins: "kubectl -n $NS get jobs -o json | jq", want: "^$"}, // no log is lost
	{begins: "kubectl -n $NS describe job JOB", want: "Name: +operated"},
	{begins: "kubectl -n $NS describe pod", want: "Name: +operated-"},
	{begins: "kubectl -n $NS get pods --field-selector=status.phase=Pending", want: "No resources found"},
	{begins: "kubectl get mutatingadmissionpolicy $SYS-epilogue-gate", want: "name: epilogue-try-epilogue-gate"},
	{begins: "kubectl get pods -A --field-selector spec.nodeName=NODE", want: "null"},
	{begins: "kubectl auth can-i get pods --subresource=log", want: "yes"},
	{begins: "kubectl auth can-i --list --as=system:serviceaccount:$SYS:epilogue", want: "pods/log"},
	{begins: "kubectl -n $SYS exec deployment/epilogue -- /epilogue journal list", want: "REPLICA|epilogue-"},
	{begins: "kubectl epilogue describe JOB", want: "complete"},
	{begins: "kubectl epilogue logs JOB --include PATTERN", want: "^line 000000003 "},
	{begins: "kubectl epilogue logs -n zenml-workload-manager JOB", want: "line 000000005 "},

	// What lets a Job go.
	{begins: "kubectl -n $SYS exec deployment/epilogue -- /epilogue release JOB --dry-run", want: "job/operated"},
	{begins: "kubectl -n $NS patch job JOB", want: "job.batch/operated patched"},
	{begins: "kubectl -n $SYS exec deployment/epilogue -- /epilogue release JOB", want: "job/operated released"},
	{begins: "epilogue release --namespace $NS JOB", want: "operated"},
	{begins: "kubectl epilogue release JOB", want: "operated"},
	{begins: "epilogue release --all --namespace $NS", want: ""}, // nothing is left to release
	{begins: "epilogue uninstall --namespace $NS", want: "epilogue", also: " --dry-run"},

	// What changes the release.
	{begins: "kubectl -n epilogue rollout restart deployment/epilogue", want: "restarted"},
	{begins: "kubectl -n $SYS scale deployment/epilogue --replicas=1", want: "scaled"},
	{begins: "kubectl -n epilogue rollout status deployment/epilogue", want: "successfully rolled out"},
	{begins: "kubectl -n epilogue get leases", want: "epilogue-[0-9a-z]+-[0-9a-z]+ "},
	{begins: "helm upgrade epilogue deploy/chart/epilogue", want: "REVISION: 2"},
	{begins: "helm rollback epilogue", want: "Rollback was a success"},
	{begins: "kubectl get jobs,pods -A -o json | jq -r '.items[] | select(.metadata.finalizers", never: "epilogue-try", last: true},
	{begins: "kubectl get mutatingadmissionpolicies,", never: "epilogue-try", last: true}, // other tests have theirs
	{begins: "kubectl -n $SYS logs job/epilogue-uninstall", want: "not found", code: 1, last: true},

	{begins: "aws ", not: "there is no Amazon here"},
	{begins: "eksctl ", not: "there is no Amazon here"},
	{begins: "helm install", not: "deploy renders them"},
	{begins: "helm -n $SYS uninstall epilogue", not: "README has it"},
	{begins: "helm uninstall epilogue", not: "README has it"},
	{begins: "kubectl delete ", not: "TestForegroundDeletionIsRefused and others delete"},
	{begins: "kubectl epilogue verify --archive URL", not: "tests of cli and integration do"},
	{begins: "kubectl -n epilogue port-forward", not: "forwards of the tests have ports of their own"},
	{begins: "curl ", not: "it needs that forward"},
}

// pagesOfOperations are those whose commands are in operated.
func pagesOfOperations(t *testing.T) []string {
	t.Helper()
	runbooks, err := filepath.Glob("../docs/runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	return append(runbooks, "../docs/operations.md", "../docs/upgrade.md", "../docs/install-eks.md", "../docs/sizing.md", "../docs/faq.md")
}

var (
	indented = regexp.MustCompile(`(?m)(?:^    .*\n)+`)
	spanned  = regexp.MustCompile("`([^`\n]+)`")
	aProgram = regexp.MustCompile(`^(?:kubectl|helm|epilogue|curl|aws|eksctl) `)
	nextOne  = regexp.MustCompile(`(?m)^(?:kubectl|helm|epilogue|curl|aws|eksctl) `)
)

// commandsOf gives each command of a page once: whole, over several lines where it has them.
func commandsOf(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, block := range indented.FindAllString(string(text), -1) {
		block = strings.ReplaceAll("\n"+block, "\n    ", "\n")[1:]
		starts := nextOne.FindAllStringIndex(block, -1)
		for i, at := range starts {
			end := len(block)
			if i+1 < len(starts) {
				end = starts[i+1][0]
			}
			all = append(all, strings.TrimSpace(block[at[0]:end]))
		}
	}
	for _, m := range spanned.FindAllStringSubmatch(indented.ReplaceAllString(string(text), ""), -1) {
		// One word more is a name in a sentence, as "helm upgrade" is.
		if aProgram.MatchString(m[1]) && len(strings.Fields(m[1])) > 2 {
			all = append(all, strings.ReplaceAll(m[1], `\|`, "|"))
		}
	}
	return all
}

// script gives the commands that are to be typed while the release stands, or after it, each between two lines that name it.
func script(t *testing.T, last bool) string {
	t.Helper()
	commands := map[string][]string{}
	for _, page := range pagesOfOperations(t) {
		for _, c := range commandsOf(t, page) {
			row := rowOf(c)
			if row == nil {
				t.Errorf("%s: got the command %q, of which the test does not know whether to run it", page, c)
				continue
			}
			if !slices.Contains(commands[row.begins], c) {
				commands[row.begins] = append(commands[row.begins], c)
			}
		}
	}
	var b strings.Builder
	for i, row := range operated {
		if len(commands[row.begins]) == 0 {
			t.Errorf("got no command that begins with %q on a page", row.begins)
		}
		if row.not != "" || row.last != last {
			continue
		}
		for _, c := range commands[row.begins] {
			fmt.Fprintf(&b, "echo '@@ %d'\n( %s%s\n) </dev/null 2>&1 && echo '@@ ends 0' || echo \"@@ ends $?\"\n", i, here(c), row.also)
		}
	}
	return b.String()
}

func rowOf(command string) *typedCommand {
	var found *typedCommand
	for i := range operated {
		if row := &operated[i]; strings.HasPrefix(command, row.begins) && (found == nil || len(row.begins) > len(found.begins)) {
			found = row
		}
	}
	return found
}

// here puts what is here in the place of a page's names.
func here(command string) string {
	job, pod := "operated", "$RUNNING"
	if strings.Contains(command, "$SYS") {
		pod = "$DAEMON"
	}
	if strings.HasPrefix(command, "kubectl epilogue") && !strings.Contains(command, " release ") {
		job = "hello" // gone, and kept
	}
	command = regexp.MustCompile(`(-n|--namespace) epilogue\b`).ReplaceAllString(command, "$1 $$SYS")
	command = regexp.MustCompile(`\bPOD\b`).ReplaceAllLiteralString(command, pod)
	return strings.NewReplacer("zenml-workload-manager", "$NS", "JOB", job, "NODE", "$NODE", "PATTERN", "000000003").Replace(command)
}

// beforePages has the names that the pages use stand for what README's block made, and a Job that runs. As on most clusters the user has
// a token, which kind's administrator has not.
const beforePages = `
NS=epilogue-try-jobs SYS=epilogue-try
cp "$KUBECONFIG" "$SCRATCH/kubeconfig"
export KUBECONFIG=$SCRATCH/kubeconfig
kubectl config set-context --current --namespace=$NS
kubectl config set-credentials "$(kubectl config view --minify -o jsonpath='{.users[0].name}')" --token="$(kubectl create token default)"
kubectl create job operated --image=$sample -- /sample until -rate 10
kubectl wait pod -l job-name=operated --for=condition=Ready --timeout=60s
RUNNING=$(kubectl get pods -l job-name=operated -o jsonpath='{.items[0].metadata.name}')
DAEMON=$(kubectl -n $SYS get pods -l app.kubernetes.io/name=epilogue -o jsonpath='{.items[0].metadata.name}')
NODE=$(kubectl get nodes -o jsonpath='{.items[0].metadata.name}')
`

// checkTyped judges what a script of script said.
func checkTyped(t *testing.T, said string) {
	t.Helper()
	found := regexp.MustCompile(`(?ms)^@@ (\d+)\n(.*?)^@@ ends (\d+)$`).FindAllStringSubmatch(said, -1)
	for _, m := range found {
		i, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		row := operated[i]
		if m[3] != strconv.Itoa(row.code) || !regexp.MustCompile(row.want).MatchString(m[2]) || row.never != "" && strings.Contains(m[2], row.never) {
			t.Errorf("%s...: got code %s and\n%s\nwant code %d, a match of %q and nothing of %q", row.begins, m[3], m[2], row.code, row.want, row.never)
		}
	}
	if len(found) < len(operated)/2 {
		t.Errorf("got the output of %d commands, want that of most of %d", len(found), len(operated))
	}
}
