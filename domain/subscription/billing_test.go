package subscription_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

func dec(s string) *decimal.Decimal {
	d := decimal.RequireFromString(s)
	return &d
}

// till is a ledger with plans that cost something.
type till struct {
	*ledgertest.Ledger
	t       *testing.T
	product uuid.UUID
}

func openTill(t *testing.T, now time.Time, currencies ...string) *till {
	l := &till{Ledger: ledgertest.New(t, now), t: t}
	l.product = l.Product(func(f *catalog.ProductFields) {
		for _, c := range currencies {
			f.Currencies = append(f.Currencies, catalog.ProductCurrency{Currency: c})
		}
	})
	return l
}

// flat makes a plan of one price, in minor units.
func (l *till) flat(amount string, edit ...func(*catalog.PlanFields)) uuid.UUID {
	return l.priced([]catalog.Price{{Key: "base", Kind: catalog.Flat, Currency: "USD", UnitAmount: dec(amount)}}, edit...)
}

// seats makes a plan of so much a seat.
func (l *till) seats(amount string, edit ...func(*catalog.PlanFields)) uuid.UUID {
	return l.priced([]catalog.Price{{Key: "seat", Kind: catalog.SeatPrice, Currency: "USD", UnitAmount: dec(amount)}},
		append([]func(*catalog.PlanFields){func(f *catalog.PlanFields) { f.LicenseType, f.PerSeatAmount = catalog.PerSeat, 0 }}, edit...)...)
}

func (l *till) priced(prices []catalog.Price, edit ...func(*catalog.PlanFields)) uuid.UUID {
	return l.Plan(l.product, append([]func(*catalog.PlanFields){func(f *catalog.PlanFields) {
		f.LicenseType, f.Prices = "licensed", prices
	}}, edit...)...)
}

func (l *till) start(c subscription.Start) uuid.UUID {
	l.t.Helper()
	return ledgertest.Must[subscription.View](l.Ledger, c).ID
}

// at moves to an instant, does what is due by then and what is asked for.
func (l *till) at(when time.Time, id uuid.UUID, commands ...domain.Command) {
	l.t.Helper()
	l.SetNow(when)
	ledgertest.Must[subscription.View](l.Ledger, subscription.Advance{ID: id})
	for _, c := range commands {
		_, _, err := l.Execute(c)
		require.NoError(l.t, err)
	}
}

// bills are the invoices, a line each: reason, total, and the lines' kinds and amounts.
func (l *till) bills() (all []string) {
	for _, e := range l.Log() {
		if _, ok := e.Event.(invoice.Drafted); !ok {
			continue
		}
		s := l.State(e.Stream).(*invoice.State)
		all = append(all, fmt.Sprintf("%s %s %s:%s", s.Number, s.Reason, amount(s.Total), inLines(s.Lines)))
	}
	return all
}

// pending is what waits for the next invoice.
func (l *till) pending(id uuid.UUID) string {
	s, ok := l.State(account.ID(id)).(*account.State)
	if !ok {
		return ""
	}
	return strings.TrimSpace(inLines(s.Pending))
}

func inLines(lines []invoice.Line) (text string) {
	for _, x := range lines {
		text += " " + x.Kind + " " + amount(x.Amount)
	}
	return text
}

func amount(n int64) string { return decimal.New(n, -2).StringFixed(2) }

// on is an instant of 2025, UTC.
func on(month time.Month, day int, clock ...int) time.Time {
	return time.Date(2025, month, day, append(clock, 0, 0, 0)[0], append(clock, 0, 0, 0)[1], append(clock, 0, 0, 0)[2], 0, time.UTC)
}

func TestAPlanIsBilledAPeriod(t *testing.T) {
	l := openTill(t, april(1))
	id := l.start(subscription.Start{PlanID: l.flat("1000")})
	require.Equal(t, []string{"INV-000001 period 10.00: period 10.00"}, l.bills())
	l.at(on(7, 1), id)
	require.Len(t, l.bills(), 4)
	s := l.State(invoice.IDFor(id, on(6, 1), "period")).(*invoice.State)
	require.Equal(t, []any{"INV-000003", on(6, 1), on(6, 1), on(7, 1)}, []any{s.Number, s.IssuedAt, s.Lines[0].Period.Start, s.Lines[0].Period.End},
		"103 each missed period once, in order, dated to it")
	require.NotEmpty(t, s.Lines[0].Events)
	require.Equal(t, subscription.Renewed{}.EventType(), l.Log()[s.Lines[0].Events[0]-1].Event.EventType())
	l.CheckFolds()
}

