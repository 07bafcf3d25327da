package account_test

import (
	"fmt"
	"math/big"
	"time"
)

// owner is whose balance pays.
func (b *bill) owner() string {
	if b.sub.customer >= 0 {
		return fmt.Sprint("customer ", b.sub.customer)
	}
	return fmt.Sprint("subscription ", b.sub.number)
}

func (w *world) issue(b *bill, at time.Time) {
	b.draft = false
	if b.total == 0 && !w.zeroInvoices {
		b.voided, b.unissued = true, true
		return
	}
	w.numbers++
	b.number, b.issued = fmt.Sprintf("INV-%06d", w.numbers), at
	b.applied = min(b.total, w.balances[b.owner()])
	w.balances[b.owner()] -= b.applied
	if b.total < 0 { // what a credit gives back of what is not paid pays that
		left := -b.total
		for _, l := range b.lines {
			if l.reverses != nil && l.reverses.bill != b {
				pays := min(left, l.reverses.bill.due())
				l.reverses.bill.applied += pays
				w.balances[b.owner()] -= pays
				left -= pays
			}
		}
	}
	if b.due() == 0 || b.sub.customer < 0 {
		return
	}
	switch w.customers[b.sub.customer].method {
	case "succeeds":
		b.paid = b.due()
	case "fails", "requiresAction":
		b.failed = true
	}
}

func (b *bill) due() int64 {
	if b.draft || b.voided {
		return 0
	}
	due := b.total - b.applied - b.paid
	for _, n := range b.notes {
		due -= n.lowered
	}
	return max(0, due)
}

func (b *bill) status() string {
	switch {
	case b.voided:
		return "void"
	case b.draft:
		return "draft"
	case b.due() > 0:
		return "open"
	}
	return "paid"
}

// voidable tells whether an invoice can be taken back: a draft only if nothing was used that is to be billed on it.
func (w *world) voidable(b *bill) bool {
	if b.voided {
		return true
	}
	for _, u := range b.waits {
		if used, _, _ := w.count(b.sub, u); b.draft && used.Sign() > 0 {
			return false
		}
	}
	for _, l := range b.lines {
		if l.amount != 0 && l.reverses != nil && l.reverses.bill != b || b.reversed(l) > 0 {
			return false
		}
	}
	return b.draft || b.paid == 0 && len(b.notes) == 0
}

// reversed is what other invoices take back of a line, or will.
func (b *bill) reversed(l *line) (sum int64) {
	for _, c := range b.sub.lines {
		if c.reverses == l && c.bill != b {
			sum -= c.amount
		}
	}
	return sum
}

// keeps is what is left of something of a line after that.
func (b *bill) keeps(l *line, of int64) int64 {
	if gone := b.reversed(l); gone > 0 {
		return rounded(times(big.NewRat(max(0, l.amount-gone), l.amount), whole(of)))
	}
	return of
}

func (w *world) void(b *bill) {
	if !b.voided && !b.draft {
		w.balances[b.owner()] += b.applied
		b.applied = 0
	}
	if b.draft {
		for _, u := range b.waits {
			used, charged, missing := w.count(b.sub, u)
			u.quantity, u.amount = used, charged+missing
			b.sub.billed = append(b.sub.billed, u)
		}
	}
	b.voided, b.draft = true, false
}

// noted is what credit notes took off a line, and the tax in it.
func (b *bill) noted(l *line) (amount, tax int64) {
	for _, n := range b.notes {
		for _, p := range n.parts {
			if p.of == l {
				amount, tax = amount+p.amount, tax+p.tax
			}
		}
	}
	return amount, tax
}

// left is what credit notes may still take off an invoice, and off each of its lines.
func (b *bill) left() (most int64, lines []int64) {
	sum := int64(0)
	most = b.total
	for _, n := range b.notes {
		most -= n.amount
	}
	for _, l := range b.lines {
		noted, _ := b.noted(l)
		lines = append(lines, max(0, b.keeps(l, l.gross())-noted))
		sum += lines[len(lines)-1]
	}
	return max(0, min(sum, most)), lines
}

// note is a credit note: of one line or, with the line -1, of all that is left.
func (w *world) note(b *bill, f *fact) {
	_, left := b.left()
	var parts []notePart
	if f.line >= 0 {
		parts = append(parts, notePart{of: b.lines[f.line], amount: f.amount})
	} else {
		var weights []*big.Rat
		var of []*line
		for i, n := range left {
			if n > 0 {
				weights, of = append(weights, whole(n)), append(of, b.lines[i])
			}
		}
		for i, n := range spread(f.amount, weights) {
			if n > 0 {
				parts = append(parts, notePart{of: of[i], amount: n})
			}
		}
	}
	w.issueNote(b, parts)
}

func (w *world) issueNote(b *bill, parts []notePart) {
	n := note{parts: parts}
	for i := range parts {
		p := &parts[i]
		noted, taxed := b.noted(p.of)
		if rest := max(0, b.keeps(p.of, p.of.taxed())-taxed); p.amount == b.keeps(p.of, p.of.gross())-noted {
			p.tax = rest
		} else {
			p.tax = min(rest, rounded(times(big.NewRat(p.amount, p.of.gross()), whole(p.of.taxed()))))
		}
		n.amount += p.amount
	}
	n.lowered = min(n.amount, b.due())
	w.balances[b.owner()] += n.amount - n.lowered
	b.notes = append(b.notes, n)
	w.notes++
}
