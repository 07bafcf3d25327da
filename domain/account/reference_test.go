package account_test

import (
	"time"
)

// reference is what there is to know: how things were set up, and what happened since. Everything else is worked out
// anew, from the first fact to the last, whenever somebody asks.
type reference struct {
	currency string
	plans    []*plan
	coupons  []*coupon
	facts    []fact
}

type plan struct {
	versions [][]price
	unit     string
	length   int
	perSeat  bool
	trial    int // days
}

type coupon struct {
	code     string
	percent  string // "": an amount
	amount   int64
	duration string
	periods  int
}

// lasts is for how many periods; 0: all.
func (c *coupon) lasts() int {
	switch c.duration {
	case "once":
		return 1
	case "repeating":
		return c.periods
	}
	return 0
}

// fact is something that was done at an instant.
type fact struct {
	at                     time.Time
	what                   string
	sub, customer, invoice int // by their numbers, from 0
	plan, quantity, coupon int // -1: not given
	proration, when        string
	credit, mode, zone     string
	start, anchor, trial   *time.Time
	effective              *time.Time // from when it counts; nil: from when it was done
	amount                 int64
	line                   int // of an invoice
	percent                string
	inclusive, exempt, yes bool
	hours                  int
	meter                  string
}

// world is how things stand after all facts.
type world struct {
	*reference
	now          time.Time // up to when it has come: with what counts from an instant before, that
	asked        time.Time // when somebody asked for what is done; zero: nobody did
	zeroInvoices bool
	draftHours   int
	customers    []*payer
	subs         []*sub
	invoices     []*bill
	balances     map[string]int64
	numbers      int
	notes        int
	versions     []int // of plans: the newest
	used         []usage
}

type payer struct {
	zone   string
	taxes  []tax
	exempt bool
	method string // "": none
}

type usage struct {
	at       time.Time
	sub      int
	meter    string
	quantity int64
}

// sub is a subscription.
type sub struct {
	number, customer   int // customer -1: none
	plan               int
	prices             []price
	version            int
	quantity           int
	mode               string
	zone               *time.Location
	start, anchor      time.Time
	trial              time.Time // its end; zero: none
	period             span
	shifted            time.Duration // by pauses that extended the period under way
	whole              span          // what prices are for in it, since it moved to another zone's calendar
	later, tried       bool          // not begun; its trial is over
	pausedAt, cancelAt time.Time
	pause              string
	ended, closed      bool
	endedAt            time.Time
	scheduled          *scheduled
	coupons            []applied

	since     time.Time // from when the part under way runs that is billed in arrears
	lines     []*line   // all ever made
	pending   []*line
	parts     []*line
	uses      []*use // parts whose usage is billed at the end of their period
	billed    []*use
	discounts map[int]*counted
}

// scheduled is a change for the end of the period; plan -1: another quantity alone.
type scheduled struct{ plan, version, quantity int }

type applied struct {
	coupon int
	at     time.Time
}

// counted is how many periods a coupon has discounted, and until when it does.
type counted struct {
	periods int
	until   time.Time
}

func (r *reference) replay() *world {
	w := &world{reference: r, zeroInvoices: true, balances: map[string]int64{}, versions: make([]int, len(r.plans))}
	for i := range r.facts {
		w.happens(&r.facts[i])
	}
	return w
}

func (w *world) happens(f *fact) {
	w.now = f.at
	switch f.what {
	case "customer":
		w.customers = append(w.customers, &payer{zone: "UTC"})
	case "taxes":
		c := w.customers[f.customer]
		c.exempt = f.exempt
		c.taxes = append(c.taxes, tax{rate: len(c.taxes), percent: f.percent, inclusive: f.inclusive})
	case "rate":
		w.customers[f.customer].taxes[f.quantity].percent = f.percent
	case "exempt":
		w.customers[f.customer].exempt = f.yes
	case "zone":
		w.move(f.customer, f.zone)
	case "method":
		if w.customers[f.customer].method = f.credit; f.credit == "succeeds" { // it pays what the one before did not
			for _, b := range w.invoices {
				if b.sub.customer == f.customer && b.failed && b.status() == "open" {
					b.paid += b.due()
				}
			}
		}
	case "settings":
		w.zeroInvoices, w.draftHours = f.yes, f.hours
	case "version":
		w.versions[f.plan]++
	case "start":
		w.begin(f)
	case "used":
		w.used = append(w.used, usage{*f.start, f.sub, f.meter, f.amount})
	case "pay":
		w.invoices[f.invoice].paid += f.amount
	case "void":
		w.void(w.invoices[f.invoice])
	case "note":
		w.note(w.invoices[f.invoice], f)
	case "close":
		w.shut(w.subs[f.sub])
	case "finalize":
		w.finalize(w.invoices[f.invoice])
	default:
		s := w.subs[f.sub]
		if f.effective != nil && f.effective.Before(f.at) {
			w.now = *f.effective
		}
		at, bounded := w.now, f.effective != nil && (f.what == "change" || f.what == "cancel")
		ends := false
		if bounded && !f.effective.After(f.at) { // the end of a period that nobody knows to be over may be meant
			w.now = at.Add(-time.Microsecond)
			w.pass(s)
			ends = s.pausedAt.IsZero() && s.period.to.Equal(at)
		}
		if !ends {
			w.now = at
			w.pass(s)
			ends = f.when == "periodEnd" || bounded && f.effective.After(at)
		}
		if w.asked = f.at; !s.ended {
			w.command(s, f, ends)
		}
		w.asked = time.Time{}
		w.now = f.at
	}
}

func (w *world) begin(f *fact) {
	p := w.plans[f.plan]
	s := &sub{number: len(w.subs), customer: f.customer, plan: f.plan, version: w.versions[f.plan], quantity: f.quantity, mode: f.mode, start: f.at, discounts: map[int]*counted{}}
	s.zone, _ = time.LoadLocation(f.zone)
	s.prices = p.versions[s.version]
	if f.start != nil {
		s.start = *f.start
	}
	if p.trial > 0 {
		s.trial = instant(clock(s.start, s.zone).AddDate(0, 0, p.trial), s.zone)
	}
	if f.trial != nil {
		s.trial = *f.trial
	}
	if !s.trial.After(s.start) {
		s.trial = time.Time{}
	}
	s.anchor = s.start
	if !s.trial.IsZero() {
		s.anchor = s.trial
	}
	if f.anchor != nil {
		s.anchor = *f.anchor
	}
	s.period = w.rest(s, s.start)
	if !s.trial.IsZero() {
		s.period = span{s.start, s.trial}
	}
	if f.coupon >= 0 {
		s.coupons = append(s.coupons, applied{f.coupon, s.start})
	}
	s.later = s.start.After(w.now)
	w.subs = append(w.subs, s)
	if !s.later {
		w.newPeriod(s, s.start, "period")
	}
}

// rest is that of the anchored period, from an instant on.
func (w *world) rest(s *sub, from time.Time) span {
	p := w.plans[s.plan]
	return span{from, holding(s.anchor, p.unit, p.length, s.zone, from).to}
}

func (s *sub) trialing() bool { return !s.trial.IsZero() && !s.tried }

// status is also worked out from scratch: past due is who has an open invoice that could not be charged.
func (w *world) status(s *sub) string {
	switch {
	case s.ended:
		return "CANCELED"
	case !s.pausedAt.IsZero():
		return "PAUSED"
	case s.trialing():
		return "TRIALING"
	}
	for _, b := range w.invoices {
		if b.sub == s && b.failed && b.status() == "open" {
			return "PAST_DUE"
		}
	}
	return "ACTIVE"
}
