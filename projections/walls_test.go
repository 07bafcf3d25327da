package projections

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/pgtest"
)

// B03: every table of every read model is closed by a forced policy; what the reader's role sees of it is what it said
// within a transaction, one ledger or none, and it changes nothing.
func TestB03_EveryReadModelIsWalled(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	owner, reader := pgtest.Pool(t, db.URL), pgtest.Pool(t, db.ReaderURL)
	tables := NewRebuild(RebuildConfig{Models: Models()}).tables()
	require.Greater(t, len(tables), 10)
	mine, other := uuid.New(), uuid.New()
	conn, err := reader.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	for _, name := range tables {
		var walled bool
		require.NoError(t, owner.QueryRow(t.Context(), `select c.relrowsecurity and c.relforcerowsecurity
			and exists (select from pg_policy p where p.polrelid = c.oid and 'subledger_reader'::regrole = any(p.polroles) and p.polcmd in ('r', '*')
				and pg_get_expr(p.polqual, p.polrelid) like '%subledger.ledger_id%')
			and has_table_privilege('subledger_reader', c.oid, 'select')
			and not has_table_privilege('subledger_reader', c.oid, 'insert, update, delete, truncate')
			from pg_class c where c.oid = $1::regclass`, name).Scan(&walled))
		require.True(t, walled, name)

		// A row of each ledger, of whatever the columns take.
		type column struct{ Name, Type string }
		rows, err := owner.Query(t.Context(), `select quote_ident(attname), atttypid::regtype::text from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped`, name)
		require.NoError(t, err)
		columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
		require.NoError(t, err)
		var names, values []string
		for _, c := range columns {
			value, ok := map[string]string{"uuid": "$1::uuid", "text": "'x'", "jsonb": "'{}'", "json": "'{}'", "bigint": "1", "integer": "1", "numeric": "1", "boolean": "true",
				"timestamp with time zone": "now()", "text[]": "'{}'", "uuid[]": "'{}'", "bigint[]": "'{}'"}[c.Type]
			require.True(t, ok, "%s.%s is a %s", name, c.Name, c.Type)
			names, values = append(names, c.Name), append(values, value)
		}
		rows, err = owner.Query(t.Context(), `select quote_ident(conname) from pg_constraint where conrelid = $1::regclass and contype in ('c', 'f')`, name)
		require.NoError(t, err)
		checks, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		for _, check := range checks {
			_, err := owner.Exec(t.Context(), `alter table `+name+` drop constraint `+check)
			require.NoError(t, err)
		}
		for _, ledger := range []uuid.UUID{mine, other} {
			_, err := owner.Exec(t.Context(), fmt.Sprintf(`insert into %s (%s) values (%s)`, name, strings.Join(names, ", "), strings.Join(values, ", ")), ledger)
			require.NoError(t, err, name)
		}

		sees := func() (ledgers []uuid.UUID) {
			rows, err := conn.Query(t.Context(), `select ledger_id from `+name)
			require.NoError(t, err)
			ledgers, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
			require.NoError(t, err)
			return ledgers
		}
		require.Empty(t, sees(), "%s, before anything is said", name)
		for _, end := range []string{"commit", "rollback"} {
			for setting, want := range map[string][]uuid.UUID{mine.String(): {mine}, other.String(): {other}, uuid.NewString(): {}, "": {}} {
				for _, sql := range []string{"begin", "set local subledger.ledger_id = '" + setting + "'"} {
					_, err := conn.Exec(t.Context(), sql)
					require.NoError(t, err)
				}
				require.Equal(t, want, append([]uuid.UUID{}, sees()...), "%s, with %q", name, setting)
				_, err := conn.Exec(t.Context(), end)
				require.NoError(t, err)
				require.Empty(t, sees(), "%s, after a %s", name, end)
			}
		}
	}
}
