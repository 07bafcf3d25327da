package subscription_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

// byUse is a plan of a price by usage.
func (l *till) byUse(amount string) uuid.UUID {
	return l.priced([]catalog.Price{{Key: "calls", Kind: catalog.PerUnit, Currency: "USD", UnitAmount: dec(amount), Meter: "calls"}})
}

// counted are the parts that the newest draft of a subscription waits for, and all that were billed, with what was used in each.
func (l *till) counted(id uuid.UUID, draft uuid.UUID, quantities ...string) (counts []account.Count) {
	l.t.Helper()
	books := l.State(account.ID(id)).(*account.State)
	parts := books.Waiting(draft)
	for _, m := range books.Billed {
		parts = append(parts, m.Usage)
	}
	require.Len(l.t, quantities, len(parts))
	for i, u := range parts {
		counts = append(counts, account.Count{Usage: u, Quantity: quantities[i]})
	}
	return counts
}

// finalize issues the newest draft with what was used: in the parts that it waits for and in all that were billed.
func (l *till) finalize(id uuid.UUID, quantities ...string) {
	l.t.Helper()
	c := subscription.FinalizeInvoice{ID: l.newest(), Position: int64(len(l.Log()))}
	c.Counts = l.counted(id, c.ID, quantities...)
	ledgertest.Must[invoice.View](l.Ledger, c)
}

func TestLessUsagePaysADebt(t *testing.T) {
	l := openTill(t, april(1))
	id := l.start(subscription.Start{PlanID: l.byUse("100"), CustomerID: l.payer("fails")})
	l.at(on(5, 1), id)
	l.finalize(id, "10")
	require.Equal(t, "PAST_DUE", l.status(id))
	l.at(on(6, 1), id)
	l.finalize(id, "0", "0")
	require.Equal(t, "ACTIVE", l.status(id), "a credit note took all of it off")
	l.CheckFolds()
}

// Usage of 1.00 and 19 % that is corrected in three steps is credited to the cent (case 112: parts add up; case 140: the
// differences come to what is true in the end).
func TestCorrectionsInStepsAddUp(t *testing.T) {
	l := openTill(t, april(1))
	payer := l.payer("")
	rate := ledgertest.Must[catalog.TaxRateView](l.Ledger, catalog.CreateTaxRate{Fields: catalog.TaxRateFields{Name: "VAT", Percentage: *dec("19")}}).ID
	_, _, err := l.Execute(customer.Change{ID: *payer, Patch: customer.Patch{TaxRates: &[]uuid.UUID{rate}}})
	require.NoError(t, err)
	id := l.start(subscription.Start{PlanID: l.byUse("1"), CustomerID: payer})
	l.at(on(5, 1), id)
	l.finalize(id, "100")
	first := l.newest()
	require.EqualValues(t, 119, l.bill(first).Total)
	var notes []int64
	for i, left := range []string{"67", "34", "0"} {
		l.at(on(6, 1).AddDate(0, i, 0), id)
		l.finalize(id, slices.Concat([]string{"0", left}, none(i))...)
		n := l.bill(first).CreditNotes
		notes = append(notes, n[len(n)-1].Amount)
	}
	require.Equal(t, []int64{39, 40, 40}, notes)
	s := l.bill(first)
	require.Equal(t, "paid", s.Status, "nothing of it is owed")
	tax := int64(0)
	for _, n := range s.CreditNotes {
		tax += n.Lines[0].Tax
	}
	require.Equal(t, s.TaxTotal, tax)
	l.CheckFolds()
}

// none is no usage in so many parts.
func none(n int) []string { return slices.Repeat([]string{"0"}, n) }

// A plan without meters waits for usage of the one before (rule B8).
func TestAPlanWithoutMetersWaitsForLateUsage(t *testing.T) {
	l := openTill(t, april(1))
	id := l.start(subscription.Start{PlanID: l.byUse("100")})
	l.at(on(5, 1), id)
	l.finalize(id, "0")
	l.at(on(5, 1), id, subscription.ChangePlan{ID: id, PlanID: l.flat("3000"), When: "periodEnd"})
	l.at(on(6, 1), id)
	l.finalize(id, "0", "0")
	l.at(on(7, 1), id)
	require.Equal(t, "draft", l.bill(l.newest()).Status)
	l.finalize(id, "9", "0")
	require.Equal(t, " period 39.00: period 30.00 adjustment 9.00", l.bills()[2][len("INV-000003"):])
	l.CheckFolds()
}

// A draft that usage waits on is not discarded: nobody would bill it. One without is, and what comes later is billed.
func TestADraftWithUsageIsNotDiscarded(t *testing.T) {
	l := openTill(t, april(1))
	id := l.start(subscription.Start{PlanID: l.byUse("100")})
	l.at(on(5, 1), id)
	draft := l.newest()
	_, _, err := l.Execute(subscription.VoidInvoice{ID: draft})
	require.ErrorIs(t, err, &domain.Error{Code: "usage_not_counted"})
	_, _, err = l.Execute(subscription.VoidInvoice{ID: draft, Counts: l.counted(id, draft, "3")})
	require.ErrorIs(t, err, &domain.Error{Code: "usage_waits"})
	require.Equal(t, "draft", l.bill(draft).Status)
	ledgertest.Must[invoice.View](l.Ledger, subscription.VoidInvoice{ID: draft, Counts: l.counted(id, draft, "0")})
	require.Equal(t, "void", l.bill(draft).Status)
	_, _, err = l.DryRun(subscription.Upcoming{ID: id})
	require.NoError(t, err)
	l.at(on(6, 1), id)
	l.finalize(id, "0", "2")
	require.Equal(t, "INV-000001 period 2.00: usage 0.00 adjustment 2.00", l.bills()[1])
	l.CheckFolds()
}

// A coupon is off usage where nothing else is on the invoice, too: which lines there will be is known when it is counted.
func TestACouponIsOffUsageAlone(t *testing.T) {
	for name, tt := range map[string]struct {
		fields catalog.CouponFields
		want   []int64
	}{
		"a percentage": {catalog.CouponFields{PercentOff: dec("50"), Duration: catalog.Forever}, []int64{2500, 2500}},
		"an amount":    {catalog.CouponFields{AmountOff: ptr(int64(1000)), Currency: "USD", Duration: catalog.Forever}, []int64{1000, 1000}},
	} {
		t.Run(name, func(t *testing.T) {
			l := openTill(t, april(1))
			tt.fields.Code = "OFF"
			coupon := ledgertest.Must[catalog.CouponView](l.Ledger, catalog.CreateCoupon{Fields: tt.fields}).ID
			id := l.start(subscription.Start{PlanID: l.byUse("100"), CouponID: &coupon})
			l.at(on(5, 1), id)
			l.finalize(id, "50")
			off := []int64{l.bill(l.newest()).DiscountTotal}
			l.at(on(6, 1), id)
			l.finalize(id, "50", "50")
			require.Equal(t, tt.want, append(off, l.bill(l.newest()).DiscountTotal))
			l.CheckFolds()
		})
	}
}
