package projections

import (
	"context"
	"reflect"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
)

// License is a licence as it is at the instant of a query: a seat with what its subscription says, or
// an ad hoc one.
type License struct {
	LedgerID          uuid.UUID
	ID                uuid.UUID
	StreamID          uuid.UUID  // its subscription's, or its own: where commands go
	SubscriptionID    *uuid.UUID // nil: ad hoc
	ProductID         uuid.UUID
	PlanID            uuid.UUID
	PlanVersion       int
	Type              string // the plan's license type: licensed, metered, perSeat, …
	GranteeID         *string
	Purchaser         *string
	Email             *string
	Status            string // effective
	StartTime         time.Time
	EndTime           time.Time // of the running period, the trial, or for good
	CancelAtPeriodEnd bool
	Capabilities      []catalog.CapabilityRef // as frozen
	Version           int64                   // of the stream
	Position          int64                   // of the last event that changed it or its subscription
	CreatedAt         time.Time
	UpdatedAt         time.Time
}

// answer is the licence at an instant.
func (l *LicenseRow) answer(s *Subscription, at time.Time) License {
	a := License{
		LedgerID: l.LedgerID, ID: l.ID, StreamID: l.ID, SubscriptionID: l.SubscriptionID, ProductID: l.ProductID,
		GranteeID: l.Grantee, Purchaser: l.Purchaser, Email: l.Email, Status: l.statusAt(s, at),
		StartTime: l.StartTime, EndTime: l.endAt(s, at), CancelAtPeriodEnd: l.CancelAtPeriodEnd,
		Capabilities: l.capabilities(s), Version: l.Version, Position: l.Position, CreatedAt: l.CreatedAt, UpdatedAt: l.UpdatedAt,
	}
	terms := l.Terms
	if s != nil {
		if terms == nil {
			terms = &s.Terms
		}
		a.StreamID, a.Purchaser, a.Email, a.CancelAtPeriodEnd = s.ID, s.Owner, s.Email, s.CancelAt != nil
		a.Version, a.Position = max(l.Version, s.Version), max(l.Position, s.Position)
		if s.UpdatedAt.After(l.UpdatedAt) {
			a.UpdatedAt = s.UpdatedAt
		}
	}
	a.PlanID, a.PlanVersion, a.Type = terms.PlanID, terms.PlanVersion, terms.LicenseType
	if a.Capabilities == nil {
		a.Capabilities = []catalog.CapabilityRef{}
	}
	return a
}

// LicenseFilter narrows a list or count of licences; zero fields do not.
type LicenseFilter struct {
	IDs            []uuid.UUID // these alone; unknown ones are left out
	SubscriptionID uuid.UUID
	ProductID      uuid.UUID
	PlanID         uuid.UUID
	Grantee        string
	Purchaser      string
	Status         string // effective; compared as it is, in upper case
	Assigned       *bool
}

var (
	licenseColumns      = columnsOf(reflect.TypeFor[LicenseRow]())
	subscriptionColumns = columnsOf(reflect.TypeFor[Subscription]())
)

// from is the joined rows that the filter leaves. A purchaser and a plan are a seat's subscription's:
// each has two disjoint index scans rather than a condition on both tables that no index can serve.
func (f LicenseFilter) from(ledger uuid.UUID, at time.Time, k Keyset) (string, pgx.NamedArgs) {
	w := within(ledger).and("l.ledger_id = @ledger").after("l", k)
	w.args["at"] = at
	source := "licenses"
	switch {
	case f.Purchaser != "":
		w.args["purchaser"] = f.Purchaser
		source = eitherWay("purchaser", "owner", "@purchaser")
	case f.PlanID != uuid.Nil:
		source = eitherWay("plan_id", "plan_id", "@plan")
	}
	if f.PlanID != uuid.Nil {
		w.with("plan", f.PlanID, "coalesce(l.plan_id, s.plan_id) = @plan")
	}
	if f.IDs != nil {
		w.with("ids", f.IDs, "l.id = any(@ids)")
	}
	if f.SubscriptionID != uuid.Nil {
		w.with("subscription", f.SubscriptionID, "l.subscription_id = @subscription")
	}
	if f.ProductID != uuid.Nil {
		w.with("product", f.ProductID, "l.product_id = @product")
	}
	if f.Grantee != "" {
		w.with("grantee", f.Grantee, "l.grantee = @grantee")
	}
	if f.Assigned != nil {
		w.with("assigned", *f.Assigned, "(l.grantee is not null) = @assigned")
	}
	if f.Status != "" {
		w.with("status", f.Status, licenseStatus+" = @status")
	}
	return " from " + source + ` l left join subscriptions s on s.ledger_id = l.ledger_id and s.id = l.subscription_id
		where ` + w.String() + " and (l.subscription_id is null or s.id is not null)", w.args
}

