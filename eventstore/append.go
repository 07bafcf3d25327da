package eventstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/mutant"
)

// appendSQL is the one statement that writes the log (design section 3). It is an implicit
// transaction, so that a stalled client cannot hold the lock. Its shape: `won` locks the ledgers, each
// once and in one order, that still stand where their part was decided, by position and by hash (others may have
// reached the position after a failover that took history back), and whose keys and claims are free; every other part of the statement writes only for those. An unchanged position (o = n) proves
// refusals and changes nothing. What it found instead comes back with it, so that the rest can be
// decided again without another question. A row that somebody holds for long is not waited for: the other
// ledgers of the batch would wait too (see flushAgain).
//
// Most batches claim nothing and name nobody new: theirs is the same statement without those parts, which
// PostgreSQL would prepare, run through and end for nothing.
func appendSQL(whole, skip bool) string {
	part := func(sql string) string {
		if !whole {
			return ""
		}
		return sql
	}
	locked := ""
	if skip { // takes a held ledger for a lost one
		locked = " skip locked"
	}
	return `
with found_keys as materialized (
	select c.ledger_id, c.key, c.fingerprint, c.first_position, c.last_position, c.answer
	from unnest($7::uuid[], $8::text[]) p(ledger_id, key)
	join commands c on c.ledger_id = p.ledger_id and c.key = p.key),` + part(`
found_claims as materialized (
	select c.ledger_id, c.scope, c.value, c.stream_id
	from unnest($28::uuid[], $29::text[], $30::text[]) p(ledger_id, scope, value)
	join claims c on c.ledger_id = p.ledger_id and c.scope = p.scope and c.value = p.value),`) + `
won as materialized (
	select l.ledger_id, w.n, w.h, w.r, w.c
	from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[], $5::timestamptz[], $6::timestamptz[], $27::bytea[]) w(ledger_id, o, n, h, r, c, oh)
	join ledgers l on l.ledger_id = w.ledger_id
	where l.position = w.o and l.head = w.oh
		and w.ledger_id not in (select ledger_id from found_keys)` + part(`
		and w.ledger_id not in (select ledger_id from found_claims)`) + `
		and ` + shortWait + `
	order by l.ledger_id for no key update of l` + locked + `),
moved as (
	update ledgers l set position = won.n, head = won.h, recorded_at = won.r, clock = won.c
	from won where l.ledger_id = won.ledger_id and won.n > l.position),
ev as (
	insert into events (ledger_id, position, stream_id, version, event_id, type, data, meta, recorded_at, effective_at, hash)
	select e.ledger_id, e.position, e.stream_id, e.version, e.event_id, e.type, e.data, e.meta, e.recorded_at, e.effective_at, e.hash
	from unnest($9::uuid[], $10::bigint[], $11::uuid[], $12::bigint[], $13::uuid[], $14::text[], $15::json[], $16::json[],
		$17::timestamptz[], $18::timestamptz[], $19::bytea[])
		e(ledger_id, position, stream_id, version, event_id, type, data, meta, recorded_at, effective_at, hash)
	where e.ledger_id in (select ledger_id from won)),
cm as (
	insert into commands (ledger_id, key, fingerprint, first_position, last_position, answer, recorded_at)
	select c.ledger_id, c.key, c.fingerprint, c.first_position, c.last_position, c.answer, c.recorded_at
	from unnest($20::uuid[], $21::text[], $22::bytea[], $23::bigint[], $24::bigint[], $25::json[], $26::timestamptz[])
		c(ledger_id, key, fingerprint, first_position, last_position, answer, recorded_at)
	where c.ledger_id in (select ledger_id from won))` + part(`,
cl as (
	insert into claims (ledger_id, scope, value, stream_id)
	select c.ledger_id, c.scope, c.value, c.stream_id
	from unnest($28::uuid[], $29::text[], $30::text[], $31::uuid[]) c(ledger_id, scope, value, stream_id)
	where c.ledger_id in (select ledger_id from won)),
sk as (
	insert into subject_keys (ledger_id, key_id, subject, wrapped_key, created_at)
	select k.ledger_id, k.key_id, k.subject, k.wrapped_key, k.created_at
	from unnest($32::uuid[], $33::uuid[], $34::bytea[], $35::bytea[], $36::timestamptz[]) k(ledger_id, key_id, subject, wrapped_key, created_at)
	where k.ledger_id in (select ledger_id from won)
	on conflict do nothing)`) + `
select 'won', ledger_id, '', ''::bytea, 0::bigint, 0::bigint, null::json, null::uuid from won
union all select 'key', ledger_id, key, fingerprint, first_position, last_position, answer, null from found_keys` + part(`
union all select 'claim:' || scope, ledger_id, value, ''::bytea, 0, 0, null, stream_id from found_claims`)
}

// appendStatements are made once: by whether the batch has claims or new keys of subjects, and whether held
// ledgers are skipped.
var appendStatements = map[[2]bool]string{
	{false, false}: appendSQL(false, false), {false, true}: appendSQL(false, true),
	{true, false}: appendSQL(true, false), {true, true}: appendSQL(true, true),
}

