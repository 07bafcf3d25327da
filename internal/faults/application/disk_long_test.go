//go:build faults

package application

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/embeddedpg"
	"github.com/subledger/subledger/internal/pgtest"
)

// rigOf is a rig on a server of the test's own.
func rigOf(t *testing.T, server *pgtest.OwnServer) *rig {
	t.Helper()
	return newRigOn(t, &pgtest.DB{URL: server.Super("subledger")})
}

// The disk of the write-ahead log is full: PostgreSQL stops, and cannot start again before there is room. Clients
// are told to come again; then everything that was acknowledged is there.
func TestF26_TheDiskOfTheLogIsFull(t *testing.T) {
	t.Parallel()
	disk := pgtest.SmallDisk(t, 64<<20)
	server := pgtest.ClusterWith(t, func(c *embeddedpg.Config) {
		c.Initdb = []string{"--wal-segsize=1", "--waldir=" + filepath.Join(disk.Dir, "wal")}
		c.Settings["min_wal_size"], c.Settings["max_wal_size"] = "2MB", "1GB"
	})
	require.NoError(t, server.EnsureDatabase(t.Context(), "subledger"))
	g := rigOf(t, server)
	a := g.start(t)
	a.made(t)
	disk.Fill(t, 3<<20)
	full := make(chan struct{})
	go func() {
		defer close(full)
		<-server.Exited() // the supervisor gave up
	}()
	open, replies := a.load(t.Context(), 16, full)
	only(t, replies, 201, 503)
	require.Contains(t, server.Log(), "No space left on device")
	acknowledged := len(replies) - len(open)
	require.NotZero(t, acknowledged)
	require.NotEmpty(t, open)
	require.Equal(t, 200, a.call(t.Context(), "GET", "/healthz", "", "").Status)
	require.Equal(t, 503, a.call(t.Context(), "GET", "/readyz", "", "").Status)

	disk.Free(t)
	began := time.Now()
	server.Start(t)
	a.resolve(t, append(open[:min(len(open), 200)], uuid.NewString()))
	t.Logf("%d commands were acknowledged before and %d told to come again; writes %s after there was room", acknowledged, len(open), time.Since(began).Round(10*time.Millisecond))
	g.sound(t)
}

// The disk of the tables is full: PostgreSQL runs on, what needs room is refused whole, and it passes.
func TestF27_TheDiskOfTheTablesIsFull(t *testing.T) {
	t.Parallel()
	disk := pgtest.SmallDisk(t, 64<<20)
	server := pgtest.Cluster(t)
	server.Give(t, filepath.Join(disk.Dir, "tables"))
	server.Exec(t, "postgres", "create tablespace small location '"+filepath.Join(disk.Dir, "tables")+"'",
		"create database subledger tablespace small")
	g := rigOf(t, server)
	a := g.start(t)
	a.made(t)
	disk.Fill(t, 1<<20)
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		assert.Eventually(t, func() bool {
			r, err := a.send(t.Context(), uuid.NewString())
			return err == nil && r.Status == 503
		}, 30*time.Second, 10*time.Millisecond)
	}()
	open, replies := a.load(t.Context(), 16, stop)
	only(t, replies, 201, 503)
	require.NotEmpty(t, open)
	pid := server.Pid()
	require.Contains(t, server.Log(), "No space left on device")
	require.Equal(t, 200, a.call(t.Context(), "GET", "/ledger/v1/products?limit=1", "", "").Status, "what is there can be read")

	disk.Free(t)
	began := time.Now()
	a.resolve(t, append(open[:min(len(open), 200)], uuid.NewString()))
	t.Logf("%d commands went through before and %d were told to come again; writes %s after there was room", len(replies)-len(open), len(open), time.Since(began).Round(10*time.Millisecond))
	require.Equal(t, pid, server.Pid(), "PostgreSQL stayed up")
	g.sound(t)
}
