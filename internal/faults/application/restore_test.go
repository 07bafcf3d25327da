package application

import (
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/pgtest"
)

// refusesToStart runs a server that must end by itself, and gives what it said.
func (g *rig) refusesToStart(t *testing.T, env ...string) string {
	t.Helper()
	cmd := g.command("serve", "--listen", "127.0.0.1:0", "-o", "json")
	cmd.Env = append(cmd.Env, env...)
	out, err := runFor(t, cmd, 20*time.Second)
	require.Error(t, err)
	require.Equal(t, 4, cmd.ProcessState.ExitCode(), "%s", out)
	return out
}

func runFor(t *testing.T, cmd *exec.Cmd, most time.Duration) (string, error) {
	t.Helper()
	late := time.AfterFunc(most, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// A backup of before is put in the database's place: the server refuses to start on it, until the operator accepts the loss,
// which the log then holds.
func TestF37_ABackupIsRestored(t *testing.T) {
	t.Parallel()
	server := pgtest.Cluster(t)
	require.NoError(t, server.EnsureDatabase(t.Context(), "subledger"))
	g := newRigOn(t, &pgtest.DB{URL: server.Super("subledger")})
	a := g.start(t)
	for range 3 {
		a.made(t)
	}
	backup := filepath.Join(filepath.Dir(server.Data), "backup")
	out, err := server.Program(t.Context(), "pg_dump", "-Fc", "-f", backup, g.db.URL)
	require.NoError(t, err, "%s", out)
	kept := g.events(t)
	var lost []string
	for range 3 {
		key := uuid.NewString()
		r, err := a.send(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, 201, r.Status, dump(r))
		lost = append(lost, key)
	}
	reached := g.events(t)
	a.signal(syscall.SIGTERM)
	require.Zero(t, a.exits(t, 20*time.Second), "%s", a.said())

	server.Exec(t, "postgres", "drop database subledger with (force)", "create database subledger")
	out, err = server.Program(t.Context(), "pg_restore", "-d", g.db.URL, backup)
	require.NoError(t, err, "%s", out)
	said := g.refusesToStart(t)
	require.Contains(t, said, "the database has gone back")
	require.Contains(t, said, g.ledger.String())
	require.Equal(t, kept, g.events(t), "nothing was written")

	a = g.startWith(t, g.command("serve", "--listen", "127.0.0.1:0", "-o", "json", "--accept-restore"))
	var data string
	require.NoError(t, pgtest.Pool(t, g.db.URL).QueryRow(t.Context(), "select data from events where type = 'organisation.restore_acknowledged.v1'").Scan(&data))
	require.Contains(t, data, g.ledger.String())
	a.resolve(t, lost) // clients send again what is gone
	require.Equal(t, reached, g.events(t))
	a.signal(syscall.SIGTERM)
	require.Zero(t, a.exits(t, 20*time.Second), "%s", a.said())
	g.start(t).made(t) // it was accepted once and for all
	g.sound(t)
}

// A standby took over and the old primary comes back at its old place, and takes writes: no process that knows of the
// new one writes there, neither one that ran all the time nor one that starts.
func TestF41_TheOldPrimaryReturns(t *testing.T) {
	t.Parallel()
	server := pgtest.Cluster(t)
	require.NoError(t, server.EnsureDatabase(t.Context(), "subledger"))
	g := newRigOn(t, &pgtest.DB{URL: server.Super("subledger")})
	old := g.db.URL
	standby := server.Standby(t, "other", "")
	require.Contains(t, g.refusesToStart(t, "DATABASE_URL="+standby.Super("subledger")), "this is a standby")
	a, proxy := g.through(t)
	a.made(t)
	there := pgtest.Pool(t, standby.Super("subledger"))
	require.Eventually(t, func() bool {
		var n int64
		return there.QueryRow(t.Context(), "select position from ledgers where ledger_id = $1", g.ledger).Scan(&n) == nil && n == g.events(t)
	}, 10*time.Second, 10*time.Millisecond)
	_, err := there.Exec(t.Context(), "select pg_promote()")
	require.NoError(t, err)
	g.db.URL = standby.Super("subledger")
	proxy.Forward(t, g.db.URL)
	proxy.Reset()
	a.resolve(t, []string{uuid.NewString()})

	stands := func() (n int64) {
		require.NoError(t, pgtest.Pool(t, old).QueryRow(t.Context(), "select sum(position) from ledgers").Scan(&n))
		return n
	}
	before := stands()
	proxy.Forward(t, old)
	proxy.Reset()
	var open []string
	var replies []reply
	for range 5 {
		key := uuid.NewString()
		r, err := a.send(t.Context(), key)
		require.NoError(t, err)
		replies, open = append(replies, r), append(open, key)
	}
	only(t, replies, 503)
	require.Equal(t, 503, a.call(t.Context(), "GET", "/ledger/v1/products?limit=1", "", "").Status, "nor is it read")
	require.Contains(t, a.said(), "this is an old primary")
	a.signal(syscall.SIGTERM)
	a.exits(t, 30*time.Second)
	require.Contains(t, g.refusesToStart(t, "DATABASE_URL="+old), "this is an old primary")
	require.Equal(t, before, stands(), "nothing was written there")

	g.start(t).resolve(t, open)
	g.sound(t)
}
