package account_test

import (
	"math/big"
	"slices"
	"time"
)

// finalize issues a draft, with what was used by now.
func (w *world) finalize(b *bill) {
	if !b.draft {
		return
	}
	var more []*line
	type less struct {
		of             *useLine
		before, amount int64
	}
	var back []less
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
	for _, u := range known {
		used, charged, missing := w.count(b.sub, u)
		difference := charged + missing - u.amount
		if difference > 0 {
			l := w.blank(b.sub, "adjustment", &u.price, u.part, difference)
			l.quantity = text(new(big.Rat).Sub(used, u.quantity))
			if u.quantity.Sign() > 0 {
				l.before = text(u.quantity)
			}
			more, u.lines = append(more, l), append(u.lines, &useLine{l, l.amount})
		}
		for _, l := range slices.Backward(u.lines) {
			if n := min(l.left, -difference); n > 0 {
				back = append(back, less{l, l.amount - l.left, n})
				l.left, difference = l.left-n, difference+n
			}
		}
		u.quantity, u.amount = used, charged+missing
	}
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
