package explain

import (
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/rating"
	"github.com/subledger/subledger/domain/subscription"
)

// amount works out a line's amount.
func (x *explainer) amount(l *invoice.Line) (Step, error) {
	life, err := x.life(l.SubscriptionID)
	if err != nil {
		return Step{}, err
	}
	plan, err := x.plan(l.PlanID)
	if err != nil {
		return Step{}, err
	}
	s := step("amount", "", l.Events...)
	p := plan.price(l.PlanVersion, l.PriceKey, x.of.Currency)
	switch {
	case l.Adds != nil:
		return x.debit(s, l)
	case len(l.Events) == 0:
		return unexplained(s, l, "it names no event"), nil
	case p == nil:
		return unexplained(s, l, "version "+strconv.Itoa(l.PlanVersion)+" of the plan has no price "+l.PriceKey+" in "+x.of.Currency), nil
	case p.Meter != "":
		return x.usage(s, l, p, life)
	}
	m := life.at(l.Events[0])
	switch {
	case m == nil:
		return unexplained(s, l, "the subscription has no event at "+digits(l.Events[0])), nil
	case l.Kind == invoice.KindCredit:
		return x.credit(s, l, p, life, m)
	}
	return x.charge(s, l, p, m), nil
}

// unexplained is a step that nothing could be worked out of.
func unexplained(s *Step, l *invoice.Line, why string) Step {
	s.Recorded, s.Exact = l.Amount, "0"
	s.wrong(why)
	return *s
}

// charge is a price for a part of a period: in advance as the period begins or something changes, in arrears as the part
// ends.
func (x *explainer) charge(s *Step, l *invoice.Line, p *catalog.Price, m *instant) Step {
	f, of, moved := &m.after, m.next, m.extended()
	kind, part := invoice.KindPeriod, period.Period(f.Period)
	quantity, before := f.Quantity, 0
	switch {
	case p.Billing == catalog.InArrears:
		f, of, moved = &m.before, m.whole, m.moved
		part, quantity = m.partOver(), f.Quantity
	case m.changes():
		kind, part.Start = invoice.KindDebit, m.At
		old := &m.before
		if old.Terms.PlanID == f.Terms.PlanID && old.Terms.PlanVersion == f.Terms.PlanVersion && additive(p) {
			quantity, before = f.Quantity-old.Quantity, old.Quantity
		}
	}
	if p.Kind == catalog.Flat {
		quantity = 1
	}
	if l.Kind != invoice.KindMinimum {
		s.want("its kind", l.Kind, kind)
		s.want("quantity", l.Quantity, strconv.Itoa(quantity))
		s.want("the quantity before", orZero(l.Before), strconv.Itoa(before))
	}
	s.want("the plan", l.PlanID.String(), f.Terms.PlanID.String())
	s.want("the plan's version", strconv.Itoa(l.PlanVersion), strconv.Itoa(f.Terms.PlanVersion))
	share := s.share(l, f, part, of, moved)
	if l.Kind != invoice.KindMinimum {
		s.unit(l, p)
		return s.priced(p, whole(int64(quantity)), whole(int64(before)), share, l.Amount)
	}
	asked := minor(times(rating.Charge{Price: *p, Quantity: whole(int64(quantity)), Share: rating.Whole}.Full(), share))
	return s.upTo(l, p, share, asked)
}

// upTo is what is missing to a price's minimum.
func (s *Step) upTo(l *invoice.Line, p *catalog.Price, share *big.Rat, asked int64) Step {
	s.Formula = "amount = round(minimumAmount × part / whole) − charged"
	if p.MinimumAmount == nil {
		return unexplained(s, l, "the price has no minimum")
	}
	s.want("quantity", l.Quantity, "1")
	s.want("the quantity before", orZero(l.Before), "0")
	s.in("minimumAmount", digits(*p.MinimumAmount))
	s.in("charged", digits(asked))
	exact := times(whole(*p.MinimumAmount), share)
	return s.comes(exact, max(0, minor(exact)-asked), l.Amount)
}

// changes tells an event that changes what the rest of a period is billed at.
func (m *instant) changes() bool {
	switch m.Event.(type) {
	case subscription.SeatsAdded, subscription.SeatsRemoved, subscription.QuantityChanged, subscription.PlanChanged:
		return !m.begins()
	}
	return false
}

// partOver is the part of a period that ends with an event, for what is billed in arrears: a pause that is paid back or
// that moves the period ends it as it begins.
func (m *instant) partOver() period.Period {
	f, end := &m.before, m.At
	if f.PausedAt != nil {
		_, ended := m.Event.(subscription.Ended)
		switch {
		case f.PauseCredit == account.Prorate || f.PauseCredit == account.Extend:
			end = *f.PausedAt
		case !ended:
			end = f.Period.End
		}
	}
	if end.After(f.Period.End) {
		end = f.Period.End
	}
	return period.Period{Start: m.partFrom, End: end}
}

