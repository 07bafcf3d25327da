package account_test

import (
	"math/big"
	"time"
)

// The reference's own calendar: it tries what clocks show, hour by hour, and counts days one by one.

// span is half-open.
type span struct{ from, to time.Time }

func (s span) empty() bool { return !s.from.Before(s.to) }

// within is the part of it that lies in another.
func (s span) within(o span) span {
	if s.from.Before(o.from) {
		s.from = o.from
	}
	if s.to.After(o.to) {
		s.to = o.to
	}
	return s
}

func (s span) moved(by time.Duration) span { return span{s.from.Add(by), s.to.Add(by)} }

// clock is what a zone's clocks show at an instant, written down as if it were UTC.
func clock(t time.Time, zone *time.Location) time.Time {
	t = t.In(zone)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// instant is the first at which a zone's clocks show a time; one that they skip is read as before the gap.
func instant(shown time.Time, zone *time.Location) time.Time {
	earlier, later := time.Duration(0), time.Duration(0)
	_, o := shown.Add(-24 * time.Hour).In(zone).Zone()
	earlier = time.Duration(o) * time.Second
	_, o = shown.Add(24 * time.Hour).In(zone).Zone()
	later = time.Duration(o) * time.Second
	a, b := shown.Add(-earlier), shown.Add(-later)
	if b.Before(a) {
		a, b = b, a
	}
	for _, t := range []time.Time{a, b} {
		if clock(t, zone).Equal(shown) {
			return t
		}
	}
	return shown.Add(-earlier)
}

// boundary is the n-th one from an anchor, on the zone's calendar. A day that its month lacks is the month's last.
func boundary(anchor time.Time, unit string, length, n int, zone *time.Location) time.Time {
	if n == 0 {
		return anchor
	}
	shown := clock(anchor, zone)
	switch unit {
	case "week":
		return instant(shown.AddDate(0, 0, 7*length*n), zone)
	case "day":
		return instant(shown.AddDate(0, 0, length*n), zone)
	case "year":
		length *= 12
	}
	first := time.Date(shown.Year(), shown.Month(), 1, shown.Hour(), shown.Minute(), shown.Second(), shown.Nanosecond(), time.UTC)
	first = first.AddDate(0, n*length, 0)
	day := first
	for range shown.Day() - 1 {
		if next := day.AddDate(0, 0, 1); next.Month() == first.Month() {
			day = next
		}
	}
	return instant(day, zone)
}

// holding is the one period, counted from an anchor, that an instant lies in.
func holding(anchor time.Time, unit string, length int, zone *time.Location, at time.Time) span {
	days := map[string]int{"day": 1, "week": 7, "month": 31, "year": 366}[unit] * length
	n := int(at.Sub(anchor).Hours()/24) / days
	for boundary(anchor, unit, length, n, zone).After(at) {
		n--
	}
	for !boundary(anchor, unit, length, n+1, zone).After(at) {
		n++
	}
	return span{boundary(anchor, unit, length, n, zone), boundary(anchor, unit, length, n+1, zone)}
}

// share is a part of a whole: of time, of local days, or of days in months of 30.
func share(mode string, part, whole span, zone *time.Location) *big.Rat {
	if part.empty() {
		return new(big.Rat)
	}
	days := func(s span) int64 {
		from, to := clock(s.from, zone), clock(s.to, zone)
		if mode == "day" {
			n := int64(0)
			for y, m, d := from.Date(); !time.Date(y, m, d+int(n), 0, 0, 0, 0, time.UTC).After(to); {
				n++
			}
			return n - 1 // the last day belongs to what comes then
		}
		in30 := func(t time.Time) int64 { return int64(360*t.Year() + 30*int(t.Month()) + min(t.Day(), 30)) }
		return in30(to) - in30(from)
	}
	if mode != "second" {
		if all := days(whole); all > 0 {
			return big.NewRat(days(part), all)
		}
	}
	return big.NewRat(part.to.Sub(part.from).Microseconds(), whole.to.Sub(whole.from).Microseconds())
}
