package handlers

import (
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/metering"
	"github.com/subledger/subledger/projections"
)

func (a *API) invoiceRoutes() []Route {
	read, write := ScopeInvoicesRead, ScopeInvoicesWrite
	return []Route{
		{Method: "GET", Path: "/invoices", Scope: read, Serve: a.listInvoices},
		{Method: "GET", Path: "/invoices.csv", Scope: read, Stream: true, Serve: a.invoicesCSV},
		{Method: "GET", Path: "/invoices/lines.csv", Scope: read, Stream: true, Serve: a.linesCSV},
		{Method: "GET", Path: "/invoices/{uuid}", Scope: read, Serve: a.readInvoice},
		{Method: "GET", Path: "/invoices/{uuid}/pdf", Scope: read, Serve: a.invoicePDF},
		{Method: "GET", Path: "/invoices/{uuid}/explain", Scope: read, Serve: a.explainInvoice},
		{Method: "POST", Path: "/invoices/{uuid}/finalize", Scope: write, Serve: a.finalizeInvoice},
		{Method: "POST", Path: "/invoices/{uuid}/void", Scope: write, Serve: a.voidInvoice},
		{Method: "POST", Path: "/invoices/{uuid}/uncollectible", Scope: write, Serve: a.writeOffInvoice},
		{Method: "POST", Path: "/invoices/{uuid}/charge", Scope: write, Serve: a.chargeInvoice},
		{Method: "POST", Path: "/invoices/{uuid}/payments", Scope: write, Serve: a.recordPayment},
		{Method: "POST", Path: "/invoices/{uuid}/credit-notes", Scope: write, Serve: a.issueCreditNote},
		{Method: "POST", Path: "/invoices/{uuid}/debit-notes", Scope: write, Serve: a.issueDebitNote},
		{Method: "GET", Path: "/invoices/{uuid}/credit-notes", Scope: read, Serve: a.notesOfInvoice},
		{Method: "GET", Path: "/credit-notes", Scope: read, Serve: a.listCreditNotes},
		{Method: "GET", Path: "/customers/{uuid}/statement", Scope: read, Serve: a.statement},
		{Method: "GET", Path: "/customers/{uuid}/balance", Scope: read, Serve: a.balance},
	}
}

// invoiceFilter reads the filters that lists of invoices have.
func invoiceFilter(q *Query) projections.InvoiceFilter {
	return projections.InvoiceFilter{
		Status:     q.Enum("status", []string{invoice.Draft, invoice.Open, invoice.Paid, invoice.Void, invoice.Uncollectible}),
		CustomerID: q.UUID("customerUuid"), SubscriptionID: q.UUID("subscriptionUuid"), Currency: strings.ToUpper(q.String("currency", MaxBytes(3))),
		From: q.Time("from"), To: q.Time("to"), Min: Opt(q.Object, "minTotal", q.Int), Max: Opt(q.Object, "maxTotal", q.Int),
	}
}

// listInvoices serves GET /invoices.
//
//	in   limit, cursor, status, customerUuid, subscriptionUuid, currency, from, to, minTotal, maxTotal
//	out  200 page of invoices in the order of their making | 400 invalid_query
func (a *API) listInvoices(w http.ResponseWriter, r *http.Request) error {
	q, err := ReadQuery(r)
	if err != nil {
		return err
	}
	var after projections.Place
	limit, f := a.part(q, r, &after), invoiceFilter(q)
	q.Strict()
	if err := q.Err(); err != nil {
		return err
	}
	if err := a.at(w, r); err != nil {
		return err
	}
	rows, err := a.Reads.Invoices(r.Context(), CallerOf(r).Ledger, f, after, limit+1)
	if err != nil {
		return err
	}
	return listBy(a, w, r, limit, rows, func(i projections.Invoice) projections.Place { return projections.Place{Drafted: i.DraftedPosition} },
		func(i projections.Invoice) any { return invoiceRow(i) })
}

func invoiceRow(i projections.Invoice) invoiceBody {
	out := invoiceOut(i.View())
	out.Position = i.Position
	return out
}

