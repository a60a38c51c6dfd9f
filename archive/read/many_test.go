package read_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/read"
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
	s := archivetest.NewShelf(t)
	defer s.Spool.Still()
	store := &archivetest.SlowStore{Store: s.Store}
	reader := read.New(find.Config{Store: store, Codec: archivetest.OneCodec, Spool: s.Spool, Replica: "replica-0"})
	var f *follower
	var last archivetest.KeptInstance
	for n := range pods {
		last = archivetest.KeptInstance{Job: "run", Pod: fmt.Sprintf("run-%d-x", n), Container: "main", Kind: archive.KindMain, At: n, Open: true}
		s.Keep(archivetest.Workload, last)
		if f == nil {
			f = follow(t.Context(), t, reader, archive.Query{Target: archive.Target{Namespace: "ns", Job: "run"}}, func() {})
		}
		synctest.Wait()
		time.Sleep(time.Second)
		s.SealPod(last.Instance())
		synctest.Wait()
		time.Sleep(time.Second)
	}
	s.FinishNamed("run")
	<-f.ended
	t.Logf("%d pods: %d GETs, %d LISTs", pods, store.Gets.Load(), store.Lists.Load())
	if len(f.entries) != pods || f.err != nil {
		t.Errorf("got %d lines, %v, want %d", len(f.entries), f.err, pods)
	}
	if most := int64(6 * pods); store.Gets.Load() > most {
		t.Errorf("%d pods cost %d GETs, want %d at most", pods, store.Gets.Load(), most)
	}
	if most := int64(12 * pods); store.Lists.Load() > most {
		t.Errorf("%d pods cost %d LISTs, want %d at most", pods, store.Lists.Load(), most)
	}
}
