package subscription_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/internal/ledgertest"
)

func TestSeatChanges(t *testing.T) {
	for name, tt := range map[string]struct {
		plan  func(*shop) uuid.UUID
		seats int
		given []string // grantees
		when  func(uuid.UUID) domain.Command
		then  string
		left  int // seats afterwards
	}{
		"added seats are unassigned":          {seats, 1, nil, add(2), "seats_added", 3},
		"S1 up to the maximum":                {seats, 1, nil, add(4), "seats_added", 5},
		"S1 not above it":                     {seats, 1, nil, add(5), "!seat_maximum", 1},
		"less than one":                       {seats, 1, nil, add(0), "!bad_count", 1},
		"more than one command makes":         {many, 1, nil, add(100_001), "!too_many_seats", 1},
		"S2 unassigned seats are removed":     {seats, 3, []string{"ann"}, remove(2), "seats_removed", 1},
		"S2 never partially":                  {seats, 3, []string{"ann", "bob"}, remove(2), "!not_enough_unassigned", 3},
		"S1 not below the minimum":            {seats, 3, nil, remove(3), "!seat_minimum", 3},
		"53 five to none":                     {many, 5, nil, set(0), "seats_removed", 0},
		"53 none to three":                    {many, 0, nil, set(3), "seats_added", 3},
		"50 the same quantity":                {seats, 3, nil, set(3), "-", 3},
		"55 below the assigned ones":          {many, 3, []string{"ann", "bob"}, set(1), "!not_enough_unassigned", 3},
		"S1 set above the maximum":            {seats, 3, nil, set(6), "!seat_maximum", 3},
		"B21 set below nothing":               {seats, 3, nil, set(-1), "!amount_out_of_range", 3},
		"a licensed plan has no seats to add": {single, 1, nil, add(1), "!not_per_seat", 1},
		"but a quantity":                      {single, 1, nil, set(9), "quantity_changed", 1},
		"of one or more":                      {single, 1, nil, set(0), "!quantity_out_of_limits", 1},
		"and the same quantity is none":       {single, 1, nil, set(1), "-", 1},
		"a proration that is none":            {seats, 1, nil, func(id uuid.UUID) domain.Command { return subscription.AddSeats{ID: id, Count: 1, Proration: "half"} }, "!bad_proration", 1},
		"B46 the same plan":                   {seats, 2, nil, func(id uuid.UUID) domain.Command { return nil }, "", 2},
		"unknown":                             {seats, 1, nil, func(uuid.UUID) domain.Command { return subscription.AddSeats{ID: uuid.Max, Count: 1} }, "!no_subscription", 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			id := s.start(subscription.Start{PlanID: tt.plan(s), Quantity: &tt.seats})
			if tt.given != nil {
				s.assign(id, tt.given...)
			}
			c := tt.when(id)
			if c == nil {
				c, tt.then = subscription.ChangePlan{ID: id, PlanID: tt.plan(s)}, "-"
			}
			require.Equal(t, tt.then, s.do(id, c))
			require.Equal(t, tt.left, s.view(id).Seats)
			if s.sub(id).Terms.LicenseType == catalog.PerSeat {
				require.Equal(t, tt.left, s.view(id).Quantity)
			}
			s.CheckFolds()
		})
	}
}

func seats(s *shop) uuid.UUID  { return s.seats }
func many(s *shop) uuid.UUID   { return s.many }
func single(s *shop) uuid.UUID { return s.single }

func add(n int) func(uuid.UUID) domain.Command {
	return func(id uuid.UUID) domain.Command { return subscription.AddSeats{ID: id, Count: n} }
}
func remove(n int) func(uuid.UUID) domain.Command {
	return func(id uuid.UUID) domain.Command { return subscription.RemoveSeats{ID: id, Count: n} }
}
func set(n int) func(uuid.UUID) domain.Command {
	return func(id uuid.UUID) domain.Command { return subscription.SetQuantity{ID: id, Quantity: n} }
}

// Rules S2 and S8: the newest unassigned seats go, for ever; without a provider all in one append.
func TestRemovalTakesTheNewest(t *testing.T) {
	s := open(t)
	id := s.start(subscription.Start{PlanID: s.many, Quantity: ptr(200)})
	var all []uuid.UUID
	for seat := range s.sub(id).Seats() {
		all = append(all, seat.ID)
	}
	s.Given(id, subscription.SeatsAssigned{Seats: []subscription.Seat{{ID: all[199], Grantee: domain.Grantee("ann")}, {ID: all[63], Grantee: domain.Grantee("bob")}}})
	answer, events, err := s.Execute(subscription.RemoveSeats{ID: id, Count: 136, Proration: "none"})
	require.NoError(t, err)
	require.Equal(t, []string{"subscription.seats_removed.v1"}, ledgertest.Names(events))
	e := events[0].Event.(subscription.SeatsRemoved)
	require.Equal(t, []uuid.UUID{all[198], all[197]}, e.Seats[:2])
	require.Equal(t, all[62], e.Seats[135], "passing over an assigned one")
	require.Equal(t, "none", e.Proration)
	a := answer.(subscription.TaskAnswer)
	require.Equal(t, task.Success, a.Status)
	require.Equal(t, e.TaskID, a.TaskID)
	require.Equal(t, task.RemoveSeats, e.Done)

	s.Given(id, subscription.SeatsAssigned{Seats: []subscription.Seat{{ID: all[198], Grantee: domain.Grantee("eve")}}})
	seat, ok := s.sub(id).Seat(all[198])
	require.True(t, ok)
	require.True(t, seat.Grantee.IsZero(), "a removed seat is so for ever")
	require.Equal(t, april(1), seat.RemovedAt)
}

