package catalog_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/internal/ledgertest"
)

// Unit price by quantity, checked against integers without a limit.
func TestB21_TheChargeFits64Bits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p catalog.Plan
		f := catalog.DefaultPlan()
		kind := rapid.SampledFrom([]string{catalog.SeatPrice, catalog.PerUnit, catalog.Flat, catalog.Volume, catalog.Package}).Draw(t, "kind")
		unit := rapid.Int64Range(0, catalog.MaxMinor).Draw(t, "unit")
		quantity := rapid.IntRange(0, math.MaxInt32).Draw(t, "quantity")
		n := rapid.IntRange(1, 100).Draw(t, "prices")
		size := rapid.Int64Range(1, 1000).Draw(t, "size")
		amount := decimal.NewFromInt(unit)
		packages := decimal.NewFromInt(size)
		units := big.NewInt(int64(quantity))
		for range n {
			price := catalog.Price{Currency: "USD", Kind: kind, UnitAmount: &amount}
			switch kind {
			case catalog.Volume:
				price.UnitAmount, price.Tiers = nil, []catalog.Tier{{UnitAmount: amount, FlatAmount: &amount}}
			case catalog.Package:
				price.PackageSize = &packages
			}
			f.Prices = append(f.Prices, price)
		}
		p.Apply(catalog.PlanCreated{PlanFields: f})
		switch kind {
		case catalog.Flat:
			units.SetInt64(1)
		case catalog.Volume:
			units.Add(units, big.NewInt(1))
		case catalog.Package:
			units.SetInt64((int64(quantity) + size - 1) / size)
		}
		total := units.Mul(units, new(big.Int).Mul(big.NewInt(unit), big.NewInt(int64(n))))
		err := p.CheckCharge(1, "USD", quantity)
		if total.IsInt64() != (err == nil) {
			t.Fatalf("%d of %s at %d, %d times: %v", quantity, kind, unit, n, err)
		}
		if err != nil {
			refused, ok := domain.AsRefusal(err)
			if !ok || refused.Code != "amount_out_of_range" || refused.Kind != domain.Invalid {
				t.Fatal(err)
			}
		}
		if err := p.CheckCharge(1, "EUR", quantity); err != nil {
			t.Fatalf("another currency's prices do not count: %v", err)
		}
	})
}

func TestB21_AMeteredPriceIsNotKnownBeforehand(t *testing.T) {
	l := ledgertest.New(t, now)
	plan := l.Plan(l.Product(), func(f *catalog.PlanFields) {
		most := decimal.NewFromInt(catalog.MaxMinor)
		f.Prices = []catalog.Price{{Key: "a", Kind: catalog.PerUnit, Currency: "USD", UnitAmount: &most, Meter: "calls"}}
	})
	require.NoError(t, l.State(plan).(*catalog.Plan).CheckCharge(1, "USD", math.MaxInt32))
}
