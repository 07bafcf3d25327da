package subscription

import (
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/settings"
)

// Providers of seat and plan changes (rule S8).
const (
	NoProvider     = "none"
	ManualProvider = "manual"
)

// Bounds of a request.
const (
	MaxSeatsPerCommand = 100_000
	maxQuantity        = 1<<31 - 1
	maxPeriods         = 10_000 // that lie between the start and now
)

// Start begins a subscription. It answers View.
//
// Quantity is the number of seats of a perSeat plan, by default its minimum and at least one; otherwise
// the quantity bought, by default 1, with one licence. A currency that is not given is the product's.
// StartAt is now by default, AnchorAt the end of the trial, if there is one, else StartAt; the trial is
// the plan's unless TrialEnd says otherwise (at StartAt: none). All are cut to microseconds.
//
// ExpiryDate is the end of the first period, of a trial too, whatever the plan's interval; those after it
// are counted from there. Status ACTIVE begins without the plan's trial, TRIALING with one.
//
// A customer's subscription is in the customer's currency, and goes by the customer's time zone unless another is given.
// Without a customer it is that of the owner's earlier ones in its currency, or makes one.
//
// NotFound: no_plan, no_customer. Conflict: plan_archived, plan_coming_soon. Invalid: amount_out_of_range, quantity_out_of_limits,
// too_many_seats, unknown_currency, currency_not_offered, other_currency, bad_proration_mode, bad_provider,
// unknown_time_zone, bad_start, bad_anchor, bad_trial_end, bad_expiry, bad_status, no_trial, bad_owner, bad_email, bad_grantee. With a coupon
// also what ApplyCoupon refuses; it counts from the start on.
type Start struct {
	PlanID            uuid.UUID
	Quantity          *int
	Currency          string
	StartAt           *time.Time
	AnchorAt          *time.Time
	TrialEnd          *time.Time
	ProrationMode     string // second, day, fixed30; the ledger's by default
	Provider          string // none (default), manual
	CustomerID        *uuid.UUID
	Owner             string
	Email             string
	Grantee           *string // of the first seat
	Incomplete        bool    // INCOMPLETE until the first invoice is paid: Activate
	ExpiryDate        *time.Time
	Status            string // ACTIVE, TRIALING; by default what the plan has
	CancelAtPeriodEnd bool   // it ends with its first period
	TimeZone          string // IANA; UTC by default
	CouponID          *uuid.UUID
}

// Decide implements domain.Command.
func (c Start) Decide(l domain.Ledger) (any, error) {
	offer, err := catalog.Offered(l, c.PlanID)
	if err != nil {
		return nil, err
	}
	if err := offer.Plan.Fields.Sold(); err != nil {
		return nil, err
	}
	var buyer *customer.Customer
	customerID, err := c.customerOf(l, offer)
	if err != nil {
		return nil, err
	}
	if customerID != nil {
		if buyer, err = domain.LoadAs[*customer.Customer](l, *customerID, "no_customer"); err != nil {
			return nil, err
		}
		c.TimeZone = or(c.TimeZone, buyer.Fields.TimeZone)
		if offer.Usual() != "" { // else there is nothing to pay, in whatever currency
			c.Currency = or(c.Currency, buyer.Fields.Currency)
		}
	}
	policy, err := settings.Of(l)
	if err != nil {
		return nil, err
	}
	c.ProrationMode = or(c.ProrationMode, policy.ProrationMode)
	e, err := c.facts(offer, buyer, l.Now())
	if err != nil {
		return nil, err
	}
	e.CustomerID = customerID
	grantee, err := domain.ParseGrantee("/granteeId", c.Grantee)
	if err != nil {
		return nil, err
	}
	count := e.Quantity
	if e.Terms.LicenseType != catalog.PerSeat {
		count = 1
	}
	if count == 0 && !grantee.IsZero() {
		return nil, domain.RefuseField("/granteeId", "no_seat", "without a seat there is none to assign")
	}
	var coupon *catalog.Coupon
	if c.CouponID != nil {
		if coupon, err = catalog.Redeemable(l, *c.CouponID, e.Terms.ProductID, e.Currency); err != nil {
			return nil, err
		}
	}
	id := l.NewID()
	e.Seats = make([]Seat, count)
	for i := range e.Seats {
		e.Seats[i].ID = l.NewID()
	}
	if count > 0 {
		e.Seats[0].Grantee = grantee
	}
	if err := account.Warm(l); err != nil {
		return nil, err
	}
	named := e.CustomerID != nil
	if err := c.bill(l, &e); err != nil {
		return nil, err
	}
	trial, err := e.awaits(l, id, policy.TrialEndsWithoutPayment)
	if err != nil {
		return nil, err
	}
	e.Later = e.StartAt.After(l.Now()) && !c.Incomplete
	events := []dated{{e.StartAt, e}}
	if c.CancelAtPeriodEnd {
		events = append(events, dated{l.Now(), CancellationScheduled{EndsAt: e.Period.End}})
	}
	if coupon != nil {
		events = append(events, dated{e.StartAt, applied(coupon, e.StartAt)})
	}
	view, err := recordFresh(l, id, Facts{}, events, account.Fresh{Account: true, Payer: !named})
	if err == nil && coupon != nil {
		l.Append(coupon.ID, catalog.CouponRedeemed{SubscriptionID: id})
	}
	if err == nil && trial != nil {
		l.Append(*e.CustomerID, *trial)
	}
	return view, err
}

