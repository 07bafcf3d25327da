package projections

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// settle applies a page, and finds out which ledger, projection and event are to blame when it fails:
// that projection is parked in that ledger (rule P3), the rest of the page is applied.
func (r *Runner) settle(ctx context.Context, entries []entry) error {
	err := r.apply(ctx, entries)
	if err == nil || !blames(err) {
		return err
	}
	first := entries[0]
	switch {
	case len(entries) > 1:
		half := len(entries) / 2
		return errors.Join(r.settle(ctx, entries[:half]), r.settle(ctx, entries[half:]))
	case len(first.projections) > 1:
		if err := r.unshare(ctx, first.track); err != nil || !first.track.known {
			return err
		}
		var errs []error
		for _, i := range first.projections {
			one := first
			one.projections = []int{i}
			errs = append(errs, r.settle(ctx, []entry{one}))
		}
		return errors.Join(errs...)
	case len(first.events) > 1:
		before, after := first, first
		half := len(first.events) / 2
		before.events, after.events = first.events[:half], first.events[half:]
		after.from = before.to()
		if err := r.settle(ctx, []entry{before}); err != nil || first.track.at[first.projections[0]] != after.from {
			return err
		}
		return r.settle(ctx, []entry{after})
	}
	return r.park(ctx, first, err)
}

// blames tells a failure of what is applied from one of the database, which is retried: an event is
// to blame for what its fold said, for bad data and for violated constraints.
func blames(err error) bool {
	if errors.As(err, new(*EventError)) {
		return !transient(err)
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code[:2] {
	case "22", "23", "54", "P0":
		return true
	}
	return false
}

// transient errors say nothing about the event: the connection, a conflict, a shortage, a shutdown.
func transient(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || isCrash(err) {
		return true
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return errors.As(err, new(*pgconn.ConnectError)) || pgconn.SafeToRetry(err)
	}
	switch pg.Code[:2] {
	case "08", "40", "53", "55", "57", "58", "XX":
		return true
	}
	return false
}

// maxReason keeps a reason readable in a column.
const maxReason = 2000

func (r *Runner) park(ctx context.Context, e entry, cause error) error {
	i := e.projections[0]
	reason := strings.ReplaceAll(strings.ToValidUTF8(cause.Error(), "?"), "\x00", "?")
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "")
	}
	tag, err := r.Pool.Exec(ctx, `update checkpoints set parked_at = now(), parked_position = $4, parked_reason = $5
		where ledger_id = $1 and projection = $2 and position = $3 and parked_at is null`,
		e.track.ledger, r.names[i], e.from, e.to(), reason)
	if err != nil {
		return fmt.Errorf("park %s: %w", r.names[i], err)
	}
	if tag.RowsAffected() == 0 { // another runner got further with it
		e.track.known = false
		return nil
	}
	r.Logger.ErrorContext(ctx, "projections: parked: its rows stand still until it is repaired and unparked",
		"projection", r.names[i], "ledger", e.track.ledger, "position", e.to(), "type", e.events[0].Type, "error", cause)
	r.metrics.parkings.WithLabelValues(r.names[i]).Inc()
	e.track.parked[i] = true
	r.publish(e.track)
	return nil
}

// Unpark lets a projection go on in a ledger where it was parked, from the event at which it stopped;
// with the nil ledger, in all. It tells how many there were. Runners notice at their next scan, at once after Rescan.
func Unpark(ctx context.Context, pool *pgxpool.Pool, ledger uuid.UUID, projection string) (int64, error) {
	tag, err := pool.Exec(ctx, `update checkpoints set parked_at = null, parked_position = null, parked_reason = null
		where projection = $2 and parked_at is not null and ($1::uuid = '00000000-0000-0000-0000-000000000000' or ledger_id = $1::uuid)`, ledger, projection)
	if err != nil {
		return 0, fmt.Errorf("unpark %s: %w", projection, err)
	}
	return tag.RowsAffected(), nil
}
