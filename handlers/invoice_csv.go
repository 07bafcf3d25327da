package handlers

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/projections"
)

// column is a column of a CSV file. What people typed is text: it is kept from being taken for a formula.
type column[T any] struct {
	name string
	text bool
	of   func(T) string
}

var invoiceColumns = []column[projections.InvoiceRow]{
	{"uuid", false, func(i projections.InvoiceRow) string { return i.ID.String() }},
	{"number", false, func(i projections.InvoiceRow) string { return orNothing(i.Number) }},
	{"status", false, func(i projections.InvoiceRow) string { return i.Status }},
	{"customerUuid", false, func(i projections.InvoiceRow) string { return idOrNothing(i.CustomerID) }},
	{"subscriptionUuid", false, func(i projections.InvoiceRow) string { return idOrNothing(i.SubscriptionID) }},
	{"currency", false, func(i projections.InvoiceRow) string { return i.Currency }},
	{"reason", false, func(i projections.InvoiceRow) string { return i.Reason }},
	{"createdAt", false, func(i projections.InvoiceRow) string { return stamp(&i.CreatedAt) }},
	{"issuedAt", false, func(i projections.InvoiceRow) string { return stamp(i.IssuedAt) }},
	{"dueAt", false, func(i projections.InvoiceRow) string { return stamp(i.DueAt) }},
	{"subtotal", false, func(i projections.InvoiceRow) string { return minor(i.Subtotal) }},
	{"discountTotal", false, func(i projections.InvoiceRow) string { return minor(i.DiscountTotal) }},
	{"taxTotal", false, func(i projections.InvoiceRow) string { return minor(i.TaxTotal) }},
	{"total", false, func(i projections.InvoiceRow) string { return minor(i.Total) }},
	{"balanceApplied", false, func(i projections.InvoiceRow) string { return minor(i.BalanceApplied) }},
	{"amountPaid", false, func(i projections.InvoiceRow) string { return minor(i.AmountPaid) }},
	{"credited", false, func(i projections.InvoiceRow) string { return minor(i.Credited) }},
	{"amountDue", false, func(i projections.InvoiceRow) string { return minor(i.AmountDue) }},
	{"taxExemptReason", true, func(i projections.InvoiceRow) string { return orNothing(i.TaxExempt) }},
	{"debitNoteOf", false, func(i projections.InvoiceRow) string { return idOrNothing(i.DebitNoteOf) }},
}

var lineColumns = []column[projections.ListedLine]{
	{"invoiceUuid", false, func(l projections.ListedLine) string { return l.InvoiceID.String() }},
	{"number", false, func(l projections.ListedLine) string { return orNothing(l.Number) }},
	{"status", false, func(l projections.ListedLine) string { return l.Status }},
	{"customerUuid", false, func(l projections.ListedLine) string { return idOrNothing(l.CustomerID) }},
	{"currency", false, func(l projections.ListedLine) string { return l.Currency }},
	{"issuedAt", false, func(l projections.ListedLine) string { return stamp(l.IssuedAt) }},
	{"line", false, func(l projections.ListedLine) string { return strconv.Itoa(l.LineNumber) }},
	{"uuid", false, func(l projections.ListedLine) string { return l.ID.String() }},
	{"kind", false, func(l projections.ListedLine) string { return l.Kind }},
	{"description", true, func(l projections.ListedLine) string { return l.Description }},
	{"subscriptionUuid", false, func(l projections.ListedLine) string { return l.SubscriptionID.String() }},
	{"planUuid", false, func(l projections.ListedLine) string { return l.PlanID.String() }},
	{"planVersion", false, func(l projections.ListedLine) string { return strconv.Itoa(l.PlanVersion) }},
	{"priceKey", true, func(l projections.ListedLine) string { return l.PriceKey }},
	{"quantity", false, func(l projections.ListedLine) string { return PlainQuantity(l.Quantity) }},
	{"unitAmount", false, func(l projections.ListedLine) string {
		if l.UnitAmount == nil {
			return ""
		}
		return l.UnitAmount.String()
	}},
	{"amount", false, func(l projections.ListedLine) string { return minor(l.Amount) }},
	{"discountAmount", false, func(l projections.ListedLine) string { return minor(l.DiscountAmount) }},
	{"taxAmount", false, func(l projections.ListedLine) string { return minor(l.TaxAmount) }},
	{"netAmount", false, func(l projections.ListedLine) string { return minor(l.NetAmount) }},
	{"grossAmount", false, func(l projections.ListedLine) string { return minor(l.GrossAmount) }},
	{"periodStart", false, func(l projections.ListedLine) string { return stamp(&l.PeriodStart) }},
	{"periodEnd", false, func(l projections.ListedLine) string { return stamp(&l.PeriodEnd) }},
	{"prorationMode", false, func(l projections.ListedLine) string { return l.ProrationMode }},
	{"reverses", false, func(l projections.ListedLine) string { return idOrNothing(l.Reverses) }},
	{"coupons", true, func(l projections.ListedLine) string {
		return strings.Join(each(l.Discounts, func(d invoice.Discount) string { return d.Code }), " ")
	}},
	{"taxRates", false, func(l projections.ListedLine) string {
		return strings.Join(each(l.Taxes, func(t invoice.Tax) string { return t.TaxRateID.String() }), " ")
	}},
}

