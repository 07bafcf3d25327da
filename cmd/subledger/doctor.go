package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/migrations"
	"github.com/subledger/subledger/projections"
)

type doctorCommand struct {
	Database
	Output
}

func (c *doctorCommand) Validate() error { return c.validate() }

// What a check found.
const (
	sound   = "ok"
	weak    = "warning" // it runs, but something is not enforced or may fail later
	unsound = "fault"
)

// finding is one check's result. Do says what to do, unless it is sound.
type finding struct {
	Check  string `json:"check"`
	State  string `json:"state"` // ok, warning, fault
	Detail string `json:"detail"`
	Do     string `json:"do,omitzero"`
}

// examination collects findings. The pools are as the owner, the application and the reader.
type examination struct {
	*installation
	owner, app, reader *pgxpool.Pool
	findings           []finding
}

func (x *examination) found(check, state, do, format string, args ...any) {
	if state == sound {
		do = ""
	}
	x.findings = append(x.findings, finding{check, state, fmt.Sprintf(format, args...), do})
}

// failed records that a check itself could not be made.
func (x *examination) failed(check string, err error) {
	x.found(check, unsound, nextOf(err, "Mend this first, then run doctor again."), "%s", err)
}

// nextOf is what an error itself says to do.
func nextOf(err error, otherwise string) string {
	var s *status
	if errors.As(err, &s) {
		return or(s.next, otherwise)
	}
	return otherwise
}

// stateOf is sound or, when something is wrong, how wrong.
func stateOf(good bool, otherwise string) string {
	if good {
		return sound
	}
	return otherwise
}

// Run prints all findings; a fault among them is an exit status of 6.
func (c *doctorCommand) Run(ctx context.Context, p *process) (err error) {
	in, err := c.open(ctx, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close(ctx)) }()
	x := &examination{installation: in}
	x.examine(ctx)
	faults := int64(0)
	for _, f := range x.findings {
		if f.State == unsound {
			faults++
		}
	}
	if c.json() {
		err = p.writeJSON(struct {
			Findings []finding `json:"findings"`
		}{x.findings})
	} else {
		p.writeFindings(x.findings)
	}
	if err == nil && faults > 0 {
		err = &status{code: exitUnsound, err: fmt.Errorf("%s found a fault", count(faults, "check"))}
	}
	return err
}

// writeFindings prints a table, and below a row what to do. Nothing is cut: all of it matters.
func (p *process) writeFindings(all []finding) {
	var rows [][]string
	for _, f := range all {
		rows = append(rows, []string{f.Check, f.State, strings.ReplaceAll(f.Detail, "\n", " ")})
	}
	lines := tableLines([]string{"check", "state", "found"}, rows, 0)
	fmt.Fprintln(p.stdout, lines[0])
	indent := strings.Index(lines[0], "found")
	for i, f := range all {
		fmt.Fprintln(p.stdout, hang(lines[i+1], indent, p.width()))
		if f.Do != "" {
			fmt.Fprintf(p.stdout, "  to do: %s\n", strings.ReplaceAll(printable(f.Do), "\n", "\n  "))
		}
	}
}

func (x *examination) examine(ctx context.Context) {
	for _, role := range []struct {
		name, url string
		pool      **pgxpool.Pool
	}{{"connection as owner", x.installation.owner, &x.owner}, {"connection as application", x.installation.app, &x.app}, {"connection as reader", x.installation.reader, &x.reader}} {
		pool, err := x.pool(ctx, role.url)
		if err != nil {
			x.failed(role.name, err)
			return
		}
		defer pool.Close()
		*role.pool = pool
	}
	x.found("connections", sound, "", "owner, application and reader connect to %s", x.place())
	for _, check := range []struct {
		name string
		make func(context.Context) error
	}{
		{"PostgreSQL", x.server}, {"durability", x.durability}, {"connection limit", x.limits}, {"clock", x.clock}, {"old snapshots", x.snapshots},
		{"transaction ids", x.transactionIDs},
	} {
		if err := check.make(ctx); err != nil {
			x.failed(check.name, err)
		}
	}
	if err := x.check(ctx, x.owner); err != nil {
		x.failed("setup", err)
		return
	}
	x.found("setup", sound, "", "the schema is this program's")
	for _, check := range []struct {
		name string
		make func(context.Context) error
	}{
		{"roles", x.roles}, {"append-only", x.appendOnly}, {"reader", x.readsOnly}, {"projections", x.readModels},
	} {
		if err := check.make(ctx); err != nil {
			x.failed(check.name, err)
		}
	}
	x.keys(ctx)
	x.disk()
}

