// Package controlplane starts a real etcd and kube-apiserver for tests, and the Job controller where a test needs it.
//
// It owns the processes, their certificates and a folder that holds both; all of it goes with the test. When the test
// binary is killed the processes die too, the folder stays in the system's folder for temporary files. Nothing is
// faked: preconditions, finalizers, selectors, admission and the log proxy are the API server's own. There is no
// scheduler and no kubelet: package kubelet plays the node.
//
// The binaries come from the environment, see EtcdPath and the variables beside it.
package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// The environment variables that hold the paths of the programs. A test that needs one fails without it.
const (
	EtcdPath              = "EPILOGUE_TEST_ETCD"
	APIServerPath         = "EPILOGUE_TEST_APISERVER"
	ControllerManagerPath = "EPILOGUE_TEST_CONTROLLER_MANAGER"
)

// APIServerFlags is the environment variable with more flags for every API server, for one of another version.
const APIServerFlags = "EPILOGUE_TEST_APISERVER_FLAGS"

// startTimeout bounds the start of one process, on a busy machine of two cores.
const startTimeout = 90 * time.Second

// ControlPlane is one etcd with one API server. Its methods may be called at once from many goroutines, those that
// start and stop processes only one at a time.
type ControlPlane struct {
	dir       string
	options   options
	authority *authority
	etcd      *process
	apiserver *process
	others    []*process
	ports     ports
	admin     *rest.Config
	client    *kubernetes.Clientset
}

type ports struct{ etcd, peer, apiserver int }

type options struct{ flags []string }

// Option changes how the control plane starts.
type Option func(*options)

// Flags adds flags to the API server's command line, as "--goaway-chance=0.02".
func Flags(flags ...string) Option {
	return func(o *options) { o.flags = append(o.flags, flags...) }
}

// Start starts a control plane that ends with the test. Where the test fails, the last lines of the processes' logs are
// printed.
func Start(t testing.TB, opts ...Option) *ControlPlane {
	t.Helper()
	cp, err := New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(cp.LogTails())
		}
		cp.Stop()
	})
	return cp
}

