package subscription_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

// market is two plans that a random subscription moves between, and their limits.
type market struct {
	*ledgertest.Ledger
	plans  [2]uuid.UUID
	limits [2][2]int // minimum and maximum
}

func newMarket(t *rapid.T) *market {
	m := &market{Ledger: ledgertest.New(t, april(1))}
	product := m.Product()
	for i := range m.plans {
		lowest := rapid.IntRange(0, 4).Draw(t, "minimum")
		highest := lowest + rapid.IntRange(0, 6).Draw(t, "room")
		if rapid.IntRange(0, 3).Draw(t, "open") == 0 {
			highest = -1
		}
		m.limits[i] = [2]int{lowest, highest}
		m.plans[i] = m.Plan(product, func(f *catalog.PlanFields) {
			f.PerSeatAmount, f.MaxSeatAmount = lowest, highest
			f.Interval, f.Length = rapid.SampledFrom([]string{"day", "week", "month"}).Draw(t, "interval"), rapid.IntRange(1, 3).Draw(t, "length")
		})
	}
	return m
}

// start begins a random subscription within the first plan's limits, or gives up.
func (m *market) start(t *rapid.T) uuid.UUID {
	quantity := m.limits[0][0] + rapid.IntRange(0, 3).Draw(t, "above")
	if highest := m.limits[0][1]; highest >= 0 {
		quantity = min(quantity, highest)
	}
	c := subscription.Start{PlanID: m.plans[0], Quantity: &quantity, Provider: rapid.SampledFrom([]string{"none", "manual"}).Draw(t, "provider")}
	if rapid.Bool().Draw(t, "trial") {
		c.TrialEnd = ptr(april(1 + rapid.IntRange(1, 40).Draw(t, "days")))
	}
	if rapid.Bool().Draw(t, "anchored") {
		c.AnchorAt = ptr(april(rapid.IntRange(-40, 40).Draw(t, "anchor")))
	}
	return ledgertest.Must[subscription.View](m.Ledger, c).ID
}

// step does something at random; refusals are as good as anything.
func (m *market) step(t *rapid.T, id uuid.UUID, tasks *[]uuid.UUID) {
	count := rapid.IntRange(1, 4).Draw(t, "count")
	plan := m.plans[rapid.IntRange(0, 1).Draw(t, "plan")]
	var c domain.Command
	switch rapid.IntRange(0, 13).Draw(t, "step") {
	case 0, 1:
		c = subscription.AddSeats{ID: id, Count: count}
	case 2, 3:
		c = subscription.RemoveSeats{ID: id, Count: count}
	case 4:
		c = subscription.SetQuantity{ID: id, Quantity: count}
	case 5:
		c = subscription.ChangePlan{ID: id, PlanID: plan, Proration: rapid.SampledFrom([]string{"none", "always_invoice"}).Draw(t, "proration")}
	case 6:
		c = subscription.ChangePlan{ID: id, PlanID: plan, Quantity: &count}
	case 7, 8:
		c = m.assign(t, id)
	case 9:
		m.Pass(time.Duration(rapid.IntRange(0, 40*24).Draw(t, "hours")) * time.Hour)
		return
	case 10:
		c = rapid.SampledFrom([]domain.Command{subscription.Pause{ID: id}, subscription.Resume{ID: id}, subscription.Cancel{ID: id}, subscription.Reactivate{ID: id}, subscription.Advance{ID: id}}).Draw(t, "life")
	default:
		if len(*tasks) == 0 {
			return
		}
		task := rapid.SampledFrom(*tasks).Draw(t, "task")
		c = subscription.CompleteTask{TaskID: task, Attempt: 1}
		if rapid.IntRange(0, 3).Draw(t, "fails") == 0 {
			c = subscription.FailTask{TaskID: task, Attempt: 1, Code: "refused"}
		}
	}
	answer, _, err := m.Execute(c)
	if _, refused := domain.AsRefusal(err); err != nil && !refused {
		t.Fatalf("%T: %v", c, err)
	}
	if a, ok := answer.(subscription.TaskAnswer); ok && a.Status == "pending" {
		*tasks = append(*tasks, a.TaskID)
	}
}

