package salable

import (
	"net/http"

	"github.com/subledger/subledger/domain"
	coresubscription "github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/handlers/checkout"
	"github.com/subledger/subledger/projections"
)

// checkoutRoutes lead to pages. Whoever has the link to one needs no key for what it can do, so who may have it is
// who may do that: the portal alone only shows.
func (a *API) checkoutRoutes() []route {
	change, read := handlers.ScopeSubscriptionsWrite, handlers.ScopeSubscriptionsRead
	v2Alone, v3Alone := []string{v2}, []string{v3}
	return []route{
		{handlers.Route{Method: "POST", Path: "/checkout/create-subscription", Scope: change, Serve: a.createIncomplete}, untilV2},
		{handlers.Route{Method: "POST", Path: "/checkout/create-subscription-intent", Scope: change, Serve: a.createIncomplete}, untilV2},
		{handlers.Route{Method: "GET", Path: "/subscriptions/{subscriptionUuid}/updatepaymentlink", Scope: change, Serve: a.paymentLink}, v2Alone},
		{handlers.Route{Method: "GET", Path: "/subscriptions/{subscriptionUuid}/update-payment-link", Scope: change, Serve: a.paymentLink}, v3Alone},
		{handlers.Route{Method: "GET", Path: "/subscriptions/{subscriptionUuid}/customer-portal", Scope: read, Serve: a.portalLink}, sinceV2},
		{handlers.Route{Method: "GET", Path: "/subscriptions/{subscriptionUuid}/cancelpaymentlink", Scope: change, Serve: a.cancelLink}, v2Alone},
		{handlers.Route{Method: "GET", Path: "/subscriptions/{subscriptionUuid}/cancel-payment-link", Scope: change, Serve: a.cancelLink}, v3Alone},
	}
}

// createIncomplete serves POST /checkout/create-subscription and …-intent: a subscription that begins once it is paid
// or activated. The client secret opens its payment page, /checkout/payment/{clientSecret}.
//
//	in   {planUuid, email, member, granteeId, currency}
//	out  201 {clientSecret} | 400 | 404
func (a *API) createIncomplete(w http.ResponseWriter, r *http.Request) error {
	body, err := handlers.Read(r)
	if err != nil {
		return err
	}
	o, line := body.Object(), []handlers.Rule{handlers.Line, handlers.MaxBytes(domain.MaxName)}
	c := coresubscription.Start{PlanID: o.UUID("planUuid", handlers.Required), Email: o.String("email"), Owner: o.String("member", line...),
		Currency: o.String("currency", line...), Incomplete: true}
	if grantee := o.String("granteeId", handlers.Grantee); grantee != "" {
		c.Grantee = &grantee
	}
	if err := body.Err(); err != nil {
		return err
	}
	res, err := a.execute(w, r, body, c)
	if err != nil {
		return err
	}
	var v coresubscription.View
	if err := handlers.Answer(res, &v); err != nil {
		return err
	}
	caller := handlers.CallerOf(r)
	secret, err := a.links.ClientSecret(caller.Ledger, v.ID, caller.Test(), a.now().Add(linkTime))
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusCreated, struct {
		ClientSecret string `json:"clientSecret"`
	}{secret})
}

// paymentLink serves GET /subscriptions/{subscriptionUuid}/updatepaymentlink, in v3 …/update-payment-link.
//
//	out  200 {url} | 404
func (a *API) paymentLink(w http.ResponseWriter, r *http.Request) error {
	return a.pageLink(w, r, checkout.Payment)
}

// portalLink serves GET /subscriptions/{subscriptionUuid}/customer-portal.
//
//	out  200 {url} | 404
func (a *API) portalLink(w http.ResponseWriter, r *http.Request) error {
	return a.pageLink(w, r, checkout.Portal)
}

// cancelLink serves GET /subscriptions/{subscriptionUuid}/cancelpaymentlink, in v3 …/cancel-payment-link. Following it
// cancels nothing: the page asks first.
//
//	out  200 {url} | 404
func (a *API) cancelLink(w http.ResponseWriter, r *http.Request) error {
	return a.pageLink(w, r, checkout.Cancel)
}

func (a *API) pageLink(w http.ResponseWriter, r *http.Request, page string) error {
	if _, err := handlers.ReadQuery(r); err != nil {
		return err
	}
	if err := a.begin(w, r); err != nil {
		return err
	}
	c, id := handlers.CallerOf(r), handlers.PathUUID(r, "subscriptionUuid")
	row, err := sought(r.Context(), a, c.Ledger, func() (projections.Subscription, error) {
		return a.reads.Subscription(r.Context(), c.Ledger, id)
	})
	if err != nil {
		return err
	}
	link, err := a.links.Subscription(a.base(r), page, c.Ledger, row.ID, c.Test(), a.now().Add(linkTime))
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, struct {
		URL string `json:"url"`
	}{link})
}
