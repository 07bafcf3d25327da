package model

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// wish is a change of seats, of the quantity or of the plan.
type wish struct {
	seats    int // more, or fewer below zero
	quantity *int
	plan     *int
	noCredit bool // proration none
}

// job is a task: a wish that waits for the provider.
type job struct {
	id      uuid.UUID
	sub     int
	wish    wish
	open    bool // the subscription keeps room for it
	leaving int  // seats that it removes
	status  string
	retries int
	code    string
	version int64
}

func (j *job) done() bool { return j.status == "success" || j.status == "failed" }

// want asks for a change: it happens at once, or becomes a task of the given id.
func (r *reference) want(i int, task uuid.UUID, w wish) string {
	manual := r.subs[i].manual
	wanted, leaving := false, 0
	code := r.happen(i, func(p *purchase) (string, int64) {
		waiting := p.clone()
		code, events := r.perform(p, i, w, nil)
		if wanted = code == "" && events > 0; wanted && manual {
			leaving = max(len(waiting.live())-len(p.live()), 0)
			*p = *waiting
			return "", 1
		}
		return code, events
	})
	if wanted && manual {
		r.tasks = append(r.tasks, &job{id: task, sub: i, wish: w, open: true, leaving: leaving, status: "pending", version: 1})
	}
	return code
}

func (r *reference) setQuantity(i int, task uuid.UUID, quantity int, noCredit bool) string {
	if quantity < 0 {
		return "amount_out_of_range"
	}
	p := r.subs[i]
	if !p.terms.perSeat {
		return r.want(i, task, wish{quantity: &quantity, noCredit: noCredit})
	}
	return r.want(i, task, wish{seats: quantity - r.coming(i), noCredit: noCredit})
}

// coming is the number of seats with those of open tasks counted as done.
func (r *reference) coming(i int) int {
	n := len(r.subs[i].live())
	for _, j := range r.tasks {
		if j.open && j.sub == i {
			n += j.wish.seats
		}
	}
	return n
}

// leaving is the number of unassigned seats that open tasks are about to remove.
func (r *reference) leaving(i int) int {
	n := 0
	for _, j := range r.tasks {
		if j.open && j.sub == i {
			n += j.leaving
		}
	}
	return n
}

func (r *reference) changePlan(i int, task uuid.UUID, to int, quantity *int, noCredit bool) string {
	if quantity != nil && *quantity < 0 {
		return "amount_out_of_range"
	}
	if p := r.subs[i]; p.terms.plan == to && p.terms.edition == r.plans[to].edition {
		switch {
		case quantity != nil:
			return r.setQuantity(i, task, *quantity, noCredit)
		case p.terms.perSeat:
			return r.setQuantity(i, task, r.coming(i), noCredit)
		}
		return r.setQuantity(i, task, p.quantity, noCredit)
	}
	return r.want(i, task, wish{plan: &to, quantity: quantity, noCredit: noCredit})
}

// perform makes a wish come true, own being the task that it was.
func (r *reference) perform(p *purchase, i int, w wish, own *job) (code string, events int64) {
	if code := p.changeable(); code != "" {
		return code, 0
	}
	rising, falling, others := 0, 0, 0
	for _, j := range r.tasks {
		if !j.open || j.sub != i || j == own {
			continue
		}
		if others++; j.wish.seats == 0 {
			return "change_in_progress", 0 // it is open alone
		}
		rising, falling = rising+max(j.wish.seats, 0), falling+max(-j.wish.seats, 0)
	}
	if others > 0 && (w.plan != nil || w.quantity != nil) {
		return "change_in_progress", 0
	}
	have := len(p.live())
	switch {
	case w.plan != nil:
		return r.movePlan(p, w)
	case w.quantity != nil:
		if code := p.terms.limits(*w.quantity); code != "" {
			return code, 0
		}
		if p.terms.perSeat {
			return "per_seat", 0
		}
		if p.quantity == *w.quantity {
			return "", 0
		}
		p.quantity = *w.quantity
		return "", 1
	case !p.terms.perSeat:
		return "not_per_seat", 0
	case w.seats > 0:
		if p.terms.most >= 0 && have+rising+w.seats > p.terms.most {
			return "seat_maximum", 0
		}
		p.add(w.seats, r.now)
	case w.seats < 0:
		if have-falling+w.seats < p.terms.least {
			return "seat_minimum", 0
		}
		if p.free()-falling+w.seats < 0 {
			return "not_enough_unassigned", 0
		}
		p.drop(-w.seats, r.now)
	default:
		return "", 0
	}
	p.quantity = len(p.live())
	return "", 1
}

