package ledgertest

import (
	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/catalog"
)

// Product makes a product in USD and EUR, edited as a test needs it.
func (l *Ledger) Product(edit ...func(*catalog.ProductFields)) uuid.UUID {
	l.t.Helper()
	f := catalog.ProductFields{Name: "product", DisplayName: "Product",
		Currencies: []catalog.ProductCurrency{{Currency: "USD", Default: true}, {Currency: "EUR"}}}
	for _, e := range edit {
		e(&f)
	}
	return Must[catalog.ProductView](l, catalog.CreateProduct{Fields: f}).ID
}

// Capability makes a capability of a product.
func (l *Ledger) Capability(product uuid.UUID, name string) uuid.UUID {
	l.t.Helper()
	return Must[catalog.CapabilityView](l, catalog.CreateCapability{Fields: catalog.CapabilityFields{ProductID: product, Name: name}}).ID
}

// Plan makes a monthly plan of a product, 10.00 USD in advance by the seat, one seat or more, edited as a
// test needs it.
func (l *Ledger) Plan(product uuid.UUID, edit ...func(*catalog.PlanFields)) uuid.UUID {
	l.t.Helper()
	f := catalog.DefaultPlan()
	f.ProductID, f.Name, f.DisplayName = product, "plan", "Plan"
	f.LicenseType, f.PricingType, f.Interval, f.Length = catalog.PerSeat, "paid", "month", 1
	f.Currencies = []catalog.PlanCurrency{{Currency: "USD", Price: 1000}}
	for _, e := range edit {
		e(&f)
	}
	return Must[catalog.PlanView](l, catalog.CreatePlan{Fields: f, Meters: l.Meters(f.Prices...)}).ID
}

// Meters are the meters that prices name; those that nobody has made yet are made, and sum.
func (l *Ledger) Meters(prices ...catalog.Price) catalog.Meters {
	l.t.Helper()
	meters := catalog.Meters{}
	for _, p := range prices {
		if p.Meter == "" {
			continue
		}
		id, made := l.claims[claim{"meter.key", p.Meter}]
		if !made {
			id = Must[catalog.MeterView](l, catalog.CreateMeter{Fields: catalog.MeterFields{Key: p.Meter}}).ID
		}
		meters[p.Meter] = id
	}
	return meters
}
