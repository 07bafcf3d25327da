package salable

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	coresubscription "github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/handlers"
)

// addCoupon serves POST /subscriptions/{subscriptionUuid}/coupons; one that is on it already stays so.
//
//	in   {couponUuid}
//	out  204 | 400 when it cannot be redeemed | 404
func (a *API) addCoupon(w http.ResponseWriter, r *http.Request) error {
	return a.changeCoupon(w, r, func(id, coupon uuid.UUID) domain.Command {
		return coresubscription.ApplyCoupon{ID: id, CouponID: coupon}
	})
}

// removeCoupon serves PUT /subscriptions/{subscriptionUuid}/coupons; one that is not on it is none to take off.
//
//	in   {couponUuid}
//	out  204 | 400 | 404
func (a *API) removeCoupon(w http.ResponseWriter, r *http.Request) error {
	return a.changeCoupon(w, r, func(id, coupon uuid.UUID) domain.Command {
		return coresubscription.RemoveCoupon{ID: id, CouponID: &coupon}
	})
}

func (a *API) changeCoupon(w http.ResponseWriter, r *http.Request, command func(id, coupon uuid.UUID) domain.Command) error {
	body, err := handlers.Read(r)
	if err != nil {
		return err
	}
	coupon := body.Object().UUID("couponUuid", handlers.Required)
	if err := body.Err(); err != nil {
		return err
	}
	if _, err := a.execute(w, r, body, command(handlers.PathUUID(r, "subscriptionUuid"), coupon)); err != nil {
		return err
	}
	return noContent(w)
}
