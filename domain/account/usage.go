package account

import (
	"math/big"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/rating"
)

// Count is what was used of a metered price in a part of a period.
type Count struct {
	Usage
	Quantity string // a decimal or a fraction
	Average  bool   // over the part, of what costs so much a period
	Floored  bool   // it would have been below nothing
}

// Finalize bills what the usage came to that a draft waits for, as it was counted up to a position, and what earlier parts
// come to by now beyond what was billed of them; then it issues the draft, unless Refresh only shows how it stands.
//
// An earlier part that comes to less is credited on the invoice that billed it (rule B8).
func (k *Book) Finalize(draft *invoice.State, plans map[uuid.UUID]*catalog.Plan, b Bought, counts []Count, position int64, refresh bool) error {
	now := k.l.Now()
	e, err := k.begin(b, now, position)
	if err != nil {
		return err
	}
	issued := now
	if draft.FinalizeAt != nil && draft.FinalizeAt.Before(now) {
		issued = *draft.FinalizeAt // dated to when it was due, whenever that is done
	}
	u := usageLines{entry: e, draft: draft, billed: UsageBilled{InvoiceID: draft.ID, Position: position}}
	if err := u.count(b, plans, counts); err != nil {
		return err
	}
	lines := slices.Concat(draft.Lines[:draft.Base], u.lines)
	_, counting := e.s.Counting[draft.ID]
	counting = counting || len(counts) > 0
	if len(lines) == 0 && !refresh {
		if counting {
			e.k.l.AppendAt(k.stream, now, u.billed)
		}
		e.k.l.AppendAt(draft.ID, issued, invoice.Discarded{})
		return u.giveBack()
	}
	totals, err := invoice.Settle(lines, draft.Coupons, nil)
	if err != nil {
		return err
	}
	if !same(lines, draft.Lines) {
		k.l.AppendAt(draft.ID, now, invoice.Redrafted{Lines: lines, Totals: totals})
	}
	if refresh {
		return nil
	}
	if counting {
		k.l.AppendAt(k.stream, now, u.billed)
	}
	if err := k.issue(draft.ID, issued); err != nil {
		return err
	}
	return u.giveBack()
}

// usageLines gathers the lines of usage of a draft.
type usageLines struct {
	*entry
	draft  *invoice.State
	lines  []invoice.Line
	billed UsageBilled
	back   []lessUsed
}

