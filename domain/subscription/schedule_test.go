package subscription_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

func TestCase31ADowngradeAtThePeriodsEnd(t *testing.T) {
	l := openTill(t, april(1))
	id := l.start(subscription.Start{PlanID: l.flat("9000")})
	down := l.flat("3000")
	view := func() subscription.View { return l.State(id).(*subscription.State).View(l.Now()) }
	l.at(april(16), id, subscription.ChangePlan{ID: id, PlanID: down, When: "periodEnd"})
	require.Empty(t, l.pending(id), "no lines now")
	require.Equal(t, subscription.PendingChange{At: on(5, 1), PlanID: &down}, *view().PendingChange)
	l.at(april(17), id, subscription.DropScheduled{ID: id})
	require.Nil(t, view().PendingChange)
	l.at(on(5, 1), id)
	require.Equal(t, "INV-000002 period 90.00: period 90.00", l.bills()[1], "taken back, it is 90.00 again")
	l.at(on(5, 2), id, subscription.ChangePlan{ID: id, PlanID: down, When: "periodEnd"})
	l.at(on(6, 1), id)
	require.Equal(t, []any{"INV-000003 period 30.00: period 30.00", down}, []any{l.bills()[2], view().PlanID})
	require.Nil(t, view().PendingChange)
	l.CheckFolds()
}

func TestScheduledChanges(t *testing.T) {
	l := openTill(t, april(1))
	seats := l.seats("1000", func(f *catalog.PlanFields) { f.MaxSeatAmount = 10 })
	id := l.start(subscription.Start{PlanID: seats, Quantity: ptr(5), Grantee: ptr("ann")})
	sub := func() *subscription.State { return l.State(id).(*subscription.State) }
	refused := func(code string, c domain.Command) {
		t.Helper()
		_, _, err := l.Execute(c)
		require.ErrorIs(t, err, &domain.Error{Code: code})
	}
	l.at(april(2), id, subscription.SetQuantity{ID: id, Quantity: 2, When: "periodEnd"})
	require.Equal(t, 2, *sub().View(l.Now()).PendingChange.Quantity)
	require.Equal(t, 5, sub().Quantity)
	require.Equal(t, 1, sub().Spare(), "three of the four unassigned seats are kept for it")
	l.at(april(3), id, subscription.SetQuantity{ID: id, Quantity: 8, When: "periodEnd"})
	require.Equal(t, 4, sub().Spare(), "it is replaced, and what it kept is free")
	refused("seat_maximum", subscription.AddSeats{ID: id, Count: 6})
	l.at(april(4), id, subscription.AddSeats{ID: id, Count: 5})
	require.Nil(t, sub().View(l.Now()).PendingChange, "a change that comes first drops it, and what it kept is free for it")
	require.Equal(t, 10, sub().Quantity)
	l.at(april(5), id, subscription.SetQuantity{ID: id, Quantity: 1, When: "periodEnd"})
	l.at(on(5, 1), id)
	require.Equal(t, 1, sub().Quantity)
	require.Equal(t, 1, sub().ActiveSeats())
	require.Equal(t, "INV-000002 period 55.00: prorationDebit 45.00 period 10.00", l.bills()[1])

	yearly := l.seats("12000", func(f *catalog.PlanFields) { f.Interval, f.PerSeatAmount = "year", 3 })
	l.at(on(5, 10), id, subscription.ChangePlan{ID: id, PlanID: yearly, When: "periodEnd"})
	l.at(on(6, 1), id)
	require.Equal(t, "INV-000003 period 360.00: period 360.00", l.bills()[2], "three seats for a year")
	require.Equal(t, on(6, 1).AddDate(1, 0, 0), sub().Period.End)

	l.at(on(6, 2), id, subscription.SetQuantity{ID: id, Quantity: 4, When: "periodEnd"}, subscription.Cancel{ID: id})
	l.at(on(6, 2).AddDate(1, 0, 0), id)
	require.Equal(t, "CANCELED", l.status(id))
	require.Len(t, l.bills(), 3, "a scheduled end leaves nothing to change")
	refused("subscription_ended", subscription.DropScheduled{ID: id})
	l.CheckFolds()
}

func TestAScheduledChangeBillsArrearsAsTheyWere(t *testing.T) {
	l := openTill(t, april(1))
	arrears := func(amount string) []catalog.Price {
		return []catalog.Price{{Key: "base", Kind: catalog.Flat, Currency: "USD", UnitAmount: dec(amount), Billing: catalog.InArrears}}
	}
	id := l.start(subscription.Start{PlanID: l.priced(arrears("1000"))})
	l.at(april(16), id, subscription.ChangePlan{ID: id, PlanID: l.priced(arrears("3000")), When: "periodEnd"})
	l.at(on(6, 1), id)
	require.Equal(t, []string{"INV-000001 period 10.00: period 10.00", "INV-000002 period 30.00: period 30.00"}, l.bills())
	trial := ledgertest.Must[subscription.View](l.Ledger, subscription.Start{PlanID: l.flat("1000", func(f *catalog.PlanFields) { f.TrialDays = ptr(10) })}).ID
	l.at(on(6, 2), trial, subscription.ChangePlan{ID: trial, PlanID: l.flat("2000"), When: "periodEnd"})
	l.at(on(6, 11), trial)
	require.Equal(t, "INV-000003 period 20.00: period 20.00", l.bills()[2])
	l.CheckFolds()
}

