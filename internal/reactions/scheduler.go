package reactions

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/metering"
	"github.com/subledger/subledger/projections"
)

// Sizes and times of the scheduler.
const (
	duePage    = 200 // rows
	shortest   = 100 * time.Millisecond
	rounds     = 100 // of one ledger, before the others have their turn again
	restShare  = 50  // a pass looks at all ledgers: rest so many times as long as that took
	firstRetry = time.Second
	lastRetry  = time.Hour
)

// scheduler makes a command of each row of the read model `due` whose instant has come: by its ledger's
// own clock, else by the system's. The commands do what is due in order and nothing that is done
// already, and have keys made of the row, so many schedulers may run at once.
type scheduler struct {
	cfg     *Config
	metrics *instruments
	wake    signal
	counter metering.Counter
	done    func() // called after each row that was done; nil: nobody counts

	mu      sync.Mutex
	moved   map[uuid.UUID]int64 // ledgers to look at now, once the read models are there: their clock moved
	failing map[dueKey]failure
	seen    overdue
	heads   map[uuid.UUID]int64 // of ledgers, before the rules of zones were looked over; that goroutine's own
}

// overdue is what a look at all ledgers found due by the system's clock.
type overdue struct {
	ledgers int64
	since   time.Time // the earliest
}

// dueKey is a row at the instant at which it is due.
type dueKey struct {
	ledger, stream uuid.UUID
	kind           string
	at             int64 // microseconds
}

type failure struct {
	times int
	again time.Time
}

// lookAt makes the next look at a ledger come at once, when the read models are at a position.
func (s *scheduler) lookAt(ledger uuid.UUID, position int64) {
	s.mu.Lock()
	s.moved[ledger] = max(s.moved[ledger], position)
	s.mu.Unlock()
	s.wake.set()
}

// run works until ctx ends; a pass that is under way is finished, but for what did not begin.
func (s *scheduler) run(ctx context.Context) error {
	full := time.Time{} // when the next look at all ledgers is due
	looked := false
	for ctx.Err() == nil {
		if !looked { // before anything that is due by rules of zones that hold no more
			if err := s.rules(ctx); err != nil {
				s.fault(ctx, "look over the periods under way", err)
			} else {
				looked = true
			}
		}
		s.followClocks(ctx)
		if !s.cfg.Now().Before(full) {
			full = s.pass(ctx)
		}
		if err := s.wake.wait(ctx, max(full.Sub(s.cfg.Now()), shortest)); err != nil {
			break
		}
	}
	return nil
}

// followClocks looks at the ledgers whose clock moved, at once.
func (s *scheduler) followClocks(ctx context.Context) {
	s.mu.Lock()
	moved := s.moved
	s.moved = map[uuid.UUID]int64{}
	s.mu.Unlock()
	var g errgroup.Group
	g.SetLimit(s.cfg.Ledgers)
	for id, position := range moved {
		g.Go(func() error {
			s.projected(ctx, id, position)
			s.catchUp(ctx, id)
			return nil
		})
	}
	_ = g.Wait()
}

// pass goes through all ledgers with something due, the longest overdue first, and tells when the
// next pass is: at the next due instant, at the latest after Tick.
func (s *scheduler) pass(ctx context.Context) time.Time {
	began, start := s.cfg.Now(), time.Now()
	ledgers, next, err := s.look(ctx, began)
	if err != nil {
		s.fault(ctx, "look for what is due", err)
	}
	looked := time.Since(start)
	var g errgroup.Group
	g.SetLimit(s.cfg.Ledgers)
	for _, id := range ledgers {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			s.catchUp(ctx, id)
			return nil
		})
	}
	_ = g.Wait()
	if at, ok := s.nextRetry(began); ok && at.Before(next) {
		next = at
	}
	if rest := s.cfg.Now().Add(max(shortest, restShare*looked)); next.Before(rest) {
		next = rest
	}
	return next
}