func eitherWay(own, subscriptions, value string) string {
	return `(select a.* from licenses a where a.ledger_id = @ledger and a.` + own + ` = ` + value + `
		union all
		select a.* from subscriptions o join licenses a on a.ledger_id = o.ledger_id and a.subscription_id = o.id
		where o.ledger_id = @ledger and o.` + subscriptions + ` = ` + value + ` and a.` + own + ` is null)`
}

// License refuses with no_license.
func (r *Reads) License(ctx context.Context, ledger, id uuid.UUID, at time.Time) (License, error) {
	all, err := r.Licenses(ctx, ledger, LicenseFilter{IDs: []uuid.UUID{id}}, at, Keyset{Limit: 1})
	if err == nil && len(all) == 0 {
		err = domain.Refuse(domain.NotFound, "no_license", "%s is not known here", id)
	}
	if err != nil {
		return License{}, err
	}
	return all[0], nil
}

// Licenses lists licences, as they are at an instant, in order of id. By grantee, by purchaser and
// by subscription are filters of it.
func (r *Reads) Licenses(ctx context.Context, ledger uuid.UUID, f LicenseFilter, at time.Time, k Keyset) ([]License, error) {
	from, args := f.from(ledger, at, k)
	pairs, err := r.licensePairs(ctx, ledger, from+k.tail("l"), args)
	if err != nil {
		return nil, err
	}
	all := make([]License, len(pairs))
	for i, pair := range pairs {
		all[i] = pair.license.answer(pair.subscription, at)
	}
	return all, nil
}

// LicenseCount counts licences; Count = Assigned + Unassigned.
type LicenseCount struct {
	Count      int64 `db:"count"`
	Assigned   int64 `db:"assigned"`
	Unassigned int64 `db:"unassigned"`
}

// CountLicenses counts what Licenses lists.
func (r *Reads) CountLicenses(ctx context.Context, ledger uuid.UUID, f LicenseFilter, at time.Time) (LicenseCount, error) {
	from, args := f.from(ledger, at, Keyset{})
	all, err := query[LicenseCount](ctx, r, ledger,
		"select count(*) as count, count(l.grantee) as assigned, count(*) - count(l.grantee) as unassigned"+from, args)
	if err != nil {
		return LicenseCount{}, err
	}
	return all[0], nil
}

// licensePair is a licence and its subscription, nil for an ad hoc one.
type licensePair struct {
	license      LicenseRow
	subscription *Subscription
}

// licensePairs selects both rows whole, from and where given.
func (r *Reads) licensePairs(ctx context.Context, ledger uuid.UUID, from string, args pgx.NamedArgs) ([]licensePair, error) {
	var all []licensePair
	sql := "select " + quoted(licenseColumns, "l.") + ", " + quoted(subscriptionColumns, "s.") + from
	err := r.within(ctx, ledger, sql, args, func(rows pgx.Rows) (err error) {
		all, err = collectPairs(rows)
		return err
	})
	return all, err
}

func collectPairs(rows pgx.Rows) ([]licensePair, error) {
	defer rows.Close()
	if err := rows.Err(); err != nil {
		return nil, err
	}
	var all []licensePair
	n := len(licenseColumns)
	licenses := newScanner(rows, 0, licenseColumns, reflect.TypeFor[LicenseRow]())
	subscriptions := newScanner(rows, n, subscriptionColumns, reflect.TypeFor[Subscription]())
	for rows.Next() {
		var pair licensePair
		values := rows.RawValues()
		if err := licenses.scan(values[:n], reflect.ValueOf(&pair.license).Elem()); err != nil {
			return nil, err
		}
		if values[n] != nil {
			pair.subscription = &Subscription{}
			if err := subscriptions.scan(values[n:], reflect.ValueOf(pair.subscription).Elem()); err != nil {
				return nil, err
			}
		}
		all = append(all, pair)
	}
	return all, rows.Err()
}
