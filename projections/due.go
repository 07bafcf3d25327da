package projections

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
)

// Kinds of due rows, by what a scheduler has to make of them.
const (
	DueTrialEnd   = "trial_end"   // of a TRIALING subscription
	DuePeriodEnd  = "period_end"  // the next period of a subscription that renews
	DueExpiry     = "expiry"      // the scheduled end of a subscription
	DueLicenseEnd = "license_end" // the end of an ad hoc licence
	DueStart      = "start"       // of a subscription that was to begin later
	DueInvoice    = "invoice"     // the issue of a draft that waits
	DueZone       = "zone"        // a customer's subscriptions follow it into another time zone
	DueClosing    = "closing"     // usage from before the end of a subscription is taken no more
)

// DueRow is something that happens by time.
type DueRow struct {
	dueKey
	DueAt    time.Time `db:"due_at"`
	Asleep   *string   `db:"asleep"`   // incomplete, paused: it does not happen; nil: it does
	Position int64     `db:"position"` // of the event that set it
}

type dueKey struct {
	LedgerID uuid.UUID `db:"ledger_id"`
	StreamID uuid.UUID `db:"stream_id"`
	Kind     string    `db:"kind"`
}

// Key implements Keyed.
func (k dueKey) Key() dueKey { return k }

// Due is the read model of what happens by time. At one instant an expiry comes before a period's end,
// which it makes void.
func Due() *Model {
	rows := NewTable[dueKey, DueRow]("due")
	set := func(p *Page, e *eventstore.Recorded, kind string, at time.Time, asleep *string) {
		rows.Put(p, DueRow{dueKey{e.Ledger, e.Stream, kind}, at, asleep, e.Position})
	}
	drop := func(p *Page, e *eventstore.Recorded, kinds ...string) {
		for _, kind := range kinds {
			rows.Delete(p, dueKey{e.Ledger, e.Stream, kind})
		}
	}
	incomplete, paused := "incomplete", "paused"
	return newModel("due", func(p *Page, e *eventstore.Recorded) {
		switch d := e.Event.(type) {
		case subscription.Started:
			var asleep *string
			if d.Status == subscription.Incomplete {
				asleep = &incomplete
			}
			if d.TrialEnd != nil && d.Status != subscription.Active {
				set(p, e, DueTrialEnd, *d.TrialEnd, asleep)
			}
			set(p, e, DuePeriodEnd, d.Period.End, asleep)
			if d.Later {
				set(p, e, DueStart, d.StartAt, nil)
			}
		case subscription.Begun:
			drop(p, e, DueStart)
		case subscription.PaymentSettled:
			for _, kind := range []string{DueTrialEnd, DuePeriodEnd} {
				row, ok := rows.Get(p, dueKey{e.Ledger, e.Stream, kind})
				if ok && row.Asleep != nil && *row.Asleep == incomplete {
					set(p, e, kind, row.DueAt, nil)
				}
			}
		case subscription.TrialEnded:
			drop(p, e, DueTrialEnd)
		case subscription.Renewed:
			set(p, e, DuePeriodEnd, d.Period.End, nil)
		case subscription.PlanChanged:
			set(p, e, DuePeriodEnd, d.Period.End, nil)
		case subscription.CancellationScheduled:
			set(p, e, DueExpiry, d.EndsAt, nil)
		case subscription.Reactivated:
			drop(p, e, DueExpiry)
		case subscription.PauseBegan: // trial and expiry go on
			set(p, e, DuePeriodEnd, rows.Must(p, dueKey{e.Ledger, e.Stream, DuePeriodEnd}).DueAt, &paused)
			if d.TrialEnded {
				drop(p, e, DueTrialEnd)
			}
			if start, ok := rows.Get(p, dueKey{e.Ledger, e.Stream, DueStart}); ok {
				set(p, e, DueStart, start.DueAt, &paused)
			}
		case subscription.Resumed:
			set(p, e, DuePeriodEnd, d.Period.End, nil)
			if start, ok := rows.Get(p, dueKey{e.Ledger, e.Stream, DueStart}); ok {
				set(p, e, DueStart, start.DueAt, nil)
			}
		case subscription.Ended:
			drop(p, e, DueTrialEnd, DuePeriodEnd, DueExpiry, DueStart)
		case subscription.Rezoned:
			if period, ok := rows.Get(p, dueKey{e.Ledger, e.Stream, DuePeriodEnd}); ok {
				set(p, e, DuePeriodEnd, d.Period.End, period.Asleep)
			}
			if d.CancelAt != nil {
				set(p, e, DueExpiry, *d.CancelAt, nil)
			}
		case customer.Changed:
			if d.LeftZone != "" {
				set(p, e, DueZone, e.EffectiveAt, nil)
			}
		case customer.Moved:
			drop(p, e, DueZone)
		case invoice.Drafted:
			if d.FinalizeAt != nil {
				set(p, e, DueInvoice, *d.FinalizeAt, nil)
			}
		case invoice.Finalized, invoice.Discarded:
			drop(p, e, DueInvoice)
		case account.Closing: // it is taken at that instant too
			rows.Put(p, DueRow{dueKey{e.Ledger, d.SubscriptionID, DueClosing}, d.Until.Add(time.Microsecond), nil, e.Position})
		case account.Closed:
			rows.Delete(p, dueKey{e.Ledger, d.SubscriptionID, DueClosing})
		case license.Granted:
			set(p, e, DueLicenseEnd, d.EndTime, nil)
		case license.Ended:
			drop(p, e, DueLicenseEnd)
		}
	}, rows)
}

// DueOf lists a ledger's rows due up to and including an instant, earliest first, after a row of the
// last answer (zero: from the beginning).
func DueOf(ctx context.Context, pool *pgxpool.Pool, ledger uuid.UUID, until time.Time, after DueRow, limit int) ([]DueRow, error) {
	rows, err := pool.Query(ctx, `select ledger_id, stream_id, kind, due_at, asleep, position from due
		where ledger_id = $1 and asleep is null and due_at <= $2 and (due_at, stream_id, kind) > ($3, $4, $5)
		order by due_at, stream_id, kind limit $6`, ledger, until, after.DueAt, after.StreamID, after.Kind, limit)
	if err != nil {
		return nil, fmt.Errorf("due of %s: %w", ledger, err)
	}
	return collect[DueRow](rows)
}
