package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/organisation"
	"github.com/subledger/subledger/domain/settings"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/projections"
)

func when(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "never"
	}
	return t.Format(time.RFC3339Nano)
}

// described is all that the reference knows and a keeper can tell, as a line for each thing.
func (r *reference) described() (lines []string) {
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	items := func(kind string, all []*item) {
		for i, it := range all {
			say("%s %d: %s archived %t v%d", kind, i, it.text, it.archived, it.version)
		}
	}
	items("product", r.products)
	items("capability", r.powers)
	items("feature", r.features)
	items("meter", r.meters)
	for i, v := range r.coupons {
		say("coupon %d: %s", i, v)
	}
	for i, p := range r.plans {
		say("plan %d: %d to %d seats, archived %t, edition %d v%d", i, p.least, p.most, p.archived, p.edition, p.version)
	}
	for i := range r.subs {
		p, recorded := r.by(i), r.subs[i]
		seats, assigned, open := len(p.live()), len(p.live())-p.free(), 0
		expiry := p.period.to
		var current string
		switch {
		case p.endedAt != nil:
			expiry, seats, assigned = *p.endedAt, 0, 0
		case p.cancelAt != nil:
			expiry = *p.cancelAt
		}
		if p.endedAt == nil && !r.now.Before(p.start) {
			current = when(&p.period.from) + "/" + when(&p.period.to)
		}
		for _, j := range r.tasks {
			if j.open && j.sub == i && r.subs[i].endedAt == nil { // an end leaves nothing to keep room for
				open++
			}
		}
		what, due := recorded.next()
		if what == "" {
			due = time.Time{}
		}
		say("subscription %d: %s plan %d.%d quantity %d, %d seats, %d assigned, anchor %s period %s expiry %s trial %s cancel %s %t ended %s paused %s due %s owner %s coupons %v open %d v%d",
			i, p.shown(), p.terms.plan, p.terms.edition, p.quantity, seats, assigned, when(&p.anchor), current, when(&expiry),
			when(p.trialEnd), when(p.cancelAt), p.cancelAt != nil && p.endReason != "canceled", when(p.endedAt), when(p.pausedAt), when(&due), p.owner, p.coupons, open, recorded.version)
		for _, s := range p.seats {
			say("  seat %q %s from %s removed %s", s.grantee, p.seatShown(s, r.now), when(&s.start), when(s.removed))
		}
	}
	for i, j := range r.tasks {
		say("task %d: %s retries %d %s v%d wants %s", i, j.status, j.retries, j.code, j.version, r.wanted(j.wish))
	}
	for i, g := range r.grants {
		end := g.end
		if g.endedAt != nil {
			end = *g.endedAt
		}
		say("licence %d: %s %q from %s to %s v%d", i, g.shown(r.now), g.grantee, when(&g.start), when(&end), g.version)
	}
	for _, name := range slices.Sorted(maps.Keys(r.totals)) {
		say("usage %s: %d", name, r.totals[name])
	}
	for i, k := range r.keys {
		say("key %d: %s until %s", i, k.status(r.process), when(k.end()))
	}
	say("clock %s, provider %q v%d, usage taken %d h late v%d", when(&r.now), r.manual, r.provider, r.late, r.settings)
	return lines
}

// wanted is a wish as a task keeps it.
func (r *reference) wanted(w wish) string {
	c := subscription.Change{Seats: w.seats, Quantity: w.quantity, Proration: subscription.CreateProrations}
	if w.plan != nil {
		c.PlanID = &r.plans[*w.plan].id
	}
	if w.noCredit {
		c.Proration = subscription.NoProration
	}
	text, _ := json.Marshal(c)
	return string(text)
}

func (r *reference) String() string { return strings.Join(r.described(), "\n") }

