package projections

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/eventstore"
)

// MeterUse is the key of a licence's usage on a meter; the default meter has no key.
type MeterUse struct {
	LedgerID  uuid.UUID `db:"ledger_id"`
	LicenseID uuid.UUID `db:"license_id"`
	Meter     string    `db:"meter"`
}

// Key implements Keyed.
func (k MeterUse) Key() MeterUse { return k }

// UsageTotal is all usage of a licence on a meter.
type UsageTotal struct {
	MeterUse
	SubscriptionID *uuid.UUID      `db:"subscription_id"`
	PlanID         uuid.UUID       `db:"plan_id"` // at the last record
	ProductID      uuid.UUID       `db:"product_id"`
	Total          decimal.Decimal `db:"total"`
	Records        int64           `db:"records"`
	LastAt         time.Time       `db:"last_at"` // the latest instant of a record
	Touched
	lately span // most records are of the period of the one before
}

// span is a period and the schedule that it is of. It is no column.
type span struct {
	period.Period
	of usageSchedule // zero: of an ad hoc licence
}

// PeriodUse is the key of a licence's usage on a meter in a period.
type PeriodUse struct {
	LedgerID    uuid.UUID `db:"ledger_id"`
	LicenseID   uuid.UUID `db:"license_id"`
	Meter       string    `db:"meter"`
	PeriodStart time.Time `db:"period_start"`
}

// Key implements Keyed. Equal instants are equal keys: folds and scans both give UTC.
func (k PeriodUse) Key() PeriodUse { return k }

// UsagePeriod is usage by the period of its own instant: the subscription's as known when it was
// recorded, a calendar month in UTC for an ad hoc licence.
type UsagePeriod struct {
	PeriodUse
	PeriodEnd      time.Time       `db:"period_end"`
	SubscriptionID *uuid.UUID      `db:"subscription_id"`
	Total          decimal.Decimal `db:"total"`
	Highest        decimal.Decimal `db:"highest"` // single quantity
	Last           decimal.Decimal `db:"last"`    // quantity at LastAt
	Records        int64           `db:"records"`
	LastAt         time.Time       `db:"last_at"`
	Position       int64           `db:"position"`
	UpdatedAt      time.Time       `db:"updated_at"`
}

// usageSchedule finds the period of an instant of a subscription.
type usageSchedule struct {
	scheduleKey
	AnchorAt time.Time `db:"anchor_at"`
	Interval string    `db:"interval"`
	Length   int       `db:"length"`
	TimeZone string    `db:"time_zone"`
	// The period that was under way when the calendar became another one; both 1970 for none.
	MovedStart time.Time `db:"moved_start"`
	MovedEnd   time.Time `db:"moved_end"`
}

type scheduleKey struct {
	LedgerID       uuid.UUID `db:"ledger_id"`
	SubscriptionID uuid.UUID `db:"subscription_id"`
}

// Key implements Keyed.
func (k scheduleKey) Key() scheduleKey { return k }

func scheduleOf(e *eventstore.Recorded, d subscription.Started) usageSchedule {
	none := time.Unix(0, 0).UTC()
	return usageSchedule{scheduleKey{e.Ledger, e.Stream}, d.AnchorAt, d.Terms.Interval, d.Terms.Length, d.TimeZone, none, none}
}

func (s usageSchedule) after(d subscription.PlanChanged) usageSchedule {
	s.AnchorAt, s.Interval, s.Length = d.AnchorAt, d.Terms.Interval, d.Terms.Length
	return s
}

// moved is the schedule from another anchor: a pause extended its period.
func (s usageSchedule) moved(anchor time.Time) usageSchedule {
	s.AnchorAt = anchor
	return s
}

// rezoned is the schedule on another calendar: the period under way keeps its start.
func (s usageSchedule) rezoned(d subscription.Rezoned) usageSchedule {
	s.TimeZone, s.AnchorAt, s.MovedStart, s.MovedEnd = d.TimeZone, d.AnchorAt, d.Period.Start, d.Period.End
	return s
}

// at is the period of an instant; the zero schedule's are calendar months.
func (s usageSchedule) at(t time.Time) (p period.Period, err error) {
	if !t.Before(s.MovedStart) && t.Before(s.MovedEnd) {
		return period.Period{Start: s.MovedStart, End: s.MovedEnd}, nil
	}
	in := period.Schedule{Interval: period.Interval{Unit: period.Month, Count: 1}}
	if s != (usageSchedule{}) {
		in, err = period.New(s.AnchorAt, period.Interval{Unit: period.Unit(s.Interval), Count: s.Length}, s.TimeZone)
	}
	if err == nil {
		_, p = in.At(t)
	}
	return p, err
}

