package config

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/epilogue-dev/epilogue/mark"
)

// Cleanup says when finished Jobs go, what holds them until then, and which pods are given up.
type Cleanup struct {
	Enabled      bool          // false: nothing is ended or deleted; the gate stands all the same
	DryRun       bool          // say what would be done, change nothing
	TTL          time.Duration // counted from the end of the Job; 0: as soon as its logs are sealed
	TTLSuccess   time.Duration // resolved: TTL where it is not set
	TTLFailure   time.Duration // resolved: TTL where it is not set
	HistoryLimit int           // finished Jobs kept per workload and kind; 0: no limit
	RetryPods    int           // failed pods kept per Job; 0: all
	OrphanTTL    time.Duration // counted from the end of a pod whose Job is gone
	Rules        []Rule        // the first that matches counts
	CronJobs     bool          // Jobs of CronJobs, too
	Rate         float64       // objects deleted per second
	Gate         GateMode
	GateDeadline time.Duration
	AdoptTTL     bool
	Grace        Grace
	CrashLoops   int  // restarts of a container that waits in CrashLoopBackOff; 0: no limit
	EndWorking   bool // a pod is ended for one container also while a main container of it works
}

// Acts reports whether Jobs and pods of the cluster are changed at all, be it only to hold them. Otherwise rights to
// read are enough.
func (c Cleanup) Acts() bool { return !c.DryRun && !c.ArchivesOnly() }

// ArchivesOnly reports whether the daemon is set to do nothing but archive.
func (c Cleanup) ArchivesOnly() bool { return !c.Enabled && c.Gate == GateNever }

// GateMode says on which Jobs the daemon puts the gate.
type GateMode string

// The modes of the gate.
const (
	GateAlways       GateMode = "always"
	GateLaunchedOnly GateMode = "launched-only" // Jobs that Epilogue launched
	GateNever        GateMode = "never"
)

// Grace is how long a pod may be unable to start, by what keeps it from it. 0: for ever.
type Grace struct {
	ImagePull, ImageName, Config, Create, Mount, Schedule, NoPod time.Duration
}

func cleanupSettings() []setting {
	return append(append(keepSettings(), gateSettings()...), graceSettings()...)
}

func keepSettings() []setting {
	return []setting{{
		name: "cleanup", group: groupCleanup, kind: "bool", def: "true",
		help: "Whether finished Jobs are deleted and pods that cannot start are ended; with false Epilogue only archives, and holds Jobs by the gate.",
		set:  field(func(c *Config) *bool { return &c.Cleanup.Enabled }, boolean),
	}, {
		name: "dry-run", group: groupCleanup, kind: "bool", def: "false",
		help: "Whether cleanup only logs and counts what it would do, and changes no Job and no pod; a Job that carries the gate from elsewhere and is being deleted is still let go.",
		set:  field(func(c *Config) *bool { return &c.Cleanup.DryRun }, boolean),
	}, {
		name: "ttl", group: groupCleanup, kind: "duration", def: "48h", zenml: []string{zenml + "TTL_SECONDS_AFTER_FINISHED"},
		help: "How long a finished Job is kept once its logs are safe; a duration such as 36h or 7d, or a plain number of seconds.",
		set:  field(func(c *Config) *time.Duration { return &c.Cleanup.TTL }, mark.ParseTTL),
	}, {
		name: "ttl-success", group: groupCleanup, kind: "duration",
		help: "The same for Jobs that succeeded; empty means ttl.",
		set:  field(func(c *Config) *time.Duration { return &c.Cleanup.TTLSuccess }, mark.ParseTTL),
	}, {
		name: "ttl-failure", group: groupCleanup, kind: "duration",
		help: "The same for Jobs that failed; empty means ttl.",
		set:  field(func(c *Config) *time.Duration { return &c.Cleanup.TTLFailure }, mark.ParseTTL),
	}, {
		name: "history-limit", group: groupCleanup, kind: "count", def: "0",
		help: "Finished Jobs of the same workload and kind that are kept, the newest first; those beyond go before their time. 0 means no limit.",
		set:  field(func(c *Config) *int { return &c.Cleanup.HistoryLimit }, countOrNone),
	}, {
		name: "retry-pods", group: groupCleanup, kind: "count", def: "3",
		help: "Failed pods of one Job that are kept, the newest first; those beyond are deleted once they are archived. 0 means all are kept.",
		set:  field(func(c *Config) *int { return &c.Cleanup.RetryPods }, countOrNone),
	}, {
		name: "orphan-ttl", group: groupCleanup, kind: "duration", def: "1h",
		help: "How long an archived pod is kept after its end when its Job is gone, as after a deletion that orphans.",
		set:  field(func(c *Config) *time.Duration { return &c.Cleanup.OrphanTTL }, mark.ParseTTL),
	}, {
		name: "cleanup-rules", group: groupCleanup, kind: "json",
		help: `Rules for some Jobs, a JSON array such as ` + rulesExample + `; the first that matches counts, and an annotation on the Job beats it.`,
		set:  field(func(c *Config) *[]Rule { return &c.Cleanup.Rules }, rules),
	}, {
		name: "cleanup-cronjobs", group: groupCleanup, kind: "bool", def: "false",
		help: "Whether Jobs that a CronJob owns are cleaned up, too; by default its own history limits do that, and the gate alone holds them.",
		set:  field(func(c *Config) *bool { return &c.Cleanup.CronJobs }, boolean),
	}, {
		name: "cleanup-rate", group: groupCleanup, kind: "number", def: "20",
		help: "Jobs and pods deleted per second at most; a deletion is up to three requests to the API server.",
		set:  field(func(c *Config) *float64 { return &c.Cleanup.Rate }, rate[float64]),
	}}
}

