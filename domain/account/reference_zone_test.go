package account_test

import "time"

// move takes a customer to another zone, and the subscriptions along that were in the one left.
func (w *world) move(customer int, zone string) {
	c := w.customers[customer]
	left := c.zone
	c.zone = zone
	for _, s := range w.subs {
		if s.customer == customer && s.zone.String() == left && left != zone && !s.ended {
			if w.pass(s); !s.ended {
				w.rezone(s, zone)
				w.pass(s)
			}
		}
	}
}

// rezone has what clocks show at the boundaries stay as it is, in another zone, and the period under way end there.
func (w *world) rezone(s *sub, zone string) {
	p := w.plans[s.plan]
	was, to := s.anchor, s.period.to
	left := s.zone
	s.zone, _ = time.LoadLocation(zone)
	trial := !s.trial.IsZero() && s.period.from.Before(s.trial)
	if trial && s.anchor.Equal(s.trial) {
		return
	}
	s.anchor = instant(clock(s.anchor, left), s.zone)
	if trial {
		return
	}
	all := s.whole
	if all.empty() {
		all = holding(was.Add(-s.shifted), p.unit, p.length, left, s.period.from)
	}
	n := 0
	for boundary(was, p.unit, p.length, n, left).Before(to) {
		n++
	}
	for boundary(was, p.unit, p.length, n, left).After(to) {
		n--
	}
	end := boundary(s.anchor, p.unit, p.length, n, s.zone)
	if !boundary(was, p.unit, p.length, n, left).Equal(to) { // a pause put it there
		end = instant(clock(to, left), s.zone)
	}
	if !end.After(s.period.from) {
		end = holding(s.anchor, p.unit, p.length, s.zone, s.period.from).to
	}
	used := w.now // until when time has run
	if !s.pausedAt.IsZero() {
		used = s.pausedAt
	}
	if !s.period.from.After(used) && end.Before(used) && !to.Before(used) {
		end = used
	}
	s.period.to = end
	s.whole = span{all.from, end.Add(-s.shifted)}
	if s.cancelAt.Equal(to) {
		s.cancelAt = end
	}
	for _, l := range s.lines {
		if l.end.Equal(to) && l.paidFor {
			l.end, l.own.to = end, end.Add(-l.moved)
		}
	}
	for _, d := range s.discounts {
		if d.until.Equal(to) {
			d.until = end
		}
	}
}
