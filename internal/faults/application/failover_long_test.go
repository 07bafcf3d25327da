//go:build faults

package application

import (
	"context"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/faults"
	"github.com/subledger/subledger/internal/pgtest"
	"github.com/subledger/subledger/internal/selftest"
)

// A synchronous standby stops: a commit waits for it, the client is told that the outcome is unknown, never that it
// succeeded, and nobody cancels the wait: a cancelled one looks like a success. Nor is it believed when a person does.
func TestF39_ASynchronousStandbyStops(t *testing.T) {
	t.Parallel()
	server := primary(t)
	g := rigOf(t, server)
	standby := server.Standby(t, "other", "")
	server.Exec(t, "postgres", "alter system set synchronous_standby_names = 'other'", "select pg_reload_conf()")
	there, here := pgtest.Pool(t, standby.Super("subledger")), pgtest.Pool(t, g.db.URL)
	a := g.start(t)
	a.made(t)
	var receiver int
	require.NoError(t, there.QueryRow(t.Context(), "select pid from pg_stat_wal_receiver").Scan(&receiver))
	goOn := func() { _ = syscall.Kill(receiver, syscall.SIGCONT) }
	t.Cleanup(goOn)
	require.NoError(t, syscall.Kill(receiver, syscall.SIGSTOP))

	before := g.events(t)
	var mu sync.Mutex
	var wg sync.WaitGroup
	var open []string
	var replies []reply
	slowest := time.Duration(0)
	for range 8 {
		wg.Go(func() {
			key := uuid.NewString()
			for range 2 { // the second time it finds the ledger held by the first
				began := time.Now()
				r, err := a.send(t.Context(), key)
				assert.NoError(t, err)
				mu.Lock()
				slowest, replies = max(slowest, time.Since(began)), append(replies, r)
				mu.Unlock()
			}
			mu.Lock()
			open = append(open, key)
			mu.Unlock()
		})
	}
	wg.Wait()
	only(t, replies, 503)
	codes := map[string]int{}
	for _, r := range replies {
		codes[r.code()]++
	}
	t.Logf("answers: %v, after %s at most", codes, slowest.Round(time.Millisecond))
	require.NotZero(t, codes["outcome_unknown"])
	require.Less(t, slowest, 10500*time.Millisecond)
	require.NotZero(t, waitingForStandby(t, here), "the commit still waits")
	require.NotContains(t, server.Log(), "canceling wait")
	require.Equal(t, before, g.events(t), "and nobody sees it")
	require.Equal(t, 200, a.call(t.Context(), "GET", "/ledger/v1/head", "", "").Status)

	// Somebody cancels the wait of a command whose client is still there.
	elsewhere := a.live(t)
	key := uuid.NewString()
	answered := make(chan reply, 1)
	go func() {
		r, err := elsewhere.send(t.Context(), key)
		assert.NoError(t, err)
		answered <- r
	}()
	require.Eventually(t, func() bool { return waitingForStandby(t, here) > 1 }, 5*time.Second, 5*time.Millisecond)
	_, err := here.Exec(t.Context(), "select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'")
	require.NoError(t, err)
	r := <-answered
	require.Equal(t, 503, r.Status, "no standby has it: %s", dump(r))
	require.Contains(t, server.Log(), "canceling wait for synchronous replication")

	goOn()
	began := time.Now()
	elsewhere.resolve(t, []string{key})
	a.resolve(t, open)
	t.Logf("resolved %s after the standby went on", time.Since(began).Round(time.Millisecond))
	g.sound(t)
	require.Eventually(t, func() bool {
		var ours, theirs string
		return here.QueryRow(t.Context(), "select encode(head, 'hex') from ledgers where ledger_id = $1", g.ledger).Scan(&ours) == nil &&
			there.QueryRow(t.Context(), "select encode(head, 'hex') from ledgers where ledger_id = $1", g.ledger).Scan(&theirs) == nil && ours == theirs
	}, 5*time.Second, 20*time.Millisecond, "the standby has what was acknowledged")
}

