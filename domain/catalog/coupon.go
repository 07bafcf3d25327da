package catalog

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
)

// For how long a coupon discounts what it was put on.
const (
	Once      = "once"      // the first period
	Repeating = "repeating" // a number of periods
	Forever   = "forever"
)

// Bounds of a coupon.
const (
	maxDurationPeriods = 1200
	maxRedemptions     = 1<<31 - 1
)

// CouponFields are a coupon's fields as callers set them. It takes off either a share or an amount.
type CouponFields struct {
	Code            string           `json:"code"`
	PercentOff      *decimal.Decimal `json:"percent_off,omitempty"`
	AmountOff       *int64           `json:"amount_off,omitzero"` // in minor units of Currency
	Currency        string           `json:"currency,omitzero"`
	Duration        string           `json:"duration"` // once, repeating, forever
	DurationPeriods *int             `json:"duration_periods,omitzero"`
	MaxRedemptions  *int             `json:"max_redemptions,omitzero"`
	Products        []uuid.UUID      `json:"products"`            // empty: all
	RedeemBy        *time.Time       `json:"redeem_by,omitempty"` // from then on it is put on nothing any more
	EndsAt          *time.Time       `json:"ends_at,omitempty"`   // from then on it takes nothing off any more
}

// CouponRedeemed counts a redemption; the subscription's own event says what was given.
type CouponRedeemed struct {
	SubscriptionID uuid.UUID `json:"subscription_id"`
}

// Coupon is the fold of a coupon's stream.
type Coupon struct {
	domain.Record
	Fields      CouponFields
	Redemptions int
	Archived    bool
}

// Apply implements domain.State.
func (c *Coupon) Apply(e domain.Event) {
	switch e := e.(type) {
	case CouponCreated:
		c.Fields = e.CouponFields
	case CouponChanged:
		c.Fields = e.CouponFields
	case CouponRedeemed:
		c.Redemptions++
	case CouponArchived:
		c.Archived = true
	}
}

