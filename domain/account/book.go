package account

import (
	"bytes"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/rating"
	"github.com/subledger/subledger/domain/settings"
)

// Book writes a subscription's account within one decision.
type Book struct {
	l      domain.Ledger
	stream uuid.UUID
	policy settings.Settings
	fresh  Fresh
	rates  []invoice.Rate
	exempt string
	method *customer.PaymentMethod // nil: none
	Asked  time.Time               // when somebody asked for what is accounted for: its invoice is of then; zero: it happens by itself
	Missed bool                    // a charge failed
	Owed   int                     // invoices made that are not paid
	Paid   bool                    // nothing is due any more of an invoice that was
}

// Fresh tells what is made in this decision. It is not looked for: what the log does not have is asked of the database, and
// an id that hangs on when the decision was made is another one after that.
type Fresh struct{ Account, Payer bool }

// Warm loads what every account needs, whoever's it is.
func Warm(l domain.Ledger) error {
	if _, err := settings.Of(l); err != nil {
		return err
	}
	return invoice.Preload(l, nil, "")
}

// Open loads all that the account of a subscription may need, so that the decision has it before it appends.
func Open(l domain.Ledger, b Bought, fresh Fresh) (*Book, error) {
	k := &Book{l: l, stream: ID(b.ID), fresh: fresh}
	state, err := k.state()
	if err != nil {
		return nil, err
	}
	for _, r := range state.Running {
		if r.InvoiceID != uuid.Nil {
			if _, err := l.Load(r.InvoiceID); err != nil {
				return nil, err
			}
		}
	}
	if k.policy, err = settings.Of(l); err != nil {
		return nil, err
	}
	owner := b.owner()
	payer := &owner
	if fresh.Payer {
		payer = nil
	}
	if err := invoice.Preload(l, payer, b.Currency); err != nil {
		return nil, err
	}
	return k, k.payer(b.CustomerID)
}

// payer learns of the customer what matters to an invoice.
func (k *Book) payer(id *uuid.UUID) error {
	if id == nil {
		return nil
	}
	state, err := k.l.Load(*id)
	if err != nil {
		return err
	}
	c, ok := state.(*customer.Customer)
	if !ok {
		return nil
	}
	k.method = c.PaymentMethod
	if c.Fields.TaxExempt != nil {
		k.exempt = c.Fields.TaxExempt.Reason
		return nil
	}
	for _, id := range c.Fields.TaxRates {
		state, err := k.l.Load(id)
		if err != nil {
			return err
		}
		if r, ok := state.(*catalog.TaxRate); ok {
			k.rates = append(k.rates, invoice.Rate{ID: id, Percentage: r.Fields.Percentage, Inclusive: r.Fields.Inclusive})
		}
	}
	return nil
}

// state is the account as this decision leaves it; an empty one before its first event.
func (k *Book) state() (*State, error) {
	if k.fresh.Account && k.l.Version(k.stream) == 0 {
		return &State{}, nil
	}
	state, err := k.l.Load(k.stream)
	if err != nil {
		return nil, err
	}
	if s, ok := state.(*State); ok {
		return s, nil
	}
	return &State{}, nil
}

// entry is what one event of a subscription brings: lines in the making.
type entry struct {
	k       *Book
	s       *State
	at      time.Time
	b       Bought
	cause   int64 // position of the event
	made    int   // lines
	accrued Accrued
	lines   []invoice.Line // of the invoice itself
	running []Running      // of these
}

func (k *Book) begin(b Bought, at time.Time, cause int64) (*entry, error) {
	s, err := k.state()
	return &entry{k: k, s: s, at: at, b: b, cause: cause}, err
}

// line makes a line of a price for a part of a period.
func (e *entry) line(kind string, b *Bought, p *catalog.Price, quantity *big.Rat, before int, part period.Period) (invoice.Line, error) {
	share := b.share(part)
	amount, err := difference(p, quantity, before, share)
	if err != nil {
		return invoice.Line{}, err
	}
	l := e.blank(kind, b, p, part, share, amount)
	if before > 0 {
		l.Before = strconv.Itoa(before)
	}
	count(&l, b, p, quantity, rating.Units(before))
	return l, nil
}

// difference is what a quantity costs on top of another.
func difference(p *catalog.Price, quantity *big.Rat, before int, share period.Share) (int64, error) {
	all := rating.Charge{Price: *p, Quantity: quantity, Share: share}
	if before == 0 {
		return all.Amount()
	}
	old := rating.Charge{Price: *p, Quantity: rating.Units(before), Share: share}
	all.Quantity = new(big.Rat).Add(quantity, old.Quantity)
	exact := all.Exact()
	return round(exact.Sub(exact, old.Exact()))
}

// blank is a line without its quantity.
func (e *entry) blank(kind string, b *Bought, p *catalog.Price, part period.Period, share period.Share, amount int64) invoice.Line {
	l := invoice.Line{Kind: kind, Description: describe(kind, b, p, ""), SubscriptionID: b.ID,
		PlanID: b.PlanID, PlanVersion: b.PlanVersion, ProductID: b.ProductID, PriceKey: p.Key, Quantity: "1", Amount: amount,
		Period: part, Share: share, ProrationMode: string(b.Mode), Events: []int64{e.cause}}
	if p.UnitAmount != nil && kind != invoice.KindMinimum {
		unit := *p.UnitAmount
		l.UnitAmount = &unit
	}
	l.Tax(e.k.rates)
	return l
}

