package projections

import (
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/eventstore"
)

// InvoiceRow is an invoice without its lines, notes and payments. Amounts are minor units of its currency.
type InvoiceRow struct {
	ItemKey
	Number          *string           `db:"number"` // nil for drafts and what was discarded
	Status          string            `db:"status"`
	CustomerID      *uuid.UUID        `db:"customer_id"`
	SubscriptionID  *uuid.UUID        `db:"subscription_id"`
	Currency        string            `db:"currency"`
	Reason          string            `db:"reason"`
	PeriodStart     *time.Time        `db:"period_start"`
	PeriodEnd       *time.Time        `db:"period_end"`
	TaxExempt       *string           `db:"tax_exempt"`
	DebitNoteOf     *uuid.UUID        `db:"debit_note_of"` // the invoice that it adds to
	DebitNoteTo     *string           `db:"debit_note_to"` // the number of that one
	IssuedAt        *time.Time        `db:"issued_at"`
	DueAt           *time.Time        `db:"due_at"`
	DatedAt         time.Time         `db:"dated_at"`    // IssuedAt, or when it was drafted
	FinalizeAt      *time.Time        `db:"finalize_at"` // of a draft: when it is issued by itself
	LineCount       int               `db:"line_count"`
	Subtotal        int64             `db:"subtotal"`
	DiscountTotal   int64             `db:"discount_total"`
	TaxTotal        int64             `db:"tax_total"`
	Total           int64             `db:"total"`
	BalanceApplied  int64             `db:"balance_applied"`
	AmountPaid      int64             `db:"amount_paid"`
	Credited        int64             `db:"credited"` // what notes lower the debt by
	AmountDue       int64             `db:"amount_due"`
	DraftedPosition int64             `db:"drafted_position"`
	Document        *invoice.Document `db:"document"` // nil: nobody asked for its pages yet
	Touched
}

type lineKey struct {
	LedgerID   uuid.UUID `db:"ledger_id"`
	InvoiceID  uuid.UUID `db:"invoice_id"`
	LineNumber int       `db:"line_number"` // from 1
}

// Key implements Keyed.
func (k lineKey) Key() lineKey { return k }

// InvoiceLine is a line of an invoice, and what comes of it.
type InvoiceLine struct {
	lineKey
	ID             uuid.UUID          `db:"id"`
	Kind           string             `db:"kind"`
	Description    string             `db:"description"`
	SubscriptionID uuid.UUID          `db:"subscription_id"`
	PlanID         uuid.UUID          `db:"plan_id"`
	PlanVersion    int                `db:"plan_version"`
	ProductID      uuid.UUID          `db:"product_id"`
	PriceKey       string             `db:"price_key"`
	Quantity       string             `db:"quantity"`
	UnitAmount     *decimal.Decimal   `db:"unit_amount"`
	Amount         int64              `db:"amount"`
	DiscountAmount int64              `db:"discount_amount"`
	TaxAmount      int64              `db:"tax_amount"`
	NetAmount      int64              `db:"net_amount"`   // less discounts and inclusive taxes
	GrossAmount    int64              `db:"gross_amount"` // with all taxes
	PeriodStart    time.Time          `db:"period_start"`
	PeriodEnd      time.Time          `db:"period_end"`
	Share          period.Share       `db:"share"`
	ProrationMode  string             `db:"proration_mode"`
	Reverses       *uuid.UUID         `db:"reverses"`
	Discounts      []invoice.Discount `db:"discounts"`
	Taxes          []invoice.Tax      `db:"taxes"`
	Events         []int64            `db:"events"`
}

// CreditNote is a credit note's row.
type CreditNote struct {
	ItemKey
	Number     string                 `db:"number"`
	InvoiceID  uuid.UUID              `db:"invoice_id"`
	CustomerID *uuid.UUID             `db:"customer_id"`
	Currency   string                 `db:"currency"`
	Reason     string                 `db:"reason"`
	Amount     int64                  `db:"amount"` // taxes included
	TaxTotal   int64                  `db:"tax_total"`
	LowersDebt int64                  `db:"lowers_debt"`
	ToBalance  int64                  `db:"to_balance"`
	Lines      []invoice.CreditedLine `db:"lines"`
	IssuedAt   time.Time              `db:"issued_at"`
	Position   int64                  `db:"position"`
}

