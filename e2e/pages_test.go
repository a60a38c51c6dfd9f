//go:build e2e

package e2e

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/docs"
)

// script returns the commands of docs.Operated that are to be typed while the release stands, or after it, each between
// two lines that name it.
func script(t *testing.T, last bool) string {
	t.Helper()
	commands, err := docs.OperationsCommands("..")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i, row := range docs.Operated {
		if row.Not != "" || row.Last != last {
			continue
		}
		for _, c := range commands[i] {
			fmt.Fprintf(&b, "echo '@@ %d'\n( %s%s\n) </dev/null 2>&1 && echo '@@ ends 0' || echo \"@@ ends $?\"\n", i, here(c), row.Also)
		}
	}
	return b.String()
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
	// The daemon may have the user's own token here.
	command = strings.Replace(command, " --service-account NAME", "", 1)
	return strings.NewReplacer("zenml-workload-manager", "$NS", "JOB", job, "NODE", "$NODE", "PATTERN", "000000003").Replace(command)
}

// beforePages has the names that the pages use stand for what README's block made, and a Job that runs. As on most
// clusters the user has a token, which kind's administrator has not, and says once that the daemon may have it.
const beforePages = `
NS=epilogue-try-jobs SYS=epilogue-try
cp "$KUBECONFIG" "$SCRATCH/kubeconfig"
export KUBECONFIG=$SCRATCH/kubeconfig EPILOGUE_OWN_TOKEN=true
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
		row := docs.Operated[i]
		if m[3] != strconv.Itoa(row.Code) || !regexp.MustCompile(row.Want).MatchString(m[2]) || row.Never != "" && strings.Contains(m[2], row.Never) {
			t.Errorf("%s...: got code %s and\n%s\nwant code %d, a match of %q and nothing of %q", row.Begins, m[3], m[2], row.Code, row.Want, row.Never)
		}
	}
	if len(found) < len(docs.Operated)/2 {
		t.Errorf("got the output of %d commands, want that of most of %d", len(found), len(docs.Operated))
	}
}
