package projections

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/subledger/subledger/internal/mutant"
)

// shared is the name of the checkpoint that stands for several read models of a ledger, those that are
// in step: a page then moves one row a ledger and not one a model. A model leaves it when it is parked
// or rebuilt alone, and is taken in again once it has caught up. The view projection_positions has a row
// for each projection, whichever checkpoint stands for it.
const shared = "*"

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

// checkpoint is a row of checkpoints.
type checkpoint struct {
	ledger     uuid.UUID
	projection string
	position   int64
	covers     []string
	parked     bool
}

// loadCheckpoints makes the missing ones, and takes models that are in step into one.
func (r *Runner) loadCheckpoints(ctx context.Context, ids []uuid.UUID) error {
	for try := 0; len(ids) > 0; try++ {
		rows, err := r.readCheckpoints(ctx, ids)
		if err != nil {
			return fmt.Errorf("load checkpoints: %w", err)
		}
		if try == 0 {
			merged, err := r.merge(ctx, rows)
			if err != nil {
				return fmt.Errorf("merge checkpoints: %w", err)
			}
			if merged {
				continue
			}
		}
		for _, id := range ids {
			r.take(id, rows[id])
		}
		return nil
	}
	return nil
}

// readCheckpoints makes what is missing: a shared one in a new ledger, others for models that came later.
func (r *Runner) readCheckpoints(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID][]checkpoint, error) {
	q := &pgx.Batch{}
	if r.together() {
		q.Queue(`insert into checkpoints (ledger_id, projection, position, covers)
			select l.ledger_id, '*', 0, $2::text[] from ledgers l where l.ledger_id = any($1)
				and not exists (select from projection_positions c where c.ledger_id = l.ledger_id and c.projection = any($2))
			order by l.ledger_id on conflict do nothing`, ids, r.names)
	}
	q.Queue(`insert into checkpoints (ledger_id, projection, position)
		select l.ledger_id, p, 0 from ledgers l cross join unnest($2::text[]) p where l.ledger_id = any($1)
			and not exists (select from projection_positions c where c.ledger_id = l.ledger_id and c.projection = p)
		order by l.ledger_id, p on conflict do nothing`, ids, r.names)
	all := map[uuid.UUID][]checkpoint{}
	var c checkpoint
	q.Queue(`select ledger_id, projection, position, covers, parked_at is not null from checkpoints
		where ledger_id = any($1) and (projection = any($2) or covers && $2::text[])`, ids, r.names).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&c.ledger, &c.projection, &c.position, &c.covers, &c.parked}, func() error {
			all[c.ledger] = append(all[c.ledger], c)
			return nil
		})
		return err
	})
	return all, r.Pool.SendBatch(ctx, q).Close()
}

// together tells whether all projections are read models, whose checkpoints can be shared.
func (r *Runner) together() bool {
	for _, p := range r.Projections {
		if _, ok := p.(*Model); !ok {
			return false
		}
	}
	return len(r.Projections) > 1
}

// take believes a ledger's rows.
func (r *Runner) take(id uuid.UUID, rows []checkpoint) {
	t := r.track(id)
	t.known, t.at, t.saved, t.parked, t.shared = true, nil, nil, nil, nil
	delete(r.skipped, t)
	if len(rows) == 0 {
		return // no such ledger: nothing to do
	}
	at, parked, common := make([]int64, len(r.names)), make([]bool, len(r.names)), make([]bool, len(r.names))
	for _, c := range rows {
		if c.covers == nil {
			i := slices.Index(r.names, c.projection)
			at[i], parked[i] = c.position, c.parked
			continue
		}
		for _, name := range c.covers {
			i := slices.Index(r.names, name)
			if i < 0 { // a newer version's: it projects this ledger
				r.Logger.Warn("projections: another version of the program projects this ledger", "ledger", id, "projection", name)
				return
			}
			at[i], common[i] = c.position, true
		}
	}
	t.at, t.saved, t.parked, t.shared, t.moved = at, slices.Clone(at), parked, common, time.Now()
	r.publish(t)
}

// merge takes checkpoints that stand at the furthest position of their ledger into the shared one.
func (r *Runner) merge(ctx context.Context, all map[uuid.UUID][]checkpoint) (bool, error) {
	if !r.together() {
		return false, nil
	}
	var ids []uuid.UUID
	var at []int64
	for id, rows := range all {
		furthest, n, own := int64(-1), 0, false
		for _, c := range rows {
			switch {
			case c.parked:
			case c.position > furthest:
				furthest, n, own = c.position, 1, c.covers == nil
			case c.position == furthest:
				n, own = n+1, own || c.covers == nil
			}
		}
		if n > 1 && own {
			ids, at = append(ids, id), append(at, furthest)
		}
	}
	if len(ids) == 0 {
		return false, nil
	}
	_, err := r.Pool.Exec(ctx, `with held as materialized (
			select c.ledger_id, c.projection, c.position, c.covers, w.position furthest, c.position = w.position and c.parked_at is null as fits
			from unnest($1::uuid[], $2::bigint[]) w(ledger_id, position) join checkpoints c using (ledger_id)
			where c.projection = any($3) or c.covers && $3::text[]
			order by c.ledger_id, c.projection for update of c),
		own as (select h.* from held h where h.covers is null and h.fits
			and not exists (select from held s where s.ledger_id = h.ledger_id and s.covers is not null and not s.fits)),
		gone as (delete from checkpoints c using own where c.ledger_id = own.ledger_id and c.projection = own.projection)
		insert into checkpoints (ledger_id, projection, position, covers)
		select ledger_id, '*', furthest, array_agg(projection order by projection) from own group by 1, 3
		on conflict (ledger_id, projection) do update set covers = checkpoints.covers || excluded.covers`, ids, at, r.names)
	return true, err
}

