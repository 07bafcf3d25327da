// The tests of package account are walks: 200 random commands as a rule and at most, on subscriptions that cost something, in memory, and
// after each of them everything that was billed is held against a reference. That keeps nothing but the facts (what was
// bought when, at which price; what was paid; what was used) and works all else out again from the first of them, slowly,
// in fractions: each invoice with its lines, discounts, taxes and totals, what waits, parts, credit notes, balances and the
// subscriptions' status. It shares no code with what it judges.
//
// Walked: starts before now, now and to come, with trials, anchors, zones, coupons of every kind, three ways to count
// shares; customers with taxes on top and included, exempt ones, and what their payment method does; quantities, seats and
// plans of the same interval and of another one, at once and at the period's end, in the three prorations; pauses,
// ends, reactivations, payments, voids, credit notes, new versions of plans, changed tax rates; invoices of nothing and
// drafts that wait; prices of every kind but percentages, in advance, in arrears and by usage, with minimums, included seats and
// free units, in currencies of 0, 2 and 3 decimals. A command may come long after what was due before it.
//
// Not walked: a pause before the start, subscriptions that wait for their first payment, the manual provider's
// tasks, trials that end without a payment method, coupons that end on a date, averages of usage, writing off.
package account_test

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

// TestMain has rapid check once a call, since it counts checks and not time, with as many steps as make a walk of 200 commands
// as good as certain.
func TestMain(m *testing.M) {
	flag.Parse()
	for _, of := range []struct{ name, usual, ours string }{
		{"rapid.checks", "100", "1"}, {"rapid.steps", "30", "5000"},
	} {
		if f := flag.Lookup(of.name); f.Value.String() == of.usual { // nobody asked for another value
			_ = f.Value.Set(of.ours)
		}
	}
	os.Exit(m.Run())
}

// budget of the walks: 10 s, or what SOAK says.
var budget = func() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("SOAK")); err == nil {
		return d
	}
	return 10 * time.Second
}()

func TestWhatIsBilledIsWhatTheFactsComeTo(t *testing.T) {
	commands, done := 0, map[string]int{}
	runs := within(t, budget, 10, func(rt *rapid.T) {
		w := newWalk(rt)
		rt.Repeat(map[string]func(*rapid.T){"step": func(rt *rapid.T) {
			if w.commands < 200 {
				w.step(rt, done)
			}
		}})
		w.l.CheckFolds()
		commands += w.commands
	})
	t.Logf("%d commands in %d runs: %v", commands, runs, done)
	require.Greater(t, commands, runs*150, "a walk is of 200 commands as a rule")
	for _, s := range (&walk{}).steps() { // one that never can be done would hold of anything
		require.Positive(t, done[s.name], "no walk had the step %q in it", s.name)
	}
}

// within checks until a time is used up, so many times at least, and tells how often.
func within(t *testing.T, most time.Duration, least int, check func(*rapid.T)) (runs int) {
	for began := time.Now(); runs < least || time.Since(began) < most; runs++ {
		rapid.Check(t, check) // once: see TestMain
	}
	return runs
}

// walk is a ledger and its reference, with the ids of what the reference numbers.
type walk struct {
	l         *ledgertest.Ledger
	r         *reference
	world     *world // after the facts so far
	product   uuid.UUID
	plans     []uuid.UUID
	coupons   []uuid.UUID
	customers []uuid.UUID
	rates     [][]uuid.UUID // by customer
	subs      []uuid.UUID
	invoices  []uuid.UUID
	commands  int
	seen      int // events of the log that were looked at for invoices
}

// do gives the ledger a command and the reference its fact, and holds them against each other. The ledger may refuse only
// what the reference has no effect for.
func (w *walk) do(t *rapid.T, c domain.Command, f fact) {
	w.commands++
	f.at = w.l.Now()
	answer, _, err := w.l.Execute(c)
	if _, refused := domain.AsRefusal(err); err != nil && !refused {
		t.Fatalf("%T%+v: %v", c, c, err)
	}
	switch a := answer.(type) {
	case subscription.View:
		if f.what == "start" {
			w.subs = append(w.subs, a.ID)
		}
	case customer.View:
		if f.what == "customer" {
			w.customers, w.rates = append(w.customers, a.ID), append(w.rates, nil)
		}
	case nil:
		if f.what == "start" || f.what == "customer" {
			t.Fatalf("%T%+v: %v", c, c, err)
		}
	}
	w.r.facts = append(w.r.facts, f)
	w.advance(f.sub)
	if have, want := w.billed(t), w.expected(); have != want {
		t.Fatalf("after %T%+v (%v)\n%s\nthe ledger (-), the reference (+):\n%s", c, c, err, w.history(), differing(have, want))
	}
}

