package invoice

import (
	"math/big"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/money"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/internal/mutant"
)

// Debited is a line that was billed and what was taken back of it since.
type Debited struct {
	Line
	Credited int64   `json:"credited,omitzero"` // of the amount; positive
	Returned []int64 `json:"returned,omitzero"` // of each discount; positive
	Gone     int64   `json:"gone,omitzero"`     // of the amount, what credit notes took off; positive
}

// Unused is what a credit takes back: a part of a line's own time and, of a line of several units that has fewer left,
// so many of them.
type Unused struct {
	Period period.Period
	Units  int64 // 0: all
	Of     int64 // those of the line as it was debited
	Shown  period.Period
}

// From is all of a line from an instant on.
func (d *Debited) From(at time.Time) Unused {
	_, rest := d.Period.Split(at)
	return Unused{Period: rest}
}

// Credit takes back an unused part of a line: a share, over the line's own time, of what was really asked for, and never
// more than what is left of it (design section 6, R5). Its discounts are the same share of the line's, given back; its
// taxes follow the line's rates. ok is false when nothing is left to take back: a line of 0 is none.
// zone is for modes that count local days.
func (d *Debited) Credit(id uuid.UUID, part Unused, mode period.Mode, zone *time.Location) (credit Line, ok bool, err error) {
	if d.Period.Empty() || part.Period.Empty() {
		return Line{}, false, nil
	}
	share := mode.Share(part.Period, d.Period, zone)
	of := share.Rat()
	if part.Units > 0 {
		of.Mul(of, big.NewRat(part.Units, part.Of))
	}
	if mutant.Active == mutant.FullCredit {
		of.SetInt64(1)
	}
	amount, err := partOf(of, d.Amount, d.Credited+d.Gone)
	if err != nil {
		return Line{}, false, err
	}
	if asked, err := partOf(of, d.Amount, d.Credited); err == nil && amount < asked { // a credit note took the rest, with its discount
		of = big.NewRat(amount, d.Amount)
	}
	d.Credited += amount
	credit = d.Line
	reversed := d.ID
	credit.ID, credit.Kind, credit.Amount, credit.Share, credit.ProrationMode, credit.Reverses = id, KindCredit, -amount, share, string(mode), &reversed
	if credit.Period = part.Period; !part.Shown.Empty() {
		credit.Period = part.Shown
	}
	if part.Units > 0 {
		credit.Quantity, credit.Units = strconv.FormatInt(part.Units, 10), &period.Share{Part: part.Units, Whole: part.Of}
	}
	credit.Before, credit.Discounts, credit.Taxes, credit.Events = "", nil, nil, nil
	if err := d.giveBack(&credit, of); err != nil {
		return Line{}, false, err
	}
	for _, t := range d.Taxes {
		credit.Taxes = append(credit.Taxes, Tax{TaxRateID: t.TaxRateID, Percentage: t.Percentage, Inclusive: t.Inclusive})
	}
	return credit, amount != 0, nil
}

// giveBack gives a credit its share of the line's discounts.
func (d *Debited) giveBack(credit *Line, share *big.Rat) error {
	if len(d.Returned) < len(d.Discounts) {
		d.Returned = append(d.Returned, make([]int64, len(d.Discounts)-len(d.Returned))...)
	}
	for i, off := range d.Discounts {
		back, err := partOf(share, off.Amount, d.Returned[i])
		if err != nil {
			return err
		}
		d.Returned[i] += back
		if back != 0 {
			credit.Discounts = append(credit.Discounts, Discount{CouponID: off.CouponID, Code: off.Code, Amount: -back})
		}
	}
	return nil
}

// partOf is a share of an amount, at most what was not taken before.
func partOf(share *big.Rat, amount, before int64) (int64, error) {
	n, err := money.RoundRat(new(big.Rat).Mul(share, new(big.Rat).SetInt64(amount)))
	return max(0, min(n, amount-before)), err
}

// mirror gives credits of lines that are on the same invoice their share of the discounts that those got there.
func mirror(lines []Line) error {
	debited := map[uuid.UUID]*Debited{}
	for i := range lines {
		if l := &lines[i]; !l.credit() {
			debited[l.ID] = &Debited{Line: *l}
		}
	}
	for i := range lines {
		l := &lines[i]
		if !l.credit() {
			continue
		}
		d := debited[*l.Reverses]
		if d == nil {
			continue
		}
		l.Discounts = nil
		if err := d.giveBack(l, l.taken()); err != nil {
			return err
		}
	}
	return nil
}
