package subscription_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

// Rule S18.
func TestAChangeCountsFromAnInstantThatIsOver(t *testing.T) {
	l := openTill(t, april(1))
	id := l.start(subscription.Start{PlanID: l.flat("1000")})
	l.SetNow(april(21))
	_, events, err := l.Execute(subscription.ChangePlan{ID: id, PlanID: l.flat("2000"), Proration: "always_invoice", EffectiveAt: ptr(april(16))})
	require.NoError(t, err)
	require.Equal(t, april(16), ledgertest.On(id, events)[0].EffectiveAt)
	require.Equal(t, "INV-000002 proration 5.00: prorationCredit -5.00 prorationDebit 10.00", l.bills()[1])
	for _, e := range events {
		if f, ok := e.Event.(invoice.Finalized); ok {
			require.Equal(t, april(21), f.IssuedAt, "an invoice is of the day on which it is made")
		}
	}
	// What is due since comes after it: nobody had recorded May yet.
	l.SetNow(on(5, 10))
	_, events, err = l.Execute(subscription.ChangePlan{ID: id, PlanID: l.flat("4000"), EffectiveAt: ptr(april(16))})
	require.NoError(t, err)
	require.Equal(t, []string{"subscription.plan_changed.v1", "subscription.renewed.v1"}, ledgertest.Names(ledgertest.On(id, events)))
	require.Equal(t, "INV-000003 period 50.00: prorationCredit -10.00 prorationDebit 20.00 period 40.00", l.bills()[2])
	l.CheckFolds()
}

// A change at a boundary belongs to the new period: without lines when it was given for it before it was billed.
func TestAChangeFromABoundary(t *testing.T) {
	for name, tt := range map[string]struct {
		recorded bool
		now      time.Time
		bill     string
		pending  string
	}{
		"before it":                {false, april(20), "period 20.00: period 20.00", ""},
		"after it, not billed yet": {false, on(5, 3), "period 20.00: period 20.00", ""},
		"after it was billed":      {true, on(5, 3), "period 10.00: period 10.00", "prorationCredit -10.00 prorationDebit 20.00"},
	} {
		t.Run(name, func(t *testing.T) {
			l := openTill(t, april(1))
			id := l.start(subscription.Start{PlanID: l.flat("1000")})
			if tt.recorded {
				l.at(on(5, 2), id)
			}
			l.SetNow(tt.now)
			ledgertest.Must[subscription.TaskAnswer](l.Ledger, subscription.ChangePlan{ID: id, PlanID: l.flat("2000"), EffectiveAt: ptr(on(5, 1))})
			l.at(on(5, 3), id)
			require.Equal(t, "INV-000002 "+tt.bill, l.bills()[1])
			require.Equal(t, tt.pending, l.pending(id))
			l.CheckFolds()
		})
	}
}

func TestAnEndAndAPauseCountFromAnInstantThatIsOver(t *testing.T) {
	l := openTill(t, april(1))
	plan := l.flat("3000")
	gone, rests, last := l.start(subscription.Start{PlanID: plan}), l.start(subscription.Start{PlanID: plan}), l.start(subscription.Start{PlanID: plan})
	l.SetNow(april(21))
	v := ledgertest.Must[subscription.TaskAnswer](l.Ledger, subscription.Cancel{ID: gone, Now: true, Credit: "prorate", EffectiveAt: ptr(april(11))}).Subscription
	require.Equal(t, april(11), *v.CanceledAt)
	require.Equal(t, "INV-000004 cancel -20.00: prorationCredit -20.00", l.bills()[3])
	ledgertest.Must[subscription.View](l.Ledger, subscription.Pause{ID: rests, Credit: "prorate", EffectiveAt: ptr(april(6))})
	ledgertest.Must[subscription.View](l.Ledger, subscription.Resume{ID: rests, EffectiveAt: ptr(april(16))})
	require.Equal(t, "prorationCredit -10.00", l.pending(rests))
	l.SetNow(on(5, 20)) // May is not recorded: the end counts from its beginning, so nothing is billed for it
	v = ledgertest.Must[subscription.TaskAnswer](l.Ledger, subscription.Cancel{ID: last, Now: true, EffectiveAt: ptr(on(5, 1))}).Subscription
	require.Equal(t, []any{"CANCELED", on(5, 1), true}, []any{v.Status, *v.CanceledAt, v.CancelAtPeriodEnd})
	require.Len(t, l.bills(), 4)
	l.CheckFolds()
}

