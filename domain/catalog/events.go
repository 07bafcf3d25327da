// Package catalog is what is sold: products, plans, features, capabilities, meters, coupons, tax rates and pricing
// tables. Each item is a stream of its own. What a subscription or a licence bought is copied into its own events, so a
// later change here changes nobody's purchase.
//
// Vocabulary: product, plan, price, feature, enum option, capability, meter, currency, coupon, redemption, tax rate, pricing table.
//
// Rules:
//
//	C1 An item belongs to one product for ever; a plan refers only to capabilities and features of its own product.
//	C2 A product has at most one default currency; a plan's prices are in currencies of its product.
//	C3 An archived item is sold no more; what was sold keeps it.
//	C4 perSeatAmount (minimum seats) is 0 or more and at most maxSeatAmount, where -1 means no maximum.
//	C5 A change of prices makes the next plan version; every other change keeps the version.
//	C6 A relation given in a request replaces the whole relation; an absent one stays.
//	C7 A plan's slug is unique in its product for ever, since checks name plans by it: a chosen one that is taken is refused,
//	   and one derived from the display name gets a part of the plan's id. A product's is unique in the ledger if a caller
//	   chose it; one derived from the display name may repeat. A meter's key is unique in the ledger and stays; so is a coupon's code.
//	C8 A coupon is redeemed at most as often as it says, before it expires, for its products, and in its currency if it
//	   takes off an amount. Each redemption counts for ever, also when the coupon is taken off again.
//	C9 A tax rate's percentage may change: what is billed copies it, and keeps the copy.
//	C10 A price's meter exists and is not archived; one that the plan has already stays good.
package catalog

import (
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
)

// ProductFields are a product's fields as callers set them; spelling and enums are Salable's
// (contract: product object).
type ProductFields struct {
	Name               string            `json:"name"`
	Slug               string            `json:"slug,omitzero"`
	DisplayName        string            `json:"display_name"`
	Description        *string           `json:"description,omitzero"`
	LogoURL            *string           `json:"logo_url,omitzero"`
	AppType            *string           `json:"app_type,omitzero"`
	Paid               bool              `json:"paid"`
	PaymentIntegration string            `json:"payment_integration"` // "free" when there is none
	Currencies         []ProductCurrency `json:"currencies"`
}

// ProductCurrency offers a product in a currency.
type ProductCurrency struct {
	Currency string `json:"currency"` // ISO 4217
	Default  bool   `json:"default,omitzero"`
}

// PlanFields are a plan's fields as callers set them.
type PlanFields struct {
	ProductID     uuid.UUID      `json:"product_id"`
	Name          string         `json:"name"`
	Slug          string         `json:"slug,omitzero"`
	DisplayName   string         `json:"display_name"`
	Description   *string        `json:"description,omitzero"`
	LicenseType   string         `json:"license_type"` // licensed, metered, perSeat, customId, user, board
	PricingType   string         `json:"pricing_type"` // free, paid
	PlanType      string         `json:"plan_type"`    // Standard, Bespoke, Evaluation, Coming soon
	Environment   string         `json:"environment"`  // dev, prod
	Visibility    string         `json:"visibility"`   // public, private
	Interval      string         `json:"interval"`     // day, week, month, year
	Length        int            `json:"length"`
	TrialDays     *int           `json:"trial_days,omitzero"`
	Evaluation    bool           `json:"evaluation,omitzero"`
	EvalDays      int            `json:"eval_days,omitzero"`
	PerSeatAmount int            `json:"per_seat_amount"` // minimum seats
	MaxSeatAmount int            `json:"max_seat_amount"` // -1: no maximum
	Active        bool           `json:"active"`
	SalablePlan   bool           `json:"salable_plan,omitzero"`
	PaddlePlanID  *string        `json:"paddle_plan_id,omitzero"`
	Capabilities  []uuid.UUID    `json:"capabilities"`
	Features      []PlanFeature  `json:"features"`
	Currencies    []PlanCurrency `json:"currencies"`
	Prices        []Price        `json:"prices"`
}

// PlanFeature is a feature's value on a plan.
type PlanFeature struct {
	FeatureID    uuid.UUID        `json:"feature_id"`
	Value        string           `json:"value"`
	EnumValueID  *uuid.UUID       `json:"enum_value_id,omitzero"`
	IsUnlimited  bool             `json:"is_unlimited,omitzero"`
	IsUsage      bool             `json:"is_usage,omitzero"`
	MinUsage     *int64           `json:"min_usage,omitzero"`
	MaxUsage     *int64           `json:"max_usage,omitzero"`
	PricePerUnit *decimal.Decimal `json:"price_per_unit,omitempty"`
	SortOrder    int              `json:"sort_order,omitzero"`
}

