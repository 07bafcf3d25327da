package account_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/settings"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

func pick[T any](t *rapid.T, name string, of ...T) T { return rapid.SampledFrom(of).Draw(t, name) }

func upTo(t *rapid.T, name string, most int) int { return rapid.IntRange(0, most).Draw(t, name) }

// one of n, rarely true.
func rarely(t *rapid.T, name string, n int) bool { return rapid.IntRange(1, n).Draw(t, name) == n }

// evenly is one of n, each as likely as the others: rapid's own numbers are small ones as a rule.
func evenly(t *rapid.T, name string, n int) int {
	i := 0
	for _, bit := range rapid.SliceOfN(rapid.Bool(), 12, 12).Draw(t, name) {
		i *= 2
		if bit {
			i++
		}
	}
	return i % n
}

func drawPlan(t *rapid.T) *plan {
	p := &plan{unit: pick(t, "unit", "month", "month", "month", "week", "year", "day"), length: 1, perSeat: rapid.Bool().Draw(t, "perSeat")}
	switch p.unit {
	case "day":
		p.length = pick(t, "length", 7, 10, 30)
	case "month":
		p.length = pick(t, "length", 1, 1, 3)
	}
	if rarely(t, "trial", 6) {
		p.trial = rapid.IntRange(1, 40).Draw(t, "days")
	}
	p.versions = [][]price{drawPrices(t, p.perSeat)}
	return p
}

func drawPrices(t *rapid.T, perSeat bool) (all []price) {
	for i := range rapid.IntRange(1, 3).Draw(t, "prices") {
		p := price{key: fmt.Sprint("p", i), kind: pick(t, "kind", kinds...)}
		if p.kind == "perSeat" && !perSeat {
			p.kind = "perUnit"
		}
		p.arrears = rarely(t, "arrears", 4)
		unit := func(name string) string { return pick(t, name, "1000", "3000", "333", "99.5", "0.125", "2999", "700") }
		switch p.kind {
		case "graduated", "volume":
			p.tiers = []tier{{upTo: int64(rapid.IntRange(1, 5).Draw(t, "first")), unit: unit("tier"), flat: pick(t, "flat", "", "50")}, {unit: unit("open"), flat: pick(t, "flat", "", "12.5")}}
		case "package":
			p.unit, p.size = unit("amount"), pick(t, "size", "2", "3", "2.5")
		default:
			p.unit = unit("amount")
		}
		switch {
		case p.kind == "perSeat" && rarely(t, "included", 3):
			p.included = rapid.IntRange(1, 3).Draw(t, "seats")
		case p.kind != "flat" && p.kind != "perSeat" && rarely(t, "free", 3):
			p.free = pick(t, "units", "1", "2", "1.5")
		}
		if rarely(t, "committed", 5) {
			p.minimum = int64(pick(t, "minimum", 100, 1500, 4001))
		}
		if p.kind != "flat" && p.kind != "perSeat" && rarely(t, "metered", 3) {
			p.meter, p.arrears = pick(t, "meter", "calls", "bytes"), true
		}
		all = append(all, p)
	}
	return all
}

var kinds = []string{"flat", "perSeat", "perSeat", "perUnit", "graduated", "volume", "package"}

func drawCoupon(t *rapid.T, i int) *coupon {
	c := &coupon{code: fmt.Sprint("C", i), duration: pick(t, "duration", "once", "repeating", "forever")}
	if c.duration == "repeating" {
		c.periods = rapid.IntRange(1, 3).Draw(t, "periods")
	}
	if rapid.Bool().Draw(t, "percent") {
		c.percent = pick(t, "off", "10", "50", "33.3333", "100")
	} else {
		c.amount = int64(pick(t, "off", 1, 250, 700, 5000))
	}
	return c
}

// step is something that may be drawn: only where it can be done, so that none is drawn in vain and no walk ends early.
type step struct {
	name   string
	weight int
	can    func() bool // nil: always
	do     func(*rapid.T)
}