// CouponView is a coupon as its commands answer it.
type CouponView struct {
	ID uuid.UUID `json:"id"`
	CouponFields
	Redemptions int       `json:"redemptions"`
	Status      string    `json:"status"` // ACTIVE, DEPRECATED
	Version     int64     `json:"version"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
}

// View shows the coupon.
func (c *Coupon) View() CouponView {
	v := CouponView{ID: c.ID, CouponFields: c.Fields, Redemptions: c.Redemptions, Status: statusOf(c.Archived),
		Version: c.Version, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt}
	v.Products = slices.Clone(v.Products)
	return v
}

// Redeemable loads a coupon that a purchase of a product in a currency may redeem now (rule C8).
//
// NotFound: no_coupon. Conflict: coupon_archived, coupon_expired, coupon_other_product,
// coupon_other_currency, coupon_used_up.
func Redeemable(l domain.Ledger, id, product uuid.UUID, currency string) (*Coupon, error) {
	c, err := domain.LoadAs[*Coupon](l, id, "no_coupon")
	if err != nil {
		return nil, err
	}
	if err := c.Fields.Redeem(l.Now(), c.Archived, c.Redemptions, product, currency); err != nil {
		return nil, err
	}
	return c, nil
}

// Redeem is why a coupon that was redeemed so often cannot be redeemed at an instant, as Redeemable says; nil when it can.
func (f *CouponFields) Redeem(now time.Time, archived bool, redemptions int, product uuid.UUID, currency string) error {
	refuse := func(code, state, detail string) error {
		return &domain.Error{Kind: domain.Conflict, Code: "coupon_" + code, State: state, Detail: "the coupon " + detail}
	}
	switch {
	case archived:
		return refuse("archived", Deprecated, "is archived: it is put on nothing any more")
	case f.RedeemBy != nil && !now.Before(*f.RedeemBy):
		return refuse("expired", "expired", "could be redeemed before "+f.RedeemBy.Format(time.RFC3339))
	case f.EndsAt != nil && !now.Before(*f.EndsAt):
		return refuse("expired", "ended", "ended at "+f.EndsAt.Format(time.RFC3339))
	case len(f.Products) > 0 && !slices.Contains(f.Products, product):
		return refuse("other_product", Active, "is for other products")
	case f.AmountOff != nil && f.Currency != currency:
		return refuse("other_currency", f.Currency, "is in "+f.Currency)
	case f.MaxRedemptions != nil && redemptions >= *f.MaxRedemptions:
		return refuse("used_up", fmt.Sprintf("%d redeemed", redemptions), "was redeemed as often as it may be")
	}
	return nil
}

// CouponPatch sets some of a coupon's fields: nil leaves one, a pointer to nil removes it. The code of a
// coupon that exists stays. What was redeemed before keeps what it got.
type CouponPatch struct {
	Code            *string
	PercentOff      **decimal.Decimal
	AmountOff       **int64
	Currency        *string
	Duration        *string
	DurationPeriods **int
	MaxRedemptions  **int
	Products        *[]uuid.UUID
	RedeemBy        **time.Time
	EndsAt          **time.Time
}

// Apply sets the patch's fields in f.
func (p CouponPatch) Apply(f *CouponFields) {
	set(&f.Code, p.Code)
	set(&f.PercentOff, p.PercentOff)
	set(&f.AmountOff, p.AmountOff)
	set(&f.Currency, p.Currency)
	set(&f.Duration, p.Duration)
	set(&f.DurationPeriods, p.DurationPeriods)
	set(&f.MaxRedemptions, p.MaxRedemptions)
	set(&f.Products, p.Products)
	set(&f.RedeemBy, p.RedeemBy)
	set(&f.EndsAt, p.EndsAt)
}

// Fields are the fields of a new coupon.
func (p CouponPatch) Fields() CouponFields {
	var f CouponFields
	p.Apply(&f)
	return f
}

// check normalises f and lists what is wrong with it. Before is the coupon's present fields: products that it
// has already stay good.
func (f *CouponFields) check(l domain.Ledger, before *CouponFields) (bad domain.Problems, err error) {
	bad.Line("/code", "bad_code", f.Code)
	f.checkDiscount(&bad)
	bad.OneOf("/duration", "bad_duration", f.Duration, Once, Repeating, Forever)
	switch n := f.DurationPeriods; {
	case f.Duration == Repeating && n == nil:
		bad.Add("/durationPeriods", "missing", "a repeating coupon has a number of periods")
	case f.Duration != Repeating && n != nil:
		bad.Add("/durationPeriods", "not_allowed", "only a repeating coupon has it")
	case n != nil && (*n < 1 || *n > maxDurationPeriods):
		bad.Add("/durationPeriods", "bad_duration_periods", "it is 1 to %d periods", maxDurationPeriods)
	}
	if n := f.MaxRedemptions; n != nil && (*n < 1 || *n > maxRedemptions) {
		bad.Add("/maxRedemptions", "bad_max_redemptions", "it is 1 to %d", maxRedemptions)
	}
	f.RedeemBy, f.EndsAt = instant(f.RedeemBy), instant(f.EndsAt)
	if f.RedeemBy != nil && f.EndsAt != nil && f.EndsAt.Before(*f.RedeemBy) {
		bad.Add("/endsAt", "bad_ends_at", "it would be redeemed after its end")
	}
	f.Products = append([]uuid.UUID{}, f.Products...)
	if len(f.Products) > maxItems {
		bad.Add("/products", "too_many_items", "at most %d are allowed", maxItems)
		return bad, nil
	}
	for i, id := range f.Products {
		state, err := l.Load(id)
		if err != nil {
			return bad, err
		}
		p, ok := state.(*Product)
		pointer := fmt.Sprintf("/products/%d", i)
		switch {
		case slices.Contains(f.Products[:i], id):
			bad.Add(pointer, "duplicate_product", "%s comes twice", id)
		case !ok:
			bad.Add(pointer, "no_product", "%s is not known here", id)
		case p.Archived && !slices.Contains(before.Products, id):
			bad.Add(pointer, "product_archived", "%s is archived", id)
		}
	}
	return bad, nil
}

func (f *CouponFields) checkDiscount(bad *domain.Problems) {
	switch {
	case f.PercentOff == nil && f.AmountOff == nil:
		bad.Add("/percentOff", "missing", "a coupon has percentOff, or amountOff with a currency")
	case f.PercentOff != nil && f.AmountOff != nil:
		bad.Add("/amountOff", "not_allowed", "a coupon has either percentOff or amountOff")
	case f.PercentOff != nil:
		d := *f.PercentOff
		if !bounded(d) || !d.IsPositive() || d.GreaterThan(decimal.NewFromInt(100)) || d.Normalize().Exponent() < -4 {
			bad.Add("/percentOff", "bad_percentage", "it is more than 0 and at most 100, with at most four decimal places")
			return
		}
		n := d.Normalize()
		f.PercentOff = &n
		if f.Currency != "" {
			bad.Add("/currency", "not_allowed", "a share has no currency")
		}
	default:
		if *f.AmountOff < 1 || *f.AmountOff > MaxMinor {
			bad.Add("/amountOff", "amount_out_of_range", "it is not within 1 and %d", int64(MaxMinor))
		}
		if f.Currency == "" {
			bad.Add("/currency", "missing", "an amount is in a currency")
			return
		}
		currency(bad, "/currency", &f.Currency)
	}
}

// instant brings a time to what the log keeps.
func instant(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	at := t.UTC().Truncate(time.Microsecond)
	return &at
}

// CreateCoupon answers CouponView. Conflict: coupon_code_taken.
type CreateCoupon struct{ Fields CouponFields }

// Decide implements domain.Command.
func (c CreateCoupon) Decide(l domain.Ledger) (any, error) {
	f := c.Fields
	bad, err := f.check(l, &CouponFields{})
	if err == nil {
		err = bad.Refusal()
	}
	if err != nil {
		return nil, err
	}
	id := l.NewID()
	l.Claim("coupon.code", f.Code, id, &domain.Error{Kind: domain.Conflict, Code: "coupon_code_taken", State: f.Code,
		Detail: "another coupon has the code " + f.Code})
	l.Append(id, CouponCreated{f})
	return answer[*Coupon](l, id)
}

// ChangeCoupon answers CouponView. Fewer redemptions than there were leave none.
type ChangeCoupon struct {
	ID    uuid.UUID
	Patch CouponPatch
}

// Decide implements domain.Command.
func (c ChangeCoupon) Decide(l domain.Ledger) (any, error) {
	old, err := domain.LoadAs[*Coupon](l, c.ID, "no_coupon")
	if err != nil {
		return nil, err
	}
	f := old.Fields
	c.Patch.Apply(&f)
	bad, err := f.check(l, &old.Fields)
	if err != nil {
		return nil, err
	}
	if f.Code != old.Fields.Code {
		bad.Add("/code", "code_is_fixed", "buyers know a coupon by its code")
	}
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	if same(f, old.Fields) {
		return old.View(), nil
	}
	if old.Archived {
		return nil, refuseArchived("coupon")
	}
	l.Append(c.ID, CouponChanged{f})
	return answer[*Coupon](l, c.ID)
}

// ArchiveCoupon ends redemption; what was redeemed stays as it is. It answers CouponView; twice makes no event.
type ArchiveCoupon struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c ArchiveCoupon) Decide(l domain.Ledger) (any, error) {
	old, err := domain.LoadAs[*Coupon](l, c.ID, "no_coupon")
	if err != nil {
		return nil, err
	}
	if !old.Archived {
		l.Append(c.ID, CouponArchived{})
	}
	return answer[*Coupon](l, c.ID)
}
