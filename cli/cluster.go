package cli

import (
	"fmt"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// restConfig is how the kubeconfig reaches the API server.
func (p *program) restConfig() (*rest.Config, error) {
	cfg, err := p.kube.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	cfg.UserAgent = "kubectl-epilogue/" + p.version
	return cfg, nil
}

func (p *program) client() (kubernetes.Interface, error) {
	if p.kubes != nil {
		return p.kubes, nil
	}
	cfg, err := p.restConfig()
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to Kubernetes: %w", err)
	}
	return client, nil
}
