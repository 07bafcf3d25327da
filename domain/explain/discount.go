package explain

import (
	"math/big"
	"slices"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/subscription"
)

// discounts works out what coupons take off: percentages first, a line each; then amounts, spread over the lines that they
// cover; each on what those before left. Credits give back the same share of what their lines had been given.
func (x *explainer) discounts(out *Explanation) error {
	lines := x.of.Lines
	worked := make([][]invoice.Discount, len(lines))
	net := make([]int64, len(lines))
	for i := range lines {
		net[i] = lines[i].Amount
	}
	inOrder := slices.Clone(x.of.Coupons)
	slices.SortStableFunc(inOrder, func(a, b invoice.Coupon) int { return amountLast(&a) - amountLast(&b) })
	for i := range inOrder {
		c := &inOrder[i]
		var of []int
		for n := range lines {
			if net[n] > 0 && covers(c, &lines[n]) {
				of = append(of, n)
			}
		}
		s := step("coupon "+c.Code, "discount = what it takes off the lines whose time begins within it, added up", x.drafted)
		if err := x.coupon(s, c); err != nil {
			return err
		}
		var parts []int64
		kept, rate := new(big.Rat), new(big.Rat)
		if c.PercentOff == nil {
			parts, kept, rate = amountOver(c.AmountOff, lines, of, net)
		}
		total, recorded := int64(0), int64(0)
		for k, n := range of {
			d := step("discount "+c.Code, "discount = round(left × percentOff / 100)", x.drafted)
			d.in("left", digits(net[n]))
			exact := new(big.Rat)
			if c.PercentOff != nil {
				d.in("percentOff", c.PercentOff.String())
				exact = times(whole(net[n]), percent(*c.PercentOff))
			} else {
				d.Formula, d.Rounding = "discount = left × min(1, amountOff / keptOfAll), as a whole min(amountOff, keptOfAll) off what is kept", largestRemainder
				d.in("amountOff", digits(c.AmountOff))
				d.in("keptOfAll", plain(kept))
				exact = times(rate, whole(net[n]))
			}
			off := minor(exact)
			if c.PercentOff == nil {
				off = parts[k]
			}
			had := given(lines[n].Discounts, c.ID)
			if total += off; off != 0 || had != 0 {
				out.Lines[n].Discounts = append(out.Lines[n].Discounts, d.comes(exact, off, had))
			}
			if off != 0 {
				worked[n] = append(worked[n], invoice.Discount{CouponID: c.ID, Code: c.Code, Amount: off})
				net[n] -= off
			}
		}
		for n := range lines {
			if lines[n].Reverses == nil {
				recorded += given(lines[n].Discounts, c.ID)
			}
		}
		out.Coupons = append(out.Coupons, s.comes(whole(total), total, recorded))
	}
	for i := range lines {
		if lines[i].Reverses != nil {
			if err := x.givenBack(out, i, worked); err != nil {
				return err
			}
		}
		for _, d := range lines[i].Discounts { // of what nothing was worked out
			if !slices.ContainsFunc(out.Lines[i].Discounts, func(s Step) bool { return s.Name == "discount "+d.Code }) {
				s := step("discount "+d.Code, "discount = 0: the coupon does not cover the line", x.drafted)
				out.Lines[i].Discounts = append(out.Lines[i].Discounts, s.comes(new(big.Rat), 0, d.Amount))
			}
		}
	}
	return nil
}

// amountOver spreads an amount over lines. A line of which other lines of the invoice take back a share gives the same
// share of its discount back with them: the amount is off what is kept of all lines. It answers that, and which part of
// what is left of a line comes off; where nothing is kept of a line, none.
func amountOver(amount int64, lines []invoice.Line, of []int, left []int64) (parts []int64, kept, rate *big.Rat) {
	kept, rate = new(big.Rat), new(big.Rat)
	back := make([][]*big.Rat, len(of))
	stays := make([]*big.Rat, len(of))
	for k, n := range of {
		stays[k] = whole(1)
		for i := range lines {
			if l := &lines[i]; l.Reverses != nil && *l.Reverses == lines[n].ID {
				share := part(l.Share)
				if l.Units != nil {
					share.Mul(share, part(*l.Units))
				}
				back[k] = append(back[k], share)
				stays[k].Sub(stays[k], share)
			}
		}
		if stays[k].Sign() > 0 {
			kept.Add(kept, times(stays[k], whole(left[n])))
		}
	}
	parts = make([]int64, len(of))
	if kept.Sign() == 0 {
		return parts, kept, rate
	}
	if rate = times(whole(amount), new(big.Rat).Inv(kept)); rate.Cmp(whole(1)) > 0 {
		rate = whole(1)
	}
	rest, most := minor(times(rate, kept)), int64(0)
	weights := make([]*big.Rat, len(of))
	for k, n := range of {
		weights[k] = new(big.Rat)
		switch {
		case stays[k].Sign() <= 0:
		case len(back[k]) == 0:
			weights[k] = whole(left[n])
			most += left[n]
		default:
			parts[k] = minor(times(rate, whole(left[n])))
			gone := int64(0)
			for _, share := range back[k] {
				gone += max(0, min(minor(times(whole(parts[k]), share)), parts[k]-gone))
			}
			rest -= parts[k] - gone
		}
	}
	for k, off := range spread(max(0, min(rest, most)), weights) {
		parts[k] += off
	}
	return parts, kept, rate
}

