package handlers

import (
	"net/http"
	"strconv"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/subscription"
)

// paymentMethodBody is a customer's payment method on the wire. Its ETag is the customer's.
type paymentMethodBody struct {
	Provider string `json:"provider"`
	Outcome  string `json:"outcome"`
}

func paymentMethodOut(v customer.PaymentMethodView) paymentMethodBody {
	return paymentMethodBody{v.Provider, v.Outcome}
}

// readPaymentMethod serves GET /customers/{uuid}/payment-method.
//
//	out  200 {provider, outcome} | 304 | 404 no_customer, no_payment_method
func (a *API) readPaymentMethod(w http.ResponseWriter, r *http.Request) error {
	if err := noQuery(r); err != nil {
		return err
	}
	if err := a.at(w, r); err != nil {
		return err
	}
	id := PathUUID(r, "uuid")
	state, position, err := a.Store.Fold(r.Context(), CallerOf(r).Ledger, id)
	if err != nil {
		return err
	}
	w.Header().Set("Ledger-Position", strconv.FormatInt(position, 10))
	c, ok := state.(*customer.Customer)
	if !ok {
		return domain.Refuse(domain.NotFound, "no_customer", "%s is not known here", id)
	}
	v, err := c.Pays()
	if err != nil {
		return err
	}
	return entity(w, r, http.StatusOK, v.Version, paymentMethodOut(v))
}

// setPaymentMethod serves PUT /customers/{uuid}/payment-method: invoices are charged as the outcome says from now on, and
// one that succeeds pays what is open of those that the one before did not pay.
//
//	in   {provider: manual, outcome: succeeds | fails | requiresAction}
//	out  200 the same | 404 no_customer | 412 | 422
func (a *API) setPaymentMethod(w http.ResponseWriter, r *http.Request) error {
	body, err := Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	c := subscription.SetPaymentMethod{SetPaymentMethod: customer.SetPaymentMethod{ID: PathUUID(r, "uuid"), Method: customer.PaymentMethod{
		Provider: o.Enum("provider", []string{customer.ManualProvider}, Required), Outcome: o.Enum("outcome", customer.Outcomes(), Required)}}}
	o.Unknown()
	if err := body.Err(); err != nil {
		return err
	}
	v, _, err := write[customer.PaymentMethodView](a, w, r, body, c.ID, c)
	if err != nil {
		return err
	}
	return entity(w, r, http.StatusOK, v.Version, paymentMethodOut(v))
}

// removePaymentMethod serves DELETE /customers/{uuid}/payment-method: invoices stay open from now on until they are paid.
//
//	out  200 what it was | 404 no_customer, no_payment_method | 412
func (a *API) removePaymentMethod(w http.ResponseWriter, r *http.Request) error {
	body, err := emptyBody(r)
	if err != nil {
		return err
	}
	c := subscription.RemovePaymentMethod{RemovePaymentMethod: customer.RemovePaymentMethod{ID: PathUUID(r, "uuid")}}
	v, _, err := write[customer.PaymentMethodView](a, w, r, body, c.ID, c)
	if err != nil {
		return err
	}
	return entity(w, r, http.StatusOK, v.Version, paymentMethodOut(v))
}
