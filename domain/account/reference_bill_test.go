package account_test

import (
	"math/big"
	"slices"
	"strconv"
	"time"
)

// line is one of an invoice, or one that waits for it.
type line struct {
	kind, key, quantity, before string
	amount                      int64
	shown                       span
	reverses                    *line
	discounts                   []discount
	taxes                       []tax
	bill                        *bill // nil while it waits

	paidFor    bool          // it is for time to come: what is not used of it is credited
	own        span          // the time that it was debited for
	end        time.Time     // of its service
	moved      time.Duration // by pauses
	units, all int64         // of a price by the unit: those that are left, and those that it had
	part       *big.Rat      // of a credit: the share of the line that it takes back
}

type discount struct {
	coupon int
	amount int64
}

type tax struct {
	rate            int
	percent         string
	inclusive       bool
	taxable, amount int64
}

// use is a price by usage in a part of a period, and what was billed of it.
type use struct {
	price    price
	plan     int
	version  int
	part     span
	share    *big.Rat
	quantity *big.Rat
	amount   int64
	lines    []*useLine
}

type useLine struct {
	*line
	left int64
}

// bill is an invoice.
type bill struct {
	number           string
	sub              *sub
	reason           string
	period           span
	lines            []*line
	base             int // lines that do not hang on usage
	coupons          []off
	subtotal, off    int64
	tax, total       int64
	draft            bool
	voided, unissued bool
	failed           bool // its charge did
	finalizeAt       time.Time
	issued           time.Time
	applied, paid    int64
	waits            []*use
	notes            []note
}

// off is a coupon as an invoice has it.
type off struct {
	coupon      int
	percent     string
	amount      int64
	from, until time.Time
}

type note struct {
	parts           []notePart
	amount, lowered int64
}

type notePart struct {
	of          *line
	amount, tax int64
}

// sold are the prices that are charged: none in a trial.
func (s *sub) sold() []price {
	if !s.trial.IsZero() && s.period.from.Before(s.trial) {
		return nil
	}
	return s.prices
}

func (l *line) runs(after time.Time) bool { return l.paidFor && l.end.After(after) }

// part is a time's share of what the period under way is a period of: a time that pauses moved is taken for when it
// would have been.
func (w *world) part(s *sub, t span) *big.Rat {
	p := w.plans[s.plan]
	all := s.whole
	if all.empty() {
		all = holding(s.anchor.Add(-s.shifted), p.unit, p.length, s.zone, s.period.from)
	}
	return share(s.mode, t.moved(-s.shifted), all, s.zone)
}

// lineOf makes a line at a price and, where it has a minimum, another one up to that.
func (w *world) lineOf(s *sub, kind string, p *price, t span) []*line {
	quantity := whole(int64(s.quantity))
	if p.kind == "flat" {
		quantity = whole(1)
	}
	of := w.part(s, t)
	l := w.blank(s, kind, p, t, rounded(times(p.full(quantity), of)))
	l.quantity = text(quantity)
	if p.byTheUnit() {
		l.all = rounded(p.paid(quantity))
		l.units = l.all
	}
	all := []*line{l}
	if least := rounded(times(whole(p.minimum), of)); least > l.amount {
		all = append(all, w.blank(s, "minimum", p, t, least-l.amount))
	}
	return all
}

func (w *world) blank(s *sub, kind string, p *price, t span, amount int64) *line {
	return &line{kind: kind, key: p.key, quantity: "1", amount: amount, shown: t, own: t, end: t.to, taxes: w.rates(s)}
}

// rates are those of the customer now.
func (w *world) rates(s *sub) []tax {
	if s.customer < 0 || w.customers[s.customer].exempt {
		return nil
	}
	return slices.Clone(w.customers[s.customer].taxes)
}

func text(q *big.Rat) string {
	if n, exact := q.FloatPrec(); exact {
		return q.FloatString(n)
	}
	return q.RatString()
}

// cut bills what is billed in arrears for the part that ends now or ended before; the next one begins at since.
func (w *world) cut(s *sub, until, since time.Time) {
	part := span{s.since, until}.within(s.period)
	s.since = since
	if part.empty() {
		return
	}
	for i := range s.sold() {
		p := &s.prices[i]
		switch {
		case !p.arrears:
		case p.meter != "":
			s.uses = append(s.uses, &use{price: *p, plan: s.plan, version: s.version, part: part, share: w.part(s, part)})
		default:
			s.parts = append(s.parts, w.lineOf(s, "period", p, part)...)
		}
	}
}

// newPeriod bills the period that begins, and what waited for it.
func (w *world) newPeriod(s *sub, at time.Time, reason string) {
	var own []*line
	s.since = at
	for i := range s.sold() {
		if p := &s.prices[i]; !p.arrears {
			own = append(own, w.lineOf(s, "period", p, s.period)...)
		}
	}
	for _, l := range own {
		l.paidFor = true
	}
	s.lines = append(s.lines, own...)
	w.invoice(s, at, reason, true, own)
}

