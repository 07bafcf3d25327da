package eventstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	pgxdecimal "github.com/jackc/pgx-shopspring-decimal"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/subledger/subledger/internal/pgarray"
)

// What the flush keeps on a connection.
const (
	customBackend      = "subledger backend"
	customUnreplicated = "subledger unreplicated"
)

// backend identifies a server process: a process id may be used again, its start may not.
type backend struct {
	pid     uint32
	started time.Time
}

// quiet makes sure that a connection never sends a cancel: pgconn would when a read fails, and a
// cancelled wait for a synchronous standby looks like a success (design section 3, rule 4). Cancels go
// over a connection of their own, dialled like the first: once that one is up, no other is allowed.
type quiet struct {
	dial     pgconn.DialFunc
	up       atomic.Bool
	patience time.Duration // 0: for ever
	silent   func()        // called when it was used up
}

var errNoCancel = errors.New("this connection sends no cancel")

func (q *quiet) dialOnce(ctx context.Context, network, address string) (net.Conn, error) {
	if q.up.Load() {
		return nil, errNoCancel
	}
	conn, err := q.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &quietConn{Conn: conn, quiet: q}
	if q.patience > 0 {
		c.alarm = time.AfterFunc(q.patience, c.givenUp)
		c.alarm.Stop()
	}
	return c, nil
}

// quietConn lets AfterConnect find the quiet that it belongs to, and closes a connection on which an answer
// is waited for in vain: a network that swallows everything ends no connection by itself.
type quietConn struct {
	net.Conn
	quiet *quiet
	alarm *time.Timer
}

// Read is called while an answer is waited for and at no other time: nothing of a pool's listens.
func (c *quietConn) Read(b []byte) (int, error) {
	if c.alarm == nil {
		return c.Conn.Read(b)
	}
	c.alarm.Reset(c.quiet.patience)
	n, err := c.Conn.Read(b)
	c.alarm.Stop()
	return n, err
}

func (c *quietConn) givenUp() {
	c.Conn.Close()
	c.quiet.silent()
}

// neverCancel is a pool's BeforeConnect.
func neverCancel(patience time.Duration, silent func()) func(context.Context, *pgx.ConnConfig) error {
	return func(_ context.Context, cfg *pgx.ConnConfig) error {
		cfg.DialFunc = (&quiet{dial: cfg.DialFunc, patience: patience, silent: silent}).dialOnce
		return nil
	}
}

func closeDial(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if q, ok := conn.(*quietConn); ok {
		q.quiet.up.Store(true)
	}
}

func afterConnect(ctx context.Context, conn *pgx.Conn) error {
	pgxuuid.Register(conn.TypeMap())
	pgxdecimal.Register(conn.TypeMap()) // numbers in binary: as texts they took a fifth of a rebuild
	pgarray.Register(conn.TypeMap())
	b := backend{pid: conn.PgConn().PID()}
	// Ask in the simple protocol: nothing is prepared, so that a transaction pooler is no obstacle.
	var pid uint32
	err := conn.QueryRow(ctx, `select pid, backend_start from pg_stat_activity where pid = pg_backend_pid()`,
		pgx.QueryExecModeSimpleProtocol).Scan(&pid, &b.started)
	if err != nil {
		return fmt.Errorf("read the backend's start: %w", err)
	}
	if pid != b.pid { // a pooler stands between: who served a statement is not known afterwards
		b = backend{}
	}
	conn.PgConn().CustomData()[customBackend] = b
	closeDial(conn.PgConn().Conn())
	return nil
}

// GenericPlans is an AfterConnect of pools whose statements take their rows as arrays. PostgreSQL thinks short
// arrays cheaper than those it knows nothing of and would plan the append anew for each batch: a sixth of its
// time. Behind a transaction pooler the setting may get lost, which costs just that.
func GenericPlans(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, `set plan_cache_mode = force_generic_plan`, pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("ask for generic plans: %w", err)
	}
	return nil
}

// onNotice catches the one warning that means a lost guarantee: a cancelled wait for a synchronous
// standby looks like a success otherwise (design section 3, rule 4).
func onNotice(c *pgconn.PgConn, n *pgconn.Notice) {
	if n.Code == "01000" && strings.Contains(n.Message+n.Detail, "replicated") {
		c.CustomData()[customUnreplicated] = true
	}
}

func takeUnreplicated(conn *pgx.Conn) bool {
	data := conn.PgConn().CustomData()
	was := data[customUnreplicated] == true
	delete(data, customUnreplicated)
	return was
}
