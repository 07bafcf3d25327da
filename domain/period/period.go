// Package period does the calendar of billing on values: anchors, boundaries, periods, shares of a period.
//
// Words: an anchor is the moment from which all boundaries are counted; period n runs from boundary n to boundary
// n+1; a wall time is what a local clock shows; a share is the part of a period that a state lasted.
//
// Rules (design, section 6): R2 periods are half-open. R3 the n-th boundary is counted from the original anchor
// on the local calendar, clamped to the month, never from the boundary before; then the zone's rules make it an
// instant. R4 shares are counted by second, by local day or in months of 30 days.
//
// A wall time that a zone skips is read with the offset before the gap: 02:30 becomes 03:30, and a skipped date
// becomes the next one, which leaves a period of no length. One that occurs twice is the first of the two.
// Instants are UTC. All of this holds from Min to Max; what lies beyond is drawn to the nearer of them.
package period

import (
	"time"

	"github.com/subledger/subledger/domain"
)

// Min and Max are the ends of the calendar, years 1 to 9999: what RFC 3339 can write, in microseconds.
// Min is also the zero time.Time.
var (
	Min = time.Time{}
	Max = time.Date(9999, time.December, 31, 23, 59, 59, 999999000, time.UTC)
)

// Check refuses an instant outside the calendar: time_out_of_range.
func Check(t time.Time) error {
	if t.Before(Min) || t.After(Max) {
		return domain.Refuse(domain.Invalid, "time_out_of_range", "times lie in the years 1 to 9999, UTC")
	}
	return nil
}

func clamp(t time.Time) time.Time {
	switch {
	case t.Before(Min):
		return Min
	case t.After(Max):
		return Max
	}
	return t.Round(0).UTC() // without a monotonic reading, which equality would see
}

// Period is the time from Start, included, to End, excluded (rule R2).
type Period struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Contains reports whether t lies in the period: its start does, its end does not.
func (p Period) Contains(t time.Time) bool {
	return !t.Before(p.Start) && t.Before(p.End)
}

// Empty reports a period of no length. It is neither billed nor listed.
func (p Period) Empty() bool {
	return !p.Start.Before(p.End)
}

// Seconds is the real length in whole seconds, leap seconds not counted.
func (p Period) Seconds() int64 {
	return p.micros() / 1e6
}

// Split cuts the period in two adjoining ones at t, which belongs to the second. Outside the period one of
// them is empty.
func (p Period) Split(t time.Time) (before, after Period) {
	switch {
	case t.Before(p.Start):
		t = p.Start
	case t.After(p.End):
		t = p.End
	}
	return Period{p.Start, t}, Period{t, p.End}
}

// micros counts from instants cut to the microsecond, so that the parts of a period add up.
func (p Period) micros() int64 {
	return p.End.UnixMicro() - p.Start.UnixMicro()
}
