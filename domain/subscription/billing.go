package subscription

import (
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/settings"
	"github.com/subledger/subledger/internal/mutant"
)

// record appends events to a subscription that stood as before, each dated to its instant, and right behind each what is
// billed for it (ADR 0014). It answers the subscription as it is then.
func record(l domain.Ledger, id uuid.UUID, before Facts, events []dated) (View, error) {
	if len(events) == 0 {
		return show(l, id)
	}
	return recordFresh(l, id, before, events, account.Fresh{})
}

// recordFresh is record where the subscription, and perhaps its customer, are made in the same decision.
func recordFresh(l domain.Ledger, id uuid.UUID, before Facts, events []dated, fresh account.Fresh) (View, error) {
	bill, err := before.open(l, id, events, fresh)
	if err != nil {
		return View{}, err
	}
	var last int64
	add := func(d dated) error {
		last = l.Position()
		if r, ok := d.event.(SeatsRemoved); ok && len(r.Seats) == 0 { // it was scheduled
			s, err := load(l, id)
			if err != nil {
				return err
			}
			d.event = s.filled(d.event)
		}
		l.AppendAt(id, d.at, d.event)
		return nil
	}
	after := before
	for i, d := range events {
		if err := add(d); err != nil {
			return View{}, err
		}
		after.apply(d.event)
		if replaced(events[i:]) || before.PausedAt != nil && changes(d.event) {
			continue // before is how it stood before both: what comes behind accounts for it
		}
		if bill != nil {
			if err := bill.event(l, &before, &after, d, last); err != nil {
				return View{}, err
			}
		}
		before = after
	}
	if bill != nil {
		if bill.began != nil { // with what was put on it in the same append
			if err := bill.begin(l, &after); err != nil {
				return View{}, err
			}
		}
		outcome, err := bill.outcome(l, &after)
		if err != nil {
			return View{}, err
		}
		if outcome != nil {
			if err := add(dated{l.Now(), outcome}); err != nil {
				return View{}, err
			}
		}
	}
	view, err := show(l, id)
	view.Position = last
	return view, err
}

// dateNow dates events to the moment of the decision.
func dateNow(l domain.Ledger, events ...domain.Event) []dated {
	all := make([]dated, len(events))
	for i, e := range events {
		all[i] = dated{l.Now(), e}
	}
	return all
}

// changes tells what a scheduled change brings. One of a paused subscription comes right before it resumes.
func changes(e domain.Event) bool {
	switch e.(type) {
	case SeatsAdded, SeatsRemoved, QuantityChanged, PlanChanged:
		return true
	}
	return false
}

// replaced tells removals that are part of a change of plan: that accounts for both.
func replaced(events []dated) bool {
	removed, ok := events[0].event.(SeatsRemoved)
	if !ok || len(events) < 2 {
		return false
	}
	changed, ok := events[1].event.(PlanChanged)
	return ok && changed.TaskID == removed.TaskID
}

// biller accounts for the events of one decision.
type biller struct {
	id    uuid.UUID
	book  *account.Book
	began *dated // the start, which is billed with the coupons that come behind it
	cause int64
}

// open loads what billing may need before anything is appended; nil where none of the events is billed.
func (f *Facts) open(l domain.Ledger, id uuid.UUID, events []dated, fresh account.Fresh) (*biller, error) {
	last := *f
	bills := false
	for _, d := range events {
		last.apply(d.event)
		bills = bills || billed(d.event)
	}
	if !bills || last.Currency == "" {
		return nil, nil
	}
	for _, of := range []*Facts{f, &last} {
		if of.Terms.PlanID == uuid.Nil {
			continue
		}
		if _, err := l.Load(of.Terms.PlanID); err != nil {
			return nil, err
		}
	}
	b, err := last.bought(l, id)
	if err != nil {
		return nil, err
	}
	book, err := account.Open(l, b, fresh)
	return &biller{id: id, book: book}, err
}

// billed tells events that may ask for something.
func billed(e domain.Event) bool {
	switch e.(type) {
	case Started, Begun, Renewed, SeatsAdded, SeatsRemoved, QuantityChanged, PlanChanged, Resumed, Rezoned, Ended:
		return true
	}
	return false
}

// asksFor tells events that somebody asks for, now and perhaps for an instant before, from those that time brings.
func asksFor(e domain.Event) bool {
	switch e := e.(type) {
	case SeatsAdded, SeatsRemoved, QuantityChanged, PlanChanged, Resumed:
		return true
	case Ended:
		return e.Reason == "canceled"
	}
	return false
}