// Usage is the read model of what licences used.
func Usage() *Model {
	totals := NewTable[MeterUse, UsageTotal]("usage_totals")
	periods := NewTable[PeriodUse, UsagePeriod]("usage_periods")
	schedules := NewTable[scheduleKey, usageSchedule]("usage_schedules")

	record := func(p *Page, e *eventstore.Recorded, d usage.Recorded) {
		total, _ := totals.Get(p, MeterUse{e.Ledger, d.LicenseID, d.Meter})
		total.MeterUse, total.SubscriptionID = MeterUse{e.Ledger, d.LicenseID, d.Meter}, d.SubscriptionID
		total.PlanID, total.ProductID = d.PlanID, d.ProductID
		total.Total, total.Records = total.Total.Add(d.Quantity), total.Records+1
		if d.At.After(total.LastAt) {
			total.LastAt = d.At
		}
		total.Touched = total.by(e)
		var schedule usageSchedule
		if d.SubscriptionID != nil {
			schedule = schedules.Must(p, scheduleKey{e.Ledger, *d.SubscriptionID})
		}
		if total.lately.of != schedule || d.At.Before(total.lately.Start) || !d.At.Before(total.lately.End) {
			of, err := schedule.at(d.At)
			if err != nil {
				p.Fail(err)
				return
			}
			total.lately = span{of, schedule}
		}
		totals.Put(p, total)

		span := total.lately
		key := PeriodUse{e.Ledger, d.LicenseID, d.Meter, span.Start}
		row, ok := periods.Get(p, key)
		row.PeriodUse, row.PeriodEnd, row.SubscriptionID = key, span.End, d.SubscriptionID
		row.Total, row.Records = row.Total.Add(d.Quantity), row.Records+1
		if !ok || d.Quantity.GreaterThan(row.Highest) {
			row.Highest = d.Quantity
		}
		if !d.At.Before(row.LastAt) {
			row.LastAt, row.Last = d.At, d.Quantity
		}
		row.Position, row.UpdatedAt = e.Position, e.RecordedAt
		periods.Put(p, row)
	}

	return newModel("usage", func(p *Page, e *eventstore.Recorded) {
		switch d := e.Event.(type) {
		case subscription.Started:
			schedules.Put(p, scheduleOf(e, d))
		case subscription.PlanChanged:
			schedules.Put(p, schedules.Must(p, scheduleKey{e.Ledger, e.Stream}).after(d))
		case subscription.Resumed:
			if d.AnchorAt != nil {
				schedules.Put(p, schedules.Must(p, scheduleKey{e.Ledger, e.Stream}).moved(*d.AnchorAt))
			}
		case subscription.Rezoned:
			schedules.Put(p, schedules.Must(p, scheduleKey{e.Ledger, e.Stream}).rezoned(d))
		case usage.Recorded:
			record(p, e, d)
		}
	}, totals, periods, schedules)
}

// UsageFilter narrows usage to a licence or a subscription, and to a meter; zero fields do not. For
// periods, From and To are half-open and keep the periods that overlap them.
type UsageFilter struct {
	LicenseID      uuid.UUID
	SubscriptionID uuid.UUID
	Meter          *string
	From, To       time.Time
}

func (f UsageFilter) where(ledger uuid.UUID) *where {
	w := within(ledger).and("u.ledger_id = @ledger")
	if f.LicenseID != uuid.Nil {
		w.with("license", f.LicenseID, "u.license_id = @license")
	}
	if f.SubscriptionID != uuid.Nil {
		w.with("subscription", f.SubscriptionID, "u.subscription_id = @subscription")
	}
	if f.Meter != nil {
		w.with("meter", *f.Meter, "u.meter = @meter")
	}
	return w
}

// UsageTotals lists totals in order of licence and meter, after a key (zero: from the beginning).
func (r *Reads) UsageTotals(ctx context.Context, ledger uuid.UUID, f UsageFilter, after MeterUse, limit int) ([]UsageTotal, error) {
	w := f.where(ledger)
	if after != (MeterUse{}) {
		w.args["after_meter"] = after.Meter
		w.with("after", after.LicenseID, "(u.license_id, u.meter) > (@after, @after_meter)")
	}
	w.args["limit"] = Keyset{Limit: limit}.limit()
	return query[UsageTotal](ctx, r, ledger, "select u.* from usage_totals u where "+w.String()+
		" order by u.license_id, u.meter limit @limit", w.args)
}

// UsagePeriods lists usage by period in order of licence, meter and period, after a key (zero: from
// the beginning).
func (r *Reads) UsagePeriods(ctx context.Context, ledger uuid.UUID, f UsageFilter, after PeriodUse, limit int) ([]UsagePeriod, error) {
	w := f.where(ledger)
	if !f.From.IsZero() {
		w.with("from", f.From, "u.period_end > @from")
	}
	if !f.To.IsZero() {
		w.with("to", f.To, "u.period_start < @to")
	}
	if after != (PeriodUse{}) {
		w.args["after_meter"], w.args["after_start"] = after.Meter, after.PeriodStart
		w.with("after", after.LicenseID, "(u.license_id, u.meter, u.period_start) > (@after, @after_meter, @after_start)")
	}
	w.args["limit"] = Keyset{Limit: limit}.limit()
	return query[UsagePeriod](ctx, r, ledger, "select u.* from usage_periods u where "+w.String()+
		" order by u.license_id, u.meter, u.period_start limit @limit", w.args)
}

