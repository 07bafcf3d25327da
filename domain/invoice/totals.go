package invoice

import (
	"math/big"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain/money"
)

// Discount is what a coupon takes off a line, in minor units; negative on a credit, which gives back what its line had
// been given.
type Discount struct {
	CouponID uuid.UUID `json:"coupon_id"`
	Code     string    `json:"code"`
	Amount   int64     `json:"amount"`
}

// Tax is a line's part of what a rate comes to on the invoice, in minor units.
type Tax struct {
	TaxRateID  uuid.UUID       `json:"tax_rate_id"`
	Percentage decimal.Decimal `json:"percentage"`
	Inclusive  bool            `json:"inclusive,omitzero"`
	Taxable    int64           `json:"taxable"` // the line without its inclusive taxes
	Amount     int64           `json:"amount"`
}

// Coupon takes something off the lines that it covers, those whose service begins From an instant on and before Until: a
// percentage of each, or an amount of all of them together.
type Coupon struct {
	ID         uuid.UUID        `json:"id"`
	Code       string           `json:"code"`
	PercentOff *decimal.Decimal `json:"percent_off,omitempty"`
	AmountOff  int64            `json:"amount_off,omitzero"` // on this invoice
	From       time.Time        `json:"from,omitzero"`
	Until      *time.Time       `json:"until,omitempty"` // nil: for ever
}

// Covers tells whether a coupon takes something off a line. What credits give back is not covered.
func (c *Coupon) Covers(l *Line) bool {
	start := l.Period.Start
	return !l.credit() && !start.Before(c.From) && (c.Until == nil || start.Before(*c.Until))
}

// Rate is a tax rate as it is now.
type Rate struct {
	ID         uuid.UUID
	Percentage decimal.Decimal
	Inclusive  bool
}

// Totals are an invoice's, in minor units.
type Totals struct {
	Subtotal      int64 `json:"subtotal"`       // of the lines
	DiscountTotal int64 `json:"discount_total"` // positive: less to pay
	TaxTotal      int64 `json:"tax_total"`      // inclusive taxes too
	Total         int64 `json:"total"`          // subtotal less discounts and with exclusive taxes
}

// Settle gives lines their discounts and taxes (design section 6, R6). Discounts come first, percentages before amounts
// and each kind in the order of the coupons, on what the ones before left; tax is on what is left then.
//
// A credit comes with the discounts and the rates of the line that it reverses and keeps them; of a line that is on the
// same invoice, it gets its share of the discounts here. Other lines get those of coupons, and keep the rates that they
// come with unless there are others. A percentage is rounded a line, half to even; an amount, and each rate's tax, is rounded once on the
// invoice and spread by the largest remainder. An amount takes no line below nothing: what is left of it then is lost. Of a
// line that is partly taken back on the same invoice only the rest uses it up.
// It refuses with amount_out_of_range totals that are no int64.
func Settle(lines []Line, coupons []Coupon, rates []Rate) (Totals, error) {
	for i := range lines {
		lines[i].Taxes = slices.Clone(lines[i].Taxes) // a state's own, perhaps
		if l := &lines[i]; !l.credit() {
			l.Discounts = nil
			if len(rates) > 0 {
				l.Tax(rates)
			}
		}
	}
	inOrder := slices.Clone(coupons)
	slices.SortStableFunc(inOrder, func(a, b Coupon) int { return kind(a) - kind(b) })
	for _, c := range inOrder {
		if err := c.take(lines); err != nil {
			return Totals{}, err
		}
	}
	if err := mirror(lines); err != nil {
		return Totals{}, err
	}
	if err := tax(lines); err != nil {
		return Totals{}, err
	}
	return Sum(lines)
}

// Tax gives a line rates as they are now; what they come to is worked out on the invoice.
func (l *Line) Tax(rates []Rate) {
	l.Taxes = nil
	for _, r := range rates {
		l.Taxes = append(l.Taxes, Tax{TaxRateID: r.ID, Percentage: r.Percentage, Inclusive: r.Inclusive})
	}
}

func kind(c Coupon) int {
	if c.PercentOff != nil {
		return 0
	}
	return 1
}

// take gives lines a coupon's discount.
func (c Coupon) take(lines []Line) error {
	var covered []*Line
	for i := range lines {
		if l := &lines[i]; l.net() > 0 && c.Covers(l) {
			covered = append(covered, l)
		}
	}
	parts := make([]int64, len(covered))
	var err error
	if c.PercentOff == nil {
		parts, err = c.spread(lines, covered)
	} else {
		for i, l := range covered {
			if parts[i], err = money.Round(decimalOf(l.net()).Mul(*c.PercentOff).Shift(-2)); err != nil {
				break
			}
		}
	}
	for i, l := range covered {
		if err == nil && parts[i] != 0 {
			l.Discounts = append(l.Discounts, Discount{CouponID: c.ID, Code: c.Code, Amount: parts[i]})
		}
	}
	return err
}

