package explain

import (
	"math/big"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
)

// levied is a rate as a line has it. One that was changed is another one.
type levied struct {
	rate       uuid.UUID
	percentage string
	inclusive  bool
}

func (r levied) String() string {
	if r.inclusive {
		return r.percentage + " % included"
	}
	return r.percentage + " %"
}

// taxes works out each rate once over all lines that have it, and spreads it over them.
func (x *explainer) taxes(out *Explanation) error {
	if x.of.DebitNoteOf != nil {
		return x.debitedTaxes(out)
	}
	type group struct {
		of          levied
		sum         *big.Rat
		parts       []*big.Rat
		lines, taxs []int
	}
	var order []*group
	groups := map[levied]*group{}
	for i := range x.of.Lines {
		l := &x.of.Lines[i]
		for j, t := range l.Taxes {
			name := levied{t.TaxRateID, t.Percentage.String(), t.Inclusive}
			g := groups[name]
			if g == nil {
				g = &group{of: name, sum: new(big.Rat)}
				groups[name], order = g, append(order, g)
			}
			part := times(base(l), percent(t.Percentage))
			g.sum.Add(g.sum, part)
			g.parts, g.lines, g.taxs = append(g.parts, part), append(g.lines, i), append(g.taxs, j)
		}
		out.Lines[i].Taxes = make([]Step, len(l.Taxes))
	}
	for _, g := range order {
		total, recorded := minor(g.sum), int64(0)
		for k, tax := range spread(total, g.parts) {
			l := &x.of.Lines[g.lines[k]]
			t := &l.Taxes[g.taxs[k]]
			recorded += t.Amount
			s := step("tax "+g.of.String(), "tax = net × percentage / 100, rounded so that all lines together are round(the sum of all)", l.Events...)
			if t.Inclusive {
				s.Formula = "tax = net × percentage / (100 + the percentages that are included), rounded so that all lines together are round(the sum of all)"
			}
			s.Rounding = largestRemainder
			s.in("taxRate", t.TaxRateID.String())
			s.in("percentage", g.of.percentage)
			s.in("net", digits(net(l)))
			s.in("sumOfAll", plain(g.sum))
			taxable := net(l)
			for _, other := range l.Taxes {
				if other.Inclusive {
					taxable -= other.Amount
				}
			}
			s.want("taxable", digits(t.Taxable), digits(taxable))
			out.Lines[g.lines[k]].Taxes[g.taxs[k]] = s.comes(g.parts[k], tax, t.Amount)
		}
		s := step("tax "+g.of.String(), "tax = round(the sum over all lines that have the rate)")
		s.in("taxRate", g.of.rate.String())
		s.in("percentage", g.of.percentage)
		out.Rates = append(out.Rates, s.comes(g.sum, total, recorded))
	}
	return x.rates(out)
}

// net is a line less its discounts.
func net(l *invoice.Line) int64 {
	n := l.Amount
	for _, d := range l.Discounts {
		n -= d.Amount
	}
	return n
}

// base is what taxes are a percentage of: without those that are included.
func base(l *invoice.Line) *big.Rat {
	of := whole(100)
	for _, t := range l.Taxes {
		if t.Inclusive {
			of.Add(of, t.Percentage.Rat())
		}
	}
	return times(whole(net(l)), whole(100), of.Inv(of))
}

// rates compares the rates of lines with those that the customer had when each was made; a credit has its line's.
func (x *explainer) rates(out *Explanation) error {
	for i := range x.of.Lines {
		l := &x.of.Lines[i]
		want, err := x.ratesOf(l)
		if err != nil {
			return err
		}
		for j, t := range l.Taxes {
			is := levied{t.TaxRateID, t.Percentage.String(), t.Inclusive}
			if s := &out.Lines[i].Taxes[j]; j >= len(want) {
				s.wrong("the customer did not have this rate")
			} else {
				s.want("the rate", is.rate.String()+" "+is.String(), want[j].rate.String()+" "+want[j].String())
			}
		}
		for _, missing := range want[min(len(l.Taxes), len(want)):] {
			s := step("tax "+missing.String(), "tax = net × percentage / 100", l.Events...)
			s.wrong("the line lacks the rate " + missing.rate.String())
			out.Lines[i].Taxes = append(out.Lines[i].Taxes, *s)
		}
	}
	return nil
}

