package salable

import (
	"math"
	"net/http"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	coresubscription "github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

func (a *API) subscriptionRoutes() []route {
	subscriptions, change, billing := handlers.ScopeSubscriptionsRead, handlers.ScopeSubscriptionsWrite, handlers.ScopeBillingRead
	return []route{
		{handlers.Route{Method: "GET", Path: "/subscriptions", Scope: subscriptions, Serve: a.listSubscriptions}, sinceV2},
		{handlers.Route{Method: "POST", Path: "/subscriptions", Scope: change, Serve: a.createSubscription}, sinceV2},
		{handlers.Route{Method: "PUT", Path: "/subscriptions", Scope: change, Serve: a.changePlanOldest}, untilV2},
		{handlers.Route{Method: "GET", Path: "/subscriptions/{subscriptionUuid}", Scope: subscriptions, Serve: a.readSubscription}, always},
		{handlers.Route{Method: "PUT", Path: "/subscriptions/{subscriptionUuid}", Scope: change, Serve: a.updateSubscription}, sinceV2},
		{handlers.Route{Method: "PUT", Path: "/subscriptions/{subscriptionUuid}/change-plan", Scope: change, Serve: a.changePlan}, always},
		{handlers.Route{Method: "PUT", Path: "/subscriptions/{subscriptionUuid}/updateplan/{planUuid}", Scope: change, Serve: a.changePlanByPath}, untilV2},
		{handlers.Route{Method: "GET", Path: "/subscriptions/{subscriptionUuid}/updateplan/listplans", Scope: subscriptions, Serve: a.switchablePlans}, untilV2},
		{handlers.Route{Method: "GET", Path: "/subscriptions/{subscriptionUuid}/invoices", Scope: billing, Session: handlers.SessionInvoices, Serve: a.listInvoices}, always},
		{handlers.Route{Method: "GET", Path: "/subscriptions/{subscriptionUuid}/payment-method", Scope: billing, Serve: a.readPaymentMethod}, always},
		{handlers.Route{Method: "PUT", Path: "/subscriptions/{subscriptionUuid}/cancel", Scope: change, Serve: a.cancelSubscription}, always},
		{handlers.Route{Method: "PUT", Path: "/subscriptions/{subscriptionUuid}/reactivate", Scope: change, Serve: a.reactivateSubscription}, always},
		{handlers.Route{Method: "POST", Path: "/subscriptions/{subscriptionUuid}/seats", Scope: change, Serve: a.addSeats}, always},
		{handlers.Route{Method: "PUT", Path: "/subscriptions/{subscriptionUuid}/seats", Scope: change, Serve: a.removeSeats}, untilV2},
		{handlers.Route{Method: "GET", Path: "/subscriptions/{subscriptionUuid}/seats", Scope: subscriptions, Serve: a.listSeats}, sinceV2},
		{handlers.Route{Method: "GET", Path: "/subscriptions/{subscriptionUuid}/seats/count", Scope: subscriptions, Serve: a.countSeats}, sinceV2},
		{handlers.Route{Method: "PUT", Path: "/subscriptions/{subscriptionUuid}/manage-seats", Scope: change, Serve: a.manageSeats}, sinceV2},
		{handlers.Route{Method: "POST", Path: "/subscriptions/{subscriptionUuid}/coupons", Scope: change, Serve: a.addCoupon}, sinceV2},
		{handlers.Route{Method: "PUT", Path: "/subscriptions/{subscriptionUuid}/coupons", Scope: change, Serve: a.removeCoupon}, sinceV2},
	}
}

// subscription is Salable's Subscription.
type subscription struct {
	UUID                  uuid.UUID            `json:"uuid"`
	ProductUUID           uuid.UUID            `json:"productUuid"`
	PlanUUID              uuid.UUID            `json:"planUuid"`
	Organisation          uuid.UUID            `json:"organisation"`
	PaymentSubscriptionID string               `json:"paymentIntegrationSubscriptionId"`
	Type                  string               `json:"type"` // none, salable
	Quantity              int                  `json:"quantity"`
	Email                 *string              `json:"email"`
	ExpiryDate            instant              `json:"expiryDate"` // the running period's end, or the end
	LineItemIDs           *[]string            `json:"lineItemIds"`
	Status                string               `json:"status"`
	CreatedAt             instant              `json:"createdAt"`
	UpdatedAt             instant              `json:"updatedAt"`
	IsTest                bool                 `json:"isTest"`
	CancelAtPeriodEnd     bool                 `json:"cancelAtPeriodEnd"`
	Owner                 *string              `json:"owner"`
	Product               relation[*product]   `json:"product,omitzero"`
	Plan                  relation[*plan]      `json:"plan,omitzero"`
	Customer              relation[*struct{}]  `json:"customer,omitzero"` // the payment provider's: none
	Licenses              relation[[]*license] `json:"licenses,omitzero"`
}

// readSubscription serves GET /subscriptions/{subscriptionUuid}.
//
//	in   expand
//	out  200 Subscription | 400 | 404
func (a *API) readSubscription(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	e := readExpand(q, subscriptionExpandable)
	if err := q.Err(); err != nil {
		return err
	}
	row, err := a.findSubscription(w, r)
	if err != nil {
		return err
	}
	out := fromSubscription(handlers.CallerOf(r), row, a.clock(r.Context()))
	if err := a.related(r).subscriptions([]*subscription{out}, e); err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, out)
}

