package projections

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/pgtest"
)

func names(refs []catalog.CapabilityRef) []string {
	var all []string
	for _, r := range refs {
		all = append(all, r.Name)
	}
	return all
}

func TestSeatsKeepTheirCapabilitiesUntilThePlanChanges(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	pool := pgtest.Pool(t, db.AppURL)
	reads := NewReads(pgtest.Pool(t, db.ReaderURL), nil, nil)
	h, ledger, sub := newHistory(), id(900), id(100)
	models := Models()

	apply(t, pool, models, h.add(ledger, sub, day(1), started(10, 200, "ada", "")))
	apply(t, pool, models, h.add(ledger, sub, day(2), subscription.SeatsAdded{TaskID: id(300), Seats: []uuid.UUID{id(202)},
		Capabilities: terms(10, "extra").Capabilities, Quantity: 3}))
	of := func(seat int) License {
		l, err := reads.License(t.Context(), ledger, id(seat), day(3))
		require.NoError(t, err)
		return l
	}
	require.Equal(t, []string{"read", "write"}, names(of(200).Capabilities))
	require.Equal(t, []string{"extra"}, names(of(202).Capabilities))
	require.Equal(t, "ada", *of(200).GranteeID)
	require.Equal(t, "acme", *of(200).Purchaser)
	require.Nil(t, of(202).GranteeID)
	require.Equal(t, day(31), of(200).EndTime)

	apply(t, pool, models, h.add(ledger, sub, day(4), subscription.PlanChanged{TaskID: id(301), Terms: terms(11, "all"), Quantity: 3,
		AnchorAt: day(1), Period: subscription.Period{Start: day(1), End: day(31)}}))
	for _, seat := range []int{200, 201, 202} {
		require.Equal(t, []string{"all"}, names(of(seat).Capabilities))
		require.Equal(t, id(11), of(seat).PlanID)
	}

	count, err := reads.CountLicenses(t.Context(), ledger, LicenseFilter{SubscriptionID: sub, Status: "ACTIVE"}, day(5))
	require.NoError(t, err)
	require.Equal(t, LicenseCount{Count: 3, Assigned: 1, Unassigned: 2}, count)

	apply(t, pool, models, h.add(ledger, sub, day(6), subscription.SeatsRemoved{TaskID: id(302), Seats: []uuid.UUID{id(201)}, Quantity: 2},
		subscription.CancellationScheduled{EndsAt: day(31)}))
	require.Equal(t, "CANCELED", of(201).Status)
	list := func(f LicenseFilter, at int, k Keyset) (ids []uuid.UUID) {
		all, err := reads.Licenses(t.Context(), ledger, f, day(at), k)
		require.NoError(t, err)
		for _, l := range all {
			ids = append(ids, l.ID)
		}
		return ids
	}
	require.Equal(t, []uuid.UUID{id(200), id(202)}, list(LicenseFilter{Purchaser: "acme", Status: "ACTIVE"}, 6, Keyset{}))
	require.Equal(t, []uuid.UUID{id(202)}, list(LicenseFilter{PlanID: id(11), Status: "ACTIVE"}, 6, Keyset{After: id(200)}))
	require.Equal(t, []uuid.UUID{id(202), id(201), id(200)}, list(LicenseFilter{PlanID: id(11)}, 6, Keyset{Desc: true}))
	require.Empty(t, list(LicenseFilter{PlanID: id(11), Status: "ACTIVE"}, 31, Keyset{}), "it ended, though no scheduler recorded it")
}

func TestReaderSeesOneLedgerAlone(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	pool, reader := pgtest.Pool(t, db.AppURL), pgtest.Pool(t, db.ReaderURL)
	h := newHistory()
	apply(t, pool, Models(), h.add(id(900), id(100), day(1), started(10, 200, "ada", "")))

	for _, table := range []string{"subscriptions", "licenses", "due"} {
		var n int
		require.NoError(t, reader.QueryRow(t.Context(), "select count(*) from "+table).Scan(&n))
		require.Zero(t, n, "%s without a ledger", table)
	}
	reads := NewReads(reader, nil, nil)
	type counted struct {
		N int64 `db:"n"`
	}
	for ledger, want := range map[uuid.UUID]int64{id(900): 2, id(901): 0} {
		got, err := query[counted](t.Context(), reads, ledger, "select count(*) as n from licenses", nil)
		require.NoError(t, err)
		require.Equal(t, []counted{{want}}, got)
	}
	var n int
	require.NoError(t, reader.QueryRow(t.Context(), "select count(*) from licenses").Scan(&n))
	require.Zero(t, n, "the setting outlived its query")
}

// A question that takes too long is ended by the server and can be asked again; one that somebody
// cancelled is not called heavy.
func TestB67_HeavyQueriesEnd(t *testing.T) {
	t.Parallel()
	reads := NewReads(pgtest.Pool(t, pgtest.New(t).ReaderURL), nil, nil)
	type row struct {
		N int `db:"n"`
	}
	type limit struct {
		Limit string `db:"statement_timeout"`
	}
	limits, err := query[limit](t.Context(), reads, id(900), "select current_setting('statement_timeout') as statement_timeout", nil)
	require.NoError(t, err)
	require.Equal(t, []limit{{"5s"}}, limits, "unless somebody says otherwise")
	reads.timeout = 20 * time.Millisecond
	began := time.Now()
	_, err = query[row](t.Context(), reads, id(900), "select 1 as n from pg_sleep(10)", nil)
	require.Less(t, time.Since(began), 5*time.Second)
	refused, ok := domain.AsRefusal(err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "unavailable query_too_heavy", string(refused.Kind)+" "+refused.Code)

	reads.timeout = time.Minute
	_, err = query[row](t.Context(), reads, id(900), "select 1 as n from pg_cancel_backend(pg_backend_pid()), pg_sleep(10)", nil)
	_, ok = domain.AsRefusal(err)
	require.False(t, ok, "%v", err)
	got, err := query[row](t.Context(), reads, id(900), "select 1 as n", nil)
	require.NoError(t, err)
	require.Equal(t, []row{{1}}, got, "the connection is good as before")
}
