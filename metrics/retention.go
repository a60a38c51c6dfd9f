package metrics

import "github.com/prometheus/client_golang/prometheus"

// RetentionCounts are asked for at the time of a scrape. They only grow, but for Last.
type RetentionCounts struct {
	Jobs, Objects, Journals, Uploads, Unreadable, Failures, Last func() float64
}

// Register declares the counts.
func (c RetentionCounts) Register(r prometheus.Registerer) {
	counterReadings(r, []reading{
		{"retention_jobs_deleted_total", "Jobs and bare pods whose logs were deleted from the store because they were older than the retention.", c.Jobs},
		{"retention_objects_deleted_total", "Objects that were deleted with them: logs, manifests and index keys.", c.Objects},
		{"retention_journals_deleted_total", "Objects of dead replicas' journals that were deleted because they were older than the retention.", c.Journals},
		{"retention_uploads_aborted_total", "Large uploads that a process had left unfinished, and whose parts were given back.", c.Uploads},
		{"retention_unreadable_total", "Times that the logs of a Job were left in the store because a manifest could not be read.", c.Unreadable},
		{"retention_failures_total", "Runs of the retention that failed and are done again.", c.Failures},
	}...)
	gaugeReadings(r, reading{
		"retention_last_success_timestamp_seconds", "When a run of the retention succeeded last, in seconds since 1970; 0 before the first.", c.Last,
	})
}