// found is the same of what a keeper holds.
func found(t *rapid.T, k keeper, r *reference) (lines []string) {
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for i, it := range r.products {
		v := get[*catalog.Product](t, k, it.id).View()
		say("product %d: %s archived %t v%d", i, v.DisplayName, v.Status == catalog.Deprecated, v.Version)
	}
	for i, it := range r.powers {
		v := get[*catalog.Capability](t, k, it.id).View()
		say("capability %d: %s archived %t v%d", i, v.Name, v.Status == catalog.Deprecated, v.Version)
	}
	for i, it := range r.features {
		v := get[*catalog.Feature](t, k, it.id).View()
		say("feature %d: %s archived %t v%d", i, v.DisplayName, v.Status == catalog.Deprecated, v.Version)
	}
	for i, it := range r.meters {
		v := get[*catalog.Meter](t, k, it.id).View()
		say("meter %d: %s archived %t v%d", i, v.Name, v.Status == catalog.Deprecated, v.Version)
	}
	for i, it := range r.coupons {
		v := get[*catalog.Coupon](t, k, it.id).View()
		most := 0
		if v.MaxRedemptions != nil {
			most = *v.MaxRedemptions
		}
		say("coupon %d: used %d of %d, archived %t v%d", i, v.Redemptions, most, v.Status == catalog.Deprecated, v.Version)
	}
	for i, p := range r.plans {
		v := get[*catalog.Plan](t, k, p.id).View()
		say("plan %d: %d to %d seats, archived %t, edition %d v%d", i, v.PerSeatAmount, v.MaxSeatAmount, v.Status == catalog.Deprecated, v.PlanVersion, v.Version)
	}
	planOf := func(id uuid.UUID) int { return slices.IndexFunc(r.plans, func(p *plan) bool { return p.id == id }) }
	for i, p := range r.subs {
		s := get[*subscription.State](t, k, p.id)
		v := s.View(r.now)
		var current string
		if c := v.CurrentPeriod; c != nil {
			current = when(&c.Start) + "/" + when(&c.End)
		}
		require.Equal(t, v.Seats, v.Assigned+v.Unassigned)
		say("subscription %d: %s plan %d.%d quantity %d, %d seats, %d assigned, anchor %s period %s expiry %s trial %s cancel %s %t ended %s paused %s due %s owner %s coupons %v open %d v%d",
			i, v.Status, planOf(v.PlanID), v.PlanVersion, v.Quantity, v.Seats, v.Assigned, when(&v.AnchorAt), current, when(&v.ExpiryDate),
			when(v.TrialEnd), when(v.CancelAt), v.CancelAtPeriodEnd, when(v.CanceledAt), when(v.PausedAt), when(v.DueAt), v.Owner.Text, couponsOf(r, v.Coupons), s.OpenTasks(), v.Version)
		for seat := range s.Seats() {
			say("  seat %q %s from %s removed %s", seat.Grantee.Text, license.SeatView(s, seat, r.now).Status, when(&seat.StartTime), when(&seat.RemovedAt))
		}
	}
	for i, j := range r.tasks {
		s := get[*task.State](t, k, j.id)
		say("task %d: %s retries %d %s v%d wants %s", i, s.Status, s.Retries, s.ErrorCode, s.Version, s.Params)
	}
	for i, g := range r.grants {
		v := get[*license.State](t, k, g.id).View(r.now)
		say("licence %d: %s %q from %s to %s v%d", i, v.Status, v.Grantee.Text, when(&v.StartTime), when(&v.EndTime), v.Version)
	}
	for _, name := range slices.Sorted(maps.Keys(r.totals)) {
		s := get[*usage.State](t, k, counterID(t, k, r, name))
		say("usage %s: %s", name, s.Total)
	}
	org := get[*organisation.State](t, k, uuid.Nil)
	for i, v := range org.Keys(r.process) {
		say("key %d: %s until %s", i, v.Status, when(v.EndsAt))
	}
	provider, _ := k.state(t, false, task.ManualProviderID(k.ledger())).(*task.ManualProvider)
	outcome, version := "", int64(0)
	if provider != nil {
		outcome, version = provider.Config.Outcome, provider.Version
	}
	clock := get[*domain.Clock](t, k, k.ledger())
	policies := settings.From(k.state(t, false, settings.StreamID(k.ledger())), true)
	say("clock %s, provider %q v%d, usage taken %d h late v%d", when(&clock.Now), outcome, version, policies.LateUsageHours, policies.Version)
	return lines
}

func couponsOf(r *reference, on []subscription.Coupon) (all []int) {
	for _, c := range on {
		all = append(all, slices.IndexFunc(r.coupons, func(v *voucher) bool { return v.id == c.CouponID }))
	}
	return all
}

// get is a stream's state; that of the organisation for the nil id.
func get[S domain.State](t *rapid.T, k keeper, id uuid.UUID) S {
	system := id == uuid.Nil
	if system {
		id = k.organisation()
	}
	s, ok := k.state(t, system, id).(S)
	require.True(t, ok, "%s is no %T", id, s)
	return s
}

// idOf is the licence that the reference counts on.
func (r *reference) idOf(t *rapid.T, k keeper, l licence) uuid.UUID {
	if l.sub < 0 {
		return r.grants[l.index].id
	}
	i := 0
	for seat := range get[*subscription.State](t, k, r.subs[l.sub].id).Seats() {
		if i == l.index {
			return seat.ID
		}
		i++
	}
	require.Fail(t, "no such seat")
	return uuid.Nil
}

func counterID(t *rapid.T, k keeper, r *reference, name string) uuid.UUID {
	var l licence
	var meter int
	_, err := fmt.Sscanf(name, "{%d %d} %d", &l.sub, &l.index, &meter)
	require.NoError(t, err)
	key := ""
	if meter >= 0 {
		key = meterKey(meter)
	}
	return usage.StreamID(r.idOf(t, k, l), key)
}

