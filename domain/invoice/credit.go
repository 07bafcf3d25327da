package invoice

import (
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/money"
	"github.com/subledger/subledger/domain/period"
)

// Debited is a line that was billed and what was taken back of it since.
type Debited struct {
	Line
	Credited int64   `json:"credited,omitzero"` // of the amount; positive
	Returned []int64 `json:"returned,omitzero"` // of each discount; positive
}

// Credit takes back the part of a line from an instant on: a share, over the line's own time, of what was really asked
// for, and never more than what is left of it (design section 6, R5). Its discounts are the same share of the line's,
// given back; its taxes follow the line's rates. ok is false when nothing is left to take back: a line of 0 is none.
// zone is for modes that count local days.
func (d *Debited) Credit(id uuid.UUID, at time.Time, mode period.Mode, zone *time.Location) (credit Line, ok bool, err error) {
	_, unused := d.Period.Split(at)
	if d.Period.Empty() || unused.Empty() {
		return Line{}, false, nil
	}
	share := mode.Share(unused, d.Period, zone)
	part := func(of, before int64) (int64, error) {
		n, err := money.RoundRat(share.Of(decimalOf(of)))
		return max(0, min(n, of-before)), err
	}
	amount, err := part(d.Amount, d.Credited)
	if err != nil {
		return Line{}, false, err
	}
	d.Credited += amount
	credit = d.Line
	reversed := d.ID
	credit.ID, credit.Kind, credit.Amount, credit.Period, credit.Share, credit.ProrationMode, credit.Reverses = id, KindCredit, -amount, unused, share, string(mode), &reversed
	credit.Discounts, credit.Taxes, credit.Events = nil, nil, nil
	if len(d.Returned) < len(d.Discounts) {
		d.Returned = make([]int64, len(d.Discounts))
	}
	for i, off := range d.Discounts {
		back, err := part(off.Amount, d.Returned[i])
		if err != nil {
			return Line{}, false, err
		}
		d.Returned[i] += back
		if back != 0 {
			credit.Discounts = append(credit.Discounts, Discount{CouponID: off.CouponID, Code: off.Code, Amount: -back})
		}
	}
	for _, t := range d.Taxes {
		credit.Taxes = append(credit.Taxes, Tax{TaxRateID: t.TaxRateID, Percentage: t.Percentage, Inclusive: t.Inclusive})
	}
	return credit, amount != 0, nil
}
