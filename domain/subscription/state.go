package subscription

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
)

// Facts are what a subscription is apart from its seats: a value, so that a decision can look ahead on
// a copy. All times are UTC.
type Facts struct {
	Terms         catalog.PlanTerms
	Status        string
	CustomerID    *uuid.UUID
	Quantity      int
	Currency      string // empty: none
	StartAt       time.Time
	AnchorAt      time.Time
	TimeZone      string
	TrialEnd      *time.Time
	Period        Period
	ProrationMode string
	Provider      string
	Owner         domain.Personal
	Email         domain.Personal
	CancelAt      *time.Time // the end that is scheduled, or was
	EndedAt       *time.Time
	EndReason     string
	PausedAt      *time.Time
	PauseCredit   string           // what is paid of the pause: prorate, extend, none
	Scheduled     *ChangeScheduled // for the end of the period
	TrialOutcome  string           // what the trial's end brings: pause, cancel; empty: it goes on
	Later         bool             // its start is still to be recorded
	GraceUntil    *time.Time       // access while PAST_DUE ends there; nil: it does not
	Gaps          []Period         // without access, those that are over: pauses, and what came after a grace
	Coupons       []Coupon         // in order of their being applied

	shifted   time.Duration // the period under way, by pauses that extended it
	rezoned   *Period       // what prices are for in the period under way, since it moved to another calendar
	resumesAs string        // a paused subscription's status once it resumes
	unpaid    bool          // it ended INCOMPLETE: it never gave access
}

// State is the fold of a subscription's stream.
type State struct {
	domain.Record
	Facts
	seats   seatIndex
	movedAt int64 // the last change of all seats at once, in microseconds
	open    map[uuid.UUID]ChangeRequested
	alone   int // open changes that bear no other beside them (rule S8)
	rising  int // seats that open tasks want to add
	falling int // seats that open tasks want to remove
}

// Apply implements domain.State.
func (s *State) Apply(e domain.Event) {
	at := s.Effective.UnixMicro()
	switch e := e.(type) {
	case Started:
		for _, seat := range e.Seats {
			s.seats.add(seat.ID, seat.Grantee, e.StartAt.UnixMicro())
		}
	case ChangeRequested:
		s.request(e)
	case ChangeAbandoned:
		s.settle(e.TaskID)
	case SeatsAdded:
		s.settle(e.TaskID)
		for _, id := range e.Seats {
			s.seats.add(id, domain.Personal{}, at)
		}
	case SeatsRemoved:
		s.settle(e.TaskID)
		terms := s.Terms
		for _, id := range e.Seats {
			s.seats.remove(id, &terms, at)
		}
	case QuantityChanged:
		s.settle(e.TaskID)
	case SeatsAssigned:
		for _, seat := range e.Seats {
			s.seats.assign(seat.ID, seat.Grantee, at)
		}
	case PlanChanged:
		s.settle(e.TaskID)
		for _, id := range e.Added {
			s.seats.add(id, domain.Personal{}, at)
		}
		s.movedAt = at
	case Ended:
		s.movedAt = at
		s.open, s.alone, s.rising, s.falling = nil, 0, 0, 0 // whatever the provider says of them, they change nothing any more
	}
	if _, ok := e.(PaymentSettled); ok && s.GraceUntil != nil && s.GraceUntil.Before(s.Effective) {
		s.Gaps = append(slices.Clip(s.Gaps), Period{Start: *s.GraceUntil, End: s.Effective})
	}
	was := s.Scheduled
	if s.Facts.apply(e); s.Scheduled != was && s.EndedAt == nil {
		s.reserve(was, -1)
		s.reserve(s.Scheduled, 1)
	}
}

func (s *State) request(e ChangeRequested) {
	if s.open == nil {
		s.open = map[uuid.UUID]ChangeRequested{}
	}
	s.open[e.TaskID] = e
	s.rising, s.falling = s.rising+max(e.Seats, 0), s.falling+max(-e.Seats, 0)
	if e.alone() {
		s.alone++
	}
}

// alone tells whether a change bears no other beside it.
func (e ChangeRequested) alone() bool { return e.PlanID != nil || e.Seats == 0 }

// settle ends the reservation of a task, if it has one.
func (s *State) settle(task uuid.UUID) {
	if e, ok := s.open[task]; ok {
		delete(s.open, task)
		s.rising, s.falling = s.rising-max(e.Seats, 0), s.falling-max(-e.Seats, 0)
		if e.alone() {
			s.alone--
		}
	}
}

