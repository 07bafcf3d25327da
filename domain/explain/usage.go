package explain

import (
	"math/big"

	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/rating"
)

// NotCounted is the note on usage of which only the amount was worked out again.
const NotCounted = "the usage was not counted again"

// usage is what was used of a metered price in a part of a period; later usage is the difference to what was billed.
func (x *explainer) usage(s *Step, l *invoice.Line, p *catalog.Price, life *life) (Step, error) {
	m := life.ended(l)
	if m == nil {
		return unexplained(s, l, "the subscription had no such part of a period at this plan"), nil
	}
	s.Events = append([]int64{m.Position}, s.Events...)
	f := &m.before
	of := m.whole
	own := shareOf(f, l.Period, of, m.moved)
	s.want("its proration mode", l.ProrationMode, f.ProrationMode)
	s.in("meter", p.Meter)
	s.in("countedUpTo", digits(l.Events[0]))
	if l.Kind == invoice.KindMinimum {
		s.want("its share", fraction(l.Share), fraction(own))
		s.calendar(f, own, l.Period, of)
		asked := int64(0)
		for i := range x.of.Lines {
			if u := &x.of.Lines[i]; u.Kind == invoice.KindUsage && u.PlanID == l.PlanID && u.PlanVersion == l.PlanVersion && u.PriceKey == l.PriceKey && same(u.Period, l.Period) {
				asked = minor(times(full(p, number(u.Quantity)), part(u.Share)))
			}
		}
		return s.upTo(l, p, own.Rat(), asked), nil
	}
	before := number(orZero(l.Before))
	quantity := number(l.Quantity)
	average, known := false, false
	if x.src.Count != nil {
		counted, over, err := x.src.Count(l.SubscriptionID, p.Meter, l.Period, l.Events[0])
		if err != nil {
			return Step{}, err
		}
		if known = counted != nil; known {
			average = over
			s.want("quantity", l.Quantity, plain(new(big.Rat).Sub(counted, before)))
		}
	}
	if !known {
		s.note(NotCounted)
	}
	s.unit(l, p)
	if l.Kind == invoice.KindUsage {
		share := rating.Whole
		if average || !known && l.Share == own {
			share = own
		}
		s.want("the quantity before", orZero(l.Before), "0")
		s.want("its share", fraction(l.Share), fraction(share))
		s.calendar(f, share, l.Period, of)
		return s.priced(p, quantity, new(big.Rat), share.Rat(), l.Amount), nil
	}
	s.want("its kind", l.Kind, invoice.KindAdjustment)
	return s.adjustment(l, p, quantity, before, own, average || !known && x.averaged(l, own)), nil
}

func full(p *catalog.Price, n *big.Rat) *big.Rat {
	return rating.Charge{Price: *p, Quantity: n, Share: rating.Whole}.Full()
}

// averaged tells whether only an average explains an adjustment, where nobody can count.
func (x *explainer) averaged(l *invoice.Line, part period.Share) bool {
	plan := x.plans[l.PlanID]
	p := plan.price(l.PlanVersion, l.PriceKey, x.of.Currency)
	before := number(orZero(l.Before))
	return asked(p, new(big.Rat).Add(before, number(l.Quantity)), rating.Whole, part)-asked(p, before, rating.Whole, part) != l.Amount
}

// asked is what a quantity is billed at, up to the minimum of its price.
func asked(p *catalog.Price, n *big.Rat, share, part period.Share) int64 {
	amount := minor(times(full(p, n), share.Rat()))
	if p.MinimumAmount != nil {
		amount = max(amount, minor(times(whole(*p.MinimumAmount), part.Rat())))
	}
	return amount
}

// adjustment is the difference between what is billed by now and what was.
func (s *Step) adjustment(l *invoice.Line, p *catalog.Price, quantity, before *big.Rat, own period.Share, average bool) Step {
	share := rating.Whole
	if average {
		share = own
	}
	s.want("its share", fraction(l.Share), fraction(rating.Whole))
	s.terms(p, quantity, before)
	s.Formula = "amount = billed at before + quantity − billed at before, each round(price × part / whole), at least round(minimumAmount × its part)"
	s.in("part", digits(share.Part))
	s.in("whole", digits(share.Whole))
	s.in("partTime", span(l.Period))
	now, then := asked(p, new(big.Rat).Add(before, quantity), share, own), asked(p, before, share, own)
	s.in("billedNow", digits(now))
	s.in("billedBefore", digits(then))
	return s.comes(whole(now-then), now-then, l.Amount)
}
