package subscription

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
)

// move is a subscription under another plan.
type move struct {
	terms           catalog.PlanTerms
	currency        string
	quantity, seats int
}

// moved is where a change of plan leads, or why it cannot be (rule S4). It is the one judge of that: for what is
// done and for what is offered.
func (s *State) moved(l domain.Ledger, f *Facts, plan uuid.UUID, asked *int) (m move, err error) {
	offer, err := catalog.Offered(l, plan)
	if err != nil {
		return m, err
	}
	m.terms = offer.Terms
	if err := offer.Plan.Fields.Switch(f.Terms.ProductID, offer.Plan.Archived); err != nil {
		return m, err
	}
	if m.currency, err = offer.Currency(f.Currency); err != nil {
		return m, f.refuse("currency_not_offered", "the plan is not offered in "+f.Currency)
	}
	if m.quantity, m.seats, err = s.planned(f, m.terms, asked); err != nil {
		return m, err
	}
	if err := offer.Plan.CheckCharge(m.terms.PlanVersion, m.currency, m.quantity); err != nil {
		return m, err
	}
	if fewer, free := s.seats.active-m.seats, s.UnassignedSeats(); fewer > free {
		return m, &domain.Error{Kind: domain.Conflict, Code: "not_enough_unassigned", State: fmt.Sprintf("%d unassigned", free),
			Detail: fmt.Sprintf("%d seats would have to go, and %d are unassigned", fewer, free)}
	}
	return m, nil
}

// performPlan is rule S4.
func (s *State) performPlan(l domain.Ledger, f *Facts, c Change, at time.Time, taskID uuid.UUID) ([]domain.Event, error) {
	m, err := s.moved(l, f, *c.PlanID, c.Quantity)
	if err != nil {
		return nil, err
	}
	terms, quantity, seats := m.terms, m.quantity, m.seats
	var events []domain.Event
	e := PlanChanged{TaskID: taskID, Terms: terms, Quantity: quantity, AnchorAt: f.AnchorAt, Period: f.Period, Proration: c.Proration}
	if f.Currency == "" {
		e.Currency = m.currency
	}
	switch more := seats - s.seats.active; {
	case more > 0:
		e.Added = newIDs(l, more)
	case more < 0:
		events = append(events, SeatsRemoved{TaskID: taskID, Seats: s.seats.newestUnassigned(-more), Quantity: seats, Proration: c.Proration})
	}
	f.reschedule(&e, at)
	events = append(events, e)
	if f.CancelAt != nil && !e.Period.End.Equal(f.Period.End) {
		events = append(events, CancellationScheduled{EndsAt: e.Period.End}) // it still ends with its period (rule S5)
	}
	return events, nil
}

// planned is the quantity and the number of seats under new terms.
func (s *State) planned(f *Facts, terms catalog.PlanTerms, asked *int) (quantity, seats int, err error) {
	if asked != nil {
		if err := withinLimits(terms, *asked); err != nil {
			return 0, 0, err
		}
	}
	have := s.seats.active
	if terms.LicenseType != catalog.PerSeat {
		if have > 1 && asked == nil { // whoever says a quantity knows that there is one licence
			return 0, 0, &domain.Error{Kind: domain.Conflict, Code: "seat_maximum", State: fmt.Sprintf("%d seats", have),
				Detail: fmt.Sprintf("the plan has one licence; with the quantity 1 the unassigned ones of %d seats are given up", have)}
		}
		switch {
		case asked != nil:
			quantity = *asked
		case f.Terms.LicenseType == catalog.PerSeat:
			quantity = 1
		default:
			quantity = f.Quantity
		}
		return quantity, 1, nil
	}
	if asked != nil {
		return *asked, *asked, nil
	}
	if terms.MaxSeats >= 0 && have > terms.MaxSeats {
		return 0, 0, &domain.Error{Kind: domain.Conflict, Code: "seat_maximum", State: fmt.Sprintf("%d seats", have),
			Detail: fmt.Sprintf("the plan has at most %d seats; there are %d", terms.MaxSeats, have)}
	}
	seats = max(have, terms.MinSeats)
	return seats, seats, nil
}

// reschedule sets anchor and period under another interval.
func (f *Facts) reschedule(e *PlanChanged, now time.Time) {
	if f.Terms.Interval == e.Terms.Interval && f.Terms.Length == e.Terms.Length || f.Status == Trialing {
		return
	}
	next := *f
	next.Terms = e.Terms
	switch {
	case now.Before(f.StartAt):
		e.Period = next.periodFrom(f.StartAt)
	case e.Proration == NoProration:
		e.AnchorAt = f.Period.End // what is paid is served out
	default:
		next.AnchorAt, e.AnchorAt = now, now
		e.Period = next.periodFrom(now)
	}
}
