package selftest

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// open are the tables with a ledger that have no walls of their own: the log and its keys are reached by
// the application's role alone, checkpoints are positions, the rest belongs to the reactor.
var open = []string{"ledgers", "events", "commands", "claims", "subject_keys", "api_keys", "checkpoints", "provider_calls", "installation"}

// walls: every read-model table has row-level security, forced, with a policy that names the ledger of
// the session; the reader can neither own a table nor step over the policies.
func walls(ctx context.Context, x *run, f *Finding) error {
	f.What = "tables"
	rows, err := x.pool.Query(ctx, `select c.relname::text, c.relrowsecurity, c.relforcerowsecurity,
			exists (select from pg_policies p where p.schemaname = 'public' and p.tablename = c.relname and p.cmd in ('SELECT', 'ALL')
				and p.qual like '%ledger_id = %subledger.ledger_id%')
		from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'ledger_id' and not a.attisdropped
		where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and c.relname <> all($1) order by 1`, open)
	if err != nil {
		return err
	}
	var table string
	var enabled, forced, policy bool
	_, err = pgx.ForEachRow(rows, []any{&table, &enabled, &forced, &policy}, func() error {
		f.Checked++
		switch {
		case !enabled:
			f.breach(Breach{Problem: table + " has no row-level security"})
		case !forced:
			f.breach(Breach{Problem: table + ": row-level security is not forced on its owner"})
		case !policy:
			f.breach(Breach{Problem: table + " has no policy that names the session's ledger"})
		}
		return nil
	})
	if err != nil {
		return err
	}
	var strong bool
	err = x.pool.QueryRow(ctx, `select exists (select from pg_roles where rolname = 'subledger_reader' and (rolsuper or rolbypassrls))`).Scan(&strong)
	if err != nil {
		return err
	}
	if strong {
		f.breach(Breach{Problem: "the role subledger_reader steps over row-level security"})
	}
	return owners(ctx, x, f)
}

// owners: each ledger is the one that its organisation has for its mode, and each API key opens that one.
func owners(ctx context.Context, x *run, f *Finding) error {
	const of = `with own as (select o.organisation_id, m.mode, m.ledger_id from organisations o
			cross join lateral (values ('live', o.live_ledger_id), ('test', o.test_ledger_id)) m(mode, ledger_id)) `
	for _, wrong := range []string{
		of + `select l.ledger_id, 'the ledger calls itself the ' || l.mode || ' one of organisation ' || l.organisation_id || ', which '
				|| coalesce('has ' || w.ledger_id, 'does not exist')
			from ledgers l left join own w using (organisation_id, mode) where l.mode <> 'system' and w.ledger_id is distinct from l.ledger_id`,
		of + `select w.ledger_id, 'the ' || w.mode || ' ledger of organisation ' || w.organisation_id || ' does not exist'
			from own w where not exists (select from ledgers l where l.ledger_id = w.ledger_id)`,
		of + `select k.ledger_id, 'the API key ' || k.key_id || ' opens this ledger, and is a ' || k.mode || ' key of '
				|| coalesce('organisation ' || k.organisation_id, 'the installation')
			from api_keys k left join own w using (organisation_id, mode)
			where k.ledger_id is distinct from case k.mode when 'system' then (select system_ledger_id from installation) else w.ledger_id end`,
	} {
		rows, err := x.pool.Query(ctx, "select ledger_id, problem from ("+wrong+") w(ledger_id, problem) where cardinality($1::uuid[]) = 0 or ledger_id = any($1) order by 1, 2 limit 100",
			append([]uuid.UUID{}, x.Ledgers...))
		if err != nil {
			return err
		}
		var b Breach
		if _, err := pgx.ForEachRow(rows, []any{&b.Ledger, &b.Problem}, func() error { f.breach(b); return nil }); err != nil {
			return err
		}
	}
	return nil
}

// outbox: an outside task that is open has a row to be called from, or a message that makes one; one that
// is done has none.
func outbox(ctx context.Context, x *run, f *Finding) error {
	f.What = "open tasks and calls"
	rows, err := x.pool.Query(ctx, `select t.ledger_id, t.id, t.status, t.position, c.task_id is not null as called,
			coalesce((select bool_and(o.acked >= p.serial) from watermill_offsets o join watermill_topics p on p.topic = o.topic), true)
				and (select position from projection_positions where ledger_id = t.ledger_id and projection = 'relay') >= t.position as heard
		from tasks t left join provider_calls c on c.ledger_id = t.ledger_id and c.task_id = t.id
		where t.provider <> '' and t.provider <> 'none' and (cardinality($1::uuid[]) = 0 or t.ledger_id = any($1))
			and (t.status not in ('success', 'failed') or c.task_id is not null)
		order by t.ledger_id, t.id limit 100000`, append([]uuid.UUID{}, x.Ledgers...))
	if err != nil {
		return err
	}
	var ledger, task uuid.UUID
	var status string
	var position int64
	var called bool
	var heard *bool
	_, err = pgx.ForEachRow(rows, []any{&ledger, &task, &status, &position, &called, &heard}, func() error {
		f.Checked++
		if done := status == "success" || status == "failed"; !called && !done && heard != nil && *heard {
			f.breach(Breach{Ledger: ledger, Position: position, Stream: task, Problem: "the task is " + status + ", and nobody will call its provider"})
		}
		return nil
	})
	if err != nil {
		return err
	}
	rows, err = x.pool.Query(ctx, `select c.ledger_id, c.task_id, coalesce(t.status, '') from provider_calls c left join tasks t on t.ledger_id = c.ledger_id and t.id = c.task_id
		where t.status is null and c.asked_at < now() - interval '1 minute' and (cardinality($1::uuid[]) = 0 or c.ledger_id = any($1)) limit 1000`, append([]uuid.UUID{}, x.Ledgers...))
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, []any{&ledger, &task, &status}, func() error {
		f.Checked++
		f.breach(Breach{Ledger: ledger, Stream: task, Problem: "a provider is called for a task that does not exist"})
		return nil
	})
	return err
}

// resources: no transaction older than a minute, no prepared one, no session that holds an advisory lock.
func resources(ctx context.Context, x *run, f *Finding) error {
	f.What = "sessions"
	rows, err := x.pool.Query(ctx, `select a.pid, coalesce(a.application_name, ''), coalesce(a.state, ''),
			coalesce(extract(epoch from clock_timestamp() - a.xact_start), 0)::bigint,
			exists (select from pg_locks l where l.pid = a.pid and l.locktype = 'advisory' and l.granted)
		from pg_stat_activity a where a.datname = current_database() and a.pid <> pg_backend_pid() and a.backend_type = 'client backend' order by 1`)
	if err != nil {
		return err
	}
	var pid int32
	var name, state string
	var age int64
	var locked bool
	_, err = pgx.ForEachRow(rows, []any{&pid, &name, &state, &age, &locked}, func() error {
		f.Checked++
		if age > 60 {
			f.breach(Breach{Problem: fmt.Sprintf("session %d (%s) has been in a transaction for %d s, %s", pid, name, age, state)})
		}
		if locked {
			f.breach(Breach{Problem: fmt.Sprintf("session %d (%s) holds an advisory lock", pid, name)})
		}
		return nil
	})
	if err != nil {
		return err
	}
	var prepared int64
	if err := x.pool.QueryRow(ctx, "select count(*) from pg_prepared_xacts where database = current_database()").Scan(&prepared); err != nil {
		return err
	}
	if prepared > 0 {
		f.breach(Breach{Problem: fmt.Sprintf("%d prepared transactions wait for their end", prepared)})
	}
	return nil
}
