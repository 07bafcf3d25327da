package migrations

import (
	"context"
	_ "embed"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Roles are those that servers work under: App appends and projects, Reader reads one ledger at a time.
const (
	App    = "subledger_app"
	Reader = "subledger_reader"
)

// CreateRoles is the SQL for whoever may create roles.
const CreateRoles = "create role " + App + " login;\ncreate role " + Reader + " login;"

// NoRolesError is a new database whose owner may not make the roles, which nobody else has made either.
type NoRolesError struct{ Role string }

func (e *NoRolesError) Error() string {
	return fmt.Sprintf("there are no roles %s and %s, and %s may not create roles", App, Reader, e.Role)
}

// schema is what the migrations add up to, and so which rights they mean the roles to have; a test keeps it so.
//
//go:embed schema.sql
var schema string

var (
	grantLine  = regexp.MustCompile(`(?m)^GRANT (.+) ON (TABLE|SCHEMA) (\S+) TO (` + App + `|` + Reader + `);$`)
	policyLine = regexp.MustCompile(`(?m)^CREATE POLICY (\S+) ON public\.(\S+) (?:FOR SELECT )?TO (` + App + `|` + Reader + `) .*;$`)
)

// Right is one that a role has in an installation that is set up: a grant, or a policy of row-level security.
type Right struct {
	Role string
	Name string // SELECT, UPDATE(position), USAGE, policy reader
	On   string // a table, or a schema
	sql  string
}

func (r Right) String() string { return r.Role + " lacks " + r.Name + " on " + r.On }

// rights lists all of them as schema.sql has them.
func rights() (all []Right) {
	for _, m := range grantLine.FindAllStringSubmatch(schema, -1) {
		for name := range strings.SplitSeq(m[1], ",") {
			all = append(all, Right{Role: m[4], Name: name, On: strings.TrimPrefix(m[3], "public."), sql: fmt.Sprintf("GRANT %s ON %s %s TO %s", name, m[2], m[3], m[4])})
		}
	}
	for _, m := range policyLine.FindAllStringSubmatch(schema, -1) {
		all = append(all, Right{Role: m[3], Name: "policy " + m[1], On: m[2], sql: strings.TrimSuffix(m[0], ";")})
	}
	return all
}

// querier is what a connection, a pool and a transaction have in common.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Lacking lists the rights that the roles lack in a database with today's schema; missing are roles that there are
// not, of which nothing is listed.
func Lacking(ctx context.Context, db querier) (lacking []Right, missing []string, err error) {
	err = db.QueryRow(ctx, `select coalesce(array_agg(r), '{}') from unnest($1::text[]) r where not exists (select from pg_roles where rolname = r)`,
		[]string{App, Reader}).Scan(&missing)
	if err != nil {
		return nil, nil, fmt.Errorf("look for the roles: %w", err)
	}
	all := rights()
	var roles, names, on []string
	for _, r := range all {
		roles, names, on = append(roles, r.Role), append(names, r.Name), append(on, r.On)
	}
	rows, err := db.Query(ctx, `
		with wanted as (
			select i, pg_roles.oid role, onto, substring(name from '^[A-Z]+') privilege, substring(name from '\("?([^")]+)"?\)') col, substring(name from '^policy (.+)$') policy
			from unnest($1::text[], $2::text[], $3::text[]) with ordinality as w (role, name, onto, i) join pg_roles on rolname = role)
		select i - 1 from wanted where not case
			when policy is not null then exists (select from pg_policies where schemaname = 'public' and tablename = onto and policyname = policy)
			when privilege = 'USAGE' then has_schema_privilege(role, onto, privilege)
			when col is not null then has_column_privilege(role, 'public.' || quote_ident(onto), col, privilege)
			else has_table_privilege(role, 'public.' || quote_ident(onto), privilege) end
		order by i`, roles, names, on)
	if err != nil {
		return nil, nil, fmt.Errorf("look at the roles' rights: %w", err)
	}
	lacks, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return nil, nil, fmt.Errorf("look at the roles' rights: %w", err)
	}
	for _, i := range lacks {
		lacking = append(lacking, all[i])
	}
	return lacking, missing, nil
}

// makeRoles makes the roles that are missing, where this role may. A database that has no migration yet is refused
// otherwise, with a *NoRolesError: the migrations would set it up for one role.
func makeRoles(ctx context.Context, conn *pgx.Conn) error {
	var there, may, begun bool
	var self string
	err := conn.QueryRow(ctx, `select (select count(*) = 2 from pg_roles where rolname in ($1, $2)), rolsuper or rolcreaterole, to_regclass('public.ledgers') is not null, rolname
		from pg_roles where rolname = current_user`, App, Reader).Scan(&there, &may, &begun, &self)
	switch {
	case err != nil:
		return fmt.Errorf("look for the roles: %w", err)
	case there, !may && begun:
		return nil
	case !may:
		return &NoRolesError{Role: self}
	}
	// Roles belong to the whole cluster: another database of it may be making them at this moment.
	for _, role := range []string{App, Reader} {
		_, err := conn.Exec(ctx, fmt.Sprintf(`do $$ begin
			if not exists (select from pg_roles where rolname = '%[1]s') then create role %[1]s login; end if;
			exception when duplicate_object or unique_violation then null; end $$`, role))
		if err != nil {
			return fmt.Errorf("create role %s: %w", role, err)
		}
	}
	return nil
}

// grant gives the roles what they lack: they may have come after the migrations that grant, or lost something since.
func grant(ctx context.Context, conn *pgx.Conn) error {
	lacking, _, err := Lacking(ctx, conn)
	if err != nil || len(lacking) == 0 {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `set local lock_timeout = '3s'; select pg_advisory_xact_lock(hashtext('subledger grants'))`); err != nil {
			return fmt.Errorf("grant: %w", err)
		}
		lacking, _, err := Lacking(ctx, tx) // another process may have been quicker
		if err != nil {
			return err
		}
		for _, r := range lacking {
			if _, err := tx.Exec(ctx, r.sql); err != nil {
				return fmt.Errorf("%s: %w", r.sql, err)
			}
		}
		return nil
	})
}
