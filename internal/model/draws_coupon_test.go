package model

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/subscription"
)

func (w *walk) newCoupon(t *rapid.T) step {
	half := decimal.NewFromInt(50)
	f := catalog.CouponFields{Code: fmt.Sprint("code ", w.keys), PercentOff: &half, Duration: catalog.Forever}
	v := voucher{most: rapid.IntRange(0, 2).Draw(t, "most"), product: -1}
	if v.most > 0 {
		f.MaxRedemptions = &v.most
	}
	if rapid.IntRange(0, 3).Draw(t, "of a product") == 0 {
		v.product = pick(t, len(w.r.products), "product")
		if w.r.products[v.product].archived {
			v.product = -1
		} else {
			f.Products = []uuid.UUID{w.r.products[v.product].id}
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "expires") == 0 {
		at := w.around(t, 1, 30, "until")
		v.until, f.RedeemBy = &at, &at
	}
	return step{command: catalog.CreateCoupon{Fields: f}, expect: func(r *reference, answer []byte) string { return r.newCoupon(idIn(answer, "id"), v) }}
}

func (w *walk) coupon(t *rapid.T) step {
	what := rapid.IntRange(0, 9).Draw(t, "coupon")
	if len(w.r.coupons) == 0 || what == 0 {
		return w.newCoupon(t)
	}
	c := pick(t, len(w.r.coupons), "which")
	of := w.r.coupons[c].id
	switch what {
	case 1:
		most := rapid.IntRange(1, 3).Draw(t, "most")
		limit := &most
		return step{command: catalog.ChangeCoupon{ID: of, Patch: catalog.CouponPatch{MaxRedemptions: &limit}},
			expect: func(r *reference, _ []byte) string { return r.limitCoupon(c, most) }}
	case 2:
		if rapid.IntRange(0, 3).Draw(t, "really") == 0 {
			return step{command: catalog.ArchiveCoupon{ID: of}, expect: func(r *reference, _ []byte) string { return r.archiveCoupon(c) }}
		}
	}
	i, id := w.sub(t)
	switch what {
	case 3:
		return step{command: subscription.RemoveCoupon{ID: id}, expect: func(r *reference, _ []byte) string { return r.undiscount(i, -1) }}
	case 4, 5:
		return step{command: subscription.RemoveCoupon{ID: id, CouponID: &of}, expect: func(r *reference, _ []byte) string { return r.undiscount(i, c) }}
	}
	alone := rapid.Bool().Draw(t, "alone")
	return step{command: subscription.ApplyCoupon{ID: id, CouponID: of, Alone: alone}, expect: func(r *reference, _ []byte) string { return r.discount(i, c, alone) }}
}