// Plan changes, through the commands.
func TestPlanChangesAreProrated(t *testing.T) {
	type change struct {
		at        time.Time
		to        string
		proration string
	}
	for _, tt := range []struct {
		name    string
		from    string
		start   time.Time
		mode    string
		changes []change
		pending string
		bills   []string // of the next boundary
	}{
		{"26", "1000", april(1), "second", []change{{april(16), "2000", ""}}, "prorationCredit -5.00 prorationDebit 10.00",
			[]string{"INV-000001 period 10.00: period 10.00", "INV-000002 period 25.00: prorationCredit -5.00 prorationDebit 10.00 period 20.00"}},
		{"26 by days", "1000", april(1), "day", []change{{april(16), "2000", ""}}, "prorationCredit -5.00 prorationDebit 10.00", nil},
		{"28", "10000", on(1, 1), "second", []change{{on(1, 11), "25000", ""}}, "prorationCredit -67.74 prorationDebit 169.35", nil},
		{"28 in months of 30 days", "10000", on(1, 1), "fixed30", []change{{on(1, 11), "25000", ""}}, "prorationCredit -66.67 prorationDebit 166.67", nil},
		{"32", "1000", april(1), "second", []change{{april(11), "2000", ""}, {april(21), "4000", ""}},
			"prorationCredit -6.67 prorationDebit 13.33 prorationCredit -6.66 prorationDebit 13.33",
			[]string{"INV-000001 period 10.00: period 10.00",
				"INV-000002 period 53.33: prorationCredit -6.67 prorationDebit 13.33 prorationCredit -6.66 prorationDebit 13.33 period 40.00"}},
		{"35", "1000", april(1), "second", []change{{on(4, 30, 23, 59, 59), "2000", ""}}, "",
			[]string{"INV-000001 period 10.00: period 10.00", "INV-000002 period 20.00: period 20.00"}},
		{"a change at a boundary that is billed takes back all of it", "1000", april(1), "second", []change{{on(5, 1), "2000", ""}},
			"prorationCredit -10.00 prorationDebit 20.00", nil},
		{"none", "1000", april(1), "second", []change{{april(16), "2000", "none"}}, "",
			[]string{"INV-000001 period 10.00: period 10.00", "INV-000002 period 20.00: period 20.00"}},
		{"at once", "1000", april(1), "second", []change{{april(16), "2000", "always_invoice"}}, "",
			[]string{"INV-000001 period 10.00: period 10.00", "INV-000002 proration 5.00: prorationCredit -5.00 prorationDebit 10.00", "INV-000003 period 20.00: period 20.00"}},
		{"a downgrade at once is owed to the customer", "2000", april(1), "second", []change{{april(16), "1000", "always_invoice"}}, "",
			[]string{"INV-000001 period 20.00: period 20.00", "INV-000002 proration -5.00: prorationCredit -10.00 prorationDebit 5.00", "INV-000003 period 10.00: period 10.00"}},
	} {
		t.Run("case "+tt.name, func(t *testing.T) {
			l := openTill(t, tt.start)
			id := l.start(subscription.Start{PlanID: l.flat(tt.from), ProrationMode: tt.mode})
			for _, c := range tt.changes {
				l.at(c.at, id, subscription.ChangePlan{ID: id, PlanID: l.flat(c.to), Proration: c.proration})
			}
			require.Equal(t, tt.pending, l.pending(id))
			if tt.bills != nil {
				l.at(on(5, 1), id)
				require.Equal(t, tt.bills, l.bills())
			}
			l.CheckFolds()
		})
	}
}

