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
	writeTime    = 400 * time.Millisecond // when they take longer there are too many
	lasting      = time.Second            // who came in within it after a slow one, and was slow too, makes it more than a stall
)

// gate bounds the writes under way by how long they take: too long and there are fewer, quickly and there may
// be more. One stall makes all that are under way slow, and is over: it takes those who came in after it being slow
// too. No key has more than half of the places, so that one whose ledger is held up leaves room for others.
type gate struct {
	now func() time.Time

	mu     sync.Mutex
	most   int
	inside int
	of     map[string]int // by the key as it was sent
	slow   time.Time      // when one took too long last that tells something

	refused int       // since it was told last
	told    time.Time // of refusals
}

func newGate() *gate { return &gate{now: time.Now, most: firstWrites, of: map[string]int{}} }

// enter takes a place; whoever got one gives it back with leave, and says how long it waited for its client, which is no
// sign of too many.
func (g *gate) enter(r *http.Request) (leave func(client time.Duration), ok bool) {
	key, began := r.Header.Get("X-Api-Key")+r.Header.Get("Authorization"), g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside >= g.most || g.of[key] >= g.most/2 {
		g.refused++
		return nil, false
	}
	g.inside++
	g.of[key]++
	return func(client time.Duration) { g.left(key, began.Add(client)) }, true
}

func (g *gate) left(key string, began time.Time) {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	full := g.inside >= g.most || g.of[key] >= g.most/2
	switch took := now.Sub(began); {
	case took > writeTime && began.After(g.slow): // those that came in before say nothing new
		if began.Sub(g.slow) < lasting {
			g.most = max(fewestWrites, min(g.most, 2*g.inside)*3/4)
		}
		g.slow = now
	case took < writeTime/2 && full:
		g.most = min(mostWrites, g.most+1)
	}
	g.inside--
	if g.of[key]--; g.of[key] == 0 {
		delete(g.of, key)
	}
}

// overloaded refuses a write that found no place. There may be thousands a second, and each has to cost little: they
// are counted in the metrics, and one line a second says how many there were.
func (s *Server) overloaded(w http.ResponseWriter, r *http.Request, call *Call) {
	call.code = errOverloaded.Code
	if n := s.writes.tell(); n > 0 {
		s.cfg.Log.ErrorContext(r.Context(), "writes refused", "requestId", call.ID, "cause", call.code, "sinceLastLine", n)
	}
	w.Header().Set("Retry-After", "1")
	call.dialect.Refuse(w, call.carriedBy(r), errOverloaded)
}

// tell gives how many were refused since it told last, and 0 within a second after that.
func (g *gate) tell() (n int) {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Sub(g.told) < time.Second {
		return 0
	}
	n, g.refused, g.told = g.refused, 0, now
	return n
}

var errOverloaded = domain.Refuse(domain.Unavailable, "overloaded", "too many writes are under way; try again in a second")
