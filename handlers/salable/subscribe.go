package salable

import (
	"net/http"

	"github.com/subledger/subledger/domain"
	coresubscription "github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/handlers"
)

// createSubscription serves POST /subscriptions: one that nobody has to check out. The first seat is the
// grantee's. Its first period ends on expiryDate, else with the plan's interval or trial.
//
//	in   {planUuid, owner, granteeId?, expiryDate?, cancelAtPeriodEnd?, quantity?, status?: ACTIVE | TRIALING}
//	out  201 Subscription | 400 | 404
func (a *API) createSubscription(w http.ResponseWriter, r *http.Request) error {
	body, err := handlers.Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	c := coresubscription.Start{
		PlanID: o.UUID("planUuid", handlers.Required), Owner: o.String("owner", handlers.Required, handlers.Line, handlers.MaxBytes(domain.MaxName)),
		ExpiryDate: handlers.Opt(o, "expiryDate", o.Time), CancelAtPeriodEnd: o.Bool("cancelAtPeriodEnd"),
		Status: o.Enum("status", []string{coresubscription.Active, coresubscription.Trialing}),
	}
	if grantee := o.Get("granteeId"); !grantee.Absent() {
		id := grantee.String(handlers.Required, handlers.Grantee)
		c.Grantee = &id
	}
	if quantity := o.Get("quantity"); !quantity.Absent() {
		n := int(quantity.Int(handlers.Amount, handlers.Min(0), handlers.Max(coresubscription.MaxSeatsPerCommand)))
		c.Quantity = &n
	}
	if err := body.Err(); err != nil {
		return err
	}
	res, err := a.execute(w, r, body, c)
	if err != nil {
		return err
	}
	return a.writeSubscription(w, r, http.StatusCreated, res)
}

// updateSubscription serves PUT /subscriptions/{subscriptionUuid}: another owner.
//
//	in   {owner}
//	out  200 Subscription | 400 | 404
func (a *API) updateSubscription(w http.ResponseWriter, r *http.Request) error {
	body, err := handlers.Read(r)
	if err != nil {
		return err
	}
	owner := body.Object().String("owner", handlers.Required, handlers.Line, handlers.MaxBytes(domain.MaxName))
	if err := body.Err(); err != nil {
		return err
	}
	res, err := a.execute(w, r, body, coresubscription.ChangeOwner{ID: handlers.PathUUID(r, "subscriptionUuid"), Owner: owner})
	if err != nil {
		return err
	}
	return a.writeSubscription(w, r, http.StatusOK, res)
}

func (a *API) writeSubscription(w http.ResponseWriter, r *http.Request, status int, res eventstore.Result) error {
	var v coresubscription.View
	if err := handlers.Answer(res, &v); err != nil {
		return err
	}
	return handlers.JSON(w, status, fromSubscriptionView(handlers.CallerOf(r), v))
}
