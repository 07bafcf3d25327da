package account

import (
	"math/big"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/rating"
)

// Bought is what a subscription is billed for, as it is at an instant. All times are UTC.
type Bought struct {
	ID          uuid.UUID // the subscription's
	CustomerID  *uuid.UUID
	PlanID      uuid.UUID
	PlanVersion int
	PlanName    string
	ProductID   uuid.UUID
	Prices      []catalog.Price // of that version, in Currency; none while nothing is charged
	Currency    string
	Quantity    int
	Mode        period.Mode
	Zone        *time.Location
	Period      period.Period // the one under way
	Whole       period.Period // the anchored one that holds it: what a price is for
	Shifted     time.Duration // Period's time by now, by pauses that extended it: Whole is as it was before them
	Coupons     []Coupon      // in order of their being applied
}

// Coupon is a discount as a subscription has it. It discounts what begins from At on, for its duration, and
// nothing from EndsAt on.
type Coupon struct {
	CouponID        uuid.UUID        `json:"coupon_id"`
	Code            string           `json:"code"`
	At              time.Time        `json:"at"`
	PercentOff      *decimal.Decimal `json:"percent_off,omitempty"`
	AmountOff       *int64           `json:"amount_off,omitzero"` // in minor units of Currency, which is the subscription's
	Currency        string           `json:"currency,omitzero"`
	Duration        string           `json:"duration"` // once, repeating, forever
	DurationPeriods *int             `json:"duration_periods,omitzero"`
	EndsAt          *time.Time       `json:"ends_at,omitempty"`
}

// periods is how many periods it discounts; 0: all.
func (c *Coupon) periods() int {
	switch {
	case c.Duration == "once":
		return 1
	case c.Duration == "repeating" && c.DurationPeriods != nil:
		return *c.DurationPeriods
	}
	return 0
}

// share is that of a part in a price's own period.
func (b *Bought) share(part period.Period) period.Share {
	part.Start, part.End = part.Start.Add(-b.Shifted), part.End.Add(-b.Shifted)
	if part == b.Whole {
		return rating.Whole
	}
	return b.Mode.Share(part, b.Whole, b.Zone)
}

// owner is whose balance pays.
func (b *Bought) owner() uuid.UUID {
	if b.CustomerID != nil {
		return *b.CustomerID
	}
	return b.ID
}

// linear tells a price at which each unit costs the same, and whose units are whole: those of a quantity come and go alone.
func linear(p *catalog.Price) bool {
	return (p.Kind == catalog.SeatPrice || p.Kind == catalog.PerUnit) && (p.FreeUnits == nil || p.FreeUnits.IsInteger()) && p.MinimumAmount == nil
}

// inAdvance and metered tell two of the ways in which a price is billed; in arrears is the third.
func inAdvance(p *catalog.Price) bool { return p.Meter == "" && p.Billing != catalog.InArrears }
func metered(p *catalog.Price) bool   { return p.Meter != "" }

// units is how many of a quantity are paid for, at a linear price.
func units(p catalog.Price, quantity int) int64 {
	n := rating.Charge{Price: p, Quantity: rating.Units(quantity)}.Billable()
	return new(big.Int).Quo(n.Num(), n.Denom()).Int64()
}