func TestPlanChanges(t *testing.T) {
	month := subscription.Period{Start: april(1), End: april(31)}
	for name, tt := range map[string]struct {
		from     func(*shop) uuid.UUID
		seats    int
		given    []string
		when     func(*shop, *subscription.ChangePlan)
		then     string
		seated   int // seats afterwards
		quantity int
	}{
		"S4 seats move, and more come up to the new minimum": {seats, 2, []string{"ann"}, to(func(s *shop) uuid.UUID { return s.team }), "plan_changed", 3, 3},
		"S4 seats above the new maximum":                     {many, 6, nil, to(seats), "!seat_maximum", 6, 6},
		"S4 to fewer, given the number":                      {many, 6, nil, with(seats, 5), "seats_removed plan_changed", 5, 5},
		"S4 to fewer, but they are assigned":                 {many, 6, []string{"a", "b", "c", "d", "e", "f"}, with(seats, 5), "!not_enough_unassigned", 6, 6},
		"S1 to more than the new plan has":                   {seats, 2, nil, with(func(s *shop) uuid.UUID { return s.team }, 11), "!quantity_out_of_limits", 2, 2},
		"to more, given the number":                          {seats, 2, nil, with(func(s *shop) uuid.UUID { return s.team }, 7), "plan_changed", 7, 7},
		"from one licence to seats":                          {single, 9, nil, to(func(s *shop) uuid.UUID { return s.team }), "plan_changed", 3, 3},
		"from one seat to a licence":                         {seats, 1, nil, to(single), "plan_changed", 1, 1},
		"from no seat to a licence":                          {many, 0, nil, to(single), "plan_changed", 1, 1},
		"from many seats to one licence":                     {seats, 2, nil, to(single), "!seat_maximum", 2, 2},
		"unless they are given up for it":                    {many, 4, []string{"ann"}, with(single, 1), "seats_removed plan_changed", 1, 1},
		"S2 but never an assigned one":                       {many, 4, []string{"ann", "bob"}, with(single, 1), "!not_enough_unassigned", 4, 4},
		"a licence's quantity stays":                         {single, 9, nil, to(func(s *shop) uuid.UUID { return s.metered }), "plan_changed", 1, 9},
		"or is given":                                        {single, 9, nil, with(func(s *shop) uuid.UUID { return s.metered }, 4), "plan_changed", 1, 4},
		"B46 the same plan":                                  {seats, 2, nil, to(seats), "-", 2, 2},
		"the same plan with more seats":                      {seats, 2, nil, with(seats, 4), "seats_added", 4, 4},
		"an unknown plan":                                    {seats, 2, nil, to(func(s *shop) uuid.UUID { return s.product }), "!no_plan", 2, 2},
		"S4 a plan of another product":                       {seats, 2, nil, to(func(s *shop) uuid.UUID { return s.Plan(s.Product()) }), "!other_product", 2, 2},
		"C3 an archived plan": {seats, 2, nil, to(func(s *shop) uuid.UUID {
			ledgertest.Must[catalog.PlanView](s.Ledger, catalog.ArchivePlan{ID: s.team})
			return s.team
		}), "!plan_archived", 2, 2},
		"B46 a plan without the currency": {seats, 2, nil, to(func(s *shop) uuid.UUID {
			return s.Plan(s.product, func(f *catalog.PlanFields) { f.Currencies = []catalog.PlanCurrency{{Currency: "EUR", Price: 1}} })
		}), "!currency_not_offered", 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			id := s.start(subscription.Start{PlanID: tt.from(s), Quantity: &tt.seats})
			if tt.given != nil {
				s.assign(id, tt.given...)
			}
			s.SetNow(april(11))
			c := subscription.ChangePlan{ID: id}
			tt.when(s, &c)
			require.Equal(t, tt.then, s.do(id, c))
			v := s.view(id)
			require.Equal(t, []int{tt.seated, tt.quantity}, []int{v.Seats, v.Quantity})
			require.Equal(t, month, *v.CurrentPeriod, "the interval is the same: so is the period")
			s.CheckFolds()
		})
	}
}

