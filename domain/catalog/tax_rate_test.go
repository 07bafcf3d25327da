package catalog_test

import (
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/internal/ledgertest"
)

func TestTaxRatesAreCreatedChangedArchived(t *testing.T) {
	l := ledgertest.New(t, now)
	r := ledgertest.Must[catalog.TaxRateView](l, catalog.CreateTaxRate{Fields: catalog.TaxRateFields{Name: "VAT", Percentage: *dec("19.00"), Description: ptr("of Germany")}})
	require.Equal(t, "19", r.Percentage.String(), "as it is kept")
	require.Equal(t, []any{"VAT", false, catalog.Active, int64(1)}, []any{r.Name, r.Inclusive, r.Status, r.Version})

	_, events, err := l.Execute(catalog.ChangeTaxRate{ID: r.ID, Patch: catalog.TaxRatePatch{Percentage: dec("16.0"), Inclusive: ptr(true), Description: ptr("")}})
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Empty(t, ledgertest.Diff(catalog.TaxRateChanged{TaxRateFields: catalog.TaxRateFields{Name: "VAT", Percentage: *dec("16"), Inclusive: true}}, events[0].Event),
		"the event of the old percentage stays before it (C9)")
	_, events, err = l.Execute(catalog.ChangeTaxRate{ID: r.ID, Patch: catalog.TaxRatePatch{Percentage: dec("16.00")}})
	require.NoError(t, err)
	require.Empty(t, events, "what changes nothing makes no event")

	require.Equal(t, catalog.Deprecated, ledgertest.Must[catalog.TaxRateView](l, catalog.ArchiveTaxRate{ID: r.ID}).Status)
	_, events, err = l.Execute(catalog.ArchiveTaxRate{ID: r.ID})
	require.NoError(t, err)
	require.Empty(t, events)
	require.ErrorIs(t, errOf(l.Execute(catalog.ChangeTaxRate{ID: r.ID, Patch: catalog.TaxRatePatch{Percentage: dec("7")}})), &domain.Error{Code: "tax_rate_archived"})
	product := l.Product()
	require.ErrorIs(t, errOf(l.Execute(catalog.ChangeTaxRate{ID: product})), &domain.Error{Code: "no_tax_rate"}, "it is of another kind")
	require.ErrorIs(t, errOf(l.Execute(catalog.ArchiveTaxRate{ID: product})), &domain.Error{Code: "no_tax_rate"})
}

// Each field is checked, and all bad ones are named at once.
func TestTaxRateFieldsAreChecked(t *testing.T) {
	l := ledgertest.New(t, now)
	for name, tt := range map[string]struct {
		edit func(*catalog.TaxRateFields)
		want []string
	}{
		"no name":                {func(f *catalog.TaxRateFields) { f.Name = "" }, []string{"/name bad_name"}},
		"a name with a line end": {func(f *catalog.TaxRateFields) { f.Name = "a\nb" }, []string{"/name bad_name"}},
		"a long description":     {func(f *catalog.TaxRateFields) { f.Description = ptr(strings.Repeat("x", domain.MaxText+1)) }, []string{"/description bad_description"}},
		"B25 100.0001":           {func(f *catalog.TaxRateFields) { f.Percentage = *dec("100.0001") }, []string{"/percentage bad_percentage"}},
		"B25 -0.0001":            {func(f *catalog.TaxRateFields) { f.Percentage = *dec("-0.0001") }, []string{"/percentage bad_percentage"}},
		"B25 1e-20":              {func(f *catalog.TaxRateFields) { f.Percentage = *dec("1e-20") }, []string{"/percentage bad_percentage"}},
		"B25 1e1000000000":       {func(f *catalog.TaxRateFields) { f.Percentage = decimal.New(1, 1_000_000_000) }, []string{"/percentage bad_percentage"}},
		"five places":            {func(f *catalog.TaxRateFields) { f.Percentage = *dec("0.00001") }, []string{"/percentage bad_percentage"}},
		"several":                {func(f *catalog.TaxRateFields) { f.Name, f.Percentage = "", *dec("101") }, []string{"/name bad_name", "/percentage bad_percentage"}},
		"nothing at all is taken: a zero rate is one": {func(f *catalog.TaxRateFields) { f.Percentage = decimal.Decimal{} }, nil},
		"all of it": {func(f *catalog.TaxRateFields) { f.Percentage = *dec("100.0000") }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := catalog.TaxRateFields{Name: "VAT", Percentage: *dec("8.8750")}
			tt.edit(&f)
			_, events, err := l.Execute(catalog.CreateTaxRate{Fields: f})
			if tt.want == nil {
				require.NoError(t, err)
				require.Len(t, events, 1)
				return
			}
			require.Equal(t, tt.want, codes(t, err))
			require.Empty(t, events)
		})
	}
}
