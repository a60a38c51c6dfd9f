package archivetest

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// Pod is the pod whose logs most tests keep.
var Pod = archive.PodRef{Namespace: "ns", Job: "job", JobUID: "job-uid", Pod: "pod", PodUID: "pod-uid"}

// OldPod is the first pod of a Job that was created on the first day of a test's bubble.
var OldPod = archive.PodRef{Namespace: "ns", Job: "old.job", JobUID: "old-uid", Pod: "old-1", PodUID: "old-pod-1"}

// CancelledJob is a Job that finished without ever having had a pod: one that was cancelled in the launcher's queue.
var CancelledJob = archive.PodRef{Namespace: "ns", Job: "cancelled", JobUID: "uid"}

// Workload is the id of the workload that the Jobs of most tests belong to.
const Workload = "11111111-2222-3333-4444-555555555555"

// WholeJob asks for all logs of the Job of Pod.
var WholeJob = archive.Target{Namespace: Pod.Namespace, Job: Pod.Job}

// Day is 24 hours.
const Day = 24 * time.Hour

// AtSecond returns the time n seconds after Start, in UTC.
func AtSecond(n int) time.Time { return time.Unix(0, Start).UTC().Add(time.Duration(n) * time.Second) }

// PodNumber returns the n-th of any number of pods of one Job.
func PodNumber(n int) archive.PodRef {
	p := Pod
	p.Pod, p.PodUID = fmt.Sprint("pod-", n), archive.PodUID(fmt.Sprint("uid-", n))
	return p
}

// Instance returns the first instance of a main container of Pod.
func Instance(container string) archive.Instance {
	return archive.Instance{PodRef: Pod, Container: container, Kind: archive.KindMain, ContainerID: "containerd://" + container}
}

// InstanceOf returns the first instance of a pod's container.
func InstanceOf(p archive.PodRef, container string) archive.Instance {
	i := Instance(container)
	i.PodRef = p
	return i
}

// EveryPod is the mine of a takeover that takes all pods.
func EveryPod(archive.PodRef) bool { return true }

// EveryReplica has all replicas be dead, or alive, whatever is asked of them.
func EveryReplica(string) bool { return true }

// NoReplica has no replica be dead, or alive, whatever is asked of them.
func NoReplica(string) bool { return false }

// NoWriter is the still of a takeover of pods whose logs nobody in this process writes.
func NoWriter(archive.PodRef) {}

// QuietLogger returns a logger that says nothing.
func QuietLogger() *slog.Logger { return slog.New(slog.DiscardHandler) }
