package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// resolve fills in what "auto" stands for, once everything else is known.
func (l *loading) resolve() {
	if l.isAuto("s3-path-style") {
		l.config.S3.PathStyle, l.config.S3.AutoStyle = l.config.S3.Endpoint != "", true
	}
	if l.isAuto("launcher") {
		l.config.Launch.Enabled = strings.HasPrefix(strings.ToLower(l.config.Launch.Implementation), "epilogue")
	}
	l.resolveCleanup()
}

func (l *loading) isAuto(name string) bool {
	return l.has(name) && l.value(l.find(name)).text == auto
}

// has reports whether the table knows the setting; tests use smaller tables.
func (l *loading) has(name string) bool {
	return slices.ContainsFunc(l.table, func(s setting) bool { return s.name == name })
}

// check looks at what single values cannot show. A setting that is wrong by itself is left out: its own line says
// enough.
func (l *loading) check() {
	l.require("namespace", "it says whose Jobs are kept")
	l.require("archive", "it says where logs are kept, such as s3://bucket/prefix")
	c := &l.config
	l.checkPair("stall-after", "reconnect-after", c.Follow.StallAfter < c.Follow.ReconnectAfter,
		"want less than reconnect-after, or a hanging stream is never noticed before it is reopened anyway")
	l.checkPair("spool-limit", "buffer-memory", c.Spool.Limit >= c.Spool.BufferMemory,
		"want at least buffer-memory, or one flush of the buffers could not fit into the spool")
	sameAddress := c.Process.HealthListen == c.Process.MetricsListen && !strings.HasSuffix(c.Process.HealthListen, ":0")
	l.checkPair("metrics-listen", "health-listen", !sameAddress, "want another address than health-listen")
	l.checkPair("settle-delay", "shutdown-grace", c.Follow.SettleDelay < c.Process.ShutdownGrace,
		"want less than shutdown-grace, or no log that ends during a stop can be verified")
	l.checkPair("s3-kms-key", "s3-encryption", c.S3.KMSKey == "" || strings.HasPrefix(c.S3.Encryption, "aws:kms"), "want s3-encryption aws:kms besides")
	l.checkServe()
	if c.Launch.Enabled {
		l.checkLaunch()
	}
}

// checkLaunch insists on what launching needs. An observer does not get here.
func (l *loading) checkLaunch() {
	l.require("service-account", "the launcher runs its Jobs under it")
	if !l.config.Launch.Build {
		return
	}
	l.require("docker-registry", "build-runner-image needs a registry to push to")
	if l.onAWS() {
		l.require("registry-region", "build-runner-image on AWS needs the region of the registry")
	}
}

// onAWS reports whether built images go to ECR: ZenML's AWS class says so, or the registry's own name does.
func (l *loading) onAWS() bool {
	ecr := regexp.MustCompile(`^[0-9]{12}\.dkr[.-]ecr[.-]`)
	return strings.Contains(l.config.Launch.Implementation, "aws_kubernetes_workload_manager") ||
		ecr.MatchString(l.config.Launch.Registry)
}

// require asks for a setting that has no default. It may well stand in a file that could not be read: then say nothing.
func (l *loading) require(name, why string) {
	if !l.has(name) || l.wrong[name] || l.wrong["config"] {
		return
	}
	if s := l.find(name); l.value(s).text == "" {
		l.faults = append(l.faults, fmt.Errorf("%s: not set, but %s; give --%s, %s or %q in the file",
			name, why, name, strings.Join(s.env(), ", "), name))
	}
}

// checkPair rejects the first setting if it does not fit the second, and shows both values.
func (l *loading) checkPair(name, other string, fits bool, want string) {
	if fits || !l.has(name) || !l.has(other) || l.wrong[name] || l.wrong[other] {
		return
	}
	s, o := l.find(name), l.find(other)
	beside := l.value(o)
	l.reject(s, l.value(s), fmt.Errorf("%s (%s is %s)", want, beside.from, o.shown(beside.text)))
}
