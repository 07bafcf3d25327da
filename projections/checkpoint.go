package projections

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// scan finds ledgers whose end lies beyond a checkpoint: the net below all signals.
func (r *Runner) scan(ctx context.Context) error {
	var ledger uuid.UUID
	var head int64
	err := queryRows(ctx, r.Pool, `select l.ledger_id, l.position from ledgers l
		left join (select ledger_id, count(*) n, min(position) filter (where parked_at is null) lowest
			from checkpoints where projection = any($1) group by ledger_id) c using (ledger_id)
		where l.position > 0 and (c.n is null or c.n < $2 or c.lowest < l.position)`,
		[]any{r.names, len(r.names)}, []any{&ledger, &head}, func() {
			t := r.track(ledger)
			t.head = max(t.head, head)
			if !t.listed { // whoever moved or unparked it, it was not us
				t.known = false
				r.list(t)
			}
		})
	if err != nil {
		return fmt.Errorf("scan for dirty ledgers: %w", err)
	}
	r.metrics.scanned(ctx, r)
	return nil
}

// lookUp reads the ends and checkpoints of some ledgers.
func (r *Runner) lookUp(ctx context.Context, ids []uuid.UUID) error {
	var ledger uuid.UUID
	var head int64
	err := queryRows(ctx, r.Pool, `select ledger_id, position from ledgers where ledger_id = any($1)`,
		[]any{ids}, []any{&ledger, &head}, func() {
			t := r.track(ledger)
			t.head = max(t.head, head)
			r.list(t)
		})
	if err != nil {
		return fmt.Errorf("look up ledgers: %w", err)
	}
	return r.loadCheckpoints(ctx, ids)
}

// loadCheckpoints makes the missing ones.
func (r *Runner) loadCheckpoints(ctx context.Context, ids []uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}
	q := &pgx.Batch{}
	q.Queue(`insert into checkpoints (ledger_id, projection, position)
		select l.ledger_id, p, 0 from ledgers l cross join unnest($2::text[]) p where l.ledger_id = any($1)
			and not exists (select from checkpoints c where c.ledger_id = l.ledger_id and c.projection = p)
		order by l.ledger_id, p on conflict do nothing`, ids, r.names)
	var ledger uuid.UUID
	var name string
	var position int64
	var parked bool
	loaded := map[uuid.UUID]bool{}
	q.Queue(`select ledger_id, projection, position, parked_at is not null from checkpoints
		where ledger_id = any($1) and projection = any($2)`, ids, r.names).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&ledger, &name, &position, &parked}, func() error {
			t := r.track(ledger)
			if t.at == nil {
				t.at, t.parked = make([]int64, len(r.names)), make([]bool, len(r.names))
			}
			i := slices.Index(r.names, name)
			t.at[i], t.parked[i], t.known, loaded[ledger] = position, parked, true, true
			return nil
		})
		return err
	})
	if err := r.Pool.SendBatch(ctx, q).Close(); err != nil {
		return fmt.Errorf("load checkpoints: %w", err)
	}
	for _, id := range ids {
		if t := r.track(id); loaded[id] {
			r.publish(t)
		} else {
			t.known, t.at, t.parked = true, nil, nil // no such ledger: nothing to do
		}
	}
	return nil
}

// publish tells those who wait how far the read models of a ledger are.
func (r *Runner) publish(t *track) {
	if r.Applied == nil {
		return
	}
	lowest, parked := int64(-1), false
	for i, p := range r.Projections {
		if _, ok := p.(*Model); !ok {
			continue
		}
		if t.parked[i] {
			parked = true
		} else if lowest < 0 || t.at[i] < lowest {
			lowest = t.at[i]
		}
	}
	if lowest < 0 { // all are parked: nobody shall wait
		lowest = t.head
	}
	r.Applied.set(t.ledger, lowest, parked)
}

// guard moves the checkpoints of a page and tells which moves won: like the append, the unchanged
// old position is the only arbiter, and rows are locked in one order.
const guard = `with held as materialized (
		select c.ledger_id, c.projection, w.n
		from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[]) w(id, p, o, n)
		join checkpoints c on c.ledger_id = w.id and c.projection = w.p
		where c.position = w.o and c.parked_at is null
		order by c.ledger_id, c.projection for no key update of c)
	update checkpoints c set position = held.n, updated_at = now() from held
	where c.ledger_id = held.ledger_id and c.projection = held.projection
	returning c.ledger_id, c.projection`

type pair struct {
	ledger     uuid.UUID
	projection int
}

func (r *Runner) move(ctx context.Context, tx pgx.Tx, entries []entry) (won map[pair]bool, err error) {
	var ids []uuid.UUID
	var names []string
	var from, to []int64
	for _, e := range entries {
		for _, i := range e.projections {
			ids, names = append(ids, e.track.ledger), append(names, r.names[i])
			from, to = append(from, e.from), append(to, e.to())
		}
	}
	won = make(map[pair]bool, len(ids))
	q := &pgx.Batch{}
	q.Queue(`set local synchronous_commit = off`)
	var ledger uuid.UUID
	var name string
	q.Queue(guard, ids, names, from, to).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&ledger, &name}, func() error {
			won[pair{ledger, slices.Index(r.names, name)}] = true
			return nil
		})
		return err
	})
	if err := tx.SendBatch(ctx, q).Close(); err != nil {
		return nil, fmt.Errorf("move checkpoints: %w", err)
	}
	return won, nil
}

func queryRows(ctx context.Context, pool *pgxpool.Pool, sql string, args []any, scan []any, each func()) error {
	rows, err := pool.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, scan, func() error { each(); return nil })
	return err
}
