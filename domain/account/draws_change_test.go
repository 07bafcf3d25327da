package account_test

import (
	"time"

	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain/subscription"
)

func (w *walk) proration(t *rapid.T) string {
	return pick(t, "proration", "", "create_prorations", "always_invoice", "none")
}

// effective is an instant from which something may count: since the last event of a subscription, or its period's end
// where it may be for that (when); nil as a rule.
func (w *walk) effective(t *rapid.T, i int, when *string) *time.Time {
	if rapid.Bool().Draw(t, "at once") {
		return nil
	}
	s := w.l.State(w.subs[i]).(*subscription.State)
	now, from := w.l.Now(), s.Effective
	for _, at := range []time.Time{s.Period.Start, s.StartAt} {
		if at.After(from) {
			from = at
		}
	}
	if from.After(now) || s.EndedAt != nil {
		return nil
	}
	at := from.Add(time.Duration(rapid.Int64Range(0, int64(now.Sub(from)/time.Minute)).Draw(t, "minutes")) * time.Minute)
	switch end := s.Period.End; upTo(t, "effective", 3) {
	case 0:
		at = from
	case 1:
		if !end.Before(from) && !end.After(now) {
			at = end
		} else if v := s.View(now); when != nil && v.CurrentPeriod != nil && v.Status != "PAUSED" {
			at = v.CurrentPeriod.End
		}
	}
	if when != nil {
		*when = ""
		if at.After(now) {
			*when = pick(t, "when too", "", "periodEnd")
		}
	}
	return &at
}

func (w *walk) quantity(t *rapid.T) {
	i, id := w.sub(t, w.living())
	f := fact{what: "change", sub: i, plan: -1, quantity: rapid.IntRange(1, 8).Draw(t, "quantity"), proration: w.proration(t), when: pick(t, "when", "", "now", "periodEnd")}
	f.effective = w.effective(t, i, &f.when)
	w.do(t, subscription.SetQuantity{ID: id, Quantity: f.quantity, Proration: f.proration, When: f.when, EffectiveAt: f.effective}, f)
}

func (w *walk) seats(t *rapid.T) {
	i, id := w.sub(t, w.seated())
	s := w.l.State(id).(*subscription.State)
	n := rapid.IntRange(1, 4).Draw(t, "seats")
	f := fact{what: "change", sub: i, plan: -1, quantity: s.Quantity + n, proration: w.proration(t), when: pick(t, "when", "", "periodEnd")}
	f.effective = w.effective(t, i, &f.when)
	if s.Quantity >= n && rapid.Bool().Draw(t, "fewer") {
		f.quantity = s.Quantity - n
		w.do(t, subscription.RemoveSeats{ID: id, Count: n, Proration: f.proration, When: f.when, EffectiveAt: f.effective}, f)
		return
	}
	w.do(t, subscription.AddSeats{ID: id, Count: n, Proration: f.proration, When: f.when, EffectiveAt: f.effective}, f)
}

func (w *walk) plan(t *rapid.T) {
	i, id := w.sub(t, w.living())
	f := fact{what: "change", sub: i, plan: upTo(t, "plan", len(w.plans)-1), quantity: -1, proration: w.proration(t), when: pick(t, "when", "", "now", "periodEnd")}
	f.effective = w.effective(t, i, &f.when)
	c := subscription.ChangePlan{ID: id, PlanID: w.plans[f.plan], Proration: f.proration, When: f.when, EffectiveAt: f.effective}
	if rarely(t, "with a quantity", 3) {
		f.quantity = rapid.IntRange(1, 8).Draw(t, "quantity")
		c.Quantity = &f.quantity
	}
	w.do(t, c, f)
}

func (w *walk) drop(t *rapid.T) {
	i, id := w.sub(t, w.living())
	w.do(t, subscription.DropScheduled{ID: id}, fact{what: "drop", sub: i})
}

func (w *walk) pause(t *rapid.T) {
	i, id := w.sub(t, w.begun())
	credit := pick(t, "credit", "prorate", "extend", "none")
	at := w.effective(t, i, nil)
	w.do(t, subscription.Pause{ID: id, Credit: credit, EffectiveAt: at}, fact{what: "pause", sub: i, credit: credit, effective: at})
}

func (w *walk) resume(t *rapid.T) {
	i, id := w.sub(t, w.living())
	at := w.effective(t, i, nil)
	w.do(t, subscription.Resume{ID: id, EffectiveAt: at}, fact{what: "resume", sub: i, effective: at})
}

func (w *walk) cancel(t *rapid.T) {
	i, id := w.sub(t, w.living())
	f := fact{what: "cancel", sub: i, yes: rarely(t, "at once", 2), credit: pick(t, "credit", "prorate", "none")}
	if f.effective = w.effective(t, i, &f.when); f.effective != nil {
		f.yes = true
	}
	w.do(t, subscription.Cancel{ID: id, Now: f.yes, Credit: f.credit, EffectiveAt: f.effective}, f)
}

func (w *walk) reactivate(t *rapid.T) {
	i, id := w.sub(t, w.living())
	w.do(t, subscription.Reactivate{ID: id}, fact{what: "reactivate", sub: i})
}

func (w *walk) coupon(t *rapid.T) {
	i, id := w.sub(t, w.living())
	f := fact{what: "coupon", sub: i, coupon: upTo(t, "coupon", len(w.coupons)-1)}
	if rarely(t, "off", 3) {
		f.what = "uncoupon"
		w.do(t, subscription.RemoveCoupon{ID: id, CouponID: &w.coupons[f.coupon]}, f)
		return
	}
	w.do(t, subscription.ApplyCoupon{ID: id, CouponID: w.coupons[f.coupon]}, f)
}
