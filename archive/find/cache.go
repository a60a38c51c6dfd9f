package find

import (
	"maps"
	"sync"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// journalCache keeps the indexes of journal objects, which never change, as long as the objects are there.
type journalCache struct {
	mu      sync.Mutex
	indexes map[archive.Key]*format.JournalIndex // guarded by mu
	entries int                                  // guarded by mu; logs in them
	drafts  map[keyPart]*archive.Manifest        // guarded by mu
	records map[keyPart]archive.InstanceRecord   // guarded by mu; of logs whose objects are there already
}

// mostCached bounds the logs that cached indexes name, some hundred bytes each, mostDrafts the drafts, some KiB each,
// and mostRecords the records, about a KiB each. What finds no room is read again each time.
const (
	mostCached  = 100_000
	mostDrafts  = 2_000
	mostRecords = 5_000
)

func newJournalCache() journalCache {
	return journalCache{indexes: map[archive.Key]*format.JournalIndex{}, drafts: map[keyPart]*archive.Manifest{}, records: map[keyPart]archive.InstanceRecord{}}
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
func (c *journalCache) keep(listed map[archive.Key]bool, of func(replica string) bool) {
	gone := func(key archive.Key) bool { return !listed[key] && of(archive.ReplicaOf(key)) }
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, x := range maps.Clone(c.indexes) {
		if gone(key) {
			delete(c.indexes, key)
			c.entries -= logsIn(x)
		}
	}
	maps.DeleteFunc(c.drafts, func(at keyPart, _ *archive.Manifest) bool { return gone(at.key) })
	maps.DeleteFunc(c.records, func(at keyPart, _ archive.InstanceRecord) bool { return gone(at.key) })
}

// draft gives a copy of a draft that was read before, nil where there is none.
func (c *journalCache) draft(at keyPart) *archive.Manifest {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.drafts[at]; m != nil {
		return archive.OwnInstances(m)
	}
	return nil
}

func (c *journalCache) putDraft(at keyPart, m *archive.Manifest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.drafts) < mostDrafts {
		c.drafts[at] = archive.OwnInstances(m)
	}
}

func (c *journalCache) record(at keyPart) (archive.InstanceRecord, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	record, ok := c.records[at]
	return record, ok
}

func (c *journalCache) putRecord(at keyPart, record archive.InstanceRecord) {
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
