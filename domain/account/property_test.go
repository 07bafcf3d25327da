package account_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

// An upgrade and at once the way back come to nothing, with taxes too. With a coupon, or at a price of fractions of a minor
// unit, it is within one: what is given back is a share of what was really asked for, and what is asked for anew is one of
// the price.
func TestUpAndDownAgainIsNothing(t *testing.T) {
	within(t, time.Second, 100, func(t *rapid.T) {
		l := ledgertest.New(t, time.Date(2025, 4, 1, 0, 0, 0, 0, time.UTC))
		currency := pick(t, "currency", "JPY", "USD", "KWD")
		product := l.Product(func(f *catalog.ProductFields) {
			f.Currencies = []catalog.ProductCurrency{{Currency: currency, Default: true}}
		})
		kind := pick(t, "kind", catalog.Flat, catalog.SeatPrice)
		slack := int64(0)
		plan := func(name string) uuid.UUID {
			unit := dec(pick(t, name, "999", "1000", "7", "33.333", "250000"))
			if !unit.IsInteger() {
				slack = 1
			}
			return l.Plan(product, func(f *catalog.PlanFields) {
				f.Prices, f.Currencies = []catalog.Price{{Key: "base", Kind: kind, Currency: currency, UnitAmount: unit}}, nil
			})
		}
		low, high := plan("low"), plan("high")
		var rates []uuid.UUID
		for range upTo(t, "rates", 2) {
			f := catalog.TaxRateFields{Name: "rate", Percentage: *dec(pick(t, "percentage", "19", "8.875", "33.3333")), Inclusive: rapid.Bool().Draw(t, "inclusive")}
			rates = append(rates, ledgertest.Must[catalog.TaxRateView](l, catalog.CreateTaxRate{Fields: f}).ID)
		}
		payer := ledgertest.Must[customer.View](l, customer.Create{Patch: customer.Patch{Currency: &currency, TaxRates: &rates}}).ID
		start := subscription.Start{PlanID: low, CustomerID: &payer, Quantity: ptr(rapid.IntRange(1, 9).Draw(t, "quantity")), ProrationMode: pick(t, "mode", "second", "day", "fixed30")}
		fractions := slack
		if rapid.Bool().Draw(t, "with a coupon") {
			f := catalog.CouponFields{Code: "OFF", Duration: catalog.Forever, PercentOff: dec(pick(t, "off", "10", "33.3333", "50", "100"))}
			start.CouponID, slack = ptr(ledgertest.Must[catalog.CouponView](l, catalog.CreateCoupon{Fields: f}).ID), 1
		}
		id := ledgertest.Must[subscription.View](l, start).ID
		l.Pass(time.Duration(upTo(t, "hours", 30*24-1)) * time.Hour)
		before := len(l.Log())
		proration := pick(t, "proration", "create_prorations", "always_invoice")
		for _, to := range []uuid.UUID{high, low} {
			ledgertest.Must[subscription.TaskAnswer](l, subscription.ChangePlan{ID: id, PlanID: to, Proration: proration})
		}
		if proration == "create_prorations" { // one invoice of all
			ledgertest.Must[subscription.TaskAnswer](l, subscription.Cancel{ID: id, Now: true})
		}
		amounts, off, net := int64(0), int64(0), int64(0)
		for _, e := range l.Log()[before:] {
			if d, ok := e.Event.(invoice.Drafted); ok {
				amounts, off, net = amounts+d.Subtotal, off+d.DiscountTotal, net+d.Total
			}
		}
		require.LessOrEqual(t, max(amounts, -amounts), fractions)
		require.LessOrEqual(t, max(off, -off), slack)
		require.LessOrEqual(t, max(net, -net), 3*slack, "with its tax")
		l.CheckFolds()
	})
}
