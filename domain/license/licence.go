package license

import (
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/mutant"
)

// Ref says which licence, and in which stream it lives: its own, or that of its subscription.
type Ref struct {
	LicenseID      uuid.UUID
	SubscriptionID *uuid.UUID
}

// found is a licence of either kind; one of adHoc and sub is set.
type found struct {
	id    uuid.UUID
	adHoc *State
	sub   *subscription.State
	seat  subscription.SeatState
}

// find loads a licence. NotFound: no_license, whatever is missing.
func (r Ref) find(l domain.Ledger) (found, error) {
	if r.SubscriptionID == nil {
		s, err := domain.LoadAs[*State](l, r.LicenseID, "no_license")
		return found{id: r.LicenseID, adHoc: s}, err
	}
	sub, err := domain.LoadAs[*subscription.State](l, *r.SubscriptionID, "no_license")
	if err != nil {
		return found{}, err
	}
	seat, ok := sub.Seat(r.LicenseID)
	if !ok {
		return found{}, domain.Refuse(domain.NotFound, "no_license", "%s is not known here", r.LicenseID)
	}
	return found{id: r.LicenseID, sub: sub, seat: seat}, nil
}

// stream is where the licence's events go.
func (f found) stream() uuid.UUID {
	if f.adHoc != nil {
		return f.id
	}
	return f.sub.ID
}

func (f found) grantee() domain.Personal {
	if f.adHoc != nil {
		return f.adHoc.Grantee
	}
	return f.seat.Grantee
}

func (f found) view(now time.Time) View {
	if f.adHoc != nil {
		return f.adHoc.View(now)
	}
	return SeatView(f.sub, f.seat, now)
}

// alive refuses what has ended by now (rule L3).
func (f found) alive(now time.Time) error {
	switch v := f.view(now); {
	case v.Status == Canceled || !now.Before(v.EndTime) && f.adHoc != nil:
		return &domain.Error{Kind: domain.Conflict, Code: "license_ended", State: v.Status,
			Detail: "the licence ended at " + v.EndTime.Format(time.RFC3339)}
	}
	return nil
}

func show(l domain.Ledger, r Ref) (View, error) {
	f, err := r.find(l)
	if err != nil {
		return View{}, err
	}
	return f.view(l.Now()), nil
}

// SeatView shows a subscription's seat as it is at an instant.
func SeatView(sub *subscription.State, seat subscription.SeatState, now time.Time) View {
	of := sub.View(now)
	id := sub.ID
	v := View{
		ID: seat.ID, ProductID: seat.Terms.ProductID, PlanID: seat.Terms.PlanID, PlanVersion: seat.Terms.PlanVersion, SubscriptionID: &id,
		Type: seat.Terms.LicenseType, PaymentService: Salable, Grantee: seat.Grantee, Purchaser: of.Owner, Email: of.Email,
		Capabilities: append([]catalog.CapabilityRef{}, seat.Terms.Capabilities...), StartTime: seat.StartTime, EndTime: of.ExpiryDate,
		CancelAtPeriodEnd: of.CancelAtPeriodEnd, Version: of.Version, CreatedAt: seat.StartTime, UpdatedAt: seat.UpdatedAt,
	}
	if g := of.GraceUntil; g != nil && g.Before(v.EndTime) {
		v.EndTime = *g
	}
	switch {
	case !seat.RemovedAt.IsZero():
		v.Status, v.EndTime, v.CancelAtPeriodEnd = Canceled, seat.RemovedAt, false
	case of.Status == subscription.Canceled && mutant.Active != mutant.SeatOutlivesEnd:
		v.Status = Canceled
	case of.Status == subscription.Paused || of.Status == subscription.Incomplete || sub.CutOff(now):
		v.Status = Inactive // also before its start, which would give no access
	case now.Before(seat.StartTime) || now.Before(of.StartAt): // a seat may be older than the start
		v.Status = Scheduled
	case of.Status == subscription.Trialing:
		v.Status = Trialing
	case of.Status == subscription.Active || of.Status == subscription.PastDue:
		v.Status = Active
	default:
		v.Status = Inactive
	}
	return v
}
