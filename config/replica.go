package config

import (
	"net"
	"os"
	"strings"
)

// Called is this process's name in what it writes: its pod's, which is the host's name.
func (r Replica) Called() string {
	if r.Name != "" {
		return r.Name
	}
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return strings.ToLower(name)
}

// ownNamespaceFile is where the kubelet says which namespace a pod is in.
const ownNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// OwnNamespace is that of the Leases: the setting, or else the pod's own; "" outside of a pod.
func (r Replica) OwnNamespace() string {
	if r.LeaseNamespace != "" {
		return r.LeaseNamespace
	}
	text, err := os.ReadFile(ownNamespaceFile)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// APIAddress is where the other replicas reach this one's API, "" where they do not.
func (c Config) APIAddress() string {
	_, port, err := net.SplitHostPort(c.Serve.Listen)
	if err != nil || c.Replica.Address == "" {
		return ""
	}
	return net.JoinHostPort(c.Replica.Address, port)
}