// Run is for TestMain: it starts one control plane for a package, hands it to use, runs the tests and returns the exit
// code.
func Run(m *testing.M, use func(*ControlPlane), opts ...Option) int {
	cp, err := New(opts...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer cp.Stop()
	use(cp)
	code := m.Run()
	if code != 0 {
		fmt.Fprintln(os.Stderr, cp.LogTails())
	}
	return code
}

// New starts a control plane. The caller stops it. Another program may take a port between its choice and its use, so
// a start that fails is tried once more with other ports.
func New(opts ...Option) (*ControlPlane, error) {
	for _, name := range []string{EtcdPath, APIServerPath} {
		if _, err := program(name); err != nil {
			return nil, err
		}
	}
	cp, err := start(opts)
	if err != nil {
		again, secondErr := start(opts)
		if secondErr != nil {
			return nil, errors.Join(err, secondErr)
		}
		return again, nil
	}
	return cp, nil
}

func start(opts []Option) (*ControlPlane, error) {
	dir, err := os.MkdirTemp("", "controlplane-")
	if err != nil {
		return nil, fmt.Errorf("make the control plane's folder: %w", err)
	}
	cp := &ControlPlane{dir: dir}
	for _, o := range opts {
		o(&cp.options)
	}
	if err := cp.start(); err != nil {
		err = fmt.Errorf("start control plane: %w\n%s", err, cp.LogTails())
		cp.Stop()
		return nil, err
	}
	return cp, nil
}

func (cp *ControlPlane) start() (err error) {
	if cp.authority, err = newAuthority(cp.dir); err != nil {
		return err
	}
	if cp.ports, err = freePorts(); err != nil {
		return err
	}
	if cp.etcd, err = launch(EtcdPath, cp.dir, cp.etcdFlags()); err != nil {
		return err
	}
	if cp.admin, err = cp.UserConfig("admin", "system:masters"); err != nil {
		return err
	}
	if cp.client, err = kubernetes.NewForConfig(cp.admin); err != nil {
		return fmt.Errorf("make admin client: %w", err)
	}
	return cp.RestartAPIServer()
}

// Stop kills all processes and removes the folder.
func (cp *ControlPlane) Stop() {
	for _, p := range append([]*process{cp.apiserver, cp.etcd}, cp.others...) {
		p.kill()
	}
	// Left-over files of a test are no reason to fail it.
	_ = os.RemoveAll(cp.dir)
}

// KillAPIServer kills the API server as a crash does: every watch and every log stream breaks.
func (cp *ControlPlane) KillAPIServer() { cp.apiserver.kill() }

// RestartAPIServer kills the API server, if there is one, starts it on the same port and waits until it is ready. Its
// watch cache starts empty: a watch from a version of before gets 410 Gone where anything was written since.
func (cp *ControlPlane) RestartAPIServer() (err error) {
	cp.apiserver.kill()
	if cp.apiserver, err = launch(APIServerPath, cp.dir, cp.apiserverFlags()); err != nil {
		return err
	}
	return cp.apiserver.waitFor(startTimeout, func(ctx context.Context) error {
		return cp.client.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
}

// StartJobController starts a kube-controller-manager with only the controllers of Jobs, of their TTL and of garbage.
// It ends with the control plane.
func (cp *ControlPlane) StartJobController() error {
	config, err := cp.UserConfig("system:kube-controller-manager", "system:masters")
	if err != nil {
		return err
	}
	path := filepath.Join(cp.dir, "controller-manager.kubeconfig")
	if err := writeKubeconfig(path, config); err != nil {
		return err
	}
	version, err := cp.client.Discovery().ServerVersion()
	if err != nil {
		return fmt.Errorf("ask for the API server's version: %w", err)
	}
	controllers := "job-controller,ttl-after-finished-controller,garbage-collector-controller"
	if minor, err := strconv.Atoi(version.Minor); err == nil && minor < 28 { // which gave them names of one kind
		controllers = "job,ttl-after-finished,garbagecollector"
	}
	p, err := launch(ControllerManagerPath, cp.dir, []string{
		"--kubeconfig=" + path,
		"--controllers=" + controllers,
		"--leader-elect=false", "--secure-port=0", "--concurrent-gc-syncs=4",
		"--kube-api-qps=500", "--kube-api-burst=500",
	})
	if err != nil {
		return err
	}
	cp.others = append(cp.others, p)
	return nil
}

// LogTails returns the last lines of each process's log.
func (cp *ControlPlane) LogTails() string {
	var b strings.Builder
	for _, p := range append([]*process{cp.etcd, cp.apiserver}, cp.others...) {
		b.WriteString(p.tail())
	}
	return b.String()
}

func (cp *ControlPlane) etcdFlags() []string {
	client, peer := fmt.Sprintf("http://127.0.0.1:%d", cp.ports.etcd), fmt.Sprintf("http://127.0.0.1:%d", cp.ports.peer)
	return []string{
		"--data-dir=" + filepath.Join(cp.dir, "etcd"), "--unsafe-no-fsync", "--log-level=error",
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=default=" + peer,
	}
}

// apiserverFlags leaves out the admission of service accounts, as nothing makes the default ones, and every look at
// the machine's own network.
func (cp *ControlPlane) apiserverFlags() []string {
	a := cp.authority
	return append([]string{
		fmt.Sprintf("--etcd-servers=http://127.0.0.1:%d", cp.ports.etcd), fmt.Sprintf("--secure-port=%d", cp.ports.apiserver),
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
		"--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount",
		"--client-ca-file=" + a.path("ca.crt"), "--tls-cert-file=" + a.path("apiserver.crt"),
		"--tls-private-key-file=" + a.path("apiserver.key"),
		"--kubelet-client-certificate=" + a.path("kubelet-client.crt"), "--kubelet-client-key=" + a.path("kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + a.path("accounts.key"),
		"--service-account-signing-key-file=" + a.path("accounts.key"),
		"--allow-privileged=true", "--profiling=false", "--v=1",
	}, append(strings.Fields(os.Getenv(APIServerFlags)), cp.options.flags...)...)
}

// freePorts picks three ports of 127.0.0.1 that nobody listens on.
func freePorts() (p ports, err error) {
	for _, port := range []*int{&p.etcd, &p.peer, &p.apiserver} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return p, fmt.Errorf("find a free port: %w", err)
		}
		defer func() { _ = l.Close() }() // held until all three are chosen, so that they differ
		*port = l.Addr().(*net.TCPAddr).Port
	}
	return p, nil
}
