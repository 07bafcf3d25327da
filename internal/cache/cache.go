// Package cache remembers what can be read or made again, within a number of bytes: what was not used
// for the longest goes first, and how well it serves is a metric.
package cache

import (
	"math"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/prometheus/client_golang/prometheus"
)

// Stats are a cache's size now and its counts since it was made.
type Stats struct {
	Bytes, Entries          int64
	Hits, Misses, Evictions uint64
}

// Plus adds caches up that are one to whoever looks at them.
func (s Stats) Plus(o Stats) Stats {
	return Stats{s.Bytes + o.Bytes, s.Entries + o.Entries, s.Hits + o.Hits, s.Misses + o.Misses, s.Evictions + o.Evictions}
}

// Cache is safe for use by many goroutines.
type Cache[K comparable, V any] struct {
	most  int64
	weigh func(K, V) int

	mu      sync.Mutex
	entries *simplelru.LRU[K, weighed[V]]
	stats   Stats
}

type weighed[V any] struct {
	value V
	bytes int64
}

// overhead is what an entry costs beside its key and value: a list's element and a place in a map.
const overhead = 160

// New makes a cache of at most so many bytes. weigh tells roughly what a value and its key occupy; an
// entry that exceeds the limit alone is not kept.
func New[K comparable, V any](bytes int, weigh func(K, V) int) *Cache[K, V] {
	entries, err := simplelru.NewLRU[K, weighed[V]](math.MaxInt, nil)
	if err != nil {
		panic(err) // the size is a constant
	}
	return &Cache[K, V]{most: int64(bytes), weigh: weigh, entries: entries}
}

// Get counts a hit or a miss.
func (c *Cache[K, V]) Get(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	look := c.entries.Get
	if c.stats.Bytes < c.most/2 {
		look = c.entries.Peek // nothing goes soon: until then all that is in use is made recent, which touches three entries for one
	}
	e, ok := look(key)
	if ok {
		c.stats.Hits++
	} else {
		c.stats.Misses++
	}
	return e.value, ok
}

// Peek neither counts nor makes the entry a recent one.
func (c *Cache[K, V]) Peek(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries.Peek(key)
	return e.value, ok
}

// Add puts a value in the place of the key's old one.
func (c *Cache[K, V]) Add(key K, value V) {
	bytes := int64(c.weigh(key, value)) + overhead
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(key)
	if bytes > c.most {
		return
	}
	c.entries.Add(key, weighed[V]{value, bytes})
	c.stats.Bytes += bytes
	for c.stats.Bytes > c.most {
		_, oldest, _ := c.entries.RemoveOldest()
		c.stats.Bytes -= oldest.bytes
		c.stats.Evictions++
	}
}

// Remove forgets a key.
func (c *Cache[K, V]) Remove(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(key)
}

func (c *Cache[K, V]) remove(key K) {
	if e, ok := c.entries.Peek(key); ok {
		c.entries.Remove(key)
		c.stats.Bytes -= e.bytes
	}
}

// Keys lists all keys, the least recently used one first.
func (c *Cache[K, V]) Keys() []K {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries.Keys()
}

// Stats may be asked at any time.
func (c *Cache[K, V]) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Entries = int64(c.entries.Len())
	return s
}

// Register exports a cache's stats, labelled cache=name; without a registry it does nothing.
func Register(to prometheus.Registerer, name string, stats func() Stats) {
	if to == nil {
		return
	}
	labels := prometheus.Labels{"cache": name}
	gauge := func(metric, help string, of func(Stats) float64) {
		to.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "subledger", Subsystem: "state_cache", Name: metric, Help: help,
			ConstLabels: labels}, func() float64 { return of(stats()) }))
	}
	counter := func(metric, help string, of func(Stats) uint64) {
		to.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "subledger", Subsystem: "state_cache", Name: metric, Help: help,
			ConstLabels: labels}, func() float64 { return float64(of(stats())) }))
	}
	gauge("bytes", "Rough size of what is remembered.", func(s Stats) float64 { return float64(s.Bytes) })
	gauge("entries", "Things remembered.", func(s Stats) float64 { return float64(s.Entries) })
	counter("hits_total", "Look-ups that were answered from memory.", func(s Stats) uint64 { return s.Hits })
	counter("misses_total", "Look-ups that were not.", func(s Stats) uint64 { return s.Misses })
	counter("evictions_total", "Entries that were forgotten to make room.", func(s Stats) uint64 { return s.Evictions })
}
