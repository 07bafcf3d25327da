package salable

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

func (a *API) featureRoutes() []route {
	return []route{
		{handlers.Route{Method: "GET", Path: "/features", Scope: handlers.ScopeFeaturesRead, Serve: a.listFeatures}, onlyV3},
	}
}

// readArchived reads whether archived items are asked for, or those that are not; both by default.
func readArchived(q *handlers.Query) *bool { return handlers.Opt(q.Object, "archived", q.Bool) }

// pageProducts serves GET /products of v3, in order of their making.
//
//	in   archived: true | false, sort: asc (default) | desc, cursor, take (25, at most 100)
//	out  200 {first, last, data: [Product]} | 400
func (a *API) pageProducts(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	f, k := projections.CatalogFilter{Archived: readArchived(q)}, readSortedPart(q)
	if err := q.Err(); err != nil {
		return err
	}
	if err := a.begin(w, r); err != nil {
		return err
	}
	rows, err := a.reads.Products(r.Context(), handlers.CallerOf(r).Ledger, f, k)
	if err != nil {
		return err
	}
	x := a.related(r)
	out := each(rows, func(p projections.Product) *product { return x.oneProduct(p, nil) })
	return writePage(w, out, func(p *product) uuid.UUID { return p.UUID })
}

// listPlans serves GET /plans, with their features and currencies.
//
//	in   productUuid, archived, owner, sort, cursor, take
//	out  200 {first, last, data: [Plan]} | 400
func (a *API) listPlans(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	f, k, owner := projections.CatalogFilter{ProductID: q.UUID("productUuid"), Archived: readArchived(q)}, readSortedPart(q), q.String("owner")
	if err := q.Err(); err != nil {
		return err
	}
	if err := a.begin(w, r); err != nil {
		return err
	}
	rows, err := a.reads.Plans(r.Context(), handlers.CallerOf(r).Ledger, f, k)
	if err != nil {
		return err
	}
	x := a.related(r)
	x.owner = owner
	out, err := x.plans(rows, expandable("features.feature", "features.enumValue", "currencies.currency"))
	if err != nil {
		return err
	}
	return writePage(w, out, func(p *plan) uuid.UUID { return p.UUID })
}

// readPlanOfV3 is readPlan in v3: whether an owner has it comes in place of the options of a checkout.
func (a *API) readPlanOfV3(w http.ResponseWriter, r *http.Request, q *handlers.Query) error {
	e, owner := readExpand(q, planExpandableV3), q.String("owner")
	if err := q.Err(); err != nil {
		return err
	}
	row, err := a.planOfPath(w, r)
	if err != nil {
		return err
	}
	x := a.related(r)
	x.owner = owner
	out, err := x.plans([]projections.Plan{row}, e)
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, out[0])
}

// listFeatures serves GET /features: those of a product, with their options.
//
//	in   productUuid, sort, cursor, take
//	out  200 {first, last, data: [Feature]} | 400
func (a *API) listFeatures(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	f, k := projections.CatalogFilter{ProductID: q.UUID("productUuid", handlers.Required)}, readSortedPart(q)
	if err := q.Err(); err != nil {
		return err
	}
	if err := a.begin(w, r); err != nil {
		return err
	}
	rows, err := a.reads.Features(r.Context(), handlers.CallerOf(r).Ledger, f, k)
	if err != nil {
		return err
	}
	x := a.related(r)
	out := each(rows, func(f projections.Feature) feature { return x.oneFeature(f, true) })
	return writePage(w, out, func(f feature) uuid.UUID { return f.UUID })
}
