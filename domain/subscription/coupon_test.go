package subscription_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

// coupon makes one of half the price, with whatever else.
func (s *shop) coupon(edit ...func(*catalog.CouponFields)) uuid.UUID {
	half := decimal.NewFromInt(50)
	f := catalog.CouponFields{Code: fmt.Sprint("code ", len(s.Log())), PercentOff: &half, Duration: catalog.Forever}
	for _, e := range edit {
		e(&f)
	}
	return ledgertest.Must[catalog.CouponView](s.Ledger, catalog.CreateCoupon{Fields: f}).ID
}

func (s *shop) codes(id uuid.UUID) (all []string) {
	for _, c := range s.view(id).Coupons {
		all = append(all, c.Code)
	}
	return all
}

func named(code string) func(*catalog.CouponFields) {
	return func(f *catalog.CouponFields) { f.Code = code }
}

// Rule S13.
func TestCouponsArePutOnAndTakenOff(t *testing.T) {
	s := open(t)
	one, two := s.coupon(named("one")), s.coupon(named("two"))
	id := s.start(subscription.Start{PlanID: s.seats, CouponID: &one})
	require.Equal(t, []string{"one"}, s.codes(id))
	require.Equal(t, "!no_coupon", s.do(id, subscription.ApplyCoupon{ID: id, CouponID: id}), "an id of something else is no coupon")
	_, events, err := s.Execute(subscription.ApplyCoupon{ID: id, CouponID: one})
	require.NoError(t, err)
	require.Empty(t, events, "it is on it")
	_, events, err = s.Execute(subscription.ApplyCoupon{ID: id, CouponID: two})
	require.NoError(t, err)
	require.Equal(t, []string{"subscription.coupon_applied.v1", "coupon.redeemed.v1"}, ledgertest.Names(events))
	require.Equal(t, []string{"one", "two"}, s.codes(id), "in order")
	s.do(id, subscription.ApplyCoupon{ID: id, CouponID: two, Alone: true})
	require.Equal(t, []string{"two"}, s.codes(id))
	s.do(id, subscription.ApplyCoupon{ID: id, CouponID: one, Alone: true})
	require.Equal(t, []string{"one"}, s.codes(id), "it replaces the others")
	_, events, err = s.Execute(subscription.RemoveCoupon{ID: id, CouponID: &two})
	require.NoError(t, err)
	require.Empty(t, events, "it is not on it")
	s.do(id, subscription.RemoveCoupon{ID: id})
	require.Empty(t, s.codes(id))
	require.Equal(t, 2, s.State(one).(*catalog.Coupon).Redemptions, "taken off, it stays redeemed (C8)")

	s.do(id, subscription.Cancel{ID: id, Now: true})
	require.Equal(t, "!subscription_ended", s.do(id, subscription.ApplyCoupon{ID: id, CouponID: one}))
	require.Equal(t, "!subscription_ended", s.do(id, subscription.RemoveCoupon{ID: id}))
	s.CheckFolds()
}

// What is on a subscription is what the coupon was when it was redeemed.
func TestARedeemedCouponIsACopy(t *testing.T) {
	s := open(t)
	three, end := 3, april(30)
	c := s.coupon(func(f *catalog.CouponFields) {
		f.Duration, f.DurationPeriods, f.EndsAt = catalog.Repeating, &three, &end
	})
	from := april(1).Add(-24 * time.Hour)
	id := s.start(subscription.Start{PlanID: s.seats, CouponID: &c, StartAt: &from})
	once := catalog.Once
	var none *int
	ledgertest.Must[catalog.CouponView](s.Ledger, catalog.ChangeCoupon{ID: c, Patch: catalog.CouponPatch{Duration: &once, DurationPeriods: &none}})
	ledgertest.Must[catalog.CouponView](s.Ledger, catalog.ArchiveCoupon{ID: c})
	on := s.view(id).Coupons[0]
	require.Equal(t, []any{catalog.Repeating, 3, end, from, "50"}, []any{on.Duration, *on.DurationPeriods, *on.EndsAt, on.At, on.PercentOff.String()})
	require.Equal(t, from, s.Stream(id)[1].EffectiveAt, "it counts from the start")
}

// Rule C8.
func TestACouponIsRedeemedWithinItsTerms(t *testing.T) {
	s := open(t)
	other := s.Product()
	at, past := s.Now(), s.Now().Add(-time.Hour)
	one, five := 1, int64(500)
	used := s.coupon(func(f *catalog.CouponFields) { f.MaxRedemptions = &one })
	s.start(subscription.Start{PlanID: s.seats, CouponID: &used})
	archived := s.coupon()
	ledgertest.Must[catalog.CouponView](s.Ledger, catalog.ArchiveCoupon{ID: archived})
	id := s.start(subscription.Start{PlanID: s.seats})
	for code, coupon := range map[string]uuid.UUID{
		"coupon_used_up":        used,
		"coupon_archived":       archived,
		"coupon_expired":        s.coupon(func(f *catalog.CouponFields) { f.RedeemBy = &at }),
		"coupon_other_product":  s.coupon(func(f *catalog.CouponFields) { f.Products = []uuid.UUID{other} }),
		"coupon_other_currency": s.coupon(func(f *catalog.CouponFields) { f.PercentOff, f.AmountOff, f.Currency = nil, &five, "JPY" }),
		"no_coupon":             uuid.New(),
	} {
		require.Equal(t, "!"+code, s.do(id, subscription.ApplyCoupon{ID: id, CouponID: coupon}))
		_, events, err := s.Execute(subscription.Start{PlanID: s.seats, CouponID: &coupon})
		require.ErrorIs(t, err, &domain.Error{Code: code})
		require.Empty(t, events)
	}
	over := s.coupon(func(f *catalog.CouponFields) { f.EndsAt = &past })
	require.Equal(t, "!coupon_expired", s.do(id, subscription.ApplyCoupon{ID: id, CouponID: over}), "it would take nothing off")
	for range subscription.MaxCoupons {
		s.do(id, subscription.ApplyCoupon{ID: id, CouponID: s.coupon()})
	}
	require.Len(t, s.codes(id), subscription.MaxCoupons)
	last := s.coupon()
	require.Equal(t, "!too_many_coupons", s.do(id, subscription.ApplyCoupon{ID: id, CouponID: last}))
	require.Contains(t, s.do(id, subscription.ApplyCoupon{ID: id, CouponID: last, Alone: true}), "coupon_applied")
}