// history is what was bought, and what was done.
func (w *walk) history() string {
	var b strings.Builder
	for i, p := range w.r.plans {
		fmt.Fprintf(&b, "plan %d: %+v\n", i, *p)
	}
	for i, c := range w.r.coupons {
		fmt.Fprintf(&b, "coupon %d: %+v\n", i, *c)
	}
	for i := range w.r.facts {
		if f := &w.r.facts[i]; f.what != "advance" {
			fmt.Fprintln(&b, f)
		}
	}
	return b.String()
}

// String leaves out what is not said.
func (f *fact) String() string {
	v := reflect.ValueOf(f).Elem()
	text := f.at.Format(time.DateTime) + " " + f.what
	for i := range v.NumField() {
		name, x := v.Type().Field(i).Name, v.Field(i)
		switch {
		case x.IsZero() && name != "sub" || name == "at" || name == "what":
		case x.Kind() == reflect.Pointer:
			text += fmt.Sprintf(" %s %s", name, map[string]*time.Time{"start": f.start, "anchor": f.anchor, "trial": f.trial, "effective": f.effective}[name].Format(time.DateTime))
		default:
			text += fmt.Sprintf(" %s %v", name, x)
		}
	}
	return text
}

// differing are the lines that are not alike.
func differing(have, want string) (text string) {
	a, b := strings.Split(have, "\n"), strings.Split(want, "\n")
	for i := range max(len(a), len(b)) {
		var x, y string
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			text += "- " + x + "\n+ " + y + "\n"
		}
	}
	return text
}

// advance does what is due of every subscription, beginning with one: a command that changed nothing has not done it.
func (w *walk) advance(first int) {
	for n := range w.subs {
		i := (first + n) % len(w.subs)
		for {
			v := ledgertest.Must[subscription.View](w.l, subscription.Advance{ID: w.subs[i]})
			if v.DueAt == nil || v.DueAt.After(w.l.Now()) {
				break
			}
		}
		w.r.facts = append(w.r.facts, fact{at: w.l.Now(), what: "advance", sub: i})
	}
	w.world = w.r.replay()
}

func ptr[T any](v T) *T { return &v }

func dec(s string) *decimal.Decimal {
	if s == "" {
		return nil
	}
	d := decimal.RequireFromString(s)
	return &d
}

// sell makes a price for the catalog.
func (p *price) sell(currency string) catalog.Price {
	c := catalog.Price{Key: p.key, Kind: p.kind, Currency: currency, UnitAmount: dec(p.unit), PackageSize: dec(p.size), FreeUnits: dec(p.free),
		Percentage: dec(p.percentage), Meter: p.meter}
	for _, t := range p.tiers {
		x := catalog.Tier{UnitAmount: *dec(t.unit), FlatAmount: dec(t.flat)}
		if t.upTo > 0 {
			x.UpTo = &t.upTo
		}
		c.Tiers = append(c.Tiers, x)
	}
	if p.included > 0 {
		c.IncludedSeats = ptr(int64(p.included))
	}
	if p.minimum > 0 {
		c.MinimumAmount = &p.minimum
	}
	if p.arrears {
		c.Billing = catalog.InArrears
	}
	return c
}

func (w *walk) sellAll(prices []price) (all []catalog.Price) {
	for i := range prices {
		all = append(all, prices[i].sell(w.r.currency))
	}
	return all
}

// newWalk sets up what is sold.
func newWalk(t *rapid.T) *walk {
	w := &walk{l: ledgertest.New(t, time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)), r: &reference{currency: rapid.SampledFrom([]string{"USD", "JPY", "KWD"}).Draw(t, "currency")}}
	w.product = w.l.Product(func(f *catalog.ProductFields) {
		f.Currencies = []catalog.ProductCurrency{{Currency: w.r.currency, Default: true}}
	})
	for range rapid.IntRange(2, 5).Draw(t, "plans") {
		p := drawPlan(t)
		w.r.plans = append(w.r.plans, p)
		w.plans = append(w.plans, w.l.Plan(w.product, func(f *catalog.PlanFields) {
			f.LicenseType, f.Prices, f.Currencies, f.PerSeatAmount = catalog.Licensed, w.sellAll(p.versions[0]), nil, 0
			if p.perSeat {
				f.LicenseType = catalog.PerSeat
			}
			f.Interval, f.Length = p.unit, p.length
			if p.trial > 0 {
				f.TrialDays = &p.trial
			}
		}))
		// What else is sold of it comes later.
		p.versions = append(p.versions, drawPrices(t, p.perSeat))
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "coupons") {
		c := drawCoupon(t, i)
		w.r.coupons = append(w.r.coupons, c)
		f := catalog.CouponFields{Code: c.code, Duration: c.duration, PercentOff: dec(c.percent)}
		if c.percent == "" {
			f.AmountOff, f.Currency = &c.amount, w.r.currency
		}
		if c.duration == catalog.Repeating {
			f.DurationPeriods = &c.periods
		}
		w.coupons = append(w.coupons, ledgertest.Must[catalog.CouponView](w.l, catalog.CreateCoupon{Fields: f}).ID)
	}
	w.world = w.r.replay()
	require.Empty(t, w.billed(t))
	return w
}
