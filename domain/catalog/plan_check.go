package catalog

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/money"
	"github.com/subledger/subledger/domain/period"
)

// MaxSeats bounds what a plan may allow and a subscription may have.
const MaxSeats = 1_000_000

// maxDays bounds trials and evaluations: ten years.
const maxDays = 3660

// maxItems bounds each relation of a plan.
const maxItems = 1000

// resolve normalises f, checks all of it against the product and the items it names, and refuses with
// every bad field. Before is the plan's present fields, nil for a new plan: what it has already stays
// good, though the items it names may have changed or be archived by now.
func (f *PlanFields) resolve(l domain.Ledger, product *Product, before *PlanFields, meters Meters) error {
	bad := f.check()
	if before != nil {
		fixedProduct(&bad, f.ProductID, before.ProductID)
	} else {
		before = &PlanFields{}
	}
	if f.Slug != before.Slug {
		checkPlanSlug(&bad, f.Slug)
	}
	if err := f.checkCapabilities(l, before, &bad); err != nil {
		return err
	}
	if err := f.checkFeatures(l, before, &bad); err != nil {
		return err
	}
	if err := f.checkMeters(l, before, meters, &bad); err != nil {
		return err
	}
	had := before.PricedCurrencies()
	offered := func(pointer, code string) {
		// A code that is no currency was reported already.
		if _, known := money.Lookup(code); known && !product.Offers(code) && !slices.Contains(had, code) {
			bad.Add(pointer, "currency_not_offered", "the product is not offered in %s", code) // rule C2
		}
	}
	for i, c := range f.Currencies {
		offered(fmt.Sprintf("/currencies/%d/currency", i), c.Currency)
	}
	for i, p := range f.Prices {
		offered(fmt.Sprintf("/prices/%d/currency", i), p.Currency)
	}
	return bad.Refusal()
}

// check does what needs no other item.
func (f *PlanFields) check() (bad domain.Problems) {
	orDefault(&f.PlanType, "Standard")
	orDefault(&f.Environment, "dev")
	orDefault(&f.Visibility, "public")
	if f.PlanType == "Coming Soon" { // both spellings are about
		f.PlanType = PlanComingSoon
	}
	bad.Line("/name", "bad_name", f.Name)
	bad.Line("/displayName", "bad_display_name", f.DisplayName)
	orDefault(&f.Slug, plainSlug(snake(f.DisplayName)))
	bad.Line("/slug", "bad_slug", f.Slug)
	bad.OptionalText("/description", "bad_description", f.Description)
	bad.OptionalLine("/paddlePlanId", "bad_paddle_plan_id", f.PaddlePlanID, domain.MaxName)
	bad.OneOf("/licenseType", "bad_license_type", f.LicenseType, Licensed, Metered, PerSeat, "customId", "user", "board")
	bad.OneOf("/pricingType", "bad_pricing_type", f.PricingType, "free", "paid")
	bad.OneOf("/planType", "bad_plan_type", f.PlanType, "Standard", "Bespoke", "Evaluation", PlanComingSoon)
	bad.OneOf("/environment", "bad_environment", f.Environment, "dev", "prod")
	bad.OneOf("/visibility", "bad_visibility", f.Visibility, "public", "private")
	if _, err := period.NewInterval(f.Interval, f.Length); err != nil {
		pointer := "/length"
		if _, err := period.NewInterval(f.Interval, 1); err != nil {
			pointer = "/interval"
		}
		bad.AddError(pointer, err)
	}
	if f.TrialDays != nil && (*f.TrialDays < 0 || *f.TrialDays > maxDays) {
		bad.Add("/trialDays", "bad_trial_days", "a trial has 0 to %d days", maxDays)
	}
	if f.EvalDays < 0 || f.EvalDays > maxDays {
		bad.Add("/evalDays", "bad_eval_days", "an evaluation has 0 to %d days", maxDays)
	}
	switch {
	case f.PerSeatAmount < 0 || f.PerSeatAmount > MaxSeats:
		bad.Add("/perSeatAmount", "bad_seat_minimum", "a minimum is 0 to %d seats", MaxSeats) // rule C4
	case f.MaxSeatAmount < -1 || f.MaxSeatAmount > MaxSeats:
		bad.Add("/maxSeatAmount", "bad_seat_maximum", "a maximum is up to %d seats, or -1 for none", MaxSeats) // rule C4
	case f.MaxSeatAmount >= 0 && f.PerSeatAmount > f.MaxSeatAmount:
		bad.Add("/maxSeatAmount", "bad_seat_maximum", "the maximum %d is below the minimum %d", f.MaxSeatAmount, f.PerSeatAmount) // rule C4
	}
	f.checkCurrencies(&bad)
	f.checkPrices(&bad)
	return bad
}

func (f *PlanFields) checkCurrencies(bad *domain.Problems) {
	f.Currencies = append([]PlanCurrency{}, f.Currencies...)
	seen := map[string]bool{}
	for i := range f.Currencies {
		c, pointer := &f.Currencies[i], fmt.Sprintf("/currencies/%d", i)
		currency(bad, pointer+"/currency", &c.Currency)
		if seen[c.Currency] {
			bad.Add(pointer+"/currency", "duplicate_currency", "%s comes twice", c.Currency)
		}
		seen[c.Currency] = true
		whole(bad, pointer+"/price", c.Price)
	}
}

