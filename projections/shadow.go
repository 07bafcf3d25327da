package projections

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// prepare makes the shadow schema with its tables, unless an earlier run of the same program did, since when
// nobody was erased and no history was lost. The tables get all that `like` does not copy: storage parameters,
// row-level security, policies and grants. Indexes are made once the rows are there.
func (r *Rebuild) prepare(ctx context.Context) error {
	return pgx.BeginFunc(ctx, r.Owner, func(tx pgx.Tx) error {
		usable, err := r.usable(ctx, tx)
		if err != nil {
			return err
		}
		if usable { // a run that was killed while it made indexes had bound the owner already: COPY would be refused
			for _, t := range r.tables() {
				if _, err := tx.Exec(ctx, fmt.Sprintf("alter table %s.%s no force row level security", r.schema, t)); err != nil {
					return err
				}
			}
			return nil
		}
		if _, err := tx.Exec(ctx, fmt.Sprintf(`drop schema if exists %[1]s cascade; create schema %[1]s;
			create table %[1]s.checkpoints (ledger_id uuid primary key, position bigint not null);
			create table %[1]s.origin (program text not null, erased bigint not null)`, r.schema)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "insert into "+r.schema+".origin values ($1, ("+erasedKeys+"))", r.Program); err != nil {
			return err
		}
		for _, t := range r.tables() {
			if _, err := tx.Exec(ctx, fmt.Sprintf(`create table %s.%[2]s (like public.%[2]s including defaults including constraints
				including comments including storage including compression including generated)`, r.schema, t)); err != nil {
				return err
			}
			if err := r.dress(ctx, tx, t); err != nil {
				return err
			}
			// Until it is whole, nobody reads it and nothing of it is dead.
			if _, err := tx.Exec(ctx, fmt.Sprintf("alter table %s.%s set (autovacuum_enabled = off)", r.schema, t)); err != nil {
				return err
			}
		}
		return nil
	})
}

// erasedKeys tells by a number that only grows whether somebody was erased.
const erasedKeys = "select count(*) from public.subject_keys where wrapped_key is null"

// usable tells whether there is a shadow whose rows are those that this run would make. Those of another program may
// be of another fold, those before an erasure hold names.
func (r *Rebuild) usable(ctx context.Context, tx pgx.Tx) (yes bool, err error) {
	if err := tx.QueryRow(ctx, "select to_regclass($1) is not null", r.schema+".origin").Scan(&yes); err != nil || !yes {
		return false, err
	}
	err = tx.QueryRow(ctx, `select (o.program, o.erased) = ($1, (`+erasedKeys+`)) and not exists (
			select from `+r.schema+`.checkpoints c left join public.ledgers l using (ledger_id) where l.position is null or l.position < c.position)
		from `+r.schema+`.origin o`, r.Program).Scan(&yes)
	return yes, err
}

// dress runs the statements that make a shadow table like the live one in all but rows and indexes.
func (r *Rebuild) dress(ctx context.Context, tx pgx.Tx, table string) error {
	rows, err := tx.Query(ctx, `
		select format('alter table %2$I.%1$I set (%3$s)', $1::text, $2::text, array_to_string(reloptions, ', '))
			from pg_class where oid = to_regclass('public.' || $1) and reloptions is not null
		union all
		select format('comment on table %2$I.%1$I is %3$L', $1::text, $2::text, obj_description(to_regclass('public.' || $1), 'pg_class'))
		union all
		select format('alter table %2$I.%1$I enable row level security', $1::text, $2::text)
			from pg_class where oid = to_regclass('public.' || $1) and relrowsecurity
		union all
		select format('create policy %3$I on %2$I.%1$I as %4$s for %5$s to %6$s', $1::text, $2::text, policyname, permissive, cmd,
				(select string_agg(quote_ident(n), ', ') from unnest(roles) n))
				|| coalesce(' using (' || qual || ')', '') || coalesce(' with check (' || with_check || ')', '')
			from pg_policies where schemaname = 'public' and tablename = $1
		union all
		select format('grant %3$s on %2$I.%1$I to %4$I', $1::text, $2::text, a.privilege_type, g.rolname)
			from pg_class c cross join aclexplode(c.relacl) a join pg_roles g on g.oid = a.grantee
			where c.oid = to_regclass('public.' || $1) and a.grantee <> c.relowner
		union all
		select format('alter table %2$I.%1$I owner to %3$I', $1::text, $2::text, o.rolname)
			from pg_class c join pg_roles o on o.oid = c.relowner where c.oid = to_regclass('public.' || $1) and o.rolname <> current_user`,
		table, r.schema)
	if err != nil {
		return err
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, strings.Join(statements, ";"))
	return err
}

// index gives the shadow the live tables' keys and indexes, under the same names, several tables at once,
// the largest first.
func (r *Rebuild) index(ctx context.Context) error {
	rows, err := r.Owner.Query(ctx, `select array(
			select case when k.oid is null
				then replace(pg_get_indexdef(i.indexrelid), ' ON public.', ' ON '|| $2::text || '.')
				else format('alter table %I.%I add constraint %I %s', $2::text, t.name, k.conname, pg_get_constraintdef(k.oid)) end
			from pg_index i join pg_class x on x.oid = i.indexrelid
			left join pg_constraint k on k.conindid = i.indexrelid and k.contype in ('p', 'u')
			where i.indrelid = t.live and not exists (select from pg_class s where s.relnamespace = to_regnamespace($2::text) and s.relname = x.relname)
			order by k.oid is null, x.relname)
		-- Of what queries look for: autovacuum does the other columns in its own time.
		|| format('analyze %I.%I (%s)', $2::text, t.name, (select string_agg(distinct quote_ident(a.attname), ', ')
			from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey) where i.indrelid = t.live))
		|| format('alter table %I.%I reset (autovacuum_enabled)', $2::text, t.name)
		|| coalesce((select format('alter table %I.%I set (%s)', $2::text, t.name, o) from pg_class c, unnest(c.reloptions) o
			where c.oid = t.live and o like 'autovacuum_enabled=%'), 'select')
		-- Last of all, since COPY refuses a table whose policies bind its owner.
		|| format('alter table %I.%I force row level security', $2::text, t.name)
		from (select name, to_regclass('public.' || name) as live, to_regclass($2::text || '.' || name) as shadow from unnest($1::text[]) name) t
		order by pg_relation_size(t.shadow) desc`, r.tables(), r.schema)
	if err != nil {
		return err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[[]string])
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	next := make(chan []string, len(tables))
	for _, statements := range tables {
		next <- statements
	}
	close(next)
	for range min(runtime.GOMAXPROCS(0), 4) {
		group.Go(func() error { return r.execute(ctx, next) })
	}
	return group.Wait()
}

// execute runs lists of statements on a connection of its own.
func (r *Rebuild) execute(ctx context.Context, lists <-chan []string) error {
	conn, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// Pages of a new index are logged whole, and pglz took half of the time that the indexes took. Only a
	// superuser may choose.
	_, err = conn.Exec(ctx, `select set_config('wal_compression', 'lz4', false) from pg_settings s join pg_roles r on r.rolname = current_user
		where s.name = 'wal_compression' and s.setting in ('on', 'pglz') and 'lz4' = any(s.enumvals) and r.rolsuper`)
	if err != nil {
		return err
	}
	for statements := range lists {
		for _, s := range statements {
			if _, err := conn.Exec(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
	}
	return nil
}
