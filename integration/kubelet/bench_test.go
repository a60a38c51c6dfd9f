package kubelet

import (
	"io"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// BenchmarkRead reads a log of 32 MiB in lines of 100 bytes, with times, through Transport.
func BenchmarkRead(b *testing.B) {
	k := New(b, nil, "node-a")
	client, err := kubernetes.NewForConfig(&rest.Config{Host: "http://node", Transport: k.Transport(), QPS: -1})
	if err != nil {
		b.Fatal(err)
	}
	benchRead(b, k, client, "jobs")
}

func benchRead(b *testing.B, k *Kubelet, client kubernetes.Interface, ns string) {
	c := k.Pod(ns, Spec{Name: "p"}).Start("main")
	line := strings.Repeat("x", 99)
	if err := c.Flood(b.Context(), Load{Lines: 32 << 20 / 100, Text: func(int) string { return line }}); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(32 << 20)
	for b.Loop() {
		body, err := client.CoreV1().Pods(ns).GetLogs("p", &corev1.PodLogOptions{Timestamps: true}).Stream(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			b.Fatal(err)
		}
		if err := body.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
