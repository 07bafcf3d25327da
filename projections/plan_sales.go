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

// planBuyer is a subscription as the fold of plan sales has to know it.
type planBuyer struct {
	scheduleKey
	PlanID   uuid.UUID `db:"plan_id"`
	Currency string    `db:"currency"`
	Waits    bool      `db:"waits"` // for its first payment: nothing is sold before
}

// PlanSales is the read model of which plans were sold.
func PlanSales() *Model {
	sales := NewTable[planSaleKey, PlanSale]("plan_sales")
	buyers := NewTable[scheduleKey, planBuyer]("plan_buyers")
	return newModel("plan_sales", func(p *Page, e *eventstore.Recorded) {
		var buyer planBuyer
		key := scheduleKey{e.Ledger, e.Stream}
		switch d := e.Event.(type) {
		case subscription.Started:
			buyer = planBuyer{key, d.Terms.PlanID, d.Currency, d.Status == subscription.Incomplete}
		case subscription.PlanChanged:
			buyer = buyers.Must(p, key)
			buyer.PlanID = d.Terms.PlanID
			if d.Currency != "" {
				buyer.Currency = d.Currency
			}
		case subscription.PaymentSettled:
			if buyer = buyers.Must(p, key); !buyer.Waits {
				return
			}
			buyer.Waits = false
		default:
			return
		}
		buyers.Put(p, buyer)
		sale := planSaleKey{e.Ledger, buyer.PlanID, buyer.Currency}
		if _, ok := sales.Get(p, sale); !ok && !buyer.Waits {
			sales.Put(p, PlanSale{sale, e.Position})
		}
	}, sales, buyers)
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