func (m *market) assign(t *rapid.T, id uuid.UUID) domain.Command {
	var seats []uuid.UUID
	for seat := range m.State(id).(*subscription.State).Seats() {
		seats = append(seats, seat.ID)
	}
	if len(seats) == 0 {
		return subscription.Advance{ID: id}
	}
	var grantee *string
	if rapid.Bool().Draw(t, "unassign") {
		grantee = ptr(rapid.SampledFrom([]string{"ann", "bob"}).Draw(t, "grantee"))
	}
	return license.Assign{Ref: license.Ref{LicenseID: rapid.SampledFrom(seats).Draw(t, "seat"), SubscriptionID: &id}, Grantee: grantee}
}

// Rules S1 and S2 under random commands, open tasks included: seats stay within the limits of the plan
// in force, the counters and the index of unassigned seats agree with a count one by one, and the fold
// of the log is that of the decisions.
func TestSeatsStayWithinLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMarket(t)
		id := m.start(t)
		var tasks []uuid.UUID
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			m.step(t, id, &tasks)
			s := m.State(id).(*subscription.State)
			active, assigned := 0, 0
			for seat := range s.Seats() {
				if seat.RemovedAt.IsZero() {
					active++
					if !seat.Grantee.IsZero() {
						assigned++
					}
				}
			}
			require.Equal(t, []int{active, assigned, active - assigned}, []int{s.ActiveSeats(), s.AssignedSeats(), s.UnassignedSeats()})
			require.Equal(t, active, s.Quantity)
			require.GreaterOrEqual(t, active, s.Terms.MinSeats)
			if s.Terms.MaxSeats >= 0 {
				require.LessOrEqual(t, active, s.Terms.MaxSeats)
			}
		}
		m.CheckFolds()
	})
}

// The newest unassigned seats are what RemoveSeats takes, whatever was assigned, unassigned and removed.
func TestUnassignedIndexAgreesWithACount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := ledgertest.New(t, april(1))
		plan := l.Plan(l.Product(), func(f *catalog.PlanFields) { f.PerSeatAmount = 0 })
		id := ledgertest.Must[subscription.View](l, subscription.Start{PlanID: plan, Quantity: ptr(rapid.IntRange(0, 130).Draw(t, "seats"))}).ID
		for range rapid.IntRange(1, 7).Draw(t, "steps") {
			var all, free []uuid.UUID
			for seat := range l.State(id).(*subscription.State).Seats() {
				all = append(all, seat.ID)
				if seat.Grantee.IsZero() && seat.RemovedAt.IsZero() {
					free = append([]uuid.UUID{seat.ID}, free...)
				}
			}
			if len(all) > 0 && rapid.Bool().Draw(t, "assign") {
				var items []license.Assign
				for _, seat := range rapid.SliceOfN(rapid.SampledFrom(all), 1, 30).Draw(t, "which") {
					var grantee *string
					if rapid.Bool().Draw(t, "unassign") {
						grantee = ptr("ann")
					}
					items = append(items, license.Assign{Ref: license.Ref{LicenseID: seat, SubscriptionID: &id}, Grantee: grantee})
				}
				if _, _, err := l.Execute(license.AssignMany{Items: items}); err != nil { // all of them removed
					require.ErrorIs(t, err, &domain.Error{Code: "invalid_items"})
				}
				continue
			}
			if len(free) == 0 {
				ledgertest.Must[subscription.TaskAnswer](l, subscription.AddSeats{ID: id, Count: rapid.IntRange(1, 70).Draw(t, "more")})
				continue
			}
			n := rapid.IntRange(1, len(free)).Draw(t, "fewer")
			_, events, err := l.Execute(subscription.RemoveSeats{ID: id, Count: n})
			require.NoError(t, err)
			require.Equal(t, free[:n], events[0].Event.(subscription.SeatsRemoved).Seats)
		}
		l.CheckFolds()
	})
}

