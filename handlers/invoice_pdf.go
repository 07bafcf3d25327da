package handlers

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/invoicepdf"
	"github.com/subledger/subledger/projections"
)

// invoicePDF serves GET /invoices/{uuid}/pdf: the invoice as it was issued, to whom the customer is now.
//
//	out  200 application/pdf | 404 no_invoice
func (a *API) invoicePDF(w http.ResponseWriter, r *http.Request) error {
	if err := noQuery(r); err != nil {
		return err
	}
	if err := a.at(w, r); err != nil {
		return err
	}
	caller := CallerOf(r)
	row, err := a.Reads.Invoice(r.Context(), caller.Ledger, PathUUID(r, "uuid"))
	if err != nil {
		return err
	}
	return WriteInvoicePDF(r.Context(), w, a.Store, a.Reads, caller.Organisation, row)
}

// WriteInvoicePDF answers an invoice of an organisation as a PDF file.
func WriteInvoicePDF(ctx context.Context, w http.ResponseWriter, store *eventstore.Store, reads *projections.Reads, organisation uuid.UUID, row projections.Invoice) error {
	seller, err := store.Organisation(ctx, organisation)
	if err != nil {
		return err
	}
	d := invoicepdf.Document{Seller: seller.Name, Invoice: row.View(), Zone: time.UTC}
	if row.CustomerID != nil {
		c, err := reads.Customer(ctx, row.LedgerID, *row.CustomerID)
		if err != nil {
			return err
		}
		if err := d.Bill(orNothing(c.Name), c.Address, c.Fields.TimeZone); err != nil {
			return err
		}
	}
	file, err := invoicepdf.Render(d)
	if err != nil {
		return err
	}
	name := orNothing(row.Number)
	if name == "" {
		name = "draft"
	}
	h := w.Header()
	h.Set("Content-Type", "application/pdf")
	h.Set("Content-Disposition", `inline; filename="`+name+`.pdf"`)
	h.Set("Content-Length", strconv.Itoa(len(file)))
	_, _ = w.Write(file) // the client may be gone
	return nil
}