// additive tells a price at which each unit costs the same, so that more of them are asked for alone.
func additive(p *catalog.Price) bool {
	return (p.Kind == catalog.SeatPrice || p.Kind == catalog.PerUnit) && p.MinimumAmount == nil && (p.FreeUnits == nil || p.FreeUnits.IsInteger())
}

// share is the part of the price's own period.
func (s *Step) share(l *invoice.Line, f *subscription.Facts, part, of period.Period, moved time.Duration) *big.Rat {
	s.want("its time", span(l.Period), span(part))
	share := shareOf(f, part, of, moved)
	s.want("its share", fraction(l.Share), fraction(share))
	s.want("its proration mode", l.ProrationMode, f.ProrationMode)
	s.calendar(f, share, part, of)
	if moved > 0 {
		s.in("movedByPauses", moved.String())
	}
	return share.Rat()
}

// shareOf counts a part against the whole: where pauses moved the period, as if they had not.
func shareOf(f *subscription.Facts, part, of period.Period, moved time.Duration) period.Share {
	part.Start, part.End = part.Start.Add(-moved), part.End.Add(-moved)
	if same(part, of) {
		return rating.Whole
	}
	return period.Mode(f.ProrationMode).Share(part, of, zoneOf(f))
}

// calendar tells how a share was counted.
func (s *Step) calendar(f *subscription.Facts, share period.Share, part, of period.Period) {
	s.in("part", digits(share.Part))
	s.in("whole", digits(share.Whole))
	s.in("partTime", span(part))
	s.in("wholeTime", span(of))
	s.in("prorationMode", f.ProrationMode)
	s.in("timeZone", f.TimeZone)
	s.in("anchorAt", moment(f.AnchorAt))
}

// unit compares the unit price that a line shows.
func (s *Step) unit(l *invoice.Line, p *catalog.Price) {
	shown, is := "none", "none"
	if l.UnitAmount != nil {
		shown = l.UnitAmount.String()
	}
	if p.UnitAmount != nil {
		is = p.UnitAmount.String()
	}
	s.want("unitAmount", shown, is)
}

// priced is a price for a quantity on top of another, for a share of its period.
func (s *Step) priced(p *catalog.Price, quantity, before, share *big.Rat, recorded int64) Step {
	full := func(n *big.Rat) *big.Rat { return rating.Charge{Price: *p, Quantity: n, Share: rating.Whole}.Full() }
	s.terms(p, quantity, before)
	all := full(new(big.Rat).Add(quantity, before))
	if before.Sign() != 0 {
		all.Sub(all, full(before))
	}
	exact := times(all, share)
	return s.comes(exact, minor(exact), recorded)
}

// terms writes the formula of a price and what of it goes in.
func (s *Step) terms(p *catalog.Price, quantity, before *big.Rat) {
	n := "quantity"
	if p.Kind != catalog.Flat {
		s.in("quantity", plain(quantity))
	}
	if before.Sign() != 0 {
		s.in("before", plain(before))
	}
	if p.UnitAmount != nil {
		s.in("unitAmount", p.UnitAmount.String())
	}
	if p.FreeUnits != nil {
		n = "(quantity − freeUnits)"
		s.in("freeUnits", p.FreeUnits.String())
	}
	if p.IncludedSeats != nil {
		n = "(quantity − includedSeats)"
		s.in("includedSeats", digits(*p.IncludedSeats))
	}
	cost := "unitAmount × " + n
	switch p.Kind {
	case catalog.Flat:
		cost = "unitAmount"
	case catalog.Graduated:
		cost = "(what of " + n + " is in each tier × its unitAmount + its flatAmount, added up)"
	case catalog.Volume:
		cost = "(" + n + " × the unitAmount of its tier + its flatAmount)"
	case catalog.Package:
		cost = "unitAmount × the packages that were begun, " + n + " / packageSize rounded up"
		s.in("packageSize", p.PackageSize.String())
	case catalog.Percentage:
		cost = n + " × percentage / 100"
		s.in("percentage", p.Percentage.String())
	}
	if p.Tiers != nil {
		s.in("tiers", tiers(p.Tiers))
	}
	if before.Sign() != 0 {
		cost = "(" + cost + " of before + quantity − the same of before)"
	}
	s.Formula = "amount = round(" + cost + " × part / whole)"
}

// tiers writes them in a line: "to 10: 1000; above: 800 + 50".
func tiers(all []catalog.Tier) string {
	var texts []string
	for _, t := range all {
		text := "above: "
		if t.UpTo != nil {
			text = "to " + digits(*t.UpTo) + ": "
		}
		text += t.UnitAmount.String()
		if t.FlatAmount != nil {
			text += " + " + t.FlatAmount.String()
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}

func orZero(text string) string {
	if text == "" {
		return "0"
	}
	return text
}
