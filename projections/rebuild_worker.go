package projections

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/subledger/subledger/eventstore"
)

// end is a ledger and the position up to which it is folded.
type end struct {
	Ledger   uuid.UUID `db:"ledger_id"`
	Position int64     `db:"position"`
	Done     bool      `db:"done"`
}

func (r *Rebuild) todo(ctx context.Context) (todo []end, err error) {
	rows, err := r.Owner.Query(ctx, `select l.ledger_id, coalesce(c.position, l.position) as position, c.ledger_id is not null as done
		from ledgers l left join `+r.schema+`.checkpoints c using (ledger_id) where l.position > 0 order by position desc, l.ledger_id`)
	if err != nil {
		return nil, err
	}
	all, err := collect[end](rows)
	for _, e := range all {
		r.total += e.Position
		if e.Done {
			r.done.Add(e.Position)
		} else {
			todo = append(todo, e)
		}
	}
	return todo, err
}

// worker folds ledgers, one after the other, and holds the rows of some until it writes them together.
type worker struct {
	*Rebuild
	pages  []*Page
	tables []*copying // of all pages
	folded []end
	events int64 // of the folded
}

func (r *Rebuild) newWorker(ctx context.Context) (*worker, error) {
	w := &worker{Rebuild: r}
	conn, err := r.Owner.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	for _, m := range r.Models {
		p := &Page{model: m}
		for _, t := range m.tables {
			p.whole = append(p.whole, t.newWhole())
			c, err := newCopying(ctx, conn.Conn(), r.schema, t)
			if err != nil {
				return nil, err
			}
			w.tables = append(w.tables, c)
		}
		w.pages = append(w.pages, p)
	}
	return w, nil
}

// fold reads ahead while it folds.
func (w *worker) fold(ctx context.Context, l end) error {
	read := make(chan []*eventstore.Recorded, 2)
	group, reading := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(read)
		for after := int64(0); after < l.Position; {
			events, err := w.Log.Facts(reading, l.Ledger, after, int(min(rebuildPage, l.Position-after)))
			if err != nil {
				return err
			}
			if len(events) == 0 {
				return fmt.Errorf("ledger %s ends at %d, not at %d", l.Ledger, after, l.Position)
			}
			after = events[len(events)-1].Position
			select {
			case read <- events:
			case <-reading.Done():
				return reading.Err()
			}
		}
		return nil
	})
	group.Go(func() error {
		for events := range read {
			for _, p := range w.pages {
				if _, err := p.attempt(events); err != nil {
					return err
				}
			}
			w.Progress(w.done.Add(int64(len(events))), w.total)
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	held, i := 0, 0
	for _, p := range w.pages {
		for _, t := range p.whole {
			if err := t.copyInto(w.tables[i]); err != nil {
				return fmt.Errorf("rows of %s: %w", p.model.name, err)
			}
			held += len(w.tables[i].rows)
			i++
		}
	}
	w.folded, w.events = append(w.folded, l), w.events+l.Position
	if held >= w.flushAt || w.events >= rebuildEvents {
		return w.flush(ctx)
	}
	return nil
}

// flush writes rows and the ledgers' checkpoints in one transaction.
func (w *worker) flush(ctx context.Context) error {
	if len(w.folded) == 0 {
		return nil
	}
	err := pgx.BeginFunc(ctx, w.Owner, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local synchronous_commit = off"); err != nil {
			return err
		}
		for _, t := range w.tables {
			if err := t.send(ctx, tx.Conn()); err != nil {
				return fmt.Errorf("%s: %w", t.statement, err)
			}
		}
		var ids []uuid.UUID
		var positions []int64
		for _, l := range w.folded {
			ids, positions = append(ids, l.Ledger), append(positions, l.Position)
		}
		_, err := tx.Exec(ctx, "insert into "+w.schema+".checkpoints (ledger_id, position) select * from unnest($1::uuid[], $2::bigint[])", ids, positions)
		return err
	})
	w.folded, w.events = nil, 0
	return err
}
