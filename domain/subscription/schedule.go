package subscription

import (
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/task"
)

// When a change happens.
const (
	Now       = "now" // default
	PeriodEnd = "periodEnd"
)

// ChangeScheduled is a change that happens at the end of the period under way (rule S14), in place of one that was
// scheduled before. What it leads to is settled now: the terms, the quantity, the ids of new seats.
type ChangeScheduled struct {
	TaskID   uuid.UUID          `json:"task_id"` // of the events that it will make
	Terms    *catalog.PlanTerms `json:"terms,omitempty"`
	PlanID   *uuid.UUID         `json:"plan_id,omitzero"`
	Quantity int                `json:"quantity"` // afterwards
	Added    []uuid.UUID        `json:"added,omitzero"`
	Fewer    int                `json:"fewer,omitzero"` // seats, the newest unassigned ones by then
	Currency string             `json:"currency,omitzero"`
}

// ScheduleDropped takes a scheduled change back: somebody did, or another change came first.
type ScheduleDropped struct{}

func (ChangeScheduled) EventType() string { return "subscription.change_scheduled.v1" }
func (ScheduleDropped) EventType() string { return "subscription.schedule_dropped.v1" }

// postpone turns what a change would do now into what it will do at the period's end.
func (f *Facts) postpone(events []domain.Event, taskID uuid.UUID) ChangeScheduled {
	s := ChangeScheduled{TaskID: taskID, Quantity: f.Quantity}
	for _, e := range events {
		switch e := e.(type) {
		case SeatsAdded:
			s.Added, s.Quantity = e.Seats, e.Quantity
		case SeatsRemoved:
			s.Fewer, s.Quantity = len(e.Seats), e.Quantity
		case QuantityChanged:
			s.Quantity = e.Quantity
		case PlanChanged:
			terms := e.Terms
			s.Terms, s.PlanID, s.Added, s.Quantity, s.Currency = &terms, &terms.PlanID, e.Added, e.Quantity, e.Currency
		}
	}
	return s
}

// scheduled is the next event of the scheduled change, which brings two where seats go with the plan. Which seats go
// is seen when it is recorded: Facts know none.
func (f *Facts) scheduled() domain.Event {
	s := f.Scheduled
	switch {
	case s.Fewer > 0:
		quantity := s.Quantity
		if s.Terms != nil { // of the plan that is left behind: its seats
			quantity = f.Quantity - s.Fewer
		}
		return SeatsRemoved{TaskID: s.TaskID, Quantity: quantity, Proration: NoProration}
	case s.Terms != nil:
		e := PlanChanged{TaskID: s.TaskID, Terms: *s.Terms, Added: s.Added, Quantity: s.Quantity, AnchorAt: f.AnchorAt, Period: f.Period,
			Proration: NoProration, Currency: s.Currency}
		if f.Terms.Interval != e.Terms.Interval || f.Terms.Length != e.Terms.Length {
			e.AnchorAt = f.Period.End
		}
		return e
	case len(s.Added) > 0:
		return SeatsAdded{TaskID: s.TaskID, Seats: s.Added, Capabilities: f.Terms.Capabilities, Quantity: s.Quantity, Proration: NoProration}
	}
	return QuantityChanged{TaskID: s.TaskID, Quantity: s.Quantity, Proration: NoProration}
}

// pending shows the scheduled change.
func (f *Facts) pending() *PendingChange {
	s := f.Scheduled
	if s == nil || f.EndedAt != nil {
		return nil
	}
	p := &PendingChange{At: f.Period.End, PlanID: copied(s.PlanID)}
	if s.Quantity != f.Quantity || s.PlanID == nil {
		quantity := s.Quantity
		p.Quantity = &quantity
	}
	return p
}

// step is one event of the scheduled change: it is done with its last event.
func (f *Facts) step(taskID uuid.UUID, removal bool) {
	s := f.Scheduled
	if s == nil || s.TaskID != taskID {
		return
	}
	if removal && s.Terms != nil {
		rest := *s
		rest.Fewer = 0
		f.Scheduled = &rest
		return
	}
	f.Scheduled = nil
}

// reserved is what a scheduled change keeps seats for, like an open task (rules S1, S2).
func (e *ChangeScheduled) reserved() int { return len(e.Added) - e.Fewer }

// reserve keeps room for a scheduled change, or no more (-1).
func (s *State) reserve(e *ChangeScheduled, sign int) {
	if e != nil {
		s.rising, s.falling = s.rising+sign*max(e.reserved(), 0), s.falling+sign*max(-e.reserved(), 0)
	}
}

// DropScheduled takes a scheduled change back; without one it makes no event. It answers View.
//
// NotFound: no_subscription. Conflict: subscription_ended.
type DropScheduled struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c DropScheduled) Decide(l domain.Ledger) (any, error) {
	return happen(l, c.ID, func(f *Facts) ([]domain.Event, error) {
		switch {
		case f.Status == Canceled || f.Status == Deleted:
			return nil, f.ended()
		case f.Scheduled == nil:
			return nil, nil
		}
		return []domain.Event{ScheduleDropped{}}, nil
	})
}

// filled says which seats go of a removal that was scheduled.
func (s *State) filled(e domain.Event) domain.Event {
	removed, ok := e.(SeatsRemoved)
	if !ok || len(removed.Seats) > 0 || s.Scheduled == nil {
		return e
	}
	removed.Seats = s.seats.newestUnassigned(s.Scheduled.Fewer)
	return removed
}

// by is the state once all is done that is due by an instant, and what that is. Seats that a scheduled change brings or
// takes are there, on a copy; else the seats are the state's own.
func (s *State) by(now time.Time) (*State, []dated) {
	then := *s
	f, due := s.at(now, noLimit)
	if s.Scheduled == nil || f.Scheduled == s.Scheduled {
		then.Facts = f
		return &then, due
	}
	then.seats, then.open = s.seats.clone(), maps.Clone(s.open)
	for _, d := range due {
		then.Effective = d.at
		then.Apply(then.filled(d.event))
	}
	return &then, due
}

// postponed records a change for the end of the period.
func (m moment) postponed(l domain.Ledger, s *State, f *Facts, due []dated, events []domain.Event, taskID uuid.UUID) (any, error) {
	if f.Later {
		return nil, f.refuse("not_begun", "its first period has not begun")
	}
	view, err := m.record(l, s, due, f.postpone(events, taskID))
	return TaskAnswer{Status: task.Success, Subscription: view}, err
}
