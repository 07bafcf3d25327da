package catalog

import (
	"fmt"

	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
)

// Kinds of prices.
const (
	Flat       = "flat"
	PerUnit    = "perUnit"
	SeatPrice  = "perSeat"
	Graduated  = "graduated"
	Volume     = "volume"
	Package    = "package"
	Percentage = "percentage"
)

// When a price is billed.
const (
	InAdvance = "inAdvance"
	InArrears = "inArrears"
)

// HeadlineKey is the key of the price that a plan without prices of its own has in each currency.
const HeadlineKey = "headline"

// Most prices of a plan, tiers of a price.
const (
	maxPrices = 100
	maxTiers  = 100
)

// EffectivePrices are the prices that the plan bills: its own or, without any, one in advance for each
// of its headline prices, by the seat where the licence type is perSeat, flat elsewhere. A free plan
// without prices of its own bills nothing.
func (f *PlanFields) EffectivePrices() []Price {
	if len(f.Prices) > 0 {
		return f.Prices
	}
	if f.PricingType == "free" {
		return nil
	}
	kind := Flat
	if f.LicenseType == PerSeat {
		kind = SeatPrice
	}
	prices := make([]Price, len(f.Currencies))
	for i, c := range f.Currencies {
		unit := decimal.NewFromInt(c.Price)
		prices[i] = Price{Key: HeadlineKey, Kind: kind, Currency: c.Currency, UnitAmount: &unit, Billing: InAdvance}
	}
	return prices
}

// Headline is the one amount that stands for what the plan costs in a currency, in minor units: of the prices that it
// bills, that of the plan itself or of a seat, else the first of a unit. A plan that bills nothing of the kind, by tiers
// for example, has the price that it was given for show.
func (f *PlanFields) Headline(currency string) (unit decimal.Decimal, ok bool) {
	for _, p := range f.EffectivePrices() {
		if p.Currency != currency || p.UnitAmount == nil {
			continue
		}
		if p.Kind == Flat || p.Kind == SeatPrice {
			return *p.UnitAmount, true
		}
		if !ok {
			unit, ok = *p.UnitAmount, true
		}
	}
	if ok {
		return unit, true
	}
	for _, c := range f.Currencies {
		if c.Currency == currency {
			return decimal.NewFromInt(c.Price), true
		}
	}
	return decimal.Decimal{}, false
}

func (f *PlanFields) checkPrices(bad *domain.Problems) {
	f.Prices = append([]Price{}, f.Prices...)
	if len(f.Prices) > maxPrices {
		bad.Add("/prices", "too_many_prices", "a plan has at most %d prices", maxPrices)
		return
	}
	type name struct{ key, currency string }
	seen := map[name]bool{}
	for i := range f.Prices {
		p, pointer := &f.Prices[i], fmt.Sprintf("/prices/%d", i)
		p.check(pointer, bad)
		if seen[name{p.Key, p.Currency}] {
			bad.Add(pointer+"/key", "duplicate_price_key", "the key %q comes twice in %s", p.Key, p.Currency)
		}
		seen[name{p.Key, p.Currency}] = true
	}
}

// check normalises a price: the event must not share decimals with the request.
func (p *Price) check(pointer string, bad *domain.Problems) {
	bad.Line(pointer+"/key", "bad_price_key", p.Key)
	bad.OneOf(pointer+"/kind", "bad_price_kind", p.Kind, Flat, PerUnit, SeatPrice, Graduated, Volume, Package, Percentage)
	currency(bad, pointer+"/currency", &p.Currency)
	tiered := p.Kind == Graduated || p.Kind == Volume
	p.checkShape(pointer, tiered, bad)
	p.checkBilling(pointer, bad)
	if tiered {
		p.checkTiers(pointer+"/tiers", bad)
	}
	p.UnitAmount = clean(p.UnitAmount, pointer+"/unitAmount", bad)
	p.FreeUnits = clean(p.FreeUnits, pointer+"/freeUnits", bad)
	p.PackageSize = clean(p.PackageSize, pointer+"/packageSize", bad)
	if p.PackageSize != nil && p.PackageSize.IsZero() {
		bad.Add(pointer+"/packageSize", "bad_package_size", "a package holds more than nothing")
	}
	if p.IncludedSeats != nil {
		whole(bad, pointer+"/includedSeats", *p.IncludedSeats)
	}
	if p.MinimumAmount != nil {
		whole(bad, pointer+"/minimumAmount", *p.MinimumAmount)
	}
	if d := p.Percentage; d != nil {
		if !bounded(*d) || d.IsNegative() || d.GreaterThan(decimal.NewFromInt(100)) || d.Normalize().Exponent() < -4 {
			bad.Add(pointer+"/percentage", "bad_percentage", "a percentage is 0 to 100 with at most four decimal places")
		} else {
			n := d.Normalize()
			p.Percentage = &n
		}
	}
}