func (x *examination) server(ctx context.Context) error {
	var number int
	var version, encoding string
	err := x.owner.QueryRow(ctx, `select current_setting('server_version_num')::int, current_setting('server_version'), current_setting('server_encoding')`).
		Scan(&number, &version, &encoding)
	if err != nil {
		return err
	}
	x.found("PostgreSQL", stateOf(number >= 150000, unsound), "Use PostgreSQL 15 or newer.", "version %s", version)
	x.found("encoding", stateOf(encoding == "UTF8", unsound), "Make the database anew with encoding UTF8.", "%s", encoding)
	return nil
}

// durability: an acknowledged command must survive a power cut.
func (x *examination) durability(ctx context.Context) error {
	for _, s := range []struct{ name, wanted, state, do string }{
		{"fsync", "on", unsound, "Set fsync = on: a power cut may lose or corrupt everything."},
		{"full_page_writes", "on", unsound, "Set full_page_writes = on: a power cut may corrupt pages."},
		{"synchronous_commit", "on", unsound, "Set synchronous_commit = on: acknowledged commands may be lost."},
		{"data_checksums", "on", weak, "Turn them on with pg_checksums while the server is down, so that damaged pages are noticed."},
	} {
		var value string
		if err := x.app.QueryRow(ctx, `select current_setting($1)`, s.name).Scan(&value); err != nil {
			return err
		}
		good := value == s.wanted || s.name == "synchronous_commit" && (value == "remote_apply" || value == "remote_write")
		x.found(s.name, stateOf(good, s.state), s.do, "%s", value)
	}
	return nil
}

func (x *examination) limits(ctx context.Context) error {
	var most, reserved, used int
	err := x.owner.QueryRow(ctx, `select current_setting('max_connections')::int, current_setting('superuser_reserved_connections')::int,
		(select count(*) from pg_stat_activity where backend_type = 'client backend')::int`).Scan(&most, &reserved, &used)
	if err != nil {
		return err
	}
	x.found("connection limit", stateOf(used*10 < (most-reserved)*9, weak), "Raise max_connections, or lower SUBLEDGER_CONNECTIONS of the servers.",
		"%d of %d in use; a server takes 48 unless SUBLEDGER_CONNECTIONS says otherwise", used, most-reserved)
	return nil
}

func (x *examination) clock(ctx context.Context) error {
	skew, err := clockSkew(ctx, x.app)
	if err != nil {
		return err
	}
	state := stateOf(skew.Abs() < time.Second, weak)
	if skew.Abs() > 5*time.Second {
		state = unsound // readiness fails
	}
	side := "ahead of"
	if skew < 0 {
		side = "behind"
	}
	x.found("clock", state, "Let both machines follow a time server.", "this process is %s %s the database", skew.Abs().Round(100*time.Microsecond), side)
	return nil
}

// snapshots: one that is held for long keeps the hot rows' old versions alive and slows every append.
func (x *examination) snapshots(ctx context.Context) error {
	var oldest float64
	err := x.owner.QueryRow(ctx, `select coalesce(extract(epoch from max(now() - xact_start)), 0)::float8 from pg_stat_activity
		where backend_xmin is not null and pid <> pg_backend_pid()`).Scan(&oldest)
	if err != nil {
		return err
	}
	age := time.Duration(oldest * float64(time.Second)).Round(time.Millisecond)
	x.found("old snapshots", stateOf(age < time.Minute, weak), "Look for long transactions in pg_stat_activity and end them.", "the oldest is %s old", age)
	return nil
}

// transactionIDs: PostgreSQL refuses to write when two billion transactions were not cleaned up behind. Cleaning begins by
// itself long before; what is twice as old as that is held up by somebody.
func (x *examination) transactionIDs(ctx context.Context) error {
	var database string
	var age, early int64
	var held []string
	err := x.owner.QueryRow(ctx, `select d.datname, d.age, least(2 * current_setting('autovacuum_freeze_max_age')::bigint, 1500000000), array(
			select 'session ' || pid from pg_stat_activity where age(backend_xmin) > 10000000 and xact_start < now() - interval '1 minute'
			union all select 'prepared transaction ' || gid from pg_prepared_xacts where age(transaction) > 10000000
			union all select 'replication slot ' || slot_name from pg_replication_slots where greatest(age(xmin), age(catalog_xmin)) > 10000000)
		from (select datname, greatest(age(datfrozenxid), mxid_age(datminmxid))::bigint age from pg_database order by 2 desc limit 1) d`).
		Scan(&database, &age, &early, &held)
	if err != nil {
		return err
	}
	state := stateOf(age < early, weak)
	if age > 2_000_000_000 {
		state = unsound
	}
	do := "Run vacuumdb --all --freeze, and look why autovacuum does not."
	if len(held) > 0 {
		do = "End what holds old transactions: " + strings.Join(held, ", ") + ". Then: vacuumdb --all --freeze"
	}
	x.found("transaction ids", state, do, "the oldest are %d million old, in database %s; writing ends at 2147", age/1_000_000, database)
	return nil
}

