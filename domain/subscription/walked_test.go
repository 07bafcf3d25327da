package subscription_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

// What the walk of domain/account has found, one by one.

// arrears makes a plan of one price that is billed afterwards.
func (l *till) arrears(kind, amount string) uuid.UUID {
	return l.priced([]catalog.Price{{Key: "late", Kind: kind, Currency: "USD", UnitAmount: dec(amount), Billing: catalog.InArrears}},
		func(f *catalog.PlanFields) { f.LicenseType = catalog.PerSeat })
}

func TestArrearsRunFromWhenTheyWereBought(t *testing.T) {
	l := openTill(t, april(1))
	id := l.start(subscription.Start{PlanID: l.flat("1000", func(f *catalog.PlanFields) { f.LicenseType = catalog.PerSeat })})
	l.at(april(16), id, subscription.ChangePlan{ID: id, PlanID: l.arrears(catalog.Flat, "3000")})
	l.at(on(5, 1), id)
	require.Equal(t, "INV-000002 period 10.00: period 15.00 prorationCredit -5.00", l.bills()[1])
}

func TestSeatsThatGoWithAPlanAreBilledUntilThen(t *testing.T) {
	l := openTill(t, april(1))
	id := l.start(subscription.Start{PlanID: l.arrears(catalog.SeatPrice, "1000"), Quantity: ptr(4)})
	l.at(april(16), id, subscription.ChangePlan{ID: id, PlanID: l.arrears(catalog.SeatPrice, "2000"), Quantity: ptr(1)})
	l.at(on(5, 1), id)
	require.Equal(t, "INV-000001 period 30.00: period 20.00 period 10.00", l.bills()[0])
}

func TestAPeriodThatWasExtendedIsNoLonger(t *testing.T) {
	l := openTill(t, april(1))
	id := l.start(subscription.Start{PlanID: l.seats("1000"), Quantity: ptr(1)})
	l.at(april(11), id, subscription.Pause{ID: id, Credit: "extend"})
	l.at(april(21), id, subscription.Resume{ID: id})
	l.at(on(5, 1), id, subscription.AddSeats{ID: id, Count: 1})
	require.Equal(t, "prorationDebit 3.33", l.pending(id), "ten days of 30, though it takes 40")

	late := openTill(t, april(1))
	id = late.start(subscription.Start{PlanID: late.arrears(catalog.Flat, "3000")})
	late.at(april(21), id, subscription.Pause{ID: id, Credit: "extend"})
	late.at(on(5, 6), id, subscription.Resume{ID: id})
	late.at(on(5, 16), id)
	require.Equal(t, []string{"INV-000001 period 30.00: period 20.00 period 10.00"}, late.bills(), "the pause went beyond the old end")
}

func TestAnEndInAPauseThatExtends(t *testing.T) {
	l := openTill(t, april(1))
	id := l.start(subscription.Start{PlanID: l.flat("3000")})
	l.at(april(11), id, subscription.Pause{ID: id, Credit: "extend"})
	l.at(april(16), id, subscription.Cancel{ID: id, Now: true, Credit: "prorate"})
	require.Equal(t, "INV-000002 cancel -20.00: prorationCredit -20.00", l.bills()[1], "nothing was used since the pause began")
}

func (l *till) half() *uuid.UUID {
	f := catalog.CouponFields{Code: "HALF", Duration: catalog.Forever, PercentOff: dec("50")}
	return ptr(ledgertest.Must[catalog.CouponView](l.Ledger, catalog.CreateCoupon{Fields: f}).ID)
}

func TestACreditNoteTakesItsDiscountAlong(t *testing.T) {
	l := openTill(t, april(1))
	id := l.start(subscription.Start{PlanID: l.flat("3000"), CouponID: l.half()})
	ledgertest.Must[invoice.View](l.Ledger, subscription.CreditInvoice{IssueCreditNote: invoice.IssueCreditNote{ID: l.newest(), Amount: 750}})
	l.at(april(1), id, subscription.Cancel{ID: id, Now: true, Credit: "prorate"})
	require.Equal(t, "INV-000002 cancel -7.50: prorationCredit -15.00", l.bills()[1], "the other half of 15.00")
}

