package archive

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
)

// journalCache keeps the indexes of journal objects, which never change, as long as the objects are there.
type journalCache struct {
	mu      sync.Mutex
	indexes map[Key]*JournalIndex      // guarded by mu
	entries int                        // guarded by mu; logs in them
	drafts  map[keyPart]*Manifest      // guarded by mu
	records map[keyPart]InstanceRecord // guarded by mu; of logs whose objects are there already
}

// mostCached bounds the logs that cached indexes name, some hundred bytes each, mostDrafts the drafts, some KiB each, and
// mostRecords the records, about a KiB each. What finds no room is read again each time.
const (
	mostCached  = 100_000
	mostDrafts  = 2_000
	mostRecords = 5_000
)

// journalReplicas gives the names of all whose journals are in the store.
func journalReplicas(ctx context.Context, store Store) ([]string, error) {
	var names []string
	for after := Key(""); ; {
		name := ""
		for object, err := range store.List(ctx, journalPrefix, after) {
			if err != nil {
				return nil, err
			}
			name = replicaOf(object.Key)
			break
		}
		if name == "" {
			return names, nil
		}
		names = append(names, name)
		after = Key(journalPrefix + name + "0") // the byte after the slash: behind all objects of this one
	}
}

func newJournalCache() journalCache {
	return journalCache{indexes: map[Key]*JournalIndex{}, drafts: map[keyPart]*Manifest{}, records: map[keyPart]InstanceRecord{}}
}

func (c *journalCache) get(key Key) *JournalIndex {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.indexes[key]
}

func (c *journalCache) put(key Key, x *JournalIndex) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := logsIn(x)
	if c.indexes[key] == nil && c.entries+n <= mostCached {
		c.indexes[key] = x
		c.entries += n
	}
}

// keep forgets the objects that are not in the store any more, of the replicas whose journals were listed.
func (c *journalCache) keep(listed map[Key]bool, of func(replica string) bool) {
	gone := func(key Key) bool { return !listed[key] && of(replicaOf(key)) }
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, x := range maps.Clone(c.indexes) {
		if gone(key) {
			delete(c.indexes, key)
			c.entries -= logsIn(x)
		}
	}
	maps.DeleteFunc(c.drafts, func(at keyPart, _ *Manifest) bool { return gone(at.key) })
	maps.DeleteFunc(c.records, func(at keyPart, _ InstanceRecord) bool { return gone(at.key) })
}

// replicaOf names whose journal an object is of.
func replicaOf(key Key) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(string(key), journalPrefix), "/")
	return name
}

// draft gives a copy of a draft that was read before, nil where there is none.
func (c *journalCache) draft(at keyPart) *Manifest {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.drafts[at]; m != nil {
		return ownInstances(m)
	}
	return nil
}

func (c *journalCache) putDraft(at keyPart, m *Manifest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.drafts) < mostDrafts {
		c.drafts[at] = ownInstances(m)
	}
}

func (c *journalCache) record(at keyPart) (InstanceRecord, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	record, ok := c.records[at]
	return record, ok
}

func (c *journalCache) putRecord(at keyPart, record InstanceRecord) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.records) < mostRecords {
		c.records[at] = record
	}
}

// ownInstances gives a copy whose list of instances may be changed.
func ownInstances(m *Manifest) *Manifest {
	c := *m
	c.Instances = slices.Clone(m.Instances)
	return &c
}

func logsIn(x *JournalIndex) int {
	n := len(x.Pods)
	for i := range x.Pods {
		n += len(x.Pods[i].Logs)
	}
	return n
}
