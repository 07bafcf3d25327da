// Package projections makes the read models: pure folds of a ledger's events into keyed rows, and
// the queries that answer from them.
//
// Vocabulary: projection, read model, fold, row, page (of events, applied in one transaction),
// checkpoint, lag, parked, rebuild, shadow.
//
// Rules:
//
//	P1 Each event counts once: rows and checkpoint move in one transaction, guarded by the old position.
//	P2 Rows depend on events alone: no clock, no randomness, no other projection's rows.
//	P3 A failing event parks its projection in its ledger; other ledgers and projections go on, and no
//	   reader waits for a parked one.
//	P4 What happens by time is computed from the instant when it is read, never when it is folded.
//	P5 Every query names its ledger first and is paged by key.
package projections

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/eventstore"
)

// Projection follows the log of every ledger. Model is the usual one; the other kind writes what is
// never rebuilt, such as messages to publish.
type Projection interface {
	// Name is the key of its checkpoints; it never changes.
	Name() string
	// Apply writes what the events of a page say, in the transaction that also moves the checkpoints.
	// Events come in order of position within each ledger, and each exactly once.
	Apply(ctx context.Context, tx pgx.Tx, events []*eventstore.Recorded) error
}

// Skipper is a Projection that knows without the database that events mean nothing to it.
type Skipper interface {
	Skip(events []*eventstore.Recorded) bool
}

// Fold says what one event means for the rows of a read model. It gets every event of a ledger and
// ignores those that mean nothing to it.
type Fold func(p *Page, e *eventstore.Recorded)

// Model is a read model: tables, and the fold that fills them.
type Model struct {
	name   string
	tables []table
	fold   Fold
}

// newModel makes a read model of the tables that the fold reads and writes.
func newModel(name string, fold Fold, tables ...table) *Model {
	for slot, t := range tables {
		t.bind(slot)
	}
	return &Model{name: name, tables: tables, fold: fold}
}

// Models are all read models that reads are answered from.
func Models() []*Model {
	return []*Model{Catalog(), Subscriptions(), Licenses(), Usage(), Tasks(), Due(), RBAC(), PlanSales(), UsageRecords(), Customers(), Invoices(), RejectedUsages()}
}

// Name implements Projection.
func (m *Model) Name() string { return m.name }

// Apply implements Projection: what the fold will read is loaded in one query a table, and what it
// wrote is written in one statement a table.
func (m *Model) Apply(ctx context.Context, tx pgx.Tx, events []*eventstore.Recorded) error {
	pages := []*Page{m.newPage()}
	if err := foldPages(ctx, tx, pages, [][]*eventstore.Recorded{events}); err != nil {
		return err
	}
	q := &pgx.Batch{}
	if err := pages[0].queueWrites(q); err != nil {
		return err
	}
	if err := sendAll(ctx, tx, q); err != nil {
		return fmt.Errorf("write rows of %s: %w", m.name, err)
	}
	return nil
}

// foldPages folds each page's events into its rows; nil pages have none. What the folds ask for is loaded in one
// round trip for all of them, and again where it led to further rows.
func foldPages(ctx context.Context, tx pgx.Tx, pages []*Page, events [][]*eventstore.Recorded) error {
	open := slices.Clone(pages)
	for {
		loads := &pgx.Batch{}
		for i, p := range open {
			if p == nil {
				continue
			}
			missing, err := p.attempt(events[i])
			if err != nil {
				return err
			}
			if !missing {
				open[i] = nil
				continue
			}
			p.queueLoads(loads)
		}
		if loads.Len() == 0 {
			return nil
		}
		if err := sendAll(ctx, tx, loads); err != nil {
			return fmt.Errorf("load rows: %w", err)
		}
	}
}

func sendAll(ctx context.Context, tx pgx.Tx, q *pgx.Batch) error {
	if q.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, q).Close()
}
