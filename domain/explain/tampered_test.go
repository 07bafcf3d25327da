package explain_test

import (
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain/invoice"
)

// tampering changes something of an invoice by one.
type tampering struct {
	name string
	do   func(*invoice.State)
}

// tamperings are all that an invoice bears.
func tamperings(of *invoice.State) (all []tampering) {
	add := func(name string, do func(*invoice.State)) { all = append(all, tampering{name, do}) }
	for i := range of.Lines {
		line := func(what string, do func(*invoice.Line)) {
			add(fmt.Sprintf("%s of line %d, %s", what, i+1, of.Lines[i].Kind), func(s *invoice.State) { do(&s.Lines[i]) })
		}
		for _, by := range []int64{1, -1} {
			line("amount", func(l *invoice.Line) { l.Amount += by })
			for d := range of.Lines[i].Discounts {
				line("discount", func(l *invoice.Line) { l.Discounts[d].Amount += by })
			}
			for t := range of.Lines[i].Taxes {
				line("tax", func(l *invoice.Line) { l.Taxes[t].Amount += by })
				line("taxable", func(l *invoice.Line) { l.Taxes[t].Taxable += by })
			}
		}
		for t := range of.Lines[i].Taxes {
			line("percentage", func(l *invoice.Line) {
				l.Taxes[t].Percentage = l.Taxes[t].Percentage.Add(decimal.NewFromInt(1))
			})
			line("inclusive", func(l *invoice.Line) { l.Taxes[t].Inclusive = !l.Taxes[t].Inclusive })
		}
		line("part", func(l *invoice.Line) { l.Share.Part++ })
		line("whole", func(l *invoice.Line) { l.Share.Whole++ })
		line("quantity", func(l *invoice.Line) {
			q, _ := new(big.Rat).SetString(l.Quantity)
			l.Quantity = q.Add(q, big.NewRat(1, 1)).RatString()
		})
		line("before", func(l *invoice.Line) { l.Before += "1" })
		line("version", func(l *invoice.Line) { l.PlanVersion++ })
		line("end", func(l *invoice.Line) { l.Period.End = l.Period.End.Add(time.Second) })
		line("mode", func(l *invoice.Line) { l.ProrationMode += "s" })
		line("price", func(l *invoice.Line) { l.PriceKey += "s" })
	}
	for i := range of.Coupons {
		add("coupon", func(s *invoice.State) {
			if c := &s.Coupons[i]; c.PercentOff != nil {
				more := c.PercentOff.Add(decimal.NewFromInt(1))
				c.PercentOff = &more
			} else {
				c.AmountOff++
			}
		})
	}
	add("subtotal", func(s *invoice.State) { s.Subtotal++ })
	add("discountTotal", func(s *invoice.State) { s.DiscountTotal-- })
	add("taxTotal", func(s *invoice.State) { s.TaxTotal++ })
	add("total", func(s *invoice.State) { s.Total-- })
	if of.Number != "" && of.Status != invoice.Void {
		add("balanceApplied", func(s *invoice.State) { s.BalanceApplied++ })
	}
	return all
}

// tampered is a copy of an invoice, with something changed.
func tampered(of *invoice.State, with tampering) *invoice.State {
	s := *of
	s.Lines, s.Coupons = slices.Clone(of.Lines), slices.Clone(of.Coupons)
	for i := range s.Lines {
		l := &s.Lines[i]
		l.Discounts, l.Taxes = slices.Clone(l.Discounts), slices.Clone(l.Taxes)
	}
	with.do(&s)
	return &s
}