func (w *walk) steps() []step {
	bought := func() bool { return len(w.subs) > 0 }
	known := func() bool { return len(w.customers) > 0 }
	billed := func(good func(*bill) bool) func() bool { return func() bool { return len(w.bills(good)) > 0 } }
	return []step{
		{"start", 6, func() bool { return w.alive() < 3 }, w.start}, {"customer", 3, func() bool { return len(w.customers) < 2 }, w.customer},
		{"taxes", 3, known, w.taxes}, {"zone", 3, known, w.zone}, {"method", 3, known, w.method},
		{"time", 6, nil, w.time}, {"hours", 3, nil, w.hours}, {"quantity", 9, bought, w.quantity},
		{"seats", 9, func() bool { return len(w.seated()) > 0 }, w.seats}, {"plan", 9, bought, w.plan}, {"drop", 3, bought, w.drop},
		{"pause", 3, func() bool { return len(w.begun()) > 0 }, w.pause}, {"resume", 3, bought, w.resume}, {"cancel", 1, bought, w.cancel},
		{"reactivate", 3, bought, w.reactivate}, {"coupon", 3, bought, w.coupon}, {"pay", 3, billed(payable), w.pay},
		{"void", 1, func() bool { return len(w.bills(w.world.voidable)) > 0 }, w.void}, {"note", 3, billed(creditable), w.note},
		{"settings", 3, nil, w.settings}, {"finalize", 6, billed(drafted), w.finalize},
		{"version", 3, func() bool { return len(w.unchanged()) > 0 }, w.version}, {"use", 3, bought, w.use},
		{"close", 6, func() bool { return len(w.closable()) > 0 }, w.close}, {"use late", 9, func() bool { return len(w.closing()) > 0 }, w.useLate},
	}
}

// step draws one that can be done, some time after the last one, and does it.
func (w *walk) step(t *rapid.T, done map[string]int) {
	w.l.Pass(time.Duration(pick(t, "later", 0, 0, 1, 7, 24, 100, 500)) * time.Hour)
	var possible []step
	for _, s := range w.steps() {
		if s.can == nil || s.can() {
			for range s.weight {
				possible = append(possible, s)
			}
		}
	}
	s := possible[evenly(t, "step", len(possible))]
	s.do(t)
	done[s.name]++
}

// alive counts the subscriptions that have not ended.
func (w *walk) alive() (n int) {
	for _, s := range w.world.subs {
		if !s.ended {
			n++
		}
	}
	return n
}

// living are the subscriptions that have not ended, the last one among them if all have.
func (w *walk) living() (all []int) {
	for i, s := range w.world.subs {
		if !s.ended || len(all) == 0 && i == len(w.subs)-1 {
			all = append(all, i)
		}
	}
	return all
}

// seated are those of them that seats can be added to.
func (w *walk) seated() (all []int) {
	for _, i := range w.living() {
		s := w.l.State(w.subs[i]).(*subscription.State)
		if s.Terms.LicenseType == catalog.PerSeat && (s.Scheduled == nil || s.Period.End.After(w.l.Now())) && s.CancelAt == nil {
			all = append(all, i)
		}
	}
	return all
}

// begun are those of them whose start is past.
func (w *walk) begun() (all []int) {
	for _, i := range w.living() {
		if s := w.world.subs[i]; !s.start.After(w.l.Now()) && !s.later {
			all = append(all, i)
		}
	}
	return all
}

// unchanged are the plans that still have their first prices.
func (w *walk) unchanged() (all []int) {
	for i := range w.plans {
		if w.world.versions[i] == 0 {
			all = append(all, i)
		}
	}
	return all
}

// bills are the invoices of a kind.
func (w *walk) bills(good func(*bill) bool) (all []int) {
	for i, b := range w.world.invoices {
		if good(b) {
			all = append(all, i)
		}
	}
	return all
}

func payable(b *bill) bool { return b.due() > 0 }
func drafted(b *bill) bool { return b.draft }
func creditable(b *bill) bool {
	most, _ := b.left()
	return most > 0 && !b.draft && !b.voided
}

func (w *walk) customer(t *rapid.T) {
	w.do(t, customer.Create{Patch: customer.Patch{Currency: &w.r.currency}}, fact{what: "customer"})
}

