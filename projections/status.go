package projections

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

// States of a projection.
const (
	StateLive     = "live" // nothing is missing
	StateCatching = "catching_up"
	StateParked   = "parked" // stands still at an event that it cannot apply, in this or any ledger
)

// Status is how far a projection is, in one ledger or overall.
type Status struct {
	Name       string  `db:"name"`
	Position   int64   `db:"position"`    // the ledger's; 0 overall
	LagEvents  int64   `db:"lag_events"`  // not applied yet; parked ledgers count in a ledger's status only
	LagSeconds float64 `db:"lag_seconds"` // since the first of them was recorded
	Parked     int64   `db:"parked"`      // ledgers
	State      string  `db:"state"`
	Reason     *string `db:"reason"` // why it is parked; overall: one of them
}

// LedgerStatus tells of projections in one ledger, in the order of names.
func LedgerStatus(ctx context.Context, pool *pgxpool.Pool, ledger uuid.UUID, names []string) ([]Status, error) {
	return status(ctx, pool, "l.ledger_id = $2 and", `s.position`, "true", names, ledger)
}

// OverallStatus tells of projections over all ledgers, in the order of names. It reads all checkpoints, and
// looks closer at ledgers that are behind.
func OverallStatus(ctx context.Context, pool *pgxpool.Pool, names []string) ([]Status, error) {
	return status(ctx, pool, behind+" and", "0", "s.parked_at is null", names)
}

// A ledger with a test clock records at its own time: there the last move of the checkpoint bounds the lag.
func status(ctx context.Context, pool *pgxpool.Pool, which, position, counts string, names []string, args ...any) ([]Status, error) {
	rows, err := pool.Query(ctx, `with s as (
			select p.name, p.n, l.ledger_id, coalesce(c.position, 0) as position, l.position as head, l.clock, c.updated_at, c.parked_at, c.parked_reason
			from unnest($1::text[]) with ordinality p(name, n)
			join ledgers l on `+which+` true
			left join projection_positions c on c.ledger_id = l.ledger_id and c.projection = p.name),
		late as (
			select s.*, case when s.clock is null then e.recorded_at else s.updated_at end as since
			from s left join lateral (select recorded_at from events
				where ledger_id = s.ledger_id and position = s.position + 1 and s.position < s.head) e on true)
		select p.name, coalesce(max(`+position+`), 0)::bigint as position,
			coalesce(sum(s.head - s.position) filter (where `+counts+`), 0)::bigint as lag_events,
			greatest(0, coalesce(extract(epoch from now() - min(s.since) filter (where s.position < s.head and `+counts+`)), 0))::float8 as lag_seconds,
			count(s.parked_at) as parked,
			case when count(s.parked_at) > 0 then 'parked' when coalesce(sum(s.head - s.position), 0) > 0 then 'catching_up' else 'live' end as state,
			min(s.parked_reason) as reason
		from unnest($1::text[]) with ordinality p(name, n) left join late s on s.n = p.n
		group by p.name, p.n order by p.n`, append([]any{names}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("status of the projections: %w", err)
	}
	return collect[Status](rows)
}
