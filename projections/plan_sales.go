package projections

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
)

// planSaleKey is a plan in a currency.
type planSaleKey struct {
	LedgerID uuid.UUID `db:"ledger_id"`
	PlanID   uuid.UUID `db:"plan_id"`
	Currency string    `db:"currency"` // empty: the subscription has none
}

// Key implements Keyed.
func (k planSaleKey) Key() planSaleKey { return k }

// PlanSale says that a plan was bought in a currency. It is for ever.
type PlanSale struct {
	planSaleKey
	Position int64 `db:"position"` // of the event that was the first
}

// planSale notes what a subscription is on once it is accepted: an incomplete one waits for its payment.
func planSale(sales *Table[planSaleKey, PlanSale], p *Page, e *eventstore.Recorded, s *Subscription) {
	switch e.Event.(type) {
	case subscription.Started, subscription.PlanChanged, subscription.PaymentSettled:
	default:
		return
	}
	key := planSaleKey{e.Ledger, s.PlanID, s.Currency}
	if s.Status == subscription.Incomplete {
		return
	}
	if _, ok := sales.Get(p, key); !ok {
		sales.Put(p, PlanSale{key, e.Position})
	}
}

// PlanSales lists the sales of plans, at most one a plan and currency.
func (r *Reads) PlanSales(ctx context.Context, ledger uuid.UUID, plans []uuid.UUID) ([]PlanSale, error) {
	return query[PlanSale](ctx, r, ledger, `select s.* from plan_sales s where s.ledger_id = @ledger and s.plan_id = any(@plans)`,
		pgx.NamedArgs{"ledger": ledger, "plans": plans})
}

// SubscribedPlans are those of some plans that an owner has a subscription on, at an instant: one that has
// begun to be paid for, or needs no payment, and has not ended.
func (r *Reads) SubscribedPlans(ctx context.Context, ledger uuid.UUID, owner string, plans []uuid.UUID, at time.Time) ([]uuid.UUID, error) {
	type row struct {
		PlanID uuid.UUID `db:"plan_id"`
	}
	rows, err := query[row](ctx, r, ledger, `select distinct s.plan_id from subscriptions s
		where s.ledger_id = @ledger and s.owner = @owner and s.plan_id = any(@plans) and `+subscriptionStatus+` in ('ACTIVE', 'TRIALING', 'PAST_DUE', 'PAUSED')`,
		pgx.NamedArgs{"ledger": ledger, "owner": owner, "plans": plans, "at": at})
	all := make([]uuid.UUID, len(rows))
	for i, row := range rows {
		all[i] = row.PlanID
	}
	return all, err
}
