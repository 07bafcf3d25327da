package main_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/embeddedpg"
	"github.com/subledger/subledger/internal/pgtest"
)

// rowsWith lists the tables that have a row with one of the names, of one ledger or of any.
func (c *cli) rowsWith(ledger string, names []string) (tables []string) {
	c.t.Helper()
	at, ok, err := embeddedpg.Running(c.t.Context(), c.dir)
	require.NoError(c.t, err)
	require.True(c.t, ok)
	pool := pgtest.Pool(c.t, at(embeddedpg.Superuser, "subledger"))
	rows, err := pool.Query(c.t.Context(), `select c.oid::regclass::text from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'ledger_id'
		where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'`)
	require.NoError(c.t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(c.t, err)
	require.Greater(c.t, len(all), 20)
	for _, table := range all {
		var found bool
		require.NoError(c.t, pool.QueryRow(c.t.Context(), `select exists (select from `+table+` x where ($1 = '' or ledger_id::text = $1)
			and exists (select from unnest($2::text[]) name where strpos(x::text, name) > 0))`, ledger, names).Scan(&found))
		if found {
			tables = append(tables, table)
		}
	}
	return tables
}

// Beside a running server: after an erasure nothing of the person is in events, read models, answers and lists, the
// chain verifies, and whoever has the same id with another organisation is untouched.
func TestErase(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	s := c.serve()
	d, other := parse[demoOutput](t, c.ok("demo", "-o", "json")), parse[demoOutput](t, c.ok("demo", "--seed", "2", "-o", "json"))
	const grantee, buyer, mail = "gustav.g.secretive", "olga,o.secretive", "olga@secret.example" // an id may hold a comma
	const customer, customerMail, street = "berta.b.secretive", "berta@secret.example", "7 secretive street"
	bill := func(d demoOutput) string {
		status, body := s.call("POST", "/ledger/v1/customers", d.Keys.Test, `{"name":"`+customer+`","email":"`+customerMail+`","address":{"line1":"`+street+`"},"currency":"USD"}`)
		require.Equal(t, 201, status, "%s", body)
		return parse[struct{ UUID string }](t, body).UUID
	}
	billed := map[string]string{d.Organisation: bill(d), other.Organisation: bill(other)}
	sell := func(d demoOutput) string {
		status, body := s.call("POST", "/ledger/v1/subscriptions", d.Keys.Test,
			`{"planUuid":"`+d.Plans.PerSeat+`","quantity":2,"owner":"`+buyer+`","email":"`+mail+`","granteeId":"`+grantee+`"}`)
		require.Equal(t, 201, status, "%s", body)
		return parse[struct{ UUID string }](t, body).UUID
	}
	ours, theirs := sell(d), sell(other)
	// seen is what the organisation's API and command line say of them.
	seen := func(d demoOutput, subscription string) (text string) {
		for _, path := range []string{"/licenses/granteeId/" + grantee, "/licenses/check?productUuid=" + d.Product + "&granteeIds=" + grantee,
			"/ledger/v1/subscriptions/" + subscription, "/ledger/v1/subscriptions/" + subscription + "/licenses", "/ledger/v1/subscriptions/" + subscription + "/history",
			"/ledger/v1/subscriptions", "/ledger/v1/customers", "/ledger/v1/customers/" + billed[d.Organisation], "/ledger/v1/events?limit=100", "/licenses"} {
			status, body := s.call("GET", path, d.Keys.Test, "")
			require.Less(t, status, 300, "%s %s", path, body)
			text += body
		}
		return text + c.ok("events", "tail", "--organisation", d.Organisation, "--mode", "test", "--after", "0")
	}
	names := []string{grantee, buyer, mail, customer, customerMail, street}
	for _, name := range names {
		require.Contains(t, seen(d, ours), name)
	}
	before := seen(other, theirs)

	erase := []string{"erase", "--organisation", d.Organisation, "--mode", "test", "--subject", "grantee:" + grantee, "--subject", "owner:" + buyer, "--subject", "customer:" + billed[d.Organisation]}
	require.Contains(t, c.fails(2, erase...).stderr, "--yes", "there is nobody to ask")
	require.Contains(t, seen(d, ours), grantee)
	erase = append(erase, "--yes", "-o", "json")
	out := parse[struct {
		LedgerUUID string
		Erased     []struct {
			Subject           string
			Destroyed, Before int64
		}
		Rebuilt []string
	}](t, c.ok(erase...))
	require.Len(t, out.Erased, 3)
	for _, e := range out.Erased {
		require.Positive(t, e.Destroyed, e.Subject)
		require.Zero(t, e.Before)
	}
	require.Subset(t, out.Rebuilt, []string{"licenses", "customers"})

	require.EventuallyWithT(t, func(t *assert.CollectT) {
		text := seen(d, ours)
		for _, name := range names {
			assert.NotContains(t, text, name)
		}
	}, 20*time.Second, 50*time.Millisecond, "the server hears of it")
	require.Equal(t, before, seen(other, theirs))
	c.ok("verify")
	c.ok("projections", "check")
	require.Empty(t, c.rowsWith(out.LedgerUUID, names), "no row of the ledger has them")
	require.NotEmpty(t, c.rowsWith("", names), "those of the other one are there")

	// Once more changes nothing, and says so; a name that was never there is refused.
	again := c.ok(erase...)
	require.Contains(t, again, `"destroyed":0`)
	require.NotContains(t, again, `"before":0`)
	require.Contains(t, c.fails(4, "erase", "--organisation", d.Organisation, "--subject", "grantee:"+grantee, "--yes").stderr, "the live ledger knows nothing of grantee:"+grantee)
	for _, subject := range []string{"dora", "grantee:", "person:dora"} {
		require.Contains(t, c.fails(2, "erase", "--subject", subject, "--yes").stderr, "rbac_user:")
	}

	// Whoever comes again is somebody new.
	status, body := s.call("POST", "/licenses", d.Keys.Test, `{"planUuid":"`+d.Plans.Flat+`","member":"mia","granteeId":"`+grantee+`"}`)
	require.Equal(t, 201, status, "%s", body)
	_, body = s.call("GET", "/licenses/granteeId/"+grantee, d.Keys.Test, "")
	require.Len(t, parse[[]any](t, body), 1)
}