// taxes gives a customer another rate, changes one, or exempts it.
func (w *walk) taxes(t *rapid.T) {
	i := upTo(t, "customer", len(w.customers)-1)
	percent := pick(t, "percentage", "19", "8.875", "20", "0", "33.3333")
	if n := len(w.rates[i]); n < 2 {
		f := catalog.TaxRateFields{Name: "rate", Percentage: *dec(percent), Inclusive: rarely(t, "inclusive", 3)}
		w.rates[i] = append(w.rates[i], ledgertest.Must[catalog.TaxRateView](w.l, catalog.CreateTaxRate{Fields: f}).ID)
		patch := customer.Patch{TaxRates: &w.rates[i], TaxExempt: ptr[*customer.Exemption](nil)}
		w.do(t, customer.Change{ID: w.customers[i], Patch: patch}, fact{what: "taxes", customer: i, percent: percent, inclusive: f.Inclusive})
		return
	}
	if yes := rapid.Bool().Draw(t, "exempt"); rapid.Bool().Draw(t, "exemption") {
		var to *customer.Exemption
		if yes {
			to = &customer.Exemption{Reason: "reverse charge"}
		}
		w.do(t, customer.Change{ID: w.customers[i], Patch: customer.Patch{TaxExempt: &to}}, fact{what: "exempt", customer: i, yes: yes})
		return
	}
	n := upTo(t, "rate", 1)
	w.do(t, catalog.ChangeTaxRate{ID: w.rates[i][n], Patch: catalog.TaxRatePatch{Percentage: dec(percent)}}, fact{what: "rate", customer: i, quantity: n, percent: percent})
}

func (w *walk) method(t *rapid.T) {
	i, outcome := upTo(t, "customer", len(w.customers)-1), pick(t, "outcome", "succeeds", "fails", "requiresAction", "")
	var c domain.Command = subscription.SetPaymentMethod{SetPaymentMethod: customer.SetPaymentMethod{ID: w.customers[i], Method: customer.PaymentMethod{Provider: "manual", Outcome: outcome}}}
	if outcome == "" {
		c = subscription.RemovePaymentMethod{RemovePaymentMethod: customer.RemovePaymentMethod{ID: w.customers[i]}}
	}
	w.do(t, c, fact{what: "method", customer: i, credit: outcome})
}

// zone moves a customer, and its subscriptions along.
func (w *walk) zone(t *rapid.T) {
	i := upTo(t, "customer", len(w.customers)-1)
	zone := pick(t, "zone", "UTC", "America/New_York", "Pacific/Auckland", "Asia/Kolkata")
	w.advance(0) // who moves does first what is due, who does not leaves it be: one order for both
	v := ledgertest.Must[customer.View](w.l, customer.Change{ID: w.customers[i], Patch: customer.Patch{TimeZone: &zone}})
	for _, id := range w.subs {
		ledgertest.Must[subscription.View](w.l, subscription.Rezone{ID: id})
	}
	w.do(t, customer.Arrive{ID: v.ID, Version: v.Version}, fact{what: "zone", customer: i, zone: zone})
}

// moment is an instant some time from now, before it or after.
func (w *walk) moment(t *rapid.T, name string, before, after int) time.Time {
	at := w.l.Now().Add(time.Duration(rapid.IntRange(-before, after).Draw(t, name)) * time.Hour)
	if rapid.Bool().Draw(t, "midnight") {
		at = at.Truncate(24 * time.Hour)
	}
	return at
}