// findSubscription finds the subscription of the path.
func (a *API) findSubscription(w http.ResponseWriter, r *http.Request) (projections.Subscription, error) {
	if err := a.begin(w, r); err != nil {
		return projections.Subscription{}, err
	}
	ledger, id := handlers.CallerOf(r).Ledger, handlers.PathUUID(r, "subscriptionUuid")
	return sought(r.Context(), a, ledger, func() (projections.Subscription, error) {
		return a.reads.Subscription(r.Context(), ledger, id)
	})
}

// prorations are the ways to account for a change in the middle of a period.
var prorations = []string{coresubscription.CreateProrations, coresubscription.NoProration, coresubscription.AlwaysInvoice}

// changePlan serves PUT /subscriptions/{subscriptionUuid}/change-plan.
//
//	in   {planUuid, proration?, quantity?}
//	out  204 | 400 | 404
func (a *API) changePlan(w http.ResponseWriter, r *http.Request) error {
	body, err := handlers.Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	c := coresubscription.ChangePlan{ID: handlers.PathUUID(r, "subscriptionUuid"), PlanID: o.UUID("planUuid", handlers.Required),
		Proration: o.Enum("proration", prorations)}
	if n := handlers.Opt(o, "quantity", o.Int, handlers.Min(0), handlers.Max(math.MaxInt32)); n != nil {
		quantity := int(*n)
		c.Quantity = &quantity
	}
	if err := body.Err(); err != nil {
		return err
	}
	return a.change(w, r, body, c)
}

// change executes a command that answers a task. The answer has no body: Event-Uuid names the event to poll, and is
// absent when nothing had to change.
func (a *API) change(w http.ResponseWriter, r *http.Request, body *handlers.Body, c domain.Command, query ...string) error {
	res, err := a.execute(w, r, body, c, query...)
	if err != nil {
		return err
	}
	var v coresubscription.TaskAnswer
	if err := handlers.Answer(res, &v); err != nil {
		return err
	}
	if v.TaskID != uuid.Nil {
		w.Header().Set("Event-Uuid", v.TaskID.String())
	}
	return noContent(w)
}

// changePlanByPath serves PUT /subscriptions/{subscriptionUuid}/updateplan/{planUuid}: SDK 3's form.
//
//	out  204 | 400 | 404
func (a *API) changePlanByPath(w http.ResponseWriter, r *http.Request) error {
	c := coresubscription.ChangePlan{ID: handlers.PathUUID(r, "subscriptionUuid"), PlanID: handlers.PathUUID(r, "planUuid")}
	return a.change(w, r, nil, c)
}

// changePlanOldest serves PUT /subscriptions: the form of SDK 1 and 2.
//
//	in   {newPlanId, subscriptionId}
//	out  204 | 400 | 404
func (a *API) changePlanOldest(w http.ResponseWriter, r *http.Request) error {
	body, err := handlers.Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	c := coresubscription.ChangePlan{ID: o.UUID("subscriptionId", handlers.Required), PlanID: o.UUID("newPlanId", handlers.Required)}
	if err := body.Err(); err != nil {
		return err
	}
	return renamed(a.change(w, r, body, c), map[string]string{"/planUuid": "/newPlanId"})
}

// cancelSubscription serves PUT /subscriptions/{subscriptionUuid}/cancel; one that has ended stays so. What was asked for
// days that are not used any more is credited (account's rule B10).
//
//	in   when: now | end (default)
//	out  204 | 400 | 404
func (a *API) cancelSubscription(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	when := q.Enum("when", []string{"now", "end"})
	if err := q.Err(); err != nil {
		return err
	}
	c := coresubscription.Cancel{ID: handlers.PathUUID(r, "subscriptionUuid"), Now: when == "now"}
	if c.Now {
		c.Credit = account.Prorate
	}
	return a.change(w, r, nil, c, "when="+when)
}

// reactivateSubscription serves PUT /subscriptions/{subscriptionUuid}/reactivate: it undoes a scheduled
// cancellation.
//
//	out  204 | 400 without one, and after the end | 404
func (a *API) reactivateSubscription(w http.ResponseWriter, r *http.Request) error {
	c := coresubscription.Reactivate{ID: handlers.PathUUID(r, "subscriptionUuid")}
	if _, err := a.execute(w, r, nil, c); err != nil {
		return err
	}
	return noContent(w)
}
