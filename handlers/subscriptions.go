package handlers

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/projections"
)

func (a *API) subscriptionRoutes() []Route {
	read, write := ScopeSubscriptionsRead, ScopeSubscriptionsWrite
	return []Route{
		{Method: "POST", Path: "/subscriptions", Scope: write, Serve: a.createSubscription},
		{Method: "GET", Path: "/subscriptions", Scope: read, Serve: a.listSubscriptions},
		{Method: "GET", Path: "/subscriptions/{uuid}", Scope: read, Serve: a.readSubscription},
		{Method: "POST", Path: "/subscriptions/{uuid}/quantity", Scope: write, Serve: a.changeQuantity},
		{Method: "POST", Path: "/subscriptions/{uuid}/change-plan", Scope: write, Serve: a.changePlan},
		{Method: "POST", Path: "/subscriptions/{uuid}/cancel", Scope: write, Serve: a.cancelSubscription},
		{Method: "POST", Path: "/subscriptions/{uuid}/reactivate", Scope: write, Serve: a.reactivateSubscription},
		{Method: "DELETE", Path: "/subscriptions/{uuid}/pending-change", Scope: write, Serve: a.dropPendingChange},
		{Method: "GET", Path: "/subscriptions/{uuid}/upcoming-invoice", Scope: read, Serve: a.upcomingInvoice},
		{Method: "POST", Path: "/subscriptions/{uuid}/activate", Scope: write, Serve: a.activateSubscription},
		{Method: "POST", Path: "/subscriptions/{uuid}/pause", Scope: write, Serve: a.pauseSubscription},
		{Method: "POST", Path: "/subscriptions/{uuid}/resume", Scope: write, Serve: a.resumeSubscription},
		{Method: "POST", Path: "/subscriptions/{uuid}/coupon", Scope: write, Serve: a.changeCoupon},
		{Method: "GET", Path: "/subscriptions/{uuid}/history", Scope: read, Serve: a.subscriptionHistory},
		{Method: "GET", Path: "/subscriptions/{uuid}/licenses", Scope: ScopeLicensesRead, Serve: a.subscriptionLicenses},
		{Method: "PUT", Path: "/providers/manual", Scope: write, Serve: a.configureManual},
	}
}

// createSubscription serves POST /subscriptions.
//
//	in   {planUuid, quantity?, currency?, startAt?, anchorAt?, trialEnd?, prorationMode?, timeZone?, owner?, granteeId?, email?, provider?, customerUuid?, coupon?}
//	out  201 subscription | 404 no_plan, no_customer, no_coupon | 409 plan_archived, coupon_… | 422
func (a *API) createSubscription(w http.ResponseWriter, r *http.Request) error {
	body, err := Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	c := subscription.Start{
		PlanID: o.UUID("planUuid", Required), Quantity: small(o, "quantity", Min(0), OrText), Currency: o.String("currency"),
		StartAt: Opt(o, "startAt", o.Time), AnchorAt: Opt(o, "anchorAt", o.Time), TrialEnd: Opt(o, "trialEnd", o.Time),
		ProrationMode: o.String("prorationMode"), Provider: o.String("provider"), TimeZone: o.String("timeZone"),
		Owner: o.String("owner"), Email: o.String("email"), Grantee: Opt(o, "granteeId", o.String, MaxBytes(255), Grantee),
	}
	customer, code := o.UUID("customerUuid"), o.String("coupon", Line, MaxBytes(domain.MaxName))
	o.Unknown()
	if err := body.Err(); err != nil {
		return err
	}
	if customer != uuid.Nil {
		c.CustomerID = &customer
	}
	if code != "" {
		coupon, err := a.couponOf(r.Context(), CallerOf(r).Ledger, code)
		if err != nil {
			return err
		}
		c.CouponID = &coupon
	}
	v, res, err := write[subscription.View](a, w, r, body, uuid.Nil, c)
	if err != nil {
		return err
	}
	return created(w, r, v.ID, v.Version, previewed(subscriptionOut(v, v.Position), res))
}

// listSubscriptions serves GET /subscriptions.
//
//	in   limit, cursor, planUuid, customerUuid, status
//	out  200 page of subscriptions, oldest first | 400 invalid_query
func (a *API) listSubscriptions(w http.ResponseWriter, r *http.Request) error {
	q, err := ReadQuery(r)
	if err != nil {
		return err
	}
	k := a.keyset(q, r)
	f := projections.SubscriptionFilter{PlanID: q.UUID("planUuid"), CustomerID: q.UUID("customerUuid"),
		Status: statusFilter(q, "status", []string{subscription.Active, subscription.Canceled, subscription.Paused, subscription.Trialing,
			subscription.Deleted, subscription.PastDue, subscription.Incomplete})}
	q.Strict()
	if err := q.Err(); err != nil {
		return err
	}
	if err := a.at(w, r); err != nil {
		return err
	}
	at := TimeIn(r.Context(), a.Now)
	rows, err := a.Reads.Subscriptions(r.Context(), CallerOf(r).Ledger, f, at, oneMore(k))
	if err != nil {
		return err
	}
	return listPage(a, w, r, k, rows, func(s projections.Subscription) uuid.UUID { return s.ID },
		func(s projections.Subscription) any { return subscriptionRow(s, at) })
}

