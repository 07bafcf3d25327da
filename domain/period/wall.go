package period

import (
	"fmt"
	"time"
)

// Wall is what a local clock shows: a date and a time of day, of no zone. As text "2025-03-09T02:30:00", with a
// fraction where there is one.
type Wall struct {
	utc time.Time // the same reading on a clock in Greenwich
}

const wallLayout = "2006-01-02T15:04:05.999999999"

// WallOf reads the clock of a zone; nil is UTC.
func WallOf(t time.Time, zone *time.Location) Wall {
	t = t.Round(0)
	_, offset := t.In(location(zone)).Zone()
	return Wall{t.UTC().Add(time.Duration(offset) * time.Second)}
}

// NewWall normalises like time.Date: 31 April is 1 May.
func NewWall(year int, month time.Month, day, hour, minute, second, nanosecond int) Wall {
	return Wall{time.Date(year, month, day, hour, minute, second, nanosecond, time.UTC)}
}

// In is the instant, in UTC, at which the zone's clocks show w: the first of two, and where they skip it, w read
// with the offset before the gap.
func (w Wall) In(zone *time.Location) time.Time {
	// Offsets are less than 16 hours either way, so the zone in force this early cannot be too late a one.
	t := w.utc.Add(-16 * time.Hour).In(location(zone))
	for {
		_, offset := t.Zone()
		_, end := t.ZoneBounds()
		if !end.IsZero() && !end.After(t) {
			// On 31 December of a leap year, where the zone's rule has taken over from its table, Go says the
			// day's start and means its end: golang/go#81583. Nothing changes on that day.
			end = end.Add(24 * time.Hour)
		}
		instant := w.utc.Add(-time.Duration(offset) * time.Second)
		if end.IsZero() || instant.Before(end) {
			return instant
		}
		if _, next := end.Zone(); w.utc.Add(-time.Duration(next) * time.Second).Before(end) {
			return instant // a gap: past the end of the one offset, before the start of the other
		}
		t = end
	}
}

// IsZero reports the zero value: midnight of 1 January of the year 1.
func (w Wall) IsZero() bool { return w.utc.IsZero() }

func (w Wall) String() string { return w.utc.Format(wallLayout) }

// MarshalText writes what UnmarshalText reads.
func (w Wall) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText fails on anything that is not a date and a time as String writes it, with no zone.
func (w *Wall) UnmarshalText(text []byte) error {
	t, err := time.Parse(wallLayout, string(text))
	if err != nil {
		return err
	}
	if t.Format(wallLayout) != string(text) { // time.Parse takes an hour of one digit and a comma
		return fmt.Errorf("%.40q is not a wall time such as %s", text, t.Format(wallLayout))
	}
	w.utc = t
	return nil
}

// days numbers the dates; only differences mean something.
func (w Wall) days() int {
	return int(floorDiv(w.utc.Unix(), 86400))
}

func location(zone *time.Location) *time.Location {
	if zone == nil {
		return time.UTC
	}
	return zone
}

func floorDiv[T int | int64](a, b T) T {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}