// look finds the ledgers with something due, by their own clock or else by now, the longest overdue
// first, and the next due instant of the system's clock, at the latest Tick from now. It is one probe of
// an index a ledger: the read model is ordered by time within each ledger, as everything is.
func (s *scheduler) look(ctx context.Context, now time.Time) (ledgers []uuid.UUID, next time.Time, err error) {
	next = now.Add(s.cfg.Tick)
	rows, err := s.cfg.Pool.Query(ctx, `with first as materialized (
			select l.ledger_id, l.clock, d.due_at from ledgers l cross join lateral (
				select due_at from due where ledger_id = l.ledger_id and asleep is null order by due_at limit 1) d)
		select ledger_id, due_at, clock is null from first where due_at <= coalesce(clock, $1)
		union all
		select null, min(due_at), true from first where clock is null and due_at > $1
		order by due_at`, now)
	if err != nil {
		return nil, next, err
	}
	var id *uuid.UUID
	var at *time.Time
	var bySystem bool
	var seen overdue
	_, err = pgx.ForEachRow(rows, []any{&id, &at, &bySystem}, func() error {
		switch {
		case id != nil:
			ledgers = append(ledgers, *id)
			if bySystem {
				if seen.ledgers++; seen.ledgers == 1 {
					seen.since = *at
				}
			}
		case at != nil && at.Before(next):
			next = *at
		}
		return nil
	})
	if err == nil {
		s.mu.Lock()
		s.seen = seen
		s.mu.Unlock()
	}
	return ledgers, next, err
}

