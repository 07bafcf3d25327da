package model

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// grant is an ad hoc licence.
type grant struct {
	id          uuid.UUID
	terms       terms
	status      string
	grantee     string
	start, end  time.Time
	cancelAtEnd bool
	endedAt     *time.Time
	reason      string
	version     int64
}

// over tells whether it ended, recorded or not.
func (g *grant) over(now time.Time) bool { return g.endedAt != nil || !now.Before(g.end) }

func (g *grant) shown(now time.Time) string {
	switch {
	case g.reason == "canceled", g.over(now) && g.cancelAtEnd:
		return "CANCELED"
	case g.over(now):
		return "INACTIVE"
	}
	return g.status
}

// favour is how an ad hoc licence is asked for.
type favour struct {
	plan        int
	grantee     string
	end         *time.Time
	cancelAtEnd bool
}

func (r *reference) grant(id uuid.UUID, f favour) string {
	t, code := r.sold(f.plan)
	if code != "" {
		return code
	}
	g := &grant{id: id, terms: t, status: "ACTIVE", grantee: f.grantee, start: r.now, cancelAtEnd: f.cancelAtEnd, version: 1,
		end: boundary(r.now, t.unit, t.length, 1)}
	if days := r.plans[f.plan].evalDays; days > 0 {
		g.status, g.end = "EVALUATION", r.now.Add(time.Duration(days)*24*time.Hour)
	}
	if f.end != nil {
		if g.end = *f.end; !g.end.After(r.now) {
			return "bad_end_time"
		}
	}
	r.grants = append(r.grants, g)
	return ""
}

// licence names a seat of a subscription, or with sub -1 an ad hoc licence.
type licence struct{ sub, index int }

// alive refuses what has ended (rules L3, S5).
func (r *reference) alive(l licence) string {
	if l.sub < 0 {
		if r.grants[l.index].over(r.now) {
			return "license_ended"
		}
		return ""
	}
	p := r.by(l.sub)
	if p.status == "CANCELED" || p.seats[l.index].removed != nil {
		return "license_ended"
	}
	return ""
}

// assign gives licences to grantees, all in one command: the code of each. Of two for one licence the later counts.
func (r *reference) assign(all []licence, grantees []string) (codes []string) {
	wanted := map[licence]string{}
	for i, l := range all {
		code := r.alive(l)
		if code == "" && l.sub >= 0 && grantees[i] != "" {
			free, mine := 0, false // as the items before have left it
			for _, n := range r.subs[l.sub].live() {
				holder, moved := wanted[licence{l.sub, n}]
				if !moved {
					holder = r.subs[l.sub].seats[n].grantee
				}
				if holder == "" {
					free, mine = free+1, mine || n == l.index
				}
			}
			if mine && free <= r.leaving(l.sub) {
				code = "seats_reserved"
			}
		}
		codes = append(codes, code)
		if code == "" {
			wanted[l] = grantees[i]
		}
	}
	moved := map[int]bool{}
	for l, grantee := range wanted {
		switch {
		case l.sub < 0 && r.grants[l.index].grantee != grantee:
			r.grants[l.index].grantee = grantee
			r.grants[l.index].version++
		case l.sub >= 0 && r.subs[l.sub].seats[l.index].grantee != grantee:
			r.subs[l.sub].seats[l.index].grantee = grantee
			moved[l.sub] = true
		}
	}
	for sub := range moved {
		r.subs[sub].version++ // one event, whatever the number of seats
	}
	return codes
}

// revokeLicence is the end of an ad hoc licence; a seat is its subscription's.
func (r *reference) cancelLicence(l licence) string {
	if l.sub >= 0 {
		return "not_ad_hoc"
	}
	if g := r.grants[l.index]; !g.over(r.now) {
		now := r.now
		g.endedAt, g.reason = &now, "canceled"
		g.version++
	}
	return ""
}

func (r *reference) expire(i int) string {
	if g := r.grants[i]; g.endedAt == nil && !r.now.Before(g.end) {
		end := g.end
		g.endedAt, g.reason = &end, "expired"
		g.version++
	}
	return ""
}

