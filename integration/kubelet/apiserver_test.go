//go:build integration

package kubelet

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/epilogue-dev/epilogue/integration/controlplane"
)

var (
	plane *controlplane.ControlPlane
	nodes atomic.Int64
)

func TestMain(m *testing.M) {
	os.Exit(controlplane.Run(m, func(cp *controlplane.ControlPlane) { plane = cp }))
}

func TestAPIServer(t *testing.T) {
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := New(t, plane.Client(), fmt.Sprintf("node-%d", nodes.Add(1)), c.opts...)
			c.run(&bed{t: t, k: k, client: plane.Client(), ns: plane.Namespace(t)})
		})
	}
}
