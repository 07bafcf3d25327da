package invoice

import (
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/period"
)

// Status values of an invoice.
const (
	Draft         = "draft"
	Open          = "open" // finalised, and something is due
	Paid          = "paid" // or nothing was due
	Void          = "void"
	Uncollectible = "uncollectible" // nobody expects it to be paid any more; it still may be
)

// Why there is an invoice.
const (
	ForPeriod    = "period"
	ForProration = "proration"
	ForCancel    = "cancel"
	ForManual    = "manual"
)

// Drafted makes an invoice: its lines with their discounts and taxes.
type Drafted struct {
	CustomerID     *uuid.UUID     `json:"customer_id,omitzero"`
	SubscriptionID *uuid.UUID     `json:"subscription_id,omitzero"`
	Currency       string         `json:"currency"`
	Reason         string         `json:"reason"`
	Period         *period.Period `json:"period,omitzero"` // that a period's invoice is for
	TaxExempt      string         `json:"tax_exempt,omitzero"`
	DebitNoteOf    *uuid.UUID     `json:"debit_note_of,omitempty"` // the invoice that it adds to
	DebitNoteTo    string         `json:"debit_note_to,omitzero"`  // the number of that one
	FinalizeAt     *time.Time     `json:"finalize_at,omitempty"`   // of a draft that waits: for what its usage comes to, and for corrections
	Coupons        []Coupon       `json:"coupons,omitempty"`       // what discounts it, in order
	Lines          []Line         `json:"lines"`
	Totals
}

// Redrafted replaces a draft's lines: what it is for went on until it was finalised.
type Redrafted struct {
	Lines []Line `json:"lines"`
	Totals
}

// Discarded ends a draft. It never had a number. One of nothing at all, that its ledger does not issue, stands for what
// was billed all the same.
type Discarded struct {
	Zero bool `json:"zero,omitzero"`
}

// Finalized gives a draft its number; nothing of it changes any more. BalanceApplied is what the balance pays of it or,
// below zero, the whole of a negative total, by which the balance grows.
type Finalized struct {
	Number         string    `json:"number"`
	IssuedAt       time.Time `json:"issued_at"`
	DueAt          time.Time `json:"due_at"`
	BalanceApplied int64     `json:"balance_applied,omitzero"`
}

// PaymentRecorded is money that came for an invoice.
type PaymentRecorded struct {
	PaymentID uuid.UUID `json:"payment_id"`
	Amount    int64     `json:"amount"` // above 0
	Method    string    `json:"method,omitzero"`
	Reference string    `json:"reference,omitzero"`
	PaidAt    time.Time `json:"paid_at"`
}

// PaidFromBalance is what the payer's balance pays of an open invoice.
type PaidFromBalance struct {
	Amount int64 `json:"amount"` // above 0
}

// LineReversed tells that a credit on another invoice takes back a part of a line.
type LineReversed struct {
	LineID   uuid.UUID `json:"line_id"`
	CreditID uuid.UUID `json:"credit_id"` // the line that does
	Amount   int64     `json:"amount"`    // without discounts and taxes, above 0
}

// Voided takes an invoice back; its number stays, what the balance paid goes back.
type Voided struct{}

// WrittenOff makes an invoice uncollectible.
type WrittenOff struct{}

// Credited is a credit note: a part of the invoice that is not asked for after all.
type Credited struct {
	CreditNoteID uuid.UUID      `json:"credit_note_id"`
	Number       string         `json:"number"`
	Reason       string         `json:"reason,omitzero"`
	Lines        []CreditedLine `json:"lines"`
	Amount       int64          `json:"amount"`              // of the lines, taxes included
	LowersDebt   int64          `json:"lowers_debt"`         // of the amount: so much less is due
	ToBalance    int64          `json:"to_balance,omitzero"` // the rest: it was paid already
}

// CreditedLine is what a credit note takes off a line.
type CreditedLine struct {
	LineID uuid.UUID `json:"line_id"`
	Amount int64     `json:"amount"` // taxes included
	Tax    int64     `json:"tax,omitzero"`
}

