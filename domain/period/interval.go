package period

import (
	"strconv"
	"strings"
	"time"

	"github.com/subledger/subledger/domain"
)

// Unit is a step of the local calendar.
type Unit string

const (
	Day   Unit = "day"
	Week  Unit = "week"
	Month Unit = "month"
	Year  Unit = "year"
)

// MaxCount is the longest interval, in its own unit.
const MaxCount = 9999

// Interval is a number of days, weeks, months or years. The zero value is none, and no schedule may have it.
type Interval struct {
	Unit  Unit `json:"unit"`
	Count int  `json:"count"` // 1 to MaxCount
}

// designators are ISO 8601's letters.
var designators = [...]struct {
	unit   Unit
	letter string
}{{Day, "D"}, {Week, "W"}, {Month, "M"}, {Year, "Y"}}

// NewInterval refuses an unknown unit (bad_interval) and a count outside 1 to MaxCount (bad_interval_length).
func NewInterval(unit string, count int) (Interval, error) {
	i := Interval{Unit(unit), count}
	return i, i.Check()
}

// Check refuses like NewInterval.
func (i Interval) Check() error {
	if i.letter() == "" {
		return domain.Refuse(domain.Invalid, "bad_interval", "%.20q is not day, week, month or year", string(i.Unit))
	}
	if i.Count < 1 || i.Count > MaxCount {
		return domain.Refuse(domain.Invalid, "bad_interval_length", "an interval has 1 to %d units, not %d", MaxCount, i.Count)
	}
	return nil
}

// ParseInterval reads an ISO 8601 duration of one component: "P1M", "P2W", "P14D", "P1Y". The count has no sign
// and no leading zero. It refuses like NewInterval.
func ParseInterval(s string) (Interval, error) {
	if rest, ok := strings.CutPrefix(s, "P"); ok {
		for _, d := range designators {
			digits, ok := strings.CutSuffix(rest, d.letter)
			if !ok || digits == "" || strings.Trim(digits, "0123456789") != "" || (digits[0] == '0' && digits != "0") {
				continue
			}
			count, err := strconv.Atoi(digits)
			if err != nil {
				count = MaxCount + 1 // more digits than an int has
			}
			return NewInterval(string(d.unit), count)
		}
	}
	return Interval{}, domain.Refuse(domain.Invalid, "bad_interval", "%.20q is not one of P1D, P1W, P1M, P1Y with any count", s)
}

// String is the ISO 8601 duration that ParseInterval reads; empty for an unknown unit.
func (i Interval) String() string {
	if i.letter() == "" {
		return ""
	}
	return "P" + strconv.Itoa(i.Count) + i.letter()
}

// After is the end of one interval that starts at t, as a licence's or a trial's: t's wall time, later, clamped
// to the month. A nil zone is UTC.
func (i Interval) After(t time.Time, zone *time.Location) time.Time {
	return Schedule{Anchor: t, Interval: i, Zone: zone}.Boundary(1)
}

func (i Interval) letter() string {
	for _, d := range designators {
		if d.unit == i.Unit {
			return d.letter
		}
	}
	return ""
}

// span is the interval in months or else in days.
func (i Interval) span() (months, days int) {
	switch i.Unit {
	case Day:
		return 0, i.Count
	case Week:
		return 0, 7 * i.Count
	case Month:
		return i.Count, 0
	case Year:
		return 12 * i.Count, 0
	}
	return 0, 0
}
