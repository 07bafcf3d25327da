//go:build faults

package application

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/embeddedpg"
	"github.com/subledger/subledger/internal/pgtest"
)

// A replication slot that somebody forgot keeps transaction ids from being cleaned up. One and a half billion
// later doctor warns, and names it.
func TestF79_TransactionIDsRunOut(t *testing.T) {
	t.Parallel()
	server := pgtest.ClusterWith(t, func(c *embeddedpg.Config) { c.Settings["wal_level"] = "logical" })
	require.NoError(t, server.EnsureDatabase(t.Context(), "subledger"))
	g := newRigOn(t, &pgtest.DB{URL: server.Super("subledger")})
	doctor := func() (state, do string) {
		cmd := g.command("doctor", "-o", "json")
		out, err := cmd.Output()
		require.NoError(t, err, "%s", out)
		var all struct {
			Findings []struct{ Check, State, Detail, Do string }
		}
		require.NoError(t, json.Unmarshal(out, &all), "%s", out)
		for _, f := range all.Findings {
			if f.Check == "transaction ids" {
				t.Log(f.State, f.Detail, f.Do)
				return f.State, f.Do
			}
		}
		require.Fail(t, "doctor does not look", "%s", out)
		return "", ""
	}
	state, _ := doctor()
	require.Equal(t, "ok", state)
	server.Exec(t, "subledger", "select pg_create_logical_replication_slot('forgotten', 'pgoutput')")

	require.NoError(t, server.Stop(t.Context()))
	const aSegment = 1 << 20 // transactions, in 256 KiB of status: where the new ones stand has to exist
	const next = 1430 * aSegment
	status := filepath.Join(server.Data, "pg_xact", "0596") // 1430 in hex
	require.NoError(t, os.WriteFile(status, make([]byte, 256<<10), 0o600))
	info, err := os.Stat(server.Data)
	require.NoError(t, err)
	st := info.Sys().(*syscall.Stat_t)
	require.NoError(t, os.Chown(status, int(st.Uid), int(st.Gid)))
	out, err := server.Program(t.Context(), "pg_resetwal", "-x", strconv.Itoa(next), server.Data)
	require.NoError(t, err, "%s", out)
	server.Start(t)

	state, do := doctor()
	require.Equal(t, "warning", state)
	require.Contains(t, do, "replication slot forgotten")
	a := g.start(t)
	a.made(t) // until then all works
	server.Exec(t, "subledger", "select pg_drop_replication_slot('forgotten')")
	for _, database := range []string{"postgres", "template1", "subledger"} {
		server.Exec(t, database, "vacuum (freeze)")
	}
	server.Exec(t, "postgres", "alter database template0 allow_connections true")
	server.Exec(t, "template0", "vacuum (freeze)")
	a.resolve(t, []string{uuid.NewString()})
	state, _ = doctor()
	require.Equal(t, "ok", state)
	g.sound(t)
}