func TestCase37FromYearToMonth(t *testing.T) {
	l := openTill(t, on(1, 1))
	id := l.start(subscription.Start{PlanID: l.flat("12000", func(f *catalog.PlanFields) { f.Interval = "year" })})
	l.pay(l.newest(), 12000)
	l.at(on(7, 2), id, subscription.ChangePlan{ID: id, PlanID: l.flat("1000")})
	require.Equal(t, "INV-000002 proration -50.16: prorationCredit -60.16 period 10.00", l.bills()[1])
	l.at(on(1, 2).AddDate(1, 0, 0), id)
	var due []string
	for _, e := range l.Log() {
		if _, ok := e.Event.(invoice.Drafted); ok {
			due = append(due, amount(l.State(e.Stream).(*invoice.State).AmountDue()))
		}
	}
	require.Equal(t, []string{"0.00", "0.00", "0.00", "0.00", "0.00", "0.00", "0.00", "9.84"}, due[:8], "the credit covers the first month and five more")
	l.CheckFolds()
}

func TestCase43And46And44(t *testing.T) {
	l := openTill(t, april(1))
	rate := ledgertest.Must[catalog.TaxRateView](l.Ledger, catalog.CreateTaxRate{Fields: catalog.TaxRateFields{Name: "VAT", Percentage: *dec("19")}}).ID
	usd := "USD"
	payer := ledgertest.Must[customer.View](l.Ledger, customer.Create{Patch: customer.Patch{Currency: &usd, TaxRates: &[]uuid.UUID{rate}}}).ID
	plan := l.flat("1000")
	id := l.start(subscription.Start{PlanID: plan, CustomerID: &payer})
	l.SetNow(april(10))
	dearer := []catalog.Price{{Key: "base", Kind: catalog.Flat, Currency: "USD", UnitAmount: dec("1200")}}
	ledgertest.Must[catalog.PlanView](l.Ledger, catalog.AddPlanVersion{ID: plan, Prices: dearer})
	ledgertest.Must[catalog.TaxRateView](l.Ledger, catalog.ChangeTaxRate{ID: rate, Patch: catalog.TaxRatePatch{Percentage: dec("21")}})
	l.at(april(16), id, subscription.ChangePlan{ID: id, PlanID: l.flat("2000"), Proration: "always_invoice"})
	s := l.State(l.newest()).(*invoice.State)
	require.Equal(t, []any{int64(-500), "19", int64(1000), "21"}, []any{s.Lines[0].Amount, s.Lines[0].Taxes[0].Percentage.String(), s.Lines[1].Amount, s.Lines[1].Taxes[0].Percentage.String()})
	require.EqualValues(t, 500+210-95, s.Total)

	quarter := l.flat("9100", func(f *catalog.PlanFields) { f.Length = 3 })
	l.SetNow(on(5, 20))
	joined := l.start(subscription.Start{PlanID: quarter, AnchorAt: ptr(april(1))})
	first := l.State(invoice.IDFor(joined, on(5, 20), "period")).(*invoice.State)
	require.EqualValues(t, 4200, first.Lines[0].Amount, "46: 42 days of 91")
}

func (l *till) newest() (id uuid.UUID) {
	for _, e := range l.Log() {
		if _, ok := e.Event.(invoice.Drafted); ok {
			id = e.Stream
		}
	}
	return id
}

func TestSeatsAreProrated(t *testing.T) {
	l := openTill(t, april(1))
	plan := l.seats("1000")
	id := l.start(subscription.Start{PlanID: plan, Quantity: ptr(1)})
	l.at(april(11), id, subscription.AddSeats{ID: id, Count: 1})
	l.at(april(21), id, subscription.RemoveSeats{ID: id, Count: 1})
	require.Equal(t, "prorationDebit 6.67 prorationCredit -3.34", l.pending(id), "52")

	five := l.start(subscription.Start{PlanID: plan, Quantity: ptr(5), StartAt: ptr(april(21))})
	require.Equal(t, "INV-000002 period 50.00: period 50.00", l.bills()[1])
	l.at(on(5, 6), five, subscription.SetQuantity{ID: five, Quantity: 0})
	require.Equal(t, "prorationCredit -25.00", l.pending(five), "53")
	require.Equal(t, "ACTIVE", l.State(five).(*subscription.State).Status)
	l.at(on(5, 11), five, subscription.SetQuantity{ID: five, Quantity: 3})
	require.Equal(t, "prorationCredit -25.00 prorationDebit 10.00", l.pending(five), "53")
	l.CheckFolds()
}

