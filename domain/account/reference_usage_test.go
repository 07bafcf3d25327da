package account_test

import (
	"math/big"
	"slices"
	"time"
)

// overbilled is what is credited of a line of usage, after what was before.
type overbilled struct {
	of             *useLine
	before, amount int64
}

// finalize issues a draft, with what was used by now.
func (w *world) finalize(b *bill) {
	if !b.draft {
		return
	}
	var more []*line
	known := slices.Clone(b.sub.billed)
	for _, u := range b.waits {
		used, charged, missing := w.count(b.sub, u)
		u.quantity, u.amount = used, charged+missing
		add := func(l *line) {
			more = append(more, l)
			u.lines = append(u.lines, &useLine{l, l.amount})
		}
		if charged != 0 || b.reason == "period" {
			l := w.blank(b.sub, "usage", &u.price, u.part, charged)
			l.quantity = text(used)
			add(l)
		}
		if missing > 0 {
			add(w.blank(b.sub, "minimum", &u.price, u.part, missing))
		}
		b.sub.billed = append(b.sub.billed, u)
	}
	later, back := w.again(b.sub, known)
	more = append(more, later...)
	b.lines = append(b.lines[:b.base:b.base], more...)
	for _, l := range more {
		l.bill = b
	}
	if len(b.lines) == 0 {
		b.draft, b.voided = false, true
	} else {
		w.settle(b)
		w.issue(b, earlier(b.finalizeAt, w.now))
	}
	w.creditLess(back)
}

// again is what parts that were billed come to by now beyond that, and what of their lines is too much.
func (w *world) again(s *sub, known []*use) (more []*line, back []overbilled) {
	for _, u := range known {
		used, charged, missing := w.count(s, u)
		difference := charged + missing - u.amount
		if difference > 0 {
			l := w.blank(s, "adjustment", &u.price, u.part, difference)
			l.quantity = text(new(big.Rat).Sub(used, u.quantity))
			if u.quantity.Sign() > 0 {
				l.before = text(u.quantity)
			}
			more, u.lines = append(more, l), append(u.lines, &useLine{l, l.amount})
		}
		for _, l := range slices.Backward(u.lines) {
			if n := min(l.left, -difference); n > 0 {
				back = append(back, overbilled{l, l.amount - l.left, n})
				l.left, difference = l.left-n, difference+n
			}
		}
		u.quantity, u.amount = used, charged+missing
	}
	return more, back
}

// creditLess issues the credit notes for less usage.
func (w *world) creditLess(back []overbilled) {
	for _, x := range back {
		of := x.of.bill
		if of.draft || of.voided || x.of.amount <= 0 {
			continue
		}
		most, left := of.left()
		asked := func(amount int64) int64 { return rounded(times(big.NewRat(amount, x.of.amount), whole(x.of.gross()))) }
		gross := asked(x.before+x.amount) - asked(x.before)
		if gross = min(gross, most, left[slices.Index(of.lines, x.of.line)]); gross > 0 {
			w.issueNote(of, []notePart{{of: x.of.line, amount: gross}})
		}
	}
}

// lateUsage is how long usage from before an end is taken.
const lateUsage = 72 * time.Hour

// closable tells a subscription that ended so long ago that what came since is to be billed.
func (w *world) closable(s *sub) bool {
	counted := slices.ContainsFunc(w.invoices, func(b *bill) bool { return b.sub == s && len(b.waits) > 0 })
	return counted && s.ended && !s.closed && w.now.After(s.endedAt.Add(lateUsage))
}

// shut bills what came since a subscription ended.
func (w *world) shut(s *sub) {
	if !w.closable(s) {
		return
	}
	s.closed = true
	more, back := w.again(s, s.billed)
	w.invoice(s, s.endedAt.Add(lateUsage), "cancel", false, more)
	w.creditLess(back)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// count is what was used by now in a part, what that costs, and what is missing to the minimum.
func (w *world) count(s *sub, u *use) (used *big.Rat, charged, missing int64) {
	used = whole(w.usedIn(s.number, u.price.meter, u.part))
	charged = rounded(u.price.full(used))
	return used, charged, max(0, rounded(times(whole(u.price.minimum), u.share))-charged)
}

// usedIn is a sum, and never below nothing.
func (w *world) usedIn(sub int, meter string, t span) (n int64) {
	for _, u := range w.used {
		if u.sub == sub && u.meter == meter && !u.at.Before(t.from) && u.at.Before(t.to) {
			n += u.quantity
		}
	}
	return max(0, n)
}