const largestRemainder = "largest remainder, of two alike to the earlier line"

func amountLast(c *invoice.Coupon) int {
	if c.PercentOff != nil {
		return 0
	}
	return 1
}

func covers(c *invoice.Coupon, l *invoice.Line) bool {
	return l.Reverses == nil && !l.Period.Start.Before(c.From) && (c.Until == nil || l.Period.Start.Before(*c.Until))
}

// given is what a coupon took off.
func given(all []invoice.Discount, coupon uuid.UUID) (n int64) {
	for _, d := range all {
		if d.CouponID == coupon {
			n += d.Amount
		}
	}
	return n
}

// coupon compares a discount with the coupon that was on the subscription.
func (x *explainer) coupon(s *Step, c *invoice.Coupon) error {
	s.in("from", moment(c.From))
	if c.Until != nil {
		s.in("until", moment(*c.Until))
	}
	if x.of.SubscriptionID == nil {
		s.note("it is not the coupon of a subscription")
		return nil
	}
	life, err := x.life(*x.of.SubscriptionID)
	if err != nil {
		return err
	}
	var had []subscription.Coupon
	for _, m := range life.instants {
		if m.Position <= x.drafted {
			had = m.after.Coupons
		}
		if a, ok := m.Event.(subscription.CouponApplied); ok && a.CouponID == c.ID && m.Position <= x.drafted {
			s.Events = append([]int64{m.Position}, s.Events...)
		}
	}
	i := slices.IndexFunc(had, func(h subscription.Coupon) bool { return h.CouponID == c.ID })
	if i < 0 {
		s.wrong("it was not on the subscription")
		return nil
	}
	h := &had[i]
	s.want("from when it counts", moment(c.From), moment(h.At))
	if h.EndsAt != nil && (c.Until == nil || c.Until.After(*h.EndsAt)) {
		s.wrong("it ends at " + moment(*h.EndsAt))
	}
	switch {
	case (h.PercentOff == nil) != (c.PercentOff == nil):
		s.wrong("it is a percentage on one side and an amount on the other")
	case h.PercentOff != nil:
		s.in("percentOff", h.PercentOff.String())
		s.want("percentOff", c.PercentOff.String(), h.PercentOff.String())
	default:
		back := int64(0)
		for i := range x.of.Lines {
			if l := &x.of.Lines[i]; l.Reverses != nil && l.ReversesOn != uuid.Nil {
				back -= given(l.Discounts, c.ID)
			}
		}
		s.in("amountOff", digits(*h.AmountOff))
		s.in("givenBackByCredits", digits(back))
		if off := c.AmountOff - back; off != 0 && off != *h.AmountOff {
			s.wrong("it takes off " + digits(c.AmountOff) + ", neither what credits gave back nor the whole amount with it")
		}
	}
	return nil
}

// givenBack is a credit's share of the discounts of its line, at most what is left of each.
func (x *explainer) givenBack(out *Explanation, i int, worked [][]invoice.Discount) error {
	l := &x.of.Lines[i]
	life, err := x.life(l.SubscriptionID)
	if err != nil {
		return err
	}
	on, r, err := x.reversed(l, life)
	if err != nil || r == nil {
		return err
	}
	share := part(l.Share)
	if l.Units != nil {
		share.Mul(share, part(*l.Units))
	}
	if left := x.left[l.ID]; left != nil {
		share = left
	}
	had := r.Discounts
	if on == x.of {
		n := slices.IndexFunc(x.of.Lines, func(o invoice.Line) bool { return o.ID == r.ID })
		had = worked[n]
	}
	for _, d := range had {
		s := step("discount "+d.Code, "discount = −min(round(given × part / whole), given − givenBackBefore)", l.Events...)
		s.in("given", digits(d.Amount))
		s.in("part", share.Num().String())
		s.in("whole", share.Denom().String())
		before := int64(0)
		for n := range on.Lines {
			o := &on.Lines[n]
			if o.Reverses != nil && *o.Reverses == r.ID && (on != x.of || n < i) {
				before -= given(o.Discounts, d.CouponID)
			}
		}
		if on != x.of {
			for _, c := range life.credits {
				if c.ID == l.ID {
					break
				}
				if *c.Reverses == r.ID {
					before -= given(c.Discounts, d.CouponID)
				}
			}
		}
		s.in("givenBackBefore", digits(before))
		exact := times(whole(d.Amount), share)
		back := max(0, min(minor(exact), d.Amount-before))
		if recorded := given(l.Discounts, d.CouponID); back != 0 || recorded != 0 {
			worked[i] = append(worked[i], invoice.Discount{CouponID: d.CouponID, Code: d.Code, Amount: -back})
			out.Lines[i].Discounts = append(out.Lines[i].Discounts, s.comes(exact.Neg(exact), -back, recorded))
		}
	}
	return nil
}
