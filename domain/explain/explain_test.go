package explain_test

import (
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/explain"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

func on(month time.Month, day int) time.Time {
	return time.Date(2025, month, day, 0, 0, 0, 0, time.UTC)
}

// office bills in April 2025.
type office struct {
	*ledgertest.Ledger
	t       *testing.T
	product uuid.UUID
}

func openOffice(t *testing.T) *office {
	l := ledgertest.New(t, on(4, 1))
	return &office{l, t, l.Product()}
}

func (o *office) plan(license string, prices ...catalog.Price) uuid.UUID {
	for i := range prices {
		prices[i].Currency = "USD"
	}
	return o.Plan(o.product, func(f *catalog.PlanFields) { f.LicenseType, f.PerSeatAmount, f.Prices = license, 0, prices })
}

func flat(amount string) catalog.Price {
	return catalog.Price{Key: "base", Kind: catalog.Flat, UnitAmount: dec(amount)}
}

func seats(amount string) catalog.Price {
	return catalog.Price{Key: "seat", Kind: catalog.SeatPrice, UnitAmount: dec(amount)}
}

func arrears(p catalog.Price) catalog.Price {
	p.Billing = catalog.InArrears
	return p
}

func (o *office) start(c subscription.Start) uuid.UUID {
	o.t.Helper()
	return ledgertest.Must[subscription.View](o.Ledger, c).ID
}

// at moves to an instant, does what is due by then and what is asked for.
func (o *office) at(when time.Time, id uuid.UUID, commands ...domain.Command) {
	o.t.Helper()
	o.SetNow(when)
	for _, c := range slices.Concat([]domain.Command{subscription.Advance{ID: id}}, commands) {
		_, _, err := o.Execute(c)
		require.NoError(o.t, err)
	}
}

// newest is the last invoice, explained.
func (o *office) newest() (of *invoice.State, e explain.Explanation) {
	o.t.Helper()
	for _, e := range o.Log() {
		if _, ok := e.Event.(invoice.Drafted); ok {
			of = o.State(e.Stream).(*invoice.State)
		}
	}
	e, err := explain.Invoice(o.Source(), of)
	require.NoError(o.t, err)
	return of, e
}

// texts are steps, each as its result, formula and exact value, and the inputs that are asked for.
func texts(s explain.Step, inputs ...string) []any {
	all := []any{s.Result, s.Formula, s.Exact}
	for _, name := range inputs {
		i := slices.IndexFunc(s.Inputs, func(in explain.Input) bool { return in.Name == name })
		if i < 0 {
			all = append(all, "no "+name)
			continue
		}
		all = append(all, s.Inputs[i].Value)
	}
	return all
}

func TestAPeriodInAdvance(t *testing.T) {
	o := openOffice(t)
	id := o.start(subscription.Start{PlanID: o.plan("licensed", flat("1000")), AnchorAt: ptr(on(4, 16))})
	of, e := o.newest()
	require.True(t, e.Agrees)
	require.Equal(t, []any{int64(484), "amount = round(unitAmount × part / whole)", "15000/31", "1296000", "2678400", "second", "UTC"},
		texts(e.Lines[0].Amount, "part", "whole", "prorationMode", "timeZone"))
	require.Equal(t, "half to even", e.Lines[0].Amount.Rounding)
	require.Equal(t, of.Lines[0].Events, e.Lines[0].Amount.Events)
	require.Equal(t, subscription.Started{}.EventType(), o.Log()[e.Lines[0].Amount.Events[0]-1].Event.EventType())
	require.Equal(t, catalog.PlanCreated{}.EventType(), o.Log()[e.Lines[0].PricedAt-1].Event.EventType())
	o.at(on(4, 16), id)
	_, e = o.newest()
	require.Equal(t, []any{int64(1000), "amount = round(unitAmount × part / whole)", "1000", "1", "1"}, texts(e.Lines[0].Amount, "part", "whole"))
	o.CheckFolds()
}

// Cases 32 and 52: debits of a difference, credits of what was debited, some units of a line.
func TestChanges(t *testing.T) {
	o := openOffice(t)
	id := o.start(subscription.Start{PlanID: o.plan(catalog.PerSeat, seats("1000")), Quantity: ptr(1)})
	o.at(on(4, 11), id, subscription.AddSeats{ID: id, Count: 2})
	o.at(on(4, 21), id, subscription.RemoveSeats{ID: id, Count: 1, Proration: "always_invoice"})
	_, e := o.newest()
	require.True(t, e.Agrees)
	require.Equal(t, []any{int64(1333), "amount = round((unitAmount × quantity of before + quantity − the same of before) × part / whole)", "4000/3", "2", "1", "1000"},
		texts(e.Lines[0].Amount, "quantity", "before", "unitAmount"))
	require.Equal(t, []any{int64(-333), "amount = −min(round(debited × part / whole × units / ofUnits), debited − creditedBefore − creditNotes)", "-333.25", "1333", "864000", "1728000", "1", "2", "0"},
		texts(e.Lines[1].Amount, "debited", "part", "whole", "units", "ofUnits", "creditedBefore"))
	require.Len(t, e.Lines[1].Amount.Events, 2, "the debit's and the credit's")
	o.at(on(4, 26), id, subscription.Cancel{ID: id, Now: true, Credit: "prorate"})
	of, e := o.newest()
	require.True(t, e.Agrees)
	require.NotEqual(t, uuid.Nil, of.Lines[1].ReversesOn)
	require.Equal(t, []any{int64(-167), "amount = −min(round(debited × part / whole × units / ofUnits), debited − creditedBefore − creditNotes)", "-166.625", "1", "2", "333"},
		texts(e.Lines[1].Amount, "units", "ofUnits", "creditedBefore"))
	o.CheckFolds()
}

func TestTiersMinimumAndArrears(t *testing.T) {
	o := openOffice(t)
	tiers := catalog.Price{Key: "seat", Kind: catalog.Graduated, Billing: catalog.InArrears, MinimumAmount: ptr(int64(9000)),
		Tiers: []catalog.Tier{{UpTo: ptr(int64(2)), UnitAmount: *dec("1000")}, {UnitAmount: *dec("800"), FlatAmount: dec("50")}}}
	id := o.start(subscription.Start{PlanID: o.plan(catalog.PerSeat, tiers), Quantity: ptr(3)})
	o.at(on(4, 16), id, subscription.AddSeats{ID: id, Count: 7})
	o.at(on(5, 1), id)
	_, e := o.newest()
	require.True(t, e.Agrees)
	require.Len(t, e.Lines, 4)
	require.Equal(t, []any{int64(1425), "3", "to 2: 1000; above: 800 + 50", "2025-04-01T00:00:00Z to 2025-04-16T00:00:00Z"},
		append(texts(e.Lines[0].Amount)[:1], texts(e.Lines[0].Amount, "quantity", "tiers", "partTime")[3:]...))
	require.Equal(t, []any{int64(3075), "amount = round(minimumAmount × part / whole) − charged", "4500", "9000", "1425"}, texts(e.Lines[1].Amount, "minimumAmount", "charged"))
	require.EqualValues(t, 4225, e.Lines[2].Amount.Result)
	o.CheckFolds()
}

// Cases 112 and 109: taxes and amounts off, by the largest remainder.
func TestTaxesAndDiscounts(t *testing.T) {
	o := openOffice(t)
	rate := ledgertest.Must[catalog.TaxRateView](o.Ledger, catalog.CreateTaxRate{Fields: catalog.TaxRateFields{Name: "VAT", Percentage: *dec("20")}}).ID
	payer := ledgertest.Must[customer.View](o.Ledger, customer.Create{Patch: customer.Patch{Currency: ptr("USD"), TaxRates: &[]uuid.UUID{rate}}}).ID
	coupon := ledgertest.Must[catalog.CouponView](o.Ledger, catalog.CreateCoupon{Fields: catalog.CouponFields{Code: "TEN", Duration: "once", AmountOff: ptr(int64(1000)), Currency: "USD"}}).ID
	var prices []catalog.Price
	for i, amount := range []string{"3333", "3333", "3334"} {
		p := flat(amount)
		p.Key = []string{"a", "b", "c"}[i]
		prices = append(prices, p)
	}
	o.start(subscription.Start{PlanID: o.plan("licensed", prices...), CustomerID: &payer, CouponID: &coupon})
	_, e := o.newest()
	require.True(t, e.Agrees)
	var off, tax []int64
	for _, l := range e.Lines {
		off, tax = append(off, l.Discounts[0].Result), append(tax, l.Taxes[0].Result)
	}
	require.Equal(t, []int64{333, 333, 334}, off, "109")
	require.Equal(t, []int64{600, 600, 600}, tax)
	require.Equal(t, []any{int64(333), "discount = left × min(1, amountOff / keptOfAll), as a whole min(amountOff, keptOfAll) off what is kept", "333.3", "1000", "10000"}, texts(e.Lines[0].Discounts[0], "amountOff", "keptOfAll"))
	require.Equal(t, []any{int64(1800), "tax = round(the sum over all lines that have the rate)", "1800", "20"}, texts(e.Rates[0], "percentage"))
	require.Equal(t, "total = subtotal − discountTotal + taxes that prices do not include", e.Totals[3].Formula)
	require.EqualValues(t, 10800, e.Totals[3].Result)
}

// A pause that extends the period makes it no longer than what was paid for: a change debits the same share as it credits.
func TestAnExtendedPeriodIsAsLongAsItWas(t *testing.T) {
	for _, mode := range []string{"second", "day", "fixed30"} {
		o := openOffice(t)
		p := arrears(flat("3000"))
		p.Key = "later"
		id := o.start(subscription.Start{PlanID: o.plan("licensed", flat("3000"), p), ProrationMode: mode})
		o.at(on(4, 11), id, subscription.Pause{ID: id, Credit: "extend"})
		o.at(on(4, 21), id, subscription.Resume{ID: id})
		o.at(on(4, 26), id, subscription.ChangePlan{ID: id, PlanID: o.plan("licensed", flat("6000"), p), Proration: "always_invoice"})
		of, e := o.newest()
		require.True(t, e.Agrees)
		require.Equal(t, []int64{-1500, 3000}, []int64{of.Lines[0].Amount, of.Lines[1].Amount}, "15 days of 30 are left")
		require.Contains(t, e.Lines[0].Amount.Inputs, explain.Input{Name: "movedByPauses", Value: "240h0m0s"})
		o.at(on(5, 11), id)
		of, e = o.newest()
		require.True(t, e.Agrees)
		sum := int64(0)
		for _, l := range of.Lines[:3] {
			sum += l.Amount
		}
		require.EqualValues(t, 3000, sum, "ten days, five and fifteen, paused for ten")
		o.CheckFolds()
	}
}

// What is billed in arrears is billed for the time at which it was bought, at what was bought then.
func TestPartsInArrears(t *testing.T) {
	amounts := func(s *invoice.State) (all []int64) {
		for _, l := range s.Lines {
			all = append(all, l.Amount)
		}
		return all
	}
	t.Run("a plan with it comes after one without", func(t *testing.T) {
		o := openOffice(t)
		id := o.start(subscription.Start{PlanID: o.plan(catalog.PerSeat, seats("1000")), Quantity: ptr(1)})
		o.at(on(4, 16), id, subscription.ChangePlan{ID: id, PlanID: o.plan(catalog.PerSeat, arrears(seats("2000"))), Proration: "none"})
		o.at(on(5, 1), id)
		of, _ := o.newest()
		require.Equal(t, []int64{1000}, amounts(of), "half a month of 20.00")
		o.CheckFolds()
	})
	t.Run("seats that go with the plan were there until then", func(t *testing.T) {
		o := openOffice(t)
		id := o.start(subscription.Start{PlanID: o.plan(catalog.PerSeat, arrears(seats("1000"))), Quantity: ptr(5)})
		o.at(on(4, 16), id, subscription.ChangePlan{ID: id, PlanID: o.plan(catalog.PerSeat, arrears(seats("2000"))), Quantity: ptr(2)})
		o.at(on(5, 1), id)
		of, _ := o.newest()
		require.Equal(t, []int64{2500, 2000}, amounts(of))
		o.CheckFolds()
	})
	t.Run("a pause that extends is longer than what was left", func(t *testing.T) {
		o := openOffice(t)
		id := o.start(subscription.Start{PlanID: o.plan("licensed", arrears(flat("3000")))})
		o.at(on(4, 21), id, subscription.Pause{ID: id, Credit: "extend"})
		o.at(on(5, 11), id, subscription.Resume{ID: id})
		o.at(on(5, 21), id)
		of, _ := o.newest()
		require.Equal(t, []int64{2000, 1000}, amounts(of))
		o.CheckFolds()
	})
}

// Credits give back no more of a discount than was given, however small their parts.
func TestDiscountsAreGivenBackOnce(t *testing.T) {
	o := openOffice(t)
	coupon := ledgertest.Must[catalog.CouponView](o.Ledger, catalog.CreateCoupon{Fields: catalog.CouponFields{Code: "THREE", Duration: "once", AmountOff: ptr(int64(3)), Currency: "USD"}}).ID
	id := o.start(subscription.Start{PlanID: o.plan(catalog.PerSeat, seats("1000")), Quantity: ptr(4), CouponID: &coupon})
	back := int64(0)
	for range 2 {
		o.at(on(4, 1), id, subscription.RemoveSeats{ID: id, Count: 2, Proration: "always_invoice"})
		of, e := o.newest()
		require.True(t, e.Agrees)
		back -= of.DiscountTotal
	}
	require.EqualValues(t, 3, back, "half of 3 is 2, twice")
	o.CheckFolds()

	// Two of three units that are paid for, of a line of five.
	included := seats("1000")
	included.IncludedSeats = ptr(int64(2))
	half := ledgertest.Must[catalog.CouponView](o.Ledger, catalog.CreateCoupon{Fields: catalog.CouponFields{Code: "HALF", Duration: "forever", PercentOff: dec("50")}}).ID
	other := o.start(subscription.Start{PlanID: o.plan(catalog.PerSeat, included), Quantity: ptr(0), CouponID: &half})
	o.at(on(4, 1), other, subscription.AddSeats{ID: other, Count: 5})
	o.at(on(4, 1), other, subscription.RemoveSeats{ID: other, Count: 2, Proration: "always_invoice"})
	of, e := o.newest()
	require.True(t, e.Agrees)
	require.Equal(t, []int64{3000, -2000, 1500, -1000}, []int64{of.Lines[0].Amount, of.Lines[1].Amount, of.Lines[0].Discounts[0].Amount, of.Lines[1].Discounts[0].Amount})
	o.CheckFolds()
}

// Usage and what came later; a period of an average; the minimum of a part.
func TestUsage(t *testing.T) {
	o := openOffice(t)
	calls := catalog.Price{Key: "calls", Kind: catalog.PerUnit, UnitAmount: dec("0.5"), Meter: "calls", MinimumAmount: ptr(int64(100))}
	id := o.start(subscription.Start{PlanID: o.plan("metered", calls)})
	counted := map[int64]string{}
	src := func() explain.Source {
		s := o.Source()
		s.Count = func(_ uuid.UUID, meter string, in period.Period, position int64) (*big.Rat, bool, error) {
			require.Equal(t, "calls", meter)
			n, ok := new(big.Rat).SetString(counted[position])
			require.True(t, ok, "counted up to %d", position)
			return n, false, nil
		}
		return s
	}
	draft := func(month time.Month, quantities ...string) *invoice.State {
		o.at(on(month, 1), id)
		of := o.State(invoice.IDFor(id, on(month, 1), "period")).(*invoice.State)
		c := subscription.FinalizeInvoice{ID: of.ID, Position: int64(len(o.Log()))}
		books := o.State(account.ID(id)).(*account.State)
		for i, u := range slices.Concat(books.Waiting(of.ID), []account.Usage{}) {
			c.Counts = append(c.Counts, account.Count{Usage: u, Quantity: quantities[i]})
			counted[c.Position] = quantities[i]
		}
		if len(quantities) > 1 {
			c.Counts = append(c.Counts, account.Count{Usage: books.Billed[0].Usage, Quantity: quantities[1]})
		}
		ledgertest.Must[invoice.View](o.Ledger, c)
		return o.State(of.ID).(*invoice.State)
	}
	may := draft(5, "101")
	e, err := explain.Invoice(src(), may)
	require.NoError(t, err)
	require.True(t, e.Agrees, "%v", e.Faults())
	require.Equal(t, []any{int64(50), "amount = round(unitAmount × quantity × part / whole)", "50.5", "calls", "101"}, texts(e.Lines[0].Amount, "meter", "quantity"))
	require.Equal(t, []any{int64(50), "amount = round(minimumAmount × part / whole) − charged", "100", "50"}, texts(e.Lines[1].Amount, "charged"))
	june := draft(6, "300", "300")
	require.Equal(t, []string{"usage", "adjustment"}, []string{june.Lines[0].Kind, june.Lines[1].Kind})
	e, err = explain.Invoice(src(), june)
	require.NoError(t, err)
	require.True(t, e.Agrees, "%v", e.Faults())
	require.Equal(t, []any{int64(50), "50", "199", "101", "150", "100"}, append(texts(e.Lines[1].Amount)[:1], texts(e.Lines[1].Amount, "quantity", "before", "billedNow", "billedBefore")[2:]...))

	for _, of := range []*invoice.State{may, june} {
		for _, with := range tamperings(of) {
			e, err := explain.Invoice(src(), tampered(of, with))
			require.NoError(t, err)
			require.False(t, e.Agrees, with.name)
		}
	}
	e, err = explain.Invoice(o.Source(), may)
	require.NoError(t, err)
	require.True(t, e.Agrees)
	require.Equal(t, []string{explain.NotCounted}, e.Lines[0].Amount.Notes, "it says what it did not check")
}

// An invoice that nothing led to is explained too: by what is missing.
func TestNothingLedToIt(t *testing.T) {
	o := openOffice(t)
	id := uuid.New()
	of := &invoice.State{Record: domain.Record{ID: id}, Drafted: invoice.Drafted{Currency: "USD", Reason: invoice.ForManual, Totals: invoice.Totals{Subtotal: 500, Total: 500},
		Lines: []invoice.Line{{ID: uuid.New(), Kind: invoice.KindPeriod, Amount: 500, Quantity: "1", Events: []int64{1}}, {Kind: invoice.KindCredit, Reverses: &id}}}}
	e, err := explain.Invoice(o.Source(), of)
	require.NoError(t, err)
	require.False(t, e.Agrees)
	require.Contains(t, strings.Join(e.Lines[0].Amount.Notes, ""), "has no price")
	require.Contains(t, strings.Join(e.Lines[1].Amount.Notes, ""), "it names no event")
}