// PeriodTotal is usage of a subscription's licences together, by meter and period.
type PeriodTotal struct {
	Meter       string          `db:"meter"`
	PeriodStart time.Time       `db:"period_start"`
	PeriodEnd   time.Time       `db:"period_end"`
	Total       decimal.Decimal `db:"total"`
	Highest     decimal.Decimal `db:"highest"`
	Records     int64           `db:"records"`
}

// PeriodKey is a place in SubscriptionUsage.
type PeriodKey struct {
	Meter string    `json:"meter"`
	Start time.Time `json:"start"`
}

// Key is the row's place.
func (p PeriodTotal) Key() PeriodKey { return PeriodKey{p.Meter, p.PeriodStart} }

// SubscriptionUsage sums a subscription's usage by meter and the beginnings of periods, in this order, after a key
// (zero: from the beginning).
func (r *Reads) SubscriptionUsage(ctx context.Context, ledger, id uuid.UUID, f UsageFilter, after PeriodKey, limit int) ([]PeriodTotal, error) {
	f.SubscriptionID = id
	w := f.where(ledger)
	if !f.From.IsZero() {
		w.with("from", f.From, "u.period_end > @from")
	}
	if !f.To.IsZero() {
		w.with("to", f.To, "u.period_start < @to")
	}
	if after != (PeriodKey{}) {
		w.args["after_start"] = after.Start
		w.with("after_meter", after.Meter, "(u.meter, u.period_start) > (@after_meter, @after_start)")
	}
	w.args["limit"] = Keyset{Limit: limit}.limit()
	return query[PeriodTotal](ctx, r, ledger, `select u.meter, u.period_start, max(u.period_end) as period_end, sum(u.total) as total,
			max(u.highest) as highest, sum(u.records)::bigint as records
		from usage_periods u where `+w.String()+`
		group by u.meter, u.period_start order by u.meter, u.period_start limit @limit`, w.args)
}

// CarryingMeters are those that a subscription ever used and that carry over, in order, at most 1,000; meter, if it is
// given, alone.
func (r *Reads) CarryingMeters(ctx context.Context, ledger, subscription uuid.UUID, meter *string) ([]string, error) {
	type row struct {
		Meter string `db:"meter"`
	}
	rows, err := query[row](ctx, r, ledger, `select distinct u.meter from usage_totals u join meters m on m.ledger_id = u.ledger_id and m.key = u.meter
		where u.ledger_id = @ledger and u.subscription_id = @subscription and (@meter::text is null or u.meter = @meter)
			and m.fields->>'aggregation' in ('last', 'weightedSum') and (m.fields->>'carries_over')::boolean
		order by u.meter limit 1000`, pgx.NamedArgs{"ledger": ledger, "subscription": subscription, "meter": meter})
	if err != nil {
		return nil, err
	}
	meters := make([]string, len(rows))
	for i, row := range rows {
		meters[i] = row.Meter
	}
	return meters, nil
}

// UsagePosition is the position of a ledger up to which UsageLicenses and the meters are known, 0 for none.
func (r *Reads) UsagePosition(ctx context.Context, ledger uuid.UUID) (int64, error) {
	return r.KnownTo(ctx, ledger, "usage", "catalog")
}

// UsageLicenses lists the licences of a subscription that ever used a meter and have a record at or after an instant, in
// order of id, after one (zero: from the beginning), 1,000 at most. Seats that were removed are among them.
func (r *Reads) UsageLicenses(ctx context.Context, ledger, subscription uuid.UUID, meter string, since time.Time, after uuid.UUID) ([]uuid.UUID, error) {
	type license struct {
		ID uuid.UUID `db:"license_id"`
	}
	rows, err := query[license](ctx, r, ledger, `select license_id from usage_totals
		where ledger_id = @ledger and subscription_id = @subscription and meter = @meter and last_at >= @since and license_id > @after
		order by license_id limit 1000`,
		pgx.NamedArgs{"ledger": ledger, "subscription": subscription, "meter": meter, "since": since, "after": after})
	if err != nil {
		return nil, err
	}
	ids := make([]uuid.UUID, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	return ids, nil
}

// LateUse is a time of usage that came after a position.
type LateUse struct {
	Meter string    `db:"meter"`
	Start time.Time `db:"period_start"`
	End   time.Time `db:"period_end"`
}

// LateUsage lists the periods, the one under way among them, for which a subscription's usage came after a position, by meter
// and in order. They are those of when it came: a part of one may have been billed before it is over.
func (r *Reads) LateUsage(ctx context.Context, ledger, subscription uuid.UUID, position int64) ([]LateUse, error) {
	return query[LateUse](ctx, r, ledger, `select distinct meter, period_start, period_end from usage_periods
		where ledger_id = @ledger and subscription_id = @subscription and position > @position
		order by meter, period_start, period_end`, pgx.NamedArgs{"ledger": ledger, "subscription": subscription, "position": position})
}