func TestInstantsFromWhichNothingCounts(t *testing.T) {
	s := open(t)
	id := s.start(subscription.Start{PlanID: s.seats, Quantity: ptr(2)})
	manual := s.start(subscription.Start{PlanID: s.seats, Quantity: ptr(2), Provider: subscription.ManualProvider})
	later := s.start(subscription.Start{PlanID: s.seats, Quantity: ptr(2), StartAt: ptr(april(25))})
	s.SetNow(april(5))
	s.do(id, subscription.AddSeats{ID: id, Count: 1})
	s.SetNow(april(11))
	possible := "it is not before 2025-04-05T00:00:00Z, when something was recorded last, nor after now"
	end := ", or the period's end, 2025-05-01T00:00:00Z"
	for name, tt := range map[string]struct {
		c      domain.Command
		detail string
	}{
		"before the last event":            {subscription.AddSeats{ID: id, Count: 1, EffectiveAt: ptr(april(4))}, possible + end},
		"to come, and not the period's":    {subscription.RemoveSeats{ID: id, Count: 1, EffectiveAt: ptr(april(12))}, possible + end},
		"a plan":                           {subscription.ChangePlan{ID: id, PlanID: s.team, EffectiveAt: ptr(april(4))}, possible + end},
		"an end":                           {subscription.Cancel{ID: id, Now: true, EffectiveAt: ptr(april(32))}, possible + end},
		"a pause has no period's end":      {subscription.Pause{ID: id, EffectiveAt: ptr(april(31))}, possible},
		"nor its end":                      {subscription.Resume{ID: id, EffectiveAt: ptr(april(31))}, possible},
		"before the start":                 {subscription.SetQuantity{ID: later, Quantity: 3, EffectiveAt: ptr(april(10))}, "it is now, or the period's end, 2025-05-25T00:00:00Z"},
		"the period's end and another":     {subscription.SetQuantity{ID: id, Quantity: 5, When: "periodEnd", EffectiveAt: ptr(april(6))}, "`when` is the period's end, 2025-05-01T00:00:00Z"},
		"an end of the period and another": {subscription.Cancel{ID: id, EffectiveAt: ptr(april(6))}, "`when` is the period's end, 2025-05-01T00:00:00Z"},
		"a provider answers later":         {subscription.AddSeats{ID: manual, Count: 1, EffectiveAt: ptr(april(10))}, "the provider answers later: it is not before now"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := s.Execute(tt.c)
			require.ErrorIs(t, err, &domain.Error{Code: "bad_effective_at"})
			refusal, _ := domain.AsRefusal(err)
			require.Equal(t, []domain.Field{{Pointer: "/effectiveAt", Code: "bad_effective_at", Detail: tt.detail}}, refusal.Fields)
		})
	}
	require.Equal(t, "change_requested", s.do(manual, subscription.AddSeats{ID: manual, Count: 1, EffectiveAt: ptr(april(11))}), "now it may ask")
	require.Equal(t, "seats_added", s.do(id, subscription.AddSeats{ID: id, Count: 1, EffectiveAt: ptr(april(5))}), "right behind the last event")
	require.Equal(t, "change_scheduled", s.do(id, subscription.SetQuantity{ID: id, Quantity: 5, When: "periodEnd", EffectiveAt: ptr(april(31))}))
	s.CheckFolds()
}