// unshare gives each read model of a ledger a checkpoint of its own again.
func (r *Runner) unshare(ctx context.Context, t *track) error {
	tag, err := r.Pool.Exec(ctx, `with s as (delete from checkpoints where ledger_id = $1 and projection = '*' returning position, covers)
		insert into checkpoints (ledger_id, projection, position) select $1, unnest(covers), position from s`, t.ledger)
	if err != nil {
		return fmt.Errorf("part the checkpoints of %s: %w", t.ledger, err)
	}
	if tag.RowsAffected() == 0 { // another runner did
		t.known = false
	}
	clear(t.shared)
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
		from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::int[]) w(id, p, o, n, covers)
		join checkpoints c on c.ledger_id = w.id and c.projection = w.p
		where c.position = w.o and c.parked_at is null and coalesce(cardinality(c.covers), 0) = w.covers
		order by c.ledger_id, c.projection for no key update of c)
	update checkpoints c set position = held.n, updated_at = now() from held
	where c.ledger_id = held.ledger_id and c.projection = held.projection
	returning c.ledger_id, c.projection`

// moves are the arguments of guard.
type moves struct {
	ids      []uuid.UUID
	names    []string
	from, to []int64
	covers   []int // how many models the row stands for, 0 for one of a projection's own
}

// rowOf names the checkpoint that stands for a projection.
func (r *Runner) rowOf(t *track, projection int) string {
	if t.shared[projection] {
		return shared
	}
	return r.names[projection]
}

// add moves the rows that stand for some projections, each once.
func (m *moves) add(r *Runner, t *track, projections []int, to int64) {
	together := 0
	for _, i := range projections {
		if t.shared[i] {
			if together++; together > 1 {
				m.covers[len(m.covers)-1]++
				continue
			}
		}
		m.ids, m.names = append(m.ids, t.ledger), append(m.names, r.rowOf(t, i))
		m.from, m.to, m.covers = append(m.from, t.saved[i]), append(m.to, to), append(m.covers, min(together, 1))
	}
}

// row is a checkpoint's key.
type row struct {
	ledger uuid.UUID
	name   string
}

func (m *moves) queue(q *pgx.Batch, won map[row]bool) {
	var k row
	sql := guard
	if mutant.Active == mutant.UnguardedCheckpoint {
		sql = strings.Replace(sql, "c.position = w.o and", "", 1)
	}
	q.Queue(sql, m.ids, m.names, m.from, m.to, m.covers).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&k.ledger, &k.name}, func() error {
			won[k] = true
			return nil
		})
		return err
	})
}

func (r *Runner) move(ctx context.Context, tx pgx.Tx, entries []entry) (won map[row]bool, err error) {
	var m moves
	for _, e := range entries {
		m.add(r, e.track, e.projections, e.to())
	}
	won = make(map[row]bool, len(m.ids))
	q := &pgx.Batch{}
	q.Queue(`set local synchronous_commit = off`)
	m.queue(q, won)
	var db interface {
		SendBatch(context.Context, *pgx.Batch) pgx.BatchResults
	} = tx
	if mutant.Active == mutant.CheckpointApart {
		db = r.Pool
	}
	if err := db.SendBatch(ctx, q).Close(); err != nil {
		return nil, fmt.Errorf("move checkpoints: %w", err)
	}
	return won, nil
}

// saveSkipped saves how far events were skipped. Another runner that was faster is right too: what is
// skipped means nothing to anyone.
func (r *Runner) saveSkipped(ctx context.Context) error {
	if len(r.skipped) == 0 {
		return nil
	}
	var m moves
	for t := range r.skipped {
		for i := range t.at {
			if t.at[i] > t.saved[i] && !t.parked[i] {
				m.add(r, t, []int{i}, t.at[i])
			}
		}
	}
	won := map[row]bool{}
	q := &pgx.Batch{}
	q.Queue(`set local synchronous_commit = off`)
	m.queue(q, won)
	if err := r.Pool.SendBatch(ctx, q).Close(); err != nil {
		return fmt.Errorf("save checkpoints: %w", err)
	}
	for t := range r.skipped {
		for i := range t.at {
			if won[row{t.ledger, r.rowOf(t, i)}] {
				t.saved[i], t.moved = t.at[i], time.Now()
			} else {
				t.known = false
			}
		}
	}
	clear(r.skipped)
	return nil
}

// saveAtEnd spares the next run the events that were skipped; without it they are skipped again.
func (r *Runner) saveAtEnd(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := r.saveSkipped(ctx); err != nil {
		r.Logger.WarnContext(ctx, "projections: checkpoints are behind what was skipped", "error", err)
	}
}

func queryRows(ctx context.Context, pool *pgxpool.Pool, sql string, args []any, scan []any, each func()) error {
	rows, err := pool.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, scan, func() error { each(); return nil })
	return err
}
