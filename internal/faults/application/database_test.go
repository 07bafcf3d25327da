package application

import (
	"context"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/embeddedpg"
	"github.com/subledger/subledger/internal/pgtest"
)

// faultTime is how long a fault of the database goes on in CI.
var faultTime = 2 * time.Second

// resolve sends what has no final answer again, until it has one.
func (a *app) resolve(t *testing.T, open []string) {
	t.Helper()
	for _, key := range open {
		require.Eventually(t, func() bool {
			r, err := a.send(t.Context(), key)
			return err == nil && r.Status == 201
		}, 20*time.Second, 50*time.Millisecond, "%s", key)
	}
}

func only(t *testing.T, replies []reply, statuses ...int) {
	t.Helper()
	for _, r := range replies {
		require.Contains(t, statuses, r.Status, dump(r))
		if r.Status == 503 {
			require.NotEmpty(t, r.Header.Get("Retry-After"))
			require.Contains(t, r.Header.Get("Content-Type"), "problem")
		}
	}
}

func TestF11_PostmasterAndBackendsKilled(t *testing.T) {
	t.Parallel()
	server := pgtest.Cluster(t)
	require.NoError(t, server.EnsureDatabase(t.Context(), "subledger"))
	g := newRigOn(t, &pgtest.DB{URL: server.URL(embeddedpg.Superuser, "subledger")})
	a := g.start(t)
	stop := make(chan struct{})
	killed := make(chan time.Time, 1)
	time.AfterFunc(500*time.Millisecond, func() {
		_ = syscall.Kill(server.Pid(), syscall.SIGKILL) // the backends see it and end; the supervisor starts it again
		killed <- time.Now()
	})
	time.AfterFunc(500*time.Millisecond+faultTime, func() { close(stop) })
	before := server.Pid()
	open, replies := a.load(t.Context(), 16, stop)
	only(t, replies, 201, 503)
	at := <-killed
	require.Eventually(t, func() bool { // on a busy machine it may not be started again yet
		r, err := a.send(t.Context(), uuid.NewString())
		return err == nil && r.Status == 201 && server.Pid() != before
	}, 30*time.Second, 50*time.Millisecond, "%s", a.said())
	t.Logf("writes again %s after the kill", time.Since(at).Round(time.Millisecond))
	a.resolve(t, open)
	g.sound(t)
}

// shoot runs a statement on random backends of the server while clients write.
func shoot(t *testing.T, sql string) {
	g := newRig(t)
	a := g.start(t)
	pool := pgtest.Pool(t, g.db.URL)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(stop)
		for end := time.Now().Add(faultTime); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			_, err := pool.Exec(t.Context(), sql)
			assert.NoError(t, err)
		}
	})
	open, replies := a.load(t.Context(), 16, stop)
	wg.Wait()
	only(t, replies, 201, 503)
	a.resolve(t, open)
	t.Logf("%d commands, %d of them asked again", len(replies), len(open))
	g.sound(t)
}

const randomBackend = ` from (select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
	and application_name = 'subledger' and backend_type = 'client backend' order by random() limit 1) b`

func TestF13_BackendsTerminated(t *testing.T) {
	t.Parallel()
	shoot(t, "select pg_terminate_backend(pid)"+randomBackend)
}

func TestF14_BackendsCanceled(t *testing.T) {
	t.Parallel()
	shoot(t, "select pg_cancel_backend(pid)"+randomBackend)
}

// Reads that hang take the connections of reads alone: writes and health go on, and who waits for one is told.
func TestF17_ReadsUseUpTheirPool(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	a := g.startWith(t, g.command("serve", "--listen", "127.0.0.1:0", "-o", "json", "--connections", "12"))
	r, err := a.send(t.Context(), uuid.NewString())
	require.NoError(t, err)
	require.Equal(t, 201, r.Status)
	conn, err := pgx.Connect(t.Context(), g.db.URL)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "set local idle_in_transaction_session_timeout = 0") // it is open for longer than a server allows
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "lock table features in access exclusive mode")
	require.NoError(t, err)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var replies []reply
	for range 60 {
		wg.Go(func() {
			r := a.call(t.Context(), "GET", "/ledger/v1/features?limit=1", "", "")
			mu.Lock()
			defer mu.Unlock()
			replies = append(replies, r)
		})
	}
	time.Sleep(500 * time.Millisecond) // until they hang
	for range 5 {
		began := time.Now()
		r, err := a.send(t.Context(), uuid.NewString())
		require.NoError(t, err)
		require.Equal(t, 201, r.Status, dump(r))
		require.Equal(t, 200, a.call(t.Context(), "GET", "/healthz", "", "").Status)
		require.Less(t, time.Since(began), 2*time.Second)
	}
	time.Sleep(faultTime)
	require.NoError(t, tx.Rollback(t.Context()))
	wg.Wait()
	only(t, replies, 200, 503)
	require.True(t, func() bool {
		for _, r := range replies {
			if r.Status == 503 {
				return true
			}
		}
		return false
	}(), "nobody was sent away")
	g.sound(t)
}

// A transaction that somebody leaves open holds nothing up, and nothing is skipped behind it.
func TestF19_ALongTransactionStallsNothing(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	a := g.start(t)
	conn, err := pgx.Connect(t.Context(), g.db.URL)
	require.NoError(t, err)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "create table held (n int); insert into held values (1)")
	require.NoError(t, err)
	for range 10 {
		key := uuid.NewString()
		r, err := a.send(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, 201, r.Status, dump(r))
		began := time.Now()
		r = a.call(t.Context(), "GET", strings.TrimPrefix(r.Header.Get("Location"), a.address), "", "")
		require.Equal(t, 200, r.Status, dump(r))
		require.Less(t, time.Since(began), time.Second)
	}
	require.NoError(t, tx.Rollback(t.Context()))
	require.NoError(t, conn.Close(t.Context()))
	g.sound(t)
}
