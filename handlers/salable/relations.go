package salable

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

// related loads what expansions ask for: one query for each relation of all items together.
type related struct {
	*API
	ctx    context.Context
	caller handlers.Caller
	bare   bool   // without the fields that v3 has no more
	owner  string // whose subscriptions plans tell of, if any
	base   string // public address of the server
	// options are those of a plan's checkout; nil: none.
	options func(plan uuid.UUID) checkoutOptions
}

func (a *API) related(r *http.Request) related {
	return related{API: a, ctx: r.Context(), caller: handlers.CallerOf(r), bare: versionOf(r) >= v3, base: a.base(r)}
}

// part is the most ids that one query asks for.
const part = projections.MaxLimit

// byID fetches rows by their ids, each once, as a map.
func byID[T any](ids []uuid.UUID, fetch func(ids []uuid.UUID) ([]T, error), id func(T) uuid.UUID) (map[uuid.UUID]T, error) {
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	found := map[uuid.UUID]T{}
	for chunk := range slices.Chunk(slices.Compact(ids), part) {
		rows, err := fetch(chunk)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			found[id(row)] = row
		}
	}
	return found, nil
}

// every reads a list of a product's to its end.
func every[T any](read func(projections.Keyset) ([]T, error), id func(T) uuid.UUID) ([]T, error) {
	var all []T
	for k := (projections.Keyset{Limit: part}); ; {
		rows, err := read(k)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
		if len(rows) < part {
			return all, nil
		}
		k.After = id(rows[len(rows)-1])
	}
}

func each[A, B any](in []A, f func(A) B) []B {
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = f(a)
	}
	return out
}

// product is one product with its relations.
func (x related) product(row projections.Product, e expansion) (*product, error) {
	out := x.oneProduct(row, e)
	if e.has("features") {
		features, err := x.featuresIn(row.ID, e.in("features").has("featureEnumOptions"))
		if err != nil {
			return nil, err
		}
		out.Features = expanded(features)
	}
	if e.has("capabilities") {
		capabilities, err := x.capabilitiesIn(row.ID)
		if err != nil {
			return nil, err
		}
		out.Capabilities = expanded(capabilities)
	}
	if e.has("plans") {
		below := maps.Clone(e.in("plans"))
		if e.has("generateCheckoutLinks") {
			below["generateCheckoutLink"] = expansion{}
		}
		plans, err := x.plansIn(row.ID, below)
		if err != nil {
			return nil, err
		}
		out.Plans = expanded(plans)
	}
	return out, nil
}

// oneProduct is a product with the relations that are in its row.
func (x related) oneProduct(row projections.Product, e expansion) *product {
	out := fromProduct(x.caller, row, e)
	if x.bare {
		out.Name, out.AppType = relation[string]{}, relation[string]{}
	}
	return out
}

func (x related) oneFeature(row projections.Feature, options bool) feature {
	out := fromFeature(row, options)
	if x.bare {
		out.Name = relation[string]{}
	}
	return out
}

func (x related) onePlan(row projections.Plan) *plan {
	out := fromPlan(x.caller, row)
	if x.bare {
		out.Name, out.PlanType, out.Environment = relation[string]{}, relation[string]{}, relation[string]{}
		out.Evaluation, out.Active, out.SalablePlan = relation[bool]{}, relation[bool]{}, relation[bool]{}
		out.TrialDays, out.PaddlePlanID = relation[*int]{}, relation[*string]{}
	}
	return out
}

// featuresIn are a product's, in the order that the product shows them in.
func (x related) featuresIn(id uuid.UUID, options bool) ([]feature, error) {
	of := projections.CatalogFilter{ProductID: id}
	rows, err := every(func(k projections.Keyset) ([]projections.Feature, error) {
		return x.reads.Features(x.ctx, x.caller.Ledger, of, k)
	}, func(f projections.Feature) uuid.UUID { return f.ID })
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(rows, func(a, b projections.Feature) int { return a.Fields.SortOrder - b.Fields.SortOrder })
	return each(rows, func(f projections.Feature) feature { return x.oneFeature(f, options) }), nil
}

func (x related) capabilitiesIn(id uuid.UUID) ([]capability, error) {
	of := projections.CatalogFilter{ProductID: id}
	rows, err := every(func(k projections.Keyset) ([]projections.Capability, error) {
		return x.reads.Capabilities(x.ctx, x.caller.Ledger, of, k)
	}, func(c projections.Capability) uuid.UUID { return c.ID })
	return each(rows, fromCapability), err
}

func (x related) plansIn(id uuid.UUID, e expansion) ([]*plan, error) {
	rows, err := x.planRowsIn(id)
	if err != nil {
		return nil, err
	}
	return x.plans(rows, e)
}

func (x related) planRowsIn(id uuid.UUID) ([]projections.Plan, error) {
	of := projections.CatalogFilter{ProductID: id}
	return every(func(k projections.Keyset) ([]projections.Plan, error) {
		return x.reads.Plans(x.ctx, x.caller.Ledger, of, k)
	}, func(p projections.Plan) uuid.UUID { return p.ID })
}

// productsByID are products with the relations that need no query.
func (x related) productsByID(ids []uuid.UUID, e expansion) (map[uuid.UUID]*product, error) {
	rows, err := x.productRows(ids)
	out := make(map[uuid.UUID]*product, len(rows))
	for id, row := range rows {
		out[id] = x.oneProduct(row, e)
	}
	return out, err
}