// facts is the event but for its seats.
func (c Start) facts(offer catalog.Offer, buyer *customer.Customer, now time.Time) (Started, error) {
	var bad domain.Problems
	e := Started{Terms: offer.Terms, Status: Active, StartAt: now,
		TimeZone: or(c.TimeZone, "UTC"), ProrationMode: c.ProrationMode, Provider: or(c.Provider, NoProvider),
		Owner: domain.Owner(c.Owner)}
	_, err := period.ParseMode(e.ProrationMode)
	bad.AddError("/prorationMode", err)
	bad.OneOf("/provider", "bad_provider", e.Provider, NoProvider, ManualProvider)
	zone, err := period.Zone(e.TimeZone)
	bad.AddError("/timeZone", err)
	bad.OptionalLine("/owner", "bad_owner", &c.Owner, domain.MaxName)
	bad.Email("/email", c.Email)
	e.Email = domain.About(c.emailSubject(), c.Email)
	e.Currency, err = offer.Currency(c.Currency)
	bad.AddError("/currency", err)
	if buyer != nil && err == nil {
		if e.Currency = or(e.Currency, buyer.Fields.Currency); e.Currency != buyer.Fields.Currency {
			bad.Add("/currency", "other_currency", "this customer is billed in %s", buyer.Fields.Currency)
		}
	}
	e.Quantity, err = firstQuantity(offer.Terms, c.Quantity)
	if err == nil {
		err = offer.Plan.CheckCharge(e.Terms.PlanVersion, e.Currency, e.Quantity)
	}
	bad.AddError("/quantity", err)
	c.times(&e, offer.Plan, zone, now, &bad)
	if err := bad.Refusal(); err != nil {
		return Started{}, err
	}
	if c.Incomplete {
		e.Status = Incomplete
	}
	return e, nil
}

// emailSubject is whose address it is: an erased person takes it along.
func (c Start) emailSubject() string {
	switch {
	case c.CustomerID != nil:
		return "customer:" + c.CustomerID.String()
	case c.Owner != "":
		return "owner:" + c.Owner
	}
	return "email:" + c.Email
}

