package invoice

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/money"
)

// Finalize gives a draft its number and what the balance pays of it. It answers View; again it makes no event.
//
// NotFound: no_invoice. Conflict: invoice_void.
type Finalize struct {
	ID           uuid.UUID
	DaysUntilDue int // of 24 hours from now
}

// Decide implements domain.Command.
func (c Finalize) Decide(l domain.Ledger) (any, error) {
	s, err := load(l, c.ID)
	if err != nil {
		return nil, err
	}
	switch s.Status {
	case Draft:
	case Void:
		return nil, s.not("invoice_void", "it is never finalised")
	default:
		return s.View(), nil
	}
	if err := Issue(l, s, l.Now(), c.DaysUntilDue, false); err != nil {
		return nil, err
	}
	return show(l, c.ID)
}

// Issue is what finalising a draft appends, dated to an instant. Preload has loaded what it needs. A payer who was made in
// this decision has no balance yet: it is not looked for.
func Issue(l domain.Ledger, s *State, at time.Time, daysUntilDue int, payerIsNew bool) error {
	number, given, err := next(l, "invoice", "INV", s.ID)
	if err != nil {
		return err
	}
	account, err := issueTo(l, s, payerIsNew)
	if err != nil {
		return err
	}
	applied := min(s.Total, account.amount)
	if s.Total < 0 {
		applied = s.Total // nothing is asked for: it is the payer's
	}
	if err := account.bears(-applied); err != nil {
		return err
	}
	id := s.ID
	l.AppendAt(given.stream, at, given.event)
	l.AppendAt(id, at, Finalized{Number: number, IssuedAt: at, DueAt: at.Add(time.Duration(daysUntilDue) * 24 * time.Hour), BalanceApplied: applied})
	account.change(l, at, -applied)
	return nil
}

func issueTo(l domain.Ledger, s *State, payerIsNew bool) (account, error) {
	if id := BalanceID(s.owner(), s.Currency); payerIsNew && l.Version(id) == 0 {
		return account{stream: id, owner: s.owner(), invoice: s.ID, currency: s.Currency}, nil
	}
	return balanceOf(l, s)
}

// Preload loads what issuing an invoice of an owner needs, so that a decision has it before it appends; nil: the owner is
// made in this decision.
func Preload(l domain.Ledger, owner *uuid.UUID, currency string) error {
	_, err := l.Load(seriesID(l.ID(), "invoice"))
	if err == nil && owner != nil {
		_, err = l.Load(BalanceID(*owner, currency))
	}
	return err
}

type numbering struct {
	stream uuid.UUID
	event  Numbered
}

// next is the number after the last of a series. The event that gives it is to be appended with what gets it: a ledger
// has one writer, so numbers have no gap and no double.
func next(l domain.Ledger, series, prefix string, of uuid.UUID) (text string, n numbering, err error) {
	n.stream = seriesID(l.ID(), series)
	state, err := l.Load(n.stream)
	if err != nil {
		return "", n, err
	}
	last := int64(0)
	if s, ok := state.(*Series); ok {
		last = s.Last
	}
	n.event = Numbered{Series: series, Number: last + 1, Of: of}
	return fmt.Sprintf("%s-%06d", prefix, last+1), n, nil
}

// account is a balance, never below nothing, as a decision changes it.
type account struct {
	stream, owner, invoice uuid.UUID
	currency               string
	amount                 int64
}

func balanceOf(l domain.Ledger, s *State) (account, error) {
	a := account{stream: BalanceID(s.owner(), s.Currency), owner: s.owner(), invoice: s.ID, currency: s.Currency}
	state, err := l.Load(a.stream)
	if err != nil {
		return a, err
	}
	if b, ok := state.(*Balance); ok {
		a.amount = b.Amount
	}
	return a, nil
}

// bears refuses with amount_out_of_range a change after which the balance is no int64. It is asked before anything is
// appended.
func (a account) bears(by int64) error {
	_, err := money.Sum(a.amount, by)
	return err
}

func (a account) change(l domain.Ledger, at time.Time, by int64) {
	if by != 0 {
		l.AppendAt(a.stream, at, BalanceChanged{Owner: a.owner, Currency: a.currency, Change: by, Amount: a.amount + by, Invoice: a.invoice})
	}
}

