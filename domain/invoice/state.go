package invoice

import (
	"math/big"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/money"
	"github.com/subledger/subledger/domain/period"
)

// State is the fold of an invoice.
type State struct {
	domain.Record
	Drafted
	Status         string
	Number         string
	IssuedAt       time.Time
	DueAt          time.Time
	BalanceApplied int64
	AmountPaid     int64
	LowersDebt     int64               // of all credit notes
	Base           int                 // lines of it that do not hang on usage
	Unissued       bool                // it came to nothing, and its ledger does not issue those
	Reversed       map[uuid.UUID]int64 // by line: what credits on other invoices took back, without discounts and taxes
	Payments       []PaymentRecorded
	CreditNotes    []CreditNote
	Document       *Document // nil: nobody asked for its pages yet
}

// CreditNote is a credit note and when it was issued.
type CreditNote struct {
	Credited
	IssuedAt time.Time `json:"issued_at"`
}

// Apply implements domain.State.
func (s *State) Apply(e domain.Event) {
	switch e := e.(type) {
	case Drafted:
		s.Drafted, s.Status, s.Base = e, Draft, len(e.Lines)
	case Redrafted:
		s.Lines, s.Totals = e.Lines, e.Totals
	case Discarded:
		s.Status, s.Unissued = Void, e.Zero
	case Finalized:
		s.Status, s.Number, s.IssuedAt, s.DueAt, s.BalanceApplied = Open, e.Number, e.IssuedAt, e.DueAt, e.BalanceApplied
		s.settle()
	case PaymentRecorded:
		s.AmountPaid, s.Payments = s.AmountPaid+e.Amount, append(s.Payments, e)
		s.settle()
	case PaidFromBalance:
		s.BalanceApplied += e.Amount
		s.settle()
	case LineReversed:
		if s.Reversed == nil {
			s.Reversed = map[uuid.UUID]int64{}
		}
		s.Reversed[e.LineID] += e.Amount
	case Voided:
		s.Status, s.BalanceApplied = Void, 0
	case WrittenOff:
		s.Status = Uncollectible
	case Credited:
		s.LowersDebt, s.CreditNotes = s.LowersDebt+e.LowersDebt, append(s.CreditNotes, CreditNote{e, s.UpdatedAt})
		s.settle()
	case Documented:
		s.Document = &Document{e, s.UpdatedAt}
	}
}

func (s *State) settle() {
	if s.AmountDue() == 0 {
		s.Status = Paid
	}
}

// AmountDue is what is still to be paid, never below 0; a draft asks for nothing yet, nor does what is void.
func (s *State) AmountDue() int64 {
	if s.Status == Draft || s.Status == Void {
		return 0
	}
	return max(0, s.Total-s.BalanceApplied-s.AmountPaid-s.LowersDebt)
}

// Left is what credit notes may still take off a line, taxes included.
func (s *State) Left(line uuid.UUID) int64 {
	l := s.line(line)
	if l == nil {
		return 0
	}
	amount, _ := s.creditedOf(line)
	return max(0, s.keeps(l, l.gross())-amount)
}

// keeps is what is left of something of a line, such as its taxes, after credits on other invoices.
func (s *State) keeps(l *Line, of int64) int64 {
	gone := s.Reversed[l.ID]
	if gone == 0 || l.Amount <= 0 {
		return of
	}
	rest, err := money.RoundRat(period.Share{Part: max(0, l.Amount-gone), Whole: l.Amount}.Of(decimalOf(of)))
	if err != nil { // a share of an int64 is one
		return 0
	}
	return rest
}

// Debited is a line as something to take back from: with what credit notes took off it, and nothing of what was taken
// back as void.
func (s *State) Debited(line uuid.UUID) (d Debited, ok bool) {
	l := s.line(line)
	if l == nil || s.Status == Void && !s.Unissued {
		return Debited{}, false
	}
	d.Line = *l
	if noted, _ := s.creditedOf(line); noted > 0 {
		d.Gone = l.Amount // of a line of nothing there is nothing left
		if gross := l.gross(); gross > 0 {
			part := new(big.Rat).Mul(big.NewRat(noted, gross), new(big.Rat).SetInt64(l.Amount))
			up := new(big.Int).Add(part.Num(), new(big.Int).Sub(part.Denom(), big.NewInt(1)))
			d.Gone = up.Quo(up, part.Denom()).Int64() // rounded up: the rest is never more than was asked for
		}
	}
	return d, true
}

