package license

import (
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
)

// State is the fold of an ad hoc licence's stream. Times are UTC.
type State struct {
	domain.Record
	Terms             catalog.PlanTerms
	Status            string // as granted, CANCELED or INACTIVE once the end is recorded
	Grantee           domain.Personal
	Purchaser         domain.Personal
	Email             domain.Personal
	StartTime         time.Time
	EndTime           time.Time
	CancelAtPeriodEnd bool
	EndedAt           *time.Time
}

// Apply implements domain.State.
func (s *State) Apply(e domain.Event) {
	switch e := e.(type) {
	case Granted:
		s.Terms, s.Status, s.Grantee, s.Purchaser, s.Email = e.Terms, e.Status, e.Grantee, e.Purchaser, e.Email
		s.StartTime, s.EndTime, s.CancelAtPeriodEnd = e.StartTime, e.EndTime, e.CancelAtPeriodEnd
	case Assigned:
		s.Grantee = e.Grantee
	case Ended:
		s.EndedAt = &e.At
		if s.Status = Canceled; e.Reason == "expired" {
			s.Status = s.expired()
		}
	}
}

// expired is the status after the end by time: what was to be cancelled then is.
func (s *State) expired() string {
	if s.CancelAtPeriodEnd {
		return Canceled
	}
	return Inactive
}

// AccessUntil tells whether the licence gives access at an instant and, if so, until when (rule L2).
func (s *State) AccessUntil(now time.Time) (until time.Time, ok bool) {
	until = s.EndTime
	if s.EndedAt != nil && s.EndedAt.Before(until) {
		until = *s.EndedAt
	}
	return until, !now.Before(s.StartTime) && now.Before(until)
}

// StatusAt is the status at an instant: an end that nobody has recorded yet counts (rule L2).
func (s *State) StatusAt(now time.Time) string {
	switch {
	case s.EndedAt != nil:
		return s.Status
	case !now.Before(s.EndTime):
		return s.expired()
	}
	return s.Status
}

// View shows the licence as it is at an instant.
func (s *State) View(now time.Time) View {
	v := View{
		ID: s.ID, ProductID: s.Terms.ProductID, PlanID: s.Terms.PlanID, PlanVersion: s.Terms.PlanVersion, Type: s.Terms.LicenseType,
		PaymentService: AdHoc, Status: s.StatusAt(now), Grantee: s.Grantee, Purchaser: s.Purchaser, Email: s.Email,
		Capabilities: append([]catalog.CapabilityRef{}, s.Terms.Capabilities...), StartTime: s.StartTime, EndTime: s.EndTime,
		CancelAtPeriodEnd: s.CancelAtPeriodEnd, Version: s.Version, CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt,
	}
	if s.EndedAt != nil {
		v.EndTime = *s.EndedAt
	}
	return v
}

// Payment services of licences, in Salable's words.
const (
	AdHoc   = "ad-hoc"  // no subscription pays
	Salable = "salable" // a subscription's seat
)

// View is a licence at an instant, ad hoc or a subscription's seat, as commands answer it. Times are UTC.
type View struct {
	ID                uuid.UUID               `json:"id"`
	ProductID         uuid.UUID               `json:"product_id"`
	PlanID            uuid.UUID               `json:"plan_id"`
	PlanVersion       int                     `json:"plan_version"`
	SubscriptionID    *uuid.UUID              `json:"subscription_id,omitzero"`
	Type              string                  `json:"type"` // the plan's licence type
	PaymentService    string                  `json:"payment_service"`
	Status            string                  `json:"status"`
	Grantee           domain.Personal         `json:"grantee,omitzero"`   // zero: unassigned
	Purchaser         domain.Personal         `json:"purchaser,omitzero"` // of a seat: the subscription's owner
	Email             domain.Personal         `json:"email,omitzero"`
	Capabilities      []catalog.CapabilityRef `json:"capabilities"`
	StartTime         time.Time               `json:"start_time"`
	EndTime           time.Time               `json:"end_time"`
	CancelAtPeriodEnd bool                    `json:"cancel_at_period_end"`
	Version           int64                   `json:"version"` // of the stream: a seat has its subscription's
	CreatedAt         time.Time               `json:"created_at"`
	UpdatedAt         time.Time               `json:"updated_at"`
}
