package eventstore

import (
	"container/list"
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
)

// The life of a call between its caller and the lane.
const (
	callWaiting   int32 = iota // queued: its caller may still take it back
	callTaken                  // being decided or flushed
	callAbandoned              // taken back
)

// call is a command on its way through a lane.
type call struct {
	ctx   context.Context
	req   Request
	key   string // as it is stored: the client's, or one of ours
	meta  []byte
	done  chan outcome // holds one, so that a lane never waits for a caller
	state atomic.Int32

	coldLedger  *coldLedger // what the caller read for a decision that lacked it
	coldStreams []*coldStream
	known       map[string]keyRow       // keys of this command that the log has already
	held        map[claimName]uuid.UUID // claims that other streams hold

	counted bool // as a hit or a miss of the cached states

	forget bool // no command: what the lane knows of the ledger is to be read anew

	lost  int // how often another writer was faster
	tries int // flushes that failed without a word on this command
}

// outcome is a call's end, or what it lacks.
type outcome struct {
	result Result
	err    error
	miss   *miss
	replay *keyRow // the answer is an old one, still encrypted
}

type claimName struct{ scope, value string }

func newCall(ctx context.Context, req Request) *call {
	c := &call{ctx: ctx, req: req, done: make(chan outcome, 1)}
	if req.Key != "" {
		c.key = "key:" + req.Key
	} else {
		c.key = "id:" + req.ID.String()
	}
	return c
}

func (c *call) reply(o outcome) { c.done <- o }

// lane is the single writer of its ledgers in this process: it takes what waits, decides it one after
// the other, and flushes all of it in one statement. While a batch is flushed the next one gathers.
type lane struct {
	s      *Store
	sealer *sealer

	mu      sync.Mutex
	queues  map[uuid.UUID]*queue
	ring    []uuid.UUID // ledgers with waiting calls, each once: the next one first
	inbox   []func()    // results of detached work, run in the lane
	busy    int         // detached pieces of work under way
	closing bool
	wake    chan struct{}

	// Only the lane's goroutine touches what follows.
	ledgers map[uuid.UUID]*ledgerState
	recent  *list.List // of *ledgerState, most recently used first
	bytes   int
	stats   laneStats
}

type queue struct {
	calls  []*call
	busy   bool // a detached piece of work owns the ledger: nothing is taken
	inRing bool
}

func newLane(s *Store) *lane {
	l := &lane{s: s, sealer: s.codec.newSealer(), queues: map[uuid.UUID]*queue{}, wake: make(chan struct{}, 1),
		ledgers: map[uuid.UUID]*ledgerState{}, recent: list.New()}
	s.running.Add(1)
	go l.loop()
	return l
}

func (l *lane) enqueue(c *call) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return errClosing
	}
	q := l.queue(c.req.Ledger)
	if len(q.calls) >= l.s.cfg.QueueCalls {
		return errBusy
	}
	q.calls = append(q.calls, c)
	l.ready(c.req.Ledger, q)
	return nil
}

// requeue puts calls that nothing happened to back in front, in their order.
func (l *lane) requeue(ledger uuid.UUID, calls []*call) {
	var again []*call
	for _, c := range calls {
		if c.ctx.Err() != nil {
			c.reply(outcome{err: errBusy})
			continue
		}
		c.state.Store(callWaiting)
		again = append(again, c)
	}
	if len(again) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queue(ledger)
	q.calls = append(again, q.calls...)
	l.ready(ledger, q)
}

// turnAway refuses what waits for a ledger that cannot be had: each would wait as long as those before it.
func (l *lane) turnAway(ledger uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queue(ledger)
	var kept []*call
	for _, c := range q.calls {
		switch {
		case c.forget: // what it asks for needs no ledger
			kept = append(kept, c)
		case c.state.CompareAndSwap(callWaiting, callTaken):
			c.reply(outcome{err: errBusy})
		}
	}
	q.calls = kept
}

func (l *lane) queue(ledger uuid.UUID) *queue {
	q := l.queues[ledger]
	if q == nil {
		q = &queue{}
		l.queues[ledger] = q
	}
	return q
}

func (l *lane) ready(ledger uuid.UUID, q *queue) {
	if !q.inRing && !q.busy && len(q.calls) > 0 {
		q.inRing = true
		l.ring = append(l.ring, ledger)
	}
	l.signal()
}

