package invoice

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/money"
	"github.com/subledger/subledger/domain/period"
)

// LineAmount is a part of a line, taxes included, in minor units.
type LineAmount struct {
	LineID uuid.UUID
	Amount int64
}

// IssueCreditNote takes back a part of a finalised invoice: of lines, or an amount that is spread over what is left of
// all of them by the largest remainder. It lowers what is due first; the rest was paid already and goes to the balance.
// All notes of an invoice never exceed it. It answers View.
//
// NotFound: no_invoice. Conflict: not_finalized. Invalid: bad_amount, no_line, bad_reason, repeated_line.
type IssueCreditNote struct {
	ID     uuid.UUID
	Lines  []LineAmount
	Amount int64 // instead of lines
	Reason string
}

// Decide implements domain.Command.
func (c IssueCreditNote) Decide(l domain.Ledger) (any, error) {
	s, err := load(l, c.ID)
	if err != nil {
		return nil, err
	}
	if s.Status == Draft || s.Status == Void {
		return nil, s.not("not_finalized", "only what was asked for is credited")
	}
	var bad domain.Problems
	bad.OptionalLine("/reason", "bad_reason", &c.Reason, domain.MaxName)
	parts := c.parts(s, &bad)
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	if err := issueNote(l, s, parts, c.Reason); err != nil {
		return nil, err
	}
	return show(l, c.ID)
}

// CreditNet issues a credit note of a part of a line, given without its discounts and taxes, that leaves so much of the line
// after it and those like it before. What all of them come to is rounded, not each: of a line that is all gone nothing is owed.
// It takes off at most what is left of the line. Nothing of a draft, a void invoice or a line that is not there.
func CreditNet(l domain.Ledger, id, line uuid.UUID, amount, leaves int64, reason string) error {
	s, err := load(l, id)
	if err != nil {
		return err
	}
	of := s.line(line)
	if of == nil || s.Status == Draft || s.Status == Void || of.Amount <= 0 {
		return nil
	}
	asks := decimalOf(of.gross())
	all, err := money.RoundRat(period.Share{Part: of.Amount - leaves, Whole: of.Amount}.Of(asks))
	if err != nil {
		return err
	}
	before, err := money.RoundRat(period.Share{Part: of.Amount - leaves - amount, Whole: of.Amount}.Of(asks))
	if err != nil {
		return err
	}
	gross := min(all-before, s.Left(line), s.Total-s.credited())
	if gross <= 0 {
		return nil
	}
	return issueNote(l, s, []LineAmount{{line, gross}}, reason)
}

// issueNote appends a credit note.
func issueNote(l domain.Ledger, s *State, parts []LineAmount, reason string) error {
	id, note := s.ID, Credited{Reason: reason}
	for _, p := range parts {
		tax, err := s.taxOf(p)
		if err != nil {
			return err
		}
		note.Lines = append(note.Lines, CreditedLine{LineID: p.LineID, Amount: p.Amount, Tax: tax})
		note.Amount += p.Amount
	}
	note.CreditNoteID = l.NewID()
	number, given, err := next(l, "credit_note", "CN", note.CreditNoteID)
	if err != nil {
		return err
	}
	account, err := balanceOf(l, s)
	if err != nil {
		return err
	}
	note.Number, note.LowersDebt = number, min(note.Amount, s.AmountDue())
	note.ToBalance = note.Amount - note.LowersDebt
	if err := account.bears(note.ToBalance); err != nil {
		return err
	}
	l.Append(given.stream, given.event)
	l.Append(id, note)
	account.change(l, l.Now(), note.ToBalance)
	return nil
}

// parts are the lines' parts of the note.
func (c IssueCreditNote) parts(s *State, bad *domain.Problems) (parts []LineAmount) {
	if len(c.Lines) == 0 {
		var left []decimal.Decimal
		var of []uuid.UUID
		sum := int64(0)
		for i := range s.Lines {
			if n := s.Left(s.Lines[i].ID); n > 0 {
				left, of, sum = append(left, decimalOf(n)), append(of, s.Lines[i].ID), sum+n
			}
		}
		if most := min(sum, s.Total-s.credited()); c.Amount <= 0 || c.Amount > most {
			bad.Add("/amount", "bad_amount", "a credit note is above 0 and at most what is left of the invoice, %d", max(0, most))
			return nil
		}
		for i, n := range money.Allocate(c.Amount, left) {
			if n > 0 {
				parts = append(parts, LineAmount{of[i], n})
			}
		}
		return parts
	}
	seen, sum := map[uuid.UUID]bool{}, int64(0)
	for i, p := range c.Lines {
		at := fmt.Sprintf("/lines/%d", i)
		left := s.Left(p.LineID)
		switch {
		case s.line(p.LineID) == nil:
			bad.Add(at+"/lineUuid", "no_line", "the invoice has no such line")
		case seen[p.LineID]:
			bad.Add(at+"/lineUuid", "repeated_line", "it is named twice")
		case p.Amount <= 0 || p.Amount > left:
			bad.Add(at+"/amount", "bad_amount", "a part is above 0 and at most what is left of the line, %d", left)
		default:
			sum += p.Amount
		}
		seen[p.LineID] = true
		parts = append(parts, p)
	}
	if most := s.Total - s.credited(); len(*bad) == 0 && sum > most {
		bad.Add("/lines", "bad_amount", "together that is more than what is left of the invoice, %d", max(0, most))
	}
	return parts
}

// credited is the sum of all notes.
func (s *State) credited() (sum int64) {
	for _, n := range s.CreditNotes {
		sum += n.Amount
	}
	return sum
}

// taxOf is the tax in a part of a line: its share, and what is left of it with the last part.
func (s *State) taxOf(p LineAmount) (int64, error) {
	l := s.line(p.LineID)
	_, before := s.creditedOf(p.LineID)
	left := max(0, s.keeps(l, l.taxed())-before)
	if p.Amount == s.Left(p.LineID) {
		return left, nil
	}
	tax, err := money.RoundRat(period.Share{Part: p.Amount, Whole: l.gross()}.Of(decimalOf(l.taxed())))
	return min(tax, left), err
}
