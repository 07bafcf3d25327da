package salable

import (
	"net/http"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

func (a *API) planRoutes() []route {
	plans := handlers.ScopePlansRead
	return []route{
		{handlers.Route{Method: "GET", Path: "/plans", Scope: plans, Serve: a.listPlans}, onlyV3},
		{handlers.Route{Method: "GET", Path: "/plans/{planUuid}", Scope: plans, Serve: a.readPlan}, always},
		{handlers.Route{Method: "GET", Path: "/plans/{planUuid}/checkoutlink", Scope: plans, Session: handlers.SessionCheckout, Serve: a.checkoutLink}, untilV2},
		{handlers.Route{Method: "GET", Path: "/plans/{planUuid}/checkout-link", Scope: plans, Session: handlers.SessionCheckout, Serve: a.checkoutLink}, []string{v3}},
		{handlers.Route{Method: "GET", Path: "/plans/{planUuid}/features", Scope: handlers.ScopeFeaturesRead, Serve: a.featuresOfPlan}, untilV2},
		{handlers.Route{Method: "GET", Path: "/plans/{planUuid}/currencies", Scope: handlers.ScopeCurrenciesRead, Serve: a.currenciesOfPlan}, untilV2},
		{handlers.Route{Method: "GET", Path: "/plans/{planUuid}/capabilities", Scope: handlers.ScopeCapabilitiesRead, Serve: a.capabilitiesOfPlan}, untilV2},
	}
}

// plan is Salable's Plan.
type plan struct {
	UUID                   uuid.UUID                  `json:"uuid"`
	Name                   relation[string]           `json:"name,omitzero"` // not in v3
	Description            *string                    `json:"description"`
	DisplayName            string                     `json:"displayName"`
	Status                 string                     `json:"status"`
	IsTest                 bool                       `json:"isTest"`
	TrialDays              relation[*int]             `json:"trialDays,omitzero"`  // not in v3
	Evaluation             relation[bool]             `json:"evaluation,omitzero"` // not in v3
	EvalDays               int                        `json:"evalDays"`
	Organisation           uuid.UUID                  `json:"organisation"`
	Visibility             string                     `json:"visibility"`
	LicenseType            string                     `json:"licenseType"`
	PerSeatAmount          int                        `json:"perSeatAmount"` // minimum seats
	Interval               string                     `json:"interval"`
	Length                 int                        `json:"length"`
	Active                 relation[bool]             `json:"active,omitzero"`   // not in v3
	PlanType               relation[string]           `json:"planType,omitzero"` // not in v3
	PricingType            string                     `json:"pricingType"`
	Environment            relation[string]           `json:"environment,omitzero"`  // not in v3
	PaddlePlanID           relation[*string]          `json:"paddlePlanId,omitzero"` // not in v3
	ProductUUID            uuid.UUID                  `json:"productUuid"`
	SalablePlan            relation[bool]             `json:"salablePlan,omitzero"` // not in v3
	UpdatedAt              instant                    `json:"updatedAt"`
	Slug                   string                     `json:"slug"`
	MaxSeatAmount          int                        `json:"maxSeatAmount"` // -1: no maximum
	HasAcceptedTransaction bool                       `json:"hasAcceptedTransaction"`
	ArchivedAt             *instant                   `json:"archivedAt"`
	Capabilities           relation[[]planCapability] `json:"capabilities,omitzero"`
	Features               relation[[]planFeature]    `json:"features,omitzero"`
	Currencies             relation[[]planCurrency]   `json:"currencies,omitzero"`
	Product                relation[*product]         `json:"product,omitzero"`
	CheckoutURL            relation[string]           `json:"checkoutUrl,omitzero"`  // "" where nobody can pay
	IsSubscribed           relation[bool]             `json:"isSubscribed,omitzero"` // from v3 on, of an owner that is asked about
}

// planCapability is Salable's PlanCapability; it changes with its plan.
type planCapability struct {
	PlanUUID       uuid.UUID             `json:"planUuid"`
	CapabilityUUID uuid.UUID             `json:"capabilityUuid"`
	UpdatedAt      instant               `json:"updatedAt"`
	Capability     relation[*capability] `json:"capability,omitzero"`
}

// planFeature is Salable's PlanFeature; it changes with its plan.
type planFeature struct {
	PlanUUID      uuid.UUID                    `json:"planUuid"`
	FeatureUUID   uuid.UUID                    `json:"featureUuid"`
	Value         string                       `json:"value"`
	EnumValueUUID *uuid.UUID                   `json:"enumValueUuid"`
	IsUnlimited   bool                         `json:"isUnlimited"`
	IsUsage       bool                         `json:"isUsage"`
	PricePerUnit  *number                      `json:"pricePerUnit"`
	MinUsage      *int64                       `json:"minUsage"`
	MaxUsage      *int64                       `json:"maxUsage"`
	UpdatedAt     instant                      `json:"updatedAt"`
	SortOrder     int                          `json:"sortOrder"`
	Feature       relation[*feature]           `json:"feature,omitzero"`
	EnumValue     relation[*featureEnumOption] `json:"enumValue,omitzero"`
}

// planCurrency is Salable's PlanCurrency. Price is in minor units.
type planCurrency struct {
	PlanUUID               uuid.UUID          `json:"planUuid"`
	CurrencyUUID           uuid.UUID          `json:"currencyUuid"`
	Price                  number             `json:"price"`
	PaymentPlanID          *string            `json:"paymentIntegrationPlanId"`
	HasAcceptedTransaction bool               `json:"hasAcceptedTransaction"`
	Currency               relation[currency] `json:"currency,omitzero"`
}

// number is a decimal as a JSON number, all digits of it.
type number decimal.Decimal

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) { return []byte(decimal.Decimal(n).String()), nil }