// record is one usage record.
type record struct {
	licence
	own      bool // the subscription's own licence: its oldest seat
	key      string
	meter    int // -1: the default one
	quantity int
	at       *time.Time
	value    string
}

// use counts a record; "duplicate" when its key counted for the same before (rule U1).
func (r *reference) use(u record) string {
	stands := fmt.Sprint(u.licence, u.own, u.meter, u.quantity, u.value)
	at := r.now
	if u.at != nil {
		at = *u.at
		stands += u.at.String()
	}
	switch before, known := r.used[u.key]; {
	case known && before == stands:
		return "duplicate"
	case known:
		return "key_reused"
	case at.After(r.now.Add(5 * time.Minute)): // rule U3
		return "bad_time"
	}
	if u.meter >= 0 {
		switch m := r.meters[u.meter]; {
		case m.archived:
			return "meter_archived"
		case m.unique && u.value == "":
			return "bad_value"
		}
	}
	if u.own {
		if u.index = slices.IndexFunc(r.subs[u.sub].seats, func(s place) bool { return s.removed == nil }); u.index < 0 {
			return "no_license"
		}
	}
	end, access := r.accessAt(u.licence, at)
	switch {
	case !access: // rule U4
		return "no_access_then"
	case end != nil && r.now.After(end.Add(time.Duration(r.late)*time.Hour)): // rule U5
		return "usage_too_late"
	}
	r.used[u.key] = stands
	r.totals[r.counter(u)] += u.quantity
	return ""
}

func (r *reference) counter(u record) string { return fmt.Sprint(u.licence, " ", u.meter) }

// accessAt tells whether a licence gave access at an instant, and when that ends or ended for good.
func (r *reference) accessAt(l licence, at time.Time) (end *time.Time, ok bool) {
	if l.sub < 0 {
		g := r.grants[l.index]
		until := g.end
		if g.endedAt != nil && g.endedAt.Before(until) {
			until = *g.endedAt
		}
		return &until, span{g.start, until}.holds(at)
	}
	p := r.by(l.sub)
	if end = p.endedAt; end == nil {
		end = p.cancelAt
	}
	s := p.seats[l.index]
	ok = p.status != "INCOMPLETE" && !p.unpaid && !at.Before(s.start) && (s.removed == nil || at.Before(*s.removed)) &&
		!at.Before(p.start) && (end == nil || at.Before(*end)) && (p.pausedAt == nil || at.Before(*p.pausedAt))
	for _, pause := range p.pauses {
		ok = ok && !pause.holds(at)
	}
	return end, ok
}

// entitled is what some grantees may use of a product now, each capability with its end; grace softens an end
// that came by itself.
func (r *reference) entitled(product int, grantees []string, grace time.Duration) map[string]time.Time {
	ends := map[string]time.Time{}
	give := func(t terms, grantee string, end time.Time) {
		if r.plans[t.plan].product != product || !slices.Contains(grantees, grantee) {
			return
		}
		for _, name := range t.powers {
			if end.After(ends[name]) {
				ends[name] = end
			}
		}
	}
	for _, g := range r.grants {
		switch {
		case !g.over(r.now), g.reason != "canceled" && r.now.Before(g.end.Add(grace)):
			give(g.terms, g.grantee, g.end.Add(grace))
		}
	}
	for i := range r.subs {
		p := r.by(i)
		end, ok := p.period.to, !r.now.Before(p.start)
		if p.cancelAt != nil {
			end = *p.cancelAt
		}
		switch p.shown() {
		case "ACTIVE", "TRIALING":
		case "CANCELED":
			end = *p.endedAt
			ok = ok && !p.noGrace && r.now.Before(end.Add(grace))
		default:
			ok = false
		}
		for _, s := range p.seats {
			if ok && s.removed == nil && !r.now.Before(s.start) {
				give(p.terms, s.grantee, end.Add(grace))
			}
		}
	}
	return ends
}

// users are all grantees that there are.
func (r *reference) users() []string {
	all := map[string]bool{}
	for _, g := range r.grants {
		all[g.grantee] = true
	}
	for _, p := range r.subs {
		for _, s := range p.seats {
			all[s.grantee] = true
		}
	}
	delete(all, "")
	return slices.Sorted(maps.Keys(all))
}
