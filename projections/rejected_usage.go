package projections

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/eventstore"
)

type rejectedKey struct {
	LedgerID uuid.UUID `db:"ledger_id"`
	Position int64     `db:"position"`
}

// Key implements Keyed.
func (k rejectedKey) Key() rejectedKey { return k }

// RejectedUsage is a usage record that was refused though its licence is there.
type RejectedUsage struct {
	rejectedKey
	RecordKey      string          `db:"key"`
	LicenseID      uuid.UUID       `db:"license_id"`
	SubscriptionID *uuid.UUID      `db:"subscription_id"`
	Meter          string          `db:"meter"`
	Quantity       decimal.Decimal `db:"quantity"`
	At             time.Time       `db:"at"`
	Reason         string          `db:"reason"`
	RejectedAt     time.Time       `db:"rejected_at"`
}

// RejectedUsages is the read model of usage that was refused.
func RejectedUsages() *Model {
	rows := NewTable[rejectedKey, RejectedUsage]("rejected_usage")
	return newModel("rejected_usage", func(p *Page, e *eventstore.Recorded) {
		if d, ok := e.Event.(usage.Rejected); ok {
			rows.Put(p, RejectedUsage{rejectedKey{e.Ledger, e.Position}, d.Key, d.LicenseID, d.SubscriptionID, d.Meter, d.Quantity, d.At, d.Reason, e.RecordedAt})
		}
	}, rows)
}

// RejectedUsage lists rejected records, of one subscription if it is given, the newest first, below a position (0: from
// the end).
func (r *Reads) RejectedUsage(ctx context.Context, ledger uuid.UUID, subscription *uuid.UUID, below int64, limit int) ([]RejectedUsage, error) {
	w := within(ledger).and("u.ledger_id = @ledger")
	if subscription != nil {
		w.with("subscription", *subscription, "u.subscription_id = @subscription")
	}
	if below > 0 {
		w.with("below", below, "u.position < @below")
	}
	w.args["limit"] = Keyset{Limit: limit}.limit()
	return query[RejectedUsage](ctx, r, ledger, "select u.* from rejected_usage u where "+w.String()+" order by u.position desc limit @limit", w.args)
}
