package migrations_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/pgtest"
)

// exempt tables are global look-ups that nobody joins with a ledger's rows; watermill's are named by
// their topics.
var exempt = []string{"installation", "organisations", "api_keys", "schema_migrations"}

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
		"a text in a key is not ordered by bytes": `select i.indrelid::regclass, i.indexrelid::regclass || '.' || a.attname
			from pg_index i join pg_class c on c.oid = i.indrelid
			join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
			join pg_collation l on l.oid = a.attcollation
			where c.relnamespace = 'public'::regnamespace and l.collname <> 'C'`,
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

// Every read model is closed to a reader that has not said which ledger it reads.
func TestReadersSeeOneLedger(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.New(t).URL)
	rows, err := pool.Query(t.Context(), `select c.relname from pg_class c
		where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
			and has_table_privilege('subledger_reader', c.oid, 'select')
			and not (c.relrowsecurity and exists (select from pg_policy p where p.polrelid = c.oid
				and 'subledger_reader'::regrole = any(p.polroles)
				and pg_get_expr(p.polqual, p.polrelid) like '%subledger.ledger_id%'))
		order by 1`)
	require.NoError(t, err)
	open, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Equal(t, []string{"checkpoints"}, open, "positions alone are no secret")
}
