package lease

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	coordinationlisters "k8s.io/client-go/listers/coordination/v1"
	"k8s.io/client-go/tools/cache"
)

// Config names this replica and says how long its word holds.
type Config struct {
	Namespace string        // of the Leases: the daemon's own
	Group     string        // the replicas that share the work: the release's name
	Replica   string        // this one's name, the one of its journal
	Duration  time.Duration // a Lease that is not renewed for so long has lapsed
	API       string        // host:port at which the other replicas reach this one's API; "": it has none
	Account   string        // of the replicas' pods: a Lease of any other does not count; "": no pods
}

// Leases keeps this replica's Lease and sees those of the others. A replica is live for as long as its Lease exists:
// one that finds another's not renewed within its duration, by its own clock since it saw the last renewal, deletes it,
// on the condition that it is still the one it saw. So etcd decides between a late renewal and a takeover: a replica
// whose renewal is refused knows that others have its logs, and one whose deletion is refused knows that it erred.
//
// Each Lease says in an annotation to which other Leases its holder has handed over what is theirs. One that joins
// waits for that.
type Leases struct {
	cfg     Config
	client  kubernetes.Interface
	factory informers.SharedInformerFactory
	synced  cache.InformerSynced
	lister  coordinationlisters.LeaseLister
	log     *slog.Logger
	wake    chan struct{} // holds one token when there is something to look at

	own      *coordinationv1.Lease // owned by Run; nil: none
	renewed  time.Time             // owned by Run; when the last renewal that worked was sent
	nextTry  time.Time             // owned by Run
	sightsOf map[string]renewal    // owned by Run; by Lease name
	seen     witnesses             // owned by Run

	mu      sync.Mutex
	view    View               // guarded by mu
	changed chan struct{}      // guarded by mu; closed and replaced with each change of view
	handed  map[types.UID]bool // guarded by mu; to whom this replica has handed over
	told    bool               // guarded by mu; the Lease says so
}

// renewal is when a Lease was seen to have changed.
type renewal struct {
	version string
	at      time.Time
}

const (
	componentLabel = "app.kubernetes.io/component"
	groupLabel     = "app.kubernetes.io/instance"
	leaseComponent = "epilogue-replica"
	handedTo       = "epilogue.dev/handed-over-to"
	apiAddress     = "epilogue.dev/api"
)

// New makes a Leases. Nothing runs before Run.
func New(cfg Config, client kubernetes.Interface, log *slog.Logger) (*Leases, error) {
	l := &Leases{
		cfg: cfg, client: client, log: log, wake: make(chan struct{}, 1), sightsOf: map[string]renewal{},
		changed: make(chan struct{}), handed: map[types.UID]bool{},
	}
	selector := metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: l.labels()})
	l.factory = informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(cfg.Namespace),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = selector }))
	leases := l.factory.Coordination().V1().Leases()
	l.lister, l.synced = leases.Lister(), leases.Informer().HasSynced
	poke := func(any) { l.poke() }
	_, err := leases.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: poke, UpdateFunc: func(any, any) { l.poke() }, DeleteFunc: poke,
	})
	return l, err
}

func (l *Leases) labels() map[string]string {
	return map[string]string{componentLabel: leaseComponent, groupLabel: l.cfg.Group}
}

func (l *Leases) name() string { return l.nameOf(l.cfg.Replica) }

func (l *Leases) nameOf(replica string) string { return l.cfg.Group + "-" + replica }

func (l *Leases) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// View returns who is live, and a channel that is closed when that changes.
func (l *Leases) View() (View, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.view, l.changed
}

// Duration is how long a Lease counts that is not renewed.
func (l *Leases) Duration() time.Duration { return l.cfg.Duration }

// HandedOver tells the others that nothing of theirs is held here any more, for this view of them.
func (l *Leases) HandedOver(v View) {
	handed := map[types.UID]bool{}
	for _, m := range v.Others {
		handed[m.Lease] = true
	}
	l.mu.Lock()
	if !maps.Equal(handed, l.handed) {
		l.handed, l.told = handed, false
	}
	l.mu.Unlock()
	l.poke()
}

// Run keeps the Lease until the context ends. It stays then until Release, or until it lapses.
func (l *Leases) Run(ctx context.Context) error {
	l.factory.Start(ctx.Done())
	defer l.factory.Shutdown()
	// The others are known before this replica is one of them.
	if !cache.WaitForCacheSync(ctx.Done(), l.synced) {
		return nil
	}
	tick := time.NewTicker(max(l.cfg.Duration/30, 10*time.Millisecond))
	defer tick.Stop()
	for {
		if l.due() {
			l.renew(ctx)
		}
		l.lookAtPods(ctx)
		l.judge(ctx)
		l.look()
		select {
		case <-tick.C:
		case <-l.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// due: it is time to renew, or there is something to tell.
func (l *Leases) due() bool {
	l.mu.Lock()
	news := !l.told && l.own != nil
	l.mu.Unlock()
	return news && time.Since(l.renewed) > l.cfg.Duration/60 || !time.Now().Before(l.nextTry)
}

// next plans the next renewal: with jitter, so that replicas that started as one do not ask as one.
func (l *Leases) next(worked bool) {
	pause := l.cfg.Duration/3 - rand.N(l.cfg.Duration/30+1)
	if !worked {
		pause = l.cfg.Duration / 15
	}
	l.nextTry = time.Now().Add(pause)
}

// holds: the last renewal is so fresh that nobody can have deleted the Lease for its age. Others count from when they
// saw the renewal, which is after it was sent, and wait for half as long again.
func (l *Leases) holds() bool {
	return l.own != nil && time.Since(l.renewed) < l.cfg.Duration*2/3
}

// look publishes who is live now.
func (l *Leases) look() {
	v := View{}
	for _, lease := range l.listed() {
		m := Member{Replica: holder(lease), Lease: lease.UID, Handed: handedBy(lease), API: l.addressOf(lease)}
		if l.own == nil || lease.Name != l.own.Name {
			if l.counts(lease) {
				v.Others = append(v.Others, m)
			}
		} else if lease.UID == l.own.UID && l.holds() && l.joined() {
			// Only once it is in the cache: then every Lease that was there before it is, too.
			m.Handed, m.API = nil, l.cfg.API
			v.Self = m
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if v.is(l.view) {
		return
	}
	if v.Self.Lease != l.view.Self.Lease || len(v.Others) != len(l.view.Others) {
		l.log.Info("replicas have changed", "live", v.Roster().Live, "acting", v.Self.Lease != "")
	}
	l.view = v
	close(l.changed)
	l.changed = make(chan struct{})
}

// listed returns the Leases that are in the cache, by name.
func (l *Leases) listed() []*coordinationv1.Lease {
	leases, err := l.lister.Leases(l.cfg.Namespace).List(everything)
	if err != nil {
		return nil // a lister over a cache has no error
	}
	slices.SortFunc(leases, func(a, b *coordinationv1.Lease) int { return strings.Compare(a.Name, b.Name) })
	return leases
}

func holder(lease *coordinationv1.Lease) string {
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

func handedBy(lease *coordinationv1.Lease) []string {
	text := lease.Annotations[handedTo]
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}