// keep gives a line that stays its id.
func (e *entry) keep(l invoice.Line) invoice.Line {
	e.made++
	l.ID = nextID(e.k.stream, "line", e.at, e.s.Lines+e.made)
	return l
}

// charge makes the lines of a price for a part of a period: itself and, up to its minimum, the rest.
func (e *entry) charge(kind string, b *Bought, p *catalog.Price, part period.Period) ([]invoice.Line, error) {
	quantity := rating.Units(b.Quantity)
	if p.Kind == catalog.Flat {
		quantity = rating.Units(1)
	}
	l, err := e.line(kind, b, p, quantity, 0, part)
	if err != nil {
		return nil, err
	}
	lines := []invoice.Line{l}
	missing, err := rating.TrueUp(*p, l.Share, l.Amount)
	if err == nil && missing > 0 {
		lines = append(lines, e.blank(invoice.KindMinimum, b, p, part, l.Share, missing))
	}
	return lines, err
}

// text writes a quantity: a decimal, or where it is none a fraction.
func text(q *big.Rat) string {
	if q.IsInt() {
		return q.Num().String()
	}
	if n, exact := q.FloatPrec(); exact {
		return q.FloatString(n)
	}
	return q.RatString()
}

// runs notes a line as one whose time is not over.
func (e *entry) runs(l *invoice.Line, p *catalog.Price, pending bool) {
	r := Running{LineID: l.ID, PriceKey: p.Key, End: l.Period.End}
	if linear(p) {
		before, _ := strconv.Atoi(l.Before)
		quantity, _ := strconv.Atoi(l.Quantity)
		r.Of = units(*p, before+quantity) - units(*p, before)
		r.Units = r.Of
	}
	if pending {
		e.accrued.Debits = append(e.accrued.Debits, r)
	} else {
		e.running = append(e.running, r)
	}
}

// accrue records what waits; nothing where nothing does.
func (e *entry) accrue() error {
	a := &e.accrued
	if len(a.Pending)+len(a.Parts)+len(a.Usage)+len(a.Credited) > 0 || a.Since != nil {
		e.k.l.AppendAt(e.k.stream, e.at, *a)
		for _, l := range a.Pending {
			if l.ReversesOn != uuid.Nil {
				e.k.l.AppendAt(l.ReversesOn, e.at, invoice.LineReversed{LineID: *l.Reverses, CreditID: l.ID, Amount: -l.Amount})
			}
		}
		e.accrued, e.made = Accrued{}, e.made-len(a.Pending)-len(a.Parts)
	}
	var err error
	e.s, err = e.k.state()
	return err
}

// debited is a running line with all that is known of it.
func (e *entry) debited(r *Running) (d invoice.Debited, ok bool, err error) {
	if r.InvoiceID == uuid.Nil {
		if l := e.s.pending(r.LineID); l != nil {
			d, ok = invoice.Debited{Line: *l}, true
		} else if i := slices.IndexFunc(e.accrued.Pending, func(l invoice.Line) bool { return l.ID == r.LineID }); i >= 0 {
			d, ok = invoice.Debited{Line: e.accrued.Pending[i]}, true
		}
	} else {
		var state domain.State
		if state, err = e.k.l.Load(r.InvoiceID); err != nil {
			return d, false, err
		}
		if s, is := state.(*invoice.State); is {
			d, ok = s.Debited(r.LineID)
		}
	}
	d.Period.End = r.End.Add(-time.Duration(r.Moved) * time.Microsecond) // another one than on its invoice since the calendar changed
	d.Credited, d.Returned = r.Credited, slices.Clone(r.Returned)
	return d, ok, nil
}

// OpenStatus opens an account for what its invoices' payments change.
func OpenStatus(l domain.Ledger, subscription uuid.UUID) (*Book, error) {
	k := &Book{l: l, stream: ID(subscription)}
	_, err := k.state()
	return k, err
}

// Settle notes that nothing of an invoice is due any more.
func (k *Book) Settle(id uuid.UUID) error {
	s, err := k.state()
	if err != nil {
		return err
	}
	if k.Paid = true; slices.Contains(s.Failed, id) {
		k.l.Append(k.stream, Settled{InvoiceID: id})
	}
	return nil
}

// Clear tells that no charge is left that failed.
func (k *Book) Clear() (bool, error) {
	s, err := k.state()
	return err == nil && len(s.Failed) == 0, err
}

// Drafts are those that wait for usage, in order of their ids.
func (k *Book) Drafts() ([]uuid.UUID, error) {
	s, err := k.state()
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Keys(s.Counting), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }), nil
}

// Forget voids the invoices of what runs of which nothing was paid: they were for what never began.
func (k *Book) Forget() error {
	s, err := k.state()
	if err != nil {
		return err
	}
	for _, r := range slices.Clone(s.Running) {
		if r.InvoiceID == uuid.Nil {
			continue
		}
		state, err := k.l.Load(r.InvoiceID)
		if err != nil {
			return err
		}
		if of, ok := state.(*invoice.State); ok && of.Status == invoice.Open && of.AmountPaid == 0 && len(of.CreditNotes) == 0 && len(of.Reversed) == 0 {
			if _, err := (invoice.Cancel{ID: r.InvoiceID}).Decide(k.l); err != nil {
				return err
			}
		}
	}
	return nil
}
