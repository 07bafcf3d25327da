package catalog

import (
	"strconv"

	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/money"
)

// CheckCharge refuses a quantity whose price a period's invoice could not hold: what a version of the plan
// asks for it in a currency is at most an int64 of minor units. Prices by usage are not known beforehand.
//
// Invalid: amount_out_of_range, without a field.
func (p *Plan) CheckCharge(version int, currency string, quantity int) error {
	prices, ok := p.Prices(version)
	if !ok || surelyFits(prices, quantity) {
		return nil
	}
	total, n := decimal.Zero, decimal.NewFromInt(int64(quantity))
	for i := range prices {
		if price := &prices[i]; price.Currency == currency && price.Meter == "" {
			total = total.Add(price.most(n))
		}
	}
	if _, err := money.Round(total); err != nil {
		return domain.Refuse(domain.Invalid, "amount_out_of_range", "at a quantity of %d the price is more than 64 bits of minor units hold; want fewer", quantity)
	}
	return nil
}

// surelyFits looks at the numbers' lengths alone, which is nearly always enough and costs nothing.
func surelyFits(prices []Price, quantity int) bool {
	const room = 18 - 2 - 1 // digits of an int64, less those of maxPrices and one for a flat amount beside
	have := len(strconv.Itoa(quantity))
	for i := range prices {
		if len(prices[i].Tiers) > 0 || prices[i].PackageSize != nil || prices[i].MinimumAmount != nil {
			return false
		}
		if d := prices[i].UnitAmount; d != nil && d.NumDigits()+int(d.Exponent())+have > room {
			return false
		}
	}
	return true
}

// most is what a price without a meter asks for n units at the most: free units and seats are not taken off.
func (p *Price) most(n decimal.Decimal) decimal.Decimal {
	sum := decimal.Zero
	switch {
	case p.UnitAmount == nil:
	case p.Kind == Flat:
		sum = *p.UnitAmount
	case p.Kind == Package && p.PackageSize != nil:
		packages, rest := n.QuoRem(*p.PackageSize, 0)
		if !rest.IsZero() {
			packages = packages.Add(decimal.NewFromInt(1))
		}
		sum = p.UnitAmount.Mul(packages)
	default:
		sum = p.UnitAmount.Mul(n)
	}
	dearest := decimal.Zero
	for _, t := range p.Tiers {
		dearest = decimal.Max(dearest, t.UnitAmount)
		if t.FlatAmount != nil {
			sum = sum.Add(*t.FlatAmount)
		}
	}
	sum = sum.Add(dearest.Mul(n))
	if p.MinimumAmount != nil {
		sum = decimal.Max(sum, decimal.NewFromInt(*p.MinimumAmount))
	}
	return sum
}
