package archive

import (
	"context"
	"maps"
	"strings"
	"sync"
)

// journalCache keeps the indexes of journal objects, which never change, as long as the objects are there.
type journalCache struct {
	mu        sync.Mutex
	indexes   map[Key]*JournalIndex // guarded by mu
	entries   int                   // guarded by mu; logs in them
	workloads map[PodUID][]string   // guarded by mu; what drafts say, which is read once
}

// mostCached bounds the logs that cached indexes name: some hundred bytes each.
const mostCached = 100_000

// journalReplicas gives the names of all whose journals are in the store.
func journalReplicas(ctx context.Context, store Store) ([]string, error) {
	var names []string
	for after := Key(""); ; {
		name := ""
		for object, err := range store.List(ctx, journalPrefix, after) {
			if err != nil {
				return nil, err
			}
			name, _, _ = strings.Cut(strings.TrimPrefix(string(object.Key), journalPrefix), "/")
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
	return journalCache{indexes: map[Key]*JournalIndex{}, workloads: map[PodUID][]string{}}
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

// keep forgets the objects that are not in the store any more.
func (c *journalCache) keep(listed map[Key]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, x := range maps.Clone(c.indexes) {
		if !listed[key] {
			delete(c.indexes, key)
			c.entries -= logsIn(x)
		}
	}
}

func logsIn(x *JournalIndex) int {
	n := len(x.Pods)
	for i := range x.Pods {
		n += len(x.Pods[i].Logs)
	}
	return n
}