// readSubscription serves GET /subscriptions/{uuid}.
//
//	out  200 subscription | 304 | 404 no_subscription
func (a *API) readSubscription(w http.ResponseWriter, r *http.Request) error {
	if err := noQuery(r); err != nil {
		return err
	}
	if err := a.at(w, r); err != nil {
		return err
	}
	row, err := a.Reads.Subscription(r.Context(), CallerOf(r).Ledger, PathUUID(r, "uuid"))
	if err != nil {
		return err
	}
	return entity(w, r, http.StatusOK, row.Version, subscriptionRow(row, TimeIn(r.Context(), a.Now)))
}

// prorations are the ways to account for a change in the middle of a period.
var prorations = []string{subscription.CreateProrations, subscription.NoProration, subscription.AlwaysInvoice}

// changeAt reads when a change happens.
func changeAt(o *Object) (when string, effectiveAt *time.Time) {
	return o.Enum("when", []string{subscription.Now, subscription.PeriodEnd}), Opt(o, "effectiveAt", o.Time)
}

// changeQuantity serves POST /subscriptions/{uuid}/quantity.
//
//	in   {quantity | increment | decrement, when?: now | periodEnd, effectiveAt?, proration?}
//	out  200 subscription | 404 no_subscription | 409 | 422
func (a *API) changeQuantity(w http.ResponseWriter, r *http.Request) error {
	body, err := Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	quantity := small(o, "quantity", OrText, Min(0))
	more, fewer := small(o, "increment", OrText, Min(1)), small(o, "decrement", OrText, Min(1))
	when, at := changeAt(o)
	proration := o.Enum("proration", prorations)
	given := 0
	for _, name := range []string{"quantity", "increment", "decrement"} {
		if !o.Get(name).Absent() {
			given++
		}
	}
	if given != 1 {
		o.Get("quantity").Bad(codeRequired, "want exactly one of quantity, increment, decrement")
	}
	o.Unknown()
	if err := body.Err(); err != nil {
		return err
	}
	id := PathUUID(r, "uuid")
	switch {
	case more != nil:
		return a.change(w, r, body, id, subscription.AddSeats{ID: id, Count: *more, Proration: proration, When: when, EffectiveAt: at})
	case fewer != nil:
		return a.change(w, r, body, id, subscription.RemoveSeats{ID: id, Count: *fewer, Proration: proration, When: when, EffectiveAt: at})
	}
	return a.change(w, r, body, id, subscription.SetQuantity{ID: id, Quantity: *quantity, Proration: proration, When: when, EffectiveAt: at})
}

// changePlan serves POST /subscriptions/{uuid}/change-plan.
//
//	in   {planUuid, quantity?, when?: now | periodEnd, effectiveAt?, proration?}
//	out  200 subscription | 404 no_subscription, no_plan | 409 | 422 other_product
func (a *API) changePlan(w http.ResponseWriter, r *http.Request) error {
	body, err := Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	id := PathUUID(r, "uuid")
	c := subscription.ChangePlan{ID: id, PlanID: o.UUID("planUuid", Required), Quantity: small(o, "quantity", OrText, Min(0)),
		Proration: o.Enum("proration", prorations)}
	c.When, c.EffectiveAt = changeAt(o)
	o.Unknown()
	if err := body.Err(); err != nil {
		return err
	}
	return a.change(w, r, body, id, c)
}

// cancelSubscription serves POST /subscriptions/{uuid}/cancel.
//
//	in   {when: now | periodEnd, effectiveAt?, credit?: prorate | none}; when is not needed beside effectiveAt
//	out  200 subscription, also when it has ended already | 404 no_subscription
func (a *API) cancelSubscription(w http.ResponseWriter, r *http.Request) error {
	body, err := Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	when, at := changeAt(o)
	if at == nil && o.Get("when").Absent() {
		o.Get("when").Bad(codeRequired, "want when or effectiveAt")
	}
	credit := o.Enum("credit", []string{"prorate", "none"})
	o.Unknown()
	if err := body.Err(); err != nil {
		return err
	}
	id := PathUUID(r, "uuid")
	return a.change(w, r, body, id, subscription.Cancel{ID: id, Now: when != subscription.PeriodEnd, Credit: credit, EffectiveAt: at})
}

// change executes a command that answers a task and answers the subscription; Event-Uuid names the task.
func (a *API) change(w http.ResponseWriter, r *http.Request, body *Body, id uuid.UUID, c domain.Command) error {
	v, res, err := write[subscription.TaskAnswer](a, w, r, body, id, c)
	if err != nil {
		return err
	}
	if v.TaskID != uuid.Nil {
		w.Header().Set("Event-Uuid", v.TaskID.String())
	}
	return a.changed(w, r, c, v.Subscription, res)
}

