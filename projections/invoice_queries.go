package projections

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/period"
)

// Invoice is an invoice with all that belongs to it.
type Invoice struct {
	InvoiceRow
	Lines       []invoice.Line            `db:"lines"`
	CreditNotes []invoice.CreditNote      `db:"credit_notes"`
	Payments    []invoice.PaymentRecorded `db:"payments"`
}

// View shows the row as the fold shows itself.
func (i *Invoice) View() invoice.View {
	v := invoice.View{ID: i.ID, Status: i.Status, IssuedAt: i.IssuedAt, DueAt: i.DueAt, BalanceApplied: i.BalanceApplied, AmountPaid: i.AmountPaid, AmountDue: i.AmountDue,
		Payments: i.Payments, CreditNotes: i.CreditNotes, Document: i.Document, Version: i.Version, CreatedAt: i.CreatedAt, UpdatedAt: i.UpdatedAt,
		Drafted: invoice.Drafted{CustomerID: i.CustomerID, SubscriptionID: i.SubscriptionID, Currency: i.Currency, Reason: i.Reason, Lines: i.Lines,
			Totals: invoice.Totals{Subtotal: i.Subtotal, DiscountTotal: i.DiscountTotal, TaxTotal: i.TaxTotal, Total: i.Total}}}
	if i.Number != nil {
		v.Number = *i.Number
	}
	if i.TaxExempt != nil {
		v.Drafted.TaxExempt = *i.TaxExempt
	}
	v.Drafted.FinalizeAt, v.Drafted.DebitNoteOf = i.FinalizeAt, i.DebitNoteOf
	if i.DebitNoteTo != nil {
		v.Drafted.DebitNoteTo = *i.DebitNoteTo
	}
	if i.PeriodStart != nil && i.PeriodEnd != nil {
		v.Drafted.Period = &period.Period{Start: *i.PeriodStart, End: *i.PeriodEnd}
	}
	return v
}

// InvoiceFilter narrows a list of invoices; zero fields do not.
type InvoiceFilter struct {
	ID             uuid.UUID
	Status         string
	CustomerID     uuid.UUID
	SubscriptionID uuid.UUID
	Currency       string
	From, To       time.Time // of the date of issue or, of what is not issued, of drafting; To is excluded
	Min, Max       *int64    // of the total, both included
	Until          int64     // made at a position up to this
	Kept           bool      // without drafts that were discarded
	Newest         bool      // the newest first; a place is then what they come before
}

// Places are positions of drafting and, within an invoice, numbers of lines: lists of invoices are in order of the former,
// since ids follow from what invoices are for.
type Place struct {
	Drafted int64 `json:"d"`
	Line    int   `json:"l,omitzero"`
}

func (f InvoiceFilter) where(ledger uuid.UUID) *where {
	w := within(ledger).and("i.ledger_id = @ledger")
	if f.ID != uuid.Nil {
		w.with("id", f.ID, "i.id = @id")
	}
	if f.Status != "" {
		w.with("status", f.Status, "i.status = @status")
	}
	if f.CustomerID != uuid.Nil {
		w.with("customer", f.CustomerID, "i.customer_id = @customer")
	}
	if f.SubscriptionID != uuid.Nil {
		w.with("subscription", f.SubscriptionID, "i.subscription_id = @subscription")
	}
	if f.Currency != "" {
		w.with("currency", f.Currency, "i.currency = @currency")
	}
	if !f.From.IsZero() {
		w.with("from", f.From, "i.dated_at >= @from")
	}
	if !f.To.IsZero() {
		w.with("to", f.To, "i.dated_at < @to")
	}
	if f.Min != nil {
		w.with("min", *f.Min, "i.total >= @min")
	}
	if f.Max != nil {
		w.with("max", *f.Max, "i.total <= @max")
	}
	if f.Kept {
		w.and("(i.status <> 'void' or i.number is not null)")
	}
	if f.Until != 0 {
		w.with("until", f.Until, "i.drafted_position <= @until")
	}
	return w
}