// PlanCurrency is a plan's headline price in a currency, in minor units.
type PlanCurrency struct {
	Currency string `json:"currency"`
	Price    int64  `json:"price"`
}

// Price is one component of what a plan costs. Unit amounts are decimals in minor units and never rounded.
type Price struct {
	Key           string           `json:"key"`
	Kind          string           `json:"kind"` // flat, perUnit, perSeat, graduated, volume, package, percentage
	Currency      string           `json:"currency"`
	UnitAmount    *decimal.Decimal `json:"unit_amount,omitempty"`
	Tiers         []Tier           `json:"tiers,omitzero"`
	PackageSize   *decimal.Decimal `json:"package_size,omitempty"`
	Percentage    *decimal.Decimal `json:"percentage,omitempty"`
	FreeUnits     *decimal.Decimal `json:"free_units,omitempty"`
	IncludedSeats *int64           `json:"included_seats,omitzero"`
	MinimumAmount *int64           `json:"minimum_amount,omitzero"`
	Billing       string           `json:"billing"` // inAdvance, inArrears
	Meter         string           `json:"meter,omitzero"`
}

// Tier is a step of a graduated or volume price; the last one has no UpTo.
type Tier struct {
	UpTo       *int64           `json:"up_to"`
	UnitAmount decimal.Decimal  `json:"unit_amount"`
	FlatAmount *decimal.Decimal `json:"flat_amount,omitempty"`
}

// FeatureFields are a feature's fields as callers set them.
type FeatureFields struct {
	ProductID     uuid.UUID    `json:"product_id"`
	Name          string       `json:"name"`
	DisplayName   string       `json:"display_name"`
	Description   *string      `json:"description,omitzero"`
	VariableName  *string      `json:"variable_name,omitzero"`
	Status        string       `json:"status"`     // ACTIVE, DEPRECATED, COMING_SOON
	Visibility    string       `json:"visibility"` // public, private
	ValueType     string       `json:"value_type"` // boolean, numerical, enum
	DefaultValue  string       `json:"default_value"`
	ShowUnlimited bool         `json:"show_unlimited,omitzero"`
	SortOrder     int          `json:"sort_order,omitzero"`
	EnumOptions   []EnumOption `json:"enum_options"`
}

// EnumOption is one value that an enum feature may take.
type EnumOption struct {
	ID   uuid.UUID `json:"id"`
	Name string    `json:"name"`
}

// CapabilityFields are a capability's fields as callers set them.
type CapabilityFields struct {
	ProductID   uuid.UUID `json:"product_id"`
	Name        string    `json:"name"`
	Description *string   `json:"description,omitzero"`
}

// MeterFields are a meter's fields as callers set them.
type MeterFields struct {
	Key         string `json:"key"`
	Name        string `json:"name"`
	Aggregation string `json:"aggregation"` // sum, count, max, last, unique, weightedSum
	CarriesOver bool   `json:"carries_over,omitzero"`
}

// Created and changed items carry all fields: the newest event alone says what the item is.
type (
	ProductCreated  struct{ ProductFields }
	ProductChanged  struct{ ProductFields }
	ProductArchived struct{}

	PlanCreated struct{ PlanFields }
	PlanChanged struct {
		PlanFields
		Version int `json:"version"` // rule C5
	}
	PlanArchived struct{}

	FeatureCreated  struct{ FeatureFields }
	FeatureChanged  struct{ FeatureFields }
	FeatureArchived struct{}

	CapabilityCreated  struct{ CapabilityFields }
	CapabilityChanged  struct{ CapabilityFields }
	CapabilityArchived struct{}

	MeterCreated  struct{ MeterFields }
	MeterChanged  struct{ MeterFields }
	MeterArchived struct{}

	CouponCreated  struct{ CouponFields }
	CouponChanged  struct{ CouponFields }
	CouponArchived struct{}

	TaxRateCreated  struct{ TaxRateFields }
	TaxRateChanged  struct{ TaxRateFields }
	TaxRateArchived struct{}

	PricingTableCreated  struct{ PricingTableFields }
	PricingTableChanged  struct{ PricingTableFields }
	PricingTableArchived struct{}
)

