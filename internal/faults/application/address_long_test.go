//go:build faults

package application

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/faults"
)

// The database's name cannot be looked up any more, and leads to another address later: clients are told to come
// again, and new connections go where the name leads. The server has an /etc/hosts of its own, which takes root on Linux.
func TestF49_TheDatabaseMoves(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	first, url := faults.NewProxyAt(t, "127.0.0.2:0", g.db.URL)
	address := strings.TrimPrefix(url[strings.Index(url, "@"):strings.LastIndex(url, "/")], "@")
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	second, _ := faults.NewProxyAt(t, "127.0.0.3:"+port, g.db.URL)
	hosts := filepath.Join(t.TempDir(), "hosts")
	lead := func(to string) {
		line := "127.0.0.1 localhost\n"
		if to != "" {
			line += to + " database.test\n"
		}
		require.NoError(t, os.WriteFile(hosts, []byte(line), 0o644)) // in place: the file is what is mounted
	}
	lead("127.0.0.2")
	serve := g.command("serve", "--listen", "127.0.0.1:0", "-o", "json")
	cmd := exec.Command("unshare", append([]string{"-m", "sh", "-c", `mount --bind "$0" /etc/hosts && exec "$@"`, hosts}, serve.Args...)...)
	cmd.Env = serve.Env
	a := g.startWith(t, cmd, "DATABASE_URL="+strings.Replace(url, "127.0.0.2", "database.test", 1))
	a.made(t)
	require.NotZero(t, first.RoundTrips())
	require.Zero(t, second.RoundTrips())

	lead("")
	first.Close()
	var open []string
	for gone := time.Now(); time.Since(gone) < 8*time.Second; time.Sleep(200 * time.Millisecond) { // names are remembered for five
		key := uuid.NewString()
		r, err := a.send(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, 503, r.Status, dump(r))
		open = append(open, key)
	}
	require.Contains(t, a.said(), "hostname resolving error")
	require.Equal(t, 200, a.call(t.Context(), "GET", "/healthz", "", "").Status)

	lead("127.0.0.3")
	began := time.Now()
	a.resolve(t, append(open, uuid.NewString()))
	t.Logf("writes %s after the name led to the new address", time.Since(began).Round(10*time.Millisecond))
	require.Less(t, time.Since(began), 10*time.Second)
	require.NotZero(t, second.RoundTrips())
	g.sound(t)
}
