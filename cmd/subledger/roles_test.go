package main_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/pgtest"
)

// A database whose owner may not create roles is not set up half: it is refused with what a superuser has to run. Roles
// that came later, or lost a right, get theirs by migrate up, and doctor tells what is missing.
func TestAnOwnerWhoMayNotCreateRoles(t *testing.T) {
	t.Parallel()
	server := pgtest.Cluster(t)
	server.Exec(t, "postgres", "create role own login", "create database ledger owner own", "create database late owner own")
	c := newCLI(t)
	as := func(database string) *cli { return c.with("DATABASE_OWNER_URL=" + server.URL("own", database)) }
	apart := func(database string) *cli {
		return as(database).with("DATABASE_URL="+server.URL("subledger_app", database), "DATABASE_READER_URL="+server.URL("subledger_reader", database))
	}
	tables := func() string { return as("ledger").ok("migrate", "status", "-o", "json") }
	before := tables()

	var sql []string
	for _, each := range [][]string{{"migrate", "up"}, {"serve", "--listen", "127.0.0.1:0"}} {
		whole := c.with("DATABASE_URL=" + server.URL("own", "ledger"))
		r := whole.fails(4, each...)
		require.Contains(t, r.stderr, "own may not create roles")
		require.Contains(t, r.stderr, "Then run it again.")
		sql = regexp.MustCompile(`create role [^;]+;`).FindAllString(r.stderr, -1)
		require.Len(t, sql, 2, "%s", r.stderr)
	}
	require.NotContains(t, before, `"applied":true`)
	require.Equal(t, before, tables(), "nothing was applied")

	// An older version set one up for one role. It goes on like that, and doctor tells.
	server.Exec(t, "postgres", sql...)
	late := as("late")
	late.ok("migrate", "up")
	gone := strings.NewReplacer("create role", "drop role", " login", "")
	server.Exec(t, "late", "drop owned by subledger_app, subledger_reader")
	server.Exec(t, "postgres", gone.Replace(sql[0]), gone.Replace(sql[1]))
	one := c.with("DATABASE_URL=" + server.URL("own", "late"))
	require.Contains(t, one.ok("migrate", "up"), "up to date")
	look := parse[doctorOutput](t, one.ok("doctor", "-o", "json"))
	require.Equal(t, "warning", look.states()["roles"])
	require.Contains(t, one.ok("doctor"), "create role subledger_app login;")

	// The roles come, as the message said, and then their rights.
	server.Exec(t, "postgres", sql...)
	look = parse[doctorOutput](t, apart("late").fails(6, "doctor", "-o", "json").stdout)
	require.Equal(t, "fault", look.states()["roles"])
	require.Contains(t, apart("late").fails(6, "doctor").stdout, "subledger_app lacks SELECT on api_keys, and ")
	limited := c.with("DATABASE_URL="+server.URL("subledger_app", "late"), "DATABASE_READER_URL="+server.URL("subledger_reader", "late"))
	require.Contains(t, limited.fails(1, "keys", "list").stderr, "subledger migrate up")
	apart("late").ok("migrate", "up")
	require.Equal(t, "ok", parse[doctorOutput](t, apart("late").ok("doctor", "-o", "json")).states()["roles"])
	d := parse[demoOutput](t, apart("late").ok("demo", "-o", "json"))
	s := apart("late").serve()
	status, body := s.call("GET", "/ledger/v1/subscriptions", d.Keys.Test, "")
	require.Equal(t, 200, status, "%s", body)
	require.Contains(t, body, `"quantity":5`)
	require.Equal(t, 0, s.stop())

	// What one role lost is given back, be it a column or a wall.
	server.Exec(t, "late", "revoke update (head) on ledgers from subledger_app", "drop policy reader on licenses", "revoke select on plans from subledger_reader")
	require.Contains(t, apart("late").fails(6, "doctor").stdout, "subledger_app lacks UPDATE(head) on ledgers, and 2 more")
	apart("late").ok("migrate", "up")
	apart("late").ok("doctor")

	// The same rights as those of one whose roles were there from the beginning.
	as("ledger").ok("migrate", "up")
	require.Equal(t, rightsIn(t, server, "ledger"), rightsIn(t, server, "late"))
}

// rightsIn lists what the roles may do, as PostgreSQL's own catalog has it. The schema is everybody's to use anyway.
func rightsIn(t *testing.T, server *pgtest.OwnServer, database string) (all []string) {
	t.Helper()
	rows, err := pgtest.Pool(t, server.Super(database)).Query(t.Context(), `
		select format('%s %s on %s', g.rolname, a.privilege_type, c.relname) from pg_class c cross join aclexplode(c.relacl) a join pg_roles g on g.oid = a.grantee
			where c.relnamespace = 'public'::regnamespace
		union select format('%s %s on %s.%s', g.rolname, a.privilege_type, c.relname, t.attname) from pg_class c join pg_attribute t on t.attrelid = c.oid
			cross join aclexplode(t.attacl) a join pg_roles g on g.oid = a.grantee where c.relnamespace = 'public'::regnamespace
		union select format('%s %s %s %s %s %s', tablename, policyname, cmd, roles, qual, with_check) from pg_policies
		order by 1`)
	require.NoError(t, err)
	all, err = pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Greater(t, len(all), 100)
	return all
}
