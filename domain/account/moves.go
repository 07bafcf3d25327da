package account

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/money"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/rating"
)

var round = money.RoundRat

// Begin bills the first period that is charged, or the one that begins after a pause. At is its start.
func (k *Book) Begin(b Bought, at time.Time, cause int64) error {
	return k.Renew(Bought{}, b, at, cause)
}

// Renew bills what the period before, which is over, still owes, and the one that begins at an instant.
func (k *Book) Renew(before, b Bought, at time.Time, cause int64) error {
	e, err := k.begin(b, at, cause)
	if err != nil {
		return err
	}
	if err := e.cut(&before, at, at); err != nil {
		return err
	}
	if err := e.accrue(); err != nil {
		return err
	}
	if err := e.advance(); err != nil {
		return err
	}
	return e.invoice(invoice.ForPeriod, true)
}

// advance makes the lines of a period that is billed in advance.
func (e *entry) advance() error {
	for i := range e.b.Prices {
		p := &e.b.Prices[i]
		if !inAdvance(p) || e.b.Period.Empty() {
			continue
		}
		lines, err := e.charge(invoice.KindPeriod, &e.b, p, e.b.Period)
		if err != nil {
			return err
		}
		for _, l := range lines {
			l = e.keep(l)
			e.lines = append(e.lines, l)
			e.runs(&l, p, false)
		}
	}
	return nil
}

// cut ends the part under way of what is billed in arrears, with what was bought until then: it is billed for its own
// time. Until is where it ends, since where the next one begins.
func (e *entry) cut(b *Bought, until, since time.Time) error {
	from := b.Period.Start
	if e.s.Since.After(from) {
		from = e.s.Since
	}
	part := period.Period{Start: from, End: until}
	if part.End.After(b.Period.End) {
		part.End = b.Period.End
	}
	for i := range b.Prices {
		p := &b.Prices[i]
		if inAdvance(p) || part.Empty() {
			continue
		}
		if metered(p) {
			e.accrued.Usage = append(e.accrued.Usage, Usage{PlanID: b.PlanID, PlanVersion: b.PlanVersion, PriceKey: p.Key, Meter: p.Meter, Period: part, Share: b.share(part)})
			continue
		}
		lines, err := e.charge(invoice.KindPeriod, b, p, part)
		if err != nil {
			return err
		}
		for _, l := range lines {
			e.accrued.Parts = append(e.accrued.Parts, e.keep(l))
		}
	}
	// A period's own start needs no word.
	arrears := func(p catalog.Price) bool { return !inAdvance(&p) }
	if since.After(from) && since.After(e.b.Period.Start) && slices.ContainsFunc(e.b.Prices, arrears) {
		e.accrued.Since = &since
	}
	return nil
}

// Proration of a change.
const (
	CreateProrations = "create_prorations" // default
	NoProration      = "none"
	AlwaysInvoice    = "always_invoice"
)

// Change accounts for another plan or quantity from an instant on. Where the period changes too, the old one is served
// out by then and the new one is billed at once.
func (k *Book) Change(before, b Bought, at time.Time, proration string, cause int64) error {
	e, err := k.begin(b, at, cause)
	if err != nil {
		return err
	}
	if at.Before(before.Period.Start) {
		return nil // it has not begun: it will be billed as what was changed to
	}
	if !at.Before(before.Period.End) { // the next period is not billed yet; this one was at the old prices
		if err := e.cut(&before, at, before.Period.End); err != nil {
			return err
		}
		return e.accrue()
	}
	stays := before.Period.Start.Equal(b.Period.Start) && before.Period.End.Equal(b.Period.End)
	moved := !stays && proration != NoProration
	if err := e.cut(&before, at, at); err != nil {
		return err
	}
	switch {
	case proration == NoProration:
	case before.PlanID != b.PlanID || before.PlanVersion != b.PlanVersion || moved:
		err = e.replace(moved)
	default:
		for i := range b.Prices {
			if p := &b.Prices[i]; err == nil && inAdvance(p) && p.Kind != catalog.Flat {
				err = e.requantify(&before, p)
			}
		}
	}
	if err != nil {
		return err
	}
	if err := e.accrue(); err != nil {
		return err
	}
	switch {
	case moved:
		if err := e.advance(); err != nil {
			return err
		}
		return e.invoice(invoice.ForProration, true)
	case proration == AlwaysInvoice:
		return e.invoice(invoice.ForProration, false)
	}
	return nil
}

