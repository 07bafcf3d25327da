package subscription_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

// A plan is offered if and only if it is public, another one, and a change to it would be taken now.
func TestWhatIsOfferedCanBeChangedTo(t *testing.T) {
	offered := 0
	rapid.Check(t, func(t *rapid.T) {
		l := ledgertest.New(t, april(1))
		product, elsewhere := l.Product(), l.Product()
		var plans []uuid.UUID
		private := map[uuid.UUID]bool{}
		plan := func(of uuid.UUID) uuid.UUID {
			var hidden bool
			id := l.Plan(of, func(f *catalog.PlanFields) {
				f.LicenseType = rapid.SampledFrom([]string{catalog.PerSeat, catalog.PerSeat, catalog.Licensed, catalog.Metered}).Draw(t, "licence type")
				f.PerSeatAmount = rapid.IntRange(0, 4).Draw(t, "minimum")
				f.MaxSeatAmount = f.PerSeatAmount + rapid.IntRange(0, 3).Draw(t, "room")
				f.Interval = rapid.SampledFrom([]string{"month", "year"}).Draw(t, "interval")
				if currency := rapid.SampledFrom([]string{"", "USD", "EUR"}).Draw(t, "currency"); currency != "" {
					f.PricingType, f.Currencies = "paid", []catalog.PlanCurrency{{Currency: currency, Price: 100}}
				}
				if len(plans) > 0 {
					f.PlanType = rapid.SampledFrom([]string{"Standard", "Standard", "Standard", catalog.PlanComingSoon}).Draw(t, "plan type")
					f.Active = rapid.IntRange(0, 4).Draw(t, "active") > 0
					hidden = rapid.IntRange(0, 4).Draw(t, "private") == 0
				}
				if hidden {
					f.Visibility = "private"
				}
			})
			private[id] = hidden
			plans = append(plans, id)
			return id
		}
		first := plan(product)
		for range rapid.IntRange(1, 6).Draw(t, "plans") {
			id := plan(rapid.SampledFrom([]uuid.UUID{product, product, product, elsewhere}).Draw(t, "product"))
			if rapid.IntRange(0, 5).Draw(t, "archived") == 0 {
				ledgertest.Must[catalog.PlanView](l, catalog.ArchivePlan{ID: id})
			}
		}
		plans = append(plans, uuid.New())
		sub := ledgertest.Must[subscription.View](l, subscription.Start{PlanID: first, Incomplete: rapid.IntRange(0, 5).Draw(t, "incomplete") == 0,
			Provider: rapid.SampledFrom([]string{"none", "manual"}).Draw(t, "provider")}).ID
		for range rapid.IntRange(0, 4).Draw(t, "steps") {
			_, _, err := l.Execute(rapid.SampledFrom([]domain.Command{subscription.AddSeats{ID: sub, Count: 1}, subscription.RemoveSeats{ID: sub, Count: 1},
				subscription.Pause{ID: sub}, subscription.Resume{ID: sub}, subscription.Cancel{ID: sub}, subscription.Cancel{ID: sub, Now: true}}).Draw(t, "step"))
			if _, ok := domain.AsRefusal(err); err != nil && !ok {
				t.Fatal(err)
			}
		}
		var want []uuid.UUID
		for _, id := range plans {
			_, _, err := l.DryRun(subscription.ChangePlan{ID: sub, PlanID: id})
			if _, ok := domain.AsRefusal(err); err != nil && !ok {
				t.Fatal(err)
			}
			if err == nil && id != first && !private[id] {
				want = append(want, id)
				offered++
			}
		}
		answer, events, err := l.DryRun(subscription.Switchable{ID: sub, PlanIDs: plans})
		require.NoError(t, err)
		require.Empty(t, events)
		require.ElementsMatch(t, want, answer)
	})
	require.NotZero(t, offered)
}

// While the subscription itself cannot change, nothing is offered.
func TestNothingIsOfferedToWhatCannotChange(t *testing.T) {
	for name, tt := range map[string]struct {
		start subscription.Start
		then  func(uuid.UUID) domain.Command
		count int
	}{
		"active":     {subscription.Start{}, nil, 2},
		"incomplete": {subscription.Start{Incomplete: true}, nil, 0},
		"paused":     {subscription.Start{}, func(id uuid.UUID) domain.Command { return subscription.Pause{ID: id} }, 0},
		"ended":      {subscription.Start{}, func(id uuid.UUID) domain.Command { return subscription.Cancel{ID: id, Now: true} }, 0},
		"changing":   {subscription.Start{Provider: subscription.ManualProvider}, func(id uuid.UUID) domain.Command { return subscription.AddSeats{ID: id, Count: 1} }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			tt.start.PlanID = s.seats
			id := s.start(tt.start)
			if tt.then != nil {
				require.NotContains(t, s.do(id, tt.then(id)), "!")
			}
			answer, _, err := s.DryRun(subscription.Switchable{ID: id, PlanIDs: []uuid.UUID{s.many, s.seats, s.yearly}})
			require.NoError(t, err)
			require.Len(t, answer, tt.count)
		})
	}
}

// What is announced only is not sold: no subscription begins on it.
func TestNoSubscriptionBeginsOnWhatIsToCome(t *testing.T) {
	s := open(t)
	soon := s.Plan(s.product, func(f *catalog.PlanFields) { f.PlanType = catalog.PlanComingSoon })
	for _, c := range []subscription.Start{{PlanID: soon}, {PlanID: soon, Incomplete: true}, {PlanID: soon, Status: subscription.Active}} {
		_, events, err := s.Execute(c)
		require.ErrorIs(t, err, &domain.Error{Code: "plan_coming_soon"})
		require.Empty(t, events)
	}
}