// changed answers a subscription after a command, and of a dry run what it would be billed.
func (a *API) changed(w http.ResponseWriter, r *http.Request, c domain.Command, v subscription.View, res eventstore.Result) error {
	own := v.Position
	if own == 0 { // nothing happened, or a version before this one answered
		events, err := a.Store.Stream(r.Context(), res.Ledger, v.ID, v.Version-1, 1)
		if err != nil {
			return err
		}
		if len(events) == 1 {
			own = events[0].Position
		}
	}
	if res.DryRun {
		var err error
		if res.Would, err = a.withUsage(r.Context(), res.Ledger, v.ID, c, res.Would); err != nil {
			return err
		}
	}
	return entity(w, r, http.StatusOK, v.Version, previewed(subscriptionOut(v, own), res))
}

// reactivateSubscription serves POST /subscriptions/{uuid}/reactivate: it undoes a scheduled end.
//
//	out  200 subscription | 404 no_subscription | 409 subscription_ended
func (a *API) reactivateSubscription(w http.ResponseWriter, r *http.Request) error {
	return a.simple(w, r, nil, func(id uuid.UUID) domain.Command { return subscription.Reactivate{ID: id} })
}

// dropPendingChange serves DELETE /subscriptions/{uuid}/pending-change: what waits for the end of the period is taken back.
//
//	out  200 subscription, also when nothing waits | 404 no_subscription | 409 subscription_ended
func (a *API) dropPendingChange(w http.ResponseWriter, r *http.Request) error {
	return a.simple(w, r, nil, func(id uuid.UUID) domain.Command { return subscription.DropScheduled{ID: id} })
}

// activateSubscription serves POST /subscriptions/{uuid}/activate: the seller says that an INCOMPLETE subscription is
// paid. Any other stays as it is.
//
//	out  200 subscription | 404 no_subscription
func (a *API) activateSubscription(w http.ResponseWriter, r *http.Request) error {
	return a.simple(w, r, nil, func(id uuid.UUID) domain.Command { return subscription.Activate{ID: id} })
}

// pauseSubscription serves POST /subscriptions/{uuid}/pause.
//
//	in   {credit?: prorate | extend | none, effectiveAt?}
//	out  200 subscription | 404 no_subscription | 409 subscription_ended
func (a *API) pauseSubscription(w http.ResponseWriter, r *http.Request) error {
	var c subscription.Pause
	read := func(o *Object) {
		c.Credit, c.EffectiveAt = o.Enum("credit", []string{"prorate", "extend", "none"}), Opt(o, "effectiveAt", o.Time)
	}
	return a.simple(w, r, read, func(id uuid.UUID) domain.Command {
		c.ID = id
		return c
	})
}

// resumeSubscription serves POST /subscriptions/{uuid}/resume.
//
//	in   {effectiveAt?}
//	out  200 subscription | 404 no_subscription | 409 subscription_ended
func (a *API) resumeSubscription(w http.ResponseWriter, r *http.Request) error {
	var at *time.Time
	return a.simple(w, r, func(o *Object) { at = Opt(o, "effectiveAt", o.Time) },
		func(id uuid.UUID) domain.Command { return subscription.Resume{ID: id, EffectiveAt: at} })
}

// simple executes a command that answers the subscription itself and needs no body.
func (a *API) simple(w http.ResponseWriter, r *http.Request, read func(*Object), command func(uuid.UUID) domain.Command) error {
	body, err := ReadOptional(r)
	if err != nil {
		return err
	}
	o := body.Object()
	if read != nil {
		read(o)
	}
	o.Unknown()
	if err := body.Err(); err != nil {
		return err
	}
	id := PathUUID(r, "uuid")
	c := command(id)
	v, res, err := write[subscription.View](a, w, r, body, id, c)
	if err != nil {
		return err
	}
	return a.changed(w, r, c, v, res)
}

// configureManual serves PUT /providers/manual, of test ledgers.
//
//	in   {outcome: succeeds | fails | failsThenSucceeds, failures?, delayMs?}
//	out  200 the same | 403 not_a_test_ledger
func (a *API) configureManual(w http.ResponseWriter, r *http.Request) error {
	body, err := Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	c := task.ConfigureManual{Outcome: o.Enum("outcome", []string{task.Succeeds, task.Fails, task.FailsThenSucceeds}, Required),
		Failures: int(o.Int("failures", Min(0), Max(1000))), DelayMs: int(o.Int("delayMs", Min(0), Max(3_600_000)))}
	o.Unknown()
	if err := body.Err(); err != nil {
		return err
	}
	v, _, err := write[task.ManualView](a, w, r, body, uuid.Nil, c)
	if err != nil {
		return err
	}
	return JSON(w, http.StatusOK, struct {
		Outcome  string `json:"outcome"`
		Failures int    `json:"failures"`
		DelayMs  int    `json:"delayMs"`
	}(v))
}
