package subscription

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/settings"
)

// FinalizeInvoice issues a draft. One that waits for usage is given what was counted of it, and of earlier periods, up to
// a position of the ledger; with Refresh it stays a draft, with lines for the usage so far. It answers invoice.View;
// a draft no more makes no event.
//
// NotFound: no_invoice. Conflict: invoice_void, usage_not_counted.
type FinalizeInvoice struct {
	ID       uuid.UUID
	Counts   []account.Count
	Position int64
	Refresh  bool
}

// Decide implements domain.Command.
func (c FinalizeInvoice) Decide(l domain.Ledger) (any, error) {
	draft, err := domain.LoadAs[*invoice.State](l, c.ID, "no_invoice")
	if err != nil {
		return nil, err
	}
	if draft.SubscriptionID == nil || draft.Status != invoice.Draft {
		policy, err := settings.Of(l)
		if err != nil {
			return nil, err
		}
		return invoice.Finalize{ID: c.ID, DaysUntilDue: policy.InvoiceDaysUntilDue}.Decide(l)
	}
	at, err := counting(l, *draft.SubscriptionID, draft, c.Counts)
	if err != nil {
		return nil, err
	}
	facts := at.s.Facts
	if err := at.book.Finalize(draft, at.plans, at.bought, c.Counts, c.Position, c.Refresh); err != nil {
		return nil, err
	}
	return settled(l, at.s.ID, &facts, at.book, c.ID)
}

// counted is what a decision on usage that was counted needs.
type counted struct {
	s      *State
	bought account.Bought
	book   *account.Book
	plans  map[uuid.UUID]*catalog.Plan // at which it was
}

// counting loads what a decision on a subscription's usage needs, and refuses counts that are not of all that a draft waits
// for; nil: of all that may have come late.
func counting(l domain.Ledger, id uuid.UUID, draft *invoice.State, counts []account.Count) (at counted, err error) {
	if at.s, err = load(l, id); err != nil {
		return at, err
	}
	if at.bought, err = at.s.bought(l, id); err != nil {
		return at, err
	}
	of := uuid.Nil
	if draft != nil {
		of, at.bought.Currency = draft.ID, draft.Currency
	}
	if at.book, err = account.Open(l, at.bought, account.Fresh{}); err != nil {
		return at, err
	}
	if err := at.book.Counted(of, counts); err != nil {
		return at, err
	}
	at.plans, err = plansOf(l, counts)
	return at, err
}

// plansOf are those at which usage was counted.
func plansOf(l domain.Ledger, counts []account.Count) (plans map[uuid.UUID]*catalog.Plan, err error) {
	plans = map[uuid.UUID]*catalog.Plan{}
	for _, n := range counts {
		if plans[n.PlanID], err = domain.LoadAs[*catalog.Plan](l, n.PlanID, "no_plan"); err != nil {
			return nil, err
		}
	}
	return plans, nil
}

// settled records what the charges and payments of a decision change about a subscription's status, and answers the
// invoice.
func settled(l domain.Ledger, id uuid.UUID, f *Facts, book *account.Book, of uuid.UUID) (any, error) {
	switch {
	case book.Missed && f.is(Active):
		e, err := missed(l)
		if err != nil {
			return nil, err
		}
		l.Append(id, e)
	case book.Paid && !book.Missed && (f.Status == Incomplete || f.is(PastDue)):
		clear, err := book.Clear()
		if err != nil {
			return nil, err
		}
		if clear || f.Status == Incomplete {
			l.Append(id, PaymentSettled{})
		}
	}
	s, err := domain.LoadAs[*invoice.State](l, of, "no_invoice")
	if err != nil {
		return nil, err
	}
	return s.View(), nil
}

// PayInvoice notes money that came for an invoice. When nothing of it is due any more, its subscription is told:
// INCOMPLETE becomes ACTIVE, and PAST_DUE when no other charge has failed. It answers invoice.View.
//
// As invoice.RecordPayment.
type PayInvoice struct{ invoice.RecordPayment }

// Decide implements domain.Command.
func (c PayInvoice) Decide(l domain.Ledger) (any, error) {
	return c.then(l, c.ID, c.RecordPayment)
}

