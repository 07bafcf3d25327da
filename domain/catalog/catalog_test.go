package catalog_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/internal/ledgertest"
)

var now = time.Date(2025, time.April, 10, 12, 0, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

func dec(s string) *decimal.Decimal { return ptr(decimal.RequireFromString(s)) }

// codes lists the bad fields of a refusal, as pointer and code.
func codes(t *testing.T, err error) []string {
	t.Helper()
	e, ok := domain.AsRefusal(err)
	require.True(t, ok, "%v", err)
	var all []string
	for _, f := range e.Fields {
		all = append(all, f.Pointer+" "+f.Code)
	}
	return all
}

func TestItemsAreCreatedChangedArchived(t *testing.T) {
	l := ledgertest.New(t, now)
	product := ledgertest.Must[catalog.ProductView](l, catalog.CreateProduct{Fields: catalog.ProductPatch{
		Name: ptr("p"), DisplayName: ptr("My Product (new)"), Currencies: &[]catalog.ProductCurrency{{Currency: "usd"}}}.Fields()})
	require.Equal(t, "my_product_new", product.Slug)
	require.Equal(t, "free", product.PaymentIntegration)
	require.Equal(t, "USD", product.Currencies[0].Currency, "codes are upper case, however they come")
	require.Equal(t, catalog.Active, product.Status)
	require.Equal(t, int64(1), product.Version)
	require.Equal(t, now, product.CreatedAt)

	feature := ledgertest.Must[catalog.FeatureView](l, catalog.CreateFeature{Fields: catalog.FeatureFields{ProductID: product.ID,
		Name: "size", DisplayName: "Size", ValueType: "enum", EnumOptions: []catalog.EnumOption{{Name: "s"}, {Name: "m"}}}})
	require.Equal(t, "s", feature.DefaultValue)
	require.NotEqual(t, uuid.Nil, feature.EnumOptions[0].ID)
	feature2 := ledgertest.Must[catalog.FeatureView](l, catalog.ChangeFeature{ID: feature.ID,
		Patch: catalog.FeaturePatch{EnumOptions: &[]catalog.EnumOption{{Name: "l"}, {Name: "s"}}}})
	require.Equal(t, feature.EnumOptions[0].ID, feature2.EnumOptions[1].ID, "an option that stays keeps its id")

	capability := l.Capability(product.ID, "edit")
	meter := ledgertest.Must[catalog.MeterView](l, catalog.CreateMeter{Fields: catalog.MeterFields{Key: "api"}})
	require.Equal(t, "sum", meter.Aggregation)
	require.Equal(t, "api", meter.Name)

	plan := ledgertest.Must[catalog.PlanView](l, catalog.CreatePlan{Fields: catalog.PlanPatch{ProductID: &product.ID, Name: ptr("pro"),
		DisplayName: ptr("Pro"), LicenseType: ptr("perSeat"), PricingType: ptr("paid"), Interval: ptr("month"), Length: ptr(1),
		Capabilities: &[]uuid.UUID{capability}, Features: &[]catalog.PlanFeature{{FeatureID: feature.ID, Value: "l"}}}.Fields()})
	require.Equal(t, 1, plan.PerSeatAmount)
	require.Equal(t, -1, plan.MaxSeatAmount)
	require.True(t, plan.Active)
	require.Equal(t, []string{"Standard", "dev", "public", "pro"}, []string{plan.PlanType, plan.Environment, plan.Visibility, plan.Slug})
	require.Equal(t, feature2.EnumOptions[0].ID, *plan.Features[0].EnumValueID)

	l.Pass(time.Hour)
	for name, archive := range map[string]domain.Command{
		"product": catalog.ArchiveProduct{ID: product.ID}, "plan": catalog.ArchivePlan{ID: plan.ID}, "feature": catalog.ArchiveFeature{ID: feature.ID},
		"capability": catalog.ArchiveCapability{ID: capability}, "meter": catalog.ArchiveMeter{ID: meter.ID},
	} {
		_, events, err := l.Execute(archive)
		require.NoError(t, err)
		require.Equal(t, []string{name + ".archived.v1"}, ledgertest.Names(events))
		_, events, err = l.Execute(archive)
		require.NoError(t, err)
		require.Empty(t, events, "twice makes no event: %s", name)
	}
	archived := ledgertest.Must[catalog.PlanView](l, catalog.ArchivePlan{ID: plan.ID})
	require.Equal(t, catalog.Deprecated, archived.Status)
	require.Equal(t, l.Now(), *archived.ArchivedAt)
	require.Equal(t, now, archived.CreatedAt)
	for _, change := range []domain.Command{
		catalog.ChangeProduct{ID: product.ID, Patch: catalog.ProductPatch{Name: ptr("x")}},
		catalog.ChangePlan{ID: plan.ID, Patch: catalog.PlanPatch{Name: ptr("x")}},
		catalog.ChangeFeature{ID: feature.ID, Patch: catalog.FeaturePatch{Name: ptr("x")}},
		catalog.ChangeCapability{ID: capability, Patch: catalog.CapabilityPatch{Name: ptr("x")}},
		catalog.ChangeMeter{ID: meter.ID, Patch: catalog.MeterPatch{Name: ptr("x")}},
		catalog.CreatePlan{Fields: catalog.PlanFields{ProductID: product.ID}},
	} {
		_, _, err := l.Execute(change)
		e, ok := domain.AsRefusal(err)
		require.True(t, ok, "%T", change)
		require.Equal(t, domain.Conflict, e.Kind, "%T is rule C3", change)
		require.Equal(t, catalog.Deprecated, e.State)
	}
	l.CheckFolds()
}

// Rule C6, and that a change that changes nothing makes no event.
func TestPatchLeavesWhatItDoesNotName(t *testing.T) {
	l := ledgertest.New(t, now)
	product := l.Product(func(f *catalog.ProductFields) { f.Description = ptr("text") })
	capability := l.Capability(product, "edit")
	plan := l.Plan(product, func(f *catalog.PlanFields) { f.Capabilities = []uuid.UUID{capability} })

	for name, none := range map[string]domain.Command{
		"product":    catalog.ChangeProduct{ID: product},
		"plan":       catalog.ChangePlan{ID: plan, Patch: catalog.PlanPatch{Name: ptr("plan"), Capabilities: &[]uuid.UUID{capability}}},
		"capability": catalog.ChangeCapability{ID: capability, Patch: catalog.CapabilityPatch{Name: ptr("edit")}},
	} {
		_, events, err := l.Execute(none)
		require.NoError(t, err)
		require.Empty(t, events, name)
	}
	p := ledgertest.Must[catalog.ProductView](l, catalog.ChangeProduct{ID: product, Patch: catalog.ProductPatch{DisplayName: ptr("Other")}})
	require.Equal(t, []string{"product", "Other", "product", "text"}, []string{p.Name, p.DisplayName, p.Slug, *p.Description})
	require.Len(t, p.Currencies, 2)
	p = ledgertest.Must[catalog.ProductView](l, catalog.ChangeProduct{ID: product, Patch: catalog.ProductPatch{Description: ptr(""), Currencies: &[]catalog.ProductCurrency{}}})
	require.Nil(t, p.Description, "the empty text removes an optional one")
	require.Empty(t, p.Currencies)
	v := ledgertest.Must[catalog.PlanView](l, catalog.ChangePlan{ID: plan, Patch: catalog.PlanPatch{Capabilities: &[]uuid.UUID{}}})
	require.Empty(t, v.Capabilities)
}

func TestRulesOfItems(t *testing.T) {
	l := ledgertest.New(t, now)
	product, other := l.Product(), l.Product()
	foreign := l.Capability(other, "edit")
	size := ledgertest.Must[catalog.FeatureView](l, catalog.CreateFeature{Fields: catalog.FeatureFields{ProductID: product, Name: "size", DisplayName: "Size",
		ValueType: "enum", EnumOptions: []catalog.EnumOption{{Name: "s"}}}})
	plan := l.Plan(product)
	fields := func(edit func(*catalog.PlanFields)) catalog.PlanFields {
		f := catalog.DefaultPlan()
		f.ProductID, f.Name, f.DisplayName = product, "plan", "Plan"
		f.LicenseType, f.PricingType, f.Interval, f.Length = "perSeat", "paid", "month", 1
		edit(&f)
		return f
	}
	feature := func(edit func(*catalog.FeatureFields)) catalog.CreateFeature {
		f := catalog.FeatureFields{ProductID: product, Name: "f", DisplayName: "F"}
		edit(&f)
		return catalog.CreateFeature{Fields: f}
	}
	for name, tt := range map[string]struct {
		when domain.Command
		bad  []string
	}{
		"names are 1 to 255 bytes": {catalog.CreateProduct{Fields: catalog.ProductFields{DisplayName: strings.Repeat("é", 128)}},
			[]string{"/name bad_name", "/displayName bad_display_name"}},
		"no control characters": {catalog.CreateProduct{Fields: catalog.ProductFields{Name: "a\nb", DisplayName: "d"}}, []string{"/name bad_name"}},
		"C2 one default currency": {catalog.CreateProduct{Fields: catalog.ProductFields{Name: "a", DisplayName: "d",
			Currencies: []catalog.ProductCurrency{{Currency: "USD", Default: true}, {Currency: "EUR", Default: true}}}}, []string{"/currencies/1/default second_default"}},
		"unknown and repeated currencies": {catalog.CreateProduct{Fields: catalog.ProductFields{Name: "a", DisplayName: "d",
			Currencies: []catalog.ProductCurrency{{Currency: "XXX"}, {Currency: "usd"}, {Currency: "USD"}}}},
			[]string{"/currencies/0/currency unknown_currency", "/currencies/2/currency duplicate_currency"}},
		"C2 a plan's currencies are its product's": {catalog.CreatePlan{Fields: fields(func(f *catalog.PlanFields) {
			f.Currencies = []catalog.PlanCurrency{{Currency: "JPY", Price: 1}}
		})}, []string{"/currencies/0/currency currency_not_offered"}},
		"all enums": {catalog.CreatePlan{Fields: fields(func(f *catalog.PlanFields) {
			f.LicenseType, f.PricingType, f.PlanType, f.Environment, f.Visibility, f.Interval = "seat", "cheap", "Gold", "test", "hidden", "fortnight"
		})}, []string{"/licenseType bad_license_type", "/pricingType bad_pricing_type", "/planType bad_plan_type", "/environment bad_environment",
			"/visibility bad_visibility", "/interval bad_interval"}},
		"lengths and days": {catalog.CreatePlan{Fields: fields(func(f *catalog.PlanFields) { f.Length, f.TrialDays, f.EvalDays = 0, ptr(-1), 5000 })},
			[]string{"/length bad_interval_length", "/trialDays bad_trial_days", "/evalDays bad_eval_days"}},
		"C4 minimum above maximum":      {catalog.CreatePlan{Fields: fields(func(f *catalog.PlanFields) { f.PerSeatAmount, f.MaxSeatAmount = 3, 2 })}, []string{"/maxSeatAmount bad_seat_maximum"}},
		"C4 negative minimum":           {catalog.CreatePlan{Fields: fields(func(f *catalog.PlanFields) { f.PerSeatAmount = -1 })}, []string{"/perSeatAmount bad_seat_minimum"}},
		"C4 maximum below none":         {catalog.CreatePlan{Fields: fields(func(f *catalog.PlanFields) { f.MaxSeatAmount = -2 })}, []string{"/maxSeatAmount bad_seat_maximum"}},
		"C1 another product's relation": {catalog.CreatePlan{Fields: fields(func(f *catalog.PlanFields) { f.Capabilities = []uuid.UUID{foreign, uuid.Max} })}, []string{"/capabilities/0 no_capability", "/capabilities/1 no_capability"}},
		"C1 for ever":                   {catalog.ChangePlan{ID: plan, Patch: catalog.PlanPatch{ProductID: &other}}, []string{"/productUuid product_is_fixed"}},
		"a feature's value is one of its own": {catalog.CreatePlan{Fields: fields(func(f *catalog.PlanFields) {
			f.Features = []catalog.PlanFeature{{FeatureID: size.ID, Value: "xl"}, {FeatureID: size.ID}, {FeatureID: plan}}
		})}, []string{"/features/0/value bad_feature_value", "/features/1/featureUuid duplicate_feature", "/features/2/featureUuid no_feature"}},
		"an enum option is one of its own": {catalog.CreatePlan{Fields: fields(func(f *catalog.PlanFields) {
			f.Features = []catalog.PlanFeature{{FeatureID: size.ID, EnumValueID: &plan}}
		})}, []string{"/features/0/enumValueUuid no_enum_option"}},
		"an enum has options":       {feature(func(f *catalog.FeatureFields) { f.ValueType = "enum" }), []string{"/enumOptions no_enum_options"}},
		"others have none":          {feature(func(f *catalog.FeatureFields) { f.EnumOptions = []catalog.EnumOption{{Name: "a"}} }), []string{"/enumOptions not_an_enum"}},
		"the default is a value":    {feature(func(f *catalog.FeatureFields) { f.ValueType, f.DefaultValue = "boolean", "yes" }), []string{"/defaultValue bad_default_value"}},
		"a meter's key is for ever": {catalog.ChangeMeter{ID: ledgertest.Must[catalog.MeterView](l, catalog.CreateMeter{Fields: catalog.MeterFields{Key: "k"}}).ID, Patch: catalog.MeterPatch{Key: ptr("j")}}, []string{"/key key_is_fixed"}},
		"a meter's aggregation":     {catalog.CreateMeter{Fields: catalog.MeterFields{Key: "m", Aggregation: "median"}}, []string{"/aggregation bad_aggregation"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := l.Execute(tt.when)
			require.Equal(t, tt.bad, codes(t, err))
		})
	}
	for code, unknown := range map[string]domain.Command{
		"no_product": catalog.ChangeProduct{ID: plan}, "no_plan": catalog.ChangePlan{ID: product}, "no_feature": catalog.ArchiveFeature{ID: uuid.Max},
		"no_capability": catalog.ArchiveCapability{ID: product}, "no_meter": catalog.ArchiveMeter{ID: product},
	} {
		_, _, err := l.Execute(unknown)
		require.ErrorIs(t, err, &domain.Error{Code: code})
	}
}

// A change is not refused for what the plan had before and what has changed around it since.
func TestWhatAPlanHasStaysGood(t *testing.T) {
	l := ledgertest.New(t, now)
	product := l.Product()
	size := ledgertest.Must[catalog.FeatureView](l, catalog.CreateFeature{Fields: catalog.FeatureFields{ProductID: product, Name: "size", DisplayName: "Size",
		ValueType: "enum", EnumOptions: []catalog.EnumOption{{Name: "s"}, {Name: "m"}}}}).ID
	edit := l.Capability(product, "edit")
	plan := l.Plan(product, func(f *catalog.PlanFields) {
		f.Features, f.Capabilities = []catalog.PlanFeature{{FeatureID: size, Value: "s"}}, []uuid.UUID{edit}
	})
	ledgertest.Must[catalog.FeatureView](l, catalog.ChangeFeature{ID: size, Patch: catalog.FeaturePatch{DefaultValue: ptr("m"), EnumOptions: &[]catalog.EnumOption{{Name: "m"}}}})
	ledgertest.Must[catalog.FeatureView](l, catalog.ArchiveFeature{ID: size})
	ledgertest.Must[catalog.CapabilityView](l, catalog.ArchiveCapability{ID: edit})
	ledgertest.Must[catalog.ProductView](l, catalog.ChangeProduct{ID: product, Patch: catalog.ProductPatch{Currencies: &[]catalog.ProductCurrency{{Currency: "EUR"}}}})

	v := ledgertest.Must[catalog.PlanView](l, catalog.ChangePlan{ID: plan, Patch: catalog.PlanPatch{DisplayName: ptr("renamed")}})
	require.Equal(t, "s", v.Features[0].Value)
	_, _, err := l.Execute(catalog.ChangePlan{ID: plan, Patch: catalog.PlanPatch{Features: &[]catalog.PlanFeature{{FeatureID: size, Value: "xl"}}}})
	require.Equal(t, []string{"/features/0/value bad_feature_value"}, codes(t, err))
	f := catalog.DefaultPlan()
	f.ProductID, f.Name, f.DisplayName, f.LicenseType, f.PricingType, f.Interval, f.Length = product, "p", "P", "licensed", "free", "month", 1
	f.Features, f.Capabilities = []catalog.PlanFeature{{FeatureID: size, Value: "m"}}, []uuid.UUID{edit}
	_, _, err = l.Execute(catalog.CreatePlan{Fields: f})
	require.Equal(t, []string{"/capabilities/0 capability_archived", "/features/0/featureUuid feature_archived"}, codes(t, err))
}

// Rule C7.
func TestSlugsAndKeysAreUnique(t *testing.T) {
	l := ledgertest.New(t, now)
	a, b := l.Product(), l.Product()
	pro := func(f *catalog.PlanFields) { f.Slug = "pro" }
	plan := l.Plan(a, pro)
	l.Plan(b, pro) // unique in a product only
	slugOf := func(id uuid.UUID) string { return l.State(id).(*catalog.Plan).Fields.Slug }
	long := func(f *catalog.PlanFields) { f.DisplayName = strings.Repeat("é", domain.MaxName/2) }
	for _, edit := range []func(*catalog.PlanFields){func(*catalog.PlanFields) {}, long} {
		first, second, elsewhere := l.Plan(a, edit), l.Plan(a, edit), l.Plan(b, edit)
		require.Equal(t, slugOf(first), slugOf(elsewhere))
		require.NotEqual(t, slugOf(first), slugOf(second), "a derived one is unique too")
		require.True(t, strings.HasSuffix(slugOf(second), "_"+second.String()[28:]), slugOf(second))
		require.LessOrEqual(t, len(slugOf(second)), domain.MaxName)
	}
	third := l.Plan(a, func(f *catalog.PlanFields) { f.DisplayName = "PRO" })
	require.Equal(t, "pro_"+third.String()[28:], slugOf(third), "one was chosen before")
	_, _, taken := l.Execute(catalog.ChangePlan{ID: third, Patch: catalog.PlanPatch{Slug: ptr("pro")}})
	require.ErrorIs(t, taken, &domain.Error{Code: "slug_taken"})
	f := catalog.DefaultPlan()
	f.ProductID, f.Name, f.DisplayName, f.Slug = a, "x", "x", "pro"
	f.LicenseType, f.PricingType, f.Interval, f.Length = "licensed", "free", "month", 1
	_, _, err := l.Execute(catalog.CreatePlan{Fields: f})
	require.ErrorIs(t, err, &domain.Error{Code: "slug_taken"})
	ledgertest.Must[catalog.PlanView](l, catalog.ChangePlan{ID: plan, Patch: catalog.PlanPatch{Slug: ptr("pro2")}})
	ledgertest.Must[catalog.PlanView](l, catalog.ChangePlan{ID: plan, Patch: catalog.PlanPatch{Slug: ptr("pro")}}) // its own, for ever

	ledgertest.Must[catalog.MeterView](l, catalog.CreateMeter{Fields: catalog.MeterFields{Key: "api"}})
	_, _, err = l.Execute(catalog.CreateMeter{Fields: catalog.MeterFields{Key: "api"}})
	require.ErrorIs(t, err, &domain.Error{Code: "meter_key_taken"})
}

// Rule C3 and what a purchase copies.
func TestTerms(t *testing.T) {
	l := ledgertest.New(t, now)
	product := l.Product()
	edit, view := l.Capability(product, "edit"), l.Capability(product, "view")
	plan := l.Plan(product, func(f *catalog.PlanFields) { f.Capabilities, f.MaxSeatAmount = []uuid.UUID{edit, view}, 9 })
	terms := func() (catalog.PlanTerms, error) {
		answer, _, err := l.DryRun(ask(func(l domain.Ledger) (any, error) { return catalog.Terms(l, plan) }))
		got, _ := answer.(catalog.PlanTerms)
		return got, err
	}
	got, err := terms()
	require.NoError(t, err)
	require.Equal(t, catalog.PlanTerms{PlanID: plan, PlanVersion: 1, ProductID: product, LicenseType: "perSeat", Interval: "month", Length: 1,
		MinSeats: 1, MaxSeats: 9, Paid: true, Capabilities: []catalog.CapabilityRef{{ID: edit, Name: "edit"}, {ID: view, Name: "view"}}}, got)

	ledgertest.Must[catalog.CapabilityView](l, catalog.ArchiveCapability{ID: view})
	got, err = terms()
	require.NoError(t, err)
	require.Len(t, got.Capabilities, 1, "an archived capability is sold no more")

	ledgertest.Must[catalog.PlanView](l, catalog.ChangePlan{ID: plan, Patch: catalog.PlanPatch{Active: ptr(false)}})
	_, err = terms()
	require.ErrorIs(t, err, &domain.Error{Code: "plan_archived"})
	ledgertest.Must[catalog.PlanView](l, catalog.ChangePlan{ID: plan, Patch: catalog.PlanPatch{Active: ptr(true)}})
	ledgertest.Must[catalog.ProductView](l, catalog.ArchiveProduct{ID: product})
	_, err = terms()
	require.ErrorIs(t, err, &domain.Error{Code: "plan_archived"})
	_, _, err = l.DryRun(ask(func(l domain.Ledger) (any, error) { return catalog.Terms(l, product) }))
	require.ErrorIs(t, err, &domain.Error{Code: "no_plan"})
}

// ask is a command that only looks.
type ask func(domain.Ledger) (any, error)

func (a ask) Decide(l domain.Ledger) (any, error) { return a(l) }

// A view must survive the log's way of keeping answers.
func TestViewsAreJSON(t *testing.T) {
	l := ledgertest.New(t, now)
	product := l.Product()
	v := ledgertest.Must[catalog.ProductView](l, catalog.ChangeProduct{ID: product})
	data, err := json.Marshal(v)
	require.NoError(t, err)
	var back catalog.ProductView
	require.NoError(t, json.Unmarshal(data, &back))
	require.Empty(t, ledgertest.Diff(v, back))
}

// A private plan is moved to by agreement.
func TestSwitch(t *testing.T) {
	product := uuid.New()
	for name, tt := range map[string]struct {
		change   func(*catalog.PlanFields)
		archived bool
		code     string
	}{
		"a public plan":     {func(*catalog.PlanFields) {}, false, ""},
		"a private one":     {func(f *catalog.PlanFields) { f.Visibility = "private" }, false, ""},
		"one that is to be": {func(f *catalog.PlanFields) { f.PlanType = catalog.PlanComingSoon }, false, "plan_coming_soon"},
		"an inactive one":   {func(f *catalog.PlanFields) { f.Active = false }, false, "plan_archived"},
		"an archived one":   {func(*catalog.PlanFields) {}, true, "plan_archived"},
		"another product's": {func(f *catalog.PlanFields) { f.ProductID = uuid.New() }, false, "other_product"},
	} {
		t.Run(name, func(t *testing.T) {
			f := catalog.DefaultPlan()
			f.ProductID = product
			tt.change(&f)
			err := f.Switch(product, tt.archived)
			if tt.code == "" {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, &domain.Error{Code: tt.code})
			}
		})
	}
}

