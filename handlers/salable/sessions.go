package salable

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/handlers/checkout"
	"github.com/subledger/subledger/projections"
)

func (a *API) sessionRoutes() []route {
	return []route{{handlers.Route{Method: "POST", Path: "/sessions", Scope: handlers.ScopeSessionsWrite, Serve: a.createSession}, sinceV2}}
}

var sessionScopes = []string{handlers.SessionInvoices, handlers.SessionPricingTable, handlers.SessionCheckout}

// createSession serves POST /sessions: a token that a widget sends as Authorization: Bearer for an hour, to the reading
// routes of its scope. It is good while the key that made it is, and for what that key's own scopes cover. Nothing is stored.
//
//	in   {scope, metadata: {subscriptionUuid}}; the latter for invoices
//	out  201 {sessionToken} | 400 | 404
func (a *API) createSession(w http.ResponseWriter, r *http.Request) error {
	body, err := handlers.Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	scope := o.Enum("scope", sessionScopes, handlers.Required)
	var subscription uuid.UUID
	if scope == handlers.SessionInvoices {
		subscription = o.Object("metadata", handlers.Required).UUID("subscriptionUuid", handlers.Required)
	}
	if err := body.Err(); err != nil {
		return err
	}
	if _, err := handlers.Command(r, body, nil); err != nil { // nothing is written, so a key changes nothing; a bad one is told
		return err
	}
	c := handlers.CallerOf(r)
	if scope == handlers.SessionInvoices {
		if err := a.begin(w, r); err != nil {
			return err
		}
		_, err := sought(r.Context(), a, c.Ledger, func() (projections.Subscription, error) {
			return a.reads.Subscription(r.Context(), c.Ledger, subscription)
		})
		if err != nil {
			return err
		}
	}
	token, err := handlers.NewSession(checkout.Sealer(a.store), c, scope, subscription, a.now())
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusCreated, struct {
		SessionToken string `json:"sessionToken"`
	}{token})
}
