package try

import (
	"context"
	"errors"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/pause"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// pod is what was told of one.
type pod struct {
	ref      archive.PodRef
	old      bool // it had ended before the trial began
	followed bool // a goroutine shows its lines, and its verdicts behind them
	sealed   bool // owned by board.run

	mu   sync.Mutex
	told map[string]bool // guarded by mu; what was said of its containers
	left time.Time       // guarded by mu; when it was seen to have left the API server
	done bool            // guarded by mu; its verdicts were told
}

func (p *pod) isDone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

func (p *pod) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left.IsZero() {
		p.left = time.Now()
	}
}

// lost: it left so long ago that nobody has anything of it any more.
func (p *pod) lost() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.left.IsZero() && time.Since(p.left) > lostAfter
}

// first reports whether something is said of the pod for the first time.
func (p *pod) first(what string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.told[what]
	p.told[what] = true
	return !was
}

// lookAtPod tells what is new about a pod.
func (b *board) lookAtPod(ctx context.Context, uid types.UID, j *job, seen *corev1.Pod) {
	p := j.pods[seen.UID]
	if p == nil {
		p = b.meetPod(j, seen)
		if p.followed {
			b.pods.Go(func() {
				b.follow(ctx, p)
				b.notice(uid)
			})
		}
	}
	if p.old {
		return
	}
	for _, c := range seen.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Message != "" && p.first("unscheduled") {
			b.screen.Say("pod %s: waits: %s: %s", p.ref.Pod, c.Reason, c.Message)
		}
	}
	for _, c := range pods.Statuses(seen) {
		b.lookAtContainer(p, &c)
	}
}

// meetPod takes up a pod. The first of a Job has the Job's name in the prefix of its lines, each further one its own.
func (b *board) meetPod(j *job, seen *corev1.Pod) *pod {
	p := &pod{ref: pods.Ref(seen), told: map[string]bool{}}
	p.old = pods.Over(seen) && seen.CreationTimestamp.Time.Before(b.began)
	p.followed = b.cfg.Lines == LinesAll || b.cfg.Lines == LinesNew && !p.old
	if len(j.pods) == 0 {
		b.screen.Name(p.ref.PodUID, j.name)
	}
	j.pods[seen.UID] = p
	b.mu.Lock()
	b.count.pods++
	b.mu.Unlock()
	return p
}

// usual are reasons for which every container waits for a moment.
var usual = map[string]bool{"": true, "ContainerCreating": true, "PodInitializing": true}

func (b *board) lookAtContainer(p *pod, c *corev1.ContainerStatus) {
	i := &archive.Instance{PodRef: p.ref, Container: c.Name, Restart: int(c.RestartCount)}
	if c.ContainerID != "" && (c.State.Running != nil || c.State.Terminated != nil) {
		b.started(p, i)
	}
	if w := c.State.Waiting; w != nil && !usual[w.Reason] && p.first(c.Name+" waits "+w.Reason) {
		b.screen.Say("%s/%s: waits: %s", p.ref.Pod, c.Name, sentence(w.Reason, w.Message))
	}
}

// started tells once that an instance has started: when its status shows it or its first line comes, whatever is first.
func (b *board) started(p *pod, i *archive.Instance) {
	if name := b.screen.Called(i); p.first(name) {
		b.screen.Say("%s: started in pod %s", name, p.ref.Pod)
	}
}

const (
	firstPause = 50 * time.Millisecond
	mostPause  = 5 * time.Second
	lostAfter  = 30 * time.Second
)

// follow shows a pod's lines until it is sealed, and then its verdicts.
func (b *board) follow(ctx context.Context, p *pod) {
	q := archive.Query{
		Target: p.ref.Target(), Follow: true, After: map[archive.LogID]int64{},
	}
	again := pause.Backoff{First: firstPause, Last: mostPause, Even: true}
	for {
		err := b.show(ctx, p, q)
		if ctx.Err() != nil || err == nil && b.conclude(ctx, p) {
			return
		}
		unknown := errors.Is(err, archive.ErrNotFound) // nothing of it has been written down yet
		if unknown && p.lost() {
			b.screen.Trouble("pod " + p.ref.Pod + " left before anything of it could be kept")
			p.end()
			return
		}
		if err != nil && !unknown {
			b.screen.Trouble("read back pod " + p.ref.Pod + ": " + err.Error())
		}
		if again.Wait(ctx) != nil {
			return
		}
	}
}

// show writes lines as they come, and remembers in the query what it gave.
func (b *board) show(ctx context.Context, p *pod, q archive.Query) error {
	answer, err := b.reader.Read(ctx, q)
	if err != nil {
		return err
	}
	for e, err := range answer.Entries {
		var damage *archive.DamageError
		switch {
		case errors.As(err, &damage):
			b.screen.Trouble(err.Error())
		case err != nil:
			return err
		default:
			b.started(p, e.Instance)
			b.screen.Line(&e)
			q.After[e.Instance.ID()] = e.Number
		}
	}
	return nil
}

// conclude tells a sealed pod's verdicts, and reports whether it could.
func (b *board) conclude(ctx context.Context, p *pod) bool {
	m, sealed, err := b.reader.Manifest(ctx, p.ref)
	if err != nil || !sealed {
		if errors.Is(err, archive.ErrNotFound) && p.lost() {
			p.end()
		}
		return false // it is looked at again
	}
	for i := range m.Instances {
		r := &m.Instances[i]
		b.screen.Say("%s: %s", b.screen.Called(&r.Instance), verdictOf(r))
		b.screen.Plain(gapsOf(r)...)
	}
	b.screen.Say("pod %s: %s", m.Pod.Pod, m.Diagnosis)
	b.mu.Lock()
	b.count.add(m)
	b.mu.Unlock()
	p.end()
	return true
}

func (p *pod) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
}