// belongings are what belongs to invoice i, in the shapes of the domain.
const belongings = `cross join lateral (select coalesce(jsonb_agg(jsonb_build_object('id', l.id, 'kind', l.kind, 'description', l.description,
			'subscription_id', l.subscription_id, 'plan_id', l.plan_id, 'plan_version', l.plan_version, 'product_id', l.product_id, 'price_key', l.price_key,
			'quantity', l.quantity, 'unit_amount', l.unit_amount, 'amount', l.amount, 'period', jsonb_build_object('start', l.period_start, 'end', l.period_end),
			'share', l.share, 'proration_mode', l.proration_mode, 'reverses', l.reverses, 'discounts', l.discounts, 'taxes', l.taxes, 'events', l.events)
			order by l.line_number), '[]') as lines from invoice_lines l where l.ledger_id = i.ledger_id and l.invoice_id = i.id) l
	cross join lateral (select coalesce(jsonb_agg(jsonb_build_object('credit_note_id', n.id, 'number', n.number, 'reason', n.reason, 'lines', n.lines,
			'amount', n.amount, 'lowers_debt', n.lowers_debt, 'to_balance', n.to_balance, 'issued_at', n.issued_at)
			order by n.position), '[]') as credit_notes from credit_notes n where n.ledger_id = i.ledger_id and n.invoice_id = i.id) n
	cross join lateral (select coalesce(jsonb_agg(jsonb_build_object('payment_id', y.id, 'amount', y.amount, 'method', y.method, 'reference', y.reference,
			'paid_at', y.paid_at) order by y.position), '[]') as payments from payments y where y.ledger_id = i.ledger_id and y.invoice_id = i.id) y`

// Invoice refuses with no_invoice.
func (r *Reads) Invoice(ctx context.Context, ledger, id uuid.UUID) (Invoice, error) {
	var all []Invoice
	var err error
	if id != uuid.Nil { // which would not narrow
		all, err = r.Invoices(ctx, ledger, InvoiceFilter{ID: id}, Place{}, 1)
	}
	switch {
	case err != nil:
		return Invoice{}, err
	case len(all) == 0:
		return Invoice{}, domain.Refuse(domain.NotFound, "no_invoice", "%s is not known here", id)
	}
	return all[0], nil
}

// Invoices lists invoices in the order of their making, after a place, or against it.
func (r *Reads) Invoices(ctx context.Context, ledger uuid.UUID, f InvoiceFilter, after Place, limit int) ([]Invoice, error) {
	w, order := f.where(ledger), "i.drafted_position"
	switch {
	case !f.Newest:
		w.with("after", after.Drafted, "i.drafted_position > @after")
	case after.Drafted != 0:
		w.with("after", after.Drafted, "i.drafted_position < @after")
	}
	if f.Newest {
		order = "i.drafted_position desc"
	}
	w.args["limit"] = Keyset{Limit: limit}.limit()
	// What belongs to them is looked up for those of this part alone.
	all, err := query[Invoice](ctx, r, ledger, `select i.*, l.lines, n.credit_notes, y.payments from (select i.* from invoices i where `+w.String()+`
		order by `+order+` limit @limit) i `+belongings+` order by `+order, w.args)
	for i := range all {
		all[i].inUTC()
	}
	return all, err
}

// inUTC is for times that came as JSON, in the session's zone.
func (i *Invoice) inUTC() {
	for n := range i.Lines {
		p := &i.Lines[n].Period
		p.Start, p.End = p.Start.UTC(), p.End.UTC()
	}
	for n := range i.CreditNotes {
		i.CreditNotes[n].IssuedAt = i.CreditNotes[n].IssuedAt.UTC()
	}
	for n := range i.Payments {
		i.Payments[n].PaidAt = i.Payments[n].PaidAt.UTC()
	}
}

// InvoiceRows is Invoices without what belongs to them.
func (r *Reads) InvoiceRows(ctx context.Context, ledger uuid.UUID, f InvoiceFilter, after Place, limit int) ([]InvoiceRow, error) {
	w := f.where(ledger).with("after", after.Drafted, "i.drafted_position > @after")
	w.args["limit"] = Keyset{Limit: limit}.limit()
	return query[InvoiceRow](ctx, r, ledger, "select i.* from invoices i where "+w.String()+" order by i.drafted_position limit @limit", w.args)
}

// ListedLine is a line with what a list of lines says of its invoice.
type ListedLine struct {
	InvoiceLine
	Number          *string    `db:"number"`
	Status          string     `db:"status"`
	CustomerID      *uuid.UUID `db:"customer_id"`
	Currency        string     `db:"currency"`
	IssuedAt        *time.Time `db:"issued_at"`
	DraftedPosition int64      `db:"drafted_position"`
}

// InvoiceLines lists lines of invoices in the order of the invoices' making, after a place.
func (r *Reads) InvoiceLines(ctx context.Context, ledger uuid.UUID, f InvoiceFilter, after Place, limit int) ([]ListedLine, error) {
	w := f.where(ledger).with("after", after.Drafted, "i.drafted_position >= @after").with("line", after.Line, "(i.drafted_position > @after or l.line_number > @line)")
	w.args["limit"] = Keyset{Limit: limit}.limit()
	return query[ListedLine](ctx, r, ledger, `select l.*, i.number, i.status, i.customer_id, i.currency, i.issued_at, i.drafted_position
		from invoices i join invoice_lines l on l.ledger_id = i.ledger_id and l.invoice_id = i.id where `+w.String()+`
		order by i.drafted_position, l.line_number limit @limit`, w.args)
}