// line is one of the invoice's; nil for another one.
func (s *State) line(id uuid.UUID) *Line {
	if i := slices.IndexFunc(s.Lines, func(l Line) bool { return l.ID == id }); i >= 0 {
		return &s.Lines[i]
	}
	return nil
}

// creditedOf is what credit notes have taken off a line, taxes included, and the tax in it.
func (s *State) creditedOf(line uuid.UUID) (amount, tax int64) {
	for _, n := range s.CreditNotes {
		for _, l := range n.Lines {
			if l.LineID == line {
				amount, tax = amount+l.Amount, tax+l.Tax
			}
		}
	}
	return amount, tax
}

// gross is what a line asks for, taxes included.
func (l *Line) gross() int64 {
	n := l.net()
	for _, t := range l.Taxes {
		if !t.Inclusive {
			n += t.Amount
		}
	}
	return n
}

// taxed is the tax in it.
func (l *Line) taxed() (n int64) {
	for _, t := range l.Taxes {
		n += t.Amount
	}
	return n
}

// owner is whose balance pays it.
func (s *State) owner() uuid.UUID {
	switch {
	case s.CustomerID != nil:
		return *s.CustomerID
	case s.SubscriptionID != nil:
		return *s.SubscriptionID
	}
	return s.ID
}

// View is an invoice as its commands answer it.
type View struct {
	ID             uuid.UUID         `json:"id"`
	Number         string            `json:"number,omitzero"`
	Status         string            `json:"status"`
	Drafted        Drafted           `json:"drafted"`
	IssuedAt       *time.Time        `json:"issued_at,omitempty"`
	DueAt          *time.Time        `json:"due_at,omitempty"`
	BalanceApplied int64             `json:"balance_applied"`
	AmountPaid     int64             `json:"amount_paid"`
	AmountDue      int64             `json:"amount_due"`
	Payments       []PaymentRecorded `json:"payments"`
	CreditNotes    []CreditNote      `json:"credit_notes"`
	Document       *Document         `json:"document,omitempty"`
	Version        int64             `json:"version"`
	CreatedAt      time.Time         `json:"created_at"` // when it was drafted
	UpdatedAt      time.Time         `json:"updated_at"`
}

// View shows the invoice.
func (s *State) View() View {
	v := View{ID: s.ID, Number: s.Number, Status: s.Status, Drafted: s.Drafted, BalanceApplied: s.BalanceApplied, AmountPaid: s.AmountPaid,
		AmountDue: s.AmountDue(), Payments: slices.Clone(s.Payments), CreditNotes: slices.Clone(s.CreditNotes),
		Version: s.Version, CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt}
	v.Drafted.Lines, v.Drafted.FinalizeAt = slices.Clone(s.Lines), nil
	if s.Status == Draft && s.FinalizeAt != nil {
		at := *s.FinalizeAt
		v.Drafted.FinalizeAt = &at
	}
	if s.Document != nil {
		document := *s.Document
		v.Document = &document
	}
	if s.Number != "" {
		issued, due := s.IssuedAt, s.DueAt
		v.IssuedAt, v.DueAt = &issued, &due
	}
	return v
}

func load(l domain.Ledger, id uuid.UUID) (*State, error) {
	return domain.LoadAs[*State](l, id, "no_invoice")
}

func show(l domain.Ledger, id uuid.UUID) (any, error) {
	s, err := load(l, id)
	if err != nil {
		return nil, err
	}
	return s.View(), nil
}

// not refuses what a status does not allow.
func (s *State) not(code, detail string) error {
	return &domain.Error{Kind: domain.Conflict, Code: code, State: s.Status, Detail: "the invoice is " + s.Status + ": " + detail}
}
