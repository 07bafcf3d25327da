package account_test

import (
	"cmp"
	"math/big"
	"slices"
	"time"
)

// invoice makes one of all that waits.
func (w *world) invoice(s *sub, at time.Time, reason string, ended bool, own []*line) {
	b := &bill{sub: s, reason: reason}
	if w.asked.After(at) {
		at = w.asked
	}
	if ended {
		b.lines, b.waits = append(b.lines, s.parts...), s.uses
	}
	b.lines = slices.Concat(b.lines, s.pending, own)
	late := ended && slices.ContainsFunc(w.invoices, func(o *bill) bool { return o.sub == s && len(o.waits) > 0 })
	if len(b.lines) == 0 && len(b.waits) == 0 && (!late || reason == "cancel") {
		return
	}
	first := !slices.ContainsFunc(w.invoices, func(o *bill) bool { return o.sub == s })
	s.pending = nil
	if ended {
		s.parts, s.uses = nil, nil
	}
	for _, l := range b.lines {
		l.bill = b
	}
	if reason == "period" {
		b.period = s.period
	}
	b.base, b.coupons = len(b.lines), w.coupons(s, b, len(b.waits) > 0 || late)
	w.settle(b)
	w.invoices = append(w.invoices, b)
	if len(b.waits) > 0 || late || reason == "period" && !first && w.draftHours > 0 {
		b.draft, b.finalizeAt = true, at.Add(time.Duration(w.draftHours)*time.Hour)
		return
	}
	w.issue(b, at)
}

// coupons are those that discount an invoice. A month of theirs is counted by the invoice of a period.
func (w *world) coupons(s *sub, b *bill, waits bool) (all []off) {
	for _, a := range s.coupons {
		c := w.reference.coupons[a.coupon]
		known := s.discounts[a.coupon]
		have, fresh := counted{}, known == nil
		if known != nil {
			have = *known
		}
		if n := c.lasts(); b.reason == "period" && !b.period.from.Before(a.at) && (n == 0 || have.periods < n) {
			fresh = true
			if have.periods++; have.periods == n {
				have.until = b.period.to
			}
		}
		o := off{coupon: a.coupon, percent: c.percent, from: a.at, until: have.until}
		if c.percent == "" {
			if fresh {
				o.amount = c.amount
			}
			for _, l := range b.lines {
				for _, d := range l.discounts {
					if d.coupon == a.coupon && l.reverses != nil {
						o.amount -= d.amount
					}
				}
			}
		}
		used := waits || slices.ContainsFunc(b.lines, o.covers) // which usage there will be nobody knows yet
		if used {
			all = append(all, o)
		}
		if used || b.reason == "period" {
			s.discounts[a.coupon] = &have
		}
	}
	return all
}

func (o *off) covers(l *line) bool {
	return l.reverses == nil && !l.shown.from.Before(o.from) && (o.until.IsZero() || l.shown.from.Before(o.until))
}

// settle works out discounts, taxes and totals.
func (w *world) settle(b *bill) {
	for _, l := range b.lines {
		if l.reverses == nil {
			l.discounts = nil
		}
	}
	inOrder := slices.Clone(b.coupons)
	slices.SortStableFunc(inOrder, func(x, y off) int { return cmp.Compare(min(1, len(y.percent)), min(1, len(x.percent))) })
	for _, o := range inOrder {
		var covered []*line
		for _, l := range b.lines {
			if l.net() > 0 && o.covers(l) {
				covered = append(covered, l)
			}
		}
		for l, n := range o.off(b.lines, covered) {
			if n != 0 {
				l.discounts = append(l.discounts, discount{o.coupon, n})
			}
		}
	}
	var mirrored []*line
	for _, l := range b.lines {
		if l.reverses != nil && slices.Contains(b.lines, l.reverses) {
			w.giveBack(l, mirrored)
			mirrored = append(mirrored, l)
		}
	}
	b.charge()
	b.subtotal, b.off, b.tax, b.total = 0, 0, 0, 0
	for _, l := range b.lines {
		b.subtotal, b.off = b.subtotal+l.amount, b.off+l.amount-l.net()
		b.tax, b.total = b.tax+l.taxed(), b.total+l.gross()
	}
}

