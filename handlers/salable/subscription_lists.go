package salable

import (
	"net/http"
	"slices"

	"github.com/google/uuid"

	coresubscription "github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

// switchablePlans serves GET /subscriptions/{subscriptionUuid}/updateplan/listplans: the plans that the
// subscriber can choose from, in order of their making: those that change-plan would take now. A change to a private
// plan is taken too, but those are not listed.
//
//	out  200 [Plan with currencies and features] | 404
func (a *API) switchablePlans(w http.ResponseWriter, r *http.Request) error {
	row, err := a.findSubscription(w, r)
	if err != nil {
		return err
	}
	ledger := handlers.CallerOf(r).Ledger
	plans, err := every(func(k projections.Keyset) ([]projections.Plan, error) {
		return a.reads.Plans(r.Context(), ledger, projections.CatalogFilter{ProductID: row.ProductID, Status: projections.ItemActive}, k)
	}, func(p projections.Plan) uuid.UUID { return p.ID })
	if err != nil {
		return err
	}
	// Which of them it would take, the one that decides on changes tells.
	res, err := a.store.Execute(r.Context(), eventstore.Request{Ledger: ledger, DryRun: true,
		Command: coresubscription.Switchable{ID: row.ID, PlanIDs: each(plans, func(p projections.Plan) uuid.UUID { return p.ID })}})
	if err != nil {
		return err
	}
	var takes []uuid.UUID
	if err := handlers.Answer(res, &takes); err != nil {
		return err
	}
	open := slices.DeleteFunc(plans, func(p projections.Plan) bool { return !slices.Contains(takes, p.ID) })
	out, err := a.related(r).plans(open, expandable("currencies.currency", "features.feature", "features.enumValue"))
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, out)
}
