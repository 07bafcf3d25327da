package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/projections"
)

func (a *API) plans() kind[catalog.PlanView, catalog.PlanPatch] {
	view := func(p projections.Plan) catalog.PlanView {
		return catalog.PlanView{ID: p.ID, PlanFields: p.Fields, Status: p.Status, PlanVersion: p.PlanVersion, ArchivedAt: p.ArchivedAt,
			Version: p.Version, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt}
	}
	return kind[catalog.PlanView, catalog.PlanPatch]{
		path: "plans", scope: ScopePlansRead, ofProduct: true, decode: planPatch, out: planOut,
		find: func(r *http.Request, p *catalog.PlanPatch) (err error) {
			if p.Prices != nil {
				p.Meters, err = a.metersOf(r, *p.Prices)
			}
			return err
		},
		create: func(p catalog.PlanPatch) domain.Command {
			return catalog.CreatePlan{Fields: p.Fields(), Meters: p.Meters}
		},
		change:  func(id uuid.UUID, p catalog.PlanPatch) domain.Command { return catalog.ChangePlan{ID: id, Patch: p} },
		archive: func(id uuid.UUID) domain.Command { return catalog.ArchivePlan{ID: id} },
		mark:    func(v catalog.PlanView) (uuid.UUID, int64) { return v.ID, v.Version },
		one: func(ctx context.Context, ledger, id uuid.UUID) (catalog.PlanView, error) {
			row, err := a.Reads.Plan(ctx, ledger, id)
			return view(row), err
		},
		all: func(ctx context.Context, ledger uuid.UUID, f projections.CatalogFilter, k projections.Keyset) ([]catalog.PlanView, error) {
			rows, err := a.Reads.Plans(ctx, ledger, f, k)
			return each(rows, view), err
		},
	}
}

// addPlanVersion serves POST /plans/{uuid}/versions.
//
//	in   {"prices": [Price]}
//	out  200 plan, at its next version unless the prices are the same | 404 no_plan | 409 plan_archived | 422 no_meter
func (a *API) addPlanVersion(w http.ResponseWriter, r *http.Request) error {
	body, err := Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	prices := listOf(o, "prices", readPrice)
	if prices == nil {
		o.List("prices", Required)
		prices = &[]catalog.Price{}
	}
	o.Unknown()
	if err := body.Err(); err != nil {
		return err
	}
	meters, err := a.metersOf(r, *prices)
	if err != nil {
		return err
	}
	id := PathUUID(r, "uuid")
	v, _, err := write[catalog.PlanView](a, w, r, body, id, catalog.AddPlanVersion{ID: id, Prices: *prices, Meters: meters})
	if err != nil {
		return err
	}
	return entity(w, r, http.StatusOK, v.Version, planOut(CallerOf(r), v))
}

// metersOf finds the meters that prices name.
func (a *API) metersOf(r *http.Request, prices []catalog.Price) (catalog.Meters, error) {
	found, find := catalog.Meters{}, a.finder(r.Context(), CallerOf(r).Ledger, TimeIn(r.Context(), a.Now))
	for _, p := range prices {
		if _, ok := found[p.Meter]; ok || p.Meter == "" {
			continue
		}
		id, err := find.meter(p.Meter)
		if err != nil {
			return nil, err
		}
		found[p.Meter] = *id
	}
	return found, nil
}

func planPatch(o *Object, must ...Rule) catalog.PlanPatch {
	return catalog.PlanPatch{
		ProductID: Opt(o, "productUuid", o.UUID, must...), Name: Opt(o, "name", o.String, must...), Slug: Opt(o, "slug", o.String),
		DisplayName: Opt(o, "displayName", o.String, must...), Description: optText(o, "description"),
		LicenseType: Opt(o, "licenseType", o.String, must...), PricingType: Opt(o, "pricingType", o.String, must...),
		PlanType: Opt(o, "planType", o.String), Environment: Opt(o, "environment", o.String), Visibility: Opt(o, "visibility", o.String),
		Interval: Opt(o, "interval", o.String, must...), Length: small(o, "length", must...), TrialDays: small(o, "trialDays"),
		Evaluation: Opt(o, "evaluation", o.Bool), EvalDays: small(o, "evalDays"), PerSeatAmount: small(o, "perSeatAmount"),
		MaxSeatAmount: small(o, "maxSeatAmount"), Active: Opt(o, "active", o.Bool), SalablePlan: Opt(o, "salablePlan", o.Bool),
		PaddlePlanID: optText(o, "paddlePlanId"),
		Capabilities: listOf(o, "capabilities", func(v Value) uuid.UUID { return v.UUID(Required) }),
		Features:     listOf(o, "features", readPlanFeature),
		Currencies: listOf(o, "currencies", func(v Value) catalog.PlanCurrency {
			c := v.Object(Required)
			defer c.Unknown()
			return catalog.PlanCurrency{Currency: c.String("currency", Required), Price: c.Int("price", Required, Amount, Min(0), Max(catalog.MaxMinor))}
		}),
		Prices: listOf(o, "prices", readPrice),
	}
}

