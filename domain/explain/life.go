package explain

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/subscription"
)

// instant is a subscription right before and right after one of its events.
type instant struct {
	Past
	before, after subscription.Facts
	partFrom      time.Time     // from when the part of the period ran that ends here
	moved, by     time.Duration // by which pauses had moved the period before; by which this event does
	whole, next   period.Period // what prices are for in the period before and after
}

// extended is by how much pauses have moved the period as it is after the event.
func (m *instant) extended() time.Duration {
	if m.by == 0 && m.begins() {
		return 0
	}
	return m.moved + m.by
}

// begins tells that a period begins with the event.
func (m *instant) begins() bool {
	if _, ok := m.Event.(subscription.Rezoned); ok {
		return false
	}
	return !m.after.Period.Start.Equal(m.before.Period.Start) || m.by == 0 && !m.after.Period.End.Equal(m.before.Period.End)
}

// take is what a credit takes back of a line: units that it has no more from then on.
type take struct {
	line  uuid.UUID
	units int64
	at    int64 // position in the account
}

// credited is a credit as its account recorded it.
type credited struct {
	invoice.Line
	at int64 // position in the account
}

// life is what happened to a subscription, and what its account took back of its lines.
type life struct {
	instants []*instant // in order
	takes    []take
	credits  []credited
	prices   map[uuid.UUID]string    // of running lines
	holders  map[uuid.UUID]uuid.UUID // the invoice of a running line
}

func (x *explainer) life(id uuid.UUID) (*life, error) {
	if l := x.lives[id]; l != nil {
		return l, nil
	}
	l := &life{prices: map[uuid.UUID]string{}, holders: map[uuid.UUID]uuid.UUID{}}
	x.lives[id] = l
	state := &subscription.State{}
	var moved time.Duration
	var cut time.Time
	var rezoned *period.Period // the whole of the period under way, since it moved to another calendar
	for e, err := range x.src.Stream(id) {
		if err != nil {
			return nil, err
		}
		m := &instant{Past: e, before: state.Facts, moved: moved, whole: anchored(&state.Facts, moved, rezoned)}
		domain.Evolve(state, e.Event, id, int64(len(l.instants))+1, e.At, e.At)
		m.after = state.Facts
		m.partFrom = m.before.Period.Start
		if cut.After(m.partFrom) {
			m.partFrom = cut
		}
		switch d := e.Event.(type) {
		case subscription.Rezoned:
			of := m.whole
			of.End = m.after.Period.End.Add(-moved)
			rezoned = &of
		case subscription.Resumed:
			// A change that was scheduled for an end in the pause comes right before: the pause is of what was before both.
			if n := len(l.instants); n > 0 && l.instants[n-1].paused() {
				was := l.instants[n-1]
				m.before, m.partFrom, m.whole, m.moved = was.before, was.partFrom, was.whole, was.moved
			}
			if d.AnchorAt != nil {
				m.by = d.AnchorAt.Sub(m.before.AnchorAt)
			}
			if credit := m.before.PauseCredit; !m.before.Later && (credit == account.Prorate || credit == account.Extend) {
				cut = e.At
			}
		case subscription.PlanChanged:
			// Seats that go with the plan are removed right before: the change is from what was before both.
			if n := len(l.instants); n > 0 {
				if r, ok := l.instants[n-1].Event.(subscription.SeatsRemoved); ok && r.TaskID == d.TaskID {
					m.before, m.partFrom, m.whole = l.instants[n-1].before, l.instants[n-1].partFrom, l.instants[n-1].whole
				}
			}
			if !m.paused() {
				cut = m.cuts(cut)
			}
		case subscription.SeatsAdded, subscription.SeatsRemoved, subscription.QuantityChanged:
			if !m.paused() {
				cut = m.cuts(cut)
			}
		}
		if was, is := &m.before.Terms, &m.after.Terms; m.begins() || was.Interval != is.Interval || was.Length != is.Length {
			rezoned = nil
		}
		moved = m.extended()
		m.next = anchored(&m.after, moved, rezoned)
		l.instants = append(l.instants, m)
	}
	return l, x.books(l, id)
}

// paused tells a change of what is paused.
func (m *instant) paused() bool {
	switch m.Event.(type) {
	case subscription.SeatsAdded, subscription.SeatsRemoved, subscription.QuantityChanged, subscription.PlanChanged:
		return m.before.PausedAt != nil
	}
	return false
}

