package invoice

import (
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// FromBalance is the method of payments that are no money that came: the payer's balance pays.
const FromBalance = "balance"

// RecordPayment notes money that came for an invoice, or has the payer's balance pay. It answers View.
//
// NotFound: no_invoice. Conflict: not_open. Invalid: bad_amount (not above 0, or more than is due), bad_paid_at (after
// now), bad_method, bad_reference.
type RecordPayment struct {
	ID        uuid.UUID
	Amount    int64 // minor units
	Method    string
	Reference string
	PaidAt    *time.Time // now by default
}

// Decide implements domain.Command.
func (c RecordPayment) Decide(l domain.Ledger) (any, error) {
	s, err := load(l, c.ID)
	if err != nil {
		return nil, err
	}
	if s.Status != Open && s.Status != Uncollectible {
		return nil, s.not("not_open", "nothing of it is due")
	}
	var bad domain.Problems
	if c.Amount <= 0 || c.Amount > s.AmountDue() {
		bad.Add("/amount", "bad_amount", "a payment is above 0 and at most what is due, %d", s.AmountDue())
	}
	bad.OptionalLine("/method", "bad_method", &c.Method, domain.MaxName)
	bad.OptionalLine("/reference", "bad_reference", &c.Reference, domain.MaxName)
	at := l.Now()
	if c.PaidAt != nil {
		if at = c.PaidAt.UTC().Truncate(time.Microsecond); at.After(l.Now()) || at.Year() < 1970 {
			bad.Add("/paidAt", "bad_paid_at", "what is recorded was paid by now, and not before 1970")
		}
	}
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	if c.Method == FromBalance {
		if _, err := PayFromBalance(l, c.ID, l.Now(), c.Amount); err != nil {
			return nil, err
		}
		return show(l, c.ID)
	}
	l.Append(c.ID, PaymentRecorded{PaymentID: l.NewID(), Amount: c.Amount, Method: c.Method, Reference: c.Reference, PaidAt: at})
	return show(l, c.ID)
}
