package projections

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/mutant"
)

// Applied knows how far the read models are, per ledger, and wakes those who wait for a position. It
// is moved by the runner of this process, or by a Watcher when another process projects.
type Applied struct {
	mu      sync.Mutex
	ledgers map[uuid.UUID]*progress
	ask     func(ledger uuid.UUID) // makes whoever moves it look at the ledger's checkpoints
	tell    func(ledger uuid.UUID) // tells another process, which projects, of the ledger; nil: none is told
	waiters int                    // for positions that are not reached
	hurry   chan struct{}          // one of them came
}

type progress struct {
	known    bool
	position int64
	parked   bool // some projection is: its rows stand still, and nobody waits for them
	waiting  map[chan struct{}]int64
}

// NewApplied knows nothing yet.
func NewApplied() *Applied {
	return &Applied{ledgers: map[uuid.UUID]*progress{}, hurry: make(chan struct{}, 1)}
}

// set tells how far all projections that are not parked have applied a ledger. Positions may go
// back, after a swap of rebuilt tables.
func (a *Applied) set(ledger uuid.UUID, position int64, parked bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.of(ledger)
	p.known, p.position, p.parked = true, position, parked
	for c, want := range p.waiting {
		if position >= want {
			close(c)
			delete(p.waiting, c)
			a.waiters--
		}
	}
}

// waitedFor tells whether anybody waits.
func (a *Applied) waitedFor() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.waiters > 0
}

// shrink forgets some ledgers that nobody waits for: who asks for one has it looked up.
func (a *Applied) shrink() {
	for id, p := range a.ledgers {
		if len(a.ledgers) < maxTracks*3/4 {
			return
		}
		if len(p.waiting) == 0 {
			delete(a.ledgers, id)
		}
	}
}

func (a *Applied) of(ledger uuid.UUID) *progress {
	p := a.ledgers[ledger]
	if p == nil {
		if len(a.ledgers) >= maxTracks {
			a.shrink()
		}
		p = &progress{waiting: map[chan struct{}]int64{}}
		a.ledgers[ledger] = p
	}
	return p
}

// Position is the last known position that all read models applied, parked ones left out.
func (a *Applied) Position(ledger uuid.UUID) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.ledgers[ledger]; p != nil {
		return p.position
	}
	return 0
}

// Parked tells that some read model of the ledger stands still.
func (a *Applied) Parked(ledger uuid.UUID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.ledgers[ledger]
	return p != nil && p.parked
}

// Wait blocks until all read models that are not parked applied a position, or the context ends; its
// error is then the context's.
func (a *Applied) Wait(ctx context.Context, ledger uuid.UUID, position int64) error {
	a.mu.Lock()
	p := a.of(ledger)
	if p.known && p.position >= position {
		a.mu.Unlock()
		return nil
	}
	c := make(chan struct{})
	p.waiting[c] = position
	a.waiters++
	known := p.known
	a.mu.Unlock()
	wakeUp(a.hurry)
	if !known {
		a.look(ledger)
	}
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		select {
		case <-c:
			return nil
		case <-again.C:
			if a.tell != nil {
				a.tell(ledger)
			}
			a.look(ledger)
		case <-ctx.Done():
			a.mu.Lock()
			defer a.mu.Unlock()
			if _, still := p.waiting[c]; still {
				delete(p.waiting, c)
				a.waiters--
			}
			return ctx.Err()
		}
	}
}

// lookAgain is how long somebody waits before the ledger's checkpoints are read: what this process refused or answered
// may stand on events of another one that told nobody, since it ended or lost the answer to its append. A page takes less.
const lookAgain = 250 * time.Millisecond

// reached tells how far the read models are, and whether that is known to be far enough.
func (a *Applied) reached(ledger uuid.UUID, position int64) (at int64, enough bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.of(ledger)
	return p.position, p.known && p.position >= position
}

// look asks for the ledger's checkpoints to be read: what this process commits is handed over without
// it, what another one commits may have been missed.
func (a *Applied) look(ledger uuid.UUID) {
	if a.ask != nil {
		a.ask(ledger)
	}
}

// awaited lists the ledgers that someone waits for.
func (a *Applied) awaited() []uuid.UUID {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []uuid.UUID
	for id, p := range a.ledgers {
		if len(p.waiting) > 0 {
			all = append(all, id)
		}
	}
	return all
}

// ReadWait is how long a read waits for the read models to catch up.
const ReadWait = 2 * time.Second

// Caught is At for answers that must not be older than what this process acknowledged, such as whether
// somebody has access: when the read models are not there in time it refuses with position_not_reached.
func (r *Reads) Caught(ctx context.Context, ledger uuid.UUID) (int64, error) {
	var acknowledged int64
	if r.applied != nil && mutant.Active != mutant.LazyCheck {
		acknowledged = r.acknowledged(ledger)
	}
	return r.At(ctx, ledger, acknowledged)
}

// reached is Caught where nothing has to be waited for; else false.
func (r *Reads) reached(ledger uuid.UUID) (int64, bool) {
	acknowledged := r.acknowledged(ledger)
	if r.applied == nil {
		return acknowledged, true
	}
	return r.applied.reached(ledger, acknowledged)
}

// acknowledged is the position that this process was told of, 0 for none.
func (r *Reads) acknowledged(ledger uuid.UUID) int64 {
	if r.acked == nil {
		return 0
	}
	return r.acked(ledger)
}

// KnownTo is the position of a ledger up to which all of some read models are, as the database has it, whoever makes them;
// 0 for none.
func (r *Reads) KnownTo(ctx context.Context, ledger uuid.UUID, models ...string) (int64, error) {
	type known struct {
		Position int64 `db:"position"`
	}
	rows, err := query[known](ctx, r, ledger, `select coalesce(min(position), 0)::bigint as position from projection_positions
		where ledger_id = @ledger and projection = any(@models) having count(*) = @count`, pgx.NamedArgs{"ledger": ledger, "models": models, "count": len(models)})
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	return rows[0].Position, nil
}

// At is the beginning of a read: it waits until the read models hold what this process acknowledged
// for the ledger, and minPosition if one is given (0: none), at most ReadWait. It answers the
// position that rows have at least. A minPosition that is not reached is refused with
// position_not_reached; what was merely acknowledged is waited for and no more.
func (r *Reads) At(ctx context.Context, ledger uuid.UUID, minPosition int64) (int64, error) {
	acknowledged := r.acknowledged(ledger)
	want := max(minPosition, acknowledged)
	if r.applied == nil {
		return want, nil
	}
	if minPosition > acknowledged && minPosition > r.applied.Position(ledger) {
		r.applied.look(ledger)
	}
	position, reached := r.applied.reached(ledger, want)
	if !reached { // most reads need no timer
		waiting, cancel := context.WithTimeout(ctx, ReadWait)
		defer cancel()
		_ = r.applied.Wait(waiting, ledger, want)
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		position = r.applied.Position(ledger)
	}
	if position < minPosition {
		return position, domain.Refuse(domain.Unavailable, "position_not_reached",
			"the read models are at position %d, not yet at %d", position, minPosition)
	}
	return position, nil
}
