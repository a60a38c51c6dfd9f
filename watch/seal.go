package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/patient"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// seal moves what has ended into the store: each log as soon as it was read to its end, and the pod when all of it has.
func (w *Watcher) seal(ctx context.Context, key podKey) error {
	w.mu.Lock()
	p := w.known.get(key.uid)
	acts := p != nil && (p.draft == nil || p.checked) && w.owns(jobUID(p.ref()))
	w.mu.Unlock()
	// What is sealed is sealed for good: not while a journal that nobody could look at may hold more of it.
	if !acts || w.parts.Spool.InDoubt() {
		return nil
	}
	for _, log := range w.unsealed(p) {
		if err := w.sealLog(ctx, p, log); errors.Is(err, seal.ErrSealed) {
			w.fenced(p)
			return w.forget(key)
		} else if err != nil {
			return err
		}
	}
	w.mu.Lock()
	manifest := p.manifest(w.cfg.WorkloadLabels)
	w.mu.Unlock()
	if manifest == nil {
		return nil
	}
	if err := w.findLost(ctx, p, manifest); err != nil {
		return err
	}
	w.addEvents(manifest)
	err := w.parts.Sealer.Pod(ctx, manifest)
	if errors.Is(err, seal.ErrSealed) {
		w.fenced(p)
		return w.forget(key)
	}
	if err != nil {
		return err
	}
	w.sealed(key, p, manifest)
	return nil
}

// countRefused counts what the store refuses for itself. It leaves its worker, so that others are sealed, and comes
// again.
func countRefused[T comparable](w *Watcher, do func(context.Context, T) error) func(context.Context, T) error {
	return func(ctx context.Context, key T) error {
		err := do(ctx, key)
		if errors.Is(err, archive.ErrKey) || errors.Is(err, patient.ErrRefused) {
			w.parts.Seal.Refused.Inc()
			w.log.Error("the store refuses to take it; it is tried again", "what", fmt.Sprint(key), "err", err)
		}
		return err
	}
}

// fenced counts a pod that another replica, or an earlier life of this one, had sealed: the first manifest stands, and
// what is held here is dropped.
func (w *Watcher) fenced(p *pod) {
	w.mu.Lock()
	ref := p.ref()
	w.mu.Unlock()
	w.parts.Own.Fenced.Inc()
	w.log.Warn("pod was sealed already", "pod", ref)
}

