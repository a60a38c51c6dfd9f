package archive_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// TestFollowerOfManyPodsCosts: pods that come and go one after the other cost their follower requests that grow with
// their number.
func TestFollowerOfManyPodsCosts(t *testing.T) {
	for _, pods := range []int{100, 300} {
		t.Run(fmt.Sprint(pods), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { followManyPods(t, pods) })
		})
	}
}

func followManyPods(t *testing.T, pods int) {
	s := newShelf(t)
	defer s.spool.Still()
	store := &far{Store: s.store}
	reader := archive.NewReader(archive.ReaderConfig{Store: store, Codec: oneCodec, Spool: s.spool, Replica: "replica-0"})
	var f *follower
	var last kept
	for n := range pods {
		last = kept{job: "run", pod: fmt.Sprintf("run-%d-x", n), container: "main", kind: archive.KindMain, at: n, open: true}
		s.keep(workload, last)
		if f == nil {
			f = follow(t.Context(), t, reader, archive.Query{Target: archive.Target{Namespace: "ns", Job: "run"}}, func() {})
		}
		synctest.Wait()
		time.Sleep(time.Second)
		s.sealPod(last.instance())
		synctest.Wait()
		time.Sleep(time.Second)
	}
	s.finish("run")
	<-f.ended
	t.Logf("%d pods: %d GETs, %d LISTs", pods, store.gets.Load(), store.lists.Load())
	if len(f.entries) != pods || f.err != nil {
		t.Errorf("got %d lines, %v, want %d", len(f.entries), f.err, pods)
	}
	if most := int64(6 * pods); store.gets.Load() > most {
		t.Errorf("%d pods cost %d GETs, want %d at most", pods, store.gets.Load(), most)
	}
	if most := int64(12 * pods); store.lists.Load() > most {
		t.Errorf("%d pods cost %d LISTs, want %d at most", pods, store.lists.Load(), most)
	}
}