// A price change is a new version; subscriptions keep what they bought until they are moved.
func TestAPlansOwnNewestVersion(t *testing.T) {
	l := openTill(t, april(1))
	plan := l.flat("1000")
	id := l.start(subscription.Start{PlanID: plan})
	version := func() int { return l.State(id).(*subscription.State).Terms.PlanVersion }
	sell := func(amount string) {
		ledgertest.Must[catalog.PlanView](l.Ledger, catalog.AddPlanVersion{ID: plan, Prices: []catalog.Price{{Key: "base", Kind: catalog.Flat, Currency: "USD", UnitAmount: dec(amount)}}})
	}
	l.at(april(2), id, subscription.ChangePlan{ID: id, PlanID: plan})
	require.EqualValues(t, 1, l.State(id).(*subscription.State).Version, "it has the newest version")
	sell("2000")
	l.at(april(16), id, subscription.ChangePlan{ID: id, PlanID: plan})
	require.Equal(t, []any{2, "prorationCredit -5.00 prorationDebit 10.00"}, []any{version(), l.pending(id)})
	before := l.State(id).(*subscription.State).Version
	l.at(april(17), id, subscription.ChangePlan{ID: id, PlanID: plan})
	require.Equal(t, before, l.State(id).(*subscription.State).Version)
	sell("3000")
	l.at(april(18), id, subscription.ChangePlan{ID: id, PlanID: plan, When: "periodEnd"})
	require.Equal(t, subscription.PendingChange{At: on(5, 1), PlanID: &plan}, *l.State(id).(*subscription.State).View(l.Now()).PendingChange)
	l.at(on(5, 1), id)
	require.Equal(t, []any{3, "INV-000002 period 35.00: prorationCredit -5.00 prorationDebit 10.00 period 30.00"}, []any{version(), l.bills()[1]})
	sell("4000")
	ledgertest.Must[catalog.PlanView](l.Ledger, catalog.ArchivePlan{ID: plan})
	_, _, err := l.Execute(subscription.ChangePlan{ID: id, PlanID: plan})
	require.ErrorIs(t, err, &domain.Error{Code: "plan_archived"}, "it is not sold any more")
	l.CheckFolds()
}

// Unassigned seats are given up for one licence, at once and at the period's end.
func TestFromSeatsToOneLicence(t *testing.T) {
	for _, when := range []string{"now", "periodEnd"} {
		l := openTill(t, april(1))
		id := l.start(subscription.Start{PlanID: l.seats("1000"), Quantity: ptr(4), Grantee: ptr("ann")})
		units := l.priced([]catalog.Price{{Key: "unit", Kind: catalog.PerUnit, Currency: "USD", UnitAmount: dec("100")}})
		c := subscription.ChangePlan{ID: id, PlanID: units, When: when}
		_, _, err := l.Execute(c)
		require.ErrorIs(t, err, &domain.Error{Code: "seat_maximum"})
		c.Quantity = ptr(6)
		l.at(april(16), id, c)
		l.at(on(5, 1), id)
		s := l.State(id).(*subscription.State)
		require.Equal(t, []int{6, 1, 1}, []int{s.Quantity, s.ActiveSeats(), s.AssignedSeats()})
		for _, e := range l.Log() {
			if removed, ok := e.Event.(subscription.SeatsRemoved); ok {
				require.Equal(t, 1, removed.Quantity, "of seats")
			}
		}
		want := map[string]string{"now": "INV-000002 period -11.00: prorationCredit -20.00 prorationDebit 3.00 period 6.00", "periodEnd": "INV-000002 period 6.00: period 6.00"}
		require.Equal(t, want[when], l.bills()[1])
		l.CheckFolds()
	}
}

// Rule S14: what a scheduled change leads to does not hang on a provider's answer.
func TestNothingIsScheduledWhileAChangeIsOpen(t *testing.T) {
	s := open(t)
	id := s.start(subscription.Start{PlanID: s.seats, Provider: "manual", Quantity: ptr(3)})
	answer, _, err := s.Execute(subscription.AddSeats{ID: id, Count: 2})
	require.NoError(t, err)
	schedule := subscription.RemoveSeats{ID: id, Count: 1, When: subscription.PeriodEnd}
	_, _, err = s.Execute(schedule)
	require.ErrorIs(t, err, &domain.Error{Code: "change_in_progress"})
	require.Equal(t, "seats_added", s.do(id, subscription.CompleteTask{TaskID: answer.(subscription.TaskAnswer).TaskID, Attempt: 1}))
	require.Equal(t, "change_scheduled", s.do(id, schedule))
	s.SetNow(april(31))
	s.do(id, subscription.Advance{ID: id})
	require.Equal(t, 4, s.sub(id).Quantity)
	require.Equal(t, 4, s.view(id).Seats)
	s.CheckFolds()
}