func readPlanFeature(v Value) catalog.PlanFeature {
	o := v.Object(Required)
	defer o.Unknown()
	f := catalog.PlanFeature{
		FeatureID: o.UUID("featureUuid", Required), Value: o.String("value"), EnumValueID: Opt(o, "enumValueUuid", o.UUID),
		IsUnlimited: o.Bool("isUnlimited"), IsUsage: o.Bool("isUsage"), MinUsage: Opt(o, "minUsage", o.Int, Amount),
		MaxUsage: Opt(o, "maxUsage", o.Int, Amount), PricePerUnit: Opt(o, "pricePerUnit", o.Decimal, Amount, Min(0)),
	}
	if n := small(o, "sortOrder"); n != nil {
		f.SortOrder = *n
	}
	return f
}

func readPrice(v Value) catalog.Price {
	o := v.Object(Required)
	defer o.Unknown()
	p := catalog.Price{
		Key: o.String("key", Required), Kind: o.String("kind", Required), Currency: o.String("currency", Required),
		UnitAmount: Opt(o, "unitAmount", o.Decimal, Amount, Min(0)), PackageSize: Opt(o, "packageSize", o.Decimal, Amount, Min(0)),
		Percentage: Opt(o, "percentage", o.Decimal, Min(0), Max(100), Places(4)), FreeUnits: Opt(o, "freeUnits", o.Decimal, Amount, Min(0)),
		IncludedSeats: Opt(o, "includedSeats", o.Int, Amount, Min(0)), MinimumAmount: Opt(o, "minimumAmount", o.Int, Amount, Min(0), Max(catalog.MaxMinor)),
		Billing: o.String("billing"), Meter: o.String("meter"),
	}
	if tiers := listOf(o, "tiers", readTier); tiers != nil {
		p.Tiers = *tiers
	}
	return p
}

func readTier(v Value) catalog.Tier {
	o := v.Object(Required)
	defer o.Unknown()
	return catalog.Tier{UpTo: Opt(o, "upTo", o.Int, Amount, Min(0)), UnitAmount: o.Decimal("unitAmount", Required, Amount, Min(0)),
		FlatAmount: Opt(o, "flatAmount", o.Decimal, Amount, Min(0))}
}

// plan is a plan on the wire: Salable's fields, and prices. Version is the plan's, which its prices
// make; the ETag is the stream's.
type plan struct {
	UUID          uuid.UUID      `json:"uuid"`
	ProductUUID   uuid.UUID      `json:"productUuid"`
	Name          string         `json:"name"`
	Slug          string         `json:"slug"`
	DisplayName   string         `json:"displayName"`
	Description   *string        `json:"description"`
	Organisation  uuid.UUID      `json:"organisation"`
	Status        string         `json:"status"`
	LicenseType   string         `json:"licenseType"`
	PricingType   string         `json:"pricingType"`
	PlanType      string         `json:"planType"`
	Environment   string         `json:"environment"`
	Visibility    string         `json:"visibility"`
	Interval      string         `json:"interval"`
	Length        int            `json:"length"`
	TrialDays     *int           `json:"trialDays"`
	Evaluation    bool           `json:"evaluation"`
	EvalDays      int            `json:"evalDays"`
	PerSeatAmount int            `json:"perSeatAmount"`
	MaxSeatAmount int            `json:"maxSeatAmount"`
	Active        bool           `json:"active"`
	SalablePlan   bool           `json:"salablePlan"`
	PaddlePlanID  *string        `json:"paddlePlanId"`
	Capabilities  []uuid.UUID    `json:"capabilities"`
	Features      []planFeature  `json:"features"`
	Currencies    []planCurrency `json:"currencies"`
	Prices        []price        `json:"prices"`
	Version       int            `json:"version"`
	IsTest        bool           `json:"isTest"`
	ArchivedAt    *time.Time     `json:"archivedAt"`
	CreatedAt     time.Time      `json:"createdAt"`
	UpdatedAt     time.Time      `json:"updatedAt"`
}

