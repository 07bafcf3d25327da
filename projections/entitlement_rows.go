package projections

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/domain/subscription"
)

// checkpointOf is the position up to which the three read models hold a ledger: those that are parked
// stand still and do not count, as nobody waits for them.
const checkpointOf = `coalesce(min(position) filter (where parked_at is null), max(position))
	from projection_positions where projection in ('catalog', 'subscriptions', 'licenses')`

// tables changes when a rebuild has put others in their place.
const tables = `select 'products'::regclass::oid::bigint + 'subscriptions'::regclass::oid::bigint + 'licenses'::regclass::oid::bigint`

// positions are the read models' of some ledgers, and what tables they are in.
func (x *Entitlements) positions(ctx context.Context, ids []uuid.UUID) (all map[uuid.UUID]int64, in int64, err error) {
	all = map[uuid.UUID]int64{}
	var ledger uuid.UUID
	var position int64
	if err := x.Pool.QueryRow(ctx, tables).Scan(&in); err != nil {
		return nil, 0, fmt.Errorf("tables of entitlements: %w", err)
	}
	err = queryRows(ctx, x.Pool, "select ledger_id, "+checkpointOf+" and ledger_id = any($1) group by ledger_id",
		[]any{ids}, []any{&ledger, &position}, func() { all[ledger] = position })
	if err != nil {
		return nil, 0, fmt.Errorf("positions of entitlements: %w", err)
	}
	return all, in, nil
}

// snapshot runs queries that all see one state of the database.
func (x *Entitlements) snapshot(ctx context.Context, q *pgx.Batch) error {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	return pgx.BeginTxFunc(ctx, x.Pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return tx.SendBatch(ctx, q).Close()
	})
}

func queuePosition(q *pgx.Batch, ledger uuid.UUID, position *int64) {
	q.Queue("select coalesce((select "+checkpointOf+" and ledger_id = $1), 0)", ledger).QueryRow(func(row pgx.Row) error {
		return row.Scan(position)
	})
}

// queueRows collects the rows of one table into all.
func queueRows[R any](q *pgx.Batch, all *[]any, sql string, args ...any) {
	columns := columnsOf(reflect.TypeFor[R]())
	q.Queue(fmt.Sprintf(sql, quoted(columns, "r.")), args...).Query(func(rows pgx.Rows) error {
		if err := rows.Err(); err != nil { // a failed statement of a batch has no fields to ask for
			return err
		}
		scanner := newScanner(rows, 0, columns, reflect.TypeFor[R]())
		for rows.Next() {
			var row R
			if err := scanner.scan(rows.RawValues(), reflect.ValueOf(&row).Elem()); err != nil {
				return err
			}
			*all = append(*all, row)
		}
		return rows.Err()
	})
}

// load reads a ledger whole, with its checkpoint, in one snapshot.
func (x *Entitlements) load(ctx context.Context, ledger uuid.UUID) (*ledgerIndex, error) {
	start := time.Now()
	index := newLedgerIndex(ledger)
	var rows []any
	q := &pgx.Batch{}
	queuePosition(q, ledger, &index.position)
	q.Queue(tables).QueryRow(func(row pgx.Row) error { return row.Scan(&index.tables) })
	queueRows[Product](q, &rows, "select %s from products r where r.ledger_id = $1", ledger)
	queueRows[Plan](q, &rows, "select %s from plans r where r.ledger_id = $1", ledger)
	queueRows[Feature](q, &rows, "select %s from features r where r.ledger_id = $1", ledger)
	queueRows[Subscription](q, &rows, "select %s from subscriptions r where r.ledger_id = $1", ledger)
	queueRows[LicenseRow](q, &rows, `select %s from licenses r where r.ledger_id = $1 and r.grantee is not null
		and r.end_reason is distinct from 'canceled'`, ledger)
	if err := x.snapshot(ctx, q); err != nil {
		return nil, err
	}
	for _, row := range rows {
		index.put(row)
	}
	index.confirmed.Store(start.UnixNano())
	index.used.Store(start.UnixNano())
	return index, nil
}

