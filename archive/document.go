package archive

import (
	"time"
)

// Evidence is what the store holds of one Job.
type Evidence struct {
	// Manifests are those of all pods, by their keys. Of each there is what a proof needs: whose it is, when it was
	// sealed, the diagnosis, and of its instances the verdicts and seams.
	Manifests []*Manifest
	Document  bool // the Job's document is there
}

// JobDocument is the document of one finished Job: how it ended, and what is kept of its pods.
type JobDocument struct {
	Version   string     `json:"version"`
	Cluster   string     `json:"cluster,omitempty"` // see Spool.BelongTo
	Namespace string     `json:"namespace"`
	Job       JobSummary `json:"job"`
	Workloads []string   `json:"workloads,omitempty"`
	Pods      []JobPod   `json:"pods"`
	WrittenAt time.Time  `json:"writtenAt"`
	WrittenBy string     `json:"writtenBy,omitempty"`
}

// JobPod says what is kept of one pod of a Job.
type JobPod struct {
	Name      string    `json:"name"`
	UID       PodUID    `json:"uid"`
	Manifest  Key       `json:"manifest"`
	Verdicts  []Verdict `json:"verdicts"`        // of its instances, in the manifest's order
	Seams     int64     `json:"seams,omitempty"` // of all its logs together
	Diagnosis string    `json:"diagnosis"`
}

// Take counts one more instance.
func (p *JobPod) Take(r *InstanceRecord) {
	p.Verdicts = append(p.Verdicts, r.Verdict)
	p.Seams += r.Seams
}

// JobPods returns what a Job's document says of its pods, in the order of their manifests. Only the text of the
// manifests counts: made again from the same ones, the document is the same.
func JobPods(manifests []*Manifest) []JobPod {
	pods := make([]JobPod, 0, len(manifests))
	for _, m := range manifests {
		pod := JobPod{Name: m.Pod.Pod, UID: m.Pod.PodUID, Manifest: m.Ref().ManifestKey(), Diagnosis: m.Diagnosis}
		for i := range m.Instances {
			pod.Take(&m.Instances[i])
		}
		pods = append(pods, pod)
	}
	return pods
}
