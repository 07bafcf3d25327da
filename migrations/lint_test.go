package migrations_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/pgtest"
)

// exempt tables are global look-ups that nobody joins with a ledger's rows; watermill's are named by
// their topics.
var exempt = []string{"installation", "zone_release", "organisations", "api_keys", "schema_migrations"}

// exemptIndex finds an organisation's ledgers.
const exemptIndex = "ledgers_by_organisation"

// What a distributed engine and a ledger that moves to another node demand of every table (rules of
// docs on engines past one machine): the catalog itself is asked.
func TestSchemaKeepsToLedgers(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.New(t).URL)
	for name, sql := range map[string]string{
		"a key or index does not begin with ledger_id": `select i.indrelid::regclass, i.indexrelid::regclass::text
			from pg_index i join pg_class c on c.oid = i.indrelid
			left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
			where c.relnamespace = 'public'::regnamespace and a.attname is distinct from 'ledger_id'`,
		"a table has no primary key": `select c.oid::regclass, c.relname from pg_class c
			where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
			and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary)`,
		"ledger_id is not a uuid that is never null": `select a.attrelid::regclass, a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid
			where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
			and a.attname = 'ledger_id' and (a.atttypid <> 'uuid'::regtype or not a.attnotnull)`,
		"a sequence or identity": `select coalesce(d.refobjid, c.oid)::regclass, c.relname from pg_class c
			left join pg_depend d on d.objid = c.oid and d.deptype in ('a', 'i') and d.refclassid = 'pg_class'::regclass
			where c.relnamespace = 'public'::regnamespace and c.relkind = 'S'`,
		"a trigger": `select t.tgrelid::regclass, t.tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid
			where c.relnamespace = 'public'::regnamespace and not t.tgisinternal`,
		"a foreign key without ledger_id": `select f.conrelid::regclass, f.conname from pg_constraint f
			where f.connamespace = 'public'::regnamespace and f.contype = 'f'
			and not exists (select from pg_attribute a where a.attrelid = f.conrelid and a.attnum = any(f.conkey) and a.attname = 'ledger_id')`,
		"a table without a comment": `select c.oid::regclass, c.relname from pg_class c
			where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and obj_description(c.oid, 'pg_class') is null`,
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := pool.Query(t.Context(), sql)
			require.NoError(t, err)
			type finding struct{ Table, What string }
			found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[finding])
			require.NoError(t, err)
			found = slices.DeleteFunc(found, func(f finding) bool {
				return f.What == exemptIndex || slices.Contains(exempt, f.Table) || strings.HasPrefix(f.Table, "watermill_")
			})
			require.Empty(t, found)
		})
	}
}

// Every read model is closed to a reader that has not said which ledger it reads, and its owner is bound
// by the policies too.
func TestB03_ReadersSeeOneLedger(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.New(t).URL)
	rows, err := pool.Query(t.Context(), `select c.relname from pg_class c
		where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
			and has_table_privilege('subledger_reader', c.oid, 'select')
			and not (c.relrowsecurity and c.relforcerowsecurity and exists (select from pg_policy p where p.polrelid = c.oid
				and 'subledger_reader'::regrole = any(p.polroles)
				and pg_get_expr(p.polqual, p.polrelid) like '%subledger.ledger_id%'))
		order by 1`)
	require.NoError(t, err)
	open, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Equal(t, []string{"checkpoints"}, open, "positions alone are no secret")
}

// A session that names no ledger, an empty one or another one sees nothing; what a transaction named is
// forgotten at its end, however the connection is used afterwards. The owner, where it is no superuser, sees
// what it named, and all when it named nothing: the projector is of the same role then.
func TestB03_UnsetEmptyForeignAndLeftoverSettings(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	owner, reader := pgtest.Pool(t, db.URL), pgtest.Pool(t, db.ReaderURL)
	mine, other := uuid.New(), uuid.New()
	for _, id := range []uuid.UUID{mine, other} {
		_, err := owner.Exec(t.Context(), `insert into meters (ledger_id, id, key, status, fields, version, position, created_at, updated_at)
			values ($1, $1, 'm', 'ACTIVE', '{}', 1, 1, now(), now())`, id)
		require.NoError(t, err)
	}
	conn, err := reader.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	sees := func(db interface {
		QueryRow(context.Context, string, ...any) pgx.Row
	}) (n int) {
		require.NoError(t, db.QueryRow(t.Context(), "select count(*) from meters").Scan(&n))
		return n
	}
	require.Zero(t, sees(conn), "unset")
	for setting, want := range map[string]int{"": 0, mine.String(): 1, uuid.NewString(): 0} {
		tx, err := conn.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), "select set_config('subledger.ledger_id', $1, true)", setting)
		require.NoError(t, err)
		require.Equal(t, want, sees(tx), "%q", setting)
		require.NoError(t, tx.Commit(t.Context()))
		require.Zero(t, sees(conn), "left over of %q", setting)
	}

	plain := "plain_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	_, err = owner.Exec(t.Context(), `create role `+plain+`; alter table meters owner to `+plain+`; drop policy owner on meters;
		create policy owner on meters to `+plain+` using (ledger_id = coalesce(nullif(current_setting('subledger.ledger_id', true), '')::uuid, ledger_id))`)
	require.NoError(t, err)
	t.Cleanup(func() { // roles are the server's
		_, _ = owner.Exec(context.WithoutCancel(t.Context()), `reassign owned by `+plain+` to current_user; drop owned by `+plain+`; drop role `+plain)
	})
	err = pgx.BeginFunc(t.Context(), owner, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "set local role "+plain); err != nil {
			return err
		}
		require.Equal(t, 2, sees(tx))
		_, err := tx.Exec(t.Context(), "select set_config('subledger.ledger_id', $1, true)", mine.String())
		require.Equal(t, 1, sees(tx))
		return err
	})
	require.NoError(t, err)
}

// B33: the order of texts, and which of them are the same, is that of their bytes, whatever the
// database's own locale: an update of the system's collations must not reorder a key or let twins in.
func TestB33_TextsAreOrderedByBytes(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.New(t).URL)
	type column struct{ Table, Index string }
	rows, err := pool.Query(t.Context(), `select i.indrelid::regclass::text, i.indexrelid::regclass || '.' || a.attname
		from pg_index i join pg_class c on c.oid = i.indrelid
		join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
		join pg_collation l on l.oid = a.attcollation
		where c.relnamespace = 'public'::regnamespace and l.collname <> 'C' order by 1, 2`)
	require.NoError(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	require.NoError(t, err)
	require.Empty(t, slices.DeleteFunc(found, func(c column) bool { return c.Table == "schema_migrations" || strings.HasPrefix(c.Table, "watermill") }))
}