// What checks name is joined by commas and compared by clients: no new name is ambiguous.
func TestNamesInChecksArePlain(t *testing.T) {
	l := ledgertest.New(t, time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC))
	product := l.Product()
	for _, name := range []string{"a,b", ",", "a\nb"} {
		_, _, err := l.Execute(catalog.CreateCapability{Fields: catalog.CapabilityFields{ProductID: product, Name: name}})
		require.ErrorIs(t, err, &domain.Error{Code: "bad_name"}, "%q", name)
	}
	edit := l.Capability(product, "Edit: it")
	_, _, err := l.Execute(catalog.ChangeCapability{ID: edit, Patch: catalog.CapabilityPatch{Name: ptr("a,b")}})
	require.ErrorIs(t, err, &domain.Error{Code: "bad_name"})
	old := uuid.New()
	l.Given(old, catalog.CapabilityCreated{CapabilityFields: catalog.CapabilityFields{ProductID: product, Name: "from,before"}})
	ledgertest.Must[catalog.CapabilityView](l, catalog.ChangeCapability{ID: old, Patch: catalog.CapabilityPatch{Description: ptr("as ever")}})

	for slug, good := range map[string]bool{"pro-2_x": true, "": true, "x,y": false, "Bad Slug!": false, "Pro": false, "é": false} {
		f := catalog.DefaultPlan()
		f.ProductID, f.Name, f.DisplayName, f.Slug = product, "plan", "Équipe equipe 2", slug
		f.LicenseType, f.PricingType, f.Interval, f.Length = catalog.Licensed, "free", "month", 1
		_, _, err := l.Execute(catalog.CreatePlan{Fields: f})
		if !good {
			require.ErrorIs(t, err, &domain.Error{Code: "bad_slug"}, "%q", slug)
			continue
		}
		require.NoError(t, err, "%q", slug)
	}
	plan := l.Plan(product, func(f *catalog.PlanFields) { f.DisplayName = "日本" })
	require.Equal(t, "item", l.State(plan).(*catalog.Plan).Fields.Slug)
	_, _, err = l.Execute(catalog.ChangePlan{ID: plan, Patch: catalog.PlanPatch{Slug: ptr("x,y")}})
	require.ErrorIs(t, err, &domain.Error{Code: "bad_slug"})
}
