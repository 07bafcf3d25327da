package subscription

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
)

// MaxCoupons bounds how many coupons a subscription has at a time.
const MaxCoupons = 20

// ApplyCoupon puts a coupon on a subscription beside those that it has, and redeems it (rule S13). With Alone it
// replaces the others. One that is on it already makes no event. It answers View.
//
// NotFound: no_subscription, no_coupon. Conflict: subscription_ended, too_many_coupons, and what
// catalog.Redeemable refuses.
type ApplyCoupon struct {
	ID       uuid.UUID
	CouponID uuid.UUID
	Alone    bool
}

// Decide implements domain.Command.
func (c ApplyCoupon) Decide(l domain.Ledger) (any, error) {
	s, err := load(l, c.ID)
	if err != nil {
		return nil, err
	}
	if _, err := domain.LoadAs[*catalog.Coupon](l, c.CouponID, "no_coupon"); err != nil {
		return nil, err
	}
	f, due := s.at(l.Now(), noLimit)
	if err := f.discountable(); err != nil {
		return nil, err
	}
	var removed []domain.Event
	for _, other := range f.Coupons {
		if c.Alone && other.CouponID != c.CouponID {
			removed = append(removed, CouponRemoved{CouponID: other.CouponID})
		}
	}
	if f.coupon(c.CouponID) >= 0 {
		if len(removed) > 0 {
			return record(l, c.ID, s.Facts, append(due, dateNow(l, removed...)...))
		}
		return show(l, c.ID)
	}
	if len(f.Coupons)-len(removed) >= MaxCoupons {
		return nil, f.refuse("too_many_coupons", "there are as many coupons on it as there may be")
	}
	coupon, err := catalog.Redeemable(l, c.CouponID, f.Terms.ProductID, f.Currency)
	if err != nil {
		return nil, err
	}
	events := append(due, dateNow(l, append(removed, applied(coupon, l.Now()))...)...)
	view, err := record(l, c.ID, s.Facts, events)
	if err != nil {
		return nil, err
	}
	l.Append(coupon.ID, catalog.CouponRedeemed{SubscriptionID: c.ID})
	return view, nil
}

// RemoveCoupon takes a coupon off a subscription; without CouponID all of them. One that is not on it makes no
// event. It answers View.
//
// NotFound: no_subscription, no_coupon. Conflict: subscription_ended.
type RemoveCoupon struct {
	ID       uuid.UUID
	CouponID *uuid.UUID
}

// Decide implements domain.Command.
func (c RemoveCoupon) Decide(l domain.Ledger) (any, error) {
	s, err := load(l, c.ID)
	if err != nil {
		return nil, err
	}
	if c.CouponID != nil {
		if _, err := domain.LoadAs[*catalog.Coupon](l, *c.CouponID, "no_coupon"); err != nil {
			return nil, err
		}
	}
	f, due := s.at(l.Now(), noLimit)
	if err := f.discountable(); err != nil {
		return nil, err
	}
	var removed []domain.Event
	for _, on := range f.Coupons {
		if c.CouponID == nil || on.CouponID == *c.CouponID {
			removed = append(removed, CouponRemoved{CouponID: on.CouponID})
		}
	}
	if len(removed) > 0 {
		return record(l, c.ID, s.Facts, append(due, dateNow(l, removed...)...))
	}
	return show(l, c.ID)
}

// discountable refuses after the end: nothing is billed any more.
func (f *Facts) discountable() error {
	if f.Status == Canceled || f.Status == Deleted {
		return f.ended()
	}
	return nil
}

// coupon is the place of a coupon among those on the subscription, -1 when it is not on it.
func (f *Facts) coupon(id uuid.UUID) int {
	return slices.IndexFunc(f.Coupons, func(c Coupon) bool { return c.CouponID == id })
}

// applied puts a coupon on. Its redemption is recorded on the coupon's own stream in the same append: that counts it, so
// that two buyers of the last one cannot both have it.
func applied(coupon *catalog.Coupon, from time.Time) CouponApplied {
	f := &coupon.Fields
	return CouponApplied{Coupon{CouponID: coupon.ID, Code: f.Code, At: from, PercentOff: copied(f.PercentOff),
		AmountOff: copied(f.AmountOff), Currency: f.Currency, Duration: f.Duration, DurationPeriods: copied(f.DurationPeriods),
		EndsAt: copied(f.EndsAt)}}
}
