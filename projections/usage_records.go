package projections

import (
	"context"
	"reflect"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/eventstore"
)

type usageRecordKey struct {
	LedgerID    uuid.UUID `db:"ledger_id"`
	LicenseID   uuid.UUID `db:"license_id"`
	PeriodStart time.Time `db:"period_start"`
}

// Key implements Keyed.
func (k usageRecordKey) Key() usageRecordKey { return k }

// usageRecord is usage of a licence in a period, over all meters.
type usageRecord struct {
	usageRecordKey
	PeriodEnd      time.Time       `db:"period_end"`
	ID             uuid.UUID       `db:"id"` // in order of the periods
	SubscriptionID *uuid.UUID      `db:"subscription_id"`
	PlanID         uuid.UUID       `db:"plan_id"`
	Schedule       int             `db:"schedule"`
	Total          decimal.Decimal `db:"total"`
	Position       int64           `db:"position"`
	CreatedAt      time.Time       `db:"created_at"`
	UpdatedAt      time.Time       `db:"updated_at"`
}

// recordSchedule counts a subscription's schedules: a period of an earlier one holds no more, whatever its end.
type recordSchedule struct {
	usageSchedule
	Number int       `db:"number"`
	Since  time.Time `db:"since"`
}

// UsageRecords is the read model of usage by licence and period.
func UsageRecords() *Model {
	records := NewTable[usageRecordKey, usageRecord]("usage_records")
	schedules := NewTable[scheduleKey, recordSchedule]("usage_record_schedules")
	return newModel("usage_records", func(p *Page, e *eventstore.Recorded) {
		switch d := e.Event.(type) {
		case subscription.Started:
			schedules.Put(p, recordSchedule{scheduleOf(e, d), 1, d.StartAt})
		case subscription.PlanChanged:
			old := schedules.Must(p, scheduleKey{e.Ledger, e.Stream})
			if next := old.usageSchedule.after(d); next != old.usageSchedule {
				schedules.Put(p, recordSchedule{next, old.Number + 1, e.EffectiveAt})
			}
		case subscription.Resumed:
			if d.AnchorAt != nil {
				old := schedules.Must(p, scheduleKey{e.Ledger, e.Stream})
				schedules.Put(p, recordSchedule{old.moved(*d.AnchorAt), old.Number + 1, e.EffectiveAt})
			}
		case subscription.Rezoned:
			old := schedules.Must(p, scheduleKey{e.Ledger, e.Stream})
			old.usageSchedule = old.rezoned(d) // the period under way is still the same
			schedules.Put(p, old)
		case usage.Recorded:
			var schedule recordSchedule
			if d.SubscriptionID != nil {
				schedule = schedules.Must(p, scheduleKey{e.Ledger, *d.SubscriptionID})
			}
			in, err := schedule.at(d.At)
			if err != nil {
				p.Fail(err)
				return
			}
			key := usageRecordKey{e.Ledger, d.LicenseID, in.Start}
			row, ok := records.Get(p, key)
			if !ok {
				row = usageRecord{usageRecordKey: key, ID: domain.DeriveID(d.LicenseID, in.Start, 0), CreatedAt: e.RecordedAt}
			}
			row.PeriodEnd, row.SubscriptionID, row.PlanID, row.Schedule = in.End, d.SubscriptionID, d.PlanID, schedule.Number
			row.Total, row.Position, row.UpdatedAt = row.Total.Add(d.Quantity), e.Position, e.RecordedAt
			records.Put(p, row)
		}
	}, records, schedules)
}

// What a usage record is at an instant.
const (
	UsageCurrent  = "current"  // of the period that holds
	UsageRecorded = "recorded" // of a period that is over
	UsageFinal    = "final"    // of the last period of a licence that has ended
)

// UsageRecord is usage of a licence in a period as it is at the instant of a query.
type UsageRecord struct {
	usageRecord
	Type     string     `db:"type"`
	ClosedAt *time.Time `db:"closed_at"` // when the period or the licence ended; nil for a current one
}

// UsageRecordFilter narrows a list of usage records; zero fields do not.
type UsageRecordFilter struct {
	LicenseID      uuid.UUID
	Grantee        string // who holds the licence now
	SubscriptionID uuid.UUID
	PlanID         uuid.UUID
	LicenseStatus  string // effective
	Type           string
	Open           bool // current or final
}

// usageRecords are the records with what they are at @at. A licence is over when it was cancelled, or when an ad
// hoc one has run out; a paused one is not.
const usageRecords = `(select u.*, case
			when not o.ended and u.schedule = coalesce(c.number, 0) and u.period_start <= @at and @at < u.period_end then 'current'
			when o.ended and not exists (select from usage_records n where n.ledger_id = u.ledger_id and n.license_id = u.license_id
				and (n.schedule, n.period_start) > (u.schedule, u.period_start)) then 'final'
			else 'recorded' end as type,
		least(u.period_end, case when u.schedule <> c.number then c.since end, case when o.ended then coalesce(l.ended_at, s.ended_at, s.cancel_at, l.end_time) end) as closes_at, l.grantee, o.status
	from usage_records u join licenses l on l.ledger_id = u.ledger_id and l.id = u.license_id
		left join subscriptions s on s.ledger_id = l.ledger_id and s.id = l.subscription_id
		left join usage_record_schedules c on c.ledger_id = u.ledger_id and c.subscription_id = u.subscription_id
		cross join lateral (select x.status, x.status = 'CANCELED' or l.subscription_id is null and x.status = 'INACTIVE' as ended
			from (select ` + licenseStatus + ` as status) x) o) u`

var usageRecordColumns = columnsOf(reflect.TypeFor[usageRecord]())

// UsageRecords lists usage records as they are at an instant, in order of their periods' beginnings.
func (r *Reads) UsageRecords(ctx context.Context, ledger uuid.UUID, f UsageRecordFilter, at time.Time, k Keyset) ([]UsageRecord, error) {
	w := within(ledger).with("at", at, "u.ledger_id = @ledger").after("u", k)
	if f.LicenseID != uuid.Nil {
		w.with("license", f.LicenseID, "u.license_id = @license")
	}
	if f.Grantee != "" {
		w.with("grantee", f.Grantee, "u.grantee = @grantee")
	}
	if f.SubscriptionID != uuid.Nil {
		w.with("subscription", f.SubscriptionID, "u.subscription_id = @subscription")
	}
	if f.PlanID != uuid.Nil {
		w.with("plan", f.PlanID, "u.plan_id = @plan")
	}
	if f.LicenseStatus != "" {
		w.with("status", f.LicenseStatus, "u.status = @status")
	}
	if f.Type != "" {
		w.with("type", f.Type, "u.type = @type")
	}
	if f.Open {
		w.and("u.type <> 'recorded'")
	}
	return query[UsageRecord](ctx, r, ledger, `select `+quoted(usageRecordColumns, "u.")+`, u.type, case when u.type <> 'current' then u.closes_at end as closed_at
		from `+usageRecords+` where `+w.String()+k.tail("u"), w.args)
}

// UsageNow is the record of a licence's current period, or the final one of a licence that has ended; false when
// nothing was recorded in it.
func (r *Reads) UsageNow(ctx context.Context, ledger, license uuid.UUID, at time.Time) (UsageRecord, bool, error) {
	all, err := r.UsageRecords(ctx, ledger, UsageRecordFilter{LicenseID: license, Open: true}, at, Keyset{Limit: 1})
	if err != nil || len(all) == 0 {
		return UsageRecord{}, false, err
	}
	return all[0], true, nil
}
