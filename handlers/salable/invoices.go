package salable

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

// Invoices of a list.
const (
	usualInvoices = 25
	mostInvoices  = 100 // and all that v1 shows, which cannot ask for the next ones
)

// invoiceList is a part of a subscription's invoices, the newest first.
type invoiceList struct {
	First   *uuid.UUID `json:"first"`
	Last    *uuid.UUID `json:"last"`
	HasMore bool       `json:"hasMore"`
	Data    []*invoice `json:"data"`
}

// listInvoices serves GET /subscriptions/{subscriptionUuid}/invoices: as Stripe shows them, the newest first. Drafts that
// were discarded are none.
//
//	in   from v2 on cursor, take (25, at most 100)
//	out  200 {first, last, hasMore, data} | 400 | 404
func (a *API) listInvoices(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	k := projections.Keyset{Limit: mostInvoices}
	if versionOf(r) >= v2 {
		if k = readPart(q); k.Limit == 0 {
			k.Limit = usualInvoices
		}
	}
	if err := q.Err(); err != nil {
		return err
	}
	of, err := a.findSubscription(w, r)
	if err != nil {
		return err
	}
	f := projections.InvoiceFilter{SubscriptionID: of.ID, Kept: true, Newest: true}
	before, err := a.placeOf(r, f, k.After)
	if err != nil {
		return err
	}
	rows, err := a.reads.Invoices(r.Context(), of.LedgerID, f, before, k.Limit+1)
	if err != nil {
		return err
	}
	out := invoiceList{HasMore: len(rows) > k.Limit}
	rows = rows[:min(len(rows), k.Limit)]
	if out.Data, err = a.related(r).invoices(of, rows); err != nil {
		return err
	}
	if n := len(rows); n > 0 {
		out.First, out.Last = &rows[0].ID, &rows[n-1].ID
	}
	return handlers.JSON(w, http.StatusOK, out)
}

// placeOf is where a cursor stands; one that is no invoice of the subscription is refused.
func (a *API) placeOf(r *http.Request, f projections.InvoiceFilter, cursor uuid.UUID) (projections.Place, error) {
	if cursor == uuid.Nil {
		return projections.Place{}, nil
	}
	f.ID, f.Newest = cursor, false
	rows, err := a.reads.InvoiceRows(r.Context(), handlers.CallerOf(r).Ledger, f, projections.Place{}, 1)
	switch {
	case err != nil:
		return projections.Place{}, err
	case len(rows) == 0:
		return projections.Place{}, domain.RefuseField("cursor", "bad_cursor", "it is no invoice of this subscription")
	}
	return projections.Place{Drafted: rows[0].DraftedPosition}, nil
}

// paymentMethod is Stripe's PaymentMethod. Of the one that there is, manual, little is known: it stands for the outside.
type paymentMethod struct {
	ID             uuid.UUID         `json:"id"` // the customer's: a customer has one
	Object         string            `json:"object"`
	BillingDetails billingDetails    `json:"billing_details"`
	Card           null              `json:"card"`
	Created        int64             `json:"created"` // the customer
	Customer       uuid.UUID         `json:"customer"`
	Livemode       bool              `json:"livemode"`
	Metadata       map[string]string `json:"metadata"`
	Type           string            `json:"type"`
}

type billingDetails struct {
	Address address `json:"address"`
	Email   *string `json:"email"`
	Name    *string `json:"name"`
	Phone   *string `json:"phone"`
}

// readPaymentMethod serves GET /subscriptions/{subscriptionUuid}/payment-method: that of its customer.
//
//	out  200 PaymentMethod | 404 when there is none
func (a *API) readPaymentMethod(w http.ResponseWriter, r *http.Request) error {
	of, err := a.findSubscription(w, r)
	if err != nil {
		return err
	}
	none := domain.Refuse(domain.NotFound, "no_payment_method", "there is none")
	if of.CustomerID == nil {
		return none
	}
	state, _, err := a.store.Fold(r.Context(), of.LedgerID, *of.CustomerID)
	if err != nil {
		return err
	}
	c, ok := state.(*customer.Customer)
	if !ok || c.PaymentMethod == nil {
		return none
	}
	caller := handlers.CallerOf(r)
	return handlers.JSON(w, http.StatusOK, paymentMethod{
		ID: c.ID, Object: "payment_method", Created: c.CreatedAt.Unix(), Customer: c.ID, Livemode: !caller.Test(),
		Metadata: map[string]string{}, Type: c.PaymentMethod.Provider,
		BillingDetails: billingDetails{Address: addressOf(c.Contact.Address.Plain()), Email: textOrNull(c.Contact.Email.Text), Name: textOrNull(c.Contact.Name.Text)}})
}
