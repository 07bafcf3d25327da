package application

import (
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/pgtest"
)

// live is the same server for clients of the live ledger.
func (a *app) live(t *testing.T) *app {
	t.Helper()
	g, live := *a.rig, *a
	g.key = g.demo.Keys.Live
	require.NoError(t, pgtest.Pool(t, g.db.URL).QueryRow(t.Context(), "select ledger_id from ledgers where mode = 'live'").Scan(&g.ledger))
	live.rig = &g
	return &live
}

// A server process that was stopped holds a ledger's row: who writes there is told within about two seconds to come
// again, and who writes elsewhere notices nothing.
func TestF15_AStoppedBackendHoldsALedger(t *testing.T) {
	t.Parallel()
	server := pgtest.Cluster(t)
	require.NoError(t, server.EnsureDatabase(t.Context(), "subledger"))
	g := newRigOn(t, &pgtest.DB{URL: server.Super("subledger")})
	a := g.start(t)
	elsewhere := a.live(t)
	a.made(t)
	elsewhere.made(t)

	conn, err := pgx.Connect(t.Context(), g.db.URL)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "begin")
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "select from ledgers where ledger_id = $1 for no key update", g.ledger)
	require.NoError(t, err)
	pid := int(conn.PgConn().PID())
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })

	var mu sync.Mutex
	var wg sync.WaitGroup
	var open []string
	var replies []reply
	slowest, others := time.Duration(0), time.Duration(0)
	held := make(chan struct{})
	for range 8 {
		wg.Go(func() {
			for range 2 {
				key, began := uuid.NewString(), time.Now()
				r, err := a.send(t.Context(), key)
				assert.NoError(t, err)
				mu.Lock()
				slowest, open, replies = max(slowest, time.Since(began)), append(open, key), append(replies, r)
				mu.Unlock()
			}
		})
	}
	var beside sync.WaitGroup
	beside.Go(func() {
		for {
			select {
			case <-held:
				return
			default:
				others = max(others, elsewhere.made(t))
			}
		}
	})
	wg.Wait()
	close(held)
	beside.Wait()
	t.Logf("told to come again after %s at most; elsewhere %s at most", slowest.Round(time.Millisecond), others.Round(time.Millisecond))
	only(t, replies, 503)
	require.Less(t, slowest, 3*time.Second)
	require.Less(t, others, time.Second)

	require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
	_, err = conn.Exec(t.Context(), "rollback")
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
	a.resolve(t, open)
	g.sound(t)
}