// ChargeInvoice asks the customer's payment method for what is due of an open invoice, once more or for the first time, and
// tells the subscription what came of it: PAST_DUE, or as PayInvoice does. It answers invoice.View.
//
// NotFound: no_invoice. Conflict: not_open, no_payment_method.
type ChargeInvoice struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c ChargeInvoice) Decide(l domain.Ledger) (any, error) {
	s, err := domain.LoadAs[*invoice.State](l, c.ID, "no_invoice")
	if err != nil {
		return nil, err
	}
	if s.Status != invoice.Open {
		return nil, &domain.Error{Kind: domain.Conflict, Code: "not_open", State: s.Status, Detail: "the invoice is " + s.Status + ": nothing of it is charged"}
	}
	var method *customer.PaymentMethod
	if s.CustomerID != nil {
		payer, err := domain.LoadAs[*customer.Customer](l, *s.CustomerID, "no_customer")
		if err != nil {
			return nil, err
		}
		method = payer.PaymentMethod
	}
	if method == nil {
		return nil, &domain.Error{Kind: domain.Conflict, Code: "no_payment_method", State: "none", Detail: "its payer has no payment method: set one, or record a payment"}
	}
	if method.Outcome == customer.Succeeds {
		return PayInvoice{invoice.RecordPayment{ID: c.ID, Amount: s.AmountDue(), Method: method.Provider}}.Decide(l)
	}
	if s.SubscriptionID == nil {
		l.Append(*s.CustomerID, customer.ChargeFailed{InvoiceID: c.ID})
		return s.View(), nil
	}
	sub, err := load(l, *s.SubscriptionID)
	if err != nil {
		return nil, err
	}
	book, err := account.OpenStatus(l, sub.ID)
	if err != nil {
		return nil, err
	}
	facts := sub.Facts
	book.Fail(s, l.Now())
	return settled(l, sub.ID, &facts, book, c.ID)
}

// DebitInvoice issues a debit note, and charges it like any invoice. It answers invoice.View, the note's.
//
// As invoice.IssueDebitNote.
type DebitInvoice struct{ invoice.IssueDebitNote }

// Decide implements domain.Command.
func (c DebitInvoice) Decide(l domain.Ledger) (any, error) {
	policy, err := settings.Of(l)
	if err != nil {
		return nil, err
	}
	c.DaysUntilDue = policy.InvoiceDaysUntilDue
	answer, err := c.IssueDebitNote.Decide(l)
	if err != nil {
		return nil, err
	}
	note := answer.(invoice.View) //nolint:forcetypeassert // it is what the command answers
	if note.Status != invoice.Open || note.Drafted.CustomerID == nil {
		return note, nil
	}
	payer, err := domain.LoadAs[*customer.Customer](l, *note.Drafted.CustomerID, "no_customer")
	if err != nil || payer.PaymentMethod == nil {
		return note, err
	}
	return ChargeInvoice{ID: note.ID}.Decide(l)
}

// VoidInvoice takes an invoice back, and tells its subscription as PayInvoice does. A draft that waits for usage is given what
// was counted of it, as FinalizeInvoice is. It answers invoice.View.
//
// As invoice.Cancel. Conflict: usage_not_counted, usage_waits: something was used, which would never be billed.
type VoidInvoice struct {
	ID     uuid.UUID
	Counts []account.Count
}

// Decide implements domain.Command.
func (c VoidInvoice) Decide(l domain.Ledger) (any, error) {
	draft, err := domain.LoadAs[*invoice.State](l, c.ID, "no_invoice")
	if err != nil {
		return nil, err
	}
	if draft.Status == invoice.Draft && draft.SubscriptionID != nil {
		return c.discard(l, draft)
	}
	return PayInvoice{}.then(l, c.ID, invoice.Cancel{ID: c.ID})
}

// discard ends a draft for which nothing was used.
func (c VoidInvoice) discard(l domain.Ledger, draft *invoice.State) (any, error) {
	at, err := counting(l, *draft.SubscriptionID, draft, c.Counts)
	if err != nil {
		return nil, err
	}
	if err := at.book.Forgo(draft, at.plans, at.bought, c.Counts); err != nil {
		return nil, err
	}
	return invoice.Cancel{ID: c.ID}.Decide(l)
}

