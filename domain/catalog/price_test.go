package catalog_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/internal/ledgertest"
)

func tiers(upTo ...int64) []catalog.Tier {
	var all []catalog.Tier
	for _, n := range upTo {
		t := catalog.Tier{UnitAmount: decimal.NewFromInt(1), UpTo: ptr(n)}
		if n == 0 {
			t.UpTo = nil
		}
		all = append(all, t)
	}
	return all
}

func TestPricesOfAPlan(t *testing.T) {
	l := ledgertest.New(t, now)
	product := l.Product()
	plan := l.Plan(product)
	meters := l.Meters(catalog.Price{Meter: "api"}, catalog.Price{Meter: "m"})
	for name, tt := range map[string]struct {
		price catalog.Price
		bad   []string
	}{
		"flat":                          {catalog.Price{Key: "k", Kind: "flat", Currency: "usd", UnitAmount: dec("1500")}, nil},
		"perUnit on a meter":            {catalog.Price{Key: "k", Kind: "perUnit", Currency: "USD", UnitAmount: dec("0.0123"), Meter: "api", FreeUnits: dec("10")}, nil},
		"perSeat with seats included":   {catalog.Price{Key: "k", Kind: "perSeat", Currency: "USD", UnitAmount: dec("1"), IncludedSeats: ptr(int64(3)), MinimumAmount: ptr(int64(0))}, nil},
		"graduated":                     {catalog.Price{Key: "k", Kind: "graduated", Currency: "USD", Tiers: tiers(1000, 5000, 0), Meter: "api", Billing: "inArrears"}, nil},
		"volume by the seat":            {catalog.Price{Key: "k", Kind: "volume", Currency: "USD", Tiers: tiers(10, 0)}, nil},
		"package":                       {catalog.Price{Key: "k", Kind: "package", Currency: "USD", UnitAmount: dec("5"), PackageSize: dec("100"), Meter: "api"}, nil},
		"percentage of a meter":         {catalog.Price{Key: "k", Kind: "percentage", Currency: "USD", Percentage: dec("8.875"), Meter: "api"}, nil},
		"one hundred per cent":          {catalog.Price{Key: "k", Kind: "percentage", Currency: "USD", Percentage: dec("100.0000"), Meter: "api"}, nil},
		"no key":                        {catalog.Price{Kind: "flat", Currency: "USD", UnitAmount: dec("1")}, []string{"/prices/0/key bad_price_key"}},
		"no such currency":              {catalog.Price{Key: "k", Kind: "flat", Currency: "XXX", UnitAmount: dec("1")}, []string{"/prices/0/currency unknown_currency"}},
		"C2 not the product's currency": {catalog.Price{Key: "k", Kind: "flat", Currency: "JPY", UnitAmount: dec("1")}, []string{"/prices/0/currency currency_not_offered"}},
		"unitAmount or tiers":           {catalog.Price{Key: "k", Kind: "graduated", Currency: "USD", UnitAmount: dec("1"), Tiers: tiers(0)}, []string{"/prices/0/unitAmount not_allowed"}},
		"tiers or unitAmount":           {catalog.Price{Key: "k", Kind: "flat", Currency: "USD", Tiers: tiers(0)}, []string{"/prices/0/unitAmount missing", "/prices/0/tiers not_allowed"}},
		"tiers increase":                {catalog.Price{Key: "k", Kind: "volume", Currency: "USD", Tiers: tiers(10, 10, 0)}, []string{"/prices/0/tiers/1/upTo tiers_not_increasing"}},
		"the last tier is open":         {catalog.Price{Key: "k", Kind: "volume", Currency: "USD", Tiers: tiers(10, 20)}, []string{"/prices/0/tiers/1/upTo last_tier_open"}},
		"only the last tier is open":    {catalog.Price{Key: "k", Kind: "volume", Currency: "USD", Tiers: tiers(0, 0)}, []string{"/prices/0/tiers/0/upTo only_last_tier_open"}},
		"a tiered price has tiers":      {catalog.Price{Key: "k", Kind: "volume", Currency: "USD"}, []string{"/prices/0/tiers missing", "/prices/0/tiers bad_tiers"}},
		"a percentage has a meter":      {catalog.Price{Key: "k", Kind: "percentage", Currency: "USD", Percentage: dec("5")}, []string{"/prices/0/meter missing"}},
		"above one hundred per cent":    {catalog.Price{Key: "k", Kind: "percentage", Currency: "USD", Percentage: dec("100.0001"), Meter: "m"}, []string{"/prices/0/percentage bad_percentage"}},
		"five places":                   {catalog.Price{Key: "k", Kind: "percentage", Currency: "USD", Percentage: dec("1.00001"), Meter: "m"}, []string{"/prices/0/percentage bad_percentage"}},
		"a tiny percentage":             {catalog.Price{Key: "k", Kind: "percentage", Currency: "USD", Percentage: dec("1e-20"), Meter: "m"}, []string{"/prices/0/percentage bad_percentage"}},
		"below zero":                    {catalog.Price{Key: "k", Kind: "flat", Currency: "USD", UnitAmount: dec("-1")}, []string{"/prices/0/unitAmount amount_out_of_range"}},
		"2^53":                          {catalog.Price{Key: "k", Kind: "flat", Currency: "USD", UnitAmount: dec("9007199254740992")}, []string{"/prices/0/unitAmount amount_out_of_range"}},
		"ten thousand zeros":            {catalog.Price{Key: "k", Kind: "flat", Currency: "USD", UnitAmount: dec("1e10000")}, []string{"/prices/0/unitAmount amount_out_of_range"}},
		"an empty package":              {catalog.Price{Key: "k", Kind: "package", Currency: "USD", UnitAmount: dec("1"), PackageSize: dec("0")}, []string{"/prices/0/packageSize bad_package_size"}},
		"usage is not known in advance": {catalog.Price{Key: "k", Kind: "perUnit", Currency: "USD", UnitAmount: dec("1"), Meter: "m", Billing: "inAdvance"}, []string{"/prices/0/billing bad_billing"}},
		"a flat price has no meter":     {catalog.Price{Key: "k", Kind: "flat", Currency: "USD", UnitAmount: dec("1"), Meter: "m"}, []string{"/prices/0/meter not_allowed"}},
		"only seats are included":       {catalog.Price{Key: "k", Kind: "flat", Currency: "USD", UnitAmount: dec("1"), IncludedSeats: ptr(int64(1))}, []string{"/prices/0/includedSeats not_allowed"}},
		"a negative minimum":            {catalog.Price{Key: "k", Kind: "flat", Currency: "USD", UnitAmount: dec("1"), MinimumAmount: ptr(int64(-1))}, []string{"/prices/0/minimumAmount amount_out_of_range"}},
	} {
		t.Run(name, func(t *testing.T) {
			answer, _, err := l.DryRun(catalog.AddPlanVersion{ID: plan, Prices: []catalog.Price{tt.price}, Meters: meters})
			if tt.bad != nil {
				require.Equal(t, tt.bad, codes(t, err))
				return
			}
			require.NoError(t, err)
			v := answer.(catalog.PlanView)
			require.Equal(t, "USD", v.Prices[0].Currency)
			require.NotEmpty(t, v.Prices[0].Billing)
			require.Equal(t, 2, v.PlanVersion)
		})
	}
	free := catalog.Price{Key: "k", Kind: "flat", Currency: "USD", UnitAmount: dec("0")}
	v := ledgertest.Must[catalog.PlanView](l, catalog.AddPlanVersion{ID: plan, Prices: []catalog.Price{free}}) // and the log keeps its 0
	require.Equal(t, "0", v.Prices[0].UnitAmount.String())
	twice := catalog.Price{Key: "k", Kind: "flat", Currency: "USD", UnitAmount: dec("1")}
	_, _, err := l.DryRun(catalog.AddPlanVersion{ID: plan, Prices: []catalog.Price{twice, twice}})
	require.Equal(t, []string{"/prices/1/key duplicate_price_key"}, codes(t, err))
}