// Payment is a payment's row.
type Payment struct {
	ItemKey
	InvoiceID  uuid.UUID  `db:"invoice_id"`
	CustomerID *uuid.UUID `db:"customer_id"`
	Currency   string     `db:"currency"`
	Amount     int64      `db:"amount"`
	Method     string     `db:"method"`
	Reference  string     `db:"reference"`
	PaidAt     time.Time  `db:"paid_at"`
	RecordedAt time.Time  `db:"recorded_at"`
	Position   int64      `db:"position"`
}

// invoices are the tables of Invoices.
type invoices struct {
	rows      *Table[ItemKey, InvoiceRow]
	lines     *Table[lineKey, InvoiceLine]
	notes     *Table[ItemKey, CreditNote]
	payments  *Table[ItemKey, Payment]
	balances  *Table[balanceKey, Balance]
	movements *Table[movementKey, Movement]
}

// Invoices is the read model of invoices and of what is owed.
func Invoices() *Model {
	t := invoices{NewTable[ItemKey, InvoiceRow]("invoices"), NewTable[lineKey, InvoiceLine]("invoice_lines"), NewTable[ItemKey, CreditNote]("credit_notes"),
		NewTable[ItemKey, Payment]("payments"), NewTable[balanceKey, Balance]("balances"), NewTable[movementKey, Movement]("movements")}
	return newModel("invoices", t.fold, t.rows, t.lines, t.notes, t.payments, t.balances, t.movements)
}

func (t *invoices) fold(p *Page, e *eventstore.Recorded) {
	if d, ok := e.Event.(invoice.BalanceChanged); ok {
		t.balanceChanged(p, e, d)
		return
	}
	if d, ok := e.Event.(invoice.Drafted); ok {
		row := InvoiceRow{ItemKey: key(e), Status: invoice.Draft, CustomerID: d.CustomerID, SubscriptionID: d.SubscriptionID, Currency: d.Currency, Reason: d.Reason,
			TaxExempt: textOrNil(d.TaxExempt), DebitNoteOf: d.DebitNoteOf, DebitNoteTo: textOrNil(d.DebitNoteTo), DatedAt: e.EffectiveAt, FinalizeAt: d.FinalizeAt, DraftedPosition: e.Position}
		if d.Period != nil {
			row.PeriodStart, row.PeriodEnd = &d.Period.Start, &d.Period.End
		}
		row.Touched = row.by(e)
		t.contain(p, &row, d.Lines, d.Totals)
		t.rows.Put(p, row)
		return
	}
	if e.Kind() != "invoice" {
		return
	}
	row := t.rows.Must(p, key(e))
	before := row.AmountDue
	row.apply(e)
	row.Touched = row.by(e)
	m := Movement{Kind: MovedInvoice, DocumentID: row.ID, Number: row.Number, InvoiceID: row.ID, Change: row.AmountDue - before}
	switch d := e.Event.(type) {
	case invoice.Redrafted:
		t.contain(p, &row, d.Lines, d.Totals)
	case invoice.Finalized:
		m.Amount, m.Change = row.Total, max(0, row.Total) // what the balance pays of it is a movement of its own
		t.move(p, e, row.owner(), row.Currency, m)
	case invoice.PaymentRecorded:
		t.payments.Put(p, Payment{ItemKey{e.Ledger, d.PaymentID}, row.ID, row.CustomerID, row.Currency, d.Amount, d.Method, d.Reference, d.PaidAt, e.RecordedAt, e.Position})
		m.Kind, m.DocumentID, m.Amount = MovedPayment, d.PaymentID, d.Amount
		t.move(p, e, row.owner(), row.Currency, m)
	case invoice.Credited:
		note := CreditNote{ItemKey: ItemKey{e.Ledger, d.CreditNoteID}, Number: d.Number, InvoiceID: row.ID, CustomerID: row.CustomerID, Currency: row.Currency, Reason: d.Reason,
			Amount: d.Amount, LowersDebt: d.LowersDebt, ToBalance: d.ToBalance, Lines: orEmpty(d.Lines), IssuedAt: e.RecordedAt, Position: e.Position}
		for _, l := range d.Lines {
			note.TaxTotal += l.Tax
		}
		t.notes.Put(p, note)
		m.Kind, m.DocumentID, m.Number, m.Amount = MovedCreditNote, d.CreditNoteID, &note.Number, d.Amount
		t.move(p, e, row.owner(), row.Currency, m)
	case invoice.PaidFromBalance, invoice.LineReversed: // a change of the balance is a movement of its own
	case invoice.Voided:
		m.Kind, m.Amount = MovedVoid, row.Total
		t.move(p, e, row.owner(), row.Currency, m)
	case invoice.WrittenOff:
		m.Kind, m.Amount = MovedWriteOff, row.AmountDue
		t.move(p, e, row.owner(), row.Currency, m)
	}
	t.rows.Put(p, row)
}

