package checkout

import (
	"context"
	"net/http"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

// waitSeconds is after how long a page that waits for a payment looks again.
const waitSeconds = "20"

// payment serves GET /checkout/payment/{token}: what is to be paid, and how. There is no payment provider: sellers record
// payments, and in a test ledger the page does.
func (p *Pages) payment(w http.ResponseWriter, r *http.Request) error {
	ledger, s, err := p.about(r, forPayment)
	if err != nil {
		return err
	}
	if s.Success != "" && !s.Incomplete && !s.Over {
		return seeOther(w, s.Success)
	}
	if err := p.asksFor(r.Context(), ledger, &s); err != nil {
		return err
	}
	if s.Test && s.Due != nil {
		s.Pay = handlers.PathText(r, "token")
	}
	return s.waits(w)
}

// waits shows what is to be paid, and looks again while access depends on it.
func (s shownSubscription) waits(w http.ResponseWriter) error {
	if s.Incomplete {
		w.Header().Set("Refresh", waitSeconds)
	}
	return render(w, http.StatusOK, "payment.html", page{Title: "How to pay", Test: s.Test, Body: s}, s.Success)
}

// asksFor finds the oldest invoice of a subscription that is not paid.
func (p *Pages) asksFor(ctx context.Context, ledger uuid.UUID, s *shownSubscription) error {
	rows, err := p.reads.InvoiceRows(ctx, ledger, projections.InvoiceFilter{SubscriptionID: s.ID, Status: invoice.Open}, projections.Place{}, 1)
	if err != nil || len(rows) == 0 {
		return err
	}
	i := rows[0]
	s.Due = &due{ID: i.ID, Amount: major(decimal.NewFromInt(i.AmountDue), i.Currency), amount: i.AmountDue}
	if i.Number != nil && i.DueAt != nil { // it is open, so it has both
		s.Due.Number, s.Due.By = *i.Number, day(*i.DueAt)
	}
	return nil
}

// pay serves POST /checkout/payment/{token}: in a test ledger, where no money moves, the oldest invoice that is not paid is
// paid in full, as the seller would record it.
func (p *Pages) pay(w http.ResponseWriter, r *http.Request) error {
	ledger, s, err := p.about(r, forPayment)
	if err != nil {
		return err
	}
	if _, err := form(w, r); err != nil {
		return err
	}
	if !s.Test {
		return domain.Refuse(domain.Conflict, "seller_records", "Payments are recorded by the seller.")
	}
	if err := p.asksFor(r.Context(), ledger, &s); err != nil {
		return err
	}
	if s.Due != nil {
		c := subscription.PayInvoice{RecordPayment: invoice.RecordPayment{ID: s.Due.ID, Amount: s.Due.amount, Method: customer.ManualProvider}}
		_, err := p.store.Execute(r.Context(), eventstore.Request{Ledger: ledger, Command: c,
			Meta: eventstore.Meta{Actor: "buyer", RequestID: handlers.CallOf(r).ID, Dialect: "checkout"}})
		if e, ok := domain.AsRefusal(err); err != nil && (!ok || e.Kind != domain.Conflict && e.Kind != domain.Invalid) { // sent twice, it is paid
			return err
		}
	}
	return seeOther(w, handlers.PathText(r, "token"))
}

// seeOther sends the browser on, to an address or to a page beside this one.
func seeOther(w http.ResponseWriter, to string) error {
	w.Header().Set("Location", to)
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
	return nil
}
