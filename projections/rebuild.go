package projections

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/subledger/subledger/eventstore"
)

// Sizes of a rebuild.
const (
	rebuildPage   = 5000     // events read at once
	rebuildFlush  = 16 << 20 // bytes of rows that a worker holds before it writes; a larger ledger is held whole
	rebuildEvents = 500_000  // or so many events
	smallRest     = 1000     // events that a swap applies while runners wait
	catchUpRounds = 20
)

// Facts is a Log that also gives events without what no fold needs: their ID, Meta and Hash.
type Facts interface {
	Log
	Facts(ctx context.Context, ledger uuid.UUID, after int64, limit int) ([]*eventstore.Recorded, error)
}

// RebuildConfig says what to rebuild.
type RebuildConfig struct {
	Log      Facts
	Owner    *pgxpool.Pool // of the tables' owner: makes tables and swaps them
	Models   []*Model
	Program  string                  // what makes the rows: only the same goes on with the shadow of a run that was killed
	Progress func(done, total int64) // events; called from several goroutines; nil: nobody looks
	Logger   *slog.Logger
}

// Rebuild makes read models anew beside the live ones, in a schema of its own, from position 1. It
// works ledger by ledger: a run that was killed goes on where it was when the same program runs it again.
//
//	Run     folds all ledgers in memory, COPYs the rows, makes the indexes and catches up
//	Check   compares the new tables with the live ones, row by row
//	Swap    puts the new tables in the place of the live ones, in one transaction
//	Drop    throws the new tables away
type Rebuild struct {
	RebuildConfig
	schema  string
	flushAt int
	done    atomic.Int64
	total   int64
}

// NewRebuild names the shadow schema after the models, so that the same rebuild finds its own again.
func NewRebuild(c RebuildConfig) *Rebuild {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Progress == nil {
		c.Progress = func(int64, int64) {}
	}
	h := fnv.New32a()
	for _, m := range c.Models {
		fmt.Fprintln(h, m.name)
	}
	return &Rebuild{RebuildConfig: c, flushAt: rebuildFlush, schema: fmt.Sprintf("rebuild_%08x", h.Sum32())}
}

func (r *Rebuild) tables() (all []string) {
	for _, m := range r.Models {
		for _, t := range m.tables {
			all = append(all, t.Name())
		}
	}
	return all
}

// Run makes the shadow tables current up to a few events.
func (r *Rebuild) Run(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return fmt.Errorf("rebuild: prepare the shadow: %w", err)
	}
	if err := r.foldAll(ctx); err != nil {
		return fmt.Errorf("rebuild: fold: %w", err)
	}
	if err := r.index(ctx); err != nil {
		return fmt.Errorf("rebuild: index: %w", err)
	}
	conn, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for range catchUpRounds {
		n, err := r.catchUp(ctx, conn, uuid.Nil)
		if err != nil || n < smallRest {
			return err
		}
	}
	return nil
}

// Unbuilt are the read models that no ledger has yet, of a database with more events than a runner applies at once:
// those of a new version of the program. Pool needs to see all ledgers.
func Unbuilt(ctx context.Context, pool *pgxpool.Pool) ([]*Model, error) {
	all, names := Models(), []string{}
	for _, m := range all {
		names = append(names, m.name)
	}
	err := pool.QueryRow(ctx, `select coalesce(array_agg(name), '{}') from unnest($1::text[]) name
		where (select sum(position) from ledgers) > $2
		and not exists (select from checkpoints where projection = name or covers @> array[name])`, names, pageEvents).Scan(&names)
	if err != nil {
		return nil, fmt.Errorf("look for read models that are new: %w", err)
	}
	return slices.DeleteFunc(all, func(m *Model) bool { return !slices.Contains(names, m.name) }), nil
}

// Drop removes the shadow and all in it.
func (r *Rebuild) Drop(ctx context.Context) error {
	_, err := r.Owner.Exec(ctx, "drop schema if exists "+r.schema+" cascade")
	return err
}

