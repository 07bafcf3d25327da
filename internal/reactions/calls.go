package reactions

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// openCall is a taken row of provider_calls.
type openCall struct {
	Ledger      uuid.UUID `db:"ledger_id"`
	Task        uuid.UUID `db:"task_id"`
	Event       uuid.UUID `db:"event_id"`
	Provider    string    `db:"provider"`
	Correlation string    `db:"correlation"`
	Attempt     int       `db:"attempt"`
	Answered    int       `db:"answered"`
	AskedAt     time.Time `db:"asked_at"`
	Position    int64     `db:"asked_position"`
	Lease       uuid.UUID `db:"lease"`
	Poisoned    bool      `db:"poisoned"`
}

func (c *openCall) question() Call {
	n := c.Answered + 1
	return Call{Key: fmt.Sprintf("%s/%d", c.Event, n), Ledger: c.Ledger, Task: c.Task, Event: c.Event,
		Answer: n, AskedAt: c.AskedAt.UTC(), Position: c.Position}
}

// take leases due calls: the ledgers in turn, the earliest of each first, at most share of a ledger with
// those it has in flight here. Two processes never take the same one.
//
// The first part jumps along the index from ledger to ledger, so a long queue of one ledger costs the
// others nothing; candidates are then locked, and looked at again, since others take calls too.
func take(ctx context.Context, pool *pgxpool.Pool, now, until time.Time, limit, share int, busy map[uuid.UUID]int) ([]openCall, error) {
	ids, counts := make([]uuid.UUID, 0, len(busy)), make([]int32, 0, len(busy))
	for id, n := range busy {
		ids, counts = append(ids, id), append(counts, int32(n))
	}
	rows, err := pool.Query(ctx, `with recursive ledger (id) as (
			(select ledger_id from provider_calls order by ledger_id limit 1)
			union all
			select (select ledger_id from provider_calls where ledger_id > l.id order by ledger_id limit 1) from ledger l where l.id is not null),
		busy as (select * from unnest(@ids::uuid[], @counts::integer[]) b(id, n)),
		candidate as materialized (
			select l.id, d.task_id
			from ledger l left join busy b on b.id = l.id
			cross join lateral (
				select f.task_id, f.due_at, row_number() over (order by f.due_at, f.task_id) as turn
				from (select task_id, due_at from provider_calls where ledger_id = l.id and due_at <= @now
					order by due_at, task_id limit greatest(@share - coalesce(b.n, 0), 0)) f) d
			order by coalesce(b.n, 0) + d.turn, d.due_at limit @limit),
		free as (
			select p.ledger_id, p.task_id from candidate c join provider_calls p on p.ledger_id = c.id and p.task_id = c.task_id
			where p.due_at <= @now for no key update of p skip locked)
		update provider_calls p set due_at = @until, lease = gen_random_uuid(), asked_at = coalesce(p.asked_at, @now),
			asked_position = coalesce(p.asked_position, (select position from ledgers l where l.ledger_id = p.ledger_id))
		from free where p.ledger_id = free.ledger_id and p.task_id = free.task_id
		returning p.ledger_id, p.task_id, p.event_id, p.provider, p.correlation, p.attempt, p.answered, p.asked_at, p.asked_position, p.lease, p.poisoned`,
		pgx.NamedArgs{"now": now, "until": until, "limit": limit, "share": share, "ids": ids, "counts": counts})
	if err != nil {
		return nil, fmt.Errorf("take due calls: %w", err)
	}
	calls, err := pgx.CollectRows(rows, pgx.RowToStructByName[openCall])
	if err != nil {
		return nil, fmt.Errorf("take due calls: %w", err)
	}
	return calls, nil
}

// close removes a call whose task is done, unless it was taken over.
func (c *openCall) close(ctx context.Context, pool *pgxpool.Pool) error {
	_, err := pool.Exec(ctx, `delete from provider_calls where ledger_id = $1 and task_id = $2 and lease = $3`, c.Ledger, c.Task, c.Lease)
	if err != nil {
		return fmt.Errorf("close the call for task %s: %w", c.Task, err)
	}
	return nil
}

// next asks for another answer at an instant, unless the call was taken over. Answered tells that the
// provider gave one; else the same one is asked for again.
func (c *openCall) next(ctx context.Context, pool *pgxpool.Pool, at time.Time, answered bool) error {
	n := c.Answered
	if answered {
		n++
	}
	_, err := pool.Exec(ctx, `update provider_calls set attempt = $4, answered = $5, due_at = $6, lease = null,
			asked_at = case when $7 then null else asked_at end, asked_position = case when $7 then null else asked_position end
		where ledger_id = $1 and task_id = $2 and lease = $3`, c.Ledger, c.Task, c.Lease, c.Attempt+1, n, at, answered)
	if err != nil {
		return fmt.Errorf("put off the call for task %s: %w", c.Task, err)
	}
	return nil
}

// release gives a call back as it was taken, for an instant.
func (c *openCall) release(ctx context.Context, pool *pgxpool.Pool, at time.Time) error {
	_, err := pool.Exec(ctx, `update provider_calls set due_at = $4, lease = null where ledger_id = $1 and task_id = $2 and lease = $3`,
		c.Ledger, c.Task, c.Lease, at)
	if err != nil {
		return fmt.Errorf("release the call for task %s: %w", c.Task, err)
	}
	return nil
}