// debit asks for the rest of the period at a price.
func (w *world) debit(s *sub, p *price, at time.Time) {
	for _, l := range w.lineOf(s, "prorationDebit", p, span{at, s.period.to}) {
		w.waits(s, l)
	}
}

// waits puts a line on the next invoice; one of nothing is left out.
func (w *world) waits(s *sub, l *line) {
	if l.amount != 0 {
		l.paidFor = l.reverses == nil
		s.pending, s.lines = append(s.pending, l), append(s.lines, l)
	}
}

// requantify is another quantity at a price.
func (w *world) requantify(s *sub, p *price, at time.Time, before int) {
	if !p.byTheUnit() {
		w.takeBack(s, p.key, at, time.Time{})
		w.debit(s, p, at)
		return
	}
	old, now := rounded(p.paid(whole(int64(before)))), rounded(p.paid(whole(int64(s.quantity))))
	if now > old {
		t := span{at, s.period.to}
		exact := times(less(p.full(whole(int64(s.quantity))), p.full(whole(int64(before)))), w.part(s, t))
		l := w.blank(s, "prorationDebit", p, t, rounded(exact))
		l.quantity = strconv.Itoa(s.quantity - before)
		if before > 0 {
			l.before = strconv.Itoa(before)
		}
		l.all, l.units = now-old, now-old
		w.waits(s, l)
		return
	}
	for _, l := range slices.Backward(slices.Clone(s.lines)) {
		if fewer := min(l.units, old-now); fewer > 0 && l.key == p.key && l.runs(at) {
			old -= fewer
			w.credit(s, l, at, time.Time{}, fewer)
		}
	}
}

// takeBack credits all that runs, of a price or ("") of all, from an instant to another or, with none, to its end.
func (w *world) takeBack(s *sub, key string, from, to time.Time) {
	for _, l := range slices.Clone(s.lines) {
		if l.runs(from) && (key == "" || l.key == key) {
			w.credit(s, l, from, to, 0)
		}
	}
}

// credit takes back a part of a line: of its time, and of its units where there are fewer.
func (w *world) credit(s *sub, l *line, from, to time.Time, fewer int64) {
	until := l.end
	if !to.IsZero() && to.Before(until) {
		until = to
	}
	unused := span{from, until}
	of := share(s.mode, unused.moved(-l.moved).within(l.own), l.own, s.zone)
	units := l.units
	if fewer > 0 {
		units = fewer
	}
	c := &line{kind: "prorationCredit", key: l.key, quantity: l.quantity, shown: unused, reverses: l, part: of}
	if units < l.all {
		c.quantity, c.part = strconv.FormatInt(units, 10), times(of, big.NewRat(units, l.all))
	}
	if l.units -= fewer; to.IsZero() && (fewer == 0 || l.units == 0) {
		l.end = from
	}
	if l.all > 0 && units == 0 || l.bill != nil && l.bill.voided && !l.bill.unissued {
		return
	}
	amount, left := rounded(times(whole(l.amount), c.part)), l.amount-w.credited(s, l)-l.gone()
	c.amount = -max(0, min(amount, left))
	if c.amount == 0 {
		return
	}
	if l.bill != nil {
		if amount := min(amount, left+l.gone()); amount > left && amount > 0 { // a credit note took the rest, with its discount
			c.part = big.NewRat(-c.amount, l.amount)
		}
		w.giveBack(c, s.lines)
	}
	for _, t := range l.taxes {
		c.taxes = append(c.taxes, tax{rate: t.rate, percent: t.percent, inclusive: t.inclusive})
	}
	w.waits(s, c)
}

// credited is what other lines took back of one.
func (w *world) credited(s *sub, of *line) (sum int64) {
	for _, l := range s.lines {
		if l.reverses == of {
			sum -= l.amount
		}
	}
	return sum
}

// giveBack gives a credit its share of its line's discounts, as far as others did not.
func (w *world) giveBack(c *line, others []*line) {
	c.discounts = nil
	for _, d := range c.reverses.discounts {
		left := d.amount
		for _, l := range others {
			if l == c || l.reverses != c.reverses {
				continue
			}
			for _, given := range l.discounts {
				if given.coupon == d.coupon {
					left += given.amount
				}
			}
		}
		if back := max(0, min(rounded(times(whole(d.amount), c.part)), left)); back != 0 {
			c.discounts = append(c.discounts, discount{d.coupon, -back})
		}
	}
}

// gone is what credit notes took off a line, as a part of its amount.
func (l *line) gone() int64 {
	noted := int64(0)
	if l.bill != nil {
		noted, _ = l.bill.noted(l)
	}
	switch {
	case noted == 0:
		return 0
	case l.gross() <= 0:
		return l.amount
	}
	exact := times(big.NewRat(noted, l.gross()), whole(l.amount))
	up := new(big.Int).Div(new(big.Int).Add(exact.Num(), new(big.Int).Sub(exact.Denom(), big.NewInt(1))), exact.Denom())
	return up.Int64()
}
