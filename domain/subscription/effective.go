package subscription

import (
	"slices"
	"time"

	"github.com/subledger/subledger/domain"
)

// moment is when something that is asked for counts from (rule S18).
type moment struct {
	at  time.Time // its events are dated to this
	by  time.Time // what is due by then comes before it
	end bool      // it is for the period's end
}

// moment finds when something counts from that is asked for now: at once, with the period, or from an instant that was
// given. Ends tells that it can be for the period's end.
//
// Invalid: bad_effective_at.
func (s *State) moment(now time.Time, when string, asked *time.Time, ends bool) (moment, error) {
	m := moment{now, now, when == PeriodEnd}
	if asked == nil {
		return m, nil
	}
	f, _ := s.at(now, noLimit)
	from := s.Effective // the events of a stream are in the order of their instants
	for _, t := range []time.Time{s.Period.Start, s.StartAt} {
		if t.After(from) {
			from = t
		}
	}
	t := instant(*asked)
	switch early := t.Add(-time.Microsecond); {
	case ends && t.After(now) && t.Equal(f.Period.End) && f.Status != Paused:
		return moment{now, now, true}, nil
	case t.After(now) || t.Before(from) && !t.Equal(now):
		return m, badEffectiveAt(from, now, &f, ends)
	case ends:
		// A period's end that is over and not recorded: what was given for it was so before the boundary was billed.
		if f, _ := s.at(early, noLimit); t.Equal(f.Period.End) && f.Status != Paused {
			return moment{t, early, true}, nil
		}
	}
	if when == PeriodEnd {
		return m, domain.RefuseField("/effectiveAt", "bad_effective_at", "`when` is the period's end, %s", f.Period.End.Format(time.RFC3339Nano))
	}
	return moment{t, t, false}, nil
}

func badEffectiveAt(from, now time.Time, f *Facts, ends bool) error {
	text := "it is now"
	if from.Before(now) {
		text = "it is not before " + from.Format(time.RFC3339Nano) + ", when something was recorded last, nor after now"
	}
	if ends && f.Status != Paused && f.EndedAt == nil {
		text += ", or the period's end, " + f.Period.End.Format(time.RFC3339Nano)
	}
	return domain.RefuseField("/effectiveAt", "bad_effective_at", "%s", text)
}

// record appends events that count from the moment, between what is due by then and what is due since.
func (m moment) record(l domain.Ledger, s *State, due []dated, events ...domain.Event) (View, error) {
	for _, e := range events {
		due = append(due, dated{m.at, e})
	}
	if now := l.Now(); m.at.Before(now) {
		then := s.Facts
		for _, d := range due {
			then.apply(d.event)
		}
		_, since := then.at(now, noLimit)
		due = slices.Concat(due, since)
	}
	return record(l, s.ID, s.Facts, due)
}