func waitingForStandby(t *testing.T, pool *pgxpool.Pool) (n int) {
	t.Helper()
	require.NoError(t, pool.QueryRow(t.Context(), "select count(*) from pg_stat_activity where wait_event = 'SyncRep'").Scan(&n))
	return n
}

// An asynchronous standby takes over that was behind: what it lacks is lost, and no more; the program says so, the
// checkpoint of the evening before convicts it, and clients who send again what was lost get it done once.
func TestF38_AStandbyThatWasBehindTakesOver(t *testing.T) {
	t.Parallel()
	server := primary(t)
	g := rigOf(t, server)
	line, via := faults.NewProxy(t, server.Super("postgres"))
	standby := server.Standby(t, "other", via)
	proxy, url := faults.NewProxy(t, g.db.URL)
	a := g.start(t, "DATABASE_URL="+url)
	there, here := pgtest.Pool(t, standby.Super("subledger")), pgtest.Pool(t, g.db.URL)
	made := func(n int) (keys []string) {
		for range n {
			key := uuid.NewString()
			r, err := a.send(t.Context(), key)
			require.NoError(t, err)
			require.Equal(t, 201, r.Status, dump(r))
			keys = append(keys, key)
		}
		return keys
	}
	end := func(pool *pgxpool.Pool) (n int64) {
		require.NoError(t, pool.QueryRow(t.Context(), "select position from ledgers where ledger_id = $1", g.ledger).Scan(&n))
		return n
	}
	made(10)
	require.Eventually(t, func() bool { return end(there) == end(here) }, 10*time.Second, 10*time.Millisecond)
	dir := t.TempDir()
	kept, gone := filepath.Join(dir, "kept"), filepath.Join(dir, "gone")
	save := func(to string) {
		out, err := g.command("verify", "--save", to).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	save(kept)
	line.Close() // from here on the standby hears nothing
	require.Eventually(t, func() bool {
		var none bool
		return there.QueryRow(t.Context(), "select not exists (select from pg_stat_wal_receiver where status = 'streaming')").Scan(&none) == nil && none
	}, 10*time.Second, 10*time.Millisecond)
	lost := made(5)
	save(gone)
	reached, behind := end(here), end(there)
	require.Equal(t, reached, behind+5)

	_, err := there.Exec(t.Context(), "select pg_promote()")
	require.NoError(t, err)
	began := time.Now()
	g.db.URL = standby.Super("subledger")
	proxy.Forward(t, g.db.URL)
	proxy.Reset()

	// The journal convicts the database of exactly what was lost.
	all, err := selftest.Check(t.Context(), there, selftest.Options{Journal: g.entries(t)})
	require.NoError(t, err)
	for _, f := range all {
		if f.Number == 1 {
			require.Len(t, f.Breaches, len(lost), "%v", f.Breaches)
		}
	}
	a.resolve(t, lost[:1])
	t.Logf("5 commands lost; writes %s after the standby took over", time.Since(began).Round(time.Millisecond))
	require.Contains(t, a.said(), "history was lost")
	a.resolve(t, lost[1:])
	require.Equal(t, reached, end(there), "each was done again, once")
	verify := func(against string) (string, int) {
		cmd := g.command("verify", "--against", against)
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	out, code := verify(kept)
	require.Zero(t, code, "%s", out)
	out, code = verify(gone)
	require.Equal(t, 5, code, "%s", out)
	require.Eventually(t, func() bool {
		r := a.call(t.Context(), "GET", "/ledger/v1/products?limit=100", "", "")
		return r.Status == 200 && r.position() == reached
	}, 10*time.Second, 50*time.Millisecond)
	g.sound(t)
	require.NoError(t, server.Stop(context.WithoutCancel(t.Context())))
}
