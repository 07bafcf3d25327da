package model

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/settings"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/domain/usage"
)

// draws are the kinds of steps: each draws one of its commands.
func (w *walk) draws() map[string]func(*rapid.T) step {
	return map[string]func(*rapid.T) step{
		"start":   func(t *rapid.T) step { return w.begin(t, true) },
		"seats":   w.seats,
		"plan":    w.plan,
		"manage":  w.manage,
		"ends":    w.ends,
		"life":    w.life,
		"task":    w.task,
		"assign":  w.assign,
		"licence": w.licence,
		"usage":   w.usage,
		"catalog": w.catalog,
		"coupon":  w.coupon,
		"keys":    w.apiKeys,
		"clock":   w.clock,
		"due":     w.due,
	}
}

// pick draws one of n. That there is one is for the step to see to: a step that gave up would end its walk early.
func pick(t *rapid.T, n int, what string) int { return rapid.IntRange(0, n-1).Draw(t, what) }

func maybe[T any](t *rapid.T, g *rapid.Generator[T], what string) *T {
	if !rapid.Bool().Draw(t, what+" given") {
		return nil
	}
	v := g.Draw(t, what)
	return &v
}

var grantees = rapid.SampledFrom([]string{"", "ann", "bob", "cy"})

func orNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// around is an instant within some days of now.
func (w *walk) around(t *rapid.T, before, after int, what string) time.Time {
	hours := rapid.IntRange(-24*before, 24*after).Draw(t, what)
	return w.r.now.Add(time.Duration(hours) * time.Hour)
}

func (w *walk) begin(t *rapid.T, odd bool) step {
	b := beginning{owner: "owner", plan: rapid.IntRange(0, len(w.r.plans)-1).Draw(t, "plan"), grantee: grantees.Draw(t, "grantee"), manual: rapid.Bool().Draw(t, "manual")}
	if !odd {
		b.plan, b.grantee = 0, ""
	} else {
		b.quantity = maybe(t, rapid.IntRange(-1, 9), "quantity")
		if b.incomplete = rapid.IntRange(0, 4).Draw(t, "incomplete") == 0; b.incomplete {
			b.owner = fmt.Sprint("owner ", len(w.r.subs)) // whom no balance pays for: there is something to be paid
		}
		now := w.r.now
		if rapid.IntRange(0, 2).Draw(t, "times") == 0 {
			at := w.around(t, 70, 40, "start")
			b.start, now = &at, at
		}
		if rapid.IntRange(0, 2).Draw(t, "anchored") == 0 {
			at := w.around(t, 70, 70, "anchor")
			b.anchor = &at
		}
		if rapid.IntRange(0, 2).Draw(t, "trial") == 0 {
			at := now.Add(time.Duration(rapid.IntRange(-1, 30).Draw(t, "trial days")) * 24 * time.Hour)
			b.trialEnd = &at
		}
		if !b.incomplete && len(w.r.coupons) > 0 && rapid.IntRange(0, 3).Draw(t, "coupon given") == 0 {
			b.coupon = new(pick(t, len(w.r.coupons), "coupon"))
		}
	}
	if odd && rapid.IntRange(0, 2).Draw(t, "first period") == 0 {
		b.status = rapid.SampledFrom([]string{"", subscription.Active, subscription.Trialing}).Draw(t, "status")
		b.endsThen = rapid.Bool().Draw(t, "ends then")
		if rapid.Bool().Draw(t, "expiry given") {
			at := w.around(t, 2, 70, "expiry")
			b.expiry = &at
		}
	}
	provider := subscription.NoProvider
	if b.manual {
		provider = subscription.ManualProvider
	}
	c := subscription.Start{PlanID: w.r.plans[b.plan].id, Quantity: b.quantity, StartAt: b.start, AnchorAt: b.anchor, TrialEnd: b.trialEnd,
		Provider: provider, Owner: b.owner, Grantee: orNil(b.grantee), Incomplete: b.incomplete,
		ExpiryDate: b.expiry, Status: b.status, CancelAtPeriodEnd: b.endsThen}
	if b.coupon != nil {
		c.CouponID = &w.r.coupons[*b.coupon].id
	}
	return step{command: c, expect: func(r *reference, answer []byte) string { return r.begin(idIn(answer, "id"), b) }}
}

// sub draws a subscription, its place in the reference first.
func (w *walk) sub(t *rapid.T) (int, uuid.UUID) {
	i := pick(t, len(w.r.subs), "subscription")
	return i, w.r.subs[i].id
}