// event accounts for one event, whose position is cause.
func (k *biller) event(l domain.Ledger, before, after *Facts, d dated, cause int64) error {
	if !billed(d.event) {
		return nil
	}
	if e, ok := d.event.(Started); ok {
		if !e.Later {
			k.began, k.cause = &d, cause
		}
		return nil
	}
	old, err := before.bought(l, k.id)
	if err != nil {
		return err
	}
	b, err := after.bought(l, k.id)
	if err != nil {
		return err
	}
	k.book.Asked = time.Time{}
	if asksFor(d.event) {
		k.book.Asked = l.Now()
	}
	switch e := d.event.(type) {
	case Begun:
		return k.book.Begin(b, d.at, cause)
	case Renewed:
		return k.book.Renew(old, b, d.at, cause)
	case SeatsAdded:
		return k.change(old, b, before, d, e.Proration, cause)
	case SeatsRemoved:
		return k.change(old, b, before, d, e.Proration, cause)
	case QuantityChanged:
		return k.change(old, b, before, d, e.Proration, cause)
	case PlanChanged:
		return k.change(old, b, before, d, e.Proration, cause)
	case Resumed:
		if before.Later {
			return nil
		}
		return k.book.Resume(old, b, before.pause(), d.at, cause)
	case Rezoned:
		return k.book.Rezone(old.Period.End, b.Period.End, d.at)
	case Ended:
		switch {
		case before.Status == Incomplete:
			return k.book.Forget()
		case before.Later:
			return nil // nothing was given
		}
		pause := before.pause()
		if before.PausedAt == nil {
			return k.book.End(old, nil, e.Credit, d.at, cause)
		}
		return k.book.End(old, &pause, e.Credit, d.at, cause)
	}
	return nil
}

func (k *biller) change(old, b account.Bought, before *Facts, d dated, proration string, cause int64) error {
	if before.Later {
		return nil // it is billed from its start on, as it is by then
	}
	return k.book.Change(old, b, d.at, proration, cause)
}

func (k *biller) begin(l domain.Ledger, f *Facts) error {
	b, err := f.bought(l, k.id)
	if err != nil {
		return err
	}
	at := k.began.at
	if now := l.Now(); now.Before(at) { // one that waits for its first payment is billed ahead
		at = now
	}
	return k.book.Begin(b, at, k.cause)
}

// outcome is what the charges and payments of the decision change about the status; nil: nothing.
func (k *biller) outcome(l domain.Ledger, f *Facts) (domain.Event, error) {
	switch {
	case f.Status == Incomplete && k.book.Owed == 0:
		return PaymentSettled{}, nil
	case k.book.Missed && f.is(Active):
		return missed(l)
	case k.book.Paid && !k.book.Missed && f.is(PastDue):
		if clear, err := k.book.Clear(); err != nil || !clear {
			return nil, err
		}
		return PaymentSettled{}, nil
	}
	return nil, nil
}

// missed is a payment that did not come by now, with the grace that the settings give (rule S15).
func missed(l domain.Ledger) (domain.Event, error) {
	policy, err := settings.Of(l)
	if err != nil || policy.GraceDaysPastDue == nil {
		return PaymentMissed{}, err
	}
	until := l.Now().Add(time.Duration(*policy.GraceDaysPastDue) * 24 * time.Hour)
	return PaymentMissed{GraceUntil: &until}, nil
}

// pause is the one under way.
func (f *Facts) pause() account.Paused {
	p := account.Paused{Credit: f.PauseCredit}
	if f.PausedAt != nil {
		p.At = *f.PausedAt
	}
	return p
}

// bought is what the subscription is billed for. A trial is charged nothing.
func (f *Facts) bought(l domain.Ledger, id uuid.UUID) (account.Bought, error) {
	zone, _ := period.Zone(f.TimeZone) // nil is UTC; an unknown name was never recorded
	b := account.Bought{ID: id, CustomerID: copied(f.CustomerID), PlanID: f.Terms.PlanID, PlanVersion: f.Terms.PlanVersion, ProductID: f.Terms.ProductID,
		Currency: f.Currency, Quantity: f.Quantity, Mode: period.Mode(f.ProrationMode), Zone: zone, Period: period.Period(f.Period), Coupons: f.Coupons}
	if f.trialing() {
		return b, nil
	}
	b.Whole, b.Shifted = f.whole(), f.shifted
	if mutant.Active == mutant.DriftingCharge {
		drifting := *f
		drifting.AnchorAt, drifting.shifted = f.Period.Start, 0
		b.Whole = drifting.whole()
	}
	state, err := l.Load(f.Terms.PlanID)
	if err != nil {
		return b, err
	}
	plan, ok := state.(*catalog.Plan)
	if !ok {
		return b, nil
	}
	b.PlanName = plan.Fields.DisplayName
	prices, _ := plan.Prices(f.Terms.PlanVersion)
	for _, p := range prices {
		if p.Currency == f.Currency {
			b.Prices = append(b.Prices, p)
		}
	}
	return b, nil
}

// extended is the time of a pause that extends its period.
func (f *Facts) extended(at time.Time) time.Duration {
	if f.PausedAt == nil || f.PauseCredit != account.Extend || f.Later || f.trialing() { // before its start, and of a trial, there is no time to give back
		return 0
	}
	return at.Sub(*f.PausedAt)
}
