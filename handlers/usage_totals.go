package handlers

import (
	"context"
	"errors"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/metering"
	"github.com/subledger/subledger/projections"
)

// countTime is how long an answer may count: a meter that is neither a sum nor a largest quantity is counted in the log.
const countTime = 5 * time.Second

// usageTotal is what a subscription used of a meter in a period.
type usageTotal struct {
	Meter       *string             `json:"meter"` // null: the default meter
	Period      subscription.Period `json:"period"`
	Aggregation string              `json:"aggregation"`
	Quantity    string              `json:"quantity"` // what the period comes to by the meter's aggregation
	Floored     bool                `json:"floored"`  // it would be below 0
	Total       decimal.Decimal     `json:"total"`    // sum of quantities
	Highest     decimal.Decimal     `json:"highest"`  // single quantity
	Records     int64               `json:"records"`
}

// readUsage serves GET /usage: what a subscription used, by meter and period, as it is billed. Of a meter that carries
// over, the period under way is there without a record too, beyond the limit.
//
//	in   subscriptionUuid, meter, from, to, limit, cursor
//	out  200 page of {meter, period, aggregation, quantity, floored, total, highest, records} | 404 no_subscription
func (a *API) readUsage(w http.ResponseWriter, r *http.Request) error {
	q, err := ReadQuery(r)
	if err != nil {
		return err
	}
	id := q.UUID("subscriptionUuid", Required)
	f := projections.UsageFilter{Meter: Opt(q.Object, "meter", q.String), From: q.Time("from"), To: q.Time("to")}
	limit := int(q.Int("limit", Min(1), Max(mostLimit)))
	if q.Get("limit").Absent() {
		limit = defaultLimit
	}
	var after projections.PeriodKey
	a.cursors.read(q, r, &after)
	q.Strict()
	if err := q.Err(); err != nil {
		return err
	}
	if err := a.at(w, r); err != nil {
		return err
	}
	ledger := CallerOf(r).Ledger
	sub, err := a.Reads.Subscription(r.Context(), ledger, id)
	if err != nil {
		return err
	}
	rows, err := a.Reads.SubscriptionUsage(r.Context(), ledger, id, f, after, limit+1)
	if err != nil {
		return err
	}
	out := page{}
	for i := range rows[:max(len(rows)-1, 0)] { // a period ends where the next one begins, if a change has moved it
		if next := rows[i+1]; next.Meter == rows[i].Meter && next.PeriodStart.Before(rows[i].PeriodEnd) {
			rows[i].PeriodEnd = next.PeriodStart
		}
	}
	var following *string
	if len(rows) > limit {
		following = &rows[limit].Meter
		next, err := a.cursors.make(r, rows[limit-1].Key())
		if err != nil {
			return err
		}
		rows, out.NextCursor = rows[:limit], &next
	}
	now := TimeIn(r.Context(), a.Now)
	under := sub.PeriodAt(now)
	current := period.Period{Start: under.Start, End: under.End}
	if sub.EndedAt != nil || current.Empty() || !f.From.IsZero() && !current.End.After(f.From) || !f.To.IsZero() && !current.Start.Before(f.To) {
		current = period.Period{}
	}
	counting := usageCounting{Counter: metering.Counter{Store: a.Store, Reads: a.Reads}, ledger: ledger, subscription: id, current: current}
	ctx, cancel := context.WithTimeout(r.Context(), countTime)
	defer cancel()
	groups, err := counting.groups(ctx, f.Meter, rows, after, following)
	data := []usageTotal{}
	for _, g := range groups {
		var totals []usageTotal
		if totals, err = counting.totals(ctx, g); err != nil {
			break
		}
		data = append(data, totals...)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return domain.Refuse(domain.Unavailable, "query_too_heavy", "this question takes too long to answer; ask for less of it")
	}
	if err != nil {
		return err
	}
	out.Data = data
	return JSON(w, http.StatusOK, out)
}

type usageCounting struct {
	metering.Counter
	ledger, subscription uuid.UUID
	current              period.Period // zero: there is none, or nobody asks for it
}

// usageGroup is what a page has of a meter.
type usageGroup struct {
	meter string
	rows  []projections.PeriodTotal
	last  bool // the meter has no more rows
}

// groups are the meters of a page in order, with those that have no row in it and may carry over. following is the
// meter of the first row of the next page, nil without one.
func (c usageCounting) groups(ctx context.Context, only *string, rows []projections.PeriodTotal, after projections.PeriodKey, following *string) ([]usageGroup, error) {
	var groups []usageGroup
	for _, row := range rows {
		if n := len(groups); n == 0 || groups[n-1].meter != row.Meter {
			groups = append(groups, usageGroup{meter: row.Meter, last: following == nil || *following != row.Meter})
		}
		g := &groups[len(groups)-1]
		g.rows = append(g.rows, row)
	}
	if c.current.Empty() {
		return groups, nil
	}
	carrying, err := c.Reads.CarryingMeters(ctx, c.ledger, c.subscription, only)
	if err != nil {
		return nil, err
	}
	first := after == (projections.PeriodKey{})
	for _, meter := range carrying {
		at, found := slices.BinarySearchFunc(groups, meter, func(g usageGroup, meter string) int { return strings.Compare(g.meter, meter) })
		if found || !first && at == 0 || following != nil && meter >= *following {
			continue // it has rows here, or is on another page
		}
		groups = slices.Insert(groups, at, usageGroup{meter: meter, last: true})
	}
	return groups, nil
}

// totals are those of one meter.
func (c usageCounting) totals(ctx context.Context, g usageGroup) ([]usageTotal, error) {
	var more []period.Period
	if g.last && !c.current.Empty() && (len(g.rows) == 0 || !c.current.Start.Before(g.rows[len(g.rows)-1].PeriodEnd)) {
		more = append(more, c.current)
	}
	counts, err := c.Totals(ctx, c.ledger, c.subscription, g.meter, g.rows, more...)
	if err != nil {
		return nil, err
	}
	out := make([]usageTotal, 0, len(counts))
	for i, n := range counts {
		if i >= len(g.rows) && !n.CarriesOver {
			continue
		}
		t := usageTotal{Meter: textOrNull(g.meter), Period: subscription.Period{Start: n.Period.Start, End: n.Period.End}, Aggregation: n.Aggregation,
			Quantity: decimalText(n.Quantity), Floored: n.Floored, Records: n.Records}
		if i < len(g.rows) {
			t.Total, t.Highest = g.rows[i].Total, g.rows[i].Highest
		}
		out = append(out, t)
	}
	return out, nil
}

// decimalText is a quantity as a decimal; an average over time is rounded to twelve places.
func decimalText(n *big.Rat) string {
	text := n.FloatString(12)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}