// replace takes back all that runs and, unless a period begins, debits the rest of this one.
func (e *entry) replace(moved bool) error {
	if err := e.takeBack(e.at, time.Time{}); err != nil || moved {
		return err
	}
	for i := range e.b.Prices {
		if p := &e.b.Prices[i]; inAdvance(p) {
			if err := e.rest(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// rest debits the rest of the period at a price.
func (e *entry) rest(p *catalog.Price) error {
	lines, err := e.charge(invoice.KindDebit, &e.b, p, period.Period{Start: e.at, End: e.b.Period.End})
	if err != nil {
		return err
	}
	for _, l := range lines {
		e.debit(l, p)
	}
	return nil
}

func (e *entry) debit(l invoice.Line, p *catalog.Price) {
	if l.Amount == 0 {
		return
	}
	l = e.keep(l)
	e.accrued.Pending = append(e.accrued.Pending, l)
	e.runs(&l, p, true)
}

// requantify accounts for another quantity at a price (rule B2).
func (e *entry) requantify(before *Bought, p *catalog.Price) error {
	if !linear(p) {
		if err := e.takeBackOf(p.Key); err != nil {
			return err
		}
		return e.rest(p)
	}
	old, now := units(*p, before.Quantity), units(*p, e.b.Quantity)
	if now > old {
		more := e.b.Quantity - before.Quantity
		l, err := e.line(invoice.KindDebit, &e.b, p, rating.Units(more), before.Quantity, period.Period{Start: e.at, End: e.b.Period.End})
		if err != nil {
			return err
		}
		e.debit(l, p)
		return nil
	}
	for i := len(e.s.Running) - 1; i >= 0 && now < old; i-- {
		r := &e.s.Running[i]
		if r.PriceKey != p.Key || r.Units == 0 || !r.End.After(e.at) {
			continue
		}
		fewer := min(r.Units, old-now)
		old -= fewer
		if err := e.credit(r, e.at, time.Time{}, fewer); err != nil {
			return err
		}
	}
	return nil
}

// takeBack credits all that runs, from an instant to another; zero: to its end.
func (e *entry) takeBack(from, to time.Time) error {
	for i := range e.s.Running {
		if err := e.credit(&e.s.Running[i], from, to, 0); err != nil {
			return err
		}
	}
	return nil
}

func (e *entry) takeBackOf(key string) error {
	for i := range e.s.Running {
		if r := &e.s.Running[i]; r.PriceKey == key {
			if err := e.credit(r, e.at, time.Time{}, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// credit takes back a running line from an instant to another; zero: to its end. Fewer is how many of its units, 0 all.
func (e *entry) credit(r *Running, from, to time.Time, fewer int64) error {
	if !r.End.After(from) {
		return nil
	}
	d, ok, err := e.debited(r)
	if err != nil {
		return err
	}
	if !ok { // nobody was asked for it; its units go all the same
		if fewer > 0 {
			e.accrued.Credited = append(e.accrued.Credited, Credited{LineID: r.LineID, Units: fewer, All: fewer == r.Units})
		}
		return nil
	}
	// A line that a pause moved is counted on the time for which it was debited.
	moved := -time.Duration(r.Moved) * time.Microsecond
	part := d.From(from.Add(moved))
	part.Shown = period.Period{Start: from, End: r.End}
	if !to.IsZero() && to.Before(r.End) {
		part.Period, _ = part.Period.Split(to.Add(moved))
		part.Shown.End = to
	}
	switch {
	case fewer > 0 && fewer < r.Of:
		part.Units, part.Of = fewer, r.Of
	case fewer == 0 && r.Units < r.Of:
		if part.Units, part.Of = r.Units, r.Of; r.Units == 0 {
			return nil
		}
	}
	line, ok, err := d.Credit(uuid.Nil, part, e.b.Mode, e.b.Zone)
	if err != nil {
		return err
	}
	back := Credited{LineID: r.LineID, Amount: -line.Amount, Units: fewer, All: to.IsZero() && (fewer == 0 || fewer == r.Units),
		Returned: d.Returned}
	e.accrued.Credited = append(e.accrued.Credited, back)
	if !ok {
		return nil
	}
	line.Description, line.Events, line.ReversesOn = unused(&d.Line, r.Of, part.Units > 0), []int64{e.cause}, r.InvoiceID
	e.accrued.Pending = append(e.accrued.Pending, e.keep(line))
	return nil
}

// Rezone moves the end of the period under way (rule B9).
func (k *Book) Rezone(was, end, at time.Time) error {
	s, err := k.state()
	if err != nil || was.Equal(end) {
		return err
	}
	if len(s.Running) > 0 || len(s.Counted) > 0 {
		k.l.AppendAt(k.stream, at, Rezoned{Was: was, End: end})
	}
	return nil
}

// Credit of a cancellation or a pause.
const (
	Prorate  = "prorate" // unused time is taken back
	Extend   = "extend"  // a pause moves the period
	NoCredit = "none"
)

// Paused is a pause that is over, or that an end cuts off.
type Paused struct {
	At     time.Time
	Credit string // Prorate, Extend, NoCredit
}

// Resume accounts for a pause that ends at an instant (rule B7). The period of b is the one under way, or one that
// begins now.
func (k *Book) Resume(before, b Bought, pause Paused, at time.Time, cause int64) error {
	e, err := k.begin(b, at, cause)
	if err != nil {
		return err
	}
	if err := e.pause(&before, pause); err != nil {
		return err
	}
	next := b.Period.Start.Equal(at) && !before.Period.Start.Equal(at)
	if next {
		if err := e.close(&before, pause); err != nil {
			return err
		}
	}
	if err := e.accrue(); err != nil || !next {
		return err
	}
	if err := e.advance(); err != nil {
		return err
	}
	return e.invoice(invoice.ForPeriod, true)
}

// pause takes back the time of a pause, or moves what runs by it.
func (e *entry) pause(before *Bought, pause Paused) error {
	switch pause.Credit {
	case Prorate:
		if err := e.cut(before, pause.At, e.at); err != nil {
			return err
		}
		return e.takeBack(pause.At, e.at)
	case Extend:
		if err := e.cut(before, pause.At, e.at); err != nil {
			return err
		}
		if len(e.s.Running) > 0 {
			e.k.l.AppendAt(e.k.stream, e.at, Extended{By: e.at.Sub(pause.At).Microseconds()})
		}
	}
	return nil
}

// close ends the parts of a period that was over before the pause was.
func (e *entry) close(before *Bought, pause Paused) error {
	if pause.Credit == Prorate || pause.Credit == Extend {
		return nil // cut at the pause
	}
	return e.cut(before, before.Period.End, e.at)
}

// End accounts for the end of a subscription at an instant: what is still to be billed is, on a last invoice if there is
// anything. With Prorate the rest of what runs is taken back.
func (k *Book) End(before Bought, pause *Paused, credit string, at time.Time, cause int64) error {
	e, err := k.begin(before, at, cause)
	if err != nil {
		return err
	}
	used := at // until when
	if pause != nil && (pause.Credit == Prorate || pause.Credit == Extend) {
		used = pause.At
	}
	if err := e.cut(&before, used, at); err != nil {
		return err
	}
	switch {
	case credit == Prorate:
		err = e.takeBack(used, time.Time{})
	case pause != nil && (pause.Credit == Prorate || pause.Credit == Extend): // there is no period left to give the time back in
		err = e.takeBack(used, at)
	}
	if err != nil {
		return err
	}
	e.accrued.Since = nil
	if err := e.accrue(); err != nil {
		return err
	}
	if err := e.invoice(invoice.ForCancel, true); err != nil {
		return err
	}
	s, err := k.state()
	if err == nil && s.metered() {
		k.l.AppendAt(k.stream, at, Closing{SubscriptionID: before.ID, EndedAt: at, Until: at.Add(k.policy.LateUsage())})
	}
	return err
}