// roles: are they there, with all that migrations grant them?
func (x *examination) roles(ctx context.Context) error {
	lacking, missing, err := migrations.Lacking(ctx, x.owner)
	switch {
	case err != nil:
		return err
	case len(missing) > 0:
		x.found("roles", weak, "As a superuser:\n"+migrations.CreateRoles+"\nThen, as the owner: subledger migrate up", "there is no %s", strings.Join(missing, " and no "))
	case len(lacking) > 0:
		detail := lacking[0].String()
		if len(lacking) > 1 {
			detail += fmt.Sprintf(", and %d more", len(lacking)-1)
		}
		x.found("roles", unsound, "Run as the database's owner: subledger migrate up", "%s", detail)
	default:
		x.found("roles", sound, "", "%s and %s have the rights that they need", migrations.App, migrations.Reader)
	}
	return nil
}

// appendOnly: may the server's own role change history?
func (x *examination) appendOnly(ctx context.Context) error {
	var role string
	var may []string
	err := x.app.QueryRow(ctx, `select current_user, coalesce(array_agg(p || ' ' || t order by t, p) filter (where has_table_privilege(t, p)), '{}')
		from unnest(array['events', 'commands', 'claims']) t cross join unnest(array['update', 'delete', 'truncate']) p`).Scan(&role, &may)
	if err != nil {
		return err
	}
	x.found("append-only", stateOf(len(may) == 0, weak),
		"Connect as subledger_app with DATABASE_URL, and as the owner with DATABASE_OWNER_URL.",
		"role %s may %s", role, orNothing(may))
	return nil
}

// readsOnly: may the reading role write, or see all ledgers at once?
func (x *examination) readsOnly(ctx context.Context) error {
	var role string
	var writes []string
	var unbounded bool
	err := x.reader.QueryRow(ctx, `select current_user,
			coalesce((select array_agg(distinct p order by p) from pg_class c cross join unnest(array['insert', 'update', 'delete']) p
				where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and has_table_privilege(c.oid, p)), '{}'),
			(select rolsuper or rolbypassrls from pg_roles where rolname = current_user)
				or exists (select from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
					and c.relrowsecurity and not c.relforcerowsecurity and pg_has_role(c.relowner, 'usage'))`).Scan(&role, &writes, &unbounded)
	if err != nil {
		return err
	}
	detail := fmt.Sprintf("role %s may %s", role, orNothing(writes))
	if unbounded {
		detail += "; row-level security does not bind it"
	}
	x.found("reader", stateOf(len(writes) == 0 && !unbounded, weak), "Connect as subledger_reader with DATABASE_READER_URL.", "%s", detail)
	return nil
}

func orNothing(may []string) string {
	if len(may) == 0 {
		return "change nothing"
	}
	return fmt.Sprint(may)
}

func (x *examination) readModels(ctx context.Context) error {
	all, err := projections.OverallStatus(ctx, x.app, modelNames())
	if err != nil {
		return err
	}
	parked, behind := int64(0), int64(0)
	for _, s := range all {
		parked, behind = parked+s.Parked, max(behind, s.LagEvents)
	}
	x.found("projections", stateOf(parked == 0, unsound), "See: subledger projections status", "%s parked, %s behind at most", count(parked, "ledger"), count(behind, "event"))
	return nil
}

func (x *examination) keys(ctx context.Context) {
	key, err := x.masterKey(ctx, x.owner, false)
	if err == nil {
		err = explainKey(eventstore.Bootstrap(ctx, x.owner, key)) // set up already, so this only checks the key
	}
	if err != nil {
		x.found("master key", unsound, nextOf(err, "Put the right one back: the key file, or "+masterKeyVar+"."), "%s", err)
		return
	}
	if os.Getenv(masterKeyVar) != "" {
		x.found("master key", sound, "", "it fits; from the environment")
		return
	}
	file := x.config.keyFile()
	info, err := os.Stat(file)
	if err != nil {
		x.failed("master key", err)
		return
	}
	x.found("master key", stateOf(info.Mode().Perm()&0o077 == 0, unsound), "chmod 600 "+file, "it fits; %s has mode %o", file, info.Mode().Perm())
}

// disk looks at where a private PostgreSQL writes.
func (x *examination) disk() {
	if !x.embedded {
		return
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(x.config.DataDir, &s); err != nil {
		x.failed("disk", err)
		return
	}
	free, all := s.Bavail*uint64(s.Bsize), max(s.Blocks*uint64(s.Bsize), 1)
	x.found("disk", stateOf(free > 4<<30 || free*10 > all, weak), "Make room: PostgreSQL stops when the disk is full.",
		"%.1f of %.1f GiB free", float64(free)/(1<<30), float64(all)/(1<<30))
}