// times settles start, trial, anchor and the first period (rules S6, S10).
func (c Start) times(e *Started, plan *catalog.Plan, zone *time.Location, now time.Time, bad *domain.Problems) {
	if c.StartAt != nil {
		e.StartAt = instant(*c.StartAt)
	}
	if e.StartAt.Year() < 1970 || e.StartAt.Year() > 9000 {
		bad.Add("/startAt", "bad_start", "a subscription starts in the years 1970 to 9000")
		return
	}
	expiry := c.ExpiryDate
	if expiry != nil {
		at := instant(*expiry)
		if expiry = &at; !at.After(e.StartAt) || at.Year() > 9000 {
			bad.Add("/expiryDate", "bad_expiry", "the first period ends after its start, and before the year 9001")
			return
		}
	}
	trial := trialEnd(c.TrialEnd, plan, e.StartAt, zone)
	switch {
	case c.Status == Active:
		trial = nil
	case expiry != nil && (trial != nil || c.Status == Trialing):
		trial = expiry
	case c.Status == Trialing && trial == nil:
		bad.Add("/status", "no_trial", "the plan has no trial; say with expiryDate how long it is")
	case c.Status != "" && c.Status != Trialing:
		bad.OneOf("/status", "bad_status", c.Status, Active, Trialing)
	}
	if trial != nil {
		switch {
		case trial.Before(e.StartAt) || trial.Year() > 9000:
			bad.Add("/trialEnd", "bad_trial_end", "a trial ends at its start or after it")
			return
		case trial.After(e.StartAt):
			e.TrialEnd, e.Status = trial, Trialing
		}
	}
	e.AnchorAt = e.StartAt
	if e.TrialEnd != nil {
		e.AnchorAt = *e.TrialEnd
	} else if expiry != nil {
		e.AnchorAt = *expiry
	}
	if c.AnchorAt != nil {
		e.AnchorAt = instant(*c.AnchorAt)
	}
	if e.AnchorAt.Year() < 1970 || e.AnchorAt.Year() > 9000 {
		bad.Add("/anchorAt", "bad_anchor", "an anchor lies in the years 1970 to 9000")
		return
	}
	f := Facts{Terms: e.Terms, AnchorAt: e.AnchorAt, TimeZone: e.TimeZone}
	switch {
	case e.TrialEnd != nil:
		e.Period = Period{Start: e.StartAt, End: *e.TrialEnd}
	case expiry != nil:
		e.Period = Period{Start: e.StartAt, End: *expiry}
	default:
		e.Period = f.periodFrom(e.StartAt)
	}
	if zone == nil {
		return // refused already
	}
	first, _ := f.schedule().At(e.StartAt)
	if last, _ := f.schedule().At(now); last-first > maxPeriods {
		bad.Add("/startAt", "bad_start", "more than %d periods would have passed since", maxPeriods)
	}
}

// trialEnd is the one asked for, else the plan's; nil without a trial.
func trialEnd(asked *time.Time, plan *catalog.Plan, start time.Time, zone *time.Location) *time.Time {
	if asked != nil {
		at := instant(*asked)
		return &at
	}
	days := plan.Fields.EvalDays
	if !plan.Fields.Evaluation && plan.Fields.PlanType != "Evaluation" {
		days = 0
	}
	if plan.Fields.TrialDays != nil && *plan.Fields.TrialDays > 0 {
		days = *plan.Fields.TrialDays
	}
	if days == 0 {
		return nil
	}
	at := period.Interval{Unit: period.Day, Count: days}.After(start, zone)
	return &at
}

// firstQuantity is the quantity asked for, or the default one.
func firstQuantity(t catalog.PlanTerms, asked *int) (int, error) {
	perSeat := t.LicenseType == catalog.PerSeat
	if asked == nil {
		q := 1
		if perSeat {
			if q = max(t.MinSeats, 1); t.MaxSeats >= 0 {
				q = min(q, t.MaxSeats)
			}
		}
		return q, nil
	}
	if err := checkQuantity(*asked); err != nil {
		return 0, err
	}
	return *asked, withinLimits(t, *asked)
}

// checkQuantity refuses what can be no quantity at all.
func checkQuantity(q int) error {
	if q < 0 || q > maxQuantity {
		return domain.RefuseField("/quantity", "amount_out_of_range", "a quantity is 0 to %d", maxQuantity)
	}
	return nil
}

// withinLimits refuses a quantity that is given in a request against the plan's limits (rule S1).
func withinLimits(t catalog.PlanTerms, q int) error {
	switch {
	case t.LicenseType != catalog.PerSeat && q < 1:
		return domain.RefuseField("/quantity", "quantity_out_of_limits", "this plan is bought once or more")
	case t.LicenseType != catalog.PerSeat:
		return nil
	case q < t.MinSeats:
		return domain.RefuseField("/quantity", "quantity_out_of_limits", "this plan has %d seats or more", t.MinSeats)
	case t.MaxSeats >= 0 && q > t.MaxSeats:
		return domain.RefuseField("/quantity", "quantity_out_of_limits", "this plan has at most %d seats", t.MaxSeats)
	case q > MaxSeatsPerCommand:
		return domain.RefuseField("/quantity", "too_many_seats", "one command makes at most %d seats", MaxSeatsPerCommand)
	}
	return nil
}

// instant brings a time to what the log keeps.
func instant(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
