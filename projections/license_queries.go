package projections

import (
	"context"
	"reflect"
	"slices"
	"strconv"
	"strings"
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
		a.StreamID, a.Purchaser, a.Email, a.CancelAtPeriodEnd = s.ID, s.Owner, s.Email, l.EndedAt == nil && s.CancelsAtPeriodEnd()
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
	IDs             []uuid.UUID // these alone; unknown ones are left out
	SubscriptionID  uuid.UUID
	SubscriptionIDs []uuid.UUID // of any of these
	ProductID       uuid.UUID
	PlanID          uuid.UUID
	Grantee         string
	Purchaser       string
	Status          string // effective; compared as it is, in upper case
	NotCanceled     bool   // effective
	Assigned        *bool
}

var (
	licenseColumns      = columnsOf(reflect.TypeFor[LicenseRow]())
	subscriptionColumns = columnsOf(reflect.TypeFor[Subscription]())
)

// arms are the joined rows that the filter leaves, as one list or as two without a row in common: a purchaser and
// a plan are a licence's own or its subscription's, and no index serves a condition on either.
func (f LicenseFilter) arms(ledger uuid.UUID, at time.Time, k Keyset) ([]string, pgx.NamedArgs) {
	w := within(ledger).and("l.ledger_id = @ledger").after("l", k)
	w.args["at"] = at
	if f.PlanID != uuid.Nil {
		w.args["plan"] = f.PlanID
	}
	if f.IDs != nil {
		w.with("ids", f.IDs, "l.id = any(@ids)")
	}
	if f.SubscriptionID != uuid.Nil {
		w.with("subscription", f.SubscriptionID, "l.subscription_id = @subscription")
	}
	if f.SubscriptionIDs != nil {
		w.with("subscriptions", f.SubscriptionIDs, "l.subscription_id = any(@subscriptions)")
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
		// Of a bare comparison the planner believes that it leaves one row in two hundred, and sorts the whole ledger
		// for each page; of a case that it leaves half.
		w.with("status", f.Status, "case when "+licenseStatus+" = @status then true else false end")
	}
	if f.NotCanceled {
		w.and("case when " + licenseStatus + " <> 'CANCELED' then true else false end") // for the planner, as above
	}
	var either []string
	switch {
	case f.Purchaser != "":
		w.args["purchaser"] = f.Purchaser
		either = []string{"l.purchaser = @purchaser", "l.purchaser is null and s.owner = @purchaser"}
		if f.PlanID != uuid.Nil {
			w.and("coalesce(l.plan_id, s.plan_id) = @plan")
		}
	case f.PlanID != uuid.Nil:
		either = []string{"l.plan_id = @plan", "l.plan_id is null and s.plan_id = @plan"}
	default:
		either = []string{"true"}
	}
	w.and("(l.subscription_id is null or s.id is not null)") // else its subscription's projection is behind
	arms := make([]string, len(either))
	for i, condition := range either {
		arms[i] = ` from licenses l left join subscriptions s on s.ledger_id = l.ledger_id and s.id = l.subscription_id
			where ` + w.String() + " and " + condition
	}
	return arms, w.args
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
	arms, args := f.arms(ledger, at, k)
	pairs, err := r.licensePairs(ctx, ledger, arms, k, args)
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
	arms, args := f.arms(ledger, at, Keyset{})
	for i, arm := range arms {
		arms[i] = "select count(*) as n, count(l.grantee) as assigned" + arm
	}
	all, err := query[LicenseCount](ctx, r, ledger, `select sum(n)::bigint as count, sum(assigned)::bigint as assigned, sum(n - assigned)::bigint as unassigned
		from (`+strings.Join(arms, " union all ")+") counted", args)
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

// licensePairs selects both rows whole: of each arm a page, in the order of the licences' ids.
func (r *Reads) licensePairs(ctx context.Context, ledger uuid.UUID, arms []string, k Keyset, args pgx.NamedArgs) ([]licensePair, error) {
	var all []licensePair
	columns := "select " + quoted(licenseColumns, "l.") + ", " + quoted(subscriptionColumns, "s.")
	sql := columns + arms[0] + k.tail("l")
	for _, arm := range arms[1:] {
		sql = "(" + sql + ") union all (" + columns + arm + k.tail("l") + ")"
	}
	if len(arms) > 1 {
		sql += k.tailBy(strconv.Itoa(slices.IndexFunc(licenseColumns, func(c column) bool { return c.name == "id" }) + 1)) // both tables have a column of that name
	}
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
