package catalog

import (
	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// PlanComingSoon is the plan type of what is announced and not sold yet.
const PlanComingSoon = "Coming soon"

// Switch is why a subscription of a product cannot move to a plan; nil when it can. A private plan is sold
// by agreement: whoever holds a key may move a subscription to it, but it is not listed (OfferedTo).
//
// Invalid at /planUuid: other_product. Conflict: plan_archived, plan_coming_soon.
func (f *PlanFields) Switch(product uuid.UUID, archived bool) error {
	switch {
	case archived || !f.Active:
		return &domain.Error{Kind: domain.Conflict, Code: "plan_archived", State: Deprecated, Detail: "this plan is not sold any more"}
	case f.ProductID != product:
		return domain.RefuseField("/planUuid", "other_product", "a subscription changes to plans of its own product only")
	case f.PlanType == PlanComingSoon:
		return &domain.Error{Kind: domain.Conflict, Code: "plan_coming_soon", State: PlanComingSoon, Detail: "this plan is announced and not sold yet"}
	}
	return nil
}

// OfferedTo tells whether a plan is listed for subscribers of a product to move to by themselves.
func (f *PlanFields) OfferedTo(product uuid.UUID, archived bool) bool {
	return f.Visibility != "private" && f.Switch(product, archived) == nil
}
