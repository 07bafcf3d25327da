package model

import "time"

// The reference's own calendar, in UTC: slow, and sure.

var monthDays = [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

func daysOf(year, month int) int {
	if month == 2 && (year%4 == 0 && year%100 != 0 || year%400 == 0) {
		return 29
	}
	return monthDays[month-1]
}

// boundary is the n-th one from an anchor. A day that its month lacks is the month's last; the next boundary
// has the anchor's day again.
func boundary(anchor time.Time, unit string, length, n int) time.Time {
	switch unit {
	case "day":
		return anchor.Add(time.Duration(n*length) * 24 * time.Hour)
	case "week":
		return anchor.Add(time.Duration(n*length) * 7 * 24 * time.Hour)
	case "year":
		length *= 12
	}
	year, month := anchor.Year(), int(anchor.Month())
	for ; n > 0; n-- {
		for range length {
			if month++; month > 12 {
				year, month = year+1, 1
			}
		}
	}
	for ; n < 0; n++ {
		for range length {
			if month--; month < 1 {
				year, month = year-1, 12
			}
		}
	}
	hour, minute, second := anchor.Clock()
	return time.Date(year, time.Month(month), min(anchor.Day(), daysOf(year, month)), hour, minute, second, anchor.Nanosecond(), time.UTC)
}

// span is half-open.
type span struct{ from, to time.Time }

func (s span) holds(t time.Time) bool { return !t.Before(s.from) && t.Before(s.to) }

// holding is the one period, counted from an anchor, that an instant lies in.
func holding(anchor time.Time, unit string, length int, at time.Time) span {
	n := 0
	for boundary(anchor, unit, length, n).After(at) {
		n--
	}
	for !boundary(anchor, unit, length, n+1).After(at) {
		n++
	}
	return span{boundary(anchor, unit, length, n), boundary(anchor, unit, length, n+1)}
}

// restFrom is the part of that period which is still to come.
func restFrom(anchor time.Time, unit string, length int, at time.Time) span {
	return span{at, holding(anchor, unit, length, at).to}
}