// readInvoice serves GET /invoices/{uuid}: a draft that waits for usage with what was used by now, as it would be finalised.
//
//	out  200 invoice | 304 | 404 no_invoice
func (a *API) readInvoice(w http.ResponseWriter, r *http.Request) error {
	if err := noQuery(r); err != nil {
		return err
	}
	if err := a.at(w, r); err != nil {
		return err
	}
	ledger, id := CallerOf(r).Ledger, PathUUID(r, "uuid")
	row, err := a.Reads.Invoice(r.Context(), ledger, id)
	if err != nil {
		return err
	}
	out := invoiceRow(row)
	if row.Status == invoice.Draft {
		counted, err := a.countedInvoice(r.Context(), ledger, id)
		if err != nil {
			return err
		}
		if counted != nil {
			r.Header.Del("If-None-Match") // usage is no version of the invoice
			v := row.View()
			v.Drafted.Lines, v.Drafted.Totals = counted.Lines, counted.Totals
			out = invoiceOut(v)
			out.Position = row.Position
		}
	}
	return entity(w, r, http.StatusOK, row.Version, out)
}

// finalizeInvoice serves POST /invoices/{uuid}/finalize: a draft gets its number, and what the balance pays of it.
//
//	out  200 invoice | 404 no_invoice | 409 invoice_void
func (a *API) finalizeInvoice(w http.ResponseWriter, r *http.Request) error {
	command, err := a.countedDraft(r)
	if err != nil {
		return err
	}
	return a.toInvoice(w, r, func(uuid.UUID) domain.Command { return command })
}

// counter counts usage.
func (a *API) counter() metering.Counter { return metering.Counter{Store: a.Store, Reads: a.Reads} }

// voidInvoice serves POST /invoices/{uuid}/void: it is taken back and keeps its number; a draft, which has none, is
// discarded, unless usage waits on it.
//
//	out  200 invoice | 404 no_invoice | 409 invoice_paid, invoice_credited, credit_used, line_credited, carries_credits, usage_waits
func (a *API) voidInvoice(w http.ResponseWriter, r *http.Request) error {
	counted, err := a.countedDraft(r)
	if err != nil {
		return err
	}
	return a.toInvoice(w, r, func(id uuid.UUID) domain.Command { return subscription.VoidInvoice{ID: id, Counts: counted.Counts} })
}

// countedDraft is the command that issues a draft, with what was used by now.
func (a *API) countedDraft(r *http.Request) (subscription.FinalizeInvoice, error) {
	if _, err := a.Reads.At(r.Context(), CallerOf(r).Ledger, 0); err != nil { // what was recorded by now is counted
		return subscription.FinalizeInvoice{}, err
	}
	return a.counter().Draft(r.Context(), CallerOf(r).Ledger, PathUUID(r, "uuid"))
}

// writeOffInvoice serves POST /invoices/{uuid}/uncollectible.
//
//	out  200 invoice | 404 no_invoice | 409 not_open
func (a *API) writeOffInvoice(w http.ResponseWriter, r *http.Request) error {
	return a.toInvoice(w, r, func(id uuid.UUID) domain.Command { return invoice.WriteOff{ID: id} })
}

// chargeInvoice serves POST /invoices/{uuid}/charge: the customer's payment method is asked for what is due, once more or for
// the first time. Whether it paid is in the answer; when it did not, the subscription is PAST_DUE.
//
//	out  200 invoice | 404 no_invoice | 409 not_open, no_payment_method
func (a *API) chargeInvoice(w http.ResponseWriter, r *http.Request) error {
	return a.toInvoice(w, r, func(id uuid.UUID) domain.Command { return subscription.ChargeInvoice{ID: id} })
}

// toInvoice executes a command that needs no body.
func (a *API) toInvoice(w http.ResponseWriter, r *http.Request, command func(uuid.UUID) domain.Command) error {
	body, err := emptyBody(r)
	if err != nil {
		return err
	}
	id := PathUUID(r, "uuid")
	v, res, err := write[invoice.View](a, w, r, body, id, command(id))
	if err != nil {
		return err
	}
	return a.invoiceChanged(w, r, v, res)
}

// recordPayment serves POST /invoices/{uuid}/payments.
//
//	in   {amount, method?, reference?, paidAt?}; the method `balance` has the payer's balance pay
//	out  200 invoice | 404 no_invoice | 409 not_open | 422 bad_amount, bad_paid_at
func (a *API) recordPayment(w http.ResponseWriter, r *http.Request) error {
	body, err := Read(r)
	if err != nil {
		return err
	}
	o, id := body.Object(), PathUUID(r, "uuid")
	c := invoice.RecordPayment{ID: id, Amount: o.Int("amount", Required, Amount), Method: o.String("method"), Reference: o.String("reference"), PaidAt: Opt(o, "paidAt", o.Time)}
	o.Unknown()
	if err := body.Err(); err != nil {
		return err
	}
	v, res, err := write[invoice.View](a, w, r, body, id, subscription.PayInvoice{RecordPayment: c})
	if err != nil {
		return err
	}
	return a.invoiceChanged(w, r, v, res)
}

