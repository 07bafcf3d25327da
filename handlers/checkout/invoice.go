package checkout

import (
	"net/http"

	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/internal/invoicepdf"
	"github.com/subledger/subledger/internal/originals"
	"github.com/subledger/subledger/projections"
)

// shownInvoice is an invoice as its page shows it.
type shownInvoice struct {
	Kind             string // of invoice
	Number, Status   string
	Issued, Due      string // days; an invoice that gives back is due on none
	Lines            []shownLine
	Discount         string
	Tax, Included    string // on top of the prices, and within them
	Total            string
	Remaining, Token string
}

type shownLine struct{ Description, From, To, Amount string }

var invoiceWords = map[string]string{invoice.Draft: "not issued yet", invoice.Open: "to be paid", invoice.Paid: "paid", invoice.Void: "taken back",
	invoice.Uncollectible: "to be paid"}

// invoice serves GET /checkout/invoice/{token}.
func (p *Pages) invoice(w http.ResponseWriter, r *http.Request) error {
	of, row, err := p.ofInvoice(r)
	if err != nil {
		return err
	}
	text := func(minor int64) string { return major(decimal.NewFromInt(minor), row.Currency) }
	out := shownInvoice{Kind: "Invoice", Status: invoiceWords[row.Status], Total: text(row.Total), Token: handlers.PathText(r, "token")}
	if row.Number != nil {
		out.Number = *row.Number
	}
	if row.IssuedAt != nil && row.DueAt != nil {
		out.Issued, out.Due = day(*row.IssuedAt), day(*row.DueAt)
	}
	if row.Total < 0 {
		out.Kind, out.Due = "Credit invoice", ""
		if row.Status == invoice.Paid {
			out.Status = "credited"
		}
	}
	for _, l := range row.Lines {
		out.Lines = append(out.Lines, shownLine{l.Description, day(l.Period.Start), day(l.Period.End), text(l.Amount)})
	}
	if row.DiscountTotal != 0 {
		out.Discount = text(row.DiscountTotal)
	}
	added := row.Total - row.Subtotal + row.DiscountTotal
	if added != 0 {
		out.Tax = text(added)
	}
	if included := row.TaxTotal - added; included != 0 {
		out.Included = text(included)
	}
	if row.AmountDue != 0 && row.AmountDue != row.Total {
		out.Remaining = text(row.AmountDue)
	}
	return render(w, http.StatusOK, "invoice.html", page{Title: out.Kind, Test: of.Test, Body: out}, "")
}

// invoicePDF serves GET /checkout/invoice/{token}/pdf.
func (p *Pages) invoicePDF(w http.ResponseWriter, r *http.Request) error {
	var of ofInvoice
	ledger, err := p.open(r, forInvoice, &of)
	if err != nil {
		return err
	}
	w.Header().Set("Referrer-Policy", "no-referrer")
	return handlers.WriteOriginal(w, r, originals.Shelf{Store: p.store, Template: invoicepdf.Today}, ledger, of.Invoice)
}

// ofInvoice finds the invoice that a link is of.
func (p *Pages) ofInvoice(r *http.Request) (of ofInvoice, row projections.Invoice, err error) {
	ledger, err := p.open(r, forInvoice, &of)
	if err == nil {
		row, err = p.reads.Invoice(r.Context(), ledger, of.Invoice)
	}
	return of, row, err
}
