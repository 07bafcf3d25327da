package subscription

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/internal/mutant"
)

// perform is what a change would append to s, whose facts are f by an instant; nothing when it changes
// nothing. A change is checked with it when it is asked for and again when the provider has agreed.
func (s *State) perform(l domain.Ledger, f *Facts, c Change, at time.Time, taskID uuid.UUID) ([]domain.Event, error) {
	own, err := s.free(f, c.PlanID != nil || c.Quantity != nil, taskID)
	if err != nil {
		return nil, err
	}
	switch {
	case c.PlanID != nil:
		return s.performPlan(l, f, c, at, taskID)
	case c.Quantity != nil:
		return f.performQuantity(l, c, taskID)
	case f.Terms.LicenseType != catalog.PerSeat:
		return nil, &domain.Error{Kind: domain.Conflict, Code: "not_per_seat", State: f.Terms.LicenseType,
			Detail: "only plans of the licence type perSeat have seats to add or remove"}
	case c.Seats > 0:
		if err := s.room(f, s.rising-max(own.Seats, 0), c.Seats); err != nil {
			return nil, err
		}
		if err := f.affordable(l, s.seats.active+s.rising-max(own.Seats, 0)+c.Seats); err != nil {
			return nil, err
		}
		return []domain.Event{SeatsAdded{TaskID: taskID, Seats: newIDs(l, c.Seats), Capabilities: f.Terms.Capabilities,
			Quantity: s.seats.active + c.Seats, Proration: c.Proration}}, nil
	case c.Seats < 0:
		return s.performRemoval(f, s.falling-max(-own.Seats, 0), c, taskID)
	}
	return nil, nil
}

// free refuses changes in a status that has none, and beside open ones that bear no other; alone tells whether this
// one bears none. It answers what the task has reserved already.
func (s *State) free(f *Facts, alone bool, taskID uuid.UUID) (own ChangeRequested, err error) {
	if err := f.changeable(); err != nil {
		return own, err
	}
	others, blocking := len(s.open), s.alone
	own, reserved := s.open[taskID]
	if reserved {
		if others--; own.alone() {
			blocking--
		}
	}
	if blocking > 0 || others > 0 && alone {
		return own, f.refuse("change_in_progress", "another change of this subscription is waiting for the provider")
	}
	return own, nil
}

// room refuses more seats than the plan has, those that other tasks want included (rule S1).
func (s *State) room(f *Facts, rising, more int) error {
	limit := catalog.MaxSeats
	if f.Terms.MaxSeats >= 0 {
		limit = min(limit, f.Terms.MaxSeats)
	}
	if mutant.Active == mutant.OneSeatMore {
		limit++
	}
	if mutant.Active == mutant.ForgottenRoom {
		rising = 0
	}
	if s.seats.active+rising+more <= limit {
		return nil
	}
	return &domain.Error{Kind: domain.Conflict, Code: "seat_maximum", State: fmt.Sprintf("%d seats", s.seats.active),
		Detail: fmt.Sprintf("the plan has at most %d seats; there are %d%s", limit, s.seats.active, inOpenTasks(rising))}
}

func inOpenTasks(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d in open tasks", n)
}

// performRemoval: falling is what other tasks want to remove.
func (s *State) performRemoval(f *Facts, falling int, c Change, taskID uuid.UUID) ([]domain.Event, error) {
	fewer, unassigned := -c.Seats, s.UnassignedSeats()
	switch {
	case s.seats.active-falling-fewer < f.Terms.MinSeats:
		return nil, &domain.Error{Kind: domain.Conflict, Code: "seat_minimum", State: fmt.Sprintf("%d seats", s.seats.active),
			Detail: fmt.Sprintf("the plan has %d seats or more; there are %d%s", f.Terms.MinSeats, s.seats.active, inOpenTasks(falling))}
	case unassigned-falling < fewer:
		return nil, &domain.Error{Kind: domain.Conflict, Code: "not_enough_unassigned", State: fmt.Sprintf("%d unassigned", unassigned),
			Detail: fmt.Sprintf("only unassigned seats are removed; there are %d%s", unassigned, inOpenTasks(falling))}
	}
	return []domain.Event{SeatsRemoved{TaskID: taskID, Seats: s.seats.newestUnassigned(fewer),
		Quantity: s.seats.active - fewer, Proration: c.Proration}}, nil
}

// affordable refuses a quantity whose price no invoice could hold: amount_out_of_range.
func (f *Facts) affordable(l domain.Ledger, quantity int) error {
	state, err := l.Load(f.Terms.PlanID)
	if err != nil {
		return err
	}
	plan, ok := state.(*catalog.Plan)
	if !ok {
		return nil
	}
	return plan.CheckCharge(f.Terms.PlanVersion, f.Currency, quantity)
}

func (f *Facts) performQuantity(l domain.Ledger, c Change, taskID uuid.UUID) ([]domain.Event, error) {
	if err := withinLimits(f.Terms, *c.Quantity); err != nil {
		return nil, err
	}
	if f.Terms.LicenseType == catalog.PerSeat { // the plan changed meanwhile
		return nil, &domain.Error{Kind: domain.Conflict, Code: "per_seat", State: f.Terms.LicenseType,
			Detail: "the quantity of a perSeat plan is its number of seats"}
	}
	if *c.Quantity == f.Quantity {
		return nil, nil
	}
	if err := f.affordable(l, *c.Quantity); err != nil {
		return nil, err
	}
	return []domain.Event{QuantityChanged{TaskID: taskID, Quantity: *c.Quantity, Proration: c.Proration}}, nil
}

// changeable refuses changes in the statuses that have none (rule S12).
func (f *Facts) changeable() error {
	switch f.Status {
	case Active, Trialing, PastDue:
		return nil
	case Paused:
		return f.refuse("subscription_paused", "the subscription is paused: resume it first")
	case Incomplete:
		return f.refuse("subscription_incomplete", "the subscription's first invoice is not paid")
	}
	return f.ended()
}

func (f *Facts) ended() error {
	at := ""
	if f.EndedAt != nil {
		at = " at " + f.EndedAt.Format(time.RFC3339)
	}
	return f.refuse("subscription_ended", "the subscription ended"+at)
}

func (f *Facts) refuse(code, detail string) error {
	return &domain.Error{Kind: domain.Conflict, Code: code, State: f.Status, Detail: detail}
}

func newIDs(l domain.Ledger, n int) []uuid.UUID {
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = l.NewID()
	}
	return ids
}
