package rating_test

import (
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/rating"
)

func dec(s string) *decimal.Decimal {
	d := decimal.RequireFromString(s)
	return &d
}

func ptr[T any](v T) *T { return &v }

func rat(s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic(s)
	}
	return r
}

// tiers are "upTo:unit+flat", the last with upTo -.
func tiers(rows ...[3]string) (all []catalog.Tier) {
	for _, r := range rows {
		t := catalog.Tier{UnitAmount: decimal.RequireFromString(r[1])}
		if r[0] != "" {
			n := decimal.RequireFromString(r[0]).IntPart()
			t.UpTo = &n
		}
		if r[2] != "" {
			t.FlatAmount = dec(r[2])
		}
		all = append(all, t)
	}
	return all
}

var apiTiers = tiers([3]string{"1000", "1", ""}, [3]string{"5000", "0.8", ""}, [3]string{"", "0.5", ""})

func amount(t require.TestingT, c rating.Charge) int64 {
	if c.Share == (period.Share{}) {
		c.Share = rating.Whole
	}
	n, err := c.Amount()
	require.NoError(t, err)
	return n
}

func TestCharges(t *testing.T) {
	graduated := catalog.Price{Kind: catalog.Graduated, Tiers: apiTiers}
	volume := catalog.Price{Kind: catalog.Volume, Tiers: apiTiers}
	seats := tiers([3]string{"10", "1000", ""}, [3]string{"", "800", ""})
	entry := tiers([3]string{"10", "100", "500"}, [3]string{"", "50", "200"})
	for name, tt := range map[string]struct {
		price    catalog.Price
		quantity string
		want     int64
	}{
		"case 61: volume, 10 seats":              {catalog.Price{Kind: catalog.Volume, Tiers: seats}, "10", 10000},
		"case 61: volume, 11 seats":              {catalog.Price{Kind: catalog.Volume, Tiers: seats}, "11", 8800},
		"case 61: graduated, 11 seats":           {catalog.Price{Kind: catalog.Graduated, Tiers: seats}, "11", 10800},
		"case 64: 7,500":                         {graduated, "7500", 5450},
		"case 64: 1,000":                         {graduated, "1000", 1000},
		"case 64: 1,001":                         {graduated, "1001", 1001},
		"case 65: 7,500":                         {volume, "7500", 3750},
		"case 65: 1,000":                         {volume, "1000", 1000},
		"case 65: 1,001":                         {volume, "1001", 801},
		"case 67: a unit price is not rounded":   {catalog.Price{Kind: catalog.PerUnit, UnitAmount: dec("0.0123")}, "1000001", 12300},
		"no unit in any tier costs nothing":      {catalog.Price{Kind: catalog.Graduated, Tiers: entry}, "0", 0},
		"a flat amount once its tier is entered": {catalog.Price{Kind: catalog.Graduated, Tiers: entry}, "10", 1500},
		"each tier's, one unit further":          {catalog.Price{Kind: catalog.Graduated, Tiers: entry}, "11", 1750},
		"of a volume price the last one's alone": {catalog.Price{Kind: catalog.Volume, Tiers: entry}, "11", 750},
		"a part of a unit is in the next tier":   {catalog.Price{Kind: catalog.Volume, Tiers: entry}, "21/2", 725},
		"flat, whatever the quantity":            {catalog.Price{Kind: catalog.Flat, UnitAmount: dec("1500")}, "7", 1500},
		"by the seat":                            {catalog.Price{Kind: catalog.SeatPrice, UnitAmount: dec("1500")}, "7", 10500},
		"three seats are included":               {catalog.Price{Kind: catalog.SeatPrice, UnitAmount: dec("1500"), IncludedSeats: ptr(int64(3))}, "7", 6000},
		"more than there are":                    {catalog.Price{Kind: catalog.SeatPrice, UnitAmount: dec("1500"), IncludedSeats: ptr(int64(8))}, "7", 0},
		"free units come off first":              {catalog.Price{Kind: catalog.Graduated, Tiers: apiTiers, FreeUnits: dec("500")}, "1500", 1000},
		"a package that was begun":               {catalog.Price{Kind: catalog.Package, UnitAmount: dec("250"), PackageSize: dec("100")}, "201", 750},
		"two whole ones":                         {catalog.Price{Kind: catalog.Package, UnitAmount: dec("250"), PackageSize: dec("100")}, "200", 500},
		"none":                                   {catalog.Price{Kind: catalog.Package, UnitAmount: dec("250"), PackageSize: dec("100")}, "0", 0},
		"a percentage of an amount":              {catalog.Price{Kind: catalog.Percentage, Percentage: dec("2.9")}, "123450", 3580},
		"with an amount that is free":            {catalog.Price{Kind: catalog.Percentage, Percentage: dec("8.875"), FreeUnits: dec("100")}, "1100", 89},
		"case 115: half to even, down":           {catalog.Price{Kind: catalog.PerUnit, UnitAmount: dec("12.5")}, "1", 12},
		"case 115: half to even, up":             {catalog.Price{Kind: catalog.PerUnit, UnitAmount: dec("13.5")}, "1", 14},
		"a third of a unit is not rounded first": {catalog.Price{Kind: catalog.PerUnit, UnitAmount: dec("4.5")}, "1/3", 2},
		"a correction leaves less than nothing":  {catalog.Price{Kind: catalog.PerUnit, UnitAmount: dec("4.5")}, "-3", 0},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, amount(t, rating.Charge{Price: tt.price, Quantity: rat(tt.quantity)}))
		})
	}
}