// checkShape says which fields a kind has.
func (p *Price) checkShape(pointer string, tiered bool, bad *domain.Problems) {
	for _, f := range []struct {
		name           string
		has, must, may bool
	}{
		{"unitAmount", p.UnitAmount != nil, !tiered && p.Kind != Percentage, false},
		{"tiers", p.Tiers != nil, tiered, false},
		{"packageSize", p.PackageSize != nil, p.Kind == Package, false},
		{"percentage", p.Percentage != nil, p.Kind == Percentage, false},
		{"meter", p.Meter != "", p.Kind == Percentage, p.Kind == PerUnit || tiered || p.Kind == Package},
		{"freeUnits", p.FreeUnits != nil, false, p.Kind != Flat && p.Kind != SeatPrice},
		{"includedSeats", p.IncludedSeats != nil, false, p.Kind == SeatPrice || tiered && p.Meter == ""},
	} {
		switch {
		case f.must && !f.has:
			bad.Add(pointer+"/"+f.name, "missing", "a %s price has it", p.Kind)
		case f.has && !f.must && !f.may:
			bad.Add(pointer+"/"+f.name, "not_allowed", "a %s price has none", p.Kind)
		}
	}
}

// checkBilling: usage is known when the period is over.
func (p *Price) checkBilling(pointer string, bad *domain.Problems) {
	if p.Meter != "" {
		bad.Line(pointer+"/meter", "bad_meter", p.Meter)
		orDefault(&p.Billing, InArrears)
		if p.Billing == InAdvance {
			bad.Add(pointer+"/billing", "bad_billing", "a price with a meter is billed inArrears")
		}
	}
	orDefault(&p.Billing, InAdvance)
	bad.OneOf(pointer+"/billing", "bad_billing", p.Billing, InAdvance, InArrears)
}

func (p *Price) checkTiers(pointer string, bad *domain.Problems) {
	p.Tiers = append([]Tier{}, p.Tiers...)
	if len(p.Tiers) == 0 || len(p.Tiers) > maxTiers {
		bad.Add(pointer, "bad_tiers", "there are 1 to %d tiers", maxTiers)
		return
	}
	last := int64(0)
	for i := range p.Tiers {
		t, at := &p.Tiers[i], fmt.Sprintf("%s/%d", pointer, i)
		amount(bad, at+"/unitAmount", &t.UnitAmount)
		t.FlatAmount = clean(t.FlatAmount, at+"/flatAmount", bad)
		switch open := i == len(p.Tiers)-1; {
		case open && t.UpTo != nil:
			bad.Add(at+"/upTo", "last_tier_open", "the last tier has no end: null")
		case !open && t.UpTo == nil:
			bad.Add(at+"/upTo", "only_last_tier_open", "only the last tier has no end")
		case !open && (*t.UpTo <= last || *t.UpTo > MaxMinor):
			bad.Add(at+"/upTo", "tiers_not_increasing", "a tier ends above the one before it, at most at %d", int64(MaxMinor))
		case !open:
			last = *t.UpTo
		}
	}
}

// clean is amount for a decimal that may be absent; the result shares nothing with the request.
func clean(d *decimal.Decimal, pointer string, bad *domain.Problems) *decimal.Decimal {
	if d == nil {
		return nil
	}
	n := *d
	amount(bad, pointer, &n)
	return &n
}