func (w *walk) start(t *rapid.T) {
	f := fact{what: "start", plan: upTo(t, "plan", len(w.plans)-1), coupon: -1, customer: -1, quantity: rapid.IntRange(1, 6).Draw(t, "quantity"),
		mode: pick(t, "mode", "second", "day", "fixed30"), zone: pick(t, "zone", "UTC", "UTC", "America/New_York")}
	c := subscription.Start{PlanID: w.plans[f.plan], ProrationMode: f.mode, TimeZone: f.zone, Quantity: &f.quantity, Currency: w.r.currency}
	switch upTo(t, "when", 3) {
	case 0:
		f.start = ptr(w.moment(t, "start", 70*24, 0))
	case 1:
		f.start = ptr(w.moment(t, "start", 0, 40*24))
	}
	if rarely(t, "anchored", 4) {
		f.anchor = ptr(w.moment(t, "anchor", 60*24, 60*24))
	}
	from := w.l.Now()
	if f.start != nil {
		from = *f.start
	}
	if rarely(t, "trial", 5) {
		f.trial = ptr(from.Add(time.Duration(upTo(t, "trial", 30*24)) * time.Hour))
	}
	if len(w.customers) > 0 && !rarely(t, "nobody's", 4) {
		f.customer = upTo(t, "customer", len(w.customers)-1)
		c.CustomerID = &w.customers[f.customer]
	}
	if rarely(t, "with a coupon", 2) {
		f.coupon = upTo(t, "coupon", len(w.coupons)-1)
		c.CouponID = &w.coupons[f.coupon]
	}
	c.StartAt, c.AnchorAt, c.TrialEnd = f.start, f.anchor, f.trial
	w.do(t, c, f)
}

func (w *walk) time(t *rapid.T) {
	w.l.Pass(time.Duration(rapid.IntRange(1, pick(t, "days", 3, 20, 40)).Draw(t, "passed")) * 24 * time.Hour)
	w.nothing(t)
}

func (w *walk) hours(t *rapid.T) {
	w.l.Pass(time.Duration(rapid.IntRange(1, 72*60).Draw(t, "minutes")) * time.Minute)
	w.nothing(t)
}

// nothing happens but what is due.
func (w *walk) nothing(t *rapid.T) {
	if len(w.subs) == 0 {
		return
	}
	w.do(t, subscription.Advance{ID: w.subs[0]}, fact{what: "advance"})
}

// sub is one of some to do something with.
func (w *walk) sub(t *rapid.T, of []int) (int, uuid.UUID) {
	i := rapid.SampledFrom(of).Draw(t, "subscription")
	return i, w.subs[i]
}

// bill is one of the newest invoices of a kind.
func (w *walk) bill(t *rapid.T, good func(*bill) bool) (int, *bill) {
	all := w.bills(good)
	i := all[len(all)-1-upTo(t, "invoice", min(4, len(all)-1))]
	return i, w.world.invoices[i]
}

func (w *walk) pay(t *rapid.T) {
	i, b := w.bill(t, payable)
	f := fact{what: "pay", invoice: i, amount: b.due()}
	if rarely(t, "a part", 3) {
		f.amount = int64(rapid.IntRange(1, int(b.due())).Draw(t, "amount"))
	}
	w.do(t, subscription.PayInvoice{RecordPayment: invoice.RecordPayment{ID: w.invoices[i], Amount: f.amount}}, f)
}

func (w *walk) void(t *rapid.T) {
	i, b := w.bill(t, w.world.voidable)
	of := w.invoices[i]
	w.do(t, subscription.VoidInvoice{ID: of, Counts: w.counts(b.sub.number, w.account(b).Waiting(of))}, fact{what: "void", invoice: i})
}

func (w *walk) account(b *bill) *account.State {
	return w.l.State(account.ID(w.subs[b.sub.number])).(*account.State)
}

// counts are what was used of parts of periods by now.
func (w *walk) counts(sub int, parts []account.Usage) (counts []account.Count) {
	for _, u := range parts {
		counts = append(counts, account.Count{Usage: u, Quantity: fmt.Sprint(w.world.usedIn(sub, u.Meter, span{u.Period.Start, u.Period.End}))})
	}
	return counts
}

