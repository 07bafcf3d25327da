package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"golang.org/x/sync/errgroup"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
)

// billing is an invoice run: in each round as many monthly subscriptions of a seat price, in a live ledger of their own, as
// Events says, each with one period that is due. A run renews them, and drafts and issues their invoices, 2 commits each.
// The baseline is single-row inserts. Making the subscriptions is not counted.
func billing(ctx context.Context, r *run) error {
	product := func(ctx context.Context, d time.Duration) (sample, error) {
		n := r.Events
		if d == r.WarmUp {
			n = min(n, 1000)
		}
		ledger, err := r.dueSubscriptions(ctx, n)
		if err != nil {
			return sample{}, err
		}
		if _, err := r.settle(ctx); err != nil {
			return sample{}, err
		}
		start := time.Now()
		peak, err := r.target.Bill(ctx, ledger)
		if err != nil {
			return sample{}, fmt.Errorf("billing run: %w", err)
		}
		took := time.Since(start)
		if err := r.billed(ctx, ledger, 2*n); err != nil {
			return sample{}, err
		}
		r.say("%d subscriptions billed in %s, peak memory %d MB", n, took.Round(time.Millisecond), peak>>20)
		return sample{rate: float64(n) / took.Seconds(), units: n, latencies: []time.Duration{took}}, nil
	}
	r.contests = append(r.contests, contest{clients: 1, unit: "invoices/s", product: product,
		note: fmt.Sprintf("%d due subscriptions a round; latencies are of whole runs", r.Events)})
	return r.insertBaselines(ctx)
}

// dueSubscriptions makes subscriptions that began so long ago that one period of each is over.
func (r *run) dueSubscriptions(ctx context.Context, n int) (uuid.UUID, error) {
	ledgers, err := newAPI(r.target).ledgers(ctx, r.target, 1)
	if err != nil {
		return uuid.Nil, err
	}
	ledger, price := ledgers[0].id, decimal.NewFromInt(1000)
	do := func(ctx context.Context, c domain.Command, to any) error {
		res, err := r.target.Store.Execute(ctx, eventstore.Request{Ledger: ledger, Command: c})
		if err != nil || to == nil {
			return err
		}
		return json.Unmarshal(res.Answer, to)
	}
	var made answered
	f := catalog.ProductFields{Name: "bench", DisplayName: "Bench", Currencies: []catalog.ProductCurrency{{Currency: "USD", Default: true}}}
	if err := do(ctx, catalog.CreateProduct{Fields: f}, &made); err != nil {
		return ledger, err
	}
	plan := catalog.DefaultPlan()
	plan.ProductID, plan.Name, plan.DisplayName, plan.LicenseType, plan.PricingType = made.ID, "seats", "Seats", catalog.PerSeat, "paid"
	plan.Interval, plan.Length, plan.Prices = "month", 1, []catalog.Price{{Key: "seat", Kind: catalog.SeatPrice, Currency: "USD", UnitAmount: &price}}
	if err := do(ctx, catalog.CreatePlan{Fields: plan}, &made); err != nil {
		return ledger, err
	}
	from := time.Now().UTC().AddDate(0, -1, -1)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(makers)
	var started atomic.Int64
	for range n {
		g.Go(func() error {
			seats, at := 1, from.Add(time.Duration(started.Add(1))*time.Millisecond)
			return do(ctx, subscription.Start{PlanID: made.ID, Quantity: &seats, StartAt: &at}, nil)
		})
	}
	return ledger, g.Wait()
}

// billed fails unless a ledger has so many invoices, each with a number of its own.
func (r *run) billed(ctx context.Context, ledger uuid.UUID, want int) error {
	if _, err := r.settle(ctx); err != nil {
		return err
	}
	conn, err := r.product(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var all, numbers int
	err = conn.QueryRow(ctx, `select count(*), count(distinct number) from invoices where ledger_id = $1 and status <> 'draft'`, ledger).Scan(&all, &numbers)
	if err == nil && (all != want || numbers != want) {
		err = fmt.Errorf("%d invoices with %d numbers, not %d", all, numbers, want)
	}
	return err
}
