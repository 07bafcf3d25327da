package model

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// voucher is a coupon: how often, for which product and until when it may be redeemed.
type voucher struct {
	id       uuid.UUID
	most     int // 0: no limit
	product  int // -1: all
	until    *time.Time
	used     int
	archived bool
	version  int64
}

func (r *reference) newCoupon(id uuid.UUID, v voucher) string {
	v.id, v.version = id, 1
	r.coupons = append(r.coupons, &v)
	return ""
}

func (r *reference) limitCoupon(i, most int) string {
	switch v := r.coupons[i]; {
	case v.most == most:
	case v.archived:
		return "coupon_archived"
	default:
		v.most = most
		v.version++
	}
	return ""
}

func (r *reference) archiveCoupon(i int) string {
	if v := r.coupons[i]; !v.archived {
		v.archived = true
		v.version++
	}
	return ""
}

// redeemable tells why a coupon cannot be put on a purchase of a plan.
func (r *reference) redeemable(i, plan int) string {
	switch v := r.coupons[i]; {
	case v.archived:
		return "coupon_archived"
	case v.until != nil && !r.now.Before(*v.until):
		return "coupon_expired"
	case v.product >= 0 && v.product != r.plans[plan].product:
		return "coupon_other_product"
	case v.most > 0 && v.used >= v.most:
		return "coupon_used_up"
	}
	return ""
}

func (r *reference) redeem(p *purchase, i int) {
	p.coupons = append(p.coupons, i)
	r.coupons[i].used++
	r.coupons[i].version++
}

// discount puts a coupon on a purchase; alone it replaces the others.
func (r *reference) discount(i, coupon int, alone bool) string {
	return r.happen(i, func(p *purchase) (string, int64) {
		if p.status == "CANCELED" {
			return "subscription_ended", 0
		}
		has := slices.Contains(p.coupons, coupon)
		if code := r.redeemable(coupon, p.terms.plan); !has && code != "" {
			return code, 0
		}
		var events int64
		if alone {
			kept := slices.DeleteFunc(slices.Clone(p.coupons), func(c int) bool { return c != coupon })
			events = int64(len(p.coupons) - len(kept))
			p.coupons = kept
		}
		if !has {
			r.redeem(p, coupon)
			events++
		}
		return "", events
	})
}

// undiscount takes a coupon off, or all of them: -1.
func (r *reference) undiscount(i, coupon int) string {
	return r.happen(i, func(p *purchase) (string, int64) {
		if p.status == "CANCELED" {
			return "subscription_ended", 0
		}
		had := len(p.coupons)
		p.coupons = slices.DeleteFunc(slices.Clone(p.coupons), func(c int) bool { return coupon < 0 || c == coupon })
		return "", int64(had - len(p.coupons))
	})
}

func (v *voucher) String() string {
	return fmt.Sprintf("used %d of %d, archived %t v%d", v.used, v.most, v.archived, v.version)
}