// shortWait is true, once the statement will give up its wait for a row that is held. It bounds this transaction alone.
const shortWait = `(select set_config('lock_timeout', '200ms', true)) is not null`

// appended is what the statement answered.
type appended struct {
	won    map[uuid.UUID]bool
	keys   map[uuid.UUID]map[string]keyRow
	claims map[uuid.UUID]map[claimName]uuid.UUID
}

// appendParts runs the statement, skipping ledgers that somebody holds or giving up on them with 55P03. All rows are
// read before anything is believed.
func appendParts(ctx context.Context, db querier, parts []*part, skip bool) (*appended, error) {
	if !skip {
		if a, err := tryAlone(ctx, db, parts); a != nil || err != nil {
			return a, err
		}
	}
	whole := slices.ContainsFunc(parts, func(p *part) bool { return len(p.claims) > 0 || len(p.made) > 0 })
	sql := appendStatements[[2]bool{whole, skip}]
	switch mutant.Active {
	case mutant.SkippedHeadCheck:
		sql = strings.Replace(sql, "where l.position = w.o and l.head = w.oh", "where true", 1)
	case mutant.PositionIsHistory:
		sql = strings.Replace(sql, " and l.head = w.oh", "", 1)
	}
	c := columnsPool.Get().(*columns)
	rows, err := db.Query(ctx, sql, c.lay(parts, whole)...) // they are sent, or copied, when it returns
	c.release()
	if err != nil {
		return nil, err
	}
	a := &appended{won: map[uuid.UUID]bool{}, keys: map[uuid.UUID]map[string]keyRow{}, claims: map[uuid.UUID]map[claimName]uuid.UUID{}}
	var kind, text string
	var ledger uuid.UUID
	var fingerprint, answer []byte
	var first, last int64
	var stream *uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&kind, &ledger, &text, &fingerprint, &first, &last, &answer, &stream}, func() error {
		switch kind {
		case "won":
			a.won[ledger] = true
		case "key":
			if a.keys[ledger] == nil {
				a.keys[ledger] = map[string]keyRow{}
			}
			row := keyRow{name: text, first: first, last: last, answer: append([]byte(nil), answer...)}
			copy(row.fingerprint[:], fingerprint)
			a.keys[ledger][text] = row
		default:
			if a.claims[ledger] == nil {
				a.claims[ledger] = map[claimName]uuid.UUID{}
			}
			a.claims[ledger][claimName{kind[len("claim:"):], text}] = *stream
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// errUnreplicated is a commit that no standby may have.
var errUnreplicated = errors.New("the commit was not confirmed by the synchronous standby")

// flush appends the parts and tells everyone concerned. It runs in the lane.
func (l *lane) flush(parts []*part) { l.flushAgain(parts, 0, false) }

func (l *lane) flushAgain(parts []*part, tries int, skip bool) {
	if len(parts) == 0 {
		return
	}
	began := time.Now()
	// Never a cancelled context from here on: see rule 4.
	ctx := context.Background()
	conn, err := l.acquire(ctx)
	if err != nil {
		l.fail(parts, err)
		return
	}
	who, _ := conn.Conn().PgConn().CustomData()[customBackend].(backend)
	got, err := l.send(ctx, conn.Conn(), parts, skip)
	conn.Release()
	l.observe(parts, got, began, false, err)
	switch classify(err) {
	case settled:
		l.settle(parts, got)
	case unknown:
		for _, p := range parts {
			l.s.cfg.Logger.Warn("append: outcome unknown, looking it up", "ledger", p.ls.id, "position", p.head.Position, "err", err)
		}
		l.detachUnknown(parts, who)
	case notSent:
		l.fail(parts, err)
	case again:
		if tries < 3 {
			// What is held goes the serial way, which waits for it beside the lane.
			l.flushAgain(parts, tries+1, skip || isHeld(err))
			return
		}
		l.fail(parts, err)
	case poisoned:
		// A duplicate may be a key that another process consumed meanwhile without moving the position:
		// asked again, the statement sees it. Otherwise halve until the culprit stands alone.
		switch {
		case isDuplicate(err) && tries == 0:
			l.flushAgain(parts, 1, skip)
		case len(parts) > 1:
			l.flushAgain(parts[:len(parts)/2], 1, skip)
			l.flushAgain(parts[len(parts)/2:], 1, skip)
		default:
			p := parts[0]
			p.spoil()
			calls := p.calls()
			l.detach(p.ls.id, func() func() { return l.serial(p.ls.id, p.ls, calls) })
		}
	}
}

func (l *lane) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	return l.s.pool.Acquire(ctx)
}

// send writes the parts on one connection. One that stays silent is cut, without a cancel; others may be
// silent too, so the pool forgets them.
func (l *lane) send(ctx context.Context, conn *pgx.Conn, parts []*part, skip bool) (*appended, error) {
	if err := l.s.cfg.Fault("before append"); err != nil {
		return nil, err
	}
	silent := l.s.cutAfter(l.s.cfg.UnknownAfter/2, conn)
	got, err := appendParts(ctx, conn, parts, skip)
	silent.Stop()
	if err == nil && takeUnreplicated(conn) {
		return nil, errUnreplicated
	}
	if err == nil {
		err = l.s.cfg.Fault("after append")
	}
	return got, err
}

func (s *Store) cutAfter(d time.Duration, conn *pgx.Conn) *time.Timer {
	return time.AfterFunc(d, func() {
		conn.PgConn().Conn().Close()
		s.pool.Reset()
	})
}

func (l *lane) observe(parts []*part, got *appended, began time.Time, serial bool, err error) {
	f := Flush{Ledgers: len(parts), Took: time.Since(began), Serial: serial, Err: err}
	for _, p := range parts {
		f.Commands += len(p.decided)
		f.Events += len(p.events)
		if got != nil && !got.won[p.ls.id] {
			f.Lost++
		}
	}
	l.s.cfg.Observe(f)
}

// How an append ended.
type ending int

const (
	settled  ending = iota // the statement answered
	notSent                // nothing reached the server
	again                  // rolled back for a passing reason
	poisoned               // rolled back because of what it held
	unknown                // the answer is lost
)

// classify goes by SQLSTATE, never by a constraint's name: shards add suffixes to those.
func classify(err error) ending {
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return settled
	case errors.As(err, &pg):
		switch {
		case pg.Code == "40001", pg.Code == "40P01", pg.Code == "55P03":
			return again
		case pg.Code == "57014", pg.Code[:2] == "53": // cancelled by a person; no disk, memory or connection
			return notSent
		case pg.Code[:2] == "08", pg.Code[:3] == "57P", pg.Code == "XX000", pg.Code == "58030":
			return unknown
		default:
			return poisoned
		}
	case errors.Is(err, errUnreplicated):
		return unknown
	case pgconn.SafeToRetry(err):
		return notSent
	default:
		return unknown
	}
}