func (w *walk) note(t *rapid.T) {
	i, b := w.bill(t, creditable)
	most, lines := b.left()
	f := fact{what: "note", invoice: i, line: -1}
	c := invoice.IssueCreditNote{ID: w.invoices[i]}
	if n := upTo(t, "line", len(lines)-1); lines[n] > 0 && rapid.Bool().Draw(t, "of a line") {
		f.line, most = n, min(most, lines[n])
	}
	f.amount = most
	if rapid.Bool().Draw(t, "a part") {
		f.amount = int64(rapid.IntRange(1, int(most)).Draw(t, "amount"))
	}
	if c.Amount = f.amount; f.line >= 0 {
		s := w.l.State(w.invoices[i]).(*invoice.State)
		c.Amount, c.Lines = 0, []invoice.LineAmount{{LineID: s.Lines[f.line].ID, Amount: f.amount}}
	}
	w.do(t, subscription.CreditInvoice{IssueCreditNote: c}, f)
}

func (w *walk) settings(t *rapid.T) {
	f := fact{what: "settings", yes: rapid.Bool().Draw(t, "invoices of nothing"), hours: pick(t, "draft hours", 0, 0, 1, 48)}
	w.do(t, settings.Change{Patch: settings.Patch{ZeroInvoices: &f.yes, DraftHours: &f.hours}}, f)
}

// version sells a plan at other prices from now on.
func (w *walk) version(t *rapid.T) {
	i := rapid.SampledFrom(w.unchanged()).Draw(t, "plan")
	prices := w.sellAll(w.r.plans[i].versions[1])
	w.do(t, catalog.AddPlanVersion{ID: w.plans[i], Prices: prices, Meters: w.l.Meters(prices...)}, fact{what: "version", plan: i})
}

// use is of a meter, some time before now.
func (w *walk) use(t *rapid.T) {
	i, _ := w.sub(t, w.living())
	f := fact{what: "used", sub: i, meter: pick(t, "meter", "calls", "bytes"), start: ptr(w.moment(t, "at", 30*24, 0)), amount: int64(rapid.IntRange(-5, 20).Draw(t, "quantity"))}
	w.do(t, subscription.Advance{ID: w.subs[i]}, f)
}

// closing are the subscriptions that ended and are billed usage all the same, closable those for which the time of that is over.
func (w *walk) closing() (all []int) {
	for i, id := range w.subs {
		if a, ok := w.l.State(account.ID(id)).(*account.State); ok && a.Closing != nil {
			all = append(all, i)
		}
	}
	return all
}

func (w *walk) closable() (all []int) {
	w.world.now = w.l.Now()
	for i, s := range w.world.subs {
		if w.world.closable(s) {
			all = append(all, i)
		}
	}
	return all
}

// useLate is usage from before an end that comes after it: of a part that was billed, where there is one.
func (w *walk) useLate(t *rapid.T) {
	i, id := w.sub(t, w.closing())
	at, meter := w.world.subs[i].endedAt.Add(-time.Hour), pick(t, "meter", "calls", "bytes")
	if a := w.l.State(account.ID(id)).(*account.State); len(a.Billed) > 0 {
		of := a.Billed[len(a.Billed)-1-upTo(t, "part", min(3, len(a.Billed)-1))]
		at, meter = of.Period.Start, of.Meter
	}
	w.do(t, subscription.Advance{ID: id}, fact{what: "used", sub: i, meter: meter, start: &at, amount: int64(rapid.IntRange(-9, 20).Draw(t, "quantity"))})
}

// close bills what came since an end.
func (w *walk) close(t *rapid.T) {
	i, id := w.sub(t, w.closable())
	c := subscription.CloseAccount{ID: id, Counts: w.counts(i, billed(w.l.State(account.ID(id)).(*account.State))), Position: int64(len(w.l.Log()))}
	w.do(t, c, fact{what: "close", sub: i})
}

// finalize issues a draft, with what was used of what it waits for and of all that was billed before.
func (w *walk) finalize(t *rapid.T) {
	i, b := w.bill(t, drafted)
	a := w.account(b)
	c := subscription.FinalizeInvoice{ID: w.invoices[i], Position: int64(len(w.l.Log()))}
	c.Counts = w.counts(b.sub.number, slices.Concat(a.Waiting(c.ID), billed(a)))
	w.do(t, c, fact{what: "finalize", invoice: i})
}

// billed are the parts of which usage was billed.
func billed(a *account.State) (parts []account.Usage) {
	for _, m := range a.Billed {
		parts = append(parts, m.Usage)
	}
	return parts
}