// mostCredited is how many lines a credit note may name.
const mostCredited = 1000

// issueCreditNote serves POST /invoices/{uuid}/credit-notes. The ETag is the invoice's.
//
//	in   {lines: [{lineUuid, amount}] | amount, reason?}; amounts have their taxes in them
//	out  201 credit note | 404 no_invoice | 409 not_finalized | 422 bad_amount, no_line, repeated_line
func (a *API) issueCreditNote(w http.ResponseWriter, r *http.Request) error {
	body, err := Read(r)
	if err != nil {
		return err
	}
	o, id := body.Object(), PathUUID(r, "uuid")
	c := invoice.IssueCreditNote{ID: id, Amount: o.Int("amount", Amount), Reason: o.String("reason"), Lines: noteLines(o, lineAmount)}
	o.Unknown()
	if err := body.Err(); err != nil {
		return err
	}
	v, res, err := write[invoice.View](a, w, r, body, id, subscription.CreditInvoice{IssueCreditNote: c})
	if err != nil {
		return err
	}
	out := creditNoteOut(v, v.CreditNotes[len(v.CreditNotes)-1])
	out.Preview = previewOfInvoice(v, res)
	return entity(w, r, http.StatusCreated, v.Version, out)
}

// noteLines reads the parts of lines that a note is of, or sees that there is an amount in their place.
func noteLines[T any](o *Object, read func(*Object) T) (all []T) {
	for _, v := range o.List("lines", MaxItems(mostCredited)) {
		part := v.Object(Required)
		all = append(all, read(part))
		part.Unknown()
	}
	if o.Get("amount").Absent() == (len(all) == 0) {
		o.Get("amount").Bad(codeRequired, "want either amount or lines")
	}
	return all
}

func lineAmount(part *Object) invoice.LineAmount {
	return invoice.LineAmount{LineID: part.UUID("lineUuid", Required), Amount: part.Int("amount", Required, Amount)}
}

// issueDebitNote serves POST /invoices/{uuid}/debit-notes: an invoice of its own that adds to one. The ETag is the note's.
//
//	in   {lines: [{lineUuid, amount, description?}] | amount, reason?}; amounts have their taxes in them
//	out  201 invoice | 404 no_invoice | 409 not_finalized | 422 bad_amount, no_line, repeated_line
func (a *API) issueDebitNote(w http.ResponseWriter, r *http.Request) error {
	body, err := Read(r)
	if err != nil {
		return err
	}
	o, id := body.Object(), PathUUID(r, "uuid")
	c := invoice.IssueDebitNote{ID: id, Amount: o.Int("amount", Amount), Reason: o.String("reason"), Lines: noteLines(o, func(part *Object) invoice.DebitedLine {
		return invoice.DebitedLine{LineAmount: lineAmount(part), Description: part.String("description")}
	})}
	o.Unknown()
	if err := body.Err(); err != nil {
		return err
	}
	v, res, err := write[invoice.View](a, w, r, body, id, subscription.DebitInvoice{IssueDebitNote: c})
	if err != nil {
		return err
	}
	out, err := a.changedOut(r, v, res)
	if err != nil {
		return err
	}
	return created(w, r, v.ID, v.Version, out)
}

// invoiceChanged answers an invoice.
func (a *API) invoiceChanged(w http.ResponseWriter, r *http.Request, v invoice.View, res eventstore.Result) error {
	out, err := a.changedOut(r, v, res)
	if err != nil {
		return err
	}
	return entity(w, r, http.StatusOK, v.Version, out)
}

// changedOut is an invoice as a command left it; what happened to it last may have happened before, and events of the balance
// may stand behind it.
func (a *API) changedOut(r *http.Request, v invoice.View, res eventstore.Result) (out invoiceBody, err error) {
	out = invoiceOut(v)
	out.Position, out.Preview = res.Last, previewOfInvoice(v, res)
	events, err := a.Store.Stream(r.Context(), res.Ledger, v.ID, v.Version-1, 1)
	if len(events) == 1 { // none after a dry run
		out.Position = events[0].Position
	}
	return out, err
}
