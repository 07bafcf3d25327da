package subscription

import (
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/internal/mutant"
)

// dated is an event with the instant from which it counts.
type dated struct {
	at    time.Time
	event domain.Event
}

func (f *Facts) schedule() period.Schedule {
	zone, _ := period.Zone(f.TimeZone) // nil is UTC; an unknown name was never recorded
	return period.Schedule{Anchor: f.AnchorAt, Zone: zone,
		Interval: period.Interval{Unit: period.Unit(f.Terms.Interval), Count: f.Terms.Length}}
}

// periodFrom is the rest, from an instant on, of the anchored period that holds it (rules S6, S10).
func (f *Facts) periodFrom(from time.Time) Period {
	_, p := f.schedule().At(from)
	if p.Start.Before(from) {
		p.Start = from
	}
	return Period{Start: p.Start, End: p.End}
}

// next is the first event that time alone will bring, whenever that is.
func (f *Facts) next() (dated, bool) {
	switch f.Status {
	case Canceled, Deleted, Incomplete:
		return dated{}, false
	}
	var first dated
	// What comes first here wins a tie: an end leaves nothing to renew, a trial ends before the first paid period.
	if f.CancelAt != nil {
		first = dated{*f.CancelAt, Ended{At: *f.CancelAt, Reason: "expired"}}
	}
	if f.is(Trialing) && f.TrialEnd != nil && (first.event == nil || f.TrialEnd.Before(first.at)) {
		first = dated{*f.TrialEnd, f.trialOver()}
	}
	if f.Later && f.Status != Paused {
		at := f.StartAt
		if f.Period.Start.After(at) { // it was paused then
			at = f.Period.Start
		}
		if first.event == nil || !at.After(first.at) {
			first = dated{at, Begun{At: at}}
		}
	}
	if f.Scheduled != nil && f.Status != Paused && (first.event == nil || f.Period.End.Before(first.at)) {
		return dated{f.Period.End, f.scheduled()}, true
	}
	if f.Status != Paused && (first.event == nil || f.Period.End.Before(first.at)) {
		p := f.periodFrom(f.Period.End)
		if mutant.Active == mutant.DriftingRenewal {
			drifting := *f
			drifting.AnchorAt = f.Period.End
			p = drifting.periodFrom(f.Period.End)
		}
		if p.End.After(p.Start) { // at the end of the calendar there is none
			first = dated{f.Period.End, Renewed{Period: p}}
		}
	}
	return first, first.event != nil
}

// at moves a copy of the facts to an instant and lists what becomes due on the way, the instant
// included, at most limit events.
func (f *Facts) at(now time.Time, limit int) (Facts, []dated) {
	then := *f
	var due []dated
	for len(due) < limit {
		d, ok := then.next()
		if !ok || d.at.After(now) {
			break
		}
		then.apply(d.event)
		due = append(due, d)
	}
	return then, due
}

// noLimit is more than a subscription can have due: see maxPeriods.
const noLimit = 1 << 30

// DueAt is when time alone will change the subscription next; false when it never does.
func (s *State) DueAt() (time.Time, bool) {
	d, ok := s.next()
	return d.at, ok
}

// MaxAdvance bounds the events of one Advance.
const MaxAdvance = 200

// Advance does what is due by now, in order and dated to its instants: the trial's end, renewals, the
// scheduled end. Nothing due makes no event. It answers View; while its DueAt is not after now there
// is more to do, for another Advance (at most MaxAdvance events each).
type Advance struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c Advance) Decide(l domain.Ledger) (any, error) {
	s, err := load(l, c.ID)
	if err != nil {
		return nil, err
	}
	_, due := s.at(l.Now(), MaxAdvance)
	return record(l, c.ID, s.Facts, due)
}

func load(l domain.Ledger, id uuid.UUID) (*State, error) {
	return domain.LoadAs[*State](l, id, "no_subscription")
}

// show is the subscription as this decision found it.
func show(l domain.Ledger, id uuid.UUID) (View, error) {
	s, err := load(l, id)
	if err != nil {
		return View{}, err
	}
	return s.View(l.Now()), nil
}
