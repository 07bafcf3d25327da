package explain

import (
	"math/big"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/rating"
	"github.com/subledger/subledger/domain/subscription"
)

// reversed is the line that a credit takes back of, and the invoice that holds it; nil where there is none.
func (x *explainer) reversed(l *invoice.Line, life *life) (*invoice.State, *invoice.Line, error) {
	if l.Reverses == nil || len(l.Events) == 0 {
		return nil, nil, nil
	}
	holder := x.of.ID
	if l.ReversesOn != uuid.Nil {
		holder = l.ReversesOn
	} else if on, ok := life.holders[*l.Reverses]; ok {
		holder = on
	}
	on := x.of
	if holder != x.of.ID {
		on = &invoice.State{}
		if err := x.fold(on, holder, l.Events[0]); err != nil { // as it stood: a draft may have gone on since
			return nil, nil, err
		}
	}
	if i := slices.IndexFunc(on.Lines, func(o invoice.Line) bool { return o.ID == *l.Reverses }); i >= 0 {
		return on, &on.Lines[i], nil
	}
	return nil, nil, nil
}

// credit is a share of what was really debited on the line that it reverses, over that line's own time, and at most what
// is left of it (design section 6, R5).
func (x *explainer) credit(s *Step, l *invoice.Line, p *catalog.Price, life *life, m *instant) (Step, error) {
	s.Formula = "amount = −min(round(debited × part / whole), debited − creditedBefore − creditNotes)"
	on, r, err := x.reversed(l, life)
	if err != nil {
		return Step{}, err
	}
	n := slices.IndexFunc(life.credits, func(c credited) bool { return c.ID == l.ID })
	switch {
	case r == nil:
		return unexplained(s, l, "the line that it reverses is not there"), nil
	case n < 0:
		return unexplained(s, l, "the account of its subscription has no such credit"), nil
	case len(r.Events) == 0:
		return unexplained(s, l, "the line that it reverses names no event"), nil
	}
	s.Events = append(slices.Clone(r.Events), s.Events...)
	s.in("reverses", r.ID.String())
	s.want("the quantity before", orZero(l.Before), "0")
	s.want("its price", nameOf(l), nameOf(r))
	s.in("debited", digits(r.Amount))
	by, pauses := life.movedBetween(r.Events[0], m.Position)
	s.Events = append(s.Events, pauses...)
	owned, moves := life.own(r, r.Events[0], m.Position) // the line's time, as its credits are a part of it
	s.Events = append(s.Events, moves...)
	end := owned.End.Add(by)
	part := period.Period{Start: m.At, End: end}
	f := &m.before
	if f.PausedAt != nil && (f.PauseCredit == account.Prorate || f.PauseCredit == account.Extend) {
		part.Start = *f.PausedAt
		if e, ended := m.Event.(subscription.Ended); !ended || e.Credit != account.Prorate {
			part.End = m.At
		}
	}
	if part.End.After(end) {
		part.End = end
	}
	s.want("its time", span(l.Period), span(part))
	own := period.Period{Start: part.Start.Add(-by), End: part.End.Add(-by)}
	if own.Start.Before(r.Period.Start) {
		own.Start = r.Period.Start
	}
	share := period.Mode(f.ProrationMode).Share(own, owned, zoneOf(f))
	s.want("its share", fraction(l.Share), fraction(share))
	s.want("its proration mode", l.ProrationMode, f.ProrationMode)
	s.calendar(f, share, part, owned)
	if by > 0 {
		s.in("movedByPauses", by.String())
	}
	exact := times(whole(r.Amount), share.Rat())
	plan, err := x.plan(m.after.Terms.PlanID)
	if err != nil {
		return Step{}, err
	}
	var fewer *catalog.Price // at which fewer units are taken back alone
	if _, other := m.Event.(subscription.PlanChanged); !other && m.changes() {
		if now := plan.price(m.after.Terms.PlanVersion, l.PriceKey, x.of.Currency); now != nil && additive(now) {
			fewer = now
		}
	}
	if units, of := life.unitsTaken(r, p, fewer, m, life.credits[n].at); units < of {
		s.Formula = "amount = −min(round(debited × part / whole × units / ofUnits), debited − creditedBefore − creditNotes)"
		s.want("quantity", l.Quantity, strconv.FormatInt(units, 10))
		s.in("units", digits(units))
		s.in("ofUnits", digits(of))
		s.want("its units", unitsOf(l), digits(units)+" of "+digits(of))
		exact.Mul(exact, big.NewRat(units, of))
	} else {
		s.want("quantity", l.Quantity, r.Quantity)
		s.want("its units", unitsOf(l), "all")
	}
	before := int64(0)
	for _, c := range life.credits[:n] {
		if *c.Reverses == r.ID {
			before -= c.Amount
			s.Events = append(s.Events, c.Events...)
		}
	}
	notes, err := x.noted(on, r, m.Position)
	if err != nil {
		return Step{}, err
	}
	s.in("creditedBefore", digits(before))
	s.in("creditNotes", digits(notes))
	s.Events = slices.Compact(slices.Sorted(slices.Values(s.Events)))
	amount := max(0, min(minor(exact), r.Amount-before-notes))
	if asked := max(0, min(minor(exact), r.Amount-before)); amount < asked { // a credit note took the rest, with its discount
		x.left[l.ID] = big.NewRat(amount, r.Amount)
	}
	return s.comes(exact.Neg(exact), -amount, l.Amount), nil
}