// count bills what was counted: of the parts that the draft waits for, and of those that were billed before.
func (u *usageLines) count(b Bought, plans map[uuid.UUID]*catalog.Plan, counts []Count) (err error) {
	waiting := u.s.Counting[u.draft.ID]
	for _, c := range counts {
		plan := plans[c.PlanID]
		if plan == nil {
			continue
		}
		prices, _ := plan.Prices(c.PlanVersion)
		i := slices.IndexFunc(prices, func(p catalog.Price) bool { return p.Key == c.PriceKey && p.Currency == b.Currency })
		if i < 0 {
			continue
		}
		of := b
		of.PlanID, of.PlanVersion, of.PlanName, of.Prices = c.PlanID, c.PlanVersion, plan.Fields.DisplayName, prices
		if slices.Contains(waiting, c.Usage) {
			err = u.first(&of, &prices[i], c)
		} else if j := u.s.billed(c.Usage); j >= 0 && u.billed.Position >= u.s.Position { // else it was counted before the last bill
			err = u.again(&of, &prices[i], c, u.s.Billed[j])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lessUsed is what is credited of a line of an earlier invoice, and what that leaves of it.
type lessUsed struct {
	MeteredLine
	leaves int64
}

// amounts are what a count comes to: of the usage itself, and what is missing to the price's minimum.
func amounts(p *catalog.Price, c *Count) (used *big.Rat, charged, missing int64, err error) {
	used, ok := new(big.Rat).SetString(c.Quantity)
	if !ok {
		return nil, 0, 0, domain.Refuse(domain.Invalid, "bad_quantity", "a count is a number")
	}
	charge := rating.Charge{Price: *p, Quantity: used, Share: rating.Whole}
	if c.Average {
		charge.Share = c.Share
	}
	if charged, err = charge.Amount(); err != nil {
		return nil, 0, 0, err
	}
	missing, err = rating.TrueUp(*p, c.Share, charged)
	return used, charged, missing, err
}

// first bills a part for the first time.
func (u *usageLines) first(b *Bought, p *catalog.Price, c Count) error {
	used, charged, missing, err := amounts(p, &c)
	if err != nil {
		return err
	}
	share := rating.Whole
	if c.Average {
		share = c.Share
	}
	l := u.blank(invoice.KindUsage, b, p, c.Period, share, charged)
	count(&l, b, p, used, new(big.Rat))
	m := Metered{Usage: c.Usage, Quantity: c.Quantity, Amount: charged + missing}
	if charged != 0 || u.draft.Reason == invoice.ForPeriod {
		m.Lines = append(m.Lines, u.add(l))
	}
	if missing > 0 {
		m.Lines = append(m.Lines, u.add(u.blank(invoice.KindMinimum, b, p, c.Period, c.Share, missing)))
	}
	u.billed.Usage = append(u.billed.Usage, m)
	return nil
}

// again bills the difference to what was billed of a part.
func (u *usageLines) again(b *Bought, p *catalog.Price, c Count, before Metered) error {
	used, charged, missing, err := amounts(p, &c)
	if err != nil {
		return err
	}
	difference := charged + missing - before.Amount
	if difference == 0 && c.Quantity == before.Quantity {
		return nil
	}
	m := before
	m.Quantity, m.Amount, m.Lines = c.Quantity, charged+missing, slices.Clone(before.Lines)
	switch {
	case difference > 0:
		l := u.blank(invoice.KindAdjustment, b, p, c.Period, rating.Whole, difference)
		old, _ := new(big.Rat).SetString(before.Quantity)
		if old.Sign() > 0 {
			l.Before = text(old)
		}
		count(&l, b, p, used.Sub(used, old), old)
		m.Lines = append(m.Lines, u.add(l))
	case difference < 0:
		for i := len(m.Lines) - 1; i >= 0 && difference < 0; i-- { // the latest first
			l := &m.Lines[i]
			if back := min(l.Amount, -difference); back > 0 {
				l.Amount, difference = l.Amount-back, difference+back
				u.back = append(u.back, lessUsed{MeteredLine{l.InvoiceID, l.LineID, back}, l.Amount})
			}
		}
	}
	u.billed.Usage = append(u.billed.Usage, m)
	return nil
}

func (u *usageLines) add(l invoice.Line) MeteredLine {
	u.made++
	l.ID = nextID(u.draft.ID, "line", u.draft.CreatedAt, u.made) // the same again when the draft is refreshed
	u.lines = append(u.lines, l)
	return MeteredLine{u.draft.ID, l.ID, l.Amount}
}

// giveBack issues the credit notes. An invoice of which nothing is due any more then is settled.
func (u *usageLines) giveBack() error {
	for _, c := range u.back {
		if err := invoice.CreditNet(u.k.l, c.InvoiceID, c.LineID, c.Amount, c.leaves, "less was used than was billed"); err != nil {
			return err
		}
		state, err := u.k.l.Load(c.InvoiceID)
		if err != nil {
			return err
		}
		if s, ok := state.(*invoice.State); ok && s.Status == invoice.Paid {
			if err := u.k.Settle(c.InvoiceID); err != nil {
				return err
			}
		}
	}
	return nil
}

// same tells whether lines are as they were.
func same(a, b []invoice.Line) bool {
	return slices.EqualFunc(a, b, func(x, y invoice.Line) bool {
		return x.ID == y.ID && x.Amount == y.Amount && x.Quantity == y.Quantity && slices.Equal(x.Discounts, y.Discounts) &&
			slices.EqualFunc(x.Taxes, y.Taxes, func(s, t invoice.Tax) bool { return s.Amount == t.Amount && s.TaxRateID == t.TaxRateID })
	})
}

// metered tells an account of which usage was billed, or is to be.
func (s *State) metered() bool { return len(s.Billed) > 0 || len(s.Counting) > 0 }

// Waiting are the parts whose usage a draft waits for.
func (s *State) Waiting(draft uuid.UUID) []Usage { return slices.Clone(s.Counting[draft]) }

// Overlapping are the parts that were billed and overlap a time; with after, those after it too.
func (s *State) Overlapping(from, to time.Time, after bool) (all []Usage) {
	for _, m := range s.Billed {
		if (after || m.Period.Start.Before(to)) && from.Before(m.Period.End) {
			all = append(all, m.Usage)
		}
	}
	return all
}

// Counted refuses counts that lack a part that a draft waits for, usage_not_counted, and loads what the others may credit.
func (k *Book) Counted(draft uuid.UUID, counts []Count) error {
	s, err := k.state()
	if err != nil {
		return err
	}
	for _, u := range s.Counting[draft] {
		if !slices.ContainsFunc(counts, func(c Count) bool { return c.Usage == u }) {
			return &domain.Error{Kind: domain.Conflict, Code: "usage_not_counted", State: invoice.Draft,
				Detail: "its usage of " + u.Meter + " is not counted yet"}
		}
	}
	for _, c := range counts { // a credit note may be due where it was billed before
		i := s.billed(c.Usage)
		if i < 0 {
			continue
		}
		for _, l := range s.Billed[i].Lines {
			if _, err := k.l.Load(l.InvoiceID); err != nil {
				return err
			}
		}
	}
	return nil
}