// Credits of some seats, then of what is left: the seats that went were taken back already.
func TestFewerSeatsThenAnotherPlan(t *testing.T) {
	l := openTill(t, april(1))
	id := l.start(subscription.Start{PlanID: l.seats("1000"), Quantity: ptr(5)})
	l.at(april(16), id, subscription.RemoveSeats{ID: id, Count: 2})
	require.Equal(t, "prorationCredit -10.00", l.pending(id))
	l.at(april(21), id, subscription.ChangePlan{ID: id, PlanID: l.seats("2000")})
	require.Equal(t, "prorationCredit -10.00 prorationCredit -10.00 prorationDebit 20.00", l.pending(id))
	l.at(april(26), id, subscription.Cancel{ID: id, Now: true, Credit: "prorate"})
	require.Equal(t, "INV-000002 cancel -10.00: prorationCredit -10.00 prorationCredit -10.00 prorationDebit 20.00 prorationCredit -10.00", l.bills()[1])
	l.CheckFolds()
}

// Case 61 with a change: tiers are not additive, so that the rest of the old line goes back and the new total is asked for.
func TestTieredSeats(t *testing.T) {
	l := openTill(t, april(1))
	tiers := []catalog.Tier{{UpTo: ptr(int64(10)), UnitAmount: *dec("1000")}, {UnitAmount: *dec("800")}}
	plan := l.priced([]catalog.Price{{Key: "seat", Kind: catalog.Volume, Currency: "USD", Tiers: tiers}}, func(f *catalog.PlanFields) { f.LicenseType = catalog.PerSeat })
	id := l.start(subscription.Start{PlanID: plan, Quantity: ptr(10)})
	l.at(april(16), id, subscription.AddSeats{ID: id, Count: 1})
	require.Equal(t, "prorationCredit -50.00 prorationDebit 44.00", l.pending(id))
	l.at(on(5, 1), id)
	require.Equal(t, "INV-000002 period 82.00: prorationCredit -50.00 prorationDebit 44.00 period 88.00", l.bills()[1])
}

func TestIncludedSeatsAreNotCharged(t *testing.T) {
	l := openTill(t, april(1))
	plan := l.priced([]catalog.Price{{Key: "seat", Kind: catalog.SeatPrice, Currency: "USD", UnitAmount: dec("1000"), IncludedSeats: ptr(int64(3))}},
		func(f *catalog.PlanFields) { f.LicenseType = catalog.PerSeat })
	id := l.start(subscription.Start{PlanID: plan, Quantity: ptr(2)})
	l.at(april(16), id, subscription.SetQuantity{ID: id, Quantity: 5})
	require.Equal(t, "prorationDebit 10.00", l.pending(id), "two of the three more are charged")
	l.at(april(21), id, subscription.SetQuantity{ID: id, Quantity: 4})
	require.Equal(t, "prorationDebit 10.00 prorationCredit -3.33", l.pending(id))
	l.at(april(26), id, subscription.SetQuantity{ID: id, Quantity: 1})
	require.Equal(t, "prorationDebit 10.00 prorationCredit -3.33 prorationCredit -1.67", l.pending(id))
	l.at(on(5, 1), id)
	require.Equal(t, "INV-000002 period 5.00: prorationDebit 10.00 prorationCredit -3.33 prorationCredit -1.67 period 0.00", l.bills()[1])
}

func TestCancellations(t *testing.T) {
	l := openTill(t, april(1))
	plan := l.flat("3000")
	id := l.start(subscription.Start{PlanID: plan})
	l.pay(l.newest(), 3000)
	l.at(april(21), id, subscription.Cancel{ID: id, Now: true, Credit: "prorate"})
	require.Equal(t, "INV-000002 cancel -10.00: prorationCredit -10.00", l.bills()[1], "97")
	balance := l.State(invoice.BalanceID(*l.State(id).(*subscription.State).CustomerID, "USD")).(*invoice.Balance)
	require.EqualValues(t, 1000, balance.Amount)

	quiet := l.start(subscription.Start{PlanID: plan})
	l.at(april(22), quiet, subscription.Cancel{ID: quiet})
	l.at(on(6, 1), quiet)
	require.Len(t, l.bills(), 3, "nothing is left to bill at the end")
	gone := l.start(subscription.Start{PlanID: plan})
	l.at(on(6, 2), gone, subscription.Cancel{ID: gone, Now: true})
	require.Len(t, l.bills(), 4, "without a credit nothing is given back")
}

