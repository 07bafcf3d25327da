package salable

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

func (a *API) pricingTableRoutes() []route {
	return []route{
		{handlers.Route{Method: "GET", Path: "/products/{productUuid}/pricingtable", Scope: handlers.ScopeProductsRead, Session: handlers.SessionPricingTable, Serve: a.productPricingTable}, untilV2},
		{handlers.Route{Method: "GET", Path: "/products/{productUuid}/pricing-table", Scope: handlers.ScopeProductsRead, Session: handlers.SessionPricingTable, Serve: a.productPricingTable}, onlyV3},
		{handlers.Route{Method: "GET", Path: "/pricing-tables/{pricingTableUuid}", Scope: handlers.ScopePricingTablesRead, Session: handlers.SessionPricingTable, Serve: a.readPricingTable}, always},
	}
}

// pricingTable is Salable's PricingTable.
type pricingTable struct {
	UUID             uuid.UUID      `json:"uuid"`
	Name             string         `json:"name"`
	Status           string         `json:"status"`
	Title            *string        `json:"title"`
	Text             *string        `json:"text"`
	Theme            string         `json:"theme"`
	FeatureOrder     string         `json:"featureOrder"`
	ProductUUID      uuid.UUID      `json:"productUuid"`
	CustomTheme      *string        `json:"customTheme"`
	FeaturedPlanUUID *uuid.UUID     `json:"featuredPlanUuid"`
	UpdatedAt        instant        `json:"updatedAt"`
	Features         []tableFeature `json:"features"`
	Product          *product       `json:"product"`
	Plans            []tablePlan    `json:"plans"`
}

type tableFeature struct {
	FeatureUUID      uuid.UUID `json:"featureUuid"`
	PricingTableUUID uuid.UUID `json:"pricingTableUuid"`
	SortOrder        int       `json:"sortOrder"`
	UpdatedAt        instant   `json:"updatedAt"`
	Feature          feature   `json:"feature"`
}

type tablePlan struct {
	PlanUUID         uuid.UUID `json:"planUuid"`
	PricingTableUUID uuid.UUID `json:"pricingTableUuid"`
	SortOrder        int       `json:"sortOrder"`
	UpdatedAt        instant   `json:"updatedAt"`
	Plan             *plan     `json:"plan"`
}

// What plans and products have in pricing tables.
var (
	pricedPlan    = expandable("features.feature", "features.enumValue", "currencies.currency", "generateCheckoutLink")
	pricedProduct = expandable("features", "currencies.currency", "organisationPaymentIntegration")
)

// tableOptions are the options of a whole pricing table, with those that a plan has of its own.
type tableOptions struct {
	checkoutOptions
	success, cancel, grantee map[uuid.UUID]string
}

// readTableOptions reads them leniently in what old widgets are known for: texts in single quotes, empty ones, lists
// of pairs in brackets or bare. Member is required by a pricing table alone.
func readTableOptions(q *handlers.Query, r *http.Request, member bool) tableOptions {
	test, line := handlers.CallOf(r).Caller.Test(), []handlers.Rule{handlers.Line, handlers.MaxBytes(domain.MaxName)}
	var o tableOptions
	o.readOthers(q)
	if version := versionOf(r); version >= v2 {
		o.Grantee = unquotedGrantee(q.Get("granteeId"))
		owner := q.Get("owner")
		o.Member = unquoted(owner.String(line...))
		if version >= v3 && o.Member == "" {
			owner.Bad("required", "is required")
		}
		return o
	}
	there := func(v handlers.Value) handlers.Value {
		if v.Absent() {
			v.String(handlers.Required) // empty is there
		}
		return v
	}
	o.SuccessURL = backURL(there(q.Get("globalSuccessUrl")), test)
	o.CancelURL = backURL(there(q.Get("globalCancelUrl")), test)
	o.Grantee = unquotedGrantee(there(q.Get("globalGranteeId")))
	if m := q.Get("member"); member {
		o.Member = unquoted(there(m).String(line...))
	} else {
		o.Member = unquoted(m.String(line...))
	}
	urls := func(text string) string { return badURL(text, test) }
	o.success, o.cancel = readPairs(q.Get("successUrls"), urls), readPairs(q.Get("cancelUrls"), urls)
	o.grantee = readPairs(q.Get("granteeIds"), func(text string) string {
		var bad domain.Problems
		if bad.Grantee("", text); len(bad) > 0 {
			return bad[0].Detail
		}
		return ""
	})
	return o
}

