package salable

import (
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	coresubscription "github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/handlers/checkout"
	"github.com/subledger/subledger/projections"
)

// subscriptions gives subscriptions their relations.
func (x related) subscriptions(out []*subscription, e expansion) error {
	if e.has("product") {
		products, err := x.productsByID(each(out, func(s *subscription) uuid.UUID { return s.ProductUUID }), e.in("product"))
		if err != nil {
			return err
		}
		for _, s := range out {
			s.Product = expanded(products[s.ProductUUID])
		}
	}
	if e.has("plan") {
		plans, err := x.plansByID(each(out, func(s *subscription) uuid.UUID { return s.PlanUUID }), e.in("plan"))
		if err != nil {
			return err
		}
		for _, s := range out {
			s.Plan = expanded(plans[s.PlanUUID])
		}
	}
	if e.has("customer") {
		for _, s := range out {
			s.Customer = expanded[*struct{}](nil)
		}
	}
	if e.has("licenses") {
		return x.licensesOf(out)
	}
	return nil
}

// mostExpanded bounds the licences that one answer nests below subscriptions: there may be 100,000 seats to each.
const mostExpanded = 10_000

// licensesOf nests all licences of subscriptions, removed ones too. It refuses with too_many_licenses.
func (x related) licensesOf(out []*subscription) error {
	of := projections.LicenseFilter{SubscriptionIDs: each(out, func(s *subscription) uuid.UUID { return s.UUID })}
	at, found := x.clock(x.ctx), map[uuid.UUID][]*license{}
	for k, n := (projections.Keyset{Limit: part}), 0; len(out) > 0; {
		rows, err := x.reads.Licenses(x.ctx, x.caller.Ledger, of, at, k)
		if err != nil {
			return err
		}
		if n += len(rows); n > mostExpanded {
			return &domain.Error{Kind: domain.Malformed, Code: "too_many_licenses", Fields: []domain.Field{{Pointer: "expand", Code: "too_many_licenses",
				Detail: "there are more than 10,000 licences to show; list them by GET /licenses or the subscription's seats"}}}
		}
		for _, row := range rows {
			found[*row.SubscriptionID] = append(found[*row.SubscriptionID], fromLicense(x.caller, row))
		}
		if len(rows) < part {
			break
		}
		k.After = rows[len(rows)-1].ID
	}
	for _, s := range out {
		s.Licenses = expanded(found[s.UUID])
	}
	return nil
}

// cancellation is the link to a subscription's cancellation; nil when it has ended or is about to.
func (x related) cancellation(row projections.Subscription, at time.Time) (*string, error) {
	if status := row.StatusAt(at); row.CancelAt != nil || status == coresubscription.Canceled || status == coresubscription.Deleted {
		return nil, nil
	}
	link, err := x.links.Subscription(x.base, checkout.Cancel, x.caller.Ledger, row.ID, x.caller.Test(), x.now().Add(linkTime))
	return &link, err
}

// licenses gives licences their relations.
func (x related) licenses(out []*license, e expansion) error {
	if scope := handlers.ScopeSubscriptionsWrite; e.has("cancelLink") && !x.caller.May(scope) { // whoever has the link can cancel
		return domain.Refuse(domain.Forbidden, "missing_scope", "the key lacks the scope %s", scope)
	}
	if e.has("subscription") || e.has("cancelLink") {
		var ids []uuid.UUID
		for _, l := range out {
			if l.SubscriptionUUID != nil {
				ids = append(ids, *l.SubscriptionUUID)
			}
		}
		at := x.clock(x.ctx)
		subscriptions, err := byID(ids, func(ids []uuid.UUID) ([]projections.Subscription, error) {
			return x.reads.Subscriptions(x.ctx, x.caller.Ledger, projections.SubscriptionFilter{IDs: ids}, at, projections.Keyset{Limit: part})
		}, func(s projections.Subscription) uuid.UUID { return s.ID })
		if err != nil {
			return err
		}
		links := map[uuid.UUID]*string{}
		for id, row := range subscriptions {
			if e.has("cancelLink") {
				if links[id], err = x.cancellation(row, at); err != nil {
					return err
				}
			}
		}
		for _, l := range out {
			var of *subscription
			var link *string
			if l.SubscriptionUUID != nil {
				if row, ok := subscriptions[*l.SubscriptionUUID]; ok {
					of, link = fromSubscription(x.caller, row, at), links[row.ID]
				}
			}
			if e.has("subscription") {
				l.Subscription = expanded(of)
			}
			if e.has("cancelLink") {
				l.CancelLink = expanded(link)
			}
		}
	}
	if e.has("plan") {
		plans, err := x.plansByID(each(out, func(l *license) uuid.UUID { return l.PlanUUID }), e.in("plan"))
		if err != nil {
			return err
		}
		for _, l := range out {
			l.Plan = expanded(plans[l.PlanUUID])
		}
	}
	if e.has("product") {
		products, err := x.productsByID(each(out, func(l *license) uuid.UUID { return l.ProductUUID }), e.in("product"))
		if err != nil {
			return err
		}
		for _, l := range out {
			l.Product = expanded(products[l.ProductUUID])
		}
	}
	return nil
}