// readPlan serves GET /plans/{planUuid}.
//
//	in   expand, options of a checkout; in v3 expand, owner
//	out  200 Plan | 400 | 404
func (a *API) readPlan(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	if versionOf(r) >= v3 {
		return a.readPlanOfV3(w, r, q)
	}
	e, options := readExpand(q, planExpandable), readCheckoutOptions(q, r)
	if err := q.Err(); err != nil {
		return err
	}
	row, err := a.planOfPath(w, r)
	if err != nil {
		return err
	}
	if options.Currency != "" {
		of, err := a.findProduct(r, row.ProductID)
		if err != nil {
			return err
		}
		if err := options.inCurrencyOf(of); err != nil {
			return err
		}
	}
	x := a.related(r)
	x.options = func(uuid.UUID) checkoutOptions { return options }
	out, err := x.plans([]projections.Plan{row}, e)
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, out[0])
}

// featuresOfPlan serves GET /plans/{planUuid}/features.
//
//	out  200 [PlanFeature with feature and enumValue] | 404
func (a *API) featuresOfPlan(w http.ResponseWriter, r *http.Request) error {
	out, err := a.relationsOfPlan(w, r, expandable("features.feature", "features.enumValue"))
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, out.Features)
}

// currenciesOfPlan serves GET /plans/{planUuid}/currencies.
//
//	out  200 [PlanCurrency with currency] | 404
func (a *API) currenciesOfPlan(w http.ResponseWriter, r *http.Request) error {
	out, err := a.relationsOfPlan(w, r, expandable("currencies.currency"))
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, out.Currencies)
}

// capabilitiesOfPlan serves GET /plans/{planUuid}/capabilities.
//
//	out  200 [PlanCapability with capability] | 404
func (a *API) capabilitiesOfPlan(w http.ResponseWriter, r *http.Request) error {
	out, err := a.relationsOfPlan(w, r, expandable("capabilities.capability"))
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, out.Capabilities)
}

func (a *API) relationsOfPlan(w http.ResponseWriter, r *http.Request, e expansion) (*plan, error) {
	row, err := a.planOfPath(w, r)
	if err != nil {
		return nil, err
	}
	out, err := a.related(r).plans([]projections.Plan{row}, e)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

func (a *API) planOfPath(w http.ResponseWriter, r *http.Request) (projections.Plan, error) {
	if err := a.begin(w, r); err != nil {
		return projections.Plan{}, err
	}
	ledger, id := handlers.CallerOf(r).Ledger, handlers.PathUUID(r, "planUuid")
	return sought(r.Context(), a, ledger, func() (projections.Plan, error) { return a.reads.Plan(r.Context(), ledger, id) })
}