// OpenTasks counts the tasks whose change is asked for and not yet done.
func (s *State) OpenTasks() int { return len(s.open) }

// apply is the part of the fold that needs no seats. It changes nothing that a copy shares.
func (f *Facts) apply(e domain.Event) {
	switch e := e.(type) {
	case Started:
		*f = Facts{Terms: e.Terms, Status: e.Status, CustomerID: e.CustomerID, Quantity: e.Quantity, Currency: e.Currency,
			StartAt: e.StartAt, AnchorAt: e.AnchorAt, TimeZone: e.TimeZone, TrialEnd: e.TrialEnd, Period: e.Period,
			ProrationMode: e.ProrationMode, Provider: e.Provider, Owner: e.Owner, Email: e.Email, Later: e.Later, TrialOutcome: e.TrialOutcome}
	case Begun:
		f.Later = false
	case ChangeScheduled:
		f.Scheduled = &e
	case ScheduleDropped:
		f.Scheduled = nil
	case SeatsAdded:
		f.Quantity = e.Quantity
		f.step(e.TaskID, false)
	case SeatsRemoved:
		f.Quantity = e.Quantity
		f.step(e.TaskID, true)
	case QuantityChanged:
		f.Quantity = e.Quantity
		f.step(e.TaskID, false)
	case PlanChanged:
		f.step(e.TaskID, false)
		f.enter(e.Period)
		if e.Terms.Interval != f.Terms.Interval || e.Terms.Length != f.Terms.Length {
			f.rezoned = nil // its prices are for another time
		}
		f.Terms, f.Quantity, f.AnchorAt = e.Terms, e.Quantity, e.AnchorAt
		if e.Currency != "" {
			f.Currency = e.Currency
		}
	case CancellationScheduled:
		f.CancelAt = &e.EndsAt
	case Reactivated:
		f.CancelAt = nil
	case Ended:
		f.endPause(e.At)
		f.unpaid = f.Status == Incomplete
		f.Status, f.EndedAt, f.EndReason, f.Scheduled = Canceled, &e.At, e.Reason, nil
	case Renewed:
		f.enter(e.Period)
	case TrialEnded:
		f.become(Trialing, Active)
	case TrialOutcomeChanged:
		f.TrialOutcome = e.Outcome
	case PauseBegan:
		if e.TrialEnded {
			f.become(Trialing, Active)
		}
		f.Status, f.resumesAs, f.PausedAt, f.PauseCredit = Paused, f.Status, &e.At, e.Credit
	case Resumed:
		f.endPause(e.At)
		f.Status, f.resumesAs = f.resumesAs, ""
		f.enter(e.Period)
		if e.AnchorAt != nil {
			f.shifted += e.AnchorAt.Sub(f.AnchorAt)
			f.AnchorAt = *e.AnchorAt
		}
	case PaymentMissed:
		f.become(Active, PastDue)
		f.GraceUntil = e.GraceUntil
	case PaymentSettled:
		f.become(PastDue, Active)
		f.GraceUntil = nil
		if f.Status == Incomplete {
			f.Status = Active
			if f.TrialEnd != nil {
				f.Status = Trialing
			}
		}
	case Rezoned:
		f.TimeZone, f.AnchorAt, f.Period, f.rezoned = e.TimeZone, e.AnchorAt, e.Period, e.Whole
		if e.CancelAt != nil {
			f.CancelAt = e.CancelAt
		}
	case OwnerChanged:
		f.Owner = e.Owner
	case CouponApplied:
		f.Coupons = append(slices.Clip(f.Coupons), e.Coupon)
	case CouponRemoved:
		f.Coupons = slices.DeleteFunc(slices.Clone(f.Coupons), func(c Coupon) bool { return c.CouponID == e.CouponID })
	}
}

// enter is the period from now on: another one, or the same with another end.
func (f *Facts) enter(p Period) {
	if !p.Start.Equal(f.Period.Start) {
		f.shifted, f.rezoned = 0, nil
	}
	f.Period = p
}

// become changes the status, or the one that a paused subscription resumes in.
func (f *Facts) become(from, to string) {
	switch {
	case f.Status == from:
		f.Status = to
	case f.Status == Paused && f.resumesAs == from:
		f.resumesAs = to
	}
}

func (f *Facts) is(status string) bool {
	return f.Status == status || f.Status == Paused && f.resumesAs == status
}

func (f *Facts) endPause(at time.Time) {
	if f.PausedAt != nil {
		f.Gaps = append(slices.Clip(f.Gaps), Period{Start: *f.PausedAt, End: at})
		f.PausedAt = nil
	}
}
