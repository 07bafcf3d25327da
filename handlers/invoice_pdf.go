package handlers

import (
	"encoding/base64"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/originals"
)

// invoicePDF serves GET /invoices/{uuid}/pdf: the invoice's original. Who asks first makes it: that is an event of the
// system's own, not the caller's, so a key that may only read causes it too. With render=current it is the invoice by
// today's template, to whom the customer is now, and nothing is kept of it. A draft that waits for usage is shown with what
// was used by now.
//
//	in   render: current
//	out  200 application/pdf, with Repr-Digest | 404 no_invoice | 410 original_erased, original_lost
func (a *API) invoicePDF(w http.ResponseWriter, r *http.Request) error {
	q, err := ReadQuery(r)
	if err != nil {
		return err
	}
	current := q.Enum("render", []string{"current"}) != ""
	q.Strict()
	if err := q.Err(); err != nil {
		return err
	}
	if err := a.at(w, r); err != nil {
		return err
	}
	ledger, id, shelf := CallerOf(r).Ledger, PathUUID(r, "uuid"), originals.Shelf{Store: a.Store, Template: a.Template}
	draft, err := a.countedInvoice(r.Context(), ledger, id)
	if err != nil {
		return err
	}
	if draft != nil {
		file, err := shelf.Draft(r.Context(), ledger, draft)
		if err != nil {
			return err
		}
		writePDF(w, file)
		return nil
	}
	if !current {
		return WriteOriginal(w, r, shelf, ledger, id)
	}
	file, err := shelf.Current(r.Context(), ledger, id)
	if err != nil {
		return err
	}
	writePDF(w, file)
	return nil
}

// WriteOriginal answers an invoice's original.
func WriteOriginal(w http.ResponseWriter, r *http.Request, shelf originals.Shelf, ledger, id uuid.UUID) error {
	call := CallOf(r)
	file, err := shelf.Original(r.Context(), ledger, id, eventstore.Meta{Actor: "originals", RequestID: call.ID, Dialect: call.dialect.Name})
	if err != nil {
		return err
	}
	writePDF(w, file)
	return nil
}

// writePDF answers a file with its digest (RFC 9530).
func writePDF(w http.ResponseWriter, file originals.File) {
	h := w.Header()
	h.Set("Content-Type", "application/pdf")
	h.Set("Content-Disposition", `inline; filename="`+file.Name+`"`)
	h.Set("Content-Length", strconv.Itoa(len(file.Bytes)))
	h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(file.SHA256[:])+":")
	_, _ = w.Write(file.Bytes) // the client may be gone
}