// CreditInvoice issues a credit note, and tells the subscription as PayInvoice does. It answers invoice.View.
//
// As invoice.IssueCreditNote.
type CreditInvoice struct{ invoice.IssueCreditNote }

// Decide implements domain.Command.
func (c CreditInvoice) Decide(l domain.Ledger) (any, error) {
	return PayInvoice{}.then(l, c.ID, c.IssueCreditNote)
}

// then decides a command on an invoice and tells the subscription when nothing is due any more.
func (PayInvoice) then(l domain.Ledger, id uuid.UUID, c domain.Command) (any, error) {
	before, err := domain.LoadAs[*invoice.State](l, id, "no_invoice")
	if err != nil {
		return nil, err
	}
	var s *State
	var book *account.Book
	owed, of := before.Status == invoice.Open || before.Status == invoice.Uncollectible, before.SubscriptionID
	if of != nil {
		if s, err = load(l, *of); err != nil {
			return nil, err
		}
		if book, err = account.OpenStatus(l, *of); err != nil {
			return nil, err
		}
	}
	answer, err := c.Decide(l)
	if err != nil || s == nil || !owed {
		return answer, err
	}
	after, err := domain.LoadAs[*invoice.State](l, id, "no_invoice")
	if err != nil {
		return nil, err
	}
	if after.Status != invoice.Paid && after.Status != invoice.Void {
		return answer, nil
	}
	if err := book.Settle(id); err != nil {
		return nil, err
	}
	facts := s.Facts
	if facts.Status == Incomplete && after.Status == invoice.Void {
		return answer, nil // nobody paid for what was to begin with it
	}
	return settled(l, *of, &facts, book, id)
}

// Upcoming is the next invoice of a subscription as things stand: what its next renewal or end would bring, which this does
// before its time. It is for dry runs, and answers View.
//
// NotFound: no_subscription. Conflict: nothing_upcoming: it ended, or nothing is scheduled.
type Upcoming struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c Upcoming) Decide(l domain.Ledger) (any, error) {
	s, err := load(l, c.ID)
	if err != nil {
		return nil, err
	}
	f, due := s.at(l.Now(), noLimit)
	before := len(due)
	for len(due) < before+5 { // a trial's end and what a scheduled change brings come before the renewal
		d, ok := f.next()
		if !ok {
			break
		}
		f.apply(d.event)
		due = append(due, d)
		if invoiced(d.event) {
			break
		}
	}
	if len(due) == before {
		return nil, s.refuse("nothing_upcoming", fmt.Sprintf("it is %s: nothing is billed by itself", s.Status))
	}
	return record(l, c.ID, s.Facts, due)
}

// invoiced tells events of time that make an invoice.
func invoiced(e domain.Event) bool {
	switch e.(type) {
	case Begun, Renewed, Ended:
		return true
	}
	return false
}

// WithUsage is another command on a subscription, with what was used so far on the drafts that would wait for it. It is for
// dry runs, and answers what the other one does. Counts are of all parts that are waited for, and of earlier ones for which
// usage came late.
//
// As the other one. Conflict: usage_not_counted.
type WithUsage struct {
	domain.Command
	ID       uuid.UUID
	Counts   []account.Count
	Position int64
}

// Decide implements domain.Command.
func (c WithUsage) Decide(l domain.Ledger) (any, error) {
	answer, err := c.Command.Decide(l)
	if err != nil {
		return nil, err
	}
	book, err := account.OpenStatus(l, c.ID)
	if err != nil {
		return nil, err
	}
	drafts, err := book.Drafts()
	if err != nil {
		return nil, err
	}
	for _, draft := range drafts {
		if s, err := domain.LoadAs[*invoice.State](l, draft, "no_invoice"); err != nil || s.Status != invoice.Draft { // it was discarded
			if err != nil {
				return nil, err
			}
			continue
		}
		if _, err := (FinalizeInvoice{ID: draft, Counts: c.Counts, Position: c.Position, Refresh: true}).Decide(l); err != nil {
			return nil, err
		}
	}
	return answer, nil
}
