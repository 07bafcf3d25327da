package subscription

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/internal/mutant"
)

// Proration of a change.
const (
	CreateProrations = account.CreateProrations // default
	NoProration      = account.NoProration
	AlwaysInvoice    = account.AlwaysInvoice
)

// TaskAnswer is what a change of seats or plan and a cancellation answer. TaskID is zero and Status
// success when nothing had to change.
type TaskAnswer struct {
	TaskID       uuid.UUID `json:"task_id"`
	Status       string    `json:"status"` // task.Pending, task.Success, …
	Subscription View      `json:"subscription"`
}

// Change is what an open task is about: the Params of its task.Requested.
type Change struct {
	Seats     int        `json:"seats,omitzero"`    // more seats, or fewer below zero
	Quantity  *int       `json:"quantity,omitzero"` // of a plan not sold by the seat, or with the new plan
	PlanID    *uuid.UUID `json:"plan_id,omitzero"`
	Proration string     `json:"proration"`
}

// AddSeats makes unassigned seats. It answers TaskAnswer.
//
// NotFound: no_subscription. Invalid: bad_count, too_many_seats, bad_proration, bad_when. Conflict: not_per_seat,
// seat_maximum, change_in_progress, subscription_ended, subscription_paused, subscription_incomplete.
type AddSeats struct {
	ID        uuid.UUID
	Count     int
	Proration string
	When      string // now (default), periodEnd
}

// Decide implements domain.Command.
func (c AddSeats) Decide(l domain.Ledger) (any, error) {
	if err := checkCount("/increment", c.Count); err != nil {
		return nil, err
	}
	return change(l, c.ID, c.When, task.CreateSeats, Change{Seats: c.Count, Proration: c.Proration})
}

// RemoveSeats cancels unassigned seats, the newest first, all or none (rule S2). It answers TaskAnswer.
//
// Like AddSeats, with the conflicts seat_minimum and not_enough_unassigned in place of seat_maximum.
type RemoveSeats struct {
	ID        uuid.UUID
	Count     int
	Proration string
	When      string // now (default), periodEnd
}

// Decide implements domain.Command.
func (c RemoveSeats) Decide(l domain.Ledger) (any, error) {
	if err := checkCount("/decrement", c.Count); err != nil {
		return nil, err
	}
	return change(l, c.ID, c.When, task.RemoveSeats, Change{Seats: -c.Count, Proration: c.Proration})
}

func checkCount(pointer string, n int) error {
	switch {
	case n < 1:
		return domain.RefuseField(pointer, "bad_count", "it is 1 or more")
	case n > MaxSeatsPerCommand:
		return domain.RefuseField(pointer, "too_many_seats", "one command changes at most %d seats", MaxSeatsPerCommand)
	}
	return nil
}

// SetQuantity adds or removes what leads to a number of seats, those of open tasks counted as done; for
// a plan not sold by the seat it sets the quantity. It answers TaskAnswer, unchanged without an event.
//
// Like AddSeats and RemoveSeats; Invalid: amount_out_of_range, quantity_out_of_limits.
type SetQuantity struct {
	ID        uuid.UUID
	Quantity  int
	Proration string
	When      string // now (default), periodEnd
}

// Decide implements domain.Command.
func (c SetQuantity) Decide(l domain.Ledger) (any, error) {
	if err := checkQuantity(c.Quantity); err != nil {
		return nil, err
	}
	s, err := load(l, c.ID)
	if err != nil {
		return nil, err
	}
	s, _ = s.by(l.Now())
	if s.Terms.LicenseType != catalog.PerSeat {
		typ := task.CreateSeats
		if c.Quantity < s.Quantity {
			typ = task.RemoveSeats
		}
		return change(l, c.ID, c.When, typ, Change{Quantity: &c.Quantity, Proration: c.Proration})
	}
	own := *s // without what a scheduled change keeps: it makes way
	own.reserve(s.Scheduled, -1)
	seats := c.Quantity - (own.seats.active + own.rising - own.falling)
	typ := task.CreateSeats
	if seats < 0 {
		typ = task.RemoveSeats
	}
	if max(seats, -seats) > MaxSeatsPerCommand {
		return nil, domain.RefuseField("/quantity", "too_many_seats", "one command changes at most %d seats", MaxSeatsPerCommand)
	}
	return change(l, c.ID, c.When, typ, Change{Seats: seats, Proration: c.Proration})
}

// ChangePlan moves the subscription with its seats to another plan of the product, or to the newest version of its own
// (rule S4). It answers TaskAnswer; the same version and quantity make no event, the same version with another quantity is
// a SetQuantity.
//
// A Quantity that is not given stays, but for a new minimum. Where the interval changes, the anchor
// moves to now and a new period begins; with the proration none the running period is served out and
// the new interval begins at its end. A trial goes on.
//
// NotFound: no_subscription, no_plan. Invalid: other_product, quantity_out_of_limits, bad_proration.
// Conflict: plan_archived, plan_coming_soon, currency_not_offered, seat_maximum, not_enough_unassigned,
// change_in_progress, subscription_ended, subscription_paused, subscription_incomplete.
type ChangePlan struct {
	ID        uuid.UUID
	PlanID    uuid.UUID
	Quantity  *int
	Proration string
	When      string // now (default), periodEnd
}

