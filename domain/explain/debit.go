package explain

import (
	"math/big"

	"github.com/subledger/subledger/domain/invoice"
)

// debit is what a debit note asks for on top of a line of another invoice, without the taxes beside it: somebody said how
// much, taxes included.
func (x *explainer) debit(s *Step, l *invoice.Line) (Step, error) {
	s.Formula = "amount = asked − round(asked × the percentages that are not included / (100 + all percentages))"
	s.Events = []int64{x.drafted}
	of, err := x.addedTo(l)
	if err != nil {
		return *s, err
	}
	if of == nil {
		return unexplained(s, l, "the line that it adds to is on no invoice that it names"), nil
	}
	s.want("its kind", l.Kind, invoice.KindAdjustment)
	s.want("its time", span(l.Period), span(of.Period))
	s.want("its share", fraction(l.Share), fraction(of.Share))
	s.want("its proration mode", l.ProrationMode, of.ProrationMode)
	s.want("quantity", l.Quantity, "1")
	s.want("the quantity before", orZero(l.Before), "0")
	s.want("the plan", l.PlanID.String(), of.PlanID.String())
	s.want("the plan's version", digits(int64(l.PlanVersion)), digits(int64(of.PlanVersion)))
	s.want("the price", l.PriceKey, of.PriceKey)
	s.in("asked", digits(l.Asked))
	all, beside := whole(100), new(big.Rat)
	for _, t := range of.Taxes {
		all.Add(all, t.Percentage.Rat())
		if !t.Inclusive {
			beside.Add(beside, t.Percentage.Rat())
		}
	}
	s.in("percentagesNotIncluded", plain(beside))
	s.in("allPercentages", plain(new(big.Rat).Sub(all, whole(100))))
	tax := times(whole(l.Asked), beside, new(big.Rat).Inv(all))
	return s.comes(new(big.Rat).Sub(whole(l.Asked), tax), l.Asked-minor(tax), l.Amount), nil
}

// addedTo is the line that a debit note's line adds to; nil: there is none.
func (x *explainer) addedTo(l *invoice.Line) (*invoice.Line, error) {
	first := &invoice.State{}
	if x.of.DebitNoteOf == nil || l.Adds == nil {
		return nil, nil
	}
	if err := x.fold(first, *x.of.DebitNoteOf, x.drafted); err != nil {
		return nil, err
	}
	for i := range first.Lines {
		if first.Lines[i].ID == *l.Adds {
			return &first.Lines[i], nil
		}
	}
	return nil, nil
}

// debitedTaxes are those in what each line of a debit note asks for, at the rates of the line that it adds to.
func (x *explainer) debitedTaxes(out *Explanation) error {
	for i := range x.of.Lines {
		l := &x.of.Lines[i]
		of, err := x.addedTo(l)
		if err != nil || of == nil {
			return err
		}
		all := whole(100)
		for _, t := range of.Taxes {
			all.Add(all, t.Percentage.Rat())
		}
		sums, parts, places := map[bool]*big.Rat{}, map[bool][]*big.Rat{}, map[bool][]int{}
		for j, t := range of.Taxes {
			part := times(whole(l.Asked), t.Percentage.Rat(), new(big.Rat).Inv(all))
			if sums[t.Inclusive] == nil {
				sums[t.Inclusive] = new(big.Rat)
			}
			sums[t.Inclusive].Add(sums[t.Inclusive], part)
			parts[t.Inclusive], places[t.Inclusive] = append(parts[t.Inclusive], part), append(places[t.Inclusive], j)
		}
		taxable, results, exact := l.Amount, make([]int64, len(of.Taxes)), make([]*big.Rat, len(of.Taxes))
		for inclusive, sum := range sums {
			total := minor(sum)
			if inclusive {
				taxable -= total
			}
			for k, n := range spread(total, parts[inclusive]) {
				results[places[inclusive][k]], exact[places[inclusive][k]] = n, parts[inclusive][k]
			}
		}
		out.Lines[i].Taxes = make([]Step, len(of.Taxes))
		for j, t := range of.Taxes {
			name := levied{t.TaxRateID, t.Percentage.String(), t.Inclusive}
			s := step("tax "+name.String(), "tax = asked × percentage / (100 + all percentages), rounded so that all that are included, and all that are not, are round(their sum)", x.drafted)
			s.Rounding = largestRemainder
			s.in("taxRate", t.TaxRateID.String())
			s.in("percentage", name.percentage)
			s.in("asked", digits(l.Asked))
			if j >= len(l.Taxes) {
				s.wrong("the line lacks the rate")
				out.Lines[i].Taxes[j] = *s
				continue
			}
			is := l.Taxes[j]
			s.want("the rate", is.TaxRateID.String()+" "+levied{is.TaxRateID, is.Percentage.String(), is.Inclusive}.String(), name.rate.String()+" "+name.String())
			s.want("taxable", digits(is.Taxable), digits(taxable))
			out.Lines[i].Taxes[j] = s.comes(exact[j], results[j], is.Amount)
		}
		if len(l.Taxes) > len(of.Taxes) {
			out.Lines[i].Amount.wrong("it has a rate that the line that it adds to has not")
		}
	}
	return nil
}
