package subscription

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/period"
)

// Rezoned moves the period under way to another calendar: its customer lives in another zone, or the zone has other rules
// than were known (rule S17). Periods that are over stay as they were.
type Rezoned struct {
	TimeZone string     `json:"time_zone"`
	AnchorAt time.Time  `json:"anchor_at"`
	Period   Period     `json:"period"`              // its start is as it was
	Whole    *Period    `json:"whole,omitempty"`     // what prices are for in it, as if no pause had moved it; nil in a trial
	CancelAt *time.Time `json:"cancel_at,omitempty"` // the scheduled end, where it is the period's
}

// EventType implements domain.Event.
func (Rezoned) EventType() string { return "subscription.rezoned.v1" }

// Rezone moves a subscription to its customer's zone, if it was in the one that the customer left, and the end of the
// period under way to where its zone's calendar has it (rule S17). What is due by then comes first. A subscription that is
// where it belongs makes no event. It answers View.
//
// NotFound: no_subscription.
type Rezone struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c Rezone) Decide(l domain.Ledger) (any, error) {
	s, err := load(l, c.ID)
	if err != nil {
		return nil, err
	}
	zone := s.TimeZone
	if s.CustomerID != nil {
		payer, err := domain.LoadAs[*customer.Customer](l, *s.CustomerID, "no_customer")
		if err != nil {
			return nil, err
		}
		if slices.Contains(payer.Leaving, zone) {
			zone = payer.Fields.TimeZone
		}
	}
	f, due := s.at(l.Now(), MaxAdvance)
	e, moved := f.rezone(zone, l.Now())
	if !moved {
		return show(l, c.ID)
	}
	f.apply(e)
	events := append(due, dateNow(l, e)...)
	_, due = f.at(l.Now(), MaxAdvance)
	return record(l, c.ID, s.Facts, append(events, due...))
}

// rezone is what moves the period under way to a zone's calendar; false where it is there.
func (f *Facts) rezone(name string, now time.Time) (Rezoned, bool) {
	if f.Status == Canceled || f.Status == Deleted {
		return Rezoned{}, false
	}
	zone, _ := period.Zone(name) // customers have none that is unknown
	e := Rezoned{TimeZone: name, AnchorAt: f.AnchorAt, Period: f.Period}
	was, next := f.schedule(), f.schedule()
	trial := f.trialing()
	if name != f.TimeZone && (!trial || !f.AnchorAt.Equal(*f.TrialEnd)) { // what counts from a trial's end goes on to
		next = was.Rezone(zone)
		e.AnchorAt = next.Anchor
	}
	next.Zone, next.Wall = zone, period.Wall{}
	if !trial {
		e.Period.End = f.moved(was, next, now)
	}
	if name == f.TimeZone && e.Period.End.Equal(f.Period.End) {
		return Rezoned{}, false
	}
	if f.CancelAt != nil && f.CancelAt.Equal(f.Period.End) {
		e.CancelAt = &e.Period.End
	}
	if !trial {
		whole := f.whole()
		e.Whole = &Period{Start: whole.Start, End: e.Period.End.Add(-f.shifted)}
	}
	return e, true
}

// moved is where the period under way ends on another calendar: at the same boundary, counted from the anchor, or where
// clocks show the same if a pause extended it. Where that has passed it ends at once. In its own zone, an end that is no
// boundary was one when it was worked out, by other rules: the one next to it is meant.
func (f *Facts) moved(was, next period.Schedule, now time.Time) time.Time {
	const apart = 25 * time.Hour // more than rules of a zone ever moved at once
	n, p := was.At(f.Period.End)
	end := f.Period.End
	switch {
	case p.Start.Equal(end):
		end = next.Boundary(n)
	case was.Zone != next.Zone:
		end = period.WallOf(end, was.Zone).In(next.Zone)
	case f.shifted != 0 || f.rezoned != nil: // it was put there
	case end.Sub(p.Start) < apart:
		end = p.Start
	case p.End.Sub(end) < apart:
		end = p.End
	}
	if !end.After(f.Period.Start) { // shorter than what zones are apart
		_, p := next.At(f.Period.Start)
		end = p.End
	}
	if f.PausedAt != nil { // time stands still
		now = *f.PausedAt
	}
	if !f.Period.Start.After(now) && end.Before(now) && !f.Period.End.Before(now) {
		return now
	}
	return end
}

// trialing tells whether the period under way is the trial.
func (f *Facts) trialing() bool { return f.TrialEnd != nil && f.Period.Start.Before(*f.TrialEnd) }

// whole is the period that prices are for: the anchored one that holds the period under way, as if no pause had moved it.
func (f *Facts) whole() period.Period {
	if f.rezoned != nil {
		return period.Period(*f.rezoned)
	}
	schedule := f.schedule()
	schedule.Anchor = schedule.Anchor.Add(-f.shifted)
	_, p := schedule.At(f.Period.Start)
	return p
}
