package account_test

import (
	"slices"
	"time"
)

// pass does what time alone brings, up to now.
func (w *world) pass(s *sub) {
	for !s.ended {
		at, what := s.next()
		if what == "" || at.After(w.now) {
			return
		}
		switch what {
		case "end":
			w.end(s, at, "none")
		case "trial":
			s.tried = true
		case "begin":
			s.later = false
			w.newPeriod(s, at, "period")
		case "change":
			f := s.scheduled
			s.scheduled = nil
			w.change(s, at, f.plan, f.version, f.quantity, "none")
		case "renew":
			w.cut(s, at, at)
			s.period, s.shifted, s.whole = w.rest(s, at), 0, span{}
			w.newPeriod(s, at, "period")
		}
	}
}

// next is what comes first; of two at the same instant, that which leaves less for the other to do.
func (s *sub) next() (at time.Time, what string) {
	take := func(t time.Time, name string) {
		if what == "" || t.Before(at) {
			at, what = t, name
		}
	}
	if s.later && s.pausedAt.IsZero() {
		take(s.start, "begin")
	}
	if !s.cancelAt.IsZero() {
		take(s.cancelAt, "end")
	}
	if s.trialing() {
		take(s.trial, "trial")
	}
	if s.pausedAt.IsZero() {
		if s.scheduled != nil {
			take(s.period.to, "change")
		}
		take(s.period.to, "renew")
	}
	return at, what
}

// command is one that somebody gave a subscription that has not ended.
func (w *world) command(s *sub, f *fact, ends bool) {
	paused := !s.pausedAt.IsZero()
	switch f.what {
	case "change":
		if paused {
			return
		}
		to, quantity := f.plan, f.quantity
		if to == s.plan && w.newest(to) == s.version {
			to = -1
		}
		if to >= 0 && quantity < 0 {
			switch was := w.plans[s.plan].perSeat; {
			case was && w.plans[to].perSeat:
				quantity = s.quantity
			case was || w.plans[to].perSeat:
				quantity = 1
			default:
				quantity = s.quantity
			}
		}
		if to < 0 && (quantity < 0 || quantity == s.quantity) || to >= 0 && !w.plans[to].perSeat && w.plans[s.plan].perSeat && s.quantity > 1 && f.quantity < 0 {
			return
		}
		if ends {
			if !s.later {
				s.scheduled = &scheduled{to, w.newest(to), quantity}
			}
			return
		}
		s.scheduled = nil
		w.change(s, w.now, to, w.newest(to), quantity, f.proration)
	case "drop":
		s.scheduled = nil
	case "pause":
		if !paused {
			s.pausedAt, s.pause = w.now, f.credit
		}
	case "resume":
		if paused {
			w.resume(s, w.now)
		}
	case "cancel":
		switch {
		case !ends && (f.yes || f.effective != nil) || w.now.Before(s.start) || !w.now.Before(s.period.to):
			w.end(s, w.now, f.credit)
		case s.cancelAt.IsZero():
			s.cancelAt = s.period.to
		}
	case "reactivate":
		s.cancelAt = time.Time{}
	case "coupon":
		if slices.ContainsFunc(s.coupons, func(a applied) bool { return a.coupon == f.coupon }) {
			return
		}
		s.coupons = append(s.coupons, applied{f.coupon, w.now})
	case "uncoupon":
		s.coupons = slices.DeleteFunc(s.coupons, func(a applied) bool { return a.coupon == f.coupon })
	}
}

// newest is the version of a plan that is sold now.
func (w *world) newest(plan int) int {
	if plan < 0 {
		return 0
	}
	return w.versions[plan]
}

// change is another plan (-1: the same one) or quantity from an instant on.
func (w *world) change(s *sub, at time.Time, to, version, quantity int, proration string) {
	before := s.quantity
	if !s.later {
		w.cut(s, at, at)
	}
	s.quantity = quantity
	moves := false
	if to >= 0 {
		old, p := w.plans[s.plan], w.plans[to]
		s.plan, s.version, s.prices = to, version, p.versions[version]
		if old.unit != p.unit || old.length != p.length {
			s.whole = span{}
		}
		if (old.unit != p.unit || old.length != p.length) && !s.trialing() {
			switch {
			case s.later:
				s.period = w.rest(s, s.start)
			case proration == "none":
				s.anchor = s.period.to // what is paid is served out
			default:
				was := s.period
				s.anchor = at
				s.period, s.shifted = w.rest(s, at), 0
				moves = s.period != was // a week may be seven days
			}
			if !s.cancelAt.IsZero() {
				s.cancelAt = s.period.to
			}
		}
	}
	switch {
	case s.later || proration == "none":
	case to < 0:
		for i := range s.sold() {
			if p := &s.prices[i]; !p.arrears && p.kind != "flat" {
				w.requantify(s, p, at, before)
			}
		}
		if proration == "always_invoice" {
			w.invoice(s, at, "proration", false, nil)
		}
	default:
		w.takeBack(s, "", at, time.Time{})
		if moves {
			w.newPeriod(s, at, "proration")
			return
		}
		for i := range s.sold() {
			if p := &s.prices[i]; !p.arrears {
				w.debit(s, p, at)
			}
		}
		if proration == "always_invoice" {
			w.invoice(s, at, "proration", false, nil)
		}
	}
}

func (w *world) resume(s *sub, at time.Time) {
	paused, how := s.pausedAt, s.pause
	s.pausedAt = time.Time{}
	if how == "extend" && !s.trial.IsZero() && s.period.from.Before(s.trial) {
		how = "none" // a trial runs on
	}
	switch by := at.Sub(paused); how {
	case "prorate":
		w.cut(s, paused, at)
		w.takeBack(s, "", paused, at)
	case "extend":
		w.cut(s, paused, at)
		for _, l := range s.lines {
			if l.runs(paused) {
				l.moved, l.end = l.moved+by, l.end.Add(by)
			}
		}
		s.period.to, s.anchor, s.shifted = s.period.to.Add(by), s.anchor.Add(by), s.shifted+by
		if !s.cancelAt.IsZero() {
			s.cancelAt = s.period.to
		}
	}
	if at.Before(s.period.to) {
		return
	}
	w.cut(s, s.period.to, at)
	if f := s.scheduled; f != nil {
		s.scheduled, s.quantity = nil, f.quantity
		if f.plan >= 0 {
			old, p := w.plans[s.plan], w.plans[f.plan]
			if s.plan, s.version, s.prices = f.plan, f.version, p.versions[f.version]; old.unit != p.unit || old.length != p.length {
				s.anchor = s.period.to
			}
		}
	}
	s.period, s.shifted, s.whole = w.rest(s, at), 0, span{}
	w.newPeriod(s, at, "period")
}

func (w *world) end(s *sub, at time.Time, credit string) {
	paused := s.pausedAt
	s.ended, s.endedAt, s.scheduled = true, at, nil
	if s.later {
		return
	}
	switch {
	case paused.IsZero() || s.pause == "none":
		w.cut(s, at, at)
		if credit == "prorate" {
			w.takeBack(s, "", at, time.Time{})
		}
	case credit == "prorate": // nothing was used since the pause began
		w.cut(s, paused, at)
		w.takeBack(s, "", paused, time.Time{})
	default:
		w.cut(s, paused, at)
		w.takeBack(s, "", paused, at)
	}
	w.invoice(s, at, "cancel", true, nil)
}
