package subscription

import (
	"time"

	"github.com/subledger/subledger/domain/settings"
)

// AccessUntil tells whether the subscription gives access at an instant and, if so, until when as things
// stand; renews tells that it then goes on by itself. It is computed from the instant: a renewal or an
// end that nobody has recorded yet counts (rule S7).
func (s *State) AccessUntil(now time.Time) (until time.Time, renews, ok bool) {
	if s.EndedAt != nil && now.Before(*s.EndedAt) { // a look back
		return s.graced(*s.EndedAt), false, s.accessAt(now)
	}
	f, _ := s.at(now, noLimit)
	if now.Before(f.StartAt) {
		return time.Time{}, false, false
	}
	if f.CutOff(now) {
		return time.Time{}, false, false
	}
	switch f.Status {
	case Active, Trialing, PastDue:
		if f.CancelAt != nil {
			end := *f.CancelAt
			if f.stopsWithTrial() && f.TrialEnd.Before(end) {
				end = *f.TrialEnd
			}
			return f.graced(end), false, true
		}
		until = f.graced(f.Period.End)
		return until, until.Equal(f.Period.End) && !f.stopsWithTrial(), true
	}
	return time.Time{}, false, false
}

// CutOff tells whether a payment is missing for longer than its grace (rule S15).
func (f *Facts) CutOff(at time.Time) bool { return f.GraceUntil != nil && !at.Before(*f.GraceUntil) }

// graced is an end of access, or that of a grace that comes first.
func (f *Facts) graced(end time.Time) time.Time {
	if f.GraceUntil != nil && f.GraceUntil.Before(end) {
		return *f.GraceUntil
	}
	return end
}

// PeriodAt is the period that holds an instant; false before the start, after the end and while the
// subscription is incomplete. For an instant before the current period it is the anchored one.
func (s *State) PeriodAt(now time.Time) (Period, bool) {
	f, _ := s.at(now, noLimit)
	switch {
	case now.Before(f.StartAt), f.EndedAt != nil && !now.Before(*f.EndedAt), f.Status == Incomplete:
		return Period{}, false
	case now.Before(f.Period.Start) || !now.Before(f.Period.End): // a look back, or a pause
		first := f.StartAt
		if f.TrialEnd != nil {
			if first = *f.TrialEnd; now.Before(first) {
				return Period{Start: f.StartAt, End: first}, true
			}
		}
		_, p := f.schedule().At(now)
		if p.Start.Before(first) {
			p.Start = first
		}
		return Period{Start: p.Start, End: p.End}, true
	}
	return f.Period, true
}

// accessAt tells whether the subscription gave access at an instant up to now, pauses and missing payments considered.
func (s *State) accessAt(t time.Time) bool {
	if s.unpaid || t.Before(s.StartAt) || s.EndedAt != nil && !t.Before(*s.EndedAt) || s.PausedAt != nil && !t.Before(*s.PausedAt) {
		return false
	}
	if s.CutOff(t) {
		return false
	}
	for _, p := range s.Gaps {
		if !t.Before(p.Start) && t.Before(p.End) {
			return false
		}
	}
	return true
}

// AccessAt tells whether the subscription gives access at an instant, the past included: usage counts
// there (usage rule U4).
func (s *State) AccessAt(t time.Time) bool {
	if !s.accessAt(t) || s.Status == Incomplete {
		return false
	}
	if s.stopsWithTrial() && !t.Before(*s.TrialEnd) {
		return false
	}
	if s.EndedAt != nil || s.CancelAt == nil {
		return true
	}
	return t.Before(*s.CancelAt)
}

// EndsAt is when the subscription ended, or will by what is scheduled; false when it goes on.
func (s *State) EndsAt() (time.Time, bool) {
	switch {
	case s.EndedAt != nil:
		return *s.EndedAt, true
	case s.stopsWithTrial() && s.TrialOutcome == settings.CancelTrial && (s.CancelAt == nil || s.TrialEnd.Before(*s.CancelAt)):
		return *s.TrialEnd, true
	case s.CancelAt != nil:
		return *s.CancelAt, true
	}
	return time.Time{}, false
}