func (f *PlanFields) checkCapabilities(l domain.Ledger, before *PlanFields, bad *domain.Problems) error {
	f.Capabilities = append([]uuid.UUID{}, f.Capabilities...)
	if len(f.Capabilities) > maxItems {
		bad.Add("/capabilities", "too_many_items", "at most %d are allowed", maxItems)
		return nil
	}
	for i, id := range f.Capabilities {
		pointer := fmt.Sprintf("/capabilities/%d", i)
		state, err := l.Load(id)
		if err != nil {
			return err
		}
		c, ok := state.(*Capability)
		switch {
		case slices.Contains(f.Capabilities[:i], id):
			bad.Add(pointer, "duplicate_capability", "%s comes twice", id)
		case !ok || c.Fields.ProductID != f.ProductID:
			bad.Add(pointer, "no_capability", "%s is no capability of this product", id) // rule C1
		case c.Archived && !slices.Contains(before.Capabilities, id):
			bad.Add(pointer, "capability_archived", "%s is archived", id)
		}
	}
	return nil
}

func (f *PlanFields) checkFeatures(l domain.Ledger, before *PlanFields, bad *domain.Problems) error {
	f.Features = append([]PlanFeature{}, f.Features...)
	if len(f.Features) > maxItems {
		bad.Add("/features", "too_many_items", "at most %d are allowed", maxItems)
		return nil
	}
	seen := map[uuid.UUID]bool{}
	for i := range f.Features {
		v, pointer := &f.Features[i], fmt.Sprintf("/features/%d", i)
		state, err := l.Load(v.FeatureID)
		if err != nil {
			return err
		}
		feature, ok := state.(*Feature)
		at := slices.IndexFunc(before.Features, func(b PlanFeature) bool { return b.FeatureID == v.FeatureID })
		switch {
		case seen[v.FeatureID]:
			bad.Add(pointer+"/featureUuid", "duplicate_feature", "%s comes twice", v.FeatureID)
		case !ok || feature.Fields.ProductID != f.ProductID:
			bad.Add(pointer+"/featureUuid", "no_feature", "%s is no feature of this product", v.FeatureID) // rule C1
		case at >= 0 && same(*v, before.Features[at]):
		case feature.Archived && at < 0:
			bad.Add(pointer+"/featureUuid", "feature_archived", "%s is archived", v.FeatureID)
		default:
			v.resolve(&feature.Fields, pointer, bad)
		}
		seen[v.FeatureID] = true
	}
	return nil
}

// checkMeters is rule C10: what nobody can record would be sold and never billed.
func (f *PlanFields) checkMeters(l domain.Ledger, before *PlanFields, meters Meters, bad *domain.Problems) error {
	for i, p := range f.Prices[:min(len(f.Prices), maxPrices)] {
		if p.Meter == "" || slices.ContainsFunc(before.Prices, func(b Price) bool { return b.Meter == p.Meter }) {
			continue
		}
		state, err := l.Load(meters[p.Meter])
		if err != nil {
			return err
		}
		m, ok := state.(*Meter)
		switch pointer := fmt.Sprintf("/prices/%d/meter", i); {
		case !ok || m.Fields.Key != p.Meter:
			bad.Add(pointer, "no_meter", "there is no meter %.255q: make it first, then the price", p.Meter)
		case m.Archived:
			bad.Add(pointer, "meter_archived", "the meter %.255q is archived", p.Meter)
		}
	}
	return nil
}

// resolve completes a plan's value of a feature: the default when there is none, option and name
// both ways.
func (v *PlanFeature) resolve(f *FeatureFields, pointer string, bad *domain.Problems) {
	if v.EnumValueID != nil {
		at := slices.IndexFunc(f.EnumOptions, func(o EnumOption) bool { return o.ID == *v.EnumValueID })
		switch {
		case at < 0:
			bad.Add(pointer+"/enumValueUuid", "no_enum_option", "%s is no option of this feature", *v.EnumValueID)
			return
		case v.Value != "" && v.Value != f.EnumOptions[at].Name:
			bad.Add(pointer+"/value", "bad_feature_value", "it is not the name of the option %s", *v.EnumValueID)
			return
		}
		v.Value = f.EnumOptions[at].Name
	}
	if v.Value == "" {
		if v.Value = f.DefaultValue; v.IsUnlimited && f.ValueType == "numerical" {
			v.Value = Unlimited
		}
	}
	if err := f.allows(v.Value); err != nil {
		bad.Add(pointer+"/value", "bad_feature_value", "%s", err)
		return
	}
	if f.ValueType == "numerical" && v.Value == Unlimited {
		v.IsUnlimited = true
	}
	if o := f.option(v.Value); f.ValueType == "enum" && o != nil {
		id := o.ID
		v.EnumValueID = &id
	}
	if v.MinUsage != nil {
		whole(bad, pointer+"/minUsage", *v.MinUsage)
	}
	if v.MaxUsage != nil {
		whole(bad, pointer+"/maxUsage", *v.MaxUsage)
	}
	if v.MinUsage != nil && v.MaxUsage != nil && *v.MinUsage > *v.MaxUsage {
		bad.Add(pointer+"/maxUsage", "bad_max_usage", "the maximum %d is below the minimum %d", *v.MaxUsage, *v.MinUsage)
	}
	if v.PricePerUnit != nil {
		d := *v.PricePerUnit
		amount(bad, pointer+"/pricePerUnit", &d)
		v.PricePerUnit = &d
	}
}
