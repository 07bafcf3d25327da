package projections

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// prepare makes the shadow schema with its tables, unless an earlier run did. The tables get all
// that `like` does not copy: storage parameters, row-level security, policies and grants. Indexes
// are made once the rows are there.
func (r *Rebuild) prepare(ctx context.Context) error {
	return pgx.BeginFunc(ctx, r.Owner, func(tx pgx.Tx) error {
		var there bool
		if err := tx.QueryRow(ctx, "select to_regnamespace($1) is not null", r.schema).Scan(&there); err != nil || there {
			return err
		}
		if _, err := tx.Exec(ctx, fmt.Sprintf("create schema %[1]s; create table %[1]s.checkpoints (ledger_id uuid primary key, position bigint not null)", r.schema)); err != nil {
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
		}
		return nil
	})
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

// index gives the shadow the live tables' keys and indexes, under the same names.
func (r *Rebuild) index(ctx context.Context) error {
	rows, err := r.Owner.Query(ctx, `select case when k.oid is null
				then replace(pg_get_indexdef(i.indexrelid), ' ON public.', ' ON '|| $2::text || '.')
				else format('alter table %I.%I add constraint %I %s', $2::text, c.relname, k.conname, pg_get_constraintdef(k.oid)) end
		from pg_index i join pg_class c on c.oid = i.indrelid join pg_class x on x.oid = i.indexrelid
		left join pg_constraint k on k.conindid = i.indexrelid and k.contype in ('p', 'u')
		where c.relnamespace = 'public'::regnamespace and c.relname = any($1)
			and not exists (select from pg_class s where s.relnamespace = to_regnamespace($2::text) and s.relname = x.relname)
		order by c.relname, x.relname`, r.tables(), r.schema)
	if err != nil {
		return err
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	// Last of all, since COPY refuses a table whose policies bind its owner.
	for _, t := range r.tables() {
		statements = append(statements, fmt.Sprintf("alter table %s.%s force row level security", r.schema, t))
	}
	for _, s := range statements {
		if _, err := r.Owner.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	for _, t := range r.tables() {
		if _, err := r.Owner.Exec(ctx, "analyze "+r.schema+"."+t); err != nil {
			return err
		}
	}
	return nil
}
