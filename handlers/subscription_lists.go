package handlers

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/projections"
)

// subscriptionHistory serves GET /subscriptions/{uuid}/history: its events, oldest first.
//
//	in   limit, cursor
//	out  200 page of events | 404 no_subscription
func (a *API) subscriptionHistory(w http.ResponseWriter, r *http.Request) error {
	after, limit, err := a.partOf(w, r)
	if err != nil {
		return err
	}
	id, ledger := PathUUID(r, "uuid"), CallerOf(r).Ledger
	if _, err := a.Reads.Subscription(r.Context(), ledger, id); err != nil {
		return err
	}
	events, err := a.Store.Stream(r.Context(), ledger, id, after, limit+1)
	if err != nil {
		return err
	}
	var next any
	if len(events) > limit {
		events = events[:limit]
		next = events[limit-1].Version
	}
	return a.eventPage(w, r, events, next)
}

// license is a licence on the wire.
type license struct {
	UUID             uuid.UUID       `json:"uuid"`
	SubscriptionUUID *uuid.UUID      `json:"subscriptionUuid"` // null: ad hoc
	ProductUUID      uuid.UUID       `json:"productUuid"`
	PlanUUID         uuid.UUID       `json:"planUuid"`
	PlanVersion      int             `json:"planVersion"`
	Type             string          `json:"type"`
	GranteeID        *string         `json:"granteeId"`
	Purchaser        *string         `json:"purchaser"`
	Status           string          `json:"status"`
	StartTime        time.Time       `json:"startTime"`
	EndTime          time.Time       `json:"endTime"`
	Capabilities     []capabilityRef `json:"capabilities"`
	Position         int64           `json:"position"`
	CreatedAt        time.Time       `json:"createdAt"`
	UpdatedAt        time.Time       `json:"updatedAt"`
}

type capabilityRef struct {
	UUID uuid.UUID `json:"uuid"`
	Name string    `json:"name"`
}

func licenseOut(l projections.License) any {
	return license{l.ID, l.SubscriptionID, l.ProductID, l.PlanID, l.PlanVersion, l.Type, l.GranteeID, l.Purchaser, l.Status, l.StartTime,
		l.EndTime, each(l.Capabilities, func(c catalog.CapabilityRef) capabilityRef { return capabilityRef{c.ID, c.Name} }), l.Position, l.CreatedAt, l.UpdatedAt}
}

// subscriptionLicenses serves GET /subscriptions/{uuid}/licenses: its seats, removed ones too.
//
//	in   limit, cursor, status, assigned
//	out  200 page of licences | 404 no_subscription
func (a *API) subscriptionLicenses(w http.ResponseWriter, r *http.Request) error {
	q, err := ReadQuery(r)
	if err != nil {
		return err
	}
	k := a.keyset(q, r)
	f := projections.LicenseFilter{SubscriptionID: PathUUID(r, "uuid"), Assigned: Opt(q.Object, "assigned", q.Bool),
		Status: statusFilter(q, "status", []string{"ACTIVE", "CANCELED", "EVALUATION", "SCHEDULED", "TRIALING", "INACTIVE"})}
	q.Strict()
	if err := q.Err(); err != nil {
		return err
	}
	if err := a.at(w, r); err != nil {
		return err
	}
	ledger, at := CallerOf(r).Ledger, TimeIn(r.Context(), a.Now)
	if _, err := a.Reads.Subscription(r.Context(), ledger, f.SubscriptionID); err != nil {
		return err
	}
	rows, err := a.Reads.Licenses(r.Context(), ledger, f, at, oneMore(k))
	if err != nil {
		return err
	}
	return listPage(a, w, r, k, rows, func(l projections.License) uuid.UUID { return l.ID }, licenseOut)
}
