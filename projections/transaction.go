package projections

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/eventstore"
)

// Handover is what a committed page wrote, for who keeps rows in memory.
type Handover struct {
	Moves []Move
	Rows  []any // row structs: Product, Subscription, LicenseRow, …
}

// Move is a ledger's way through a page, for one projection.
type Move struct {
	Ledger     uuid.UUID
	Projection string
	From, To   int64
}

// apply runs one transaction: checkpoints and rows of all entries that won. Entries that lost are
// left out, and their checkpoints will be read again.
func (r *Runner) apply(ctx context.Context, entries []entry) error {
	if err := r.step("gathered"); err != nil {
		return err
	}
	tx, err := r.Pool.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin a page: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // after a commit it does nothing
	won, err := r.move(ctx, tx, entries)
	if err != nil {
		return err
	}
	if err := r.step("moved"); err != nil {
		return err
	}
	rows, err := r.project(ctx, tx, entries, won)
	if err != nil {
		return err
	}
	if err := r.step("written"); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit a page: %w", err)
	}
	if err := r.step("committed"); err != nil {
		return err
	}
	handover := Handover{Rows: rows}
	for _, e := range entries {
		for _, i := range e.projections {
			if !won[row{e.track.ledger, r.rowOf(e.track, i)}] {
				e.track.known = false
				r.metrics.lost.Inc()
				continue
			}
			e.track.at[i], e.track.saved[i], e.track.moved = e.to(), e.to(), time.Now()
			handover.Moves = append(handover.Moves, Move{e.track.ledger, r.names[i], e.from, e.to()})
		}
	}
	if r.Follow != nil {
		r.Follow(handover)
	}
	for _, e := range entries { // after the rows were handed over: who was woken finds them
		r.publish(e.track)
		e.track.known = e.track.known && !r.apart(e.track)
		if r.Announce != nil {
			r.Announce(e.track.ledger)
		}
	}
	return r.step("told")
}

// apart tells that read models stand at the same position with checkpoints of their own: read again,
// they merge.
func (r *Runner) apart(t *track) bool {
	furthest, own, n := slices.Max(t.at), 0, 0
	for i, at := range t.at {
		if at == furthest && !t.parked[i] {
			n++
			if !t.shared[i] {
				own++
			}
		}
	}
	return own > 0 && n > 1 && r.together()
}

// project writes the rows: all models load together, mostly in one round trip, and write in another.
func (r *Runner) project(ctx context.Context, tx pgx.Tx, entries []entry, won map[row]bool) (rows []any, err error) {
	events := make([][]*eventstore.Recorded, len(r.Projections))
	for _, e := range entries {
		for _, i := range e.projections {
			if won[row{e.track.ledger, r.rowOf(e.track, i)}] {
				events[i] = append(events[i], e.events...)
			}
		}
	}
	pages := make([]*Page, len(r.Projections))
	for i, p := range r.Projections {
		if m, ok := p.(*Model); ok && len(events[i]) > 0 {
			pages[i] = m.newPage()
		}
	}
	if err := foldPages(ctx, tx, pages, events); err != nil {
		return nil, err
	}
	writes := &pgx.Batch{}
	for i, p := range r.Projections {
		switch {
		case len(events[i]) == 0:
		case pages[i] != nil:
			if err := pages[i].queueWrites(writes); err != nil {
				return nil, err
			}
			if r.Follow != nil {
				for _, b := range pages[i].buffers {
					rows = append(rows, b.written()...)
				}
			}
		default:
			if err := applySafely(ctx, p, tx, events[i]); err != nil {
				return nil, err
			}
		}
		if err := r.step("applied " + r.names[i]); err != nil {
			return nil, err
		}
	}
	if err := sendAll(ctx, tx, writes); err != nil {
		return nil, fmt.Errorf("write rows: %w", err)
	}
	return rows, nil
}

func applySafely(ctx context.Context, p Projection, tx pgx.Tx, events []*eventstore.Recorded) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &EventError{Projection: p.Name(), Event: events[0], Err: fmt.Errorf("panic: %v", v)}
		}
	}()
	return p.Apply(ctx, tx, events)
}

// crash is a fault point's error: the runner ends there as if its process had died.
type crash struct{ step string }

func (c crash) Error() string { return "crashed after step " + c.step }

func isCrash(err error) bool { return errors.As(err, new(crash)) }

func (r *Runner) step(name string) error {
	if r.hook != nil {
		return r.hook(name)
	}
	if r.Fault != nil {
		return r.Fault(name)
	}
	return nil
}