func TestCase100Pauses(t *testing.T) {
	for credit, want := range map[string]struct {
		pending string
		end     time.Time
	}{"prorate": {"prorationCredit -10.00", on(5, 1)}, "extend": {"", on(5, 11)}, "none": {"", on(5, 1)}} {
		t.Run(credit, func(t *testing.T) {
			l := openTill(t, april(1))
			id := l.start(subscription.Start{PlanID: l.flat("3000")})
			l.at(april(11), id, subscription.Pause{ID: id, Credit: credit})
			require.Empty(t, l.pending(id), "it is settled at the resume")
			l.at(april(21), id, subscription.Resume{ID: id})
			require.Equal(t, want.pending, l.pending(id))
			require.Equal(t, want.end, l.State(id).(*subscription.State).Period.End)
			l.at(want.end, id)
			require.Len(t, l.bills(), 2)
			require.Equal(t, want.end, l.State(id).(*subscription.State).Period.Start, "the next period begins there")
			l.CheckFolds()
		})
	}
	t.Run("a period that was extended is credited on its own days", func(t *testing.T) {
		l := openTill(t, april(1))
		id := l.start(subscription.Start{PlanID: l.flat("3000")})
		l.at(april(11), id, subscription.Pause{ID: id, Credit: "extend"})
		l.at(april(21), id, subscription.Resume{ID: id})
		l.at(on(5, 1), id, subscription.Cancel{ID: id, Now: true, Credit: "prorate"})
		require.Equal(t, "INV-000002 cancel -10.00: prorationCredit -10.00", l.bills()[1])
	})
	t.Run("a pause beyond the period's end", func(t *testing.T) {
		l := openTill(t, april(1))
		id := l.start(subscription.Start{PlanID: l.flat("3000")})
		l.at(april(21), id, subscription.Pause{ID: id, Credit: "prorate"})
		l.at(on(5, 16), id, subscription.Resume{ID: id})
		require.Equal(t, "INV-000002 period 5.48: prorationCredit -10.00 period 15.48", l.bills()[1])
	})
	t.Run("one that was paused at its start begins when it resumes", func(t *testing.T) {
		for _, credit := range []string{"prorate", "extend", "none"} {
			l := openTill(t, april(1))
			id := l.start(subscription.Start{PlanID: l.flat("3000"), StartAt: ptr(april(11))})
			l.at(april(5), id, subscription.Pause{ID: id, Credit: credit})
			l.at(april(21), id, subscription.Resume{ID: id})
			require.Empty(t, l.pending(id))
			l.at(april(21), id)
			require.Equal(t, []string{"INV-000001 period 20.00: period 20.00"}, l.bills(), "20 days of 30, %s", credit)
			l.CheckFolds()
			early := l.start(subscription.Start{PlanID: l.flat("3000"), StartAt: ptr(on(5, 11))})
			l.at(april(22), early, subscription.Pause{ID: early, Credit: credit})
			l.at(april(25), early, subscription.Resume{ID: early})
			l.at(on(5, 11), early)
			require.Equal(t, "INV-000002 period 30.00: period 30.00", l.bills()[1])
		}
	})
	t.Run("an end in a pause", func(t *testing.T) {
		l := openTill(t, april(1))
		id := l.start(subscription.Start{PlanID: l.flat("3000")})
		l.at(april(11), id, subscription.Pause{ID: id, Credit: "prorate"})
		l.at(april(16), id, subscription.Cancel{ID: id, Now: true, Credit: "prorate"})
		require.Equal(t, "INV-000002 cancel -20.00: prorationCredit -20.00", l.bills()[1])
	})
}