// PayFromBalance has the payer's balance pay an amount of an invoice, above 0. It tells whether nothing is due any more.
// Invalid: bad_amount.
func PayFromBalance(l domain.Ledger, id uuid.UUID, at time.Time, amount int64) (settled bool, err error) {
	s, err := load(l, id)
	if err != nil {
		return false, err
	}
	account, err := balanceOf(l, s)
	if err != nil {
		return false, err
	}
	most := min(s.AmountDue(), account.amount)
	if amount <= 0 || amount > most {
		return false, domain.RefuseField("/amount", "bad_amount", "the balance pays at most %d: %d are due, and it is %d", most, s.AmountDue(), account.amount)
	}
	settled = amount == s.AmountDue()
	l.AppendAt(id, at, PaidFromBalance{Amount: amount})
	account.change(l, at, -amount)
	return settled, nil
}

// Discard ends a draft, which uses up no number. It answers View; again it makes no event.
//
// NotFound: no_invoice. Conflict: not_a_draft, line_credited, carries_credits as in Cancel.
type Discard struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c Discard) Decide(l domain.Ledger) (any, error) {
	s, err := load(l, c.ID)
	switch {
	case err != nil:
		return nil, err
	case s.Status == Draft:
		if err := s.voidable(); err != nil {
			return nil, err
		}
		l.Append(c.ID, Discarded{})
	case s.Number != "":
		return nil, s.not("not_a_draft", "what has a number is voided")
	}
	return show(l, c.ID)
}

// Cancel voids an invoice of which nothing was paid or credited: its number stays, what the balance paid goes back. A
// draft is discarded. It answers View; again it makes no event.
//
// NotFound: no_invoice. Conflict: invoice_paid, invoice_credited; line_credited: a credit on another invoice took back a part
// of a line of it, and would be for nothing; carries_credits: credits on it are for lines of other invoices, and would be lost;
// credit_used: it was a credit, and the balance that it made has paid another invoice.
type Cancel struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c Cancel) Decide(l domain.Ledger) (any, error) {
	s, err := load(l, c.ID)
	switch {
	case err != nil:
		return nil, err
	case s.Status == Void:
		return s.View(), nil
	}
	if err := s.voidable(); err != nil {
		return nil, err
	}
	switch {
	case s.Status == Draft:
		l.Append(c.ID, Discarded{})
		return show(l, c.ID)
	case s.AmountPaid > 0:
		return nil, s.not("invoice_paid", "what was paid is given back by a credit note")
	case len(s.CreditNotes) > 0:
		return nil, s.not("invoice_credited", "a part of it was credited; credit the rest")
	}
	account, err := balanceOf(l, s)
	if err != nil {
		return nil, err
	}
	back := s.BalanceApplied
	if account.amount < -back {
		return nil, s.not("credit_used", "what it gave to the balance has paid another invoice")
	}
	if err := account.bears(back); err != nil {
		return nil, err
	}
	l.Append(c.ID, Voided{})
	account.change(l, l.Now(), back)
	return show(l, c.ID)
}

// voidable refuses what other invoices hang on.
func (s *State) voidable() error {
	switch {
	case len(s.Reversed) > 0:
		return s.not("line_credited", "a credit on another invoice took back a part of it; credit what is left of it instead")
	case slices.ContainsFunc(s.Lines, func(l Line) bool { return l.ReversesOn != uuid.Nil && l.Amount != 0 }):
		return s.not("carries_credits", "credits on it take back lines of other invoices, and would be lost; credit what it asks for instead")
	}
	return nil
}

// WriteOff makes an open invoice uncollectible. It answers View; again it makes no event.
//
// NotFound: no_invoice. Conflict: not_open.
type WriteOff struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c WriteOff) Decide(l domain.Ledger) (any, error) {
	s, err := load(l, c.ID)
	switch {
	case err != nil:
		return nil, err
	case s.Status == Open:
		l.Append(c.ID, WrittenOff{})
	case s.Status != Uncollectible:
		return nil, s.not("not_open", "nothing of it is due")
	}
	return show(l, c.ID)
}
