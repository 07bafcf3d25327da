package catalog_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/internal/ledgertest"
)

func TestCouponsAreCreatedChangedArchived(t *testing.T) {
	l := ledgertest.New(t, now)
	product := l.Product()
	c := ledgertest.Must[catalog.CouponView](l, catalog.CreateCoupon{Fields: catalog.CouponFields{Code: "TEN", PercentOff: dec("10.00"),
		Duration: catalog.Repeating, DurationPeriods: ptr(3), MaxRedemptions: ptr(5), Products: []uuid.UUID{product}, RedeemBy: ptr(now.AddDate(0, 1, 0))}})
	require.Equal(t, "10", c.PercentOff.String(), "as it is kept")
	require.Equal(t, []any{"TEN", 0, catalog.Active, int64(1)}, []any{c.Code, c.Redemptions, c.Status, c.Version})
	_, _, err := l.Execute(catalog.CreateCoupon{Fields: catalog.CouponFields{Code: "TEN", PercentOff: dec("1"), Duration: catalog.Once}})
	require.ErrorIs(t, err, &domain.Error{Code: "coupon_code_taken"}, "for ever and in the whole ledger (C7)")
	require.ErrorIs(t, errOf(l.Execute(catalog.ChangeCoupon{ID: c.ID, Patch: catalog.CouponPatch{Code: ptr("ELEVEN")}})), &domain.Error{Code: "code_is_fixed"})

	c = ledgertest.Must[catalog.CouponView](l, catalog.ChangeCoupon{ID: c.ID, Patch: catalog.CouponPatch{PercentOff: ptr[*decimal.Decimal](nil),
		AmountOff: ptr(ptr(int64(500))), Currency: ptr("eur"), MaxRedemptions: ptr[*int](nil)}})
	require.Nil(t, c.PercentOff)
	require.Nil(t, c.MaxRedemptions)
	require.Equal(t, "EUR", c.Currency)
	_, events, err := l.Execute(catalog.ChangeCoupon{ID: c.ID, Patch: catalog.CouponPatch{Currency: ptr("EUR")}})
	require.NoError(t, err)
	require.Empty(t, events, "what changes nothing makes no event")
	require.Equal(t, catalog.Deprecated, ledgertest.Must[catalog.CouponView](l, catalog.ArchiveCoupon{ID: c.ID}).Status)
	_, events, err = l.Execute(catalog.ArchiveCoupon{ID: c.ID})
	require.NoError(t, err)
	require.Empty(t, events)
	require.ErrorIs(t, errOf(l.Execute(catalog.ChangeCoupon{ID: c.ID, Patch: catalog.CouponPatch{Currency: ptr("USD")}})), &domain.Error{Code: "coupon_archived"})
}

func errOf(_ any, _ []ledgertest.Event, err error) error { return err }

// Each field is checked, and all bad ones are named at once.
func TestCouponFieldsAreChecked(t *testing.T) {
	l := ledgertest.New(t, now)
	product, archived := l.Product(), l.Product()
	ledgertest.Must[catalog.ProductView](l, catalog.ArchiveProduct{ID: archived})
	for name, tt := range map[string]struct {
		edit func(*catalog.CouponFields)
		want []string
	}{
		"nothing at all":                  {func(f *catalog.CouponFields) { *f = catalog.CouponFields{} }, []string{"/code bad_code", "/percentOff missing", "/duration bad_duration"}},
		"a code with a line end":          {func(f *catalog.CouponFields) { f.Code = "a\nb" }, []string{"/code bad_code"}},
		"B25 100.0001":                    {func(f *catalog.CouponFields) { f.PercentOff = dec("100.0001") }, []string{"/percentOff bad_percentage"}},
		"B25 -5":                          {func(f *catalog.CouponFields) { f.PercentOff = dec("-5") }, []string{"/percentOff bad_percentage"}},
		"B25 1e-20":                       {func(f *catalog.CouponFields) { f.PercentOff = dec("1e-20") }, []string{"/percentOff bad_percentage"}},
		"B25 1e1000000000":                {func(f *catalog.CouponFields) { f.PercentOff = ptr(decimal.New(1, 1_000_000_000)) }, []string{"/percentOff bad_percentage"}},
		"five places":                     {func(f *catalog.CouponFields) { f.PercentOff = dec("0.00001") }, []string{"/percentOff bad_percentage"}},
		"none":                            {func(f *catalog.CouponFields) { f.PercentOff = dec("0") }, []string{"/percentOff bad_percentage"}},
		"a share and an amount":           {func(f *catalog.CouponFields) { f.AmountOff = ptr(int64(1)) }, []string{"/amountOff not_allowed"}},
		"a share in a currency":           {func(f *catalog.CouponFields) { f.Currency = "USD" }, []string{"/currency not_allowed"}},
		"an amount without a currency":    {func(f *catalog.CouponFields) { f.PercentOff, f.AmountOff = nil, ptr(int64(1)) }, []string{"/currency missing"}},
		"no amount in no currency":        {func(f *catalog.CouponFields) { f.PercentOff, f.AmountOff, f.Currency = nil, ptr(int64(0)), "XXX" }, []string{"/amountOff amount_out_of_range", "/currency unknown_currency"}},
		"2^53":                            {func(f *catalog.CouponFields) { f.PercentOff, f.AmountOff, f.Currency = nil, ptr(int64(1<<53)), "USD" }, []string{"/amountOff amount_out_of_range"}},
		"repeating, but how often":        {func(f *catalog.CouponFields) { f.Duration = catalog.Repeating }, []string{"/durationPeriods missing"}},
		"once, for three periods":         {func(f *catalog.CouponFields) { f.DurationPeriods = ptr(3) }, []string{"/durationPeriods not_allowed"}},
		"repeating never":                 {func(f *catalog.CouponFields) { f.Duration, f.DurationPeriods = catalog.Repeating, ptr(0) }, []string{"/durationPeriods bad_duration_periods"}},
		"never to be redeemed":            {func(f *catalog.CouponFields) { f.MaxRedemptions = ptr(0) }, []string{"/maxRedemptions bad_max_redemptions"}},
		"redeemed after its end":          {func(f *catalog.CouponFields) { f.RedeemBy, f.EndsAt = ptr(now.Add(time.Hour)), ptr(now) }, []string{"/endsAt bad_ends_at"}},
		"a product twice, and others":     {func(f *catalog.CouponFields) { f.Products = []uuid.UUID{product, product, uuid.New(), archived} }, []string{"/products/1 duplicate_product", "/products/2 no_product", "/products/3 product_archived"}},
		"more products than there may be": {func(f *catalog.CouponFields) { f.Products = make([]uuid.UUID, 1001) }, []string{"/products too_many_items"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := catalog.CouponFields{Code: "c", PercentOff: dec("5"), Duration: catalog.Once}
			tt.edit(&f)
			_, events, err := l.Execute(catalog.CreateCoupon{Fields: f})
			require.Equal(t, tt.want, codes(t, err))
			require.Empty(t, events)
		})
	}
}