func (x *explainer) ratesOf(l *invoice.Line) (all []levied, err error) {
	if l.Reverses != nil {
		life, err := x.life(l.SubscriptionID)
		if err != nil {
			return nil, err
		}
		_, r, err := x.reversed(l, life)
		if err != nil || r == nil {
			return nil, err
		}
		for _, t := range r.Taxes {
			all = append(all, levied{t.TaxRateID, t.Percentage.String(), t.Inclusive})
		}
		return all, nil
	}
	if x.of.CustomerID == nil {
		return nil, nil
	}
	by := x.lined
	if plan := x.plans[l.PlanID]; plan != nil && len(l.Events) > 0 {
		if p := plan.price(l.PlanVersion, l.PriceKey, x.of.Currency); p != nil && p.Meter == "" {
			by = l.Events[0] // usage is taxed as it is billed, the rest as it came about
		}
	}
	payer := &customer.Customer{}
	if err := x.fold(payer, *x.of.CustomerID, by); err != nil || payer.Fields.TaxExempt != nil {
		return nil, err
	}
	for _, id := range payer.Fields.TaxRates {
		rate := &catalog.TaxRate{}
		if err := x.fold(rate, id, by); err != nil {
			return nil, err
		}
		all = append(all, levied{id, rate.Fields.Percentage.String(), rate.Fields.Inclusive})
	}
	return all, nil
}

// fold brings a state to what it was at a position.
func (x *explainer) fold(s domain.State, id uuid.UUID, upTo int64) error {
	n := int64(0)
	for e, err := range x.src.Stream(id) {
		if err != nil {
			return err
		}
		if e.Position > upTo {
			break
		}
		n++
		domain.Evolve(s, e.Event, id, n, e.At, e.At)
	}
	return nil
}

// totals adds up, and looks at what the balance paid.
func (x *explainer) totals(out *Explanation) error {
	subtotal, discounts, taxes, exclusive := new(big.Int), new(big.Int), new(big.Int), new(big.Int)
	for i := range x.of.Lines {
		l := &x.of.Lines[i]
		subtotal.Add(subtotal, big.NewInt(l.Amount))
		for _, d := range l.Discounts {
			discounts.Add(discounts, big.NewInt(d.Amount))
		}
		for _, t := range l.Taxes {
			taxes.Add(taxes, big.NewInt(t.Amount))
			if !t.Inclusive {
				exclusive.Add(exclusive, big.NewInt(t.Amount))
			}
		}
	}
	total := new(big.Int).Sub(subtotal, discounts)
	total.Add(total, exclusive)
	sum := func(name, formula string, is *big.Int, recorded int64) Step {
		s := step(name, formula, x.lined)
		s.Rounding = ""
		if name == "total" {
			s.in("subtotal", subtotal.String())
			s.in("discountTotal", discounts.String())
			s.in("exclusiveTaxes", exclusive.String())
		}
		if !is.IsInt64() {
			s.wrong("it is too large")
		}
		return s.comes(new(big.Rat).SetInt(is), is.Int64(), recorded)
	}
	out.Totals = []Step{
		sum("subtotal", "subtotal = the amounts of all lines", subtotal, x.of.Subtotal),
		sum("discountTotal", "discountTotal = the discounts of all lines", discounts, x.of.DiscountTotal),
		sum("taxTotal", "taxTotal = the taxes of all lines", taxes, x.of.TaxTotal),
		sum("total", "total = subtotal − discountTotal + taxes that prices do not include", total, x.of.Total),
	}
	if x.issued == 0 {
		return nil
	}
	return x.balance(out)
}

// balance is what the payer's balance paid: all of it at most; it grows by a total below zero.
func (x *explainer) balance(out *Explanation) error {
	owner := x.of.ID
	switch {
	case x.of.CustomerID != nil:
		owner = *x.of.CustomerID
	case x.of.SubscriptionID != nil:
		owner = *x.of.SubscriptionID
	}
	s := step("balanceApplied", "balanceApplied = min(total, balance); of a total below zero all of it, by which the balance grows", x.issued)
	s.Rounding = ""
	had, applied := int64(0), int64(0)
	for e, err := range x.src.Stream(invoice.BalanceID(owner, x.of.Currency)) {
		if err != nil {
			return err
		}
		c, ok := e.Event.(invoice.BalanceChanged)
		switch {
		case !ok:
		case e.Position < x.issued:
			had = c.Amount
			s.Events = append(s.Events[:0], e.Position, x.issued)
		case c.Invoice == x.of.ID && applied == 0 && e.Position == x.issued+1:
			applied = -c.Change
		}
	}
	s.in("total", digits(x.of.Total))
	s.in("balance", digits(had))
	pays := min(x.of.Total, had)
	if x.of.Total < 0 {
		pays = x.of.Total
	}
	recorded := x.applied
	if x.of.Status != invoice.Void { // which gives it back
		recorded = x.of.BalanceApplied - x.appliedLater
	}
	s.want("what the balance changed by", digits(-applied), digits(-pays))
	out.Totals = append(out.Totals, s.comes(whole(pays), pays, recorded))
	return nil
}