// seatEvents are those that change rows of seats.
var seatEvents = []string{subscription.Started{}.EventType(), subscription.SeatsAdded{}.EventType(), subscription.SeatsRemoved{}.EventType(),
	subscription.SeatsAssigned{}.EventType(), subscription.PlanChanged{}.EventType()}

// refresh reads the rows that events after the index's position changed. The log tells which they
// are, so that no index on positions makes every update of a row dearer.
func (x *Entitlements) refresh(ctx context.Context, index *ledgerIndex) error {
	_, err, _ := x.loading.Do("refresh "+index.ledger.String(), func() (any, error) {
		index.mu.RLock()
		after := index.position
		index.mu.RUnlock()
		var to int64
		var rows []any
		q := &pgx.Batch{}
		queuePosition(q, index.ledger, &to)
		queueRows[Product](q, &rows, "select %s from products r where r.ledger_id = $1 and r.position > $2", index.ledger, after)
		queueRows[Plan](q, &rows, "select %s from plans r where r.ledger_id = $1 and r.position > $2", index.ledger, after)
		queueRows[Feature](q, &rows, "select %s from features r where r.ledger_id = $1 and r.position > $2", index.ledger, after)
		queueRows[Subscription](q, &rows, `select %s from subscriptions r where r.ledger_id = $1 and r.id in
			(select stream_id from events where ledger_id = $1 and position > $2)`, index.ledger, after)
		queueRows[LicenseRow](q, &rows, `select %s from licenses r where r.ledger_id = $1 and r.id in
			(select stream_id from events where ledger_id = $1 and position > $2)`, index.ledger, after)
		queueRows[LicenseRow](q, &rows, `select %s from licenses r where r.ledger_id = $1 and r.position > $2 and r.subscription_id in
			(select stream_id from events where ledger_id = $1 and position > $2 and type = any($3))`, index.ledger, after, seatEvents)
		if err := x.snapshot(context.WithoutCancel(ctx), q); err != nil {
			return nil, fmt.Errorf("refresh entitlements of %s: %w", index.ledger, err)
		}
		index.move(rows, to)
		x.weigh(index)
		return nil, nil
	})
	return err
}

// ask answers from the database alone.
func (x *Entitlements) ask(ctx context.Context, ask Question, at time.Time) (Answer, bool, error) {
	var position int64
	known := false
	var pairs []licensePair
	q := &pgx.Batch{}
	queuePosition(q, ask.Ledger, &position)
	q.Queue("select exists (select from products where ledger_id = $1 and id = $2)", ask.Ledger, ask.Product).QueryRow(func(row pgx.Row) error {
		return row.Scan(&known)
	})
	q.Queue("select "+quoted(licenseColumns, "l.")+", "+quoted(subscriptionColumns, "s.")+` from licenses l
		left join subscriptions s on s.ledger_id = l.ledger_id and s.id = l.subscription_id
		where l.ledger_id = $1 and l.product_id = $2 and l.grantee = any($3) and l.end_reason is distinct from 'canceled'`,
		ask.Ledger, ask.Product, ask.Grantees).Query(func(rows pgx.Rows) (err error) {
		pairs, err = collectPairs(rows)
		return err
	})
	var catalog []any
	if ask.Catalog { // of the whole product, which is what a snapshot can ask for at once
		queueRows[Plan](q, &catalog, "select %s from plans r where r.ledger_id = $1 and r.product_id = $2", ask.Ledger, ask.Product)
		queueRows[Feature](q, &catalog, "select %s from features r where r.ledger_id = $1 and r.product_id = $2", ask.Ledger, ask.Product)
	}
	if err := x.snapshot(ctx, q); err != nil {
		return Answer{}, false, fmt.Errorf("check entitlements of %s: %w", ask.Ledger, err)
	}
	sum := answering{at: at, grace: ask.grace(), ends: map[string]time.Time{}}
	for _, p := range pairs {
		sum.add(&p.license, p.subscription)
	}
	a := sum.answer(position)
	if ask.Catalog {
		index := newLedgerIndex(ask.Ledger)
		for _, row := range catalog {
			index.put(row)
		}
		a.Granted = index.catalog.granted(a.Plans)
	}
	return a, known, nil
}