func unitsOf(l *invoice.Line) string {
	if l.Units == nil {
		return "all"
	}
	return fraction(*l.Units)
}

// nameOf tells a line's price.
func nameOf(l *invoice.Line) string {
	unit := ""
	if l.UnitAmount != nil {
		unit = " at " + l.UnitAmount.String()
	}
	return l.PlanID.String() + " " + strconv.Itoa(l.PlanVersion) + " " + l.PriceKey + unit
}

// unitsTaken is how many units a credit takes back, and of how many: all that the line still has or, where their number
// falls, those that are too many, the latest line first.
func (l *life) unitsTaken(r *invoice.Line, p, fewer *catalog.Price, m *instant, at int64) (units, all int64) {
	if !additive(p) {
		return 1, 1
	}
	before, _ := strconv.ParseInt(orZero(r.Before), 10, 64)
	quantity, _ := strconv.ParseInt(r.Quantity, 10, 64)
	all = paid(p, before+quantity) - paid(p, before)
	left, taken := all, int64(0)
	for _, t := range l.takes {
		switch {
		case t.at < at && t.line == r.ID:
			left -= t.units
		case t.at == at && t.line == r.ID:
			if fewer != nil {
				return min(left, paid(fewer, int64(m.before.Quantity))-paid(fewer, int64(m.after.Quantity))-taken), all
			}
			return left, all
		case t.at == at && l.prices[t.line] == r.PriceKey:
			taken += t.units
		}
	}
	return left, all
}

// paid is how many units of a quantity are paid for.
func paid(p *catalog.Price, quantity int64) int64 {
	return rating.Charge{Price: *p, Quantity: whole(quantity)}.Billable().Num().Int64()
}

// noted is what credit notes had taken off a line's amount by a position: of what it asked for with its taxes, the same
// part, rounded up.
func (x *explainer) noted(on *invoice.State, r *invoice.Line, by int64) (int64, error) {
	sum := int64(0)
	for e, err := range x.src.Stream(on.ID) {
		if err != nil {
			return 0, err
		}
		note, ok := e.Event.(invoice.Credited)
		if !ok || e.Position >= by {
			continue
		}
		for _, l := range note.Lines {
			if l.LineID == r.ID {
				sum += l.Amount
			}
		}
	}
	if sum == 0 {
		return 0, nil
	}
	gross := r.Amount
	for _, d := range r.Discounts {
		gross -= d.Amount
	}
	for _, t := range r.Taxes {
		if !t.Inclusive {
			gross += t.Amount
		}
	}
	if gross <= 0 {
		return r.Amount, nil
	}
	part := times(whole(sum), whole(r.Amount), big.NewRat(1, gross))
	up := new(big.Int).Neg(new(big.Int).Div(new(big.Int).Neg(part.Num()), part.Denom()))
	return up.Int64(), nil
}
