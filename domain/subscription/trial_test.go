package subscription_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/settings"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

// trialWithout sets what comes of trials without a payment method; "" is nothing.
func (l *till) trialWithout(outcome string) {
	l.t.Helper()
	var then *string
	if outcome != "" {
		then = &outcome
	}
	ledgertest.Must[settings.View](l.Ledger, settings.Change{Patch: settings.Patch{TrialEndsWithoutPayment: &then}})
}

// trial begins ten days of trial on the first of April.
func (l *till) trial(payer *uuid.UUID) uuid.UUID {
	l.t.Helper()
	return l.start(subscription.Start{PlanID: l.flat("1000", func(f *catalog.PlanFields) { f.TrialDays = ptr(10) }), CustomerID: payer, Owner: "mia"})
}

// method sets how a customer pays, or takes that away.
func (l *till) method(id uuid.UUID, outcome string) {
	l.t.Helper()
	var c domain.Command = subscription.RemovePaymentMethod{RemovePaymentMethod: customer.RemovePaymentMethod{ID: id}}
	if outcome != "" {
		c = subscription.SetPaymentMethod{SetPaymentMethod: customer.SetPaymentMethod{ID: id, Method: customer.PaymentMethod{Provider: "manual", Outcome: outcome}}}
	}
	_, _, err := l.Execute(c)
	require.NoError(l.t, err)
}

// since are the types of a subscription's events after the first n of the log.
func (l *till) since(n int, id uuid.UUID) (all []string) {
	for _, e := range l.Log()[n:] {
		if e.Stream == id {
			all = append(all, e.Event.EventType()+" "+e.EffectiveAt.Format("2 Jan"))
		}
	}
	return all
}

// Case 92 (rule S16): one event, and access ends at that instant, whether or not it is recorded.
func TestCase92ATrialEndsWithoutPaymentMethod(t *testing.T) {
	for outcome, want := range map[string][]string{
		"pause":  {"PAUSED", "subscription.paused.v1 11 Apr"},
		"cancel": {"CANCELED", "subscription.ended.v1 11 Apr"},
	} {
		t.Run(outcome, func(t *testing.T) {
			l := openTill(t, april(1))
			l.trialWithout(outcome)
			payer := l.payer("")
			id := l.trial(payer)
			l.trialWithout("") // it was settled
			s, over := l.State(id).(*subscription.State), april(11)
			access := func() {
				for at, want := range map[time.Time]bool{april(1): true, over.Add(-time.Microsecond): true, over: false, april(12): false, on(6, 1): false} {
					require.Equal(t, want, s.AccessAt(at), "at %s", at)
				}
			}
			access()
			end, ends := s.EndsAt()
			require.Equal(t, outcome == "cancel", ends && end.Equal(over))
			until, renews, ok := s.AccessUntil(over.Add(-time.Microsecond))
			require.Equal(t, []any{over, false, true}, []any{until, renews, ok})
			_, _, ok = s.AccessUntil(over)
			require.False(t, ok)
			l.SetNow(april(12))
			require.Equal(t, want[0], l.status(id), "unrecorded")
			n := len(l.Log())
			l.method(*payer, "succeeds")
			l.at(april(12), id)
			require.Equal(t, want[1:], l.since(n, id), "the method came too late")
			access()
			l.at(on(6, 21), id)
			require.Len(t, l.since(n, id), 1, "nothing follows by itself")
			require.Empty(t, l.bills())
			if outcome == "pause" {
				ledgertest.Must[subscription.View](l.Ledger, subscription.Resume{ID: id})
				require.Equal(t, "ACTIVE", l.status(id))
				require.Equal(t, []string{"INV-000001 period 6.67: period 6.67"}, l.bills(), "20 of 30 days, to 11 July")
			}
			l.CheckFolds()
		})
	}
}