// productRows are rows of products by their ids.
func (x related) productRows(ids []uuid.UUID) (map[uuid.UUID]projections.Product, error) {
	return byID(ids, func(ids []uuid.UUID) ([]projections.Product, error) {
		return x.reads.Products(x.ctx, x.caller.Ledger, projections.CatalogFilter{IDs: ids}, projections.Keyset{Limit: part})
	}, func(p projections.Product) uuid.UUID { return p.ID })
}

// linksOf are the links to the checkouts of plans, each with its options.
func (x related) linksOf(rows []projections.Plan) (map[uuid.UUID]string, error) {
	products, err := x.productRows(each(rows, func(p projections.Plan) uuid.UUID { return p.ProductID }))
	if err != nil {
		return nil, err
	}
	links := map[uuid.UUID]string{}
	for _, row := range rows {
		var o checkoutOptions
		if x.options != nil {
			o = x.options(row.ID)
		}
		if links[row.ID], err = x.link(row, products[row.ProductID], o); err != nil {
			return nil, err
		}
	}
	return links, nil
}

func (x related) plansByID(ids []uuid.UUID, e expansion) (map[uuid.UUID]*plan, error) {
	return byID(ids, func(ids []uuid.UUID) ([]*plan, error) {
		rows, err := x.reads.Plans(x.ctx, x.caller.Ledger, projections.CatalogFilter{IDs: ids}, projections.Keyset{Limit: part})
		if err != nil {
			return nil, err
		}
		return x.plans(rows, e)
	}, func(p *plan) uuid.UUID { return p.UUID })
}

// plans are plans with their relations.
func (x related) plans(rows []projections.Plan, e expansion) ([]*plan, error) {
	var (
		capabilities map[uuid.UUID]projections.Capability
		features     map[uuid.UUID]projections.Feature
		products     map[uuid.UUID]*product
		err          error
		ids          []uuid.UUID
	)
	if e.in("capabilities").has("capability") {
		for _, row := range rows {
			ids = append(ids, row.Fields.Capabilities...)
		}
		capabilities, err = byID(ids, func(ids []uuid.UUID) ([]projections.Capability, error) {
			return x.reads.Capabilities(x.ctx, x.caller.Ledger, projections.CatalogFilter{IDs: ids}, projections.Keyset{Limit: part})
		}, func(c projections.Capability) uuid.UUID { return c.ID })
		if err != nil {
			return nil, err
		}
	}
	if f := e.in("features"); f.has("feature") || f.has("enumValue") {
		if features, err = x.featuresOf(rows); err != nil {
			return nil, err
		}
	}
	var theirs []uuid.UUID
	if x.owner != "" {
		if theirs, err = x.reads.SubscribedPlans(x.ctx, x.caller.Ledger, x.owner, each(rows, func(p projections.Plan) uuid.UUID { return p.ID }), x.clock(x.ctx)); err != nil {
			return nil, err
		}
	}
	sold, err := x.planSales(rows)
	if err != nil {
		return nil, err
	}
	if e.has("product") {
		ids := each(rows, func(p projections.Plan) uuid.UUID { return p.ProductID })
		if products, err = x.productsByID(ids, e.in("product")); err != nil {
			return nil, err
		}
	}
	links := map[uuid.UUID]string{}
	if e.has("generateCheckoutLink") {
		if links, err = x.linksOf(rows); err != nil {
			return nil, err
		}
	}
	return each(rows, func(row projections.Plan) *plan {
		out := x.onePlan(row)
		if link, ok := links[row.ID]; ok {
			out.CheckoutURL = expanded(link)
		}
		if x.owner != "" {
			out.IsSubscribed = expanded(slices.Contains(theirs, row.ID))
		}
		out.HasAcceptedTransaction = len(sold[row.ID]) > 0
		if e.has("capabilities") {
			out.Capabilities = expanded(fromPlanCapabilities(row, capabilities))
		}
		if e.has("features") {
			out.Features = expanded(fromPlanFeatures(row, features, e.in("features")))
			for _, f := range out.Features.value {
				if x.bare && f.Feature.value != nil {
					f.Feature.value.Name = relation[string]{}
				}
			}
		}
		if e.has("currencies") {
			out.Currencies = expanded(fromPlanCurrencies(row, sold[row.ID], e.in("currencies").has("currency")))
		}
		if e.has("product") {
			out.Product = expanded(products[row.ProductID])
		}
		return out
	}), nil
}

// planSales are the currencies that plans were bought in, by plan.
func (x related) planSales(rows []projections.Plan) (map[uuid.UUID][]string, error) {
	sold := map[uuid.UUID][]string{}
	ids := each(rows, func(p projections.Plan) uuid.UUID { return p.ID })
	for chunk := range slices.Chunk(ids, part) {
		sales, err := x.reads.PlanSales(x.ctx, x.caller.Ledger, chunk)
		if err != nil {
			return nil, err
		}
		for _, s := range sales {
			sold[s.PlanID] = append(sold[s.PlanID], s.Currency)
		}
	}
	return sold, nil
}

func (x related) featuresOf(rows []projections.Plan) (map[uuid.UUID]projections.Feature, error) {
	var ids []uuid.UUID
	for _, row := range rows {
		for _, f := range row.Fields.Features {
			ids = append(ids, f.FeatureID)
		}
	}
	return byID(ids, func(ids []uuid.UUID) ([]projections.Feature, error) {
		return x.reads.Features(x.ctx, x.caller.Ledger, projections.CatalogFilter{IDs: ids}, projections.Keyset{Limit: part})
	}, func(f projections.Feature) uuid.UUID { return f.ID })
}
