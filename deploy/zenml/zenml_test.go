package zenml

import (
	"os/exec"
	"testing"
)

// The plug-in needs nothing but an interpreter, of 3.9 or later.
func TestPlugin(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatalf("%v; want python3 on the PATH: apt-get install --no-install-recommends python3", err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-B", "-W", "error::SyntaxWarning", "-m", "unittest", "discover", "-s", "tests", "-t", ".")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