// Rule C5, and that each version's prices are kept.
func TestPlanVersions(t *testing.T) {
	l := ledgertest.New(t, now)
	product := l.Product()
	plan := l.Plan(product) // 10.00 by the seat
	change := func(p catalog.PlanPatch) int {
		return ledgertest.Must[catalog.PlanView](l, catalog.ChangePlan{ID: plan, Patch: p}).PlanVersion
	}
	require.Equal(t, 1, change(catalog.PlanPatch{DisplayName: ptr("other"), MaxSeatAmount: ptr(5)}), "no price changed")
	require.Equal(t, 2, change(catalog.PlanPatch{Currencies: &[]catalog.PlanCurrency{{Currency: "USD", Price: 1200}}}))
	headline := []catalog.Price{{Key: catalog.HeadlineKey, Kind: "perSeat", Currency: "USD", UnitAmount: dec("1200.00")}}
	require.Equal(t, 2, change(catalog.PlanPatch{Prices: &headline}), "the same price in other words")
	require.Equal(t, 3, change(catalog.PlanPatch{Prices: &[]catalog.Price{{Key: "base", Kind: "flat", Currency: "USD", UnitAmount: dec("5")}}}))

	state := l.State(plan).(*catalog.Plan)
	for version, want := range []string{"", "perSeat 1000", "perSeat 1200", "flat 5"} {
		prices, ok := state.Prices(version)
		require.Equal(t, version > 0, ok)
		if ok {
			require.Equal(t, want, prices[0].Kind+" "+prices[0].UnitAmount.String())
		}
	}
	_, ok := state.Prices(4)
	require.False(t, ok)
}

