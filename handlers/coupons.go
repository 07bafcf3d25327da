package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/projections"
)

func (a *API) coupons() kind[catalog.CouponView, catalog.CouponPatch] {
	view := func(c projections.Coupon) catalog.CouponView {
		return catalog.CouponView{ID: c.ID, CouponFields: c.Fields, Redemptions: c.Redemptions, Status: c.Status,
			Version: c.Version, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt}
	}
	return kind[catalog.CouponView, catalog.CouponPatch]{
		path: "coupons", scope: ScopeProductsRead, decode: couponPatch, out: couponOut,
		create: func(p catalog.CouponPatch) domain.Command { return catalog.CreateCoupon{Fields: p.Fields()} },
		change: func(id uuid.UUID, p catalog.CouponPatch) domain.Command {
			return catalog.ChangeCoupon{ID: id, Patch: p}
		},
		archive: func(id uuid.UUID) domain.Command { return catalog.ArchiveCoupon{ID: id} },
		mark:    func(v catalog.CouponView) (uuid.UUID, int64) { return v.ID, v.Version },
		one: func(ctx context.Context, ledger, id uuid.UUID) (catalog.CouponView, error) {
			row, err := a.Reads.Coupon(ctx, ledger, id)
			return view(row), err
		},
		all: func(ctx context.Context, ledger uuid.UUID, f projections.CatalogFilter, k projections.Keyset) ([]catalog.CouponView, error) {
			rows, err := a.Reads.Coupons(ctx, ledger, f, k)
			return each(rows, view), err
		},
	}
}

func couponPatch(o *Object, must ...Rule) catalog.CouponPatch {
	p := catalog.CouponPatch{
		Code: Opt(o, "code", o.String, must...), PercentOff: removable(o, "percentOff", o.Decimal), AmountOff: removable(o, "amountOff", o.Int, Amount),
		Currency: optText(o, "currency"), Duration: Opt(o, "duration", o.String, must...),
		RedeemBy: removable(o, "redeemBy", o.Time), EndsAt: removable(o, "endsAt", o.Time),
		Products: listOf(o, "products", func(v Value) uuid.UUID { return v.UUID(Required) }),
	}
	number := func(name string, r ...Rule) int { return int(o.Int(name, append(r, Min(1), Max(1<<31-1))...)) }
	p.DurationPeriods, p.MaxRedemptions = removable(o, "durationPeriods", number), removable(o, "maxRedemptions", number)
	if o.Null("products") {
		p.Products = &[]uuid.UUID{}
	}
	return p
}

// removable is an optional value of a patch that null removes: nil when the key is absent.
func removable[T any](o *Object, name string, get func(string, ...Rule) T, r ...Rule) **T {
	if !o.Has(name) {
		return nil
	}
	v := Opt(o, name, get, r...)
	return &v
}

// coupon is a coupon on the wire.
type coupon struct {
	UUID            uuid.UUID        `json:"uuid"`
	Code            string           `json:"code"`
	PercentOff      *decimal.Decimal `json:"percentOff"`
	AmountOff       *int64           `json:"amountOff"`
	Currency        *string          `json:"currency"`
	Duration        string           `json:"duration"`
	DurationPeriods *int             `json:"durationPeriods"`
	MaxRedemptions  *int             `json:"maxRedemptions"`
	Redemptions     int              `json:"redemptions"`
	Products        []uuid.UUID      `json:"products"` // empty: all
	RedeemBy        *time.Time       `json:"redeemBy"`
	EndsAt          *time.Time       `json:"endsAt"`
	Status          string           `json:"status"`
	CreatedAt       time.Time        `json:"createdAt"`
	UpdatedAt       time.Time        `json:"updatedAt"`
}

func couponOut(_ Caller, v catalog.CouponView) any {
	return coupon{
		UUID: v.ID, Code: v.Code, PercentOff: v.PercentOff, AmountOff: v.AmountOff, Currency: textOrNull(v.Currency), Duration: v.Duration,
		DurationPeriods: v.DurationPeriods, MaxRedemptions: v.MaxRedemptions, Redemptions: v.Redemptions, Products: v.Products,
		RedeemBy: v.RedeemBy, EndsAt: v.EndsAt, Status: v.Status, CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt,
	}
}

// appliedCoupon is a coupon as a subscription has it.
type appliedCoupon struct {
	UUID      uuid.UUID `json:"uuid"`
	Code      string    `json:"code"`
	AppliedAt time.Time `json:"appliedAt"` // it discounts what begins from here on
}

func appliedCoupons(all []subscription.Coupon) []appliedCoupon {
	return each(all, func(c subscription.Coupon) appliedCoupon { return appliedCoupon{c.CouponID, c.Code, c.At} })
}

// couponOf finds the coupon of a code. A code stays with its coupon, so what is found holds; before it is called
// unknown the read models have reached the ledger's end.
func (a *API) couponOf(ctx context.Context, ledger uuid.UUID, code string) (uuid.UUID, error) {
	found, err := a.Reads.CouponByCode(ctx, ledger, code)
	if e, ok := domain.AsRefusal(err); ok && e.Kind == domain.NotFound {
		f := a.finder(ctx, ledger, TimeIn(ctx, a.Now))
		if _, err := f.catchUp(); err != nil {
			return uuid.Nil, err
		}
		found, err = a.Reads.CouponByCode(ctx, ledger, code)
	}
	return found.ID, err
}

// changeCoupon serves POST /subscriptions/{uuid}/coupon: the coupon replaces those that are on the subscription.
//
//	in   {code}; null takes all of them off
//	out  200 subscription | 404 no_subscription, no_coupon | 409 coupon_…, subscription_ended
func (a *API) changeCoupon(w http.ResponseWriter, r *http.Request) error {
	body, err := Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	var code *string
	if !o.Null("code") {
		code = new(o.String("code", Required, Line, MaxBytes(domain.MaxName)))
	}
	o.Unknown()
	if err := body.Err(); err != nil {
		return err
	}
	id := PathUUID(r, "uuid")
	var c domain.Command = subscription.RemoveCoupon{ID: id}
	if code != nil {
		coupon, err := a.couponOf(r.Context(), CallerOf(r).Ledger, *code)
		if err != nil {
			return err
		}
		c = subscription.ApplyCoupon{ID: id, CouponID: coupon, Alone: true}
	}
	v, res, err := write[subscription.View](a, w, r, body, id, c)
	if err != nil {
		return err
	}
	return a.changed(w, r, c, v, res)
}
