// Package rating works out what prices ask for: exact, on values alone, rounded once (design section 6, R1).
//
// Vocabulary: charge, unit amount, tier, share (of a period), commitment, true-up, aggregation.
//
// Rules:
//
//	G1 A quantity is what is charged for: units of usage, seats, or of a percentage price an amount in minor units.
//	   Free units and included seats are taken off first; what is left is never below nothing.
//	G2 Graduated: each unit costs what its tier says. Volume: all units cost what the tier of the last one says. A
//	   tier's flat amount is asked for once when a unit falls into it. Nothing used costs nothing, flat amounts included.
//	G3 Package: each package that was begun is paid for. Flat: the quantity does not count.
//	G4 The share of a period multiplies the exact amount before it is rounded: half to even, once, at the end.
//	G5 A minimum is a commitment for the whole period. When the share of it exceeds what was charged, the difference
//	   is asked for as a line of its own, the true-up.
package rating

import (
	"math/big"

	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/money"
	"github.com/subledger/subledger/domain/period"
)

// Whole is the share of a whole period.
var Whole = period.Share{Part: 1, Whole: 1}

// Charge is a quantity at a price for a share of a period. A quantity is a fraction because an average over time is one:
// rounded first, a third of a unit at 4.5 would cost 1 and not 2.
type Charge struct {
	Price    catalog.Price
	Quantity *big.Rat
	Share    period.Share
}

// Units is a whole quantity.
func Units(n int) *big.Rat { return new(big.Rat).SetInt64(int64(n)) }

// Billable is the quantity that is paid for (rule G1).
func (c Charge) Billable() *big.Rat {
	n := new(big.Rat).Set(c.Quantity)
	if free := c.Price.FreeUnits; free != nil {
		n.Sub(n, free.Rat())
	}
	if included := c.Price.IncludedSeats; included != nil {
		n.Sub(n, new(big.Rat).SetInt64(*included))
	}
	if n.Sign() < 0 {
		return n.SetInt64(0)
	}
	return n
}

// Exact is what is asked for in minor units, before it is rounded.
func (c Charge) Exact() *big.Rat {
	full := c.Full()
	return full.Mul(full, c.Share.Rat())
}

// Full is what the whole period would cost, exactly. A price that lacks what its kind needs costs nothing: the
// catalog refuses those.
func (c Charge) Full() *big.Rat {
	p, n := c.Price, c.Billable()
	switch {
	case p.Kind == catalog.Graduated || p.Kind == catalog.Volume:
		sum := new(big.Rat)
		for _, t := range c.Tiers() {
			sum.Add(sum, t.Amount())
		}
		return sum
	case p.Kind == catalog.Percentage:
		if p.Percentage == nil {
			return new(big.Rat)
		}
		return n.Mul(n, p.Percentage.Shift(-2).Rat())
	case p.UnitAmount == nil:
		return new(big.Rat)
	case p.Kind == catalog.Flat:
		return p.UnitAmount.Rat()
	case p.Kind == catalog.Package:
		n = c.Packages()
	}
	return n.Mul(n, p.UnitAmount.Rat())
}

// Amount is Exact rounded to an amount in minor units. It refuses with amount_out_of_range what is no int64.
func (c Charge) Amount() (int64, error) { return money.RoundRat(c.Exact()) }

// Packages is how many were begun.
func (c Charge) Packages() *big.Rat {
	n, size := c.Billable(), c.Price.PackageSize
	if size == nil || !size.IsPositive() {
		return n
	}
	n.Quo(n, size.Rat())
	whole, rest := new(big.Int).QuoRem(n.Num(), n.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		whole.Add(whole, big.NewInt(1))
	}
	return n.SetInt(whole)
}

// TierUse is what falls into a tier.
type TierUse struct {
	Tier     int // from 0
	Quantity *big.Rat
	Unit     decimal.Decimal
	Flat     *decimal.Decimal
}

// Amount is what it costs.
func (t TierUse) Amount() *big.Rat {
	sum := t.Unit.Rat()
	sum.Mul(sum, t.Quantity)
	if t.Flat != nil {
		sum.Add(sum, t.Flat.Rat())
	}
	return sum
}

// Tiers are the tiers that the quantity uses (rule G2): one of a volume price, of a graduated one as many as it reaches.
func (c Charge) Tiers() (used []TierUse) {
	all := c.Billable()
	if all.Sign() == 0 {
		return nil
	}
	from := new(big.Rat)
	for i, t := range c.Price.Tiers {
		to, last := all, true
		if t.UpTo != nil {
			if end := new(big.Rat).SetInt64(*t.UpTo); end.Cmp(all) < 0 {
				to, last = end, false
			}
		}
		use := TierUse{Tier: i, Unit: t.UnitAmount, Flat: t.FlatAmount}
		switch {
		case c.Price.Kind == catalog.Graduated:
			use.Quantity = new(big.Rat).Sub(to, from)
			used = append(used, use)
		case last:
			use.Quantity = all
			used = append(used, use)
		}
		if last {
			return used
		}
		from = to
	}
	return used
}

// TrueUp is what is missing to the share of a price's minimum, given what was charged of it (rule G5); 0 without one.
func TrueUp(p catalog.Price, share period.Share, charged int64) (int64, error) {
	if p.MinimumAmount == nil {
		return 0, nil
	}
	committed, err := money.RoundRat(share.Of(decimal.NewFromInt(*p.MinimumAmount)))
	if err != nil || committed <= charged {
		return 0, err
	}
	return committed - charged, nil
}