// Contract ledger-v1: a plan without prices bills its headline price.
func TestEffectivePrices(t *testing.T) {
	headline := []catalog.PlanCurrency{{Currency: "USD", Price: 1500}, {Currency: "JPY", Price: 200}}
	licensed := catalog.PlanFields{LicenseType: "licensed", PricingType: "paid", Currencies: headline}
	got := licensed.EffectivePrices()
	require.Len(t, got, 2)
	require.Equal(t, []string{"flat", "USD", "inAdvance", "1500"}, []string{got[0].Kind, got[0].Currency, got[0].Billing, got[0].UnitAmount.String()})
	perSeat := catalog.PlanFields{LicenseType: "perSeat", PricingType: "paid", Currencies: headline}
	require.Equal(t, "perSeat", perSeat.EffectivePrices()[1].Kind)
	free := catalog.PlanFields{LicenseType: "licensed", PricingType: "free", Currencies: headline}
	require.Empty(t, free.EffectivePrices())
	own := catalog.PlanFields{PricingType: "paid", Currencies: headline, Prices: []catalog.Price{{Key: "own"}}}
	require.Equal(t, "own", own.EffectivePrices()[0].Key)
}

// Rule C10: a plan is not sold with a meter that nobody can record usage of.
func TestAPricesMeterIsThere(t *testing.T) {
	l := ledgertest.New(t, now)
	product := l.Product()
	by := func(meter string) []catalog.Price {
		return []catalog.Price{{Key: "flat", Kind: "flat", Currency: "USD", UnitAmount: dec("1"), Billing: "inAdvance"},
			{Key: "k", Kind: "perUnit", Currency: "USD", UnitAmount: dec("5"), Billing: "inArrears", Meter: meter}}
	}
	fields := catalog.DefaultPlan()
	fields.ProductID, fields.Name, fields.DisplayName, fields.LicenseType, fields.PricingType, fields.Interval, fields.Length = product, "p", "P", catalog.Metered, "paid", "month", 1
	plan, meters := l.Plan(product), l.Meters(by("calls")...)
	fields.Prices = by("cals") // newuser 12
	for name, c := range map[string]domain.Command{
		"a new plan":              catalog.CreatePlan{Fields: fields},
		"one that was not found":  catalog.CreatePlan{Fields: fields, Meters: catalog.Meters{"cals": uuid.Nil}},
		"another one of the name": catalog.CreatePlan{Fields: fields, Meters: catalog.Meters{"cals": meters["calls"]}},
		"no meter at all":         catalog.CreatePlan{Fields: fields, Meters: catalog.Meters{"cals": product}},
		"a change":                catalog.ChangePlan{ID: plan, Patch: catalog.PlanPatch{Prices: &fields.Prices}},
		"a version":               catalog.AddPlanVersion{ID: plan, Prices: fields.Prices},
	} {
		_, _, err := l.DryRun(c)
		require.Equal(t, []string{"/prices/1/meter no_meter"}, codes(t, err), name)
	}
	sold := ledgertest.Must[catalog.PlanView](l, catalog.AddPlanVersion{ID: plan, Prices: by("calls"), Meters: meters})
	require.Equal(t, 2, sold.PlanVersion)
	ledgertest.Must[catalog.MeterView](l, catalog.ArchiveMeter{ID: meters["calls"]})
	fields.Prices = by("calls")
	_, _, err := l.DryRun(catalog.CreatePlan{Fields: fields, Meters: meters})
	require.Equal(t, []string{"/prices/1/meter meter_archived"}, codes(t, err))

	// What the plan has already stays good, a meter that never was too: it may come from before the rule.
	l.Given(plan, catalog.PlanChanged{PlanFields: withPrices(sold.PlanFields, by("cals")), Version: 3})
	text := "Other"
	require.Equal(t, 3, ledgertest.Must[catalog.PlanView](l, catalog.ChangePlan{ID: plan, Patch: catalog.PlanPatch{DisplayName: &text}}).PlanVersion)
	dearer := by("cals")
	dearer[1].UnitAmount = dec("6")
	require.Equal(t, 4, ledgertest.Must[catalog.PlanView](l, catalog.AddPlanVersion{ID: plan, Prices: dearer}).PlanVersion)
}

func withPrices(f catalog.PlanFields, prices []catalog.Price) catalog.PlanFields {
	f.Prices = prices
	return f
}
