package lease

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Selector returns the label selector of the Leases of a group's replicas.
func Selector(group string) string {
	l := Leases{cfg: Config{Group: group}}
	return metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: l.labels()})
}
