package handlers

import (
	"net/http"
	"strconv"
	"time"

	"github.com/subledger/subledger/internal/invoicepdf"
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
	seller, err := a.Store.Organisation(r.Context(), caller.Organisation)
	if err != nil {
		return err
	}
	d := invoicepdf.Document{Seller: seller.Name, Invoice: row.View(), Zone: time.UTC}
	if row.CustomerID != nil {
		c, err := a.Reads.Customer(r.Context(), caller.Ledger, *row.CustomerID)
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
