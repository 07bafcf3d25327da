package subscription_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

func instantOf(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

// payer is a customer in a zone.
func (l *till) lives(zone string) uuid.UUID {
	return ledgertest.Must[customer.View](l.Ledger, customer.Create{Patch: customer.Patch{Currency: ptr("USD"), TimeZone: &zone}}).ID
}

// move takes a customer to another zone, and subscriptions along, as the scheduler does.
func (l *till) move(id uuid.UUID, zone string, subs ...uuid.UUID) {
	l.t.Helper()
	v := ledgertest.Must[customer.View](l.Ledger, customer.Change{ID: id, Patch: customer.Patch{TimeZone: &zone}})
	for _, sub := range subs {
		ledgertest.Must[subscription.View](l.Ledger, subscription.Rezone{ID: sub})
	}
	ledgertest.Must[customer.View](l.Ledger, customer.Arrive{ID: id, Version: v.Version})
}

// line is one of a subscription's n-th invoice.
func (l *till) line(sub uuid.UUID, bill, n int) invoice.Line {
	l.t.Helper()
	var bills []*invoice.State
	for _, e := range l.Log() {
		if d, ok := e.Event.(invoice.Drafted); ok && *d.SubscriptionID == sub {
			bills = append(bills, l.bill(e.Stream))
		}
	}
	require.Greater(l.t, len(bills), bill)
	return bills[bill].Lines[n]
}

func (l *till) facts(id uuid.UUID) subscription.Facts { return l.State(id).(*subscription.State).Facts }

// Case 23: the period under way keeps its start and ends where the new zone's calendar has its end; nothing is left out
// and nothing is billed twice. A change in it is counted on its own time.
func TestCase23ACustomerMovesToAnotherZone(t *testing.T) {
	l := openTill(t, instantOf("2025-06-01T00:00:00Z"))
	ada := l.lives("UTC")
	basic, pro := l.flat("1000"), l.flat("2000")
	buy := func(c subscription.Start) uuid.UUID {
		c.PlanID, c.CustomerID = basic, &ada
		return ledgertest.Must[subscription.View](l.Ledger, c).ID
	}
	sub, leaving, own, tried := buy(subscription.Start{}), buy(subscription.Start{}), buy(subscription.Start{TimeZone: "Asia/Tokyo"}), buy(subscription.Start{TrialEnd: ptr(instantOf("2025-06-20T12:00:00Z"))})
	ledgertest.Must[subscription.TaskAnswer](l.Ledger, subscription.Cancel{ID: leaving})
	l.Pass(instantOf("2025-06-10T00:00:00Z").Sub(l.Now()))
	l.move(ada, "America/Los_Angeles", sub, leaving, own, tried)

	f := l.facts(sub)
	require.Equal(t, subscription.Period{Start: instantOf("2025-06-01T00:00:00Z"), End: instantOf("2025-07-01T07:00:00Z")}, f.Period)
	require.Equal(t, 727*time.Hour, f.Period.End.Sub(f.Period.Start))
	require.Equal(t, instantOf("2025-07-01T07:00:00Z"), *l.facts(leaving).CancelAt, "its end moves along")
	require.Equal(t, "Asia/Tokyo", l.facts(own).TimeZone, "it never was in the customer's zone")
	require.Equal(t, instantOf("2025-06-20T12:00:00Z"), l.facts(tried).Period.End, "a trial ends when it was to")

	l.Pass(instantOf("2025-06-16T07:00:00Z").Sub(l.Now())) // 367 of 727 hours are used
	ledgertest.Must[subscription.TaskAnswer](l.Ledger, subscription.ChangePlan{ID: sub, PlanID: pro, Proration: "always_invoice"})
	credit, debit := l.line(sub, 1, 0), l.line(sub, 1, 1)
	require.Equal(t, []int64{-495, 990}, []int64{credit.Amount, debit.Amount}, "360 of 727 hours of 10.00 and of 20.00")
	require.EqualValues(t, 360*3600, credit.Share.Part)
	require.EqualValues(t, 727*3600, credit.Share.Whole)

	l.Pass(instantOf("2025-07-01T06:59:59Z").Sub(l.Now()))
	ledgertest.Must[subscription.View](l.Ledger, subscription.Advance{ID: sub})
	require.Equal(t, instantOf("2025-07-01T07:00:00Z"), l.facts(sub).Period.End)
	l.Pass(time.Second)
	for _, id := range []uuid.UUID{sub, leaving, tried} {
		ledgertest.Must[subscription.View](l.Ledger, subscription.Advance{ID: id})
	}
	require.Equal(t, subscription.Period{Start: instantOf("2025-07-01T07:00:00Z"), End: instantOf("2025-08-01T07:00:00Z")}, l.facts(sub).Period)
	require.EqualValues(t, 2000, l.line(sub, 2, 0).Amount, "a whole month")
	require.Equal(t, subscription.Canceled, l.facts(leaving).Status)
	require.Equal(t, subscription.Period{Start: instantOf("2025-06-20T12:00:00Z"), End: instantOf("2025-07-20T12:00:00Z")}, l.facts(tried).Period)
	l.CheckFolds()
}

// Where the end has passed in the new zone, the period is over at once, and the next one is billed for what is left of it.
func TestAPeriodThatIsOverInTheNewZone(t *testing.T) {
	l := openTill(t, instantOf("2025-06-01T00:00:00Z"))
	ada := l.lives("UTC")
	sub := ledgertest.Must[subscription.View](l.Ledger, subscription.Start{PlanID: l.flat("74400"), CustomerID: &ada}).ID
	l.Pass(instantOf("2025-06-30T20:00:00Z").Sub(l.Now()))
	l.move(ada, "Asia/Tokyo", sub)
	require.Equal(t, subscription.Period{Start: instantOf("2025-06-30T20:00:00Z"), End: instantOf("2025-07-31T15:00:00Z")}, l.facts(sub).Period)
	require.EqualValues(t, 73900, l.line(sub, 1, 0).Amount, "739 of 744 hours")
	l.CheckFolds()
}

// The months of a coupon end with the period that they end with, wherever that is then.
func TestACouponMovesWithItsPeriod(t *testing.T) {
	l := openTill(t, instantOf("2025-06-01T00:00:00Z"))
	ada := l.lives("UTC")
	once := ledgertest.Must[catalog.CouponView](l.Ledger, catalog.CreateCoupon{Fields: catalog.CouponFields{Code: "HALF", PercentOff: dec("50"), Duration: catalog.Once}}).ID
	sub := ledgertest.Must[subscription.View](l.Ledger, subscription.Start{PlanID: l.flat("1000"), CustomerID: &ada, CouponID: &once}).ID
	l.move(ada, "Asia/Tokyo", sub)
	l.Pass(instantOf("2025-06-30T15:00:00Z").Sub(l.Now()))
	ledgertest.Must[subscription.View](l.Ledger, subscription.Advance{ID: sub})
	require.Equal(t, instantOf("2025-06-30T15:00:00Z"), l.facts(sub).Period.Start)
	require.Empty(t, l.line(sub, 1, 0).Discounts)
	l.CheckFolds()
}

// Customer rule K8: who moved again meanwhile is not there yet, and who comes back stays.
func TestMovingTwice(t *testing.T) {
	l := openTill(t, instantOf("2025-06-01T00:00:00Z"))
	ada := l.lives("UTC")
	plan := l.flat("1000")
	buy := func() uuid.UUID {
		return ledgertest.Must[subscription.View](l.Ledger, subscription.Start{PlanID: plan, CustomerID: &ada}).ID
	}
	to := func(zone string) int64 {
		return ledgertest.Must[customer.View](l.Ledger, customer.Change{ID: ada, Patch: customer.Patch{TimeZone: &zone}}).Version
	}
	first := buy()
	version := to("Asia/Tokyo")
	second := buy()
	later := to("America/Los_Angeles")
	_, events, err := l.Execute(customer.Arrive{ID: ada, Version: version})
	require.NoError(t, err)
	require.Empty(t, events, "it has left another zone since")
	for _, id := range []uuid.UUID{first, second, first} {
		ledgertest.Must[subscription.View](l.Ledger, subscription.Rezone{ID: id})
	}
	require.Equal(t, instantOf("2025-07-01T07:00:00Z"), l.facts(first).Period.End, "midnight where it is")
	require.Equal(t, instantOf("2025-07-01T16:00:00Z"), l.facts(second).Period.End, "it began at nine in Tokyo")
	back := to("UTC")
	ledgertest.Must[subscription.View](l.Ledger, subscription.Rezone{ID: first})
	require.Equal(t, instantOf("2025-07-01T00:00:00Z"), l.facts(first).Period.End)
	require.Greater(t, back, later)
	_, events, err = l.Execute(customer.Arrive{ID: ada, Version: back})
	require.NoError(t, err)
	require.Equal(t, []string{"customer.moved.v1"}, ledgertest.Names(events))
	_, events, err = l.Execute(customer.Arrive{ID: ada, Version: back + 9})
	require.NoError(t, err)
	require.Empty(t, events)
	require.Empty(t, l.State(ada).(*customer.Customer).Leaving)
	l.CheckFolds()
}

// Case 25: other rules of a zone move the end that is still to come, once; what is over stays. The history below was
// written by a database by which New York had no summer time in 2025.
func TestCase25TheRulesOfAZoneChange(t *testing.T) {
	l := openTill(t, instantOf("2025-02-10T05:00:00Z"))
	plan := l.flat("1000")
	v := ledgertest.Must[subscription.View](l.Ledger, subscription.Start{PlanID: plan, TimeZone: "America/New_York"})
	sub := v.ID
	l.Pass(28 * 24 * time.Hour)
	wrong := subscription.Period{Start: instantOf("2025-03-10T05:00:00Z"), End: instantOf("2025-04-10T05:00:00Z")}
	l.Given(sub, subscription.Renewed{Period: wrong})
	l.Pass(time.Hour)
	_, events, err := l.Execute(subscription.Rezone{ID: sub})
	require.NoError(t, err)
	require.Contains(t, ledgertest.Names(events), "subscription.rezoned.v1")
	f := l.facts(sub)
	require.Equal(t, subscription.Period{Start: wrong.Start, End: instantOf("2025-04-10T04:00:00Z")}, f.Period, "its start was recorded, and stays")
	require.Equal(t, v.AnchorAt, f.AnchorAt)
	_, events, err = l.Execute(subscription.Rezone{ID: sub})
	require.NoError(t, err)
	require.Empty(t, events, "once")
	l.Pass(instantOf("2025-04-10T04:00:00Z").Sub(l.Now()))
	ledgertest.Must[subscription.View](l.Ledger, subscription.Advance{ID: sub})
	require.Equal(t, subscription.Period{Start: instantOf("2025-04-10T04:00:00Z"), End: instantOf("2025-05-10T04:00:00Z")}, l.facts(sub).Period)
}
