//go:build e2e

package deploy

import (
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/golden"
)

// installHead tells who has no helm what to do with the file.
const installHead = `# Epilogue without helm: the chart of deploy/chart/epilogue with the values of deploy/install.values.yaml. Rendered by
# make update; do not edit. It watches the Jobs of one namespace, which must exist. Set that namespace and your bucket:
#
#   sed -e 's|s3://my-bucket/logs|s3://BUCKET/PREFIX|' -e 's|zenml-workload-manager|NAMESPACE|' install.yaml | kubectl apply -f -
#
# The service account epilogue in namespace epilogue has to have the rights on the bucket: by an association of EKS Pod Identity,
# or by the annotation eks.amazonaws.com/role-arn. The admission policies, which put the gate on a Job from its creation and
# refuse foreground deletions, are not here: not every API server has their kinds. They come with the chart, or with
#
#   helm template epilogue deploy/chart/epilogue -n epilogue -f deploy/install.values.yaml --set gate.policies.enabled=true
#
# Before you delete what is here, run epilogue uninstall by hand (docs/operations.md), or Jobs stay for ever.
`

func TestInstallIsUpToDate(t *testing.T) {
	text, err := helm(t, "template", "epilogue", "chart/epilogue", "-n", "epilogue", "-f", "install.values.yaml")
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if strings.Contains(text, "helm.sh/hook") {
		t.Error("got a hook, which kubectl apply would run at once")
	}
	golden.Compare(t, "install.yaml", []byte(installHead+text))
}

// demoHead says what the file is to who finds it.
const demoHead = `# What make demo installs: the chart of deploy/chart/epilogue as helm renders it, so that who has no helm waits for none to be built.
# Rendered by make update; do not edit. The demo puts the image that it has built in the place of epilogue:dev.
`

func TestDemoIsUpToDate(t *testing.T) {
	args := []string{"template", "epilogue", "chart/epilogue", "-n", "epilogue-demo", "--no-hooks", withPolicies}
	for _, v := range []string{
		"image.repository=epilogue", "image.tag=dev", "image.pullPolicy=Never", "archive=s3://archive/logs",
		"namespace=epilogue-demo-jobs", "s3.endpoint=http://s3:7070", "s3.existingSecret.name=s3-keys",
	} {
		args = append(args, "--set", v)
	}
	text, err := helm(t, args...)
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	golden.Compare(t, "../e2e/demo/epilogue.yaml", []byte(demoHead+text))
}
