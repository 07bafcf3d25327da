package eventstore

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/internal/cache"
)

// Caches are what the store keeps in memory, by name, for metrics.
func (s *Store) Caches() map[string]func() cache.Stats {
	return map[string]func() cache.Stats{
		"states":       s.states,
		"ledger_keys":  s.keys.ledgers.Stats,
		"subject_keys": s.keys.byID.Stats,
		"current_keys": s.keys.current.Stats,
		"acknowledged": s.acknowledged.stats,
		"clocks":       s.clocks.Stats,
	}
}

// states adds up what the lanes know. A hit is a command that found all that it needed.
func (s *Store) states() (all cache.Stats) {
	for _, l := range s.lanes {
		all = all.Plus(cache.Stats{Bytes: l.stats.bytes.Load(), Entries: l.stats.ledgers.Load(),
			Hits: l.stats.hits.Load(), Misses: l.stats.misses.Load(), Evictions: l.stats.evictions.Load()})
	}
	return all
}

// laneStats are written by the lane alone.
type laneStats struct {
	bytes, ledgers          atomic.Int64
	hits, misses, evictions atomic.Uint64
}

// found counts a command once, as a hit or as a miss, however often it is decided.
func (s *laneStats) found(c *call, all bool) {
	switch {
	case c.counted:
	case all:
		s.hits.Add(1)
	default:
		s.misses.Add(1)
	}
	c.counted = true
}

// How much acknowledged remembers: what is older than readers wait, by far, may go once there are many.
const (
	acknowledgedEntries = 1 << 18
	acknowledgedFor     = time.Minute
	acknowledgedBytes   = 160
)

// acknowledged knows the highest position that this process acknowledged in each ledger. A ledger that
// nothing was written to for a minute may be forgotten: its readers stopped waiting long ago.
type acknowledged struct {
	ledgers   sync.Map // ledger → *acknowledgement
	entries   atomic.Int64
	sweepAt   atomic.Int64 // number of entries; 0: acknowledgedEntries
	evictions atomic.Uint64
}

type acknowledgement struct {
	position atomic.Int64
	at       atomic.Int64 // Unix seconds of the last one
}

func (a *acknowledged) position(ledger uuid.UUID) int64 {
	if p, ok := a.ledgers.Load(ledger); ok {
		return p.(*acknowledgement).position.Load()
	}
	return 0
}

func (a *acknowledged) raise(ledger uuid.UUID, position int64, now time.Time) {
	for {
		p, ok := a.ledgers.Load(ledger)
		if !ok {
			fresh := new(acknowledgement)
			fresh.at.Store(now.Unix()) // or the sweep would take it for an old one
			if p, ok = a.ledgers.LoadOrStore(ledger, fresh); !ok {
				a.grown(now)
			}
		}
		seen := p.(*acknowledgement)
		seen.at.Store(now.Unix())
		for old := seen.position.Load(); old < position && !seen.position.CompareAndSwap(old, position); {
			old = seen.position.Load()
		}
		if again, ok := a.ledgers.Load(ledger); ok && again == p { // else it was swept in between
			return
		}
	}
}

// lower forgets what is beyond a position: it is gone.
func (a *acknowledged) lower(ledger uuid.UUID, position int64) {
	if p, ok := a.ledgers.Load(ledger); ok {
		p.(*acknowledgement).position.Store(position)
	}
}

// grown sweeps when there are many entries; the next time only after they have doubled.
func (a *acknowledged) grown(now time.Time) {
	limit := max(a.sweepAt.Load(), acknowledgedEntries)
	if a.entries.Add(1) <= limit {
		return
	}
	oldest := now.Add(-acknowledgedFor).Unix()
	a.ledgers.Range(func(ledger, p any) bool {
		if p.(*acknowledgement).at.Load() < oldest && a.ledgers.CompareAndDelete(ledger, p) {
			a.entries.Add(-1)
			a.evictions.Add(1)
			if seen := p.(*acknowledgement); seen.at.Load() >= oldest { // it was raised in between
				a.raise(ledger.(uuid.UUID), seen.position.Load(), now)
			}
		}
		return true
	})
	a.sweepAt.Store(2 * a.entries.Load())
}

func (a *acknowledged) stats() cache.Stats {
	n := a.entries.Load()
	return cache.Stats{Bytes: n * acknowledgedBytes, Entries: n, Evictions: a.evictions.Load()}
}
