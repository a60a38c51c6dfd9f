package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Typed is a command of a page by which Epilogue is operated, and what becomes of it where the release of TestReadme
// stands.
type Typed struct {
	Begins string // as the page has it; the rest comes from there. Of several that fit, the longest counts
	Want   string // a regular expression that its output matches
	Never  string // what its output does not hold; "": anything
	Not    string // why it is not run
	Code   int    // with which it ends
	Also   string // what is typed behind it
	Last   bool   // run after the release is uninstalled
}

// Operated are the commands of the pages by which somebody operates Epilogue, in the order in which they are run.
var Operated = []Typed{
	// What looks, and changes nothing.
	{Begins: "kubectl -n epilogue describe deployment epilogue", Want: "1 available"},
	{Begins: "kubectl epilogue doctor", Want: "(?m)^ok "},
	{Begins: "kubectl epilogue doctor -n zenml-workload-manager --archive", Not: "there is no Amazon here"},
	{Begins: "kubectl -n $SYS get pods -l", Want: `(?m)^epilogue-\S+ +0 +<none>$`},
	{Begins: "kubectl -n $SYS get deployment,pods -l", Want: "deployment.apps/epilogue +1/1"},
	{Begins: "kubectl -n $SYS get deployment,pods -o wide -l", Want: "deployment.apps/epilogue +1/1"},
	{Begins: "kubectl -n $SYS get deployment epilogue", Want: "1/1"},
	{Begins: "kubectl -n $SYS get pods", Want: "epilogue-.* 1/1 "},
	{Begins: "kubectl -n $SYS describe pod", Want: "Name: +epilogue-"},
	{Begins: "kubectl -n $SYS logs -p POD", Want: "previous terminated container .* not found", Code: 1},
	{Begins: "kubectl -n $SYS logs deployment/epilogue | grep", Want: "seal|WARN|store"},
	{Begins: "kubectl -n $SYS logs deployment/epilogue | grep -i lost", Want: "^$", Code: 1},
	{Begins: "kubectl -n $NS get jobs -o custom-columns", Want: `(?m)^operated +<none> +\[epilogue.dev/archive\]`},
	{Begins: "kubectl -n $NS get job JOB -o jsonpath", Want: "epilogue.dev/archive"},
	{Begins: "kubectl -n $NS get jobs -o json | jq", Want: "^$"}, // no log is lost
	{Begins: "kubectl -n $NS get jobs -o json | jq '.items[] | [.metadata.name, .metadata.ownerReferences", Want: `"operated"`},
	{Begins: "kubectl -n $NS describe job JOB", Want: "Name: +operated"},
	{Begins: "kubectl -n $NS describe pod", Want: "Name: +operated-"},
	{Begins: "kubectl -n $NS get pods --field-selector=status.phase=Pending", Want: "No resources found"},
	{Begins: "kubectl get mutatingadmissionpolicy $SYS-epilogue-gate", Want: "name: epilogue-try-epilogue-gate"},
	{Begins: "kubectl get pods -A --field-selector spec.nodeName=NODE", Want: "null"},
	{Begins: "kubectl auth can-i get pods --subresource=log", Want: "yes"},
	{Begins: "kubectl auth can-i --list --as=system:serviceaccount:$SYS:epilogue", Want: "pods/log"},
	{Begins: "kubectl -n $SYS exec deployment/epilogue -- /epilogue journal list", Want: "REPLICA|epilogue-"},
	{Begins: "kubectl epilogue describe JOB", Want: "complete"},
	{Begins: "kubectl epilogue logs JOB --include PATTERN", Want: "^line 000000003 "},
	{Begins: "kubectl epilogue logs -n zenml-workload-manager JOB", Want: "line 000000005 "},

	// What lets a Job go.
	{Begins: "kubectl -n $SYS exec deployment/epilogue -- /epilogue release JOB --dry-run", Want: "job/operated"},
	{Begins: "kubectl -n $NS patch job JOB", Want: "job.batch/operated patched"},
	{Begins: "kubectl -n $SYS exec deployment/epilogue -- /epilogue release JOB", Want: "job/operated released"},
	{Begins: "epilogue release --namespace $NS JOB", Want: "operated"},
	{Begins: "kubectl epilogue release JOB", Want: "operated"},
	{Begins: "epilogue release --all --namespace $NS", Want: ""}, // nothing is left to release
	{Begins: "epilogue uninstall --namespace $NS", Want: "epilogue", Also: " --dry-run"},

	// What changes the release.
	{Begins: "kubectl -n epilogue rollout restart deployment/epilogue", Want: "restarted"},
	{Begins: "kubectl -n $SYS scale deployment/epilogue --replicas=1", Want: "scaled"},
	{Begins: "kubectl -n epilogue rollout status deployment/epilogue", Want: "successfully rolled out"},
	{Begins: "kubectl -n epilogue get leases", Want: "epilogue-[0-9a-z]+-[0-9a-z]+ "},
	{Begins: "helm upgrade epilogue deploy/chart/epilogue", Want: "REVISION: 2"},
	{Begins: "helm rollback epilogue", Want: "Rollback was a success"},
	{Begins: "kubectl get jobs,pods -A -o json | jq -r '.items[] | select(.metadata.finalizers", Never: "epilogue-try", Last: true},
	{Begins: "kubectl get mutatingadmissionpolicies,", Never: "epilogue-try", Last: true}, // other tests have theirs
	{Begins: "kubectl -n $SYS logs job/epilogue-uninstall", Want: "not found", Code: 1, Last: true},

	{Begins: "aws ", Not: "there is no Amazon here"},
	{Begins: "eksctl ", Not: "there is no Amazon here"},
	{Begins: "helm install", Not: "deploy renders them"},
	{Begins: "helm -n $SYS uninstall epilogue", Not: "README has it"},
	{Begins: "helm uninstall epilogue", Not: "README has it"},
	{Begins: "kubectl delete ", Not: "TestForegroundDeletionIsRefused and others delete"},
	{Begins: "kubectl epilogue verify --archive URL", Not: "tests of cli and integration do"},
	{Begins: "kubectl -n epilogue port-forward", Not: "forwards of the tests have ports of their own"},
	{Begins: "kubectl -n $SYS port-forward", Not: "forwards of the tests have ports of their own"},
	{Begins: "curl ", Not: "it needs that forward"},
}