// off is what a coupon takes off each line. An amount is off what the invoice itself does not take back again: where it
// takes back a part of a line, the line's own discount is so much higher that the right one stays.
func (o *off) off(all, covered []*line) map[*line]int64 {
	parts := map[*line]int64{}
	if o.percent != "" {
		for _, l := range covered {
			parts[l] = rounded(times(whole(l.net()), times(ratio(o.percent), big.NewRat(1, 100))))
		}
		return parts
	}
	stays := func(l *line) *big.Rat { // which part of it
		part := whole(1)
		for _, c := range all {
			if c.reverses == l {
				part = less(part, c.part)
			}
		}
		return part
	}
	kept := new(big.Rat)
	for _, l := range covered {
		if stays(l).Sign() > 0 {
			kept = plus(kept, times(stays(l), whole(l.net())))
		}
	}
	if kept.Sign() == 0 {
		return parts
	}
	amount := whole(o.amount)
	if amount.Cmp(kept) > 0 {
		amount = kept
	}
	left := rounded(amount)
	var untouched []*line
	var weights []*big.Rat
	most := int64(0)
	for _, l := range covered {
		switch {
		case stays(l).Sign() <= 0:
		case stays(l).Cmp(whole(1)) == 0 && !slices.ContainsFunc(all, func(c *line) bool { return c.reverses == l }):
			untouched, weights, most = append(untouched, l), append(weights, whole(l.net())), most+l.net()
		default:
			n := rounded(times(whole(l.net()), new(big.Rat).Quo(amount, kept)))
			back := int64(0)
			for _, c := range all {
				if c.reverses == l {
					back += max(0, min(rounded(times(whole(n), c.part)), n-back))
				}
			}
			parts[l] = n
			left -= n - back
		}
	}
	for i, n := range spread(max(0, min(left, most)), weights) {
		parts[untouched[i]] = n
	}
	return parts
}

// charge is the tax: each rate once, over all lines that have it.
func (b *bill) charge() {
	type name struct {
		rate      int
		percent   string
		inclusive bool
	}
	var names []name
	of := map[name][]*tax{}
	weights := map[name][]*big.Rat{}
	for _, l := range b.lines {
		included := whole(100)
		for _, t := range l.taxes {
			if t.inclusive {
				included = plus(included, ratio(t.percent))
			}
		}
		base := new(big.Rat).Quo(whole(l.net()), included) // a hundredth
		for i := range l.taxes {
			n := name{l.taxes[i].rate, l.taxes[i].percent, l.taxes[i].inclusive}
			if of[n] == nil {
				names = append(names, n)
			}
			of[n], weights[n] = append(of[n], &l.taxes[i]), append(weights[n], times(base, ratio(n.percent)))
		}
	}
	for _, n := range names {
		sum := new(big.Rat)
		for _, x := range weights[n] {
			sum = plus(sum, x)
		}
		for i, part := range spread(rounded(sum), weights[n]) {
			of[n][i].amount = part
		}
	}
	for _, l := range b.lines {
		taxable := l.net()
		for _, t := range l.taxes {
			if t.inclusive {
				taxable -= t.amount
			}
		}
		for i := range l.taxes {
			l.taxes[i].taxable = taxable
		}
	}
}

func (l *line) net() int64 {
	n := l.amount
	for _, d := range l.discounts {
		n -= d.amount
	}
	return n
}

func (l *line) taxed() (n int64) {
	for _, t := range l.taxes {
		n += t.amount
	}
	return n
}

func (l *line) gross() int64 {
	n := l.net()
	for _, t := range l.taxes {
		if !t.inclusive {
			n += t.amount
		}
	}
	return n
}