func to(plan func(*shop) uuid.UUID) func(*shop, *subscription.ChangePlan) {
	return func(s *shop, c *subscription.ChangePlan) { c.PlanID = plan(s) }
}
func with(plan func(*shop) uuid.UUID, quantity int) func(*shop, *subscription.ChangePlan) {
	return func(s *shop, c *subscription.ChangePlan) { c.PlanID, c.Quantity = plan(s), &quantity }
}

// Rule S4: seats have the capabilities of the new plan; removed ones keep what they had.
func TestSeatsMoveWithThePlan(t *testing.T) {
	s := open(t)
	id := s.start(subscription.Start{PlanID: s.seats, Quantity: ptr(4)})
	s.do(id, subscription.RemoveSeats{ID: id, Count: 1})
	s.SetNow(april(3))
	require.Equal(t, "plan_changed", s.do(id, subscription.ChangePlan{ID: id, PlanID: s.team}))
	for seat := range s.sub(id).Seats() {
		if seat.RemovedAt.IsZero() {
			require.Equal(t, "admin", seat.Terms.Capabilities[0].Name)
			require.Equal(t, april(3), seat.UpdatedAt)
		} else {
			require.Equal(t, "edit", seat.Terms.Capabilities[0].Name)
			require.Equal(t, april(1), seat.UpdatedAt)
		}
	}
	// Rule C5 and the catalog's promise: what was bought stays as it was.
	ledgertest.Must[catalog.PlanView](s.Ledger, catalog.ChangePlan{ID: s.team, Patch: catalog.PlanPatch{Capabilities: &[]uuid.UUID{}, MaxSeatAmount: ptr(3)}})
	require.Equal(t, "seats_added", s.do(id, subscription.AddSeats{ID: id, Count: 5}))
	require.Equal(t, "admin", s.sub(id).Terms.Capabilities[0].Name)
}

// Another interval begins a new period now; without proration the running one is served out first; a
// trial goes on (case 91).
func TestPlanChangeToAnotherInterval(t *testing.T) {
	year := func(from time.Time) subscription.Period {
		return subscription.Period{Start: from, End: from.AddDate(1, 0, 0)}
	}
	month := subscription.Period{Start: april(1), End: april(31)}
	trial := subscription.Period{Start: april(1), End: april(15)}
	for name, tt := range map[string]struct {
		start     subscription.Start
		proration string
		period    subscription.Period
		next      subscription.Period
		cancel    bool
	}{
		"prorated: now":                                      {subscription.Start{}, "create_prorations", year(april(11)), subscription.Period{Start: april(11).AddDate(1, 0, 0), End: april(11).AddDate(2, 0, 0)}, false},
		"not prorated: at the period's end":                  {subscription.Start{}, "none", month, year(april(31)), false},
		"91 in a trial: at its end":                          {subscription.Start{TrialEnd: ptr(april(15))}, "", trial, year(april(15)), false},
		"S5 what ends with its period ends with the new one": {subscription.Start{}, "always_invoice", year(april(11)), subscription.Period{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			tt.start.PlanID = s.seats
			id := s.start(tt.start)
			if tt.cancel {
				s.do(id, subscription.Cancel{ID: id})
			}
			s.SetNow(april(11))
			happened := s.do(id, subscription.ChangePlan{ID: id, PlanID: s.yearly, Proration: tt.proration})
			require.Equal(t, tt.period, *s.view(id).CurrentPeriod)
			if tt.cancel {
				require.Equal(t, "plan_changed cancellation_scheduled", happened)
				require.Equal(t, tt.period.End, *s.view(id).CancelAt)
				return
			}
			require.Equal(t, "plan_changed", happened)
			s.SetNow(tt.period.End)
			s.do(id, subscription.Advance{ID: id})
			require.Equal(t, tt.next, *s.view(id).CurrentPeriod)
		})
	}
}

// Rule S9: what is due comes first, dated to its instant, unless nothing happens.
func TestWhatIsDueComesFirst(t *testing.T) {
	s := open(t)
	id := s.start(subscription.Start{PlanID: s.trial})
	s.SetNow(april(50))
	require.Equal(t, "-", s.do(id, subscription.SetQuantity{ID: id, Quantity: 1}))
	_, events, err := s.Execute(subscription.AddSeats{ID: id, Count: 1})
	require.NoError(t, err)
	events = ledgertest.On(id, events)
	require.Equal(t, []string{"subscription.trial_ended.v1", "subscription.renewed.v1", "subscription.renewed.v1", "subscription.seats_added.v1"}, ledgertest.Names(events))
	var at []time.Time
	for _, e := range events[:4] {
		at = append(at, e.EffectiveAt)
	}
	require.Equal(t, []time.Time{april(15), april(15), april(45), april(50)}, at)
}
