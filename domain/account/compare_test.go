package account_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/subscription"
)

// billed is how the ledger stands, in text.
func (w *walk) billed(t *rapid.T) string {
	log := w.l.Log()
	for _, e := range log[w.seen:] {
		if _, ok := e.Event.(invoice.Drafted); ok {
			w.invoices = append(w.invoices, e.Stream)
		}
	}
	w.seen = len(log)
	var b strings.Builder
	lines := map[uuid.UUID]int{}
	for i, id := range w.invoices {
		s := w.l.State(id).(*invoice.State)
		fmt.Fprintf(&b, "invoice %d %s of %d: %s %s", i, s.Number, slices.Index(w.subs, *s.SubscriptionID), s.Reason, s.Status)
		if s.Period != nil {
			fmt.Fprint(&b, " "+showSpan(s.Period.Start, s.Period.End))
		}
		fmt.Fprintf(&b, " subtotal %d discounts %d tax %d total %d balance %d paid %d due %d", s.Subtotal, s.DiscountTotal, s.TaxTotal, s.Total, s.BalanceApplied, s.AmountPaid, s.AmountDue())
		if s.Number != "" {
			fmt.Fprint(&b, " issued "+s.IssuedAt.Format(time.RFC3339))
		}
		b.WriteString("\n")
		w.lines(&b, s.Lines, lines)
		for _, n := range s.CreditNotes {
			fmt.Fprintf(&b, "  note %d, %d of the debt\n", n.Amount, n.LowersDebt)
			for _, p := range n.Lines {
				fmt.Fprintf(&b, "    %d tax %d of #%d\n", p.Amount, p.Tax, lines[p.LineID])
			}
		}
	}
	for i, id := range w.subs {
		s := w.l.State(id).(*subscription.State)
		fmt.Fprintf(&b, "subscription %d: %s %d %s\n", i, s.Status, s.Quantity, showSpan(s.Period.Start, s.Period.End))
		if a, ok := w.l.State(account.ID(id)).(*account.State); ok {
			w.lines(&b, a.Pending, lines)
			w.lines(&b, a.Parts, lines)
		}
		if id := s.CustomerID; id != nil && !slices.Contains(w.customers, *id) { // it was made for it alone
			w.balance(&b, fmt.Sprint("subscription ", i), *id)
		}
	}
	for i, id := range w.customers {
		w.balance(&b, fmt.Sprint("customer ", i), id)
	}
	return b.String()
}

func (w *walk) balance(b *strings.Builder, name string, owner uuid.UUID) {
	if s, ok := w.l.State(invoice.BalanceID(owner, w.r.currency)).(*invoice.Balance); ok && s.Amount != 0 {
		fmt.Fprintf(b, "balance of %s: %d\n", name, s.Amount)
	}
}

func (w *walk) lines(b *strings.Builder, lines []invoice.Line, numbers map[uuid.UUID]int) {
	for _, l := range lines {
		numbers[l.ID] = len(numbers) + 1
	}
	for _, l := range lines {
		fmt.Fprintf(b, "  #%d %s %s %s", numbers[l.ID], l.Kind, l.PriceKey, l.Quantity)
		if l.Before != "" {
			b.WriteString(" on " + l.Before)
		}
		fmt.Fprintf(b, ": %d %s", l.Amount, showSpan(l.Period.Start, l.Period.End))
		if l.Reverses != nil {
			fmt.Fprintf(b, " of #%d", numbers[*l.Reverses])
		}
		for _, d := range l.Discounts {
			fmt.Fprintf(b, " -%d %s", d.Amount, d.Code)
		}
		for _, x := range l.Taxes {
			fmt.Fprintf(b, " tax %d of %d at %s %v", x.Amount, x.Taxable, x.Percentage, x.Inclusive)
		}
		b.WriteString("\n")
	}
}

func showSpan(from, to time.Time) string {
	return from.UTC().Format(time.DateTime) + " - " + to.UTC().Format(time.DateTime)
}

// expected is how the reference stands, in the same words.
func (w *walk) expected() string {
	var b strings.Builder
	r, numbers := w.world, map[*line]int{}
	for i, o := range r.invoices {
		fmt.Fprintf(&b, "invoice %d %s of %d: %s %s", i, o.number, o.sub.number, o.reason, o.status())
		if o.reason == "period" {
			fmt.Fprint(&b, " "+showSpan(o.period.from, o.period.to))
		}
		fmt.Fprintf(&b, " subtotal %d discounts %d tax %d total %d balance %d paid %d due %d", o.subtotal, o.off, o.tax, o.total, o.applied, o.paid, o.due())
		if o.number != "" {
			fmt.Fprint(&b, " issued "+o.issued.UTC().Format(time.RFC3339))
		}
		b.WriteString("\n")
		w.expectedLines(&b, o.lines, numbers)
		for _, n := range o.notes {
			fmt.Fprintf(&b, "  note %d, %d of the debt\n", n.amount, n.lowered)
			for _, p := range n.parts {
				fmt.Fprintf(&b, "    %d tax %d of #%d\n", p.amount, p.tax, numbers[p.of])
			}
		}
	}
	for i, s := range r.subs {
		fmt.Fprintf(&b, "subscription %d: %s %d %s\n", i, r.status(s), s.quantity, showSpan(s.period.from, s.period.to))
		w.expectedLines(&b, s.pending, numbers)
		w.expectedLines(&b, s.parts, numbers)
		if n := r.balances[fmt.Sprint("subscription ", i)]; n != 0 {
			fmt.Fprintf(&b, "balance of subscription %d: %d\n", i, n)
		}
	}
	for i := range r.customers {
		if n := r.balances[fmt.Sprint("customer ", i)]; n != 0 {
			fmt.Fprintf(&b, "balance of customer %d: %d\n", i, n)
		}
	}
	return b.String()
}

func (w *walk) expectedLines(b *strings.Builder, lines []*line, numbers map[*line]int) {
	for _, l := range lines {
		numbers[l] = len(numbers) + 1
	}
	for _, l := range lines {
		fmt.Fprintf(b, "  #%d %s %s %s", numbers[l], l.kind, l.key, l.quantity)
		if l.before != "" {
			b.WriteString(" on " + l.before)
		}
		fmt.Fprintf(b, ": %d %s", l.amount, showSpan(l.shown.from, l.shown.to))
		if l.reverses != nil {
			fmt.Fprintf(b, " of #%d", numbers[l.reverses])
		}
		for _, d := range l.discounts {
			fmt.Fprintf(b, " -%d %s", d.amount, w.r.coupons[d.coupon].code)
		}
		for _, x := range l.taxes {
			fmt.Fprintf(b, " tax %d of %d at %s %v", x.amount, x.taxable, x.percent, x.inclusive)
		}
		b.WriteString("\n")
	}
}