// Rule S5: cancelling and reactivating undo each other, and doing either twice is doing it once.
func TestCancelAndReactivateLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMarket(t)
		id := m.start(t)
		m.Pass(time.Duration(rapid.IntRange(0, 100*24).Draw(t, "hours")) * time.Hour)
		ledgertest.Must[subscription.View](m.Ledger, subscription.Advance{ID: id})
		before := m.State(id).(*subscription.State).View(m.Now())

		once := ledgertest.Must[subscription.TaskAnswer](m.Ledger, subscription.Cancel{ID: id}).Subscription
		twice := ledgertest.Must[subscription.TaskAnswer](m.Ledger, subscription.Cancel{ID: id}).Subscription
		once.Position = 0 // where its event is: the second has none
		require.Empty(t, ledgertest.Diff(once, twice))
		require.Equal(t, before.ExpiryDate, *once.CancelAt)
		after := ledgertest.Must[subscription.View](m.Ledger, subscription.Reactivate{ID: id})
		after.Position = 0
		require.Empty(t, ledgertest.Diff(after, ledgertest.Must[subscription.View](m.Ledger, subscription.Reactivate{ID: id})))
		before.Version, after.Version = 0, 0
		before.UpdatedAt, after.UpdatedAt = time.Time{}, time.Time{}
		require.Empty(t, ledgertest.Diff(before, after))

		ledgertest.Must[subscription.TaskAnswer](m.Ledger, subscription.Cancel{ID: id, Now: rapid.Bool().Draw(t, "now")})
		m.SetNow(before.ExpiryDate)
		_, _, ok := m.State(id).(*subscription.State).AccessUntil(m.Now())
		require.False(t, ok)
		_, _, err := m.Execute(subscription.Reactivate{ID: id})
		require.ErrorIs(t, err, &domain.Error{Code: "subscription_ended"})
	})
}

// Case 103 and rule S9: whether the scheduler ran at every hour, now and then or once, the same happened
// at the same instants; periods are in order, without a gap or an overlap.
func TestAdvanceInStepsIsAdvanceAtOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMarket(t)
		id := m.start(t)
		if rapid.Bool().Draw(t, "ends") {
			ledgertest.Must[subscription.TaskAnswer](m.Ledger, subscription.Cancel{ID: id})
		}
		happened := m.Stream(id)
		state := m.State(id).(*subscription.State).View(m.Now())
		hours := rapid.SliceOfN(rapid.IntRange(1, 30*24), 1, 6).Draw(t, "hours")
		run := func(each bool) []ledgertest.Event {
			l := ledgertest.New(t, april(1))
			for _, e := range happened {
				l.Given(id, e.Event)
			}
			for _, h := range hours {
				l.Pass(time.Duration(h) * time.Hour)
				if each {
					ledgertest.Must[subscription.View](l, subscription.Advance{ID: id})
				}
			}
			v := ledgertest.Must[subscription.View](l, subscription.Advance{ID: id})
			require.True(t, v.DueAt == nil || v.DueAt.After(l.Now()))
			return l.Stream(id)[len(happened):]
		}
		steps, once := run(true), run(false)
		require.Equal(t, len(once), len(steps))
		end := state.ExpiryDate
		for i := range once {
			require.Empty(t, ledgertest.Diff(once[i].Event, steps[i].Event))
			require.Equal(t, once[i].EffectiveAt, steps[i].EffectiveAt)
			if e, ok := once[i].Event.(subscription.Renewed); ok {
				require.Equal(t, end, e.Period.Start)
				require.True(t, e.Period.End.After(e.Period.Start))
				end = e.Period.End
			}
		}
	})
}
