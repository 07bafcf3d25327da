package subscription

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// View is a subscription at an instant, as commands answer it. Times are UTC.
type View struct {
	ID                uuid.UUID       `json:"id"`
	CustomerID        *uuid.UUID      `json:"customer_id,omitzero"`
	PlanID            uuid.UUID       `json:"plan_id"`
	PlanVersion       int             `json:"plan_version"`
	ProductID         uuid.UUID       `json:"product_id"`
	LicenseType       string          `json:"license_type"`
	Status            string          `json:"status"`
	Quantity          int             `json:"quantity"`
	Seats             int             `json:"seats"`      // licences that are not removed
	Assigned          int             `json:"assigned"`   // of these, with a grantee
	Unassigned        int             `json:"unassigned"` // of these, without
	Currency          string          `json:"currency,omitzero"`
	StartAt           time.Time       `json:"start_at"`
	AnchorAt          time.Time       `json:"anchor_at"`
	TimeZone          string          `json:"time_zone"`
	CurrentPeriod     *Period         `json:"current_period"` // null before the start and after the end
	ExpiryDate        time.Time       `json:"expiry_date"`    // the current period's end, or the end
	TrialEnd          *time.Time      `json:"trial_end,omitempty"`
	CancelAt          *time.Time      `json:"cancel_at,omitempty"`   // the end that is scheduled, or was
	CanceledAt        *time.Time      `json:"canceled_at,omitempty"` // the end that has come
	CancelAtPeriodEnd bool            `json:"cancel_at_period_end"`  // it ends, or has ended, as was scheduled
	PausedAt          *time.Time      `json:"paused_at,omitempty"`
	GraceUntil        *time.Time      `json:"grace_until,omitempty"` // a payment is missing: access ends there
	PendingChange     *PendingChange  `json:"pending_change,omitzero"`
	ProrationMode     string          `json:"proration_mode"`
	Provider          string          `json:"provider"` // none, manual
	Owner             domain.Personal `json:"owner,omitzero"`
	Email             domain.Personal `json:"email,omitzero"`
	Coupons           []Coupon        `json:"coupons,omitzero"`
	DueAt             *time.Time      `json:"due_at,omitempty"`  // when time alone changes it next; Advance then
	Version           int64           `json:"version"`           // of the stream
	Position          int64           `json:"position,omitzero"` // of its last event, where the command made it
	CreatedAt         time.Time       `json:"created_at"`
	UpdatedAt         time.Time       `json:"updated_at"`
}

// PendingChange is a change that is scheduled for a boundary.
type PendingChange struct {
	At       time.Time  `json:"at"`
	PlanID   *uuid.UUID `json:"plan_id,omitzero"`
	Quantity *int       `json:"quantity,omitzero"`
}

// View shows the subscription as it is at an instant: what is due by then counts, recorded or not.
func (s *State) View(now time.Time) View {
	f, _ := s.at(now, noLimit)
	v := View{
		ID: s.ID, CustomerID: copied(f.CustomerID), PlanID: f.Terms.PlanID, PlanVersion: f.Terms.PlanVersion,
		ProductID: f.Terms.ProductID, LicenseType: f.Terms.LicenseType, Status: f.Status, Quantity: f.Quantity,
		Seats: s.seats.active, Assigned: s.seats.assigned, Unassigned: s.seats.active - s.seats.assigned,
		Currency: f.Currency, StartAt: f.StartAt, AnchorAt: f.AnchorAt, TimeZone: f.TimeZone, ExpiryDate: f.Period.End,
		TrialEnd: copied(f.TrialEnd), CancelAt: copied(f.CancelAt), CanceledAt: copied(f.EndedAt),
		CancelAtPeriodEnd: f.CancelAt != nil && f.EndReason != "canceled", PausedAt: copied(f.PausedAt), GraceUntil: copied(f.GraceUntil),
		ProrationMode: f.ProrationMode, Provider: f.Provider, Owner: f.Owner, Email: f.Email, Coupons: slices.Clone(f.Coupons),
		Version: s.Version, CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt,
	}
	v.PendingChange = f.pending()
	if d, ok := s.next(); ok {
		v.DueAt = &d.at
	}
	switch {
	case f.EndedAt != nil:
		v.ExpiryDate, v.Seats, v.Assigned, v.Unassigned = *f.EndedAt, 0, 0, 0
	case f.CancelAt != nil:
		v.ExpiryDate = *f.CancelAt
	}
	if f.EndedAt == nil && !now.Before(f.StartAt) {
		p := f.Period
		v.CurrentPeriod = &p
	}
	return v
}

// copied keeps an answer free of the state's own memory.
func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
