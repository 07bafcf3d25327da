package handlers

import (
	"net/http"

	"github.com/subledger/subledger/projections"
)

// listCreditNotes serves GET /credit-notes: those of all invoices, in the order in which they were issued.
//
//	in   limit, cursor, customerUuid
//	out  200 page of credit notes | 400 invalid_query
func (a *API) listCreditNotes(w http.ResponseWriter, r *http.Request) error {
	q, err := ReadQuery(r)
	if err != nil {
		return err
	}
	var after int64
	limit, f := a.part(q, r, &after), projections.CreditNoteFilter{CustomerID: q.UUID("customerUuid")}
	q.Strict()
	if err := q.Err(); err != nil {
		return err
	}
	if err := a.at(w, r); err != nil {
		return err
	}
	return a.creditNotes(w, r, f, after, limit)
}

// notesOfInvoice serves GET /invoices/{uuid}/credit-notes.
//
//	in   limit, cursor
//	out  200 page of credit notes | 400 invalid_query | 404 no_invoice
func (a *API) notesOfInvoice(w http.ResponseWriter, r *http.Request) error {
	after, limit, err := a.partOf(w, r)
	if err != nil {
		return err
	}
	of, err := a.Reads.Invoice(r.Context(), CallerOf(r).Ledger, PathUUID(r, "uuid"))
	if err != nil {
		return err
	}
	return a.creditNotes(w, r, projections.CreditNoteFilter{InvoiceID: of.ID}, after, limit)
}

func (a *API) creditNotes(w http.ResponseWriter, r *http.Request, f projections.CreditNoteFilter, after int64, limit int) error {
	rows, err := a.Reads.CreditNotes(r.Context(), CallerOf(r).Ledger, f, after, limit+1)
	if err != nil {
		return err
	}
	return listBy(a, w, r, limit, rows, func(n projections.CreditNote) int64 { return n.Position }, func(n projections.CreditNote) any {
		return creditNoteBody{n.ID, n.InvoiceID, n.Number, n.Currency, textOrNull(n.Reason), n.Amount, n.LowersDebt, n.ToBalance, each(n.Lines, creditedLineOut), n.IssuedAt, nil}
	})
}