// Case 86, and its neighbours.
func TestTrueUp(t *testing.T) {
	p := catalog.Price{MinimumAmount: ptr(int64(10000))}
	for _, tt := range []struct {
		share         period.Share
		charged, want int64
	}{{rating.Whole, 6235, 3765}, {period.Share{Part: 15, Whole: 30}, 6235, 0}, {period.Share{Part: 15, Whole: 30}, 4999, 1}, {period.Share{Part: 15, Whole: 30}, 5000, 0}, {rating.Whole, 0, 10000},
		{period.Share{Part: 1, Whole: 3}, 0, 3333}} {
		got, err := rating.TrueUp(p, tt.share, tt.charged)
		require.NoError(t, err)
		require.Equal(t, tt.want, got, "%+v", tt)
	}
	none, err := rating.TrueUp(catalog.Price{}, rating.Whole, 0)
	require.NoError(t, err)
	require.Zero(t, none)
}

func TestAChargeThatFitsNoAmountIsRefused(t *testing.T) {
	_, err := rating.Charge{Price: catalog.Price{Kind: catalog.PerUnit, UnitAmount: dec("9000000000000000")}, Quantity: rat("1e10"), Share: rating.Whole}.Amount()
	require.ErrorContains(t, err, "64 bits")
}

// charge [a,c) = [a,b) + [b,c) within one minor unit, in each mode; exactly the same before rounding.
func TestSharesOfAChargeAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		anchor := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.Int64Range(0, 200_000).Draw(t, "hours")) * time.Hour)
		zone, err := period.Zone(rapid.SampledFrom([]string{"UTC", "America/New_York", "Pacific/Apia", "Asia/Kathmandu"}).Draw(t, "zone"))
		require.NoError(t, err)
		s := period.Schedule{Anchor: anchor, Zone: zone, Interval: period.Interval{Unit: period.Month, Count: rapid.IntRange(1, 12).Draw(t, "months")}}
		whole := s.Period(rapid.IntRange(0, 20).Draw(t, "n"))
		cut := whole.Start.Add(time.Duration(rapid.Int64Range(0, int64(whole.End.Sub(whole.Start)/time.Microsecond)).Draw(t, "cut")) * time.Microsecond)
		a, b := whole.Split(cut)
		mode := rapid.SampledFrom([]period.Mode{period.BySecond, period.ByDay, period.ByFixed30}).Draw(t, "mode")
		c := rating.Charge{Price: catalog.Price{Kind: catalog.SeatPrice, UnitAmount: dec(fmt.Sprintf("%d.%04d", rapid.Int64Range(0, 1e7).Draw(t, "unit"), rapid.IntRange(0, 9999).Draw(t, "part")))},
			Quantity: rating.Units(rapid.IntRange(0, 10_000).Draw(t, "seats"))}
		of := func(p period.Period) (int64, *big.Rat) {
			c.Share = mode.Share(p, whole, zone)
			return amount(t, c), c.Exact()
		}
		all, exact := of(whole)
		first, exactFirst := of(a)
		second, exactSecond := of(b)
		require.LessOrEqual(t, max(all-first-second, first+second-all), int64(1))
		require.Zero(t, exact.Cmp(exactFirst.Add(exactFirst, exactSecond)))
	})
}

// More never costs less at a graduated price, and a unit at a time adds up to the same as all at once.
func TestGraduatedAddsUpUnitByUnit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []catalog.Tier
		end := int64(0)
		for range rapid.IntRange(0, 4).Draw(t, "tiers") {
			end += rapid.Int64Range(1, 20).Draw(t, "size")
			all = append(all, catalog.Tier{UpTo: ptr(end), UnitAmount: decimal.New(rapid.Int64Range(0, 999).Draw(t, "unit"), -1)})
		}
		all = append(all, catalog.Tier{UnitAmount: decimal.New(rapid.Int64Range(0, 999).Draw(t, "unit"), -1)})
		p := catalog.Price{Kind: catalog.Graduated, Tiers: all}
		sum := new(big.Rat)
		for n := 1; n <= rapid.IntRange(1, 100).Draw(t, "n"); n++ {
			unit := all[len(all)-1].UnitAmount
			for _, tier := range all {
				if tier.UpTo == nil || int64(n) <= *tier.UpTo {
					unit = tier.UnitAmount
					break
				}
			}
			sum.Add(sum, unit.Rat())
			require.Zero(t, sum.Cmp(rating.Charge{Price: p, Quantity: rating.Units(n), Share: rating.Whole}.Exact()), "%d units", n)
		}
	})
}