func TestIncludedSeatsCountForNoDiscount(t *testing.T) {
	l := openTill(t, april(1))
	plan := l.priced([]catalog.Price{{Key: "seat", Kind: catalog.SeatPrice, Currency: "USD", UnitAmount: dec("1000"), IncludedSeats: ptr(int64(3))}},
		func(f *catalog.PlanFields) { f.LicenseType = catalog.PerSeat })
	id := l.start(subscription.Start{PlanID: plan, Quantity: ptr(2), CouponID: l.half()})
	l.at(april(16), id, subscription.SetQuantity{ID: id, Quantity: 5})
	l.at(april(21), id, subscription.SetQuantity{ID: id, Quantity: 4})
	l.at(on(5, 1), id)
	require.Equal(t, "INV-000002 period 8.34: prorationDebit 10.00 prorationCredit -3.33 period 10.00", l.bills()[1], "one of the two that were paid for goes, with a half of a half")
}

func TestSeatsOfAVoidInvoiceGoFirst(t *testing.T) {
	l := openTill(t, april(1))
	id := l.start(subscription.Start{PlanID: l.seats("1000"), Quantity: ptr(2)})
	l.at(april(11), id, subscription.AddSeats{ID: id, Count: 3, Proration: "always_invoice"})
	ledgertest.Must[invoice.View](l.Ledger, subscription.VoidInvoice{ID: l.newest()})
	l.at(april(16), id, subscription.RemoveSeats{ID: id, Count: 3})
	require.Empty(t, l.pending(id), "nobody was asked for them")
	l.at(april(21), id, subscription.RemoveSeats{ID: id, Count: 1})
	require.Equal(t, "prorationCredit -3.33", l.pending(id), "the next one was paid for")
	l.CheckFolds()
}

// A command after a boundary that nobody has recorded yet counts the seats of what was scheduled for it.
func TestSeatsAfterAScheduledChange(t *testing.T) {
	l := openTill(t, april(1))
	id := l.start(subscription.Start{PlanID: l.seats("1000"), Quantity: ptr(1)})
	l.at(april(2), id, subscription.SetQuantity{ID: id, Quantity: 4, When: "periodEnd"})
	l.SetNow(on(5, 2))
	ledgertest.Must[subscription.TaskAnswer](l.Ledger, subscription.SetQuantity{ID: id, Quantity: 5})
	s := l.State(id).(*subscription.State)
	require.Equal(t, []int{5, 5}, []int{s.Quantity, s.ActiveSeats()})
	require.Equal(t, "prorationDebit 9.68", l.pending(id), "one seat")
	l.CheckFolds()
}

// An amount comes off a period once, however often something changes in it: what a credit takes back on the same invoice
// gives its discount back to what is kept.
func TestAnAmountIsOffOnceHoweverOftenSomethingChanges(t *testing.T) {
	tenOff := func(l *till) *uuid.UUID {
		off := int64(1000)
		return &[]uuid.UUID{ledgertest.Must[catalog.CouponView](l.Ledger, catalog.CreateCoupon{Fields: catalog.CouponFields{Code: "TENOFF", AmountOff: &off, Currency: "USD", Duration: catalog.Forever}}).ID}[0]
	}
	t.Run("there and back", func(t *testing.T) {
		l := openTill(t, on(time.July, 1))
		basic, pro := l.flat("3000"), l.flat("9900")
		sub := l.start(subscription.Start{PlanID: basic, CouponID: tenOff(l)})
		l.at(on(time.July, 1), sub, subscription.ChangePlan{ID: sub, PlanID: pro})
		l.at(on(time.July, 1, 1), sub, subscription.ChangePlan{ID: sub, PlanID: basic})
		l.at(on(time.August, 1), sub)
		august := l.bill(l.newest())
		require.EqualValues(t, []int64{3009, 1000, 2009}, []int64{august.Subtotal, august.DiscountTotal, august.Total})
		l.CheckFolds()
	})
	t.Run("seats up and down", func(t *testing.T) {
		l := openTill(t, on(time.July, 1))
		sub := l.start(subscription.Start{PlanID: l.seats("1200"), Quantity: ptr(1), CouponID: tenOff(l)})
		l.at(on(time.July, 1), sub, subscription.AddSeats{ID: sub, Count: 40})
		l.at(on(time.July, 1, 1), sub, subscription.RemoveSeats{ID: sub, Count: 40})
		l.at(on(time.August, 1), sub)
		require.EqualValues(t, 1000, l.bill(l.newest()).DiscountTotal)
		l.CheckFolds()
	})
}
