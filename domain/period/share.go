package period

import (
	"math/big"
	"time"

	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
)

// Mode is how a share of a period is counted (rule R4). The zero value counts like BySecond.
type Mode string

const (
	BySecond  Mode = "second"  // real time over real time
	ByDay     Mode = "day"     // local dates: a change counts from its midnight, its day belongs to the new state
	ByFixed30 Mode = "fixed30" // local dates, every month 30 days: 30E/360
)

// ParseMode refuses what is none of the three: bad_proration_mode.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case BySecond, ByDay, ByFixed30:
		return m, nil
	}
	return "", domain.Refuse(domain.Invalid, "bad_proration_mode", "%.20q is not second, day or fixed30", s)
}

// Share is Part of Whole, exact and not reduced: 10 days of 30, 1983600 seconds of 2674800.
type Share struct {
	Part  int64 `json:"part"`
	Whole int64 `json:"whole"` // above 0
}

// Rat is the share as a number.
func (s Share) Rat() *big.Rat {
	return big.NewRat(s.Part, s.Whole)
}

// Of is the share of an amount or a price, exact; money.RoundRat rounds it.
func (s Share) Of(d decimal.Decimal) *big.Rat {
	r := d.Rat()
	return r.Mul(r, s.Rat())
}

// Share counts part against whole, on the zone's dates (nil is UTC). The parts into which a period is split have
// shares that add up to 1. Part may reach beyond whole; nothing is clamped.
//
// BySecond counts in seconds, or in microseconds where seconds are not whole. A whole in which the mode has nothing
// to count, such as the 31st alone in ByFixed30, is counted by the second; one of no length gives 0 of 1.
func (m Mode) Share(part, whole Period, zone *time.Location) Share {
	if m == ByDay || m == ByFixed30 {
		if n := m.days(whole, zone); n > 0 {
			return Share{m.days(part, zone), n}
		}
	}
	p, w := part.micros(), whole.micros()
	switch {
	case w <= 0:
		return Share{0, 1}
	case p%1e6 == 0 && w%1e6 == 0:
		return Share{p / 1e6, w / 1e6}
	}
	return Share{p, w}
}

func (m Mode) days(p Period, zone *time.Location) int64 {
	from, to := WallOf(p.Start, zone), WallOf(p.End, zone)
	if m == ByDay {
		return int64(to.days() - from.days())
	}
	days := func(w Wall) int { return 30*monthsOf(w) + min(w.utc.Day(), 30) }
	return int64(days(to) - days(from))
}