func (w *walk) seats(t *rapid.T) step {
	i, id := w.sub(t)
	n := rapid.IntRange(1, 3).Draw(t, "count")
	switch rapid.IntRange(0, 2).Draw(t, "seats") {
	case 0:
		return step{command: subscription.AddSeats{ID: id, Count: n}, expect: func(r *reference, answer []byte) string {
			return r.want(i, idIn(answer, "task_id"), wish{seats: n})
		}}
	case 1:
		return step{command: subscription.RemoveSeats{ID: id, Count: n}, expect: func(r *reference, answer []byte) string {
			return r.want(i, idIn(answer, "task_id"), wish{seats: -n})
		}}
	}
	n = rapid.IntRange(-1, 9).Draw(t, "quantity")
	return step{command: subscription.SetQuantity{ID: id, Quantity: n}, expect: func(r *reference, answer []byte) string {
		return r.setQuantity(i, idIn(answer, "task_id"), n, false)
	}}
}

func (w *walk) manage(t *rapid.T) step {
	i, id := w.sub(t)
	var all []seating
	var items []subscription.SeatAction
	people := rapid.SampledFrom([]string{"ann", "bob", "cy"})
	for range rapid.IntRange(1, 4).Draw(t, "items") {
		s := seating{what: rapid.SampledFrom([]string{subscription.AssignSeat, subscription.UnassignSeat, subscription.ReplaceSeat}).Draw(t, "action"),
			grantee: people.Draw(t, "grantee"), to: people.Draw(t, "to")}
		all, items = append(all, s), append(items, subscription.SeatAction{Type: s.what, Grantee: s.grantee, NewGrantee: s.to})
	}
	return step{command: subscription.ManageSeats{ID: id, Items: items}, expect: func(r *reference, _ []byte) string { return r.manageSeats(i, all) }}
}

func (w *walk) plan(t *rapid.T) step {
	i, id := w.sub(t)
	if rapid.IntRange(0, 3).Draw(t, "ask") == 0 {
		ids := make([]uuid.UUID, len(w.r.plans))
		for n, p := range w.r.plans {
			ids[n] = p.id
		}
		return step{command: subscription.Switchable{ID: id, PlanIDs: ids}, expect: func(r *reference, answer []byte) string { return r.switchable(i, ids, answer) }}
	}
	to, quantity, noCredit := pick(t, len(w.r.plans), "plan"), maybe(t, rapid.IntRange(-1, 9), "quantity"), rapid.Bool().Draw(t, "none")
	c := subscription.ChangePlan{ID: id, PlanID: w.r.plans[to].id, Quantity: quantity}
	if noCredit {
		c.Proration = subscription.NoProration
	}
	return step{command: c, expect: func(r *reference, answer []byte) string {
		return r.changePlan(i, idIn(answer, "task_id"), to, quantity, noCredit)
	}}
}

func (w *walk) ends(t *rapid.T) step {
	i, id := w.sub(t)
	if rapid.IntRange(0, 2).Draw(t, "reactivate") == 0 {
		return step{command: subscription.Reactivate{ID: id}, expect: func(r *reference, _ []byte) string { return r.reactivate(i) }}
	}
	now := rapid.IntRange(0, 4).Draw(t, "now") == 0
	return step{command: subscription.Cancel{ID: id, Now: now}, expect: func(r *reference, _ []byte) string { return r.cancel(i, now) }}
}

func (w *walk) life(t *rapid.T) step {
	i, id := w.sub(t)
	owner := rapid.SampledFrom([]string{"owner", "other"}).Draw(t, "owner")
	return rapid.SampledFrom([]step{
		{command: subscription.Pause{ID: id}, expect: func(r *reference, _ []byte) string { return r.pause(i) }},
		{command: subscription.Resume{ID: id}, expect: func(r *reference, _ []byte) string { return r.resume(i) }},
		{command: subscription.Activate{ID: id}, expect: func(r *reference, _ []byte) string { return r.activate(i) }},
		{command: subscription.ChangeOwner{ID: id, Owner: owner}, expect: func(r *reference, _ []byte) string { return r.changeOwner(i, owner) }},
	}).Draw(t, "life")
}