// Case 101: a yearly plan paused and resumed twice has no charges that overlap.
func TestCase101(t *testing.T) {
	l := openTill(t, on(1, 1))
	id := l.start(subscription.Start{PlanID: l.flat("36500", func(f *catalog.PlanFields) { f.Interval = "year" })})
	for _, month := range []time.Month{2, 6} {
		l.at(on(month, 1), id, subscription.Pause{ID: id, Credit: "prorate"})
		l.at(on(month, 11), id, subscription.Resume{ID: id})
	}
	require.Equal(t, "prorationCredit -10.00 prorationCredit -10.00", l.pending(id))
	l.at(on(1, 1).AddDate(1, 0, 0), id)
	require.Equal(t, "INV-000002 period 345.00: prorationCredit -10.00 prorationCredit -10.00 period 365.00", l.bills()[1])
	l.CheckFolds()
}

func TestPricesInArrears(t *testing.T) {
	l := openTill(t, april(1))
	plan := l.priced([]catalog.Price{{Key: "base", Kind: catalog.Flat, Currency: "USD", UnitAmount: dec("500")},
		{Key: "seat", Kind: catalog.SeatPrice, Currency: "USD", UnitAmount: dec("1000"), Billing: catalog.InArrears}},
		func(f *catalog.PlanFields) { f.LicenseType, f.PerSeatAmount = catalog.PerSeat, 0 })
	id := l.start(subscription.Start{PlanID: plan, Quantity: ptr(2)})
	require.Equal(t, []string{"INV-000001 period 5.00: period 5.00"}, l.bills())
	l.at(april(16), id, subscription.AddSeats{ID: id, Count: 1, Proration: "always_invoice"})
	require.Len(t, l.bills(), 1, "each part is billed at the period's end for its own time")
	l.at(on(5, 1), id)
	require.Equal(t, "INV-000002 period 30.00: period 10.00 period 15.00 period 5.00", l.bills()[1])
	l.at(on(5, 11), id, subscription.Cancel{ID: id, Now: true})
	require.Equal(t, "INV-000003 cancel 9.68: period 9.68", l.bills()[2], "what was used is billed")
	l.CheckFolds()
}

func TestNothingIsBilledBeforeItsTime(t *testing.T) {
	l := openTill(t, april(1))
	id := l.start(subscription.Start{PlanID: l.flat("1000"), StartAt: ptr(april(11))})
	require.Empty(t, l.bills(), "14")
	l.at(april(11), id)
	require.Equal(t, []string{"INV-000001 period 10.00: period 10.00"}, l.bills(), "14")
	trial := l.start(subscription.Start{PlanID: l.flat("1000", func(f *catalog.PlanFields) { f.TrialDays = ptr(10) })})
	l.at(april(16), trial, subscription.ChangePlan{ID: trial, PlanID: l.flat("2000"), Proration: "always_invoice"})
	require.Len(t, l.bills(), 1, "91 nothing was debited in the trial")
	l.at(april(21), trial)
	require.Equal(t, "INV-000002 period 20.00: period 20.00", l.bills()[1])
	backdated := l.start(subscription.Start{PlanID: l.flat("1000"), StartAt: ptr(on(2, 21))})
	l.at(april(22), backdated)
	require.Len(t, l.bills(), 5, "each period since then")
	free := l.start(subscription.Start{PlanID: l.Plan(l.product, func(f *catalog.PlanFields) { f.PricingType, f.Currencies = "free", nil })})
	l.at(on(8, 22), free)
	require.Len(t, l.bills(), 5, "a free plan has no invoices")
}