// unquotedGrantee reads an id that may be in quotes, or empty: nobody's.
func unquotedGrantee(v handlers.Value) string {
	id := unquoted(v.String())
	var bad domain.Problems
	if id == "" {
		return ""
	}
	if bad.Grantee("", id); len(bad) > 0 {
		v.Bad(bad[0].Code, "%s", bad[0].Detail)
	}
	return id
}

// readPairs reads "plan,value" pairs: joined by commas, in brackets or not, or, as SDK 3.4.1 sends several, one right
// behind the other. What begins a pair is a plan's UUID, so a value may have commas of its own.
func readPairs(v handlers.Value, bad func(string) string) map[uuid.UUID]string {
	text := unquoted(v.String(handlers.MaxBytes(64 << 10)))
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		text = text[1 : len(text)-1]
	}
	if text == "" {
		return nil
	}
	var starts []int
	for i := 0; i+37 <= len(text); i++ {
		if _, ok := handlers.ParseUUID(text[i : i+36]); ok && text[i+36] == ',' {
			starts = append(starts, i)
			i += 36
		}
	}
	if len(starts) == 0 || starts[0] != 0 {
		v.Bad("bad_pairs", "want pairs of a plan's UUID and a value")
		return nil
	}
	pairs := map[uuid.UUID]string{}
	for n, start := range starts {
		end := len(text)
		if n+1 < len(starts) {
			end = starts[n+1]
		}
		id, _ := handlers.ParseUUID(text[start : start+36])
		value := unquoted(strings.TrimSuffix(text[start+37:end], ","))
		if problem := bad(value); value != "" && problem != "" {
			v.Bad("bad_pairs", "the value of %s %s", id, problem)
		}
		pairs[id] = value
	}
	return pairs
}

// of are a plan's options.
func (o tableOptions) of(plan uuid.UUID) checkoutOptions {
	own := o.checkoutOptions
	own.SuccessURL = cmp.Or(o.success[plan], own.SuccessURL)
	own.CancelURL = cmp.Or(o.cancel[plan], own.CancelURL)
	own.Grantee = cmp.Or(o.grantee[plan], own.Grantee)
	return own
}

// productPricingTable serves GET /products/{productUuid}/pricingtable, in v3 …/pricing-table: the product with every plan on sale, free ones
// first, then those that are paid for by price, then those that come soon.
//
//	in   globalSuccessUrl, globalCancelUrl, globalGranteeId; options of a checkout; successUrls, cancelUrls, granteeIds. v2: granteeId, owner, currency;
//	     v3: owner has to be there, whose plans have isSubscribed
//	out  200 | 400 | 404
func (a *API) productPricingTable(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	o := readTableOptions(q, r, false)
	if err := q.Err(); err != nil {
		return err
	}
	row, err := a.productOfPath(w, r)
	if err != nil {
		return err
	}
	if err := o.inCurrencyOf(row); err != nil {
		return err
	}
	x := a.priced(r, o)
	rows, err := x.planRowsIn(row.ID)
	if err != nil {
		return err
	}
	rows = slices.DeleteFunc(rows, func(p projections.Plan) bool { return !onSale(p) })
	currency := cmp.Or(o.Currency, (&catalog.Product{Fields: row.Fields}).DefaultCurrency())
	slices.SortStableFunc(rows, func(a, b projections.Plan) int {
		return cmp.Or(cmp.Compare(shelf(a), shelf(b)), priceIn(a, currency).Cmp(priceIn(b, currency)))
	})
	out, err := x.product(row, pricedProduct)
	if err != nil {
		return err
	}
	plans, err := x.plans(rows, pricedPlan)
	if err != nil {
		return err
	}
	out.Plans = expanded(plans)
	return handlers.JSON(w, http.StatusOK, out)
}

// priced loads the relations of a pricing table.
func (a *API) priced(r *http.Request, o tableOptions) related {
	x := a.related(r)
	x.options = o.of
	if x.bare {
		x.owner = o.Member
	}
	return x
}

func onSale(p projections.Plan) bool { return p.ArchivedAt == nil && p.Fields.Active }

// shelf is where a plan stands in a product's pricing table.
func shelf(p projections.Plan) int {
	switch {
	case p.Fields.PlanType == comingSoon:
		return 2
	case p.Fields.PricingType == "paid":
		return 1
	}
	return 0
}