// task is the provider's answer to an attempt: yes, no, a timeout, or that the payer has to act; or how it
// answers from now on.
func (w *walk) task(t *rapid.T) step {
	if len(w.r.tasks) == 0 || rapid.IntRange(0, 7).Draw(t, "configure") == 0 {
		outcome := rapid.SampledFrom([]string{task.Succeeds, task.Fails}).Draw(t, "outcome")
		return step{command: task.ConfigureManual{Outcome: outcome}, expect: func(r *reference, _ []byte) string { return r.configure(outcome) }}
	}
	// The newest one, as a rule: the others are done.
	n := len(w.r.tasks) - 1 - min(rapid.IntRange(0, 4).Draw(t, "task"), len(w.r.tasks)-1)
	id, attempt := w.r.tasks[n].id, rapid.IntRange(0, 3).Draw(t, "attempt")
	switch rapid.IntRange(0, 4).Draw(t, "report") {
	case 0:
		return step{command: subscription.FailTask{TaskID: id, Attempt: attempt, Code: "declined"}, expect: func(r *reference, _ []byte) string { return r.fail(n, attempt, "declined") }}
	case 1:
		return step{command: subscription.RetryTask{TaskID: id, Attempt: attempt, Code: "timeout", NextAt: w.r.now.Add(time.Minute)},
			expect: func(r *reference, _ []byte) string { return r.retry(n, attempt, "timeout") }}
	case 2:
		return step{command: subscription.AwaitAction{TaskID: id, Attempt: attempt, Code: "action"}, expect: func(r *reference, _ []byte) string { return r.awaitAction(n, attempt, "action") }}
	}
	return step{command: subscription.CompleteTask{TaskID: id, Attempt: attempt}, expect: func(r *reference, _ []byte) string { return r.complete(n, attempt) }}
}

// anyLicence draws an ad hoc licence or a seat, removed ones too.
func (w *walk) anyLicence(t *rapid.T) (licence, license.Ref) {
	if len(w.r.grants) > 0 && rapid.IntRange(0, 2).Draw(t, "ad hoc") == 0 {
		i := pick(t, len(w.r.grants), "licence")
		return licence{-1, i}, license.Ref{LicenseID: w.r.grants[i].id}
	}
	var seated []int // others never had a seat
	for i, p := range w.r.subs {
		if len(p.seats) > 0 {
			seated = append(seated, i)
		}
	}
	i := seated[pick(t, len(seated), "subscription")]
	id := w.r.subs[i].id
	l := licence{i, pick(t, len(w.r.subs[i].seats), "seat")}
	return l, license.Ref{LicenseID: w.r.idOf(t, w.k, l), SubscriptionID: &id}
}

func (w *walk) assign(t *rapid.T) step {
	var all []licence
	var to []string
	var items []license.Assign
	for range rapid.IntRange(1, 3).Draw(t, "items") {
		l, ref := w.anyLicence(t)
		grantee := grantees.Draw(t, "grantee")
		all, to, items = append(all, l), append(to, grantee), append(items, license.Assign{Ref: ref, Grantee: orNil(grantee)})
	}
	if len(items) == 1 {
		return step{command: items[0], expect: func(r *reference, _ []byte) string { return r.assign(all, to)[0] }}
	}
	return step{command: license.AssignMany{Items: items}, expect: func(r *reference, answer []byte) string { return batch(r.assign(all, to), answer) }}
}

func (w *walk) licence(t *rapid.T) step {
	what := rapid.IntRange(0, 5).Draw(t, "licence")
	if what == 2 && len(w.r.grants) == 0 {
		what = 0
	}
	switch what {
	case 0:
		f, c := w.favour(t)
		return step{command: c, expect: func(r *reference, answer []byte) string { return r.grant(idIn(answer, "id"), f) }}
	case 1:
		return w.grantMany(t)
	case 2:
		i := pick(t, len(w.r.grants), "licence")
		return step{command: license.Expire{LicenseID: w.r.grants[i].id}, expect: func(r *reference, _ []byte) string { return r.expire(i) }}
	case 3:
		l, ref := w.anyLicence(t)
		other, ref2 := w.anyLicence(t)
		return step{command: license.CancelMany{Refs: []license.Ref{ref, ref2}}, expect: func(r *reference, answer []byte) string {
			return batch([]string{r.cancelLicence(l), r.cancelLicence(other)}, answer)
		}}
	}
	l, ref := w.anyLicence(t)
	return step{command: license.Cancel(ref), expect: func(r *reference, _ []byte) string { return r.cancelLicence(l) }}
}

