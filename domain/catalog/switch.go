package catalog

import (
	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// PlanComingSoon is the plan type of what is announced and not sold yet.
const PlanComingSoon = "Coming soon"

// OnSale is why nobody can buy a plan, itself or its product being archived or not; nil when somebody can.
//
// Conflict: plan_archived.
func (f *PlanFields) OnSale(archived, productArchived bool) error {
	if archived || productArchived || !f.Active {
		return &domain.Error{Kind: domain.Conflict, Code: "plan_archived", State: Deprecated, Detail: "this plan is not sold any more"}
	}
	return nil
}

// Switch is why a subscription of a product cannot move to a plan; nil when it can. A private plan is sold
// by agreement: whoever holds a key may move a subscription to it, but it is not offered (Offered).
//
// Invalid at /planUuid: other_product. Conflict: plan_archived, plan_coming_soon.
func (f *PlanFields) Switch(product uuid.UUID, archived bool) error {
	switch {
	case archived || !f.Active:
		return &domain.Error{Kind: domain.Conflict, Code: "plan_archived", State: Deprecated, Detail: "this plan is not sold any more"}
	case f.ProductID != product:
		return domain.RefuseField("/planUuid", "other_product", "a subscription changes to plans of its own product only")
	}
	return f.Sold()
}

// Sold is why no subscription can begin on a plan that is announced only, a Conflict plan_coming_soon; nil for every
// other plan. Licences that a seller grants by hand need no sale.
func (f *PlanFields) Sold() error {
	if f.PlanType == PlanComingSoon {
		return &domain.Error{Kind: domain.Conflict, Code: "plan_coming_soon", State: PlanComingSoon, Detail: "this plan is announced and not sold yet"}
	}
	return nil
}