// priceIn is a plan's headline price in a currency, else in its first; nothing without one.
func priceIn(p projections.Plan, currency string) decimal.Decimal {
	all := fromPlanCurrencies(p, nil, false)
	for _, c := range all {
		if c.CurrencyUUID == currencyID(currency) {
			return decimal.Decimal(c.Price)
		}
	}
	if len(all) > 0 {
		return decimal.Decimal(all[0].Price)
	}
	return decimal.Zero
}

// readPricingTable serves GET /pricing-tables/{pricingTableUuid}; archived ones are unknown.
//
//	in   as for a product's, and member
//	out  200 PricingTable | 400 | 404
func (a *API) readPricingTable(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	o := readTableOptions(q, r, true)
	if err := q.Err(); err != nil {
		return err
	}
	if err := a.begin(w, r); err != nil {
		return err
	}
	c, id := handlers.CallerOf(r), handlers.PathUUID(r, "pricingTableUuid")
	row, err := sought(r.Context(), a, c.Ledger, func() (projections.PricingTable, error) { return a.reads.PricingTable(r.Context(), c.Ledger, id) })
	if err != nil {
		return err
	}
	if row.ArchivedAt != nil {
		return domain.Refuse(domain.NotFound, "no_pricing_table", "it is archived")
	}
	of, err := a.findProduct(r, row.ProductID)
	if err != nil {
		return err
	}
	if err := o.inCurrencyOf(of); err != nil {
		return err
	}
	out, err := a.priced(r, o).pricingTable(row, of)
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, out)
}

func (x related) pricingTable(row projections.PricingTable, of projections.Product) (*pricingTable, error) {
	f, at := row.Fields, instant(row.UpdatedAt)
	out := &pricingTable{UUID: row.ID, Name: f.Name, Status: row.Status, Title: f.Title, Text: f.Text, Theme: f.Theme, FeatureOrder: f.FeatureOrder,
		ProductUUID: row.ProductID, CustomTheme: f.CustomTheme, FeaturedPlanUUID: f.FeaturedPlanID, UpdatedAt: at, Features: []tableFeature{}, Plans: []tablePlan{}}
	var err error
	if out.Product, err = x.product(of, expandable("features", "currencies.currency")); err != nil {
		return nil, err
	}
	features, err := byID(each(f.Features, func(s catalog.TableFeature) uuid.UUID { return s.FeatureID }), func(ids []uuid.UUID) ([]projections.Feature, error) {
		return x.reads.Features(x.ctx, x.caller.Ledger, projections.CatalogFilter{IDs: ids}, projections.Keyset{Limit: part})
	}, func(f projections.Feature) uuid.UUID { return f.ID })
	if err != nil {
		return nil, err
	}
	rows, err := byID(each(f.Plans, func(s catalog.TablePlan) uuid.UUID { return s.PlanID }), func(ids []uuid.UUID) ([]projections.Plan, error) {
		return x.reads.Plans(x.ctx, x.caller.Ledger, projections.CatalogFilter{IDs: ids}, projections.Keyset{Limit: part})
	}, func(p projections.Plan) uuid.UUID { return p.ID })
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(rows, func(_ uuid.UUID, p projections.Plan) bool { return !onSale(p) })
	shown, err := x.plans(slices.Collect(maps.Values(rows)), pricedPlan)
	if err != nil {
		return nil, err
	}
	plans := map[uuid.UUID]*plan{}
	for _, p := range shown {
		plans[p.UUID] = p
	}
	for _, s := range slices.SortedStableFunc(slices.Values(f.Features), func(a, b catalog.TableFeature) int { return cmp.Compare(a.SortOrder, b.SortOrder) }) {
		out.Features = append(out.Features, tableFeature{s.FeatureID, row.ID, s.SortOrder, at, x.oneFeature(features[s.FeatureID], true)})
	}
	for _, s := range slices.SortedStableFunc(slices.Values(f.Plans), func(a, b catalog.TablePlan) int { return cmp.Compare(a.SortOrder, b.SortOrder) }) {
		if p := plans[s.PlanID]; p != nil { // else it is not sold any more
			out.Plans = append(out.Plans, tablePlan{s.PlanID, row.ID, s.SortOrder, at, p})
		}
	}
	return out, nil
}