func (w *walk) favour(t *rapid.T) (favour, license.Grant) {
	f := favour{plan: pick(t, len(w.r.plans), "plan"), grantee: grantees.Draw(t, "grantee"), cancelAtEnd: rapid.Bool().Draw(t, "cancel at end")}
	if rapid.Bool().Draw(t, "end given") {
		end := w.around(t, 1, 30, "end")
		f.end = &end
	}
	return f, license.Grant{PlanID: w.r.plans[f.plan].id, Grantee: orNil(f.grantee), Purchaser: "p", EndTime: f.end, CancelAtPeriodEnd: f.cancelAtEnd}
}

func (w *walk) grantMany(t *rapid.T) step {
	f, c := w.favour(t)
	g, d := w.favour(t)
	return step{command: license.GrantMany{Items: []license.Grant{c, d}}, expect: func(r *reference, answer []byte) string {
		ids := viewIDs(answer, 2)
		return batch([]string{r.grant(ids[0], f), r.grant(ids[1], g)}, answer)
	}}
}

func (w *walk) usage(t *rapid.T) step {
	if rapid.IntRange(0, 9).Draw(t, "policy") == 0 {
		hours := rapid.SampledFrom([]int{0, 72, 24 * 9}).Draw(t, "late")
		return step{command: settings.Change{Patch: settings.Patch{LateUsageHours: &hours}}, expect: func(r *reference, _ []byte) string { return r.takeLate(hours) }}
	}
	var all []record
	var items []usage.Record
	for range rapid.IntRange(1, 2).Draw(t, "records") {
		l, ref := w.anyLicence(t)
		u := record{licence: l, key: fmt.Sprint("u", rapid.IntRange(0, 9).Draw(t, "key")), meter: rapid.IntRange(-1, len(w.r.meters)-1).Draw(t, "meter"),
			quantity: rapid.IntRange(-2, 3).Draw(t, "quantity"), value: rapid.SampledFrom([]string{"", "v"}).Draw(t, "value")}
		if l.sub >= 0 && rapid.IntRange(0, 3).Draw(t, "own") == 0 {
			u.own, u.index, ref.LicenseID = true, 0, uuid.Nil
		}
		if rapid.Bool().Draw(t, "at given") {
			at := w.around(t, 10, 0, "at").Add(time.Duration(rapid.IntRange(0, 6).Draw(t, "minutes")) * time.Minute)
			u.at = &at
		}
		c := usage.Record{Ref: ref, Key: u.key, Quantity: decimal.NewFromInt(int64(u.quantity)), At: u.at, Value: u.value}
		if u.meter >= 0 {
			id := w.r.meters[u.meter].id
			c.Meter, c.MeterID = meterKey(u.meter), &id
		}
		all, items = append(all, u), append(items, c)
	}
	if len(items) == 1 {
		return step{command: items[0], expect: func(r *reference, _ []byte) string {
			if code := r.use(all[0]); code != "duplicate" {
				return code
			}
			return ""
		}}
	}
	return step{command: usage.RecordMany{Items: items}, expect: func(r *reference, answer []byte) string {
		want := []string{r.use(all[0]), r.use(all[1])}
		if got := outcomes(answer); fmt.Sprint(want) != fmt.Sprint(got) {
			return fmt.Sprintf("%q, not %q", want, got)
		}
		return ""
	}}
}

// clock moves on by some days, to the very instant at which something falls due, or to a moment before it.
func (w *walk) clock(t *rapid.T) step {
	var instants []time.Time
	for _, p := range w.r.subs {
		if what, at := p.next(); what != "" && !at.Before(w.r.now) {
			instants = append(instants, at, at.Add(-time.Microsecond))
		}
	}
	for _, g := range w.r.grants {
		if !g.over(w.r.now) {
			instants = append(instants, g.end, g.end.Add(-time.Microsecond))
		}
	}
	if len(instants) > 0 && rapid.Bool().Draw(t, "due") {
		return w.moveTo(rapid.SampledFrom(instants).Draw(t, "instant"))
	}
	return w.moveTo(w.around(t, 1, 45, "to"))
}

// due is what the scheduler does.
func (w *walk) due(t *rapid.T) step {
	i, id := w.sub(t)
	return step{command: subscription.Advance{ID: id}, expect: func(r *reference, _ []byte) string { return r.advance(i) }}
}

// viewIDs are the ids of what a batch made.
func viewIDs(answer []byte, n int) []uuid.UUID {
	ids := make([]uuid.UUID, n)
	for i, v := range viewsIn(answer) {
		ids[i] = v
	}
	return ids
}