// switchable holds an answer against what changing to each of the plans would do now.
func (r *reference) switchable(i int, of []uuid.UUID, answer []byte) string {
	var got []uuid.UUID
	if err := json.Unmarshal(answer, &got); err != nil {
		return "answered " + string(answer)
	}
	for n, id := range of {
		p := r.subs[i].clone()
		p.settle(r.now)
		code, _ := r.perform(p, i, wish{plan: &n}, nil)
		if offered := code == "" && r.subs[i].terms.plan != n; offered != slices.Contains(got, id) {
			return fmt.Sprintf("offered plan %d: %t, and a change is %q", n, !offered, code)
		}
	}
	return ""
}

// movePlan is rule S4.
func (r *reference) movePlan(p *purchase, w wish) (code string, events int64) {
	t, code := r.sold(*w.plan)
	if code != "" {
		return code, 0
	}
	if r.plans[*w.plan].product != r.plans[p.terms.plan].product {
		return "other_product", 0
	}
	if r.plans[*w.plan].announced {
		return "plan_coming_soon", 0
	}
	if w.quantity != nil {
		if code := t.limits(*w.quantity); code != "" {
			return code, 0
		}
	}
	have, quantity, seats := len(p.live()), 0, 1
	switch {
	case !t.perSeat && have > 1 && w.quantity == nil:
		return "seat_maximum", 0
	case !t.perSeat && w.quantity != nil:
		quantity = *w.quantity
	case !t.perSeat && p.terms.perSeat:
		quantity = 1
	case !t.perSeat:
		quantity = p.quantity
	case w.quantity != nil:
		quantity, seats = *w.quantity, *w.quantity
	case t.most >= 0 && have > t.most:
		return "seat_maximum", 0
	default:
		quantity, seats = max(have, t.least), max(have, t.least)
	}
	events = 1
	switch {
	case seats > have:
		p.add(seats-have, r.now)
	case seats < have && p.free() < have-seats:
		return "not_enough_unassigned", 0
	case seats < have:
		p.drop(have-seats, r.now)
		events++
	}
	end := p.period.to
	if (t.unit != p.terms.unit || t.length != p.terms.length) && p.status != "TRIALING" {
		switch {
		case r.now.Before(p.start):
			p.period = restFrom(p.anchor, t.unit, t.length, p.start)
		case w.noCredit:
			p.anchor = p.period.to // what is paid is served out
		default:
			p.anchor = r.now
			p.period = restFrom(r.now, t.unit, t.length, r.now)
		}
	}
	p.terms, p.quantity = t, quantity
	if p.cancelAt != nil && !p.period.to.Equal(end) {
		at := p.period.to
		p.cancelAt = &at // it still ends with its period
		events++
	}
	return "", events
}

// complete is the provider's consent to an attempt: the change is looked at again.
func (r *reference) complete(n, attempt int) string {
	j := r.tasks[n]
	if attempt < 1 {
		return "bad_attempt"
	}
	if j.done() || attempt <= j.retries {
		return ""
	}
	p := r.subs[j.sub].clone()
	due := p.settle(r.now)
	code, events := r.perform(p, j.sub, j.wish, j)
	j.version++
	j.open = false
	if j.code = code; code != "" {
		j.status = "failed"
		r.subs[j.sub].version++ // the room is given back
		return ""
	}
	j.status = "success"
	p.version += due + max(events, 1)
	r.subs[j.sub] = p
	return ""
}

func (r *reference) fail(n, attempt int, code string) string {
	j := r.tasks[n]
	if attempt < 1 {
		return "bad_attempt"
	}
	if j.done() || attempt <= j.retries {
		return ""
	}
	j.status, j.code, j.open = "failed", code, false
	j.version++
	r.subs[j.sub].version++
	return ""
}

func (r *reference) retry(n, attempt int, code string) string {
	j := r.tasks[n]
	if attempt < 1 {
		return "bad_attempt"
	}
	if j.done() || attempt <= j.retries {
		return ""
	}
	j.status, j.code, j.retries = "retrying", code, attempt
	j.version++
	return ""
}

func (r *reference) awaitAction(n, attempt int, code string) string {
	j := r.tasks[n]
	if attempt < 1 {
		return "bad_attempt"
	}
	if j.done() || attempt <= j.retries || j.status == "incomplete" && j.code == code {
		return ""
	}
	j.status, j.code = "incomplete", code
	j.version++
	return ""
}
