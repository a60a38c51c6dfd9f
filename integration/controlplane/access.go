package controlplane

import (
	"bytes"
	"context"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// callTimeout bounds one call.
const callTimeout = 30 * time.Second

// RESTConfig returns an administrator's configuration without client-side throttling. Every call gives a copy.
func (cp *ControlPlane) RESTConfig() *rest.Config { return rest.CopyConfig(cp.admin) }

// Client returns an administrator's client without client-side throttling.
func (cp *ControlPlane) Client() kubernetes.Interface { return cp.client }

// UserConfig returns the configuration of a user with a client certificate. A user has the rights that RBAC gives to
// the name and the groups: at first none.
func (cp *ControlPlane) UserConfig(name string, groups ...string) (*rest.Config, error) {
	cert, key, err := cp.authority.sign(pkix.Name{CommonName: name, Organization: groups})
	if err != nil {
		return nil, err
	}
	return &rest.Config{
		Host: fmt.Sprintf("https://127.0.0.1:%d", cp.ports.apiserver), QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{CAData: cp.authority.pem, CertData: cert, KeyData: key},
	}, nil
}

// KubeconfigFile writes the administrator's kubeconfig to a file of the test and returns its path.
func (cp *ControlPlane) KubeconfigFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := writeKubeconfig(path, cp.admin); err != nil {
		t.Fatal(err)
	}
	return path
}

func writeKubeconfig(path string, c *rest.Config) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["test"] = &clientcmdapi.Cluster{Server: c.Host, CertificateAuthorityData: c.CAData}
	config.AuthInfos["test"] = &clientcmdapi.AuthInfo{ClientCertificateData: c.CertData, ClientKeyData: c.KeyData}
	config.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "test"}
	config.CurrentContext = "test"
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return nil
}

// Namespace makes a namespace for the test. It stays behind, as nothing here would finish its deletion.
func (cp *ControlPlane) Namespace(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	made, err := cp.client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("create namespace: %v", err)
	}
	return made.Name
}

// ServiceAccountToken returns a token of a service account, which it creates if need be. RBAC knows the account as
// system:serviceaccount:<namespace>:<name>.
func (cp *ControlPlane) ServiceAccountToken(ctx context.Context, namespace, name string) (string, error) {
	accounts := cp.client.CoreV1().ServiceAccounts(namespace)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := accounts.Create(ctx, account, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return "", fmt.Errorf("create service account %s/%s: %w", namespace, name, err)
	}
	token, err := accounts.CreateToken(ctx, name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("create token of %s/%s: %w", namespace, name, err)
	}
	return token.Status.Token, nil
}

// Compact drops etcd's history up to this moment. A watch from an older version gets 410 Gone as soon as the API
// server does not hold it in its own cache: call RestartAPIServer next.
func (cp *ControlPlane) Compact(ctx context.Context) error {
	var head struct {
		Header struct{ Revision json.Number } `json:"header"`
	}
	// Any read gives the revision; the key need not exist.
	if err := cp.callEtcd(ctx, "/v3/kv/range", map[string]any{"key": "AA=="}, &head); err != nil {
		return err
	}
	return cp.callEtcd(ctx, "/v3/kv/compaction", map[string]any{"revision": head.Header.Revision.String(), "physical": true}, nil)
}

// callEtcd calls etcd through its JSON gateway.
func (cp *ControlPlane) callEtcd(ctx context.Context, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode request %s of etcd: %w", path, err)
	}
	url := fmt.Sprintf("http://127.0.0.1:%d%s", cp.ports.etcd, path)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make request %s of etcd: %w", path, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("call etcd: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // only read from
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("call etcd %s: status %s", path, resp.Status)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("decode answer of etcd %s: %w", path, err)
	}
	return nil
}
