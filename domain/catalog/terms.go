package catalog

import (
	"slices"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// Terms are what a purchase copies from a plan as it is now, capability names included; archived
// capabilities are left out (rule C3).
//
// NotFound: no_plan. Conflict: plan_archived, also for an inactive plan and one of an archived product.
func Terms(l domain.Ledger, planID uuid.UUID) (PlanTerms, error) {
	offer, err := Offered(l, planID)
	if err != nil {
		return PlanTerms{}, err
	}
	return offer.Terms, nil
}

// Offer is a plan on sale. Plan and Product are the ledger's own states: read them only.
type Offer struct {
	Terms   PlanTerms
	Plan    *Plan
	Product *Product
}

// Offered is Terms with the plan and its product; it refuses like Terms.
func Offered(l domain.Ledger, planID uuid.UUID) (Offer, error) {
	plan, err := domain.LoadAs[*Plan](l, planID, "no_plan")
	if err != nil {
		return Offer{}, err
	}
	f := &plan.Fields
	product, err := domain.LoadAs[*Product](l, f.ProductID, "no_product")
	if err != nil {
		return Offer{}, err
	}
	if err := f.OnSale(plan.Archived, product.Archived); err != nil {
		return Offer{}, err
	}
	terms := PlanTerms{
		PlanID: planID, PlanVersion: plan.PlanVersion, ProductID: f.ProductID, LicenseType: f.LicenseType,
		Interval: f.Interval, Length: f.Length, MinSeats: f.PerSeatAmount, MaxSeats: f.MaxSeatAmount,
		Paid: f.PricingType == "paid", Capabilities: make([]CapabilityRef, 0, len(f.Capabilities)),
	}
	for _, id := range f.Capabilities {
		c, err := domain.LoadAs[*Capability](l, id, "no_capability")
		if err != nil {
			return Offer{}, err
		}
		if !c.Archived {
			terms.Capabilities = append(terms.Capabilities, CapabilityRef{ID: id, Name: c.Fields.Name})
		}
	}
	return Offer{Terms: terms, Plan: plan, Product: product}, nil
}

// Usual is the currency of a purchase that does not say one.
func (o Offer) Usual() string {
	priced, usual := o.Plan.Fields.PricedCurrencies(), o.Product.DefaultCurrency()
	if len(priced) > 0 && !slices.Contains(priced, usual) {
		return priced[0]
	}
	return usual
}

// Currency is the one that a purchase is made in: the one asked for, else the product's default where
// the plan has a price in it, else the plan's first, else the product's default; empty when there is
// none at all. Invalid at /currency: unknown_currency, currency_not_offered.
func (o Offer) Currency(asked string) (string, error) {
	if asked == "" {
		return o.Usual(), nil
	}
	priced := o.Plan.Fields.PricedCurrencies()
	var bad domain.Problems
	currency(&bad, "/currency", &asked)
	if err := bad.Refusal(); err != nil {
		return "", err
	}
	if !o.Product.Offers(asked) || len(priced) > 0 && !slices.Contains(priced, asked) {
		return "", domain.RefuseField("/currency", "currency_not_offered", "this plan is not offered in %s", asked)
	}
	return asked, nil
}