// check asks the store, once, whether a pod that had ended when it was first seen is sealed. A store that does not
// answer is not waited for: the log is read all the same, for it may be gone tomorrow, and sealing finds the manifest
// then.
func (w *Watcher) check(ctx context.Context, key podKey) error {
	w.mu.Lock()
	p := w.known.get(key.uid)
	needed, silent := p != nil && !p.checked, time.Now().Before(w.silentUntil)
	var ref archive.PodRef
	if needed {
		ref = p.ref()
	}
	w.mu.Unlock()
	if !needed {
		return nil
	}
	if p.draft != nil {
		return w.checkOrphan(ctx, key, p)
	}
	err := errSilent
	if !silent && w.parts.Sealer.StoreWorks() {
		limited, cancel := context.WithTimeout(ctx, checkLimit)
		_, err = w.parts.Sealer.Manifest(limited, ref)
		if errors.Is(err, archive.ErrNotFound) {
			err = w.asOrphan(limited, p)
		}
		cancel()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.mu.Lock()
	p.checked = true
	if errors.Is(err, context.DeadlineExceeded) {
		w.silentUntil = time.Now().Add(silence)
	}
	w.mu.Unlock()
	if err == nil {
		// An earlier process may have died between the manifest and the emptying of its spool.
		return w.forget(key)
	}
	w.seen.Add(key)
	return nil
}

// asOrphan asks for the manifest of a pod that nobody vouches for under the Job that its labels name: where it was
// sealed so before, it was known to be that Job's.
func (w *Watcher) asOrphan(ctx context.Context, p *pod) error {
	w.mu.Lock()
	alone, claimed := p.alone == pods.NoSuchJob, pods.Ref(p.last)
	w.mu.Unlock()
	if !alone {
		return archive.ErrNotFound
	}
	_, err := w.parts.Sealer.Manifest(ctx, claimed)
	if err == nil {
		w.past.orphaned(types.UID(claimed.PodUID), types.UID(claimed.JobUID))
	}
	return err
}

// errSilent: the store was not asked, for it does not answer.
var errSilent = errors.New("store does not answer")

const (
	checkLimit = 5 * time.Second  // bounds the wait for a store that does not answer
	silence    = 30 * time.Second // it is not asked again for so long
)

// unsealed returns the logs that were read to their end and are not in the store.
func (w *Watcher) unsealed(p *pod) []*spool.Log {
	w.mu.Lock()
	defer w.mu.Unlock()
	var logs []*spool.Log
	for id, log := range p.logs {
		if _, sealed := p.records[id]; !sealed && p.following[id] == nil {
			logs = append(logs, log)
		}
	}
	slices.SortFunc(logs, func(a, b *spool.Log) int { return pods.Compare(a.Instance(), b.Instance()) })
	return logs
}

func (w *Watcher) sealLog(ctx context.Context, p *pod, log *spool.Log) error {
	if p.draft != nil {
		if err := w.endOrphan(ctx, log); err != nil {
			return err
		}
	}
	record, err := w.parts.Sealer.Log(ctx, log)
	if err != nil {
		if ctx.Err() == nil {
			w.log.Error("seal log", "instance", log.Instance(), "err", err)
		}
		return err
	}
	countDamage(w.parts.Follow, record.Gaps)
	w.mu.Lock()
	p.records[log.Instance().ContainerID] = record
	w.mu.Unlock()
	return nil
}

// endOrphan ends a log that nobody can follow any more.
func (w *Watcher) endOrphan(ctx context.Context, log *spool.Log) error {
	if _, sealed, err := log.Record(); err != nil || sealed || log.Ended() {
		return nil
	}
	ended, err := w.follower(log).Rejoin(ctx)
	if err != nil || ended {
		return err
	}
	log.Gap(archive.Gap{
		AfterLine: log.Summary().Lines, From: log.Summary().Last, Reason: archive.GapRestart, Unproven: true,
		Detail: "the pod went away while no daemon watched, so that the end of the log could not be read",
	})
	w.parts.Follow.Gaps.WithLabelValues(string(archive.GapRestart)).Inc()
	return nil
}

// countDamage counts the gaps that the spool found by itself. All others were counted where they were found.
func countDamage(count *metrics.Follow, gaps []archive.Gap) {
	for _, g := range gaps {
		if g.Reason == archive.GapDamaged {
			count.Gaps.WithLabelValues(string(g.Reason)).Add(float64(1 + g.More))
		}
	}
}

// sealed counts a pod that is in the store and forgets it.
func (w *Watcher) sealed(key podKey, p *pod, m *archive.Manifest) {
	count := w.parts.Seal
	for _, r := range m.Instances {
		count.Logs.WithLabelValues(string(r.Verdict)).Inc()
		count.Seams.Add(float64(r.Seams))
		if r.Log != nil {
			count.Lines.Add(float64(r.Log.Lines))
			count.TextBytes.Add(float64(r.Log.Bytes))
			count.StoredBytes.Add(float64(r.Log.Size))
		}
	}
	count.Pods.Inc()
	count.LastSealed.SetToCurrentTime()
	w.mu.Lock()
	delay := time.Since(p.overAt)
	w.mu.Unlock()
	count.Latency.Observe(delay.Seconds())
	w.log.Info("pod is sealed", "pod", m.Pod.PodRef, "instances", len(m.Instances), "diagnosis", m.Diagnosis, "elapsed", delay)
	if err := w.forget(key); err != nil {
		w.log.Error("forget pod", "pod", m.Pod.PodRef, "err", err)
	}
}

// forget drops a sealed pod, and remembers it as done while the cache holds it.
func (w *Watcher) forget(key podKey) error {
	current, err := w.pods.Pods(key.Namespace).Get(key.Name)
	w.mu.Lock()
	var ref archive.PodRef
	if p := w.known.get(key.uid); p != nil {
		ref = p.ref()
	}
	w.known.drop(key.uid)
	if err == nil && current.UID == key.uid {
		w.done[key.uid] = true
	}
	w.mu.Unlock()
	if ref.Job != "" {
		w.finishedJobs.Add(jobKey{types.NamespacedName{Namespace: key.Namespace, Name: ref.Job}, types.UID(ref.JobUID)})
		w.hear(types.UID(ref.JobUID))
	}
	return w.parts.Spool.Drop(archive.PodUID(key.uid))
}
