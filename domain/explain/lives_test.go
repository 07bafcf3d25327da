package explain_test

import (
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/explain"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/settings"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

func ptr[T any](v T) *T { return &v }

func dec(s string) *decimal.Decimal { return ptr(decimal.RequireFromString(s)) }

// world is a ledger in which random subscriptions live.
type world struct {
	*ledgertest.Ledger
	t       *rapid.T
	plans   []uuid.UUID
	rates   []uuid.UUID
	payer   *uuid.UUID
	coupons []uuid.UUID
	average bool // what the meter gives is one
}

// used is what was used in a period, as far as it is known at a position.
func used(p period.Period, position int64) string {
	return []string{"0", "3", "7.5", "23/3", "100"}[(p.Start.Unix()/3600+position)%5]
}

// source counts usage too.
func (w *world) source() explain.Source {
	src := w.Source()
	src.Count = func(_ uuid.UUID, meter string, p period.Period, position int64) (*big.Rat, bool, error) {
		require.Equal(w.t, "calls", meter)
		n, _ := new(big.Rat).SetString(used(p, position))
		return n, w.average, nil
	}
	return src
}

var units = rapid.SampledFrom([]string{"0", "1", "7", "333", "1000", "999.99", "0.0123", "12345.678"})

// prices are one to three, of any kind.
func (w *world) prices(seats bool) []catalog.Price {
	var all []catalog.Price
	for i := range rapid.IntRange(1, 3).Draw(w.t, "prices") {
		p := catalog.Price{Key: fmt.Sprint("p", i), Currency: "USD", Billing: rapid.SampledFrom([]string{"inAdvance", "inArrears"}).Draw(w.t, "billing"),
			Kind: rapid.SampledFrom([]string{"flat", "perUnit", "perSeat", "graduated", "volume", "package", "perUnit", "metered"}).Draw(w.t, "kind")}
		if p.Kind == "metered" {
			p.Kind, p.Meter, p.Billing = "perUnit", "calls", "inArrears"
		}
		if p.Kind == "perSeat" && !seats {
			p.Kind = "perUnit"
		}
		p.UnitAmount = dec(units.Draw(w.t, "unit"))
		switch p.Kind {
		case "graduated", "volume":
			p.UnitAmount = nil
			p.Tiers = []catalog.Tier{{UpTo: ptr(int64(3)), UnitAmount: *dec(units.Draw(w.t, "first"))}, {UnitAmount: *dec(units.Draw(w.t, "above")), FlatAmount: dec("50")}}
		case "package":
			p.PackageSize = dec("3")
		}
		switch rapid.IntRange(0, 3).Draw(w.t, "free") {
		case 0:
			if p.Kind == "perUnit" {
				p.FreeUnits = dec(rapid.SampledFrom([]string{"1", "2.5"}).Draw(w.t, "units"))
			}
			if p.Kind == "perSeat" {
				p.IncludedSeats = ptr(int64(2))
			}
		case 1:
			p.MinimumAmount = ptr(int64(2500))
		}
		all = append(all, p)
	}
	return all
}

func newWorld(t *rapid.T) *world {
	begin := time.Date(2024, time.Month(rapid.IntRange(1, 12).Draw(t, "month")), rapid.IntRange(1, 31).Draw(t, "day"), rapid.IntRange(0, 23).Draw(t, "hour"), 0, 0, 0, time.UTC)
	w := &world{Ledger: ledgertest.New(t, begin), t: t, average: rapid.Bool().Draw(t, "average")}
	_, _, err := w.Execute(settings.Change{Patch: settings.Patch{ZeroInvoices: ptr(rapid.Bool().Draw(t, "zero")), DraftHours: ptr(rapid.SampledFrom([]int{0, 0, 48}).Draw(t, "draft"))}})
	require.NoError(t, err)
	product := w.Product()
	seats := rapid.Bool().Draw(t, "seats")
	for range 3 {
		prices := w.prices(seats)
		w.plans = append(w.plans, w.Plan(product, func(f *catalog.PlanFields) {
			f.Interval, f.Length = rapid.SampledFrom([]string{"month", "month", "month", "week", "year", "day"}).Draw(t, "interval"), rapid.SampledFrom([]int{1, 1, 3}).Draw(t, "length")
			f.Prices, f.LicenseType, f.PerSeatAmount = prices, "licensed", 0
			if seats {
				f.LicenseType = catalog.PerSeat
			}
			if rapid.IntRange(0, 5).Draw(t, "tries") == 0 {
				f.TrialDays = ptr(5)
			}
		}))
	}
	for range rapid.IntRange(0, 2).Draw(t, "rates") {
		f := catalog.TaxRateFields{Name: "VAT", Percentage: *dec(rapid.SampledFrom([]string{"19", "7", "8.875", "0"}).Draw(t, "rate")), Inclusive: rapid.Bool().Draw(t, "inclusive")}
		w.rates = append(w.rates, ledgertest.Must[catalog.TaxRateView](w.Ledger, catalog.CreateTaxRate{Fields: f}).ID)
	}
	if rapid.IntRange(0, 4).Draw(t, "payer") > 0 {
		p := customer.Patch{Currency: ptr("USD"), TaxRates: &w.rates}
		if rapid.IntRange(0, 5).Draw(t, "exempt") == 0 {
			p.TaxExempt = ptr(&customer.Exemption{Reason: "export"})
		}
		w.payer = &[]uuid.UUID{ledgertest.Must[customer.View](w.Ledger, customer.Create{Patch: p}).ID}[0]
	}
	for i := range 3 {
		f := catalog.CouponFields{Code: fmt.Sprint("c", i), Duration: rapid.SampledFrom([]string{"once", "repeating", "forever"}).Draw(t, "duration")}
		if f.Duration == "repeating" {
			f.DurationPeriods = ptr(2)
		}
		if rapid.Bool().Draw(t, "percentage") {
			f.PercentOff = dec(rapid.SampledFrom([]string{"50", "33.3333", "10", "100"}).Draw(t, "percent"))
		} else {
			f.AmountOff, f.Currency = ptr(rapid.SampledFrom([]int64{1, 5, 500, 100000}).Draw(t, "off")), "USD"
		}
		if rapid.IntRange(0, 4).Draw(t, "ends") == 0 {
			f.EndsAt = ptr(begin.AddDate(0, 0, 40))
		}
		w.coupons = append(w.coupons, ledgertest.Must[catalog.CouponView](w.Ledger, catalog.CreateCoupon{Fields: f}).ID)
	}
	return w
}

// try does something; a refusal is as good as anything.
func (w *world) try(c domain.Command) {
	if _, _, err := w.Execute(c); err != nil {
		if _, refused := domain.AsRefusal(err); !refused {
			w.t.Fatalf("%T: %v", c, err)
		}
	}
}

func (w *world) begin() uuid.UUID {
	t := w.t
	c := subscription.Start{PlanID: w.plans[0], Quantity: ptr(rapid.IntRange(1, 6).Draw(t, "quantity")), Currency: "USD", CustomerID: w.payer,
		ProrationMode: rapid.SampledFrom([]string{"second", "day", "fixed30"}).Draw(t, "mode"), TimeZone: rapid.SampledFrom([]string{"UTC", "America/New_York", "Pacific/Auckland"}).Draw(t, "zone")}
	if rapid.IntRange(0, 3).Draw(t, "anchored") == 0 {
		c.AnchorAt = ptr(w.Now().AddDate(0, 0, rapid.IntRange(-40, 40).Draw(t, "anchor")))
	}
	switch rapid.IntRange(0, 7).Draw(t, "starts") {
	case 0:
		c.StartAt = ptr(w.Now().AddDate(0, 0, -50))
	case 1:
		c.StartAt = ptr(w.Now().AddDate(0, 0, 3))
	}
	if rapid.Bool().Draw(t, "coupon") {
		c.CouponID = &w.coupons[0]
	}
	return ledgertest.Must[subscription.View](w.Ledger, c).ID
}

// step does something at random.
func (w *world) step(id uuid.UUID) {
	t := w.t
	proration := rapid.SampledFrom([]string{"", "", "none", "always_invoice"}).Draw(t, "proration")
	when := rapid.SampledFrom([]string{"", "", "", "periodEnd"}).Draw(t, "when")
	at := w.effective(id)
	if at != nil {
		when = ""
	}
	switch rapid.IntRange(0, 19).Draw(t, "step") {
	case 0:
		w.try(subscription.AddSeats{ID: id, Count: rapid.IntRange(1, 4).Draw(t, "more"), Proration: proration, When: when, EffectiveAt: at})
	case 1:
		w.try(subscription.RemoveSeats{ID: id, Count: rapid.IntRange(1, 4).Draw(t, "fewer"), Proration: proration, When: when, EffectiveAt: at})
	case 2, 3:
		w.try(subscription.SetQuantity{ID: id, Quantity: rapid.IntRange(0, 8).Draw(t, "quantity"), Proration: proration, When: when, EffectiveAt: at})
	case 4, 5:
		c := subscription.ChangePlan{ID: id, PlanID: rapid.SampledFrom(w.plans).Draw(t, "plan"), Proration: proration, When: when, EffectiveAt: at}
		if rapid.Bool().Draw(t, "quantity too") {
			c.Quantity = ptr(rapid.IntRange(0, 6).Draw(t, "quantity"))
		}
		w.try(c)
	case 6, 7:
		w.try(subscription.Pause{ID: id, Credit: rapid.SampledFrom([]string{"", "prorate", "extend"}).Draw(t, "credit"), EffectiveAt: at})
		w.pass(id)
		if rapid.IntRange(0, 3).Draw(t, "resumes") > 0 {
			w.try(subscription.Resume{ID: id, EffectiveAt: w.effective(id)})
		}
	case 8:
		if rapid.IntRange(0, 3).Draw(t, "really") == 0 {
			w.try(subscription.Cancel{ID: id, Now: rapid.Bool().Draw(t, "now"), Credit: rapid.SampledFrom([]string{"", "prorate"}).Draw(t, "credit"), EffectiveAt: at})
		}
	case 9:
		w.try(subscription.Reactivate{ID: id})
	case 10:
		w.try(subscription.ApplyCoupon{ID: id, CouponID: rapid.SampledFrom(w.coupons).Draw(t, "coupon")})
	case 11:
		w.try(subscription.RemoveCoupon{ID: id, CouponID: &w.coupons[0]})
	case 12:
		if len(w.rates) > 0 {
			w.try(catalog.ChangeTaxRate{ID: w.rates[0], Patch: catalog.TaxRatePatch{Percentage: dec("21")}})
		}
		prices := w.prices(false)
		w.try(catalog.AddPlanVersion{ID: w.plans[0], Prices: prices, Meters: w.Meters(prices...)})
	case 13:
		if of := w.invoices(); len(of) > 0 {
			on := rapid.SampledFrom(of).Draw(t, "invoice")
			w.try(subscription.CreditInvoice{IssueCreditNote: invoice.IssueCreditNote{ID: on, Amount: rapid.Int64Range(1, 2000).Draw(t, "amount")}})
			if rapid.IntRange(0, 2).Draw(t, "more") == 0 {
				w.try(subscription.DebitInvoice{IssueDebitNote: invoice.IssueDebitNote{ID: on, Amount: rapid.Int64Range(1, 2000).Draw(t, "debit")}})
			}
			if rapid.IntRange(0, 4).Draw(t, "void") == 0 {
				w.try(subscription.VoidInvoice{ID: on})
			}
		}
	case 14:
		if w.payer != nil {
			zone := rapid.SampledFrom([]string{"UTC", "America/New_York", "Pacific/Auckland", "Asia/Kolkata"}).Draw(t, "zone")
			w.try(customer.Change{ID: *w.payer, Patch: customer.Patch{TimeZone: &zone}})
			w.try(subscription.Rezone{ID: id})
		}
	default:
		w.pass(id)
	}
}

// effective is an instant since a subscription's last event, now and then.
func (w *world) effective(id uuid.UUID) *time.Time {
	from := w.State(id).(*subscription.State).Effective
	if past := w.Now().Sub(from); past > 0 && rapid.IntRange(0, 2).Draw(w.t, "backdated") == 0 {
		return ptr(from.Add(time.Duration(rapid.Int64Range(0, int64(past/time.Second)).Draw(w.t, "seconds")) * time.Second))
	}
	return nil
}

// pass lets time go by, in odd steps, and does what is due; drafts are issued with usage that nobody recorded.
func (w *world) pass(id uuid.UUID) {
	w.Pass(rapid.SampledFrom([]time.Duration{time.Second, 7 * time.Hour, 24 * time.Hour, 5 * 24 * time.Hour, 9*24*time.Hour + 1234567*time.Microsecond, 31 * 24 * time.Hour}).Draw(w.t, "passes"))
	w.try(subscription.Advance{ID: id})
	for _, draft := range w.invoices() {
		s := w.State(draft).(*invoice.State)
		books, ok := w.State(account.ID(id)).(*account.State)
		if s.Status != invoice.Draft || !ok {
			continue
		}
		c := subscription.FinalizeInvoice{ID: draft, Position: int64(len(w.Log())), Refresh: rapid.IntRange(0, 3).Draw(w.t, "refreshes") == 0}
		parts := books.Waiting(draft)
		for _, m := range books.Billed {
			if rapid.Bool().Draw(w.t, "late") {
				parts = append(parts, m.Usage)
			}
		}
		for _, u := range parts {
			c.Counts = append(c.Counts, account.Count{Usage: u, Quantity: used(u.Period, c.Position), Average: w.average})
		}
		w.try(c)
	}
	if books, ok := w.State(account.ID(id)).(*account.State); ok && books.Closing != nil {
		c := subscription.CloseAccount{ID: id, Position: int64(len(w.Log()))}
		for _, m := range books.Billed {
			c.Counts = append(c.Counts, account.Count{Usage: m.Usage, Quantity: used(m.Period, c.Position), Average: w.average})
		}
		w.try(c)
	}
}

// invoices are those that were drafted.
func (w *world) invoices() (all []uuid.UUID) {
	for _, e := range w.Log() {
		if _, ok := e.Event.(invoice.Drafted); ok && !slices.Contains(all, e.Stream) {
			all = append(all, e.Stream)
		}
	}
	return all
}
