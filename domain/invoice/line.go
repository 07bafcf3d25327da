// Package invoice is the money side of subscriptions: lines, discounts, taxes and their totals; invoices from draft to paid,
// credit notes, balances.
//
// Vocabulary: line, proration, credit, discount, tax rate, subtotal, total, draft, credit note, balance, series. Amounts are minor units of the invoice's
// currency; credits are negative.
//
// Rules: design section 6, R5 (credits) and R6 (discounts before tax, each rate rounded once, spread by the largest remainder).
package invoice

import (
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain/period"
)

// Kinds of lines.
const (
	KindPeriod     = "period"          // a price for a period, in advance or in arrears
	KindCredit     = "prorationCredit" // what was debited for time that is not used
	KindDebit      = "prorationDebit"  // the rest of a period at what it is from now on
	KindUsage      = "usage"
	KindAdjustment = "adjustment" // usage of a period that was billed already
	KindMinimum    = "minimum"    // what is missing to a commitment
)

// Line is one line of an invoice. It says all that it was worked out from.
type Line struct {
	ID             uuid.UUID        `json:"id"`
	Kind           string           `json:"kind"`
	Description    string           `json:"description"`
	SubscriptionID uuid.UUID        `json:"subscription_id"`
	PlanID         uuid.UUID        `json:"plan_id"`
	PlanVersion    int              `json:"plan_version"`
	ProductID      uuid.UUID        `json:"product_id"`
	PriceKey       string           `json:"price_key"`
	Quantity       string           `json:"quantity"`        // a decimal, or where it is none a fraction such as 23/3
	Before         string           `json:"before,omitzero"` // of a line that is a difference: the quantity that it comes on top of
	UnitAmount     *decimal.Decimal `json:"unit_amount,omitempty"`
	Amount         int64            `json:"amount"`
	Period         period.Period    `json:"period"` // of the service
	Share          period.Share     `json:"share"`  // of the price's own period
	ProrationMode  string           `json:"proration_mode"`
	Reverses       *uuid.UUID       `json:"reverses,omitzero"`    // the line that a credit takes back a part of
	ReversesOn     uuid.UUID        `json:"reverses_on,omitzero"` // the invoice that holds that one, where it is another than this
	Adds           *uuid.UUID       `json:"adds,omitempty"`       // of a debit note: the line of its invoice that it adds to
	Asked          int64            `json:"asked,omitzero"`       // and what it asks for, taxes included
	Units          *period.Share    `json:"units,omitempty"`      // of a credit of some units: so many of all that were paid for
	Discounts      []Discount       `json:"discounts,omitzero"`
	Taxes          []Tax            `json:"taxes,omitzero"`
	Events         []int64          `json:"events,omitzero"` // positions of what it comes from
}

// Sums are what comes of a line.
type Sums struct {
	Discount int64
	Tax      int64
	Net      int64 // the amount less discounts and inclusive taxes: what is earned
	Gross    int64 // net with all taxes: what is asked for
}

// Sums adds a line up.
func (l *Line) Sums() Sums {
	s := Sums{Net: l.Amount}
	for _, d := range l.Discounts {
		s.Discount, s.Net = s.Discount+d.Amount, s.Net-d.Amount
	}
	for _, t := range l.Taxes {
		s.Tax += t.Amount
		if t.Inclusive {
			s.Net -= t.Amount
		}
	}
	s.Gross = s.Net + s.Tax
	return s
}

// credit tells a line that takes back a part of another.
func (l *Line) credit() bool { return l.Reverses != nil }