// apply is what the aggregate's own fold makes of an event.
func (i *InvoiceRow) apply(e *eventstore.Recorded) {
	s := invoice.State{Status: i.Status, BalanceApplied: i.BalanceApplied, AmountPaid: i.AmountPaid, LowersDebt: i.Credited}
	s.Total = i.Total
	s.Apply(e.Event)
	i.Status, i.BalanceApplied, i.AmountPaid, i.Credited, i.AmountDue = s.Status, s.BalanceApplied, s.AmountPaid, s.LowersDebt, s.AmountDue()
	if s.Status != invoice.Draft {
		i.FinalizeAt = nil
	}
	if d, ok := e.Event.(invoice.Finalized); ok {
		i.Number, i.IssuedAt, i.DueAt, i.DatedAt = &d.Number, &d.IssuedAt, &d.DueAt, d.IssuedAt
	}
	if d, ok := e.Event.(invoice.Documented); ok {
		i.Document = &invoice.Document{Documented: d, RenderedAt: e.RecordedAt}
	}
}

// owner is whose balance pays it.
func (i *InvoiceRow) owner() uuid.UUID {
	switch {
	case i.CustomerID != nil:
		return *i.CustomerID
	case i.SubscriptionID != nil:
		return *i.SubscriptionID
	}
	return i.ID
}

// contain gives a draft its lines in place of those that it had.
func (t *invoices) contain(p *Page, row *InvoiceRow, lines []invoice.Line, totals invoice.Totals) {
	for n := len(lines) + 1; n <= row.LineCount; n++ {
		t.lines.Delete(p, lineKey{row.LedgerID, row.ID, n})
	}
	row.LineCount, row.Subtotal, row.DiscountTotal, row.TaxTotal, row.Total = len(lines), totals.Subtotal, totals.DiscountTotal, totals.TaxTotal, totals.Total
	for i, l := range lines {
		out := InvoiceLine{lineKey: lineKey{row.LedgerID, row.ID, i + 1}, ID: l.ID, Kind: l.Kind, Description: l.Description, SubscriptionID: l.SubscriptionID, PlanID: l.PlanID,
			PlanVersion: l.PlanVersion, ProductID: l.ProductID, PriceKey: l.PriceKey, Quantity: l.Quantity, UnitAmount: l.UnitAmount, Amount: l.Amount,
			PeriodStart: l.Period.Start, PeriodEnd: l.Period.End, Share: l.Share, ProrationMode: l.ProrationMode, Reverses: l.Reverses,
			Discounts: orEmpty(l.Discounts), Taxes: orEmpty(l.Taxes), Events: orEmpty(l.Events)}
		sums := l.Sums()
		out.DiscountAmount, out.TaxAmount, out.NetAmount, out.GrossAmount = sums.Discount, sums.Tax, sums.Net, sums.Gross
		t.lines.Put(p, out)
	}
}

// orEmpty keeps a column of lists from being null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func textOrNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
