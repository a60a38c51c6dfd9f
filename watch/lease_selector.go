package watch

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// LeaseSelector gives the label selector of the Leases of a group's replicas.
func LeaseSelector(group string) string {
	l := Leases{cfg: LeaseConfig{Group: group}}
	return metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: l.labels()})
}
