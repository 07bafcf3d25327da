package handlers

import (
	"net/http"
	"sync"
	"time"

	"github.com/subledger/subledger/domain"
)

// Under overload most of what can be done still gets done, in time, if the rest is refused at once: before its
// key is looked up or its body read. Without a bound each write waits for all others, until none is answered
// while its client still listens. Reads have a bound already: the connections that they wait for.
const (
	fewestWrites = 128 // under way at once: a quarter of a second for a server that does 500 a second
	firstWrites  = 256
	mostWrites   = 2048
	writeTime    = 400 * time.Millisecond // when one takes longer there are too many
)

// gate bounds the writes under way by how long they take: too long and there are fewer, quickly and there may
// be more. No key has more than half of the places, so that one whose ledger is held up leaves room for others.
type gate struct {
	now func() time.Time

	mu     sync.Mutex
	most   int
	inside int
	of     map[string]int // by the key as it was sent
	cut    time.Time      // when there were too many last
}

func newGate() *gate { return &gate{now: time.Now, most: firstWrites, of: map[string]int{}} }

// enter takes a place; whoever got one gives it back with leave.
func (g *gate) enter(r *http.Request) (leave func(), ok bool) {
	key, began := r.Header.Get("X-Api-Key")+r.Header.Get("Authorization"), g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside >= g.most || g.of[key] >= g.most/2 {
		return nil, false
	}
	g.inside++
	g.of[key]++
	return func() { g.left(key, began) }, true
}

func (g *gate) left(key string, began time.Time) {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	full := g.inside >= g.most || g.of[key] >= g.most/2
	switch took := now.Sub(began); {
	case took > writeTime && began.After(g.cut): // those that came in before the last cut say nothing new
		g.most, g.cut = max(fewestWrites, min(g.most, 2*g.inside)*3/4), now
	case took < writeTime/2 && full:
		g.most = min(mostWrites, g.most+1)
	}
	g.inside--
	if g.of[key]--; g.of[key] == 0 {
		delete(g.of, key)
	}
}

var errOverloaded = domain.Refuse(domain.Unavailable, "overloaded", "too many writes are under way; try again in a second")