// Documented is the invoice's pages as they were first given out: later ones may look otherwise.
type Documented struct {
	SHA256   string `json:"sha256"`   // of the file, in hex
	Template int    `json:"template"` // the version of what made it
	Size     int64  `json:"size"`     // in bytes
}

// Numbered gives the next number of a series: 1, 2, 3, without a gap.
type Numbered struct {
	Series string    `json:"series"` // invoice, credit_note
	Number int64     `json:"number"`
	Of     uuid.UUID `json:"of"`
}

// BalanceChanged is a customer's balance in a currency, or a subscription's without a customer: above zero it pays
// coming invoices.
type BalanceChanged struct {
	Owner    uuid.UUID `json:"owner"`
	Currency string    `json:"currency"`
	Change   int64     `json:"change"`
	Amount   int64     `json:"amount"` // afterwards
	Invoice  uuid.UUID `json:"invoice"`
}

func (Drafted) EventType() string         { return "invoice.drafted.v1" }
func (Redrafted) EventType() string       { return "invoice.redrafted.v1" }
func (Discarded) EventType() string       { return "invoice.discarded.v1" }
func (Finalized) EventType() string       { return "invoice.finalized.v1" }
func (PaymentRecorded) EventType() string { return "invoice.payment_recorded.v1" }
func (PaidFromBalance) EventType() string { return "invoice.paid_from_balance.v1" }
func (LineReversed) EventType() string    { return "invoice.line_reversed.v1" }
func (Voided) EventType() string          { return "invoice.voided.v1" }
func (WrittenOff) EventType() string      { return "invoice.written_off.v1" }
func (Credited) EventType() string        { return "invoice.credited.v1" }
func (Documented) EventType() string      { return "invoice.documented.v1" }
func (Numbered) EventType() string        { return "series.numbered.v1" }
func (BalanceChanged) EventType() string  { return "balance.changed.v1" }

// Vocabularies is for the log's codec.
func Vocabularies() []domain.Vocabulary {
	return []domain.Vocabulary{
		{Kind: "invoice", New: func() domain.State { return &State{} }, Events: []domain.EventType{
			domain.Named[Drafted](), domain.Named[Redrafted](), domain.Named[Discarded](), domain.Named[Finalized](), domain.Named[PaymentRecorded](), domain.Named[PaidFromBalance](), domain.Named[LineReversed](),
			domain.Named[Voided](), domain.Named[WrittenOff](), domain.Named[Credited](), domain.Named[Documented]()}},
		{Kind: "series", Latest: true, New: func() domain.State { return &Series{} }, Events: []domain.EventType{domain.Named[Numbered]()}},
		{Kind: "balance", Latest: true, New: func() domain.State { return &Balance{} }, Events: []domain.EventType{domain.Named[BalanceChanged]()}},
	}
}

// Series is the fold of a series of numbers.
type Series struct{ Last int64 }

// Apply implements domain.State.
func (s *Series) Apply(e domain.Event) {
	if e, ok := e.(Numbered); ok {
		s.Last = e.Number
	}
}

// Balance is the fold of a balance.
type Balance struct{ Amount int64 }

// Apply implements domain.State.
func (b *Balance) Apply(e domain.Event) {
	if e, ok := e.(BalanceChanged); ok {
		b.Amount = e.Amount
	}
}

// ids is the name space of ids that follow from what they are for.
var ids = uuid.MustParse("b5b1c8a4-7d0b-5a3e-9a1c-3f2d6e0b7c55")

// IDFor is the invoice of a subscription for a period, by its start and the reason: there is no second one (design
// section 6, R8).
func IDFor(subscription uuid.UUID, start time.Time, reason string) uuid.UUID {
	of := uuid.NewSHA1(ids, strconv.AppendInt(append(subscription[:], reason...), start.UnixMicro(), 10))
	return domain.DeriveID(of, start, 0)
}

func seriesID(ledger uuid.UUID, series string) uuid.UUID {
	return uuid.NewSHA1(ids, append(ledger[:], "series "+series...))
}

// BalanceID is the stream of the balance of a customer, or of a subscription without one, in a currency.
func BalanceID(owner uuid.UUID, currency string) uuid.UUID {
	return uuid.NewSHA1(ids, append(owner[:], "balance "+currency...))
}
