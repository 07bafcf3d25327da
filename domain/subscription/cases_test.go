package subscription_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

// Case 56, of different keys: two changes in one second are two lines. Of one key the log keeps one (see the event store's
// tests of keys).
func TestCase56TwoSeatsInASecond(t *testing.T) {
	l := openTill(t, april(1))
	id := l.start(subscription.Start{PlanID: l.seats("1000"), Quantity: ptr(1)})
	l.at(april(16), id, subscription.AddSeats{ID: id, Count: 1}, subscription.AddSeats{ID: id, Count: 1})
	require.Equal(t, 3, l.facts(id).Quantity)
	require.Equal(t, "prorationDebit 5.00 prorationDebit 5.00", l.pending(id))
}

// Case 98: who cancels again is answered the same, and makes no event.
func TestCase98CancelledTwice(t *testing.T) {
	for _, c := range []subscription.Cancel{{Now: true, Credit: account.Prorate}, {}} {
		l := openTill(t, april(1))
		c.ID = l.start(subscription.Start{PlanID: l.flat("3000")})
		l.SetNow(april(21))
		first := ledgertest.Must[subscription.TaskAnswer](l.Ledger, c)
		answer, events, err := l.Execute(c)
		require.NoError(t, err)
		require.Empty(t, events)
		again := answer.(subscription.TaskAnswer)
		require.Equal(t, first.Status, again.Status)
		require.Equal(t, first.Subscription.CancelAt, again.Subscription.CancelAt)
		require.Equal(t, first.Subscription.Status, again.Subscription.Status)
	}
}

// Case 116: who is exempt is charged no tax, and the invoice says why.
func TestCase116Exempt(t *testing.T) {
	l := openTill(t, april(1))
	rate := ledgertest.Must[catalog.TaxRateView](l.Ledger, catalog.CreateTaxRate{Fields: catalog.TaxRateFields{Name: "VAT", Percentage: *dec("19")}}).ID
	payer := ledgertest.Must[customer.View](l.Ledger, customer.Create{Patch: customer.Patch{Currency: ptr("USD"), TaxRates: &[]uuid.UUID{rate},
		TaxExempt: ptr(&customer.Exemption{Reason: "reverse charge"})}}).ID
	l.start(subscription.Start{PlanID: l.flat("3000"), CustomerID: &payer})
	of := l.bill(l.newest())
	require.Zero(t, of.TaxTotal)
	require.EqualValues(t, 3000, of.Total)
	require.Equal(t, "reverse charge", of.TaxExempt)
	l.CheckFolds()
}

// Case 149: access ends at the instant of the end, and not a microsecond earlier.
func TestCase149TheInstantOfAnEnd(t *testing.T) {
	l := openTill(t, april(1))
	id := l.start(subscription.Start{PlanID: l.flat("3000")})
	l.at(april(10), id, subscription.Cancel{ID: id})
	s := l.State(id).(*subscription.State)
	require.True(t, s.AccessAt(on(5, 1).Add(-time.Microsecond)))
	require.False(t, s.AccessAt(on(5, 1)))
	_, _, ok := s.AccessUntil(on(5, 1).Add(-time.Microsecond))
	require.True(t, ok)
	_, _, ok = s.AccessUntil(on(5, 1))
	require.False(t, ok)
}
