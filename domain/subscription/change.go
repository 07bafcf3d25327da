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
// NotFound: no_subscription. Invalid: bad_count, too_many_seats, bad_proration, bad_when, bad_effective_at. Conflict: not_per_seat,
// seat_maximum, change_in_progress, subscription_ended, subscription_paused, subscription_incomplete.
type AddSeats struct {
	ID          uuid.UUID
	Count       int
	Proration   string
	When        string     // now (default), periodEnd
	EffectiveAt *time.Time // rule S18
}

// Decide implements domain.Command.
func (c AddSeats) Decide(l domain.Ledger) (any, error) {
	if err := checkCount("/increment", c.Count); err != nil {
		return nil, err
	}
	return change(l, c.ID, asked{c.When, c.EffectiveAt}, task.CreateSeats, Change{Seats: c.Count, Proration: c.Proration})
}

// RemoveSeats cancels unassigned seats, the newest first, all or none (rule S2). It answers TaskAnswer.
//
// Like AddSeats, with the conflicts seat_minimum and not_enough_unassigned in place of seat_maximum.
type RemoveSeats struct {
	ID          uuid.UUID
	Count       int
	Proration   string
	When        string     // now (default), periodEnd
	EffectiveAt *time.Time // rule S18
}

// Decide implements domain.Command.
func (c RemoveSeats) Decide(l domain.Ledger) (any, error) {
	if err := checkCount("/decrement", c.Count); err != nil {
		return nil, err
	}
	return change(l, c.ID, asked{c.When, c.EffectiveAt}, task.RemoveSeats, Change{Seats: -c.Count, Proration: c.Proration})
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
	ID          uuid.UUID
	Quantity    int
	Proration   string
	When        string     // now (default), periodEnd
	EffectiveAt *time.Time // rule S18
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
	m, err := s.moment(l.Now(), c.When, c.EffectiveAt, true)
	if err != nil {
		return nil, err
	}
	s, _ = s.by(m.by)
	if s.Terms.LicenseType != catalog.PerSeat {
		typ := task.CreateSeats
		if c.Quantity < s.Quantity {
			typ = task.RemoveSeats
		}
		return change(l, c.ID, asked{c.When, c.EffectiveAt}, typ, Change{Quantity: &c.Quantity, Proration: c.Proration})
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
	return change(l, c.ID, asked{c.When, c.EffectiveAt}, typ, Change{Seats: seats, Proration: c.Proration})
}

// ChangePlan moves the subscription with its seats to another plan of the product, or to the newest version of its own
// (rule S4). It answers TaskAnswer; the same version and quantity make no event, the same version with another quantity is
// a SetQuantity.
//
// A Quantity that is not given stays, but for a new minimum. Where the interval changes, the anchor
// moves to now and a new period begins; with the proration none the running period is served out and
// the new interval begins at its end. A trial goes on.
//
// NotFound: no_subscription, no_plan. Invalid: other_product, quantity_out_of_limits, bad_proration, bad_effective_at.
// Conflict: plan_archived, plan_coming_soon, currency_not_offered, seat_maximum, not_enough_unassigned,
// change_in_progress, subscription_ended, subscription_paused, subscription_incomplete.
type ChangePlan struct {
	ID          uuid.UUID
	PlanID      uuid.UUID
	Quantity    *int
	Proration   string
	When        string     // now (default), periodEnd
	EffectiveAt *time.Time // rule S18
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
	m, err := s.moment(l.Now(), c.When, c.EffectiveAt, true)
	if err != nil {
		return nil, err
	}
	s, _ = s.by(m.by)
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
		return SetQuantity{ID: c.ID, Quantity: quantity, Proration: c.Proration, When: c.When, EffectiveAt: c.EffectiveAt}.Decide(l)
	}
	return change(l, c.ID, asked{c.When, c.EffectiveAt}, task.ChangePlan, Change{PlanID: &c.PlanID, Quantity: c.Quantity, Proration: c.Proration})
}

// newest tells whether a plan is the subscription's own, in the version that is sold by now.
func (f *Facts) newest(l domain.Ledger, plan uuid.UUID) (bool, error) {
	if plan != f.Terms.PlanID {
		return false, nil
	}
	own, err := domain.LoadAs[*catalog.Plan](l, plan, "no_plan")
	return err == nil && own.PlanVersion == f.Terms.PlanVersion, err
}

// asked is when a change is to happen.
type asked struct {
	when string
	at   *time.Time
}

// change decides a change that is asked for: done in this append, or asked of the provider (rule S8).
func change(l domain.Ledger, id uuid.UUID, on asked, typ string, c Change) (any, error) {
	c.Proration = or(c.Proration, CreateProrations)
	var bad domain.Problems
	bad.OneOf("/proration", "bad_proration", c.Proration, CreateProrations, NoProration, AlwaysInvoice)
	if on.when != "" {
		bad.OneOf("/when", "bad_when", on.when, Now, PeriodEnd)
	}
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	s, err := load(l, id)
	if err != nil {
		return nil, err
	}
	m, err := s.moment(l.Now(), on.when, on.at, true)
	if err != nil {
		return nil, err
	}
	then, due := s.by(m.by)
	f := then.Facts
	if f.Provider == ManualProvider && m.at.Before(l.Now()) && f.changeable() == nil {
		return nil, domain.RefuseField("/effectiveAt", "bad_effective_at", "the provider answers later: it is not before now")
	}
	taskID := l.NewID()
	// A scheduled change makes way: nothing is kept for it.
	free := *then
	free.reserve(f.Scheduled, -1)
	events, err := free.perform(l, &f, c, m.at, taskID)
	if err != nil {
		return nil, err
	}
	if len(events) == 0 {
		return TaskAnswer{Status: task.Success, Subscription: s.View(l.Now())}, nil
	}
	if m.end {
		if len(then.open) > 0 { // what it leads to hangs on whether they happen
			return nil, f.refuse("change_in_progress", "another change of this subscription is waiting for the provider")
		}
		return m.postponed(l, s, &f, due, events, taskID)
	}
	if f.Scheduled != nil {
		due = append(due, dated{m.at, ScheduleDropped{}})
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
		answer.Subscription, err = m.record(l, s, due, done(events, typ)...)
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
