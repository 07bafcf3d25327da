package account

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/period"
)

// invoice drafts an invoice of all that waits and the entry's own lines, and issues it unless it waits for usage or
// corrections. Ended tells that a period is over with it. Of nothing at all there is none.
func (e *entry) invoice(reason string, ended bool) error {
	lines := slices.Clone(e.s.Pending)
	var usage []Usage
	if ended {
		lines, usage = append(slices.Clone(e.s.Parts), lines...), e.s.Usage
	}
	lines = append(lines, e.lines...)
	late := ended && e.s.metered() // usage of earlier periods may come until it is issued
	if len(lines) == 0 && len(usage) == 0 && (!late || reason == invoice.ForCancel) {
		return nil
	}
	l, b, on := e.k.l, &e.b, e.at
	if e.k.Asked.After(on) {
		on = e.k.Asked
	}
	draft := invoice.Drafted{CustomerID: copied(b.CustomerID), SubscriptionID: &b.ID, Currency: b.Currency, Reason: reason, TaxExempt: e.k.exempt}
	moved := Invoiced{Reason: reason, Ended: ended, Made: len(e.lines), Counting: len(usage) > 0 || late}
	if reason == invoice.ForPeriod {
		p := b.Period
		draft.Period, moved.Period = &p, &p
		moved.InvoiceID = invoice.IDFor(b.ID, p.Start, reason)
	} else {
		moved.InvoiceID = nextID(e.k.stream, "invoice", on, e.s.Invoices+1)
	}
	coupons, counted := e.coupons(lines, draft.Period, moved.Counting)
	totals, err := invoice.Settle(lines, coupons, nil)
	if err != nil {
		return err
	}
	draft.Coupons, draft.Lines, draft.Totals, moved.Coupons = coupons, lines, totals, counted
	moved.Lines = e.stillRunning(moved.InvoiceID, lines)
	renewal := reason == invoice.ForPeriod && e.s.Invoices > 0
	if waits := moved.Counting || renewal && e.k.policy.DraftHours > 0; waits {
		at := on.Add(time.Duration(e.k.policy.DraftHours) * time.Hour)
		draft.FinalizeAt = &at
	}
	l.AppendAt(e.k.stream, e.at, moved)
	l.AppendAt(moved.InvoiceID, on, draft)
	if draft.FinalizeAt != nil {
		e.k.Owed++
		return nil
	}
	return e.k.issue(moved.InvoiceID, on)
}

// stillRunning are the lines of an invoice whose time is not over: those that were pending, with what was given back of
// their discounts, and its own.
func (e *entry) stillRunning(id uuid.UUID, lines []invoice.Line) []Running {
	var all []Running
	for _, r := range e.s.Running {
		if r.InvoiceID == uuid.Nil && r.End.After(e.at) {
			all = append(all, r)
		}
	}
	all = append(all, e.running...)
	for i := range all {
		r := &all[i]
		r.InvoiceID = id
		at := slices.IndexFunc(lines, func(l invoice.Line) bool { return l.ID == r.LineID })
		if at >= 0 {
			r.Returned = returned(&lines[at], lines)
		}
	}
	return all
}

// returned is what credits on the same invoice gave back of a line's discounts.
func returned(of *invoice.Line, lines []invoice.Line) []int64 {
	var back []int64
	for _, l := range lines {
		if l.Reverses == nil || *l.Reverses != of.ID {
			continue
		}
		if back == nil {
			back = make([]int64, len(of.Discounts))
		}
		for i, d := range of.Discounts {
			for _, given := range l.Discounts {
				if given.CouponID == d.CouponID {
					back[i] -= given.Amount
				}
			}
		}
	}
	return back
}

