package find

import (
	"maps"
	"sync"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/journal"
)

// journalCache keeps the indexes of journal objects, which never change, as long as the objects are there.
type journalCache struct {
	mu      sync.Mutex
	indexes map[archive.Key]*format.JournalIndex     // guarded by mu
	entries int                                      // guarded by mu; logs in them
	drafts  map[journal.Place]*archive.Manifest      // guarded by mu
	records map[journal.Place]archive.InstanceRecord // guarded by mu; of logs whose objects are there already
}

// mostCached bounds the logs that cached indexes name, some hundred bytes each, mostDrafts the drafts, some KiB each,
// and mostRecords the records, about a KiB each. What finds no room is read again each time.
const (
	mostCached  = 100_000
	mostDrafts  = 2_000
	mostRecords = 5_000
)

func newJournalCache() journalCache {
	return journalCache{indexes: map[archive.Key]*format.JournalIndex{}, drafts: map[journal.Place]*archive.Manifest{}, records: map[journal.Place]archive.InstanceRecord{}}
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
	gone := func(key archive.Key) bool { return !listed[key] && of(archive.ReplicaOf(key)) }
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, x := range maps.Clone(c.indexes) {
		if gone(key) {
			delete(c.indexes, key)
			c.entries -= logsIn(x)
		}
	}
	maps.DeleteFunc(c.drafts, func(at journal.Place, _ *archive.Manifest) bool { return gone(at.Key) })
	maps.DeleteFunc(c.records, func(at journal.Place, _ archive.InstanceRecord) bool { return gone(at.Key) })
}

// draft gives a copy of a draft that was read before, nil where there is none.
func (c *journalCache) draft(at journal.Place) *archive.Manifest {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.drafts[at]; m != nil {
		return archive.OwnInstances(m)
	}
	return nil
}

func (c *journalCache) putDraft(at journal.Place, m *archive.Manifest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.drafts) < mostDrafts {
		c.drafts[at] = archive.OwnInstances(m)
	}
}

func (c *journalCache) record(at journal.Place) (archive.InstanceRecord, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	record, ok := c.records[at]
	return record, ok
}

func (c *journalCache) putRecord(at journal.Place, record archive.InstanceRecord) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.records) < mostRecords {
		c.records[at] = record
	}
}

func logsIn(x *format.JournalIndex) int {
	n := len(x.Pods)
	for i := range x.Pods {
		n += len(x.Pods[i].Logs)
	}
	return n
}