func gateSettings() []setting {
	return []setting{{
		name: "gate", group: groupCleanup, kind: "always|launched-only|never", def: string(GateAlways),
		help: "On which Jobs the finalizer " + mark.Finalizer + " is put, which keeps a deleted Job and its pods until their logs are archived; launched-only means those that Epilogue launches.",
		set: field(func(c *Config) *GateMode { return &c.Cleanup.Gate }, func(text string) (GateMode, error) {
			word, err := oneOf(string(GateAlways), string(GateLaunchedOnly), string(GateNever))(text)
			return GateMode(word), err
		}),
	}, {
		name: "gate-deadline", group: groupCleanup, kind: "duration", def: "1h",
		help: "How long the gate holds a Job that somebody deletes, from the Job's end on and while a daemon runs; then it is let go with the verdict lost.",
		set:  field(func(c *Config) *time.Duration { return &c.Cleanup.GateDeadline }, duration(time.Second, 30*24*time.Hour)),
	}, {
		name: "adopt-ttl", group: groupCleanup, kind: "bool", def: "true",
		help: "Whether a Job's own ttlSecondsAfterFinished is taken over, for Kubernetes would enforce it whether the logs are safe or not; the value moves to the annotation " + mark.AdoptedTTL + ".",
		set:  field(func(c *Config) *bool { return &c.Cleanup.AdoptTTL }, boolean),
	}}
}

// graceSettings have defaults by what can heal by itself: a registry that is down comes back within minutes, a name
// that is no image's never does, a node can take most of an hour to be bought.
func graceSettings() []setting {
	row := func(name, def, help string, get func(*Grace) *time.Duration) setting {
		return setting{
			name: name, group: groupCleanup, kind: "duration", def: def, help: help + " 0 means never.",
			set: field(func(c *Config) *time.Duration { return get(&c.Cleanup.Grace) }, duration(0, 30*24*time.Hour)),
		}
	}
	return []setting{
		row("grace-image-pull", "10m", "How long a pod may fail to pull its image before it is ended; a registry that is down is mostly back by then.",
			func(g *Grace) *time.Duration { return &g.ImagePull }),
		row("grace-image-name", "1m", "The same for an image that can never be had: a name that is none, or one that must not be pulled.",
			func(g *Grace) *time.Duration { return &g.ImageName }),
		row("grace-config", "5m", "The same for a ConfigMap, Secret or key that is missing; who makes it late makes it minutes late.",
			func(g *Grace) *time.Duration { return &g.Config }),
		row("grace-create", "5m", "The same for a container that the runtime cannot create or run.",
			func(g *Grace) *time.Duration { return &g.Create }),
		row("grace-mount", "15m", "The same for a volume that cannot be mounted; it takes 6 minutes to detach one from a lost node.",
			func(g *Grace) *time.Duration { return &g.Mount }),
		row("grace-schedule", "1h", "The same for a pod that fits on no node; an autoscaler may be buying one.",
			func(g *Grace) *time.Duration { return &g.Schedule }),
		row("grace-no-pod", "1h", "How long a Job may have no pod because none can be created, for a quota or because it is refused, before the Job is ended.",
			func(g *Grace) *time.Duration { return &g.NoPod }),
		{
			name: "crash-loops", group: groupCleanup, kind: "count", def: "10",
			help: "Restarts after which a pod whose container keeps crashing in place is ended, where its Job's controller does not count them, which it does with restartPolicy OnFailure; 0 means never.",
			set:  field(func(c *Config) *int { return &c.Cleanup.CrashLoops }, countOrNone),
		}, {
			name: "end-working-pods", group: groupCleanup, kind: "bool", def: "false",
			help: "Whether a pod is ended for a sidecar or another container that cannot start or keeps crashing also while a main container of it works.",
			set:  field(func(c *Config) *bool { return &c.Cleanup.EndWorking }, boolean),
		},
	}
}

func countOrNone(text string) (int, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("want a whole number from 0 to %d", math.MaxInt32)
	}
	return int(n), nil
}

// resolveCleanup sets success and failure to the common time where they have none of their own.
func (l *loading) resolveCleanup() {
	c := &l.config.Cleanup
	for name, ttl := range map[string]*time.Duration{"ttl-success": &c.TTLSuccess, "ttl-failure": &c.TTLFailure} {
		if l.has(name) && l.value(l.find(name)).text == "" {
			*ttl = c.TTL
		}
	}
}