// coupons are those that discount an invoice, and those that counted with it (rule B5). While it waits for usage nobody
// knows which lines there will be: then all may.
func (e *entry) coupons(lines []invoice.Line, p *period.Period, waits bool) (all []invoice.Coupon, counted []Counted) {
	for i := range e.b.Coupons {
		c := &e.b.Coupons[i]
		count, known := e.s.Counted[c.CouponID]
		n, fresh := c.periods(), !known
		count.CouponID = c.CouponID
		if p != nil && !p.Start.Before(c.At) && (n == 0 || count.Periods < n) {
			fresh = true
			if n > 0 {
				if count.Periods++; count.Periods == n {
					count.Until = &p.End
				}
			}
		}
		off := invoice.Coupon{ID: c.CouponID, Code: c.Code, PercentOff: copied(c.PercentOff), From: c.At, Until: copied(count.Until)}
		if c.EndsAt != nil && (off.Until == nil || c.EndsAt.Before(*off.Until)) {
			off.Until = copied(c.EndsAt)
		}
		used := waits || slices.ContainsFunc(lines, func(l invoice.Line) bool { return off.Covers(&l) })
		if c.AmountOff != nil {
			if fresh {
				off.AmountOff = *c.AmountOff
			}
			off.AmountOff += givenBack(c.CouponID, lines)
		}
		if used {
			all = append(all, off)
		}
		if fresh && (used || p != nil) && (!known || n > 0) {
			counted = append(counted, count)
		}
	}
	return all, counted
}

// givenBack is what credits that reverse lines of earlier invoices give back of a coupon.
func givenBack(coupon uuid.UUID, lines []invoice.Line) (sum int64) {
	for i := range lines {
		for _, d := range lines[i].Discounts {
			if d.CouponID == coupon && lines[i].Reverses != nil {
				sum -= d.Amount
			}
		}
	}
	return sum
}

// issue finalises a draft, and charges the customer's payment method.
func (k *Book) issue(id uuid.UUID, at time.Time) error {
	state, err := k.l.Load(id)
	if err != nil {
		return err
	}
	s := state.(*invoice.State) //nolint:forcetypeassert // it was drafted right now, or is what the caller loaded
	if s.Total == 0 && !k.policy.ZeroInvoices {
		k.l.AppendAt(id, at, invoice.Discarded{Zero: true})
		return nil
	}
	if err := invoice.Issue(k.l, s, at, k.policy.InvoiceDaysUntilDue, k.fresh.Payer); err != nil {
		return err
	}
	if state, err = k.l.Load(id); err != nil {
		return err
	}
	s = state.(*invoice.State) //nolint:forcetypeassert // see above
	switch {
	case s.Total < 0:
		return k.settleCredited(s, at)
	case s.Status != invoice.Paid:
		k.charge(s, at)
	}
	return nil
}

// settleCredited has what a credit gave to the balance pay what is due on the invoices whose lines it took back (rule B10).
func (k *Book) settleCredited(s *invoice.State, at time.Time) error {
	left := -s.Total
	var seen []uuid.UUID
	for _, l := range s.Lines {
		if l.ReversesOn == uuid.Nil || slices.Contains(seen, l.ReversesOn) {
			continue
		}
		seen = append(seen, l.ReversesOn)
		state, err := k.l.Load(l.ReversesOn)
		if err != nil {
			return err
		}
		pays := int64(0)
		if of, ok := state.(*invoice.State); ok {
			pays = min(left, of.AmountDue())
		}
		if pays <= 0 {
			continue
		}
		settled, err := invoice.PayFromBalance(k.l, l.ReversesOn, at, pays)
		if err != nil {
			return err
		}
		left -= pays
		if settled {
			if err := k.Settle(l.ReversesOn); err != nil {
				return err
			}
		}
	}
	return nil
}

// charge asks the customer's payment method for what is due. The provider `manual` stands for the outside world and
// answers at once what it was told to; without a method the invoice stays open until somebody records a payment.
func (k *Book) charge(s *invoice.State, at time.Time) {
	if k.method != nil && k.method.Outcome == customer.Succeeds {
		k.l.AppendAt(s.ID, at, invoice.PaymentRecorded{PaymentID: nextID(s.ID, "payment", at, 1), Amount: s.AmountDue(), Method: k.method.Provider, PaidAt: at})
		return
	}
	k.Owed++
	if k.method != nil {
		k.Fail(s, at)
	}
}

// Fail notes a charge that failed.
func (k *Book) Fail(s *invoice.State, at time.Time) {
	k.l.AppendAt(k.stream, at, ChargeFailed{InvoiceID: s.ID})
	k.l.AppendAt(*s.CustomerID, at, customer.ChargeFailed{InvoiceID: s.ID})
	k.Missed = true
}

// copied keeps an event free of a state's own memory.
func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