func meterKey(i int) string { return fmt.Sprint("meter", i) }

// differs tells where keeper and reference do.
func differs(t *rapid.T, k keeper, r *reference) string {
	want, got := r.described(), found(t, k, r)
	var all []string
	for i := range max(len(want), len(got)) {
		a, b := "nothing", "nothing"
		if i < len(want) {
			a = want[i]
		}
		if i < len(got) {
			b = got[i]
		}
		if a != b {
			all = append(all, "reference "+a+"\n  product "+b)
		}
	}
	return strings.Join(all, "\n")
}

// rows are what lists of the read models have to say.
func (r *reference) rows() (lines []string) {
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for i := range r.subs {
		p := r.by(i)
		end := p.period.to
		switch {
		case p.endedAt != nil:
			end = *p.endedAt
		case p.cancelAt != nil:
			end = *p.cancelAt
		}
		say("subscription %d: %s coupons %v plan %d quantity %d end %s cancel %s v%d", i, p.shown(), p.coupons, p.terms.plan, p.quantity, when(&end), when(p.cancelAt), r.subs[i].version)
		licences, assigned := len(p.seats), 0
		for _, s := range p.seats {
			if s.grantee != "" {
				assigned++
			}
		}
		say("  %d licences, %d assigned, %d live", licences, assigned, len(p.live()))
	}
	for i, j := range r.tasks {
		say("task %d: %s retries %d %s", i, j.status, j.retries, j.code)
	}
	for i, g := range r.grants {
		say("licence %d: %s %q", i, g.shown(r.now), g.grantee)
	}
	for _, name := range slices.Sorted(maps.Keys(r.totals)) {
		say("usage %s: %d", name, r.totals[name])
	}
	return lines
}

// rows asks the read models.
func (b *book) rows(t *rapid.T, r *reference) (lines []string) {
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	ctx, reads := b.t.Context(), b.reads[0]
	all := projections.Keyset{Limit: projections.MaxLimit}
	subs, err := reads.Subscriptions(ctx, b.test, projections.SubscriptionFilter{}, r.now, all)
	require.NoError(t, err)
	require.Len(t, subs, len(r.subs))
	for i, p := range r.subs {
		at := slices.IndexFunc(subs, func(s projections.Subscription) bool { return s.ID == p.id })
		require.GreaterOrEqual(t, at, 0)
		s := &subs[at]
		status, end := s.StatusAt(r.now), s.EndAt(r.now)
		say("subscription %d: %s coupons %v plan %d quantity %d end %s cancel %s v%d", i, status, couponsOf(r, s.Coupons), slices.IndexFunc(r.plans, func(p *plan) bool { return p.id == s.PlanID }),
			s.Quantity, when(&end), when(s.CancelAt), s.Version)
		count, err := reads.CountLicenses(ctx, b.test, projections.LicenseFilter{SubscriptionID: p.id}, r.now)
		require.NoError(t, err)
		list, err := reads.Licenses(ctx, b.test, projections.LicenseFilter{SubscriptionID: p.id}, r.now, all)
		require.NoError(t, err)
		require.Len(t, list, int(count.Count))
		seats := get[*subscription.State](t, b, p.id)
		live := 0
		for _, l := range list {
			seat, ok := seats.Seat(l.ID)
			require.True(t, ok)
			want := license.SeatView(seats, seat, r.now)
			require.Equal(t, want.Status, l.Status, "the seat %s of %+v", l.ID, r.by(i))
			if seat.RemovedAt.IsZero() {
				live++
			}
		}
		say("  %d licences, %d assigned, %d live", count.Count, count.Assigned, live)
	}
	for i, j := range r.tasks {
		row, err := reads.Task(ctx, b.test, j.id)
		require.NoError(t, err)
		code := ""
		if row.ErrorCode != nil {
			code = *row.ErrorCode
		}
		say("task %d: %s retries %d %s", i, row.Status, row.Retries, code)
	}
	for i, g := range r.grants {
		l, err := reads.License(ctx, b.test, g.id, r.now)
		require.NoError(t, err)
		grantee := ""
		if l.GranteeID != nil {
			grantee = *l.GranteeID
		}
		say("licence %d: %s %q", i, l.Status, grantee)
	}
	for _, name := range slices.Sorted(maps.Keys(r.totals)) {
		var l licence
		var meter int
		_, err := fmt.Sscanf(name, "{%d %d} %d", &l.sub, &l.index, &meter)
		require.NoError(t, err)
		key := ""
		if meter >= 0 {
			key = meterKey(meter)
		}
		totals, err := reads.UsageTotals(ctx, b.test, projections.UsageFilter{LicenseID: r.idOf(t, b, l), Meter: &key}, projections.MeterUse{}, 1)
		require.NoError(t, err)
		require.Len(t, totals, 1)
		say("usage %s: %s", name, totals[0].Total)
	}
	return lines
}