// OperationsCommands returns the commands of the pages of operations, each once and whole, by the index of their row of
// Operated. Root is the path of the repository. A command without a row is an error: who writes one says whether it is
// run, and what it prints.
func OperationsCommands(root string) (map[int][]string, error) {
	pages, err := filepath.Glob(filepath.Join(root, "docs/runbooks/*.md"))
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"operations", "upgrade", "install-eks", "sizing", "faq"} {
		pages = append(pages, filepath.Join(root, "docs", name+".md"))
	}
	all := map[int][]string{}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return nil, err
		}
		for _, c := range wholeCommands(string(text)) {
			row := rowOf(c)
			if row < 0 {
				return nil, fmt.Errorf("%s: command %q: want a row in docs/operated.go that says what it prints, or why it is not run", page, c)
			}
			if !slices.Contains(all[row], c) {
				all[row] = append(all[row], c)
			}
		}
	}
	return all, nil
}

func rowOf(command string) int {
	found := -1
	for i, row := range Operated {
		if strings.HasPrefix(command, row.Begins) && (found < 0 || len(row.Begins) > len(Operated[found].Begins)) {
			found = i
		}
	}
	return found
}

var (
	indented = regexp.MustCompile(`(?m)(?:^    .*\n)+`)
	program  = regexp.MustCompile(`(?m)^(?:kubectl|helm|epilogue|curl|aws|eksctl) `)
)

// wholeCommands returns those of indented blocks, over several lines where they have them, and those between
// backquotes.
func wholeCommands(text string) (all []string) {
	for _, block := range indented.FindAllString(text, -1) {
		block = strings.TrimPrefix(strings.ReplaceAll("\n"+block, "\n    ", "\n"), "\n")
		starts := program.FindAllStringIndex(block, -1)
		for i, at := range starts {
			end := len(block)
			if i+1 < len(starts) {
				end = starts[i+1][0]
			}
			all = append(all, strings.TrimSpace(block[at[0]:end]))
		}
	}
	for _, m := range span.FindAllStringSubmatch(indented.ReplaceAllString(text, ""), -1) {
		// A program and one word are a name in a sentence, as "helm upgrade" is.
		if program.MatchString(m[1]) && len(strings.Fields(m[1])) > 2 {
			all = append(all, strings.ReplaceAll(m[1], `\|`, "|"))
		}
	}
	return all
}