func isDuplicate(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505"
}

// isHeld tells that somebody else has held a row for longer than it was waited for.
func isHeld(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "55P03"
}

// settle makes the parts that won true and sends the others back. It runs in the lane.
func (l *lane) settle(parts []*part, got *appended) {
	for _, p := range parts {
		switch id := p.ls.id; {
		case got.won[id]:
			l.confirm(p)
			l.weigh(p.ls)
		case got.keys[id] != nil || got.claims[id] != nil:
			p.spoil()
			l.weigh(p.ls)
			l.requeue(id, p.learn(got))
		default:
			p.spoil()
			calls := p.calls()
			for _, c := range calls {
				c.lost++
			}
			l.detach(id, func() func() { return l.refresh(p.ls, calls) }) // from here on the state is not the lane's
		}
	}
}

// confirm is what follows a commit: the cache moves on, readers hear of it, callers get their answers.
func (l *lane) confirm(p *part) {
	p.confirmState()
	l.s.keys.saved(p.ls, p.made)
	l.s.committed(p.ls.id, p.head.Position, p.events)
	for _, d := range p.decided {
		d.call.reply(d.answer)
	}
}

func (p *part) confirmState() {
	ls := p.ls
	ls.head, ls.recordedAt, ls.clock = p.head, p.recordedAt, p.clock
	for _, e := range p.events {
		ls.wrote(e.Stream, e.Position)
	}
	for id, st := range p.touched {
		if st.dirty {
			ls.forget(id)
		}
	}
}

// learn tells the calls which of their keys and claims are taken and gives those back that must be
// decided again; what has its answer by now gets it.
func (p *part) learn(got *appended) []*call {
	id := p.ls.id
	var rest []*call
	for _, d := range p.decided {
		c := d.call
		if row, ok := got.keys[id][c.key]; ok {
			if row.fingerprint != c.req.Fingerprint {
				c.reply(outcome{err: errKeyOther})
			} else {
				c.reply(outcome{replay: &row})
			}
			continue
		}
		if c.known == nil {
			c.known = map[string]keyRow{}
		}
		for name, row := range got.keys[id] {
			c.known[name] = row
		}
		if c.held == nil {
			c.held = map[claimName]uuid.UUID{}
		}
		for name, stream := range got.claims[id] {
			c.held[name] = stream
		}
		rest = append(rest, c)
	}
	return rest
}

// fail answers everyone that the database cannot be used now; nothing happened.
func (l *lane) fail(parts []*part, err error) {
	l.s.cfg.Logger.Error("append: the database refuses", "err", err)
	for _, p := range parts {
		p.spoil()
		for _, d := range p.decided {
			d.call.reply(outcome{err: unavailable(err)})
		}
	}
}

func unavailable(err error) error {
	return fmt.Errorf("%w (%v)", domain.Refuse(domain.Unavailable, "unavailable", "the database cannot be used now; nothing happened, try again"), err)
}