func (l *lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// stop lets the lane finish what waits.
func (l *lane) stop() {
	l.mu.Lock()
	l.closing = true
	l.mu.Unlock()
	l.signal()
}

func (l *lane) loop() {
	defer l.s.running.Done()
	for range l.wake {
		for {
			calls, over := l.take()
			if over {
				return
			}
			if len(calls) == 0 {
				break
			}
			l.run(calls)
			l.evict()
		}
	}
}

// take gives the next batch: one call of each ledger in turn, so that a noisy ledger delays only
// itself. First it lets detached work report.
func (l *lane) take() (calls []*call, over bool) {
	l.mu.Lock()
	for len(l.inbox) > 0 {
		reports := l.inbox
		l.inbox = nil
		l.mu.Unlock()
		for _, report := range reports {
			report()
		}
		l.mu.Lock()
	}
	defer l.mu.Unlock()
	for len(calls) < l.s.cfg.BatchCalls && len(l.ring) > 0 {
		ledger := l.ring[0]
		l.ring = l.ring[1:]
		q := l.queues[ledger]
		q.inRing = false
		if q.busy {
			continue
		}
		if len(q.calls) > 0 {
			calls = append(calls, q.calls[0])
			q.calls[0] = nil
			q.calls = q.calls[1:]
		}
		switch {
		case len(q.calls) > 0:
			q.inRing = true
			l.ring = append(l.ring, ledger)
		default:
			delete(l.queues, ledger)
		}
	}
	return calls, len(calls) == 0 && l.closing && l.busy == 0 && len(l.inbox) == 0
}

// detach gives a ledger to a piece of work outside the lane: its own goroutine, the only one that
// touches the ledger's state meanwhile. What work returns is run in the lane afterwards.
func (l *lane) detach(ledger uuid.UUID, work func() (report func())) {
	l.mu.Lock()
	l.queue(ledger).busy = true
	l.busy++
	l.mu.Unlock()
	l.s.running.Add(1)
	go func() {
		defer l.s.running.Done()
		report := work()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.inbox = append(l.inbox, func() {
			if report != nil {
				report()
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.busy--
			q := l.queue(ledger)
			q.busy = false
			if len(q.calls) == 0 {
				delete(l.queues, ledger)
			}
			l.ready(ledger, q)
		})
		l.signal()
	}()
}

// run decides a batch and flushes it.
func (l *lane) run(calls []*call) {
	b := newBatch(l, l.sealer, nil)
	serial := map[uuid.UUID][]*call{}
	for i, c := range calls {
		if b.size > l.s.cfg.BatchBytes {
			for _, rest := range slices.Backward(calls[i:]) {
				l.putBack(rest)
			}
			break
		}
		switch {
		case !c.state.CompareAndSwap(callWaiting, callTaken): // taken back by its caller
		case c.ctx.Err() != nil:
			c.reply(outcome{err: errBusy})
		case c.req.Ledger == l.s.system || c.lost >= 2 || c.forget || serial[c.req.Ledger] != nil:
			serial[c.req.Ledger] = append(serial[c.req.Ledger], c)
		default:
			b.decide(c)
		}
	}
	// What one ledger sends into the serial path goes there with all else of it in this batch.
	for ledger, cs := range serial {
		cs = l.forgetting(ledger, append(b.withdraw(ledger), cs...))
		if len(cs) == 0 {
			continue
		}
		ls := l.ledgers[ledger]
		l.detach(ledger, func() func() { return l.serial(ledger, ls, cs) })
	}
	l.flush(b.sorted())
	for _, c := range slices.Backward(b.heldBack) {
		l.requeue(c.req.Ledger, []*call{c})
	}
}

// putBack returns a call that was not looked at.
func (l *lane) putBack(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queue(c.req.Ledger)
	q.calls = append([]*call{c}, q.calls...)
	l.ready(c.req.Ledger, q)
}

// ledger installs or gives what the lane knows of a ledger.
func (l *lane) ledger(id uuid.UUID, cold *coldLedger) *ledgerState {
	ls := l.ledgers[id]
	if ls == nil && cold != nil {
		ls = newLedgerState(id, cold)
		l.ledgers[id] = ls
		ls.elem = l.recent.PushFront(ls)
	}
	if ls != nil {
		l.recent.MoveToFront(ls.elem)
	}
	return ls
}

// drop forgets a ledger: the next call reads it anew.
func (l *lane) drop(id uuid.UUID) {
	if ls := l.ledgers[id]; ls != nil {
		l.recent.Remove(ls.elem)
		l.bytes -= ls.weight
		delete(l.ledgers, id)
	}
}

// evict keeps the cached states within this lane's share of the budget, least recently used ledger
// first. The newest ledger, when it is over it alone, loses its streams.
func (l *lane) evict() {
	budget := l.s.cfg.CacheBytes / l.s.cfg.Lanes
	for e := l.recent.Back(); e != nil && l.bytes > budget; {
		ls, next := e.Value.(*ledgerState), e.Prev()
		switch {
		case l.isBusy(ls.id):
		case next == nil:
			ls.streams = map[uuid.UUID]*stream{}
			l.weigh(ls)
			l.stats.evictions.Add(1)
		default:
			l.drop(ls.id)
			l.stats.evictions.Add(1)
		}
		e = next
	}
	l.stats.bytes.Store(int64(l.bytes))
	l.stats.ledgers.Store(int64(len(l.ledgers)))
}

// weigh brings the lane's total up to date with what a ledger occupies, roughly: its events' bytes
// and the maps' overhead.
func (l *lane) weigh(ls *ledgerState) {
	if len(ls.streams) == 0 {
		ls.bytes = 0
	}
	weight := 512 + ls.bytes + 192*len(ls.streams) + 32*len(ls.written)
	l.bytes += weight - ls.weight
	ls.weight = weight
}

func (l *lane) isBusy(ledger uuid.UUID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queues[ledger]
	return q != nil && q.busy
}
