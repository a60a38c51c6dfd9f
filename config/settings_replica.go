package config

import (
	"errors"
	"fmt"
	"net"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Replica says who this process is among those that share the work.
type Replica struct {
	Name            string        // "": the host's name, which is the pod's
	Address         string        // host at which the other replicas reach this one; "": they do not
	Account         string        // service account of the replicas' pods; "": they are no pods
	Release         string        // the replicas of one release share the work
	LeaseNamespace  string        // "": the pod's own; outside a pod there are no Leases
	LeaseDuration   time.Duration // 0: no Leases, this replica is alone
	JournalInterval time.Duration
}

const groupReplica = "Replicas"

func replicaSettings() []setting {
	return []setting{{
		name: "replica", group: groupReplica, kind: "name",
		help: "Name of this process among the replicas and in its journal; empty means the host's name, which is the pod's.",
		set:  field(func(c *Config) *string { return &c.Replica.Name }, replicaName),
	}, {
		name: "replica-address", group: groupReplica, kind: "host",
		help: "IP address or host name at which the other replicas reach this one's API, the pod's IP in a cluster; empty means that they do not.",
		set:  field(func(c *Config) *string { return &c.Replica.Address }, host),
	}, {
		name: "replica-account", group: groupReplica, kind: "name",
		help: "Service account of the replicas' pods; a Lease that is none of theirs does not count then. Empty means that any Lease does.",
		set:  field(func(c *Config) *string { return &c.Replica.Account }, serviceAccount),
	}, {
		name: "release", group: groupReplica, kind: "name", def: "epilogue",
		help: "Name that the replicas sharing the work have in common; it begins the names of their Leases.",
		set:  field(func(c *Config) *string { return &c.Replica.Release }, releaseName),
	}, {
		name: "lease-namespace", group: groupReplica, kind: "name",
		help: "Namespace of the replicas' Leases; empty means the pod's own and, outside a pod, no Leases.",
		set:  field(func(c *Config) *string { return &c.Replica.LeaseNamespace }, namespace),
	}, {
		name: "lease-duration", group: groupReplica, kind: "duration", def: "15s",
		help: "A replica whose Lease was not renewed for so long is dead, and the others take over its logs; 0 means no Leases: this replica is alone and owns every log.",
		set:  field(func(c *Config) *time.Duration { return &c.Replica.LeaseDuration }, leaseDuration),
	}, {
		name: "journal-interval", group: groupReplica, kind: "duration", def: "5s",
		help: "How often the new lines of all open logs are put into the store as one object; what the loss of the local disk costs at most, where the kubelet no longer has it.",
		set:  field(func(c *Config) *time.Duration { return &c.Replica.JournalInterval }, duration(time.Second, time.Hour)),
	}}
}

// replicaName leaves room for the release's name before it in a Lease's name.
func replicaName(text string) (string, error) {
	if len(validation.IsDNS1123Subdomain(text)) > 0 || len(text) > 180 {
		return "", errors.New("want up to 180 lower-case letters, digits, hyphens and dots, such as epilogue-0")
	}
	return text, nil
}

func host(text string) (string, error) {
	if net.ParseIP(text) == nil && len(validation.IsDNS1123Subdomain(text)) > 0 {
		return "", errors.New("want an IP address or a host name without a port, such as 10.244.1.7 or epilogue-0.epilogue")
	}
	return text, nil
}

// releaseName is a label's value, too.
func releaseName(text string) (string, error) {
	if len(validation.IsDNS1123Label(text)) > 0 {
		return "", errors.New("want up to 63 lower-case letters, digits and hyphens, such as epilogue")
	}
	return text, nil
}

// shortestLease leaves time for two renewals that fail.
const shortestLease = 3 * time.Second

func leaseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d != 0 && d < shortestLease || d > time.Hour {
		return 0, fmt.Errorf("want 0 or a duration from %s to %s", short(shortestLease), short(time.Hour))
	}
	return d, nil
}
