package invoice

import (
	"fmt"
	"math/big"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/money"
)

// DebitedLine is what a debit note asks for on top of a line, taxes included, in minor units.
type DebitedLine struct {
	LineAmount
	Description string // empty: the line's, with the note's reason
}

// IssueDebitNote asks for more of a finalised invoice: of lines, or an amount that is spread over what they ask for by the
// largest remainder. What was issued never changes, so the note is an invoice of its own that names the first one: it has
// a number of the same series, is paid, credited and voided like any other. Article 219 of the VAT directive, 2006/112/EC,
// treats a document that amends an invoice and refers to it as one. A line has the service period, the plan and the rates of
// the one that it adds to. What is asked for is what is paid, to the cent: what of it is tax is worked out of it. It answers
// the note's View.
//
// NotFound: no_invoice. Conflict: not_finalized. Invalid: bad_amount, no_line, bad_reason, bad_description, repeated_line.
type IssueDebitNote struct {
	ID           uuid.UUID
	Lines        []DebitedLine
	Amount       int64 // instead of lines
	Reason       string
	DaysUntilDue int // of 24 hours from now
}

// Decide implements domain.Command.
func (c IssueDebitNote) Decide(l domain.Ledger) (any, error) {
	s, err := load(l, c.ID)
	if err != nil {
		return nil, err
	}
	if s.Status == Draft || s.Status == Void {
		return nil, s.not("not_finalized", "only to what was asked for something is added")
	}
	var bad domain.Problems
	bad.OptionalLine("/reason", "bad_reason", &c.Reason, domain.MaxName)
	parts := c.parts(s, &bad)
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	id, of := l.NewID(), s.ID
	note := Drafted{CustomerID: s.CustomerID, SubscriptionID: s.SubscriptionID, Currency: s.Currency, Reason: ForManual, TaxExempt: s.TaxExempt,
		DebitNoteOf: &of, DebitNoteTo: s.Number}
	for _, p := range parts {
		line, err := s.line(p.LineID).debit(p, c.Reason)
		if err != nil {
			return nil, err
		}
		line.ID = l.NewID()
		note.Lines = append(note.Lines, line)
	}
	if note.Totals, err = Sum(note.Lines); err != nil {
		return nil, err
	}
	if err := Preload(l, new(s.owner()), s.Currency); err != nil {
		return nil, err
	}
	l.Append(id, note)
	draft, err := load(l, id)
	if err != nil {
		return nil, err
	}
	if err := Issue(l, draft, l.Now(), c.DaysUntilDue, false); err != nil {
		return nil, err
	}
	return show(l, id)
}

// parts are what is asked for on top of each line.
func (c IssueDebitNote) parts(s *State, bad *domain.Problems) (parts []DebitedLine) {
	if len(c.Lines) == 0 {
		var asks []decimal.Decimal
		var of []uuid.UUID
		for i := range s.Lines {
			if n := s.Lines[i].gross(); n > 0 {
				asks, of = append(asks, decimalOf(n)), append(of, s.Lines[i].ID)
			}
		}
		if c.Amount <= 0 || len(of) == 0 {
			bad.Add("/amount", "bad_amount", "a debit note is above 0, and adds to lines that ask for something")
			return nil
		}
		for i, n := range money.Allocate(c.Amount, asks) {
			if n > 0 {
				parts = append(parts, DebitedLine{LineAmount: LineAmount{of[i], n}})
			}
		}
		return parts
	}
	seen := map[uuid.UUID]bool{}
	for i, p := range c.Lines {
		at := fmt.Sprintf("/lines/%d", i)
		switch {
		case s.line(p.LineID) == nil:
			bad.Add(at+"/lineUuid", "no_line", "the invoice has no such line")
		case seen[p.LineID]:
			bad.Add(at+"/lineUuid", "repeated_line", "it is named twice")
		case p.Amount <= 0:
			bad.Add(at+"/amount", "bad_amount", "what is asked for is above 0")
		}
		bad.OptionalLine(at+"/description", "bad_description", &p.Description, domain.MaxName)
		seen[p.LineID] = true
		parts = append(parts, p)
	}
	return parts
}

// debit is a line that asks for so much on top of this one. Each tax is its share of what is asked for, of 100 and all
// percentages; those that prices include are in the amount, the others are what is left beside it.
func (l *Line) debit(p DebitedLine, reason string) (Line, error) {
	of := l.ID
	out := Line{Kind: KindAdjustment, Description: p.Description, SubscriptionID: l.SubscriptionID, PlanID: l.PlanID, PlanVersion: l.PlanVersion,
		ProductID: l.ProductID, PriceKey: l.PriceKey, Quantity: "1", Period: l.Period, Share: l.Share, ProrationMode: l.ProrationMode,
		Adds: &of, Asked: p.Amount, Events: append([]int64(nil), l.Events...)}
	if out.Description == "" {
		if out.Description = l.Description; reason != "" {
			out.Description += ": " + reason
		}
	}
	all := decimal.NewFromInt(100)
	for _, t := range l.Taxes {
		all = all.Add(t.Percentage)
	}
	kinds := map[bool][]*Tax{}
	exact, sums := map[bool][]*big.Rat{}, map[bool]*big.Rat{true: new(big.Rat), false: new(big.Rat)}
	for _, t := range l.Taxes {
		out.Taxes = append(out.Taxes, Tax{TaxRateID: t.TaxRateID, Percentage: t.Percentage, Inclusive: t.Inclusive})
	}
	for i := range out.Taxes {
		t := &out.Taxes[i]
		part := new(big.Rat).Mul(new(big.Rat).SetInt64(p.Amount), new(big.Rat).Quo(t.Percentage.Rat(), all.Rat()))
		kinds[t.Inclusive], exact[t.Inclusive] = append(kinds[t.Inclusive], t), append(exact[t.Inclusive], part)
		sums[t.Inclusive].Add(sums[t.Inclusive], part)
	}
	beside, err := money.RoundRat(sums[false])
	if err != nil {
		return out, err
	}
	included, err := money.RoundRat(sums[true])
	if err != nil {
		return out, err
	}
	out.Amount = p.Amount - beside
	for inclusive, total := range map[bool]int64{false: beside, true: included} {
		for i, n := range money.AllocateRat(total, exact[inclusive]) {
			kinds[inclusive][i].Amount = n
		}
	}
	for i := range out.Taxes {
		out.Taxes[i].Taxable = out.Amount - included
	}
	return out, nil
}