// spread is an amount over the lines that it covers. What credits on the same invoice take back of a line gives back the
// same share of its discount, so the line gets as much more: in the end the amount is off what is kept of all of them.
func (c Coupon) spread(lines []Line, covered []*Line) ([]int64, error) {
	parts := make([]int64, len(covered))
	shares := make([][]*big.Rat, len(covered)) // that are taken back
	left, kept := make([]*big.Rat, len(covered)), new(big.Rat)
	for i, l := range covered {
		left[i] = new(big.Rat).SetInt64(l.net())
		rest := big.NewRat(1, 1)
		for j := range lines {
			if r := lines[j].Reverses; r != nil && *r == l.ID {
				share := lines[j].taken()
				shares[i] = append(shares[i], share)
				rest.Sub(rest, share)
			}
		}
		if rest.Sign() <= 0 {
			left[i].SetInt64(0)
		}
		kept.Add(kept, rest.Mul(rest, left[i]))
	}
	if kept.Sign() <= 0 {
		return parts, nil
	}
	rate := new(big.Rat).SetInt64(c.AmountOff) // of what is left of each
	if rate.Quo(rate, kept); rate.Cmp(big.NewRat(1, 1)) > 0 {
		rate.SetInt64(1)
	}
	off, err := money.RoundRat(new(big.Rat).Mul(rate, kept))
	if err != nil {
		return nil, err
	}
	weights := make([]decimal.Decimal, len(covered))
	for i, l := range covered {
		if len(shares[i]) == 0 {
			weights[i] = decimalOf(l.net())
			continue
		}
		if parts[i], err = money.RoundRat(new(big.Rat).Mul(rate, left[i])); err != nil {
			return nil, err
		}
		back := int64(0)
		for _, share := range shares[i] {
			n, err := partOf(share, parts[i], back)
			if err != nil {
				return nil, err
			}
			back += n
		}
		off -= parts[i] - back
	}
	most := new(big.Int)
	for _, w := range weights {
		most.Add(most, w.BigInt())
	}
	if off = max(0, off); most.IsInt64() {
		off = min(off, most.Int64())
	}
	for i, n := range money.Allocate(off, weights) {
		parts[i] += n
	}
	return parts, nil
}

// taken is the share that a credit takes back of its line.
func (l *Line) taken() *big.Rat {
	share := l.Share.Rat()
	if l.Units != nil {
		share.Mul(share, l.Units.Rat())
	}
	return share
}

// tax works out each rate once over all lines that have it.
func tax(lines []Line) error {
	type group struct {
		exact *big.Rat
		of    []*Tax
		parts []*big.Rat
	}
	// A rate that was changed is another one: a credit keeps what its line had.
	type name struct {
		id         uuid.UUID
		percentage string
		inclusive  bool
	}
	var order []*group
	groups := map[name]*group{}
	for i := range lines {
		l := &lines[i]
		base := l.base()
		for j := range l.Taxes {
			t := &l.Taxes[j]
			n := name{t.TaxRateID, t.Percentage.String(), t.Inclusive}
			g := groups[n]
			if g == nil {
				g = &group{exact: new(big.Rat)}
				groups[n] = g
				order = append(order, g)
			}
			part := t.Percentage.Shift(-2).Rat()
			part.Mul(part, base)
			g.exact.Add(g.exact, part)
			g.of, g.parts = append(g.of, t), append(g.parts, part)
		}
	}
	for _, g := range order {
		total, err := money.RoundRat(g.exact)
		if err != nil {
			return err
		}
		for i, part := range money.AllocateRat(total, g.parts) {
			g.of[i].Amount = part
		}
	}
	for i := range lines {
		l := &lines[i]
		taxable := l.net()
		for _, t := range l.Taxes {
			if t.Inclusive {
				taxable -= t.Amount
			}
		}
		for j := range l.Taxes {
			l.Taxes[j].Taxable = taxable
		}
	}
	return nil
}

// base is what the taxes of a line are a percentage of: without those that its price includes, exactly.
func (l *Line) base() *big.Rat {
	included := decimal.NewFromInt(100)
	for _, t := range l.Taxes {
		if t.Inclusive {
			included = included.Add(t.Percentage)
		}
	}
	base := new(big.Rat).SetInt64(l.net())
	return base.Quo(base.Mul(base, big.NewRat(100, 1)), included.Rat())
}

// net is a line less its discounts.
func (l *Line) net() int64 {
	n := l.Amount
	for _, d := range l.Discounts {
		n -= d.Amount
	}
	return n
}

// Sum adds lines up as they are.
func Sum(lines []Line) (t Totals, err error) {
	var amounts, discounts, taxes, all []int64
	for _, l := range lines {
		amounts, all = append(amounts, l.Amount), append(all, l.Amount)
		for _, d := range l.Discounts {
			discounts, all = append(discounts, d.Amount), append(all, -d.Amount)
		}
		for _, x := range l.Taxes {
			taxes = append(taxes, x.Amount)
			if !x.Inclusive {
				all = append(all, x.Amount)
			}
		}
	}
	for _, of := range []struct {
		to    *int64
		parts []int64
	}{{&t.Subtotal, amounts}, {&t.DiscountTotal, discounts}, {&t.TaxTotal, taxes}, {&t.Total, all}} {
		if *of.to, err = money.Sum(of.parts...); err != nil {
			return Totals{}, err
		}
	}
	return t, nil
}

func decimalOf(minor int64) decimal.Decimal { return decimal.NewFromInt(minor) }
