package config

// Metrics says who may read the metrics.
type Metrics struct {
	Auth string // authKubernetes or authNone
}

func metricsSettings() []setting {
	return []setting{{
		name: "metrics-auth", group: groupProcess, kind: "none|kubernetes", def: authNone,
		help: "Who may read the metrics: none lets everybody who reaches the port; kubernetes asks the API server whose token it is and whether its owner may get the non-resource URL /metrics.",
		set:  field(func(c *Config) *string { return &c.Metrics.Auth }, oneOf(authNone, authKubernetes)),
	}}
}
