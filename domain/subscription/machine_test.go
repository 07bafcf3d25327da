package subscription_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/subscription"
)

// Every state of a subscription with every command: the events, "-" for none, "!" and the code of a
// refusal. It is 2 April; the period, where there is one, runs until 1 May.
func TestStateMachine(t *testing.T) {
	commands := []struct {
		name string
		make func(*shop, uuid.UUID) domain.Command
	}{
		{"add", func(_ *shop, id uuid.UUID) domain.Command { return subscription.AddSeats{ID: id, Count: 1} }},
		{"remove", func(_ *shop, id uuid.UUID) domain.Command { return subscription.RemoveSeats{ID: id, Count: 1} }},
		{"quantity", func(_ *shop, id uuid.UUID) domain.Command { return subscription.SetQuantity{ID: id, Quantity: 4} }},
		{"plan", func(s *shop, id uuid.UUID) domain.Command { return subscription.ChangePlan{ID: id, PlanID: s.many} }},
		{"end", func(_ *shop, id uuid.UUID) domain.Command { return subscription.Cancel{ID: id} }},
		{"now", func(_ *shop, id uuid.UUID) domain.Command { return subscription.Cancel{ID: id, Now: true} }},
		{"reactivate", func(_ *shop, id uuid.UUID) domain.Command { return subscription.Reactivate{ID: id} }},
		{"pause", func(_ *shop, id uuid.UUID) domain.Command { return subscription.Pause{ID: id} }},
		{"resume", func(_ *shop, id uuid.UUID) domain.Command { return subscription.Resume{ID: id} }},
		{"activate", func(_ *shop, id uuid.UUID) domain.Command { return subscription.Activate{ID: id} }},
		{"owner", func(_ *shop, id uuid.UUID) domain.Command { return subscription.ChangeOwner{ID: id, Owner: "new"} }},
		{"advance", func(_ *shop, id uuid.UUID) domain.Command { return subscription.Advance{ID: id} }},
		{"assign", func(s *shop, id uuid.UUID) domain.Command {
			seat, _ := s.sub(id).OwnSeat()
			return license.Assign{Ref: license.Ref{LicenseID: seat.ID, SubscriptionID: &id}, Grantee: ptr("ann")}
		}},
	}
	const ended, paused, incomplete = "!subscription_ended", "!subscription_paused", "!subscription_incomplete"
	scheduled := subscription.CancellationScheduled{EndsAt: april(31)}
	pause := subscription.PauseBegan{At: april(1)}
	for _, state := range []struct {
		name  string
		start subscription.Start
		given []domain.Event
		is    string
		then  []string // in the order of the commands
	}{
		{"active", subscription.Start{}, nil, "ACTIVE",
			[]string{"seats_added", "seats_removed", "seats_added", "plan_changed", "cancellation_scheduled", "ended", "-", "paused", "-", "-", "owner_changed", "-", "seats_assigned"}},
		{"active, ending", subscription.Start{}, []domain.Event{scheduled}, "ACTIVE",
			[]string{"seats_added", "seats_removed", "seats_added", "plan_changed", "-", "ended", "reactivated", "paused", "-", "-", "owner_changed", "-", "seats_assigned"}},
		{"active, ended by now", subscription.Start{StartAt: ptr(april(-30))}, []domain.Event{subscription.CancellationScheduled{EndsAt: april(1)}}, "CANCELED",
			[]string{ended, ended, ended, ended, "-", "-", ended, ended, ended, "-", "ended owner_changed", "ended", "!license_ended"}},
		{"active, due", subscription.Start{StartAt: ptr(april(-29))}, nil, "ACTIVE",
			[]string{"renewed seats_added", "renewed seats_removed", "renewed seats_added", "renewed plan_changed", "renewed cancellation_scheduled", "renewed ended",
				"-", "renewed paused", "-", "-", "renewed owner_changed", "renewed", "seats_assigned"}},
		{"to come", subscription.Start{StartAt: ptr(april(9))}, nil, "ACTIVE",
			[]string{"seats_added", "seats_removed", "seats_added", "plan_changed", "ended", "ended", "-", "paused", "-", "-", "owner_changed", "-", "seats_assigned"}},
		{"trialing", subscription.Start{TrialEnd: ptr(april(9))}, nil, "TRIALING",
			[]string{"seats_added", "seats_removed", "seats_added", "plan_changed", "cancellation_scheduled", "ended", "-", "paused", "-", "-", "owner_changed", "-", "seats_assigned"}},
		{"trialing, over", subscription.Start{StartAt: ptr(april(-8)), TrialEnd: ptr(april(1))}, nil, "ACTIVE",
			[]string{"trial_ended renewed seats_added", "trial_ended renewed seats_removed", "trial_ended renewed seats_added", "trial_ended renewed plan_changed",
				"trial_ended renewed cancellation_scheduled", "trial_ended renewed ended", "-", "trial_ended renewed paused", "-", "-",
				"trial_ended renewed owner_changed", "trial_ended renewed", "seats_assigned"}},
		{"past due", subscription.Start{}, []domain.Event{subscription.PaymentMissed{}}, "PAST_DUE",
			[]string{"seats_added", "seats_removed", "seats_added", "plan_changed", "cancellation_scheduled", "ended", "-", "paused", "-", "-", "owner_changed", "-", "seats_assigned"}},
		{"incomplete", subscription.Start{Incomplete: true}, nil, "INCOMPLETE",
			[]string{incomplete, incomplete, incomplete, incomplete, "ended", "ended", "-", incomplete, incomplete, "payment_settled", "owner_changed", "-", "seats_assigned"}},
		{"paused", subscription.Start{}, []domain.Event{pause}, "PAUSED",
			[]string{paused, paused, paused, paused, "cancellation_scheduled", "ended", "-", "-", "resumed", "-", "owner_changed", "-", "seats_assigned"}},
		{"paused past due", subscription.Start{}, []domain.Event{subscription.PaymentMissed{}, pause}, "PAUSED",
			[]string{paused, paused, paused, paused, "cancellation_scheduled", "ended", "-", "-", "resumed", "-", "owner_changed", "-", "seats_assigned"}},
		{"paused since an earlier period", subscription.Start{StartAt: ptr(april(-40))}, []domain.Event{pause}, "PAUSED",
			[]string{paused, paused, paused, paused, "ended", "ended", "-", "-", "resumed", "-", "owner_changed", "-", "seats_assigned"}},
		{"paused, its trial over", subscription.Start{StartAt: ptr(april(-8)), TrialEnd: ptr(april(1))}, []domain.Event{pause}, "PAUSED",
			[]string{paused, paused, paused, paused, "trial_ended ended", "trial_ended ended", "-", "-", "trial_ended resumed", "-",
				"trial_ended owner_changed", "trial_ended", "seats_assigned"}},
		{"ended", subscription.Start{}, []domain.Event{subscription.Ended{At: april(1), Reason: "canceled"}}, "CANCELED",
			[]string{ended, ended, ended, ended, "-", "-", ended, ended, ended, "-", "owner_changed", "-", "!license_ended"}},
	} {
		require.Len(t, state.then, len(commands), state.name)
		for i, c := range commands {
			t.Run(state.name+": "+c.name, func(t *testing.T) {
				s := open(t)
				start := state.start
				start.PlanID, start.Quantity = s.seats, ptr(3)
				id := s.start(start)
				if state.given != nil {
					s.Given(id, state.given...)
				}
				s.SetNow(april(2))
				require.Equal(t, state.is, s.view(id).Status)
				require.Equal(t, state.then[i], s.do(id, c.make(s, id)))
				require.Equal(t, s.sub(id).Version, int64(len(s.Stream(id))))
				s.CheckFolds()
			})
		}
	}
}