func (ProductCreated) EventType() string     { return "product.created.v1" }
func (ProductChanged) EventType() string     { return "product.changed.v1" }
func (ProductArchived) EventType() string    { return "product.archived.v1" }
func (PlanCreated) EventType() string        { return "plan.created.v1" }
func (PlanChanged) EventType() string        { return "plan.changed.v1" }
func (PlanArchived) EventType() string       { return "plan.archived.v1" }
func (FeatureCreated) EventType() string     { return "feature.created.v1" }
func (FeatureChanged) EventType() string     { return "feature.changed.v1" }
func (FeatureArchived) EventType() string    { return "feature.archived.v1" }
func (CapabilityCreated) EventType() string  { return "capability.created.v1" }
func (CapabilityChanged) EventType() string  { return "capability.changed.v1" }
func (CapabilityArchived) EventType() string { return "capability.archived.v1" }
func (MeterCreated) EventType() string       { return "meter.created.v1" }
func (MeterChanged) EventType() string       { return "meter.changed.v1" }
func (MeterArchived) EventType() string      { return "meter.archived.v1" }
func (CouponCreated) EventType() string      { return "coupon.created.v1" }
func (CouponChanged) EventType() string      { return "coupon.changed.v1" }
func (CouponRedeemed) EventType() string     { return "coupon.redeemed.v1" }
func (CouponArchived) EventType() string     { return "coupon.archived.v1" }

func (TaxRateCreated) EventType() string  { return "tax_rate.created.v1" }
func (TaxRateChanged) EventType() string  { return "tax_rate.changed.v1" }
func (TaxRateArchived) EventType() string { return "tax_rate.archived.v1" }

func (PricingTableCreated) EventType() string  { return "pricing_table.created.v1" }
func (PricingTableChanged) EventType() string  { return "pricing_table.changed.v1" }
func (PricingTableArchived) EventType() string { return "pricing_table.archived.v1" }

// CapabilityRef is a capability as a purchase froze it.
type CapabilityRef struct {
	ID   uuid.UUID `json:"id"`
	Name string    `json:"name"`
}

// PlanTerms is what a purchase copies from its plan and keeps whatever happens to the plan later.
type PlanTerms struct {
	PlanID       uuid.UUID       `json:"plan_id"`
	PlanVersion  int             `json:"plan_version"`
	ProductID    uuid.UUID       `json:"product_id"`
	LicenseType  string          `json:"license_type"`
	Interval     string          `json:"interval"`
	Length       int             `json:"length"`
	MinSeats     int             `json:"min_seats"`
	MaxSeats     int             `json:"max_seats"` // -1: no maximum
	Paid         bool            `json:"paid,omitzero"`
	Capabilities []CapabilityRef `json:"capabilities"`
}

// Vocabularies lists the aggregates of the catalog for the log's codec.
func Vocabularies() []domain.Vocabulary {
	return []domain.Vocabulary{
		{Kind: "product", New: func() domain.State { return &Product{} }, Events: []domain.EventType{
			domain.Named[ProductCreated](), domain.Named[ProductChanged](), domain.Named[ProductArchived]()}},
		{Kind: "plan", New: func() domain.State { return &Plan{} }, Events: []domain.EventType{
			domain.Named[PlanCreated](), domain.Named[PlanChanged](), domain.Named[PlanArchived]()}},
		{Kind: "feature", New: func() domain.State { return &Feature{} }, Events: []domain.EventType{
			domain.Named[FeatureCreated](), domain.Named[FeatureChanged](), domain.Named[FeatureArchived]()}},
		{Kind: "capability", New: func() domain.State { return &Capability{} }, Events: []domain.EventType{
			domain.Named[CapabilityCreated](), domain.Named[CapabilityChanged](), domain.Named[CapabilityArchived]()}},
		{Kind: "meter", New: func() domain.State { return &Meter{} }, Events: []domain.EventType{
			domain.Named[MeterCreated](), domain.Named[MeterChanged](), domain.Named[MeterArchived]()}},
		{Kind: "coupon", New: func() domain.State { return &Coupon{} }, Events: []domain.EventType{
			domain.Named[CouponCreated](), domain.Named[CouponChanged](), domain.Named[CouponRedeemed](), domain.Named[CouponArchived]()}},
		{Kind: "tax_rate", New: func() domain.State { return &TaxRate{} }, Events: []domain.EventType{
			domain.Named[TaxRateCreated](), domain.Named[TaxRateChanged](), domain.Named[TaxRateArchived]()}},
		{Kind: "pricing_table", New: func() domain.State { return &PricingTable{} }, Events: []domain.EventType{
			domain.Named[PricingTableCreated](), domain.Named[PricingTableChanged](), domain.Named[PricingTableArchived]()}},
	}
}
