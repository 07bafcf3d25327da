package projections

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/subledger/subledger/domain"
)

// Reads answers queries from the read models. Each query is one round trip that sees the rows of its
// ledger alone (row-level security, when the pool's role is subledger_reader) and ends after 5 s.
type Reads struct {
	pool    *pgxpool.Pool
	applied *Applied
	acked   func(ledger uuid.UUID) int64
	timeout time.Duration
}

// NewReads reads with a pool of the reader role. acknowledged is the highest position that this
// process acknowledged for a ledger, eventstore.Store's method; nil when it writes nothing.
func NewReads(reader *pgxpool.Pool, applied *Applied, acknowledged func(uuid.UUID) int64) *Reads {
	return &Reads{pool: reader, applied: applied, acked: acknowledged, timeout: statementTimeout}
}

// Keyset is a part of a list in order of id, which for UUIDv7 is order of creation.
type Keyset struct {
	After uuid.UUID // the last id of the part before; zero: from the beginning
	Limit int       // at most 1,000; zero: 25
	Desc  bool      // newest first
}

// Limits of a list's part.
const (
	DefaultLimit = 25
	MaxLimit     = 1000
)

func (k Keyset) limit() int {
	if k.Limit <= 0 {
		return DefaultLimit
	}
	return min(k.Limit, MaxLimit)
}

// where collects the conditions of a query and its named arguments.
type where struct {
	conditions []string
	args       pgx.NamedArgs
}

func within(ledger uuid.UUID) *where { return &where{args: pgx.NamedArgs{"ledger": ledger}} }

func (w *where) and(condition string) *where {
	w.conditions = append(w.conditions, condition)
	return w
}

func (w *where) with(name string, value any, condition string) *where {
	w.args[name] = value
	return w.and(condition)
}

func (w *where) String() string { return strings.Join(w.conditions, " and ") }

// page ends a query on a table alias: the keyset's condition must stand in the where clause.
func (w *where) after(alias string, k Keyset) *where {
	if k.After != uuid.Nil {
		op := ">"
		if k.Desc {
			op = "<"
		}
		w.with("after", k.After, alias+".id "+op+" @after")
	}
	return w
}

func (k Keyset) tail(alias string) string { return k.tailBy(alias + ".id") }

func (k Keyset) tailBy(id string) string {
	direction := ""
	if k.Desc {
		direction = " desc"
	}
	return fmt.Sprintf(" order by %s%s limit %d", id, direction, k.limit())
}

const statementTimeout = 5 * time.Second

// within runs one statement under the ledger's row-level security: all statements travel together,
// in one implicit transaction, so a pooled connection keeps nothing of it. Unavailable: query_too_heavy.
func (r *Reads) within(ctx context.Context, ledger uuid.UUID, sql string, args pgx.NamedArgs, read func(pgx.Rows) error) error {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout+time.Second) // the server's own comes first
	defer cancel()
	conn, err := r.connection(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	q := &pgx.Batch{}
	q.Queue(`select set_config('subledger.ledger_id', $1::text, true), set_config('statement_timeout', $2::text, true)`,
		ledger.String(), strconv.FormatInt(r.timeout.Milliseconds(), 10))
	q.Queue(sql, args).Query(read)
	began := time.Now()
	err = conn.SendBatch(ctx, q).Close()
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) && pg.Code == "57014" && time.Since(began) >= r.timeout { // else somebody cancelled it
		return domain.Refuse(domain.Unavailable, "query_too_heavy", "this question takes too long to answer; ask for less of it")
	}
	return err
}

// poolWait is how long a read waits for a connection: when all are busy for longer, more readers in line
// make it no better.
const poolWait = time.Second

func (r *Reads) connection(ctx context.Context) (*pgxpool.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, poolWait)
	defer cancel()
	conn, err := r.pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("wait for a connection to read: %w", err)
	}
	return conn, nil
}

// query is within for rows whose columns are those of T, by name.
func query[T any](ctx context.Context, r *Reads, ledger uuid.UUID, sql string, args pgx.NamedArgs) ([]T, error) {
	var all []T
	err := r.within(ctx, ledger, sql, args, func(rows pgx.Rows) (err error) {
		all, err = collect[T](rows)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read %T: %w", *new(T), err)
	}
	return all, nil
}

// one is query for a row that must be there; refuse is called when it isn't.
func one[T any](ctx context.Context, r *Reads, ledger uuid.UUID, sql string, args pgx.NamedArgs, refuse error) (T, error) {
	all, err := query[T](ctx, r, ledger, sql, args)
	if err == nil && len(all) == 0 {
		err = refuse
	}
	if err != nil {
		var none T
		return none, err
	}
	return all[0], nil
}