// Decide implements domain.Command.
func (c ChangePlan) Decide(l domain.Ledger) (any, error) {
	if c.Quantity != nil {
		if err := checkQuantity(*c.Quantity); err != nil {
			return nil, err
		}
	}
	s, err := load(l, c.ID)
	if err != nil {
		return nil, err
	}
	s, _ = s.by(l.Now())
	newest, err := s.newest(l, c.PlanID)
	if err != nil {
		return nil, err
	}
	if newest {
		quantity := s.Quantity
		if s.Terms.LicenseType == catalog.PerSeat {
			own := *s
			own.reserve(s.Scheduled, -1)
			quantity += own.rising - own.falling
		}
		if c.Quantity != nil {
			quantity = *c.Quantity
		}
		return SetQuantity{ID: c.ID, Quantity: quantity, Proration: c.Proration, When: c.When}.Decide(l)
	}
	return change(l, c.ID, c.When, task.ChangePlan, Change{PlanID: &c.PlanID, Quantity: c.Quantity, Proration: c.Proration})
}

// newest tells whether a plan is the subscription's own, in the version that is sold by now.
func (f *Facts) newest(l domain.Ledger, plan uuid.UUID) (bool, error) {
	if plan != f.Terms.PlanID {
		return false, nil
	}
	own, err := domain.LoadAs[*catalog.Plan](l, plan, "no_plan")
	return err == nil && own.PlanVersion == f.Terms.PlanVersion, err
}

// change decides a change that is asked for: done in this append, or asked of the provider (rule S8).
func change(l domain.Ledger, id uuid.UUID, when, typ string, c Change) (any, error) {
	c.Proration = or(c.Proration, CreateProrations)
	var bad domain.Problems
	bad.OneOf("/proration", "bad_proration", c.Proration, CreateProrations, NoProration, AlwaysInvoice)
	if when != "" {
		bad.OneOf("/when", "bad_when", when, Now, PeriodEnd)
	}
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	s, err := load(l, id)
	if err != nil {
		return nil, err
	}
	then, due := s.by(l.Now())
	f := then.Facts
	taskID := l.NewID()
	// A scheduled change makes way: nothing is kept for it.
	free := *then
	free.reserve(f.Scheduled, -1)
	events, err := free.perform(l, &f, c, taskID)
	if err != nil {
		return nil, err
	}
	if len(events) == 0 {
		return TaskAnswer{Status: task.Success, Subscription: s.View(l.Now())}, nil
	}
	if when == PeriodEnd {
		return postponed(l, s, &f, due, events, taskID)
	}
	if f.Scheduled != nil {
		due = append(due, dateNow(l, ScheduleDropped{})...)
	}
	answer := TaskAnswer{TaskID: taskID, Status: task.Pending}
	if f.Provider == ManualProvider {
		params, err := json.Marshal(c)
		if err != nil {
			return nil, fmt.Errorf("encode the change: %w", err)
		}
		asked := ChangeRequested{TaskID: taskID, Seats: seatsOf(events), PlanID: c.PlanID}
		if answer.Subscription, err = record(l, id, s.Facts, append(due, dateNow(l, asked)...)); err != nil {
			return nil, err
		}
		l.Append(taskID, task.Requested{Type: typ, Subject: id, Provider: f.Provider, Params: params})
	} else {
		answer.Status = task.Success
		answer.Subscription, err = record(l, id, s.Facts, append(due, dateNow(l, done(events, typ)...)...))
	}
	return answer, err
}

// seatsOf is how many more seats there are after events.
func seatsOf(events []domain.Event) (n int) {
	for _, e := range events {
		switch e := e.(type) {
		case SeatsAdded:
			n += len(e.Seats)
		case SeatsRemoved:
			n -= len(e.Seats)
		case PlanChanged:
			n += len(e.Added)
		}
	}
	return n
}

// done marks the last event of a change with the type of its task.
func done(events []domain.Event, typ string) []domain.Event {
	for i, e := range slices.Backward(events) {
		switch e := e.(type) {
		case SeatsAdded:
			e.Done = typ
			events[i] = e
		case SeatsRemoved:
			e.Done = typ
			events[i] = e
		case QuantityChanged:
			e.Done = typ
			events[i] = e
		case PlanChanged:
			e.Done = typ
			events[i] = e
		default:
			continue // the end that moves with the period
		}
		return events
	}
	return events
}

// perform is what a change would append to s, whose facts are f by now; nothing when it changes
// nothing. A change is checked with it when it is asked for and again when the provider has agreed.
func (s *State) perform(l domain.Ledger, f *Facts, c Change, taskID uuid.UUID) ([]domain.Event, error) {
	own, err := s.free(f, c.PlanID != nil || c.Quantity != nil, taskID)
	if err != nil {
		return nil, err
	}
	switch {
	case c.PlanID != nil:
		return s.performPlan(l, f, c, taskID)
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
		return f.refuse("subscription_paused", "it is paused: resume it first")
	case Incomplete:
		return f.refuse("subscription_incomplete", "its first invoice is not paid")
	}
	return f.ended()
}

func (f *Facts) ended() error {
	at := ""
	if f.EndedAt != nil {
		at = " at " + f.EndedAt.Format(time.RFC3339)
	}
	return f.refuse("subscription_ended", "it ended"+at)
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