// cuts is where the part of a period ends that a change ends: with the period at the latest.
func (m *instant) cuts(before time.Time) time.Time {
	switch f := &m.before; {
	case f.Later || m.At.Before(f.Period.Start):
		return before
	case m.At.After(f.Period.End):
		return f.Period.End
	}
	return m.At
}

// books reads the account: which lines ran, and what was taken back of them.
func (x *explainer) books(l *life, id uuid.UUID) error {
	for e, err := range x.src.Stream(account.ID(id)) {
		if err != nil {
			return err
		}
		switch d := e.Event.(type) {
		case account.Accrued:
			for _, r := range d.Debits {
				l.prices[r.LineID] = r.PriceKey
			}
			for _, c := range d.Credited {
				l.takes = append(l.takes, take{c.LineID, c.Units, e.Position})
			}
			for _, p := range d.Pending {
				if p.Reverses != nil {
					l.credits = append(l.credits, credited{p, e.Position})
				}
			}
		case account.Invoiced:
			for _, r := range d.Lines {
				l.prices[r.LineID], l.holders[r.LineID] = r.PriceKey, d.InvoiceID
			}
		}
	}
	return nil
}

// at is the event at a position; nil: the subscription has none there.
func (l *life) at(position int64) *instant {
	for _, m := range l.instants {
		if m.Position == position {
			return m
		}
	}
	return nil
}

// ended is the event with which a part of a period ended at a plan; nil: there was no such part.
func (l *life) ended(of *invoice.Line) *instant {
	for _, m := range slices.Backward(l.instants) { // what came before it in the same moment ended nothing
		if t := &m.before.Terms; t.PlanID == of.PlanID && t.PlanVersion == of.PlanVersion && same(m.partOver(), of.Period) {
			return m
		}
	}
	return nil
}

// movedBetween is by how much pauses moved what ran, between two events.
func (l *life) movedBetween(after, before int64) (by time.Duration, events []int64) {
	for _, m := range l.instants {
		if m.by > 0 && m.Position > after && m.Position < before {
			by, events = by+m.by, append(events, m.Position)
		}
	}
	return by, events
}

// own is a line's time as it was between two events: until its period ended elsewhere on another calendar, it was that of
// the line.
func (l *life) own(of *invoice.Line, after, before int64) (p period.Period, events []int64) {
	p = of.Period
	var moved time.Duration // by pauses since it was made
	for _, m := range l.instants {
		if m.Position <= after || m.Position >= before {
			continue
		}
		moved += m.by
		if _, ok := m.Event.(subscription.Rezoned); ok && p.End.Add(moved).Equal(m.before.Period.End) {
			p.End, events = m.after.Period.End.Add(-moved), append(events, m.Position)
		}
	}
	return p, events
}

// anchored is the whole period that a price is for, the one from the anchor that holds the period under way. A pause that
// extends the period moves the anchor and makes no period longer that is paid for: it is the one from before. Of a period
// that moved to another calendar it is given.
func anchored(f *subscription.Facts, moved time.Duration, rezoned *period.Period) period.Period {
	if rezoned != nil {
		return *rezoned
	}
	every := period.Interval{Unit: period.Unit(f.Terms.Interval), Count: f.Terms.Length}
	if every.Check() != nil { // before it began
		return period.Period{}
	}
	_, p := period.Schedule{Anchor: f.AnchorAt.Add(-moved), Zone: zoneOf(f), Interval: every}.At(f.Period.Start)
	return p
}

func zoneOf(f *subscription.Facts) *time.Location {
	zone, _ := period.Zone(f.TimeZone) // an unknown name was never recorded
	return zone
}

// priced is a plan's versions.
type priced struct {
	*catalog.Plan
	since map[int]int64 // position of the event that made a version
}

func (x *explainer) plan(id uuid.UUID) (*priced, error) {
	if p := x.plans[id]; p != nil {
		return p, nil
	}
	p := &priced{&catalog.Plan{}, map[int]int64{}}
	x.plans[id] = p
	for e, err := range x.src.Stream(id) {
		if err != nil {
			return nil, err
		}
		domain.Evolve(p.Plan, e.Event, id, 1, e.At, e.At)
		if p.since[p.PlanVersion] == 0 {
			p.since[p.PlanVersion] = e.Position
		}
	}
	return p, nil
}

// price is one of a version by its key and currency.
func (p *priced) price(version int, key, currency string) *catalog.Price {
	prices, _ := p.Prices(version)
	for i := range prices {
		if prices[i].Key == key && prices[i].Currency == currency {
			return &prices[i]
		}
	}
	return nil
}