func minor(n int64) string { return strconv.FormatInt(n, 10) }

func stamp(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func orNothing(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func idOrNothing(id *uuid.UUID) string {
	if id == nil {
		return ""
	}
	return id.String()
}

// PlainText keeps a cell from being taken for a formula when the file is opened in a spreadsheet.
func PlainText(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// invoicesCSV serves GET /invoices.csv: all invoices of the filters, in the order of their making, with their fields as they
// are called in JSON.
//
//	in   the filters of listInvoices
//	out  200 text/csv | 400 invalid_query
func (a *API) invoicesCSV(w http.ResponseWriter, r *http.Request) error {
	return sheet(a, w, r, "invoices.csv", invoiceColumns, a.Reads.InvoiceRows, func(i projections.InvoiceRow) projections.Place {
		return projections.Place{Drafted: i.DraftedPosition}
	})
}

// linesCSV serves GET /invoices/lines.csv: the lines of those invoices.
//
//	in   the filters of listInvoices
//	out  200 text/csv | 400 invalid_query
func (a *API) linesCSV(w http.ResponseWriter, r *http.Request) error {
	return sheet(a, w, r, "lines.csv", lineColumns, a.Reads.InvoiceLines, func(l projections.ListedLine) projections.Place {
		return projections.Place{Drafted: l.DraftedPosition, Line: l.LineNumber}
	})
}

// sheet streams a list as CSV, a part after the other, as far as it goes when it is asked for: what is made meanwhile is
// for the next time. A client that is too slow is cut off, so that half a file is not taken for a whole one.
func sheet[T any](a *API, w http.ResponseWriter, r *http.Request, name string, columns []column[T], read reader[T], place func(T) projections.Place) error {
	q, err := ReadQuery(r)
	if err != nil {
		return err
	}
	f := invoiceFilter(q)
	q.Strict()
	if err := q.Err(); err != nil {
		return err
	}
	if f.Until, err = a.reached(w, r); err != nil {
		return err
	}
	rows, err := read(r.Context(), CallerOf(r).Ledger, f, projections.Place{}, projections.MaxLimit)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err // the server's time for a body would end the file
	}
	var buffer bytes.Buffer
	out := csv.NewWriter(&buffer)
	if err := out.Write(each(columns, func(c column[T]) string { return c.name })); err != nil {
		return err
	}
	for {
		for _, row := range rows {
			if err := out.Write(each(columns, func(c column[T]) string {
				if c.text {
					return PlainText(c.of(row))
				}
				return c.of(row)
			})); err != nil {
				return err
			}
		}
		out.Flush()
		if err := control.SetWriteDeadline(time.Now().Add(tailWrite)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if _, err := w.Write(buffer.Bytes()); err != nil {
			return nil // nobody listens
		}
		if len(rows) < projections.MaxLimit {
			return nil
		}
		buffer.Reset()
		if rows, err = read(r.Context(), CallerOf(r).Ledger, f, place(rows[len(rows)-1]), projections.MaxLimit); err != nil {
			return err
		}
	}
}

// reader reads a part of a list after a place.
type reader[T any] func(ctx context.Context, ledger uuid.UUID, f projections.InvoiceFilter, after projections.Place, limit int) ([]T, error)