// The owner's purchase that names no customer makes one, who has no payment method either.
func TestATrialOfANewCustomer(t *testing.T) {
	l := openTill(t, april(1))
	l.trialWithout("cancel")
	id := l.trial(nil)
	l.at(april(11), id)
	require.Equal(t, "CANCELED", l.status(id))
}

func TestATrialThatIsPaidFor(t *testing.T) {
	over := []string{"subscription.trial_ended.v1 11 Apr", "subscription.renewed.v1 11 Apr"}
	for name, tt := range map[string]struct {
		first, then string // payment method when it begins, and from 5 April on; "" is none
		outcome     string // the setting when it begins
		want        []string
	}{
		"set meanwhile":             {"", "succeeds", "pause", append([]string{"subscription.trial_outcome_changed.v1 5 Apr"}, over...)},
		"there from the beginning":  {"succeeds", "fails", "cancel", append(append([]string{}, over...), "subscription.payment_missed.v1 11 Apr")},
		"removed meanwhile: pause":  {"succeeds", "", "pause", []string{"subscription.trial_outcome_changed.v1 5 Apr", "subscription.paused.v1 11 Apr"}},
		"removed meanwhile: cancel": {"succeeds", "", "cancel", []string{"subscription.trial_outcome_changed.v1 5 Apr", "subscription.ended.v1 11 Apr"}},
		"without the setting":       {"succeeds", "", "", over},
	} {
		t.Run(name, func(t *testing.T) {
			l := openTill(t, april(1))
			l.trialWithout(tt.outcome)
			payer := l.payer(tt.first)
			id := l.trial(payer)
			for _, later := range []string{"pause", "cancel", ""} {
				l.trialWithout(later) // it was settled
			}
			l.SetNow(april(5))
			l.method(*payer, tt.then)
			l.at(april(11), id)
			require.Equal(t, tt.want, l.since(0, id)[1:])
			l.CheckFolds()
		})
	}
}

// What a trial's end brings to who was paused by then, to who never paid first, and to who pays nothing.
func TestTrialsThatEndOtherwise(t *testing.T) {
	for outcome, want := range map[string][]string{"pause": {"subscription.trial_ended.v1 11 Apr"}, "cancel": {"subscription.ended.v1 11 Apr"}} {
		l := openTill(t, april(1))
		l.trialWithout(outcome)
		id := l.trial(l.payer(""))
		l.at(april(5), id, subscription.Pause{ID: id})
		n := len(l.Log())
		l.at(april(12), id)
		require.Equal(t, want, l.since(n, id), "paused")

		l = openTill(t, april(1))
		l.trialWithout(outcome)
		payer := l.payer("")
		free := l.start(subscription.Start{PlanID: l.Plan(l.product, func(f *catalog.PlanFields) {
			f.PricingType, f.Currencies, f.TrialDays = "free", nil, ptr(10)
		}), CustomerID: payer})
		l.at(april(12), free)
		require.Equal(t, "ACTIVE", l.status(free), "free")
		require.Empty(t, l.State(*payer).(*customer.Customer).Trials)
	}
}

// A customer remembers the trials that still run when the next begins, and tells those alone.
func TestCustomersForgetTrials(t *testing.T) {
	l := openTill(t, april(1))
	l.trialWithout("pause")
	payer := l.payer("")
	first := l.trial(payer)
	l.SetNow(april(5))
	second := l.trial(payer)
	l.SetNow(april(11))
	third := l.trial(payer)
	var known []uuid.UUID
	for _, trial := range l.State(*payer).(*customer.Customer).Trials {
		known = append(known, trial.SubscriptionID)
	}
	require.Equal(t, []uuid.UUID{second, third}, known)
	l.at(april(12), second, subscription.Cancel{ID: second, Now: true})
	n := len(l.Log())
	l.method(*payer, "succeeds")
	l.method(*payer, "fails")
	require.Equal(t, []int{0, 0, 1}, []int{len(l.since(n, first)), len(l.since(n, second)), len(l.since(n, third))})
	l.CheckFolds()
}
