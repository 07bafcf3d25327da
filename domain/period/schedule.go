package period

import (
	"iter"
	"time"

	"github.com/subledger/subledger/internal/mutant"
)

// Schedule is an endless row of boundaries, before the anchor too. Its Interval must be a valid one: Boundary and
// what rests on it panic on the zero Interval.
type Schedule struct {
	Anchor   time.Time // boundary 0, unless Wall or MonthEnd say otherwise
	Interval Interval
	Zone     *time.Location // whose calendar counts; nil is UTC
	MonthEnd bool           // months and years end on the last day of the month, boundary 0 as well
	Wall     Wall           // the anchor as a wall time, used in place of Anchor; zero: Anchor's in Zone
}

// New makes a schedule from what a request or an event holds. It refuses with the codes of Check, Interval.Check
// and Zone.
func New(anchor time.Time, interval Interval, zone string) (Schedule, error) {
	if err := Check(anchor); err != nil {
		return Schedule{}, err
	}
	if err := interval.Check(); err != nil {
		return Schedule{}, err
	}
	z, err := Zone(zone)
	if err != nil {
		return Schedule{}, err
	}
	return Schedule{Anchor: anchor.Round(0).UTC(), Interval: interval, Zone: z}, nil
}

// Rezone keeps the anchor's wall time and moves it to another zone. The period n that is running then keeps its
// start and ends at the new schedule's Boundary(n+1), or at once where that has passed.
func (s Schedule) Rezone(zone *time.Location) Schedule {
	s.Wall, s.Zone = s.wall(), zone
	s.Anchor = s.Wall.In(zone)
	return s
}

// far is more steps than the calendar has days.
const far = 10000 * 366

// Boundary is the start of period n, in UTC (rule R3). Boundaries never decrease; two are equal where the zone skips
// a date, and at the ends of the calendar.
func (s Schedule) Boundary(n int) time.Time {
	if n == 0 && s.Wall.IsZero() && !s.MonthEnd {
		return clamp(s.Anchor) // as given, if it is the second of an hour that occurs twice
	}
	months, days := s.Interval.span()
	if months+days < 1 {
		panic("period: a schedule needs an interval of one unit or more")
	}
	n = max(-far, min(n, far))
	wall := s.wall().utc
	year, month, day := wall.Date()
	first := time.Date(year, month+time.Month(n*months), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	if s.MonthEnd && months > 0 {
		day = last
	}
	if months > 0 {
		if mutant.Active != mutant.DriftingPeriods {
			day = min(day, last)
		}
	}
	hour, minute, second := wall.Clock()
	at := Wall{time.Date(first.Year(), first.Month(), day+n*days, hour, minute, second, wall.Nanosecond(), time.UTC)}
	if y := at.utc.Year(); y < -1 || y > 10001 { // no zone brings these back
		return clamp(at.utc)
	}
	return clamp(at.In(s.Zone))
}

// Period is the n-th period.
func (s Schedule) Period(n int) Period {
	return Period{s.Boundary(n), s.Boundary(n + 1)}
}

// At is the one period that contains t. Instants outside the calendar are taken for its first or last one.
func (s Schedule) At(t time.Time) (n int, p Period) {
	if t = clamp(t); !t.Before(Max) {
		t = Max.Add(-1)
	}
	from, to := s.wall(), WallOf(t, s.Zone)
	if months, days := s.Interval.span(); months > 0 {
		n = floorDiv(monthsOf(to)-monthsOf(from), months)
	} else if days > 0 {
		n = floorDiv(to.days()-from.days(), days)
	}
	p = s.Period(n) // the right one or a neighbour: the time of day, the clamped day and the zone decide
	for t.Before(p.Start) {
		n--
		p = Period{s.Boundary(n), p.Start}
	}
	for !t.Before(p.End) {
		n++
		p = Period{p.End, s.Boundary(n + 1)}
	}
	return n, p
}

// Between yields the periods that overlap the time from, included, to to, excluded, in order and without the
// empty ones.
func (s Schedule) Between(from, to time.Time) iter.Seq2[int, Period] {
	return func(yield func(int, Period) bool) {
		for n, p := s.At(from); p.Start.Before(to) && p.Start.Before(Max); n, p = n+1, s.Period(n+1) {
			if !p.Empty() && !yield(n, p) {
				return
			}
		}
	}
}

func (s Schedule) wall() Wall {
	if !s.Wall.IsZero() {
		return s.Wall
	}
	return WallOf(s.Anchor, s.Zone)
}

// monthsOf numbers the months; only differences mean something.
func monthsOf(w Wall) int {
	return 12*w.utc.Year() + int(w.utc.Month())
}
