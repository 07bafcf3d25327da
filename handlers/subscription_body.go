package handlers

import (
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/projections"
)

// subscriptionBody is a subscription on the wire.
type subscriptionBody struct {
	UUID          uuid.UUID            `json:"uuid"`
	CustomerUUID  *uuid.UUID           `json:"customerUuid"`
	PlanUUID      uuid.UUID            `json:"planUuid"`
	PlanVersion   int                  `json:"planVersion"`
	ProductUUID   uuid.UUID            `json:"productUuid"`
	Status        string               `json:"status"` // Salable's enum, at the instant of the answer
	Quantity      int                  `json:"quantity"`
	Currency      *string              `json:"currency"`
	StartAt       time.Time            `json:"startAt"`
	AnchorAt      time.Time            `json:"anchorAt"`
	TimeZone      string               `json:"timeZone"`
	CurrentPeriod *subscription.Period `json:"currentPeriod"` // null before the start and after the end
	TrialEnd      *time.Time           `json:"trialEnd"`
	CancelAt      *time.Time           `json:"cancelAt"`   // the end that is scheduled, or was
	CanceledAt    *time.Time           `json:"canceledAt"` // the end that has come
	PausedAt      *time.Time           `json:"pausedAt"`
	GraceUntil    *time.Time           `json:"graceUntil,omitempty"` // a payment is missing: access ends there
	PendingChange *pendingChange       `json:"pendingChange"`
	ProrationMode string               `json:"prorationMode"`
	Provider      string               `json:"provider"`
	Owner         *string              `json:"owner"`
	Email         *string              `json:"email"`
	Coupons       []appliedCoupon      `json:"coupons"`  // in order of their being applied
	Version       int64                `json:"version"`  // of the stream; the ETag
	Position      int64                `json:"position"` // of its last event
	CreatedAt     time.Time            `json:"createdAt"`
	UpdatedAt     time.Time            `json:"updatedAt"`
	Preview       *previewBody         `json:"preview,omitempty"` // of a dry run
}

type pendingChange struct {
	At       time.Time  `json:"at"`
	PlanUUID *uuid.UUID `json:"planUuid,omitzero"`
	Quantity *int       `json:"quantity,omitzero"`
}

func subscriptionOut(v subscription.View, position int64) subscriptionBody {
	out := subscriptionBody{
		UUID: v.ID, CustomerUUID: v.CustomerID, PlanUUID: v.PlanID, PlanVersion: v.PlanVersion, ProductUUID: v.ProductID, Status: v.Status,
		Quantity: v.Quantity, Currency: textOrNull(v.Currency), StartAt: v.StartAt, AnchorAt: v.AnchorAt, TimeZone: v.TimeZone,
		CurrentPeriod: v.CurrentPeriod, TrialEnd: v.TrialEnd, CancelAt: v.CancelAt, CanceledAt: v.CanceledAt, PausedAt: v.PausedAt, GraceUntil: v.GraceUntil,
		ProrationMode: v.ProrationMode, Provider: v.Provider, Owner: textOrNull(v.Owner.Text), Email: textOrNull(v.Email.Text),
		Coupons: appliedCoupons(v.Coupons), Version: v.Version, Position: position, CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt,
	}
	if p := v.PendingChange; p != nil {
		out.PendingChange = &pendingChange{p.At, p.PlanID, p.Quantity}
	}
	return out
}

// subscriptionRow shows a row as View shows the fold, at an instant.
func subscriptionRow(s projections.Subscription, at time.Time) subscriptionBody {
	s = *s.At(at)
	out := subscriptionBody{
		UUID: s.ID, CustomerUUID: s.CustomerID, PlanUUID: s.PlanID, PlanVersion: s.Terms.PlanVersion, ProductUUID: s.ProductID,
		Status: s.StatusAt(at), Quantity: s.Quantity, Currency: textOrNull(s.Currency), StartAt: s.StartAt, AnchorAt: s.AnchorAt,
		TimeZone: s.TimeZone, TrialEnd: s.TrialEnd, CancelAt: s.CancelAt, CanceledAt: s.EndedAt, PausedAt: s.PausedAt, GraceUntil: s.GraceUntil,
		ProrationMode: s.ProrationMode, Provider: s.Provider, Owner: s.Owner, Email: s.Email,
		Coupons: appliedCoupons(s.Coupons), Version: s.Version, Position: s.Position, CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt,
	}
	if s.EndedAt == nil && out.Status == subscription.Canceled {
		out.CanceledAt = s.CancelAt
	}
	if out.CanceledAt == nil && !at.Before(s.StartAt) {
		p := s.PeriodAt(at)
		out.CurrentPeriod = &p
	}
	if p := s.PendingChange; p != nil && out.CanceledAt == nil && (at.Before(s.PeriodEnd) || s.PausedAt != nil) {
		out.PendingChange = &pendingChange{s.PeriodEnd, p.PlanID, p.Quantity}
	}
	return out
}

func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
