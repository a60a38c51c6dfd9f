package find

import (
	"sync"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/bounded"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/journal"
)

// journalCache keeps the indexes of journal objects, which never change, as long as the objects are there.
type journalCache struct {
	mu      sync.Mutex
	indexes map[archive.Key]*format.JournalIndex // guarded by mu
	entries int                                  // guarded by mu; logs in them

	drafts  *bounded.Cache[journal.Place, *archive.Manifest]
	records *bounded.Cache[journal.Place, archive.InstanceRecord] // of logs whose objects are there already
}

// mostCached bounds the logs that cached indexes name, some hundred bytes each, mostDrafts the drafts, some KiB each,
// and mostRecords the records, about a KiB each. An index that finds no room is read again each time.
const (
	mostCached  = 100_000
	mostDrafts  = 2_000
	mostRecords = 5_000
)

func newJournalCache() journalCache {
	return journalCache{
		indexes: map[archive.Key]*format.JournalIndex{},
		drafts:  bounded.New[journal.Place, *archive.Manifest](mostDrafts), records: bounded.New[journal.Place, archive.InstanceRecord](mostRecords),
	}
}

func (c *journalCache) get(key archive.Key) *format.JournalIndex {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.indexes[key]
}

func (c *journalCache) put(key archive.Key, x *format.JournalIndex) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := logsIn(x)
	if c.indexes[key] == nil && c.entries+n <= mostCached {
		c.indexes[key] = x
		c.entries += n
	}
}

// keep forgets the objects that are not in the store any more, of the replicas whose journals were listed.
func (c *journalCache) keep(keys []archive.Key, of func(replica string) bool) {
	listed := make(map[archive.Key]bool, len(keys))
	for _, key := range keys {
		listed[key] = true
	}
	there := func(key archive.Key) bool { return listed[key] || !of(archive.ReplicaOf(key)) }
	c.drafts.Sweep(func(at journal.Place, _ *archive.Manifest) bool { return there(at.Key) })
	c.records.Sweep(func(at journal.Place, _ archive.InstanceRecord) bool { return there(at.Key) })
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, x := range c.indexes {
		if !there(key) {
			delete(c.indexes, key)
			c.entries -= logsIn(x)
		}
	}
}

func logsIn(x *format.JournalIndex) int {
	n := len(x.Pods)
	for i := range x.Pods {
		n += len(x.Pods[i].Logs)
	}
	return n
}
