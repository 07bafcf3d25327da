//go:build faults

package application

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/pgtest"
)

// pooler runs PgBouncer in transaction mode with few connections before a server; it gives the URL by role.
func pooler(t *testing.T, server *pgtest.OwnServer) func(role string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer" // Debian's, which not every PATH has
	}
	require.FileExists(t, program, "apt-get install pgbouncer")
	dir, err := os.MkdirTemp("", "subledger-pooler-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(free.Addr().String())
	require.NoError(t, err)
	require.NoError(t, free.Close())
	at, err := url.Parse(server.Super("subledger"))
	require.NoError(t, err)
	users, config := filepath.Join(dir, "users"), filepath.Join(dir, "pgbouncer.ini")
	require.NoError(t, os.WriteFile(users, []byte("\"subledger_app\" \"\"\n\"subledger_reader\" \"\"\n"), 0o644))
	require.NoError(t, os.WriteFile(config, []byte(fmt.Sprintf(`[databases]
subledger = host=%s port=5432 dbname=subledger
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = trust
auth_file = %s
pool_mode = transaction
default_pool_size = 5
max_client_conn = 500
`, at.Query().Get("host"), port, users)), 0o644))
	cmd := exec.Command(program, config)
	info, err := os.Stat(server.Data)
	require.NoError(t, err)
	if st := info.Sys().(*syscall.Stat_t); int(st.Uid) != os.Geteuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: st.Uid, Gid: st.Gid}}
	}
	var said strings.Builder
	cmd.Stderr = &said
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	// PgBouncer 1.18 keeps no prepared statements apart in this mode.
	through := func(role string) string {
		return "postgres://" + role + "@127.0.0.1:" + port + "/subledger?sslmode=disable&default_query_exec_mode=cache_describe"
	}
	require.Eventually(t, func() bool {
		conn, err := pgx.Connect(t.Context(), through("subledger_app"))
		if err != nil {
			return false
		}
		return conn.Close(t.Context()) == nil
	}, 10*time.Second, 20*time.Millisecond)
	return through
}

// A pooler in transaction mode stands before the database, with five connections for everybody: nothing of a
// session is relied on, and no ledger's rows are seen in another's.
func TestF77_APoolerStandsBetween(t *testing.T) {
	t.Parallel()
	server := primary(t)
	g := rigOf(t, server)
	through := pooler(t, server)
	a := g.start(t, "DATABASE_OWNER_URL="+g.db.URL, "DATABASE_URL="+through("subledger_app"), "DATABASE_READER_URL="+through("subledger_reader"))
	b := a.live(t)
	stop := make(chan struct{})
	time.AfterFunc(faultTime, func() { close(stop) })
	var wg sync.WaitGroup
	var mu sync.Mutex
	var replies []reply
	var open []string
	reads := 0
	own := map[*app]*sync.Map{a: {}, b: {}}
	for side, made := range own {
		wg.Go(func() {
			unfinished, all := side.load(t.Context(), 4, stop)
			mu.Lock()
			defer mu.Unlock()
			replies = append(replies, all...)
			if side == a {
				open = unfinished
			}
		})
		for range 2 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					r := side.call(t.Context(), "GET", "/ledger/v1/products?limit=100", "", "")
					var page struct{ Data []struct{ UUID string } }
					if assert.Equal(t, 200, r.Status, dump(r)) && assert.NoError(t, json.Unmarshal([]byte(r.Body), &page)) {
						for _, p := range page.Data {
							made.Store(p.UUID, true)
						}
					}
					mu.Lock()
					reads++
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	only(t, replies, 201)
	require.Empty(t, open)
	own[a].Range(func(id, _ any) bool {
		_, both := own[b].Load(id)
		require.False(t, both, "%s is in both ledgers", id)
		return true
	})
	require.Eventually(t, func() bool {
		r := a.call(t.Context(), "GET", "/ledger/v1/products?limit=1", "", "")
		return r.Status == 200 && r.position() == g.events(t)
	}, 10*time.Second, 50*time.Millisecond)
	require.NotContains(t, a.said(), `"level":"ERROR"`)
	t.Logf("%d commands and %d lists by way of five connections", len(replies), reads)
	g.sound(t)
}