// foldAll folds every ledger that the shadow does not hold yet, several at once.
func (r *Rebuild) foldAll(ctx context.Context) error {
	todo, err := r.todo(ctx)
	if err != nil {
		return err
	}
	r.Progress(r.done.Load(), r.total)
	ledgers := make(chan end)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(ledgers)
		for _, l := range todo {
			select {
			case ledgers <- l:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range min(runtime.GOMAXPROCS(0), 4) {
		group.Go(func() error {
			w, err := r.newWorker(ctx)
			if err != nil {
				return err
			}
			for l := range ledgers {
				if err := w.fold(ctx, l); err != nil {
					return err
				}
			}
			return w.flush(ctx)
		})
	}
	return group.Wait()
}

// connect opens a connection on which unqualified names mean the shadow's tables.
func (r *Rebuild) connect(ctx context.Context) (*pgx.Conn, error) {
	config := r.Owner.Config().ConnConfig.Copy()
	config.RuntimeParams["search_path"] = r.schema + ", public"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("rebuild: connect: %w", err)
	}
	if after := r.Owner.Config().AfterConnect; after != nil {
		if err := after(ctx, conn); err != nil {
			return nil, fmt.Errorf("rebuild: connect: %w", err)
		}
	}
	return conn, nil
}

// catchUp applies, as a runner would, what was written since; to one ledger, or to all with the nil
// one. It tells how many events that were.
func (r *Rebuild) catchUp(ctx context.Context, db beginner, ledger uuid.UUID) (int64, error) {
	var behind []end
	rows, err := db.Query(ctx, `select l.ledger_id, coalesce(c.position, 0) as position, false as done
		from public.ledgers l left join `+r.schema+`.checkpoints c using (ledger_id)
		where l.position > coalesce(c.position, 0) and ($1::uuid is null or l.ledger_id = $1::uuid) order by 1`, nilUUID(ledger))
	if err != nil {
		return 0, fmt.Errorf("rebuild: what is new: %w", err)
	}
	if behind, err = collect[end](rows); err != nil {
		return 0, fmt.Errorf("rebuild: what is new: %w", err)
	}
	var n int64
	for _, l := range behind {
		for {
			events, err := r.Log.Page(ctx, l.Ledger, l.Position, pageEvents)
			if err != nil {
				return n, err
			}
			if len(events) == 0 {
				break
			}
			if err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error { return r.applyTo(ctx, tx, l.Ledger, events) }); err != nil {
				return n, fmt.Errorf("rebuild: catch up with %s: %w", l.Ledger, err)
			}
			l.Position = events[len(events)-1].Position
			n += int64(len(events))
			if len(events) < pageEvents {
				break
			}
		}
	}
	return n, nil
}

// beginner is a connection or a transaction on one.
type beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func nilUUID(id uuid.UUID) *string {
	if id == uuid.Nil {
		return nil
	}
	s := id.String()
	return &s
}

func (r *Rebuild) applyTo(ctx context.Context, tx pgx.Tx, ledger uuid.UUID, events []*eventstore.Recorded) error {
	for _, m := range r.Models {
		if err := m.Apply(ctx, tx, events); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, "insert into "+r.schema+`.checkpoints (ledger_id, position) values ($1, $2)
		on conflict (ledger_id) do update set position = excluded.position`, ledger, events[len(events)-1].Position)
	return err
}

// errOutdated asks for another run, which begins anew.
var errOutdated = errors.New("somebody was erased, or history was lost, since it began: run it again")

// Swap puts the shadow in the place of the live tables. Runners wait for it at their next page, and
// find their checkpoints where the shadow is; what was parked is parked no more.
func (r *Rebuild) Swap(ctx context.Context) error {
	conn, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var names []string
	for _, m := range r.Models {
		names = append(names, m.name)
	}
	old := r.schema + "_old"
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		// The same order as a runner's: checkpoints first, then the tables.
		if _, err := tx.Exec(ctx, "set local lock_timeout = '3s'; lock table public.checkpoints in share row exclusive mode"); err != nil {
			return fmt.Errorf("wait for the runners: %w", err)
		}
		if usable, err := r.usable(ctx, tx); err != nil || !usable {
			return cmp.Or(err, errOutdated)
		}
		if _, err := r.catchUp(ctx, tx, uuid.Nil); err != nil {
			return err
		}
		var do strings.Builder
		fmt.Fprintf(&do, "create schema %s;", old)
		for _, t := range r.tables() {
			fmt.Fprintf(&do, "alter table public.%[2]s set schema %[1]s; alter table %[3]s.%[2]s set schema public;", old, t, r.schema)
		}
		if _, err := tx.Exec(ctx, do.String()); err != nil {
			return fmt.Errorf("swap tables: %w", err)
		}
		if err := r.moveCheckpoints(ctx, tx, names); err != nil {
			return fmt.Errorf("move checkpoints: %w", err)
		}
		_, err := tx.Exec(ctx, "drop schema "+r.schema+" cascade; drop schema "+old+" cascade")
		return err
	})
	if err != nil {
		return fmt.Errorf("rebuild: swap: %w", err)
	}
	return nil
}

// moveCheckpoints takes the rebuilt models out of the checkpoints that stood for them and gives them one
// where the shadow is: the shared one, unless models that were not rebuilt have it.
func (r *Rebuild) moveCheckpoints(ctx context.Context, tx pgx.Tx, names []string) error {
	q := &pgx.Batch{}
	q.Queue("delete from public.checkpoints where projection = any($1) or covers <@ $1::text[]", names)
	q.Queue(`update public.checkpoints set covers = array(select c from unnest(covers) c where c <> all($1::text[]) order by 1)
		where covers && $1::text[]`, names)
	q.Queue(`insert into public.checkpoints (ledger_id, projection, position, covers)
		select s.ledger_id, '*', s.position, $1::text[] from `+r.schema+`.checkpoints s
		where not exists (select from public.checkpoints c where c.ledger_id = s.ledger_id and c.projection = '*')`, names)
	q.Queue(`insert into public.checkpoints (ledger_id, projection, position)
		select s.ledger_id, p, s.position from `+r.schema+`.checkpoints s cross join unnest($1::text[]) p
		where not exists (select from public.checkpoints c where c.ledger_id = s.ledger_id and c.projection = '*' and p = any(c.covers))`, names)
	return tx.SendBatch(ctx, q).Close()
}
