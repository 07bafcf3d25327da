package model

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// purchase is a subscription: what was recorded of it. What it is by now is a settled copy.
type purchase struct {
	id        uuid.UUID
	terms     terms
	status    string // without pauses
	pausedAt  *time.Time
	pauses    []span
	quantity  int
	seats     []place // all ever made, oldest first
	start     time.Time
	anchor    time.Time
	trialEnd  *time.Time
	period    span
	cancelAt  *time.Time
	endedAt   *time.Time
	endReason string
	later     bool // its start is to be recorded
	noGrace   bool // it gave no access when it ended
	unpaid    bool // its first invoice never was paid
	manual    bool
	owner     string
	coupons   []int // on it
	version   int64
}

// place is a seat.
type place struct {
	grantee string
	start   time.Time
	removed *time.Time
}

func (p *purchase) clone() *purchase {
	c := *p
	c.seats, c.pauses, c.coupons = slices.Clone(p.seats), slices.Clone(p.pauses), slices.Clone(p.coupons)
	return &c
}

func (p *purchase) live() (indexes []int) {
	for i, s := range p.seats {
		if s.removed == nil {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

func (p *purchase) free() (n int) {
	for _, i := range p.live() {
		if p.seats[i].grantee == "" {
			n++
		}
	}
	return n
}

func (p *purchase) add(n int, at time.Time) {
	for range n {
		p.seats = append(p.seats, place{start: at})
	}
}

// drop removes unassigned seats, the newest first.
func (p *purchase) drop(n int, at time.Time) {
	for i := len(p.seats) - 1; n > 0; i-- {
		if s := &p.seats[i]; s.removed == nil && s.grantee == "" {
			s.removed = &at
			n--
		}
	}
}

// next is what time alone brings next: an end leaves nothing to renew, and a trial ends before the first
// paid period begins.
func (p *purchase) next() (what string, at time.Time) {
	if p.status == "CANCELED" || p.status == "INCOMPLETE" {
		return "", at
	}
	consider := func(event string, when time.Time) {
		if what == "" || when.Before(at) {
			what, at = event, when
		}
	}
	if p.cancelAt != nil {
		consider("end", *p.cancelAt)
	}
	if p.status == "TRIALING" {
		consider("trial", *p.trialEnd)
	}
	if p.pausedAt == nil && p.later {
		begins := p.start
		if p.period.from.After(begins) {
			begins = p.period.from
		}
		if what == "" || !begins.After(at) {
			what, at = "begin", begins
		}
	}
	if p.pausedAt == nil {
		consider("renewal", p.period.to)
	}
	return what, at
}

// settle lets happen what is due by an instant; it gives the number of events.
func (p *purchase) settle(now time.Time) (events int64) {
	for {
		what, at := p.next()
		if what == "" || at.After(now) {
			return events
		}
		switch what {
		case "end":
			p.end(at, "expired")
		case "trial":
			p.status = "ACTIVE"
		case "begin":
			p.later = false
		case "renewal":
			p.period = restFrom(p.anchor, p.terms.unit, p.terms.length, at)
		}
		events++
	}
}

func (p *purchase) end(at time.Time, reason string) {
	p.noGrace = p.pausedAt != nil || p.status == "INCOMPLETE" || reason == "canceled"
	p.unpaid = p.status == "INCOMPLETE"
	if p.pausedAt != nil {
		p.pauses = append(p.pauses, span{*p.pausedAt, at})
		p.pausedAt = nil
	}
	p.status, p.endedAt, p.endReason = "CANCELED", &at, reason
}

// by is the purchase as it is now, recorded or not.
func (r *reference) by(i int) *purchase {
	p := r.subs[i].clone()
	p.settle(r.now)
	return p
}

// shown is the status that everybody sees.
func (p *purchase) shown() string {
	if p.pausedAt != nil {
		return "PAUSED"
	}
	return p.status
}

// happen decides on the purchase as it is now. Without an event what was due stays unrecorded.
func (r *reference) happen(i int, do func(p *purchase) (code string, events int64)) string {
	p := r.subs[i].clone()
	due := p.settle(r.now)
	code, events := do(p)
	if code != "" || events == 0 {
		return code
	}
	p.version += due + events
	r.subs[i] = p
	return ""
}

// seatShown is the status of a seat, as its licence.
func (p *purchase) seatShown(s place, now time.Time) string {
	switch shown := p.shown(); {
	case s.removed != nil || shown == "CANCELED":
		return "CANCELED"
	case shown == "PAUSED" || shown == "INCOMPLETE":
		return "INACTIVE"
	case now.Before(s.start) || now.Before(p.start):
		return "SCHEDULED"
	case shown == "TRIALING":
		return shown
	}
	return "ACTIVE"
}

// beginning is how a subscription is asked for.
type beginning struct {
	plan       int
	owner      string
	quantity   *int
	start      *time.Time
	anchor     *time.Time
	trialEnd   *time.Time
	manual     bool
	incomplete bool
	grantee    string
	coupon     *int
	expiry     *time.Time
	status     string
	endsThen   bool // with its first period
}

func (r *reference) begin(id uuid.UUID, b beginning) string {
	t, code := r.sold(b.plan)
	if code != "" {
		return code
	}
	if r.plans[b.plan].announced {
		return "plan_coming_soon"
	}
	var bad []string
	p := &purchase{id: id, terms: t, status: "ACTIVE", manual: b.manual, start: r.now, version: 1, owner: b.owner}
	if b.start != nil {
		p.start = *b.start
	}
	p.quantity = 1
	switch {
	case b.quantity != nil && *b.quantity < 0:
		bad = append(bad, "amount_out_of_range")
	case b.quantity != nil:
		if p.quantity = *b.quantity; t.limits(p.quantity) != "" {
			bad = append(bad, t.limits(p.quantity))
		}
	case t.perSeat:
		if p.quantity = max(t.least, 1); t.most >= 0 {
			p.quantity = min(p.quantity, t.most)
		}
	}
	days := r.plans[b.plan].evalDays
	if r.plans[b.plan].trialDays > 0 {
		days = r.plans[b.plan].trialDays
	}
	trial := p.start.Add(time.Duration(days) * 24 * time.Hour)
	if b.trialEnd != nil {
		trial = *b.trialEnd
	}
	hasTrial := b.trialEnd != nil || days > 0
	switch {
	case b.expiry != nil && !b.expiry.After(p.start):
		bad = append(bad, "bad_expiry")
		trial = p.start
	case b.status == "ACTIVE":
		trial = p.start
	case b.expiry != nil && (hasTrial || b.status == "TRIALING"):
		trial = *b.expiry
	case b.status == "TRIALING" && !hasTrial:
		bad = append(bad, "no_trial")
	}
	switch {
	case trial.Before(p.start):
		bad = append(bad, "bad_trial_end")
	case trial.After(p.start):
		p.trialEnd, p.status = &trial, "TRIALING"
	}
	switch {
	case len(bad) > 1:
		return "invalid_fields"
	case len(bad) == 1:
		return bad[0]
	}
	p.anchor = p.start
	if p.trialEnd != nil {
		p.anchor = trial
	} else if b.expiry != nil {
		p.anchor = *b.expiry
	}
	if b.anchor != nil {
		p.anchor = *b.anchor
	}
	p.period = restFrom(p.anchor, t.unit, t.length, p.start)
	if p.trialEnd != nil {
		p.period = span{p.start, trial}
	} else if b.expiry != nil {
		p.period = span{p.start, *b.expiry}
	}
	if b.endsThen {
		at := p.period.to
		p.cancelAt = &at
		p.version++
	}
	p.later = p.start.After(r.now) && !b.incomplete
	switch {
	case b.incomplete && p.trialEnd != nil: // nothing is to be paid yet
		p.version++
	case b.incomplete && p.quantity > 0:
		p.status = "INCOMPLETE"
	case b.incomplete:
		p.version++
	}
	seats := p.quantity
	if !t.perSeat {
		seats = 1
	}
	if seats == 0 && b.grantee != "" {
		return "no_seat"
	}
	if p.add(seats, p.start); seats > 0 {
		p.seats[0].grantee = b.grantee
	}
	if b.coupon != nil {
		if code := r.redeemable(*b.coupon, b.plan); code != "" {
			return code
		}
		r.redeem(p, *b.coupon)
		p.version++
	}
	r.subs = append(r.subs, p)
	return ""
}

// seating is one of manageSeats' items.
type seating struct{ what, grantee, to string }

// manageSeats does one after the other, all or none.
func (r *reference) manageSeats(i int, all []seating) string {
	if r.by(i).status == "CANCELED" {
		return "subscription_ended"
	}
	p := r.subs[i].clone()
	before := slices.Clone(p.seats)
	var back []int // seats taken back by an item before
	seatOf := func(grantee string) int {
		for _, n := range p.live() {
			if p.seats[n].grantee == grantee && (grantee != "" || !slices.Contains(back, n)) {
				return n
			}
		}
		return -1
	}
	// Who came to a seat by an item holds it after the seats that they had.
	var came []int
	theirs := func(grantee string) int {
		for _, n := range p.live() {
			if p.seats[n].grantee == grantee && !slices.Contains(came, n) {
				return n
			}
		}
		for _, n := range came {
			if p.seats[n].grantee == grantee {
				return n
			}
		}
		return -1
	}
	leave := func(n int) { came = slices.DeleteFunc(came, func(c int) bool { return c == n }) }
	var codes []string
	for _, s := range all {
		if s.what == "assign" {
			n := seatOf("")
			if n < 0 && len(back) > 0 {
				n, back = back[0], back[1:]
			}
			if n < 0 {
				codes = append(codes, "no_unassigned_seat")
				continue
			}
			p.seats[n].grantee, came = s.grantee, append(came, n)
			continue
		}
		n := theirs(s.grantee)
		if n < 0 {
			codes = append(codes, "not_seated")
			continue
		}
		leave(n)
		if s.what == "unassign" {
			p.seats[n].grantee, back = "", append(back, n)
			continue
		}
		p.seats[n].grantee, came = s.to, append(came, n)
	}
	switch {
	case len(codes) > 1:
		return "invalid_fields"
	case len(codes) == 1:
		return codes[0]
	case slices.Equal(before, p.seats):
		return ""
	case p.free() < r.subs[i].free() && p.free() < r.leaving(i):
		return "seats_reserved"
	}
	p.version++
	r.subs[i] = p
	return ""
}

func (r *reference) cancel(i int, now bool) string {
	return r.happen(i, func(p *purchase) (string, int64) {
		switch {
		case p.status == "CANCELED":
			return "", 0
		case now || p.status == "INCOMPLETE" || r.now.Before(p.start) || !r.now.Before(p.period.to):
			p.end(r.now, "canceled")
			return "", 1
		case p.cancelAt != nil:
			return "", 0
		}
		at := p.period.to
		p.cancelAt = &at
		return "", 1
	})
}

func (r *reference) reactivate(i int) string {
	return r.happen(i, func(p *purchase) (string, int64) {
		switch {
		case p.status == "CANCELED":
			return "subscription_ended", 0
		case p.cancelAt == nil:
			return "", 0
		}
		p.cancelAt = nil
		return "", 1
	})
}

// changeable is rule S12 and its like.
func (p *purchase) changeable() string {
	switch p.shown() {
	case "PAUSED":
		return "subscription_paused"
	case "INCOMPLETE":
		return "subscription_incomplete"
	case "CANCELED":
		return "subscription_ended"
	}
	return ""
}

func (r *reference) pause(i int) string {
	return r.happen(i, func(p *purchase) (string, int64) {
		if p.pausedAt != nil {
			return "", 0
		}
		if code := p.changeable(); code != "" {
			return code, 0
		}
		now := r.now
		p.pausedAt = &now
		return "", 1
	})
}

func (r *reference) resume(i int) string {
	return r.happen(i, func(p *purchase) (string, int64) {
		if p.pausedAt == nil {
			return p.changeable(), 0
		}
		p.pauses = append(p.pauses, span{*p.pausedAt, r.now})
		p.pausedAt = nil
		if !r.now.Before(p.period.to) || p.later && p.trialEnd == nil && !r.now.Before(p.start) {
			p.period = restFrom(p.anchor, p.terms.unit, p.terms.length, r.now)
		}
		return "", 1
	})
}

// activate is the first invoice's payment.
func (r *reference) activate(i int) string {
	return r.happen(i, func(p *purchase) (string, int64) {
		if p.status != "INCOMPLETE" {
			return "", 0
		}
		if p.status = "ACTIVE"; p.trialEnd != nil {
			p.status = "TRIALING"
		}
		return "", 1
	})
}

func (r *reference) changeOwner(i int, owner string) string {
	return r.happen(i, func(p *purchase) (string, int64) {
		if p.owner == owner {
			return "", 0
		}
		p.owner = owner
		return "", 1
	})
}

func (r *reference) advance(i int) string {
	r.subs[i].version += r.subs[i].settle(r.now)
	return ""
}