type planFeature struct {
	FeatureUUID   uuid.UUID        `json:"featureUuid"`
	Value         string           `json:"value"`
	EnumValueUUID *uuid.UUID       `json:"enumValueUuid"`
	IsUnlimited   bool             `json:"isUnlimited"`
	IsUsage       bool             `json:"isUsage"`
	MinUsage      *int64           `json:"minUsage"`
	MaxUsage      *int64           `json:"maxUsage"`
	PricePerUnit  *decimal.Decimal `json:"pricePerUnit"`
	SortOrder     int              `json:"sortOrder"`
}

type planCurrency struct {
	Currency string `json:"currency"`
	Price    int64  `json:"price"`
}

// price has unit amounts as decimal texts in minor units; counts are numbers.
type price struct {
	Key           string           `json:"key"`
	Kind          string           `json:"kind"`
	Currency      string           `json:"currency"`
	UnitAmount    *decimal.Decimal `json:"unitAmount,omitempty"`
	Tiers         []tier           `json:"tiers,omitempty"`
	PackageSize   *plainNumber     `json:"packageSize,omitempty"`
	Percentage    *decimal.Decimal `json:"percentage,omitempty"`
	FreeUnits     *plainNumber     `json:"freeUnits,omitempty"`
	IncludedSeats *int64           `json:"includedSeats,omitzero"`
	MinimumAmount *int64           `json:"minimumAmount,omitzero"`
	Billing       string           `json:"billing"`
	Meter         string           `json:"meter,omitempty"`
}

type tier struct {
	UpTo       *int64           `json:"upTo"`
	UnitAmount decimal.Decimal  `json:"unitAmount"`
	FlatAmount *decimal.Decimal `json:"flatAmount,omitempty"`
}

// plainNumber writes a decimal as a JSON number.
type plainNumber struct{ decimal.Decimal }

func (n plainNumber) MarshalJSON() ([]byte, error) { return []byte(n.String()), nil }

func plainNumberOf(d *decimal.Decimal) *plainNumber {
	if d == nil {
		return nil
	}
	return &plainNumber{*d}
}

func planOut(c Caller, v catalog.PlanView) any {
	return plan{
		UUID: v.ID, ProductUUID: v.ProductID, Name: v.Name, Slug: v.Slug, DisplayName: v.DisplayName, Description: v.Description,
		Organisation: c.Organisation, Status: v.Status, LicenseType: v.LicenseType, PricingType: v.PricingType, PlanType: v.PlanType,
		Environment: v.Environment, Visibility: v.Visibility, Interval: v.Interval, Length: v.Length, TrialDays: v.TrialDays,
		Evaluation: v.Evaluation, EvalDays: v.EvalDays, PerSeatAmount: v.PerSeatAmount, MaxSeatAmount: v.MaxSeatAmount, Active: v.Active,
		SalablePlan: v.SalablePlan, PaddlePlanID: v.PaddlePlanID, Capabilities: v.Capabilities,
		Features: each(v.Features, func(f catalog.PlanFeature) planFeature {
			return planFeature{f.FeatureID, f.Value, f.EnumValueID, f.IsUnlimited, f.IsUsage, f.MinUsage, f.MaxUsage, f.PricePerUnit, f.SortOrder}
		}),
		Currencies: each(v.Currencies, func(c catalog.PlanCurrency) planCurrency { return planCurrency(c) }),
		Prices: each(v.Prices, func(p catalog.Price) price {
			return price{Key: p.Key, Kind: p.Kind, Currency: p.Currency, UnitAmount: p.UnitAmount,
				Tiers:       each(p.Tiers, func(t catalog.Tier) tier { return tier(t) }),
				PackageSize: plainNumberOf(p.PackageSize), Percentage: p.Percentage, FreeUnits: plainNumberOf(p.FreeUnits),
				IncludedSeats: p.IncludedSeats, MinimumAmount: p.MinimumAmount, Billing: p.Billing, Meter: p.Meter}
		}),
		Version: v.PlanVersion, IsTest: c.Test(), ArchivedAt: v.ArchivedAt, CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt,
	}
}