// overdue is what the last look found.
func (s *scheduler) overdue() overdue {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// catchUp does all that is due in a ledger, in order of the instants. What was advanced may be due
// again after many periods: then it goes on once the read model shows it.
func (s *scheduler) catchUp(ctx context.Context, ledger uuid.UUID) {
	var position int64
	for range rounds {
		var happened bool
		until, err := s.clock(ctx, ledger)
		if err != nil {
			s.fault(ctx, "read the clock of "+ledger.String(), err)
			return
		}
		position, happened = s.once(ctx, ledger, until)
		if !happened || ctx.Err() != nil || !s.projected(ctx, ledger, position) {
			return
		}
	}
	s.lookAt(ledger, position)
}

// projected waits for the read models and tells whether they got there. Without them in this process,
// or in time, the next pass sees what they show by then.
func (s *scheduler) projected(ctx context.Context, ledger uuid.UUID, position int64) bool {
	if s.cfg.Applied == nil {
		return false
	}
	waiting, cancel := context.WithTimeout(ctx, projections.ReadWait)
	defer cancel()
	return s.cfg.Applied.Wait(waiting, ledger, position) == nil
}

// atOnce is how many rows of a ledger are worked at a time; in one with a clock of its own it is one, so that what happens
// at an instant happens in one order.
const atOnce = 16

// once goes through a ledger's rows that are due by an instant, each stream once.
func (s *scheduler) once(ctx context.Context, ledger uuid.UUID, until time.Time) (position int64, happened bool) {
	limit := atOnce
	if own, err := s.ownClock(ctx, ledger); err != nil || own {
		limit = 1
	}
	seen, counted := map[uuid.UUID]bool{}, false
	for after := (projections.DueRow{}); ctx.Err() == nil; {
		rows, err := projections.DueOf(ctx, s.cfg.Pool, ledger, until, after, duePage)
		if err != nil {
			s.fault(ctx, "list what is due", err)
			break
		}
		// Once a pass: each page moves the end of the ledger, and waiting for what the last one wrote counts nothing more.
		if !counted && slices.ContainsFunc(rows, func(r projections.DueRow) bool {
			return r.Kind == projections.DueInvoice || r.Kind == projections.DueClosing
		}) {
			s.counted(ctx, ledger)
			counted = true
		}
		var g errgroup.Group
		g.SetLimit(limit)
		var mu sync.Mutex
		for _, row := range rows {
			after = row
			if seen[row.StreamID] || ctx.Err() != nil {
				continue
			}
			seen[row.StreamID] = true
			g.Go(func() error {
				at, ok := s.do(ctx, row)
				mu.Lock()
				defer mu.Unlock()
				if ok {
					position, happened = max(position, at), true
				}
				return nil
			})
		}
		_ = g.Wait()
		if len(rows) < duePage {
			break
		}
	}
	return position, happened
}

// counted waits, where this process can, until usage that is recorded by now can be counted. What comes along later is an
// adjustment on the next invoice.
func (s *scheduler) counted(ctx context.Context, ledger uuid.UUID) {
	if s.cfg.Applied == nil {
		return
	}
	if head, _, err := s.cfg.Store.Head(ctx, ledger); err == nil {
		s.projected(ctx, ledger, head)
	}
}

// ownClock tells a ledger with a clock of its own.
func (s *scheduler) ownClock(ctx context.Context, ledger uuid.UUID) (own bool, err error) {
	err = s.cfg.Pool.QueryRow(ctx, `select clock is not null from ledgers where ledger_id = $1`, ledger).Scan(&own)
	return own, err
}

func (s *scheduler) clock(ctx context.Context, ledger uuid.UUID) (time.Time, error) {
	now := s.cfg.Now()
	err := s.cfg.Pool.QueryRow(ctx, `select coalesce(clock, $2) from ledgers where ledger_id = $1`, ledger, now).Scan(&now)
	return now, err
}

// do turns a row into its command; happened is false when it made no event. A row that fails, or stays
// although nothing is to be done, is tried again later, under another key.
func (s *scheduler) do(ctx context.Context, row projections.DueRow) (position int64, happened bool) {
	id := dueKey{row.LedgerID, row.StreamID, row.Kind, row.DueAt.UnixMicro()}
	s.mu.Lock()
	before := s.failing[id]
	s.mu.Unlock()
	if s.cfg.Now().Before(before.again) {
		return 0, false
	}
	command, err := s.commandFor(ctx, row)
	if err != nil {
		s.failed(ctx, id, before, err)
		return 0, false
	}
	// The position tells two rows of one instant apart: a test ledger's clock stands still while a customer moves twice.
	key := fmt.Sprintf("due:%s:%s:%d:%d:%d", row.StreamID, row.Kind, id.at, row.Position, before.times)
	err = s.cfg.Fault("due")
	var result eventstore.Result
	if err == nil {
		result, err = s.cfg.Store.Execute(ctx, eventstore.Request{Ledger: row.LedgerID, Command: command, Key: key,
			Fingerprint: sha256.Sum256([]byte(key)), Meta: eventstore.Meta{Actor: "scheduler"}})
	}
	switch {
	case ctx.Err() != nil:
		return 0, false
	case err != nil:
		s.failed(ctx, id, before, err)
		return 0, false
	case result.First > result.Last:
		// Usually another command did it and the row is on its way out.
		s.failed(ctx, id, before, nil)
		return 0, false
	}
	s.mu.Lock()
	delete(s.failing, id)
	s.mu.Unlock()
	if result.Replayed {
		s.metrics.scheduled.WithLabelValues(row.Kind, "repeated").Inc()
		return result.Position, false
	}
	s.metrics.scheduled.WithLabelValues(row.Kind, "done").Inc()
	if s.done != nil {
		s.done()
	}
	return result.Position, true
}

// commandFor is what a row asks for. A draft's usage is counted for it.
func (s *scheduler) commandFor(ctx context.Context, row projections.DueRow) (domain.Command, error) {
	switch row.Kind {
	case projections.DueTrialEnd, projections.DuePeriodEnd, projections.DueExpiry, projections.DueStart:
		return subscription.Advance{ID: row.StreamID}, nil
	case projections.DueLicenseEnd:
		return license.Expire{LicenseID: row.StreamID}, nil
	case projections.DueInvoice:
		return s.counter.Draft(ctx, row.LedgerID, row.StreamID)
	case projections.DueClosing:
		return s.counter.Close(ctx, row.LedgerID, row.StreamID)
	case projections.DueZone:
		return s.follow(ctx, row)
	}
	return nil, fmt.Errorf("nobody knows what to do with a row of kind %s", row.Kind)
}

// failed notes a failure; a nil error stands for a command that found nothing to do.
func (s *scheduler) failed(ctx context.Context, id dueKey, before failure, err error) {
	times := before.times + 1
	again := s.cfg.Now().Add(Backoff{First: firstRetry, Last: lastRetry}.After(times))
	s.mu.Lock()
	s.failing[id] = failure{times: times, again: again}
	s.mu.Unlock()
	result, level := "nothing", s.cfg.Logger.DebugContext
	if err != nil {
		result, level = "failed", s.cfg.Logger.ErrorContext
	} else if times > 2 {
		level = s.cfg.Logger.WarnContext
	}
	s.metrics.scheduled.WithLabelValues(id.kind, result).Inc()
	level(ctx, "reactions: a due row stays", "error", err, "ledger", id.ledger, "stream", id.stream, "kind", id.kind,
		"due", time.UnixMicro(id.at).UTC(), "times", times, "again", again)
}

// nextRetry forgets failures that nobody saw again for long, and tells when the first of the others is
// tried again.
func (s *scheduler) nextRetry(now time.Time) (next time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, f := range s.failing {
		switch {
		case f.again.Add(lastRetry).Before(now):
			delete(s.failing, id)
		case f.again.After(now) && (!ok || f.again.Before(next)):
			next, ok = f.again, true
		}
	}
	return next, ok
}

func (s *scheduler) fault(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return
	}
	s.metrics.scheduleErrors.Inc()
	s.cfg.Logger.WarnContext(ctx, "reactions: could not "+what, "error", err)
}