func TestCouponsOnInvoices(t *testing.T) {
	l := openTill(t, april(1))
	coupon := func(name, duration string, edit func(*catalog.CouponFields)) *uuid.UUID {
		f := catalog.CouponFields{Code: name, Duration: duration}
		edit(&f)
		id := ledgertest.Must[catalog.CouponView](l.Ledger, catalog.CreateCoupon{Fields: f}).ID
		return &id
	}
	percent := func(p string) func(*catalog.CouponFields) {
		return func(f *catalog.CouponFields) { f.PercentOff = dec(p) }
	}
	id := l.start(subscription.Start{PlanID: l.flat("1000"), CouponID: coupon("fifth", "forever", func(f *catalog.CouponFields) {
		f.PercentOff, f.EndsAt = dec("20"), ptr(april(10))
	})})
	require.Equal(t, "INV-000001 period 8.00: period 10.00", l.bills()[0])
	l.at(april(16), id, subscription.ChangePlan{ID: id, PlanID: l.flat("2000"), Proration: "always_invoice"})
	require.Equal(t, "INV-000002 proration 6.00: prorationCredit -5.00 prorationDebit 10.00", l.bills()[1], "106: -4.00 and +10.00")

	three := l.start(subscription.Start{PlanID: l.flat("1000"), CouponID: coupon("three", "repeating", func(f *catalog.CouponFields) {
		f.PercentOff, f.DurationPeriods = dec("50"), ptr(3)
	})})
	l.at(on(5, 1), three, subscription.ChangePlan{ID: three, PlanID: l.flat("2000"), Proration: "always_invoice"})
	l.at(on(8, 16), three)
	var totals []string
	for _, e := range l.Log() {
		if d, ok := e.Event.(invoice.Drafted); ok && *d.SubscriptionID == three {
			totals = append(totals, amount(d.Total))
		}
	}
	require.Equal(t, []string{"5.00", "2.50", "10.00", "10.00", "20.00", "20.00"}, totals, "110 the invoice of a change uses up no month")

	gift := l.start(subscription.Start{PlanID: l.flat("1000"), CouponID: coupon("gift", "forever", func(f *catalog.CouponFields) {
		f.AmountOff, f.Currency = ptr(int64(500)), "USD"
	})})
	from := len(l.bills()) - 1
	l.at(on(8, 31).Add(12*time.Hour), gift, subscription.ChangePlan{ID: gift, PlanID: l.flat("2000"), Proration: "always_invoice"})
	require.Equal(t, []string{"period 5.00: period 10.00", "proration 5.00: prorationCredit -5.00 prorationDebit 10.00"},
		trimmed(l.bills()[from:]), "an amount comes off once a period: what the credit gave back of it is taken again")
	large := l.start(subscription.Start{PlanID: l.flat("1000"), CouponID: coupon("large", "once", func(f *catalog.CouponFields) {
		f.AmountOff, f.Currency = ptr(int64(1500)), "USD"
	})})
	l.at(on(10, 2), large)
	require.Equal(t, []string{"period 0.00: period 10.00", "period 10.00: period 10.00"}, trimmed(l.bills()[from+2:]), "107 the rest is lost")
	half := l.start(subscription.Start{PlanID: l.flat("1000"), CouponID: coupon("half", "forever", percent("50"))})
	l.at(on(10, 3), half, subscription.ChangePlan{ID: half, PlanID: l.flat("2000")}, subscription.ChangePlan{ID: half, PlanID: l.flat("1000")},
		subscription.Cancel{ID: half, Now: true, Credit: "prorate"})
	last := l.State(l.newest()).(*invoice.State)
	require.Equal(t, []int64{-968, 484, -484}, []int64{last.Subtotal, -last.DiscountTotal, last.Total}, "up and down again is nothing, with its discounts: %s", l.bills()[len(l.bills())-1])
	l.CheckFolds()
}

// trimmed leaves the numbers out.
func trimmed(bills []string) (all []string) {
	for _, b := range bills {
		_, rest, _ := strings.Cut(b, " ")
		all = append(all, rest)
	}
	return all
}

// Case 23 is of a zone that changes; this is one that stays: case 16.
func TestCase16BilledByTheLocalMonth(t *testing.T) {
	l := openTill(t, on(1, 1))
	start := time.Date(2024, 12, 31, 11, 0, 0, 0, time.UTC) // 1 January in Auckland
	id := l.start(subscription.Start{PlanID: l.flat("1000"), StartAt: &start, TimeZone: "Pacific/Auckland"})
	for _, run := range []time.Time{on(1, 31, 10, 59), on(1, 31, 11), on(1, 31, 12), on(1, 31, 23, 30)} {
		l.at(run, id)
		require.Len(t, l.bills(), map[bool]int{true: 1, false: 2}[run.Before(on(1, 31, 11))])
	}
	require.Equal(t, on(1, 31, 11), l.State(l.newest()).(*invoice.State).IssuedAt)
}
