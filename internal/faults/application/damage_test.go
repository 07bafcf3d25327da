package application

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/pgtest"
)

// A bit of the table of events flips on the disk. Who reads there gets a 500, never another answer than before;
// verify names the first position that cannot be read, and what follows.
func TestF31_AFlippedBitIsNoticed(t *testing.T) {
	t.Parallel()
	server := pgtest.Cluster(t)
	require.NoError(t, server.EnsureDatabase(t.Context(), "subledger"))
	g := newRigOn(t, &pgtest.DB{URL: server.Super("subledger")})
	a := g.start(t)
	for range 60 {
		a.made(t)
	}
	last := g.events(t)
	read := func(position int64) reply {
		return a.call(t.Context(), "GET", fmt.Sprintf("/ledger/v1/events/%d", position), "", "")
	}
	before := map[int64]string{}
	for p := int64(1); p <= last; p++ {
		r := read(p)
		require.Equal(t, 200, r.Status, dump(r))
		before[p] = r.Body
	}
	pool := pgtest.Pool(t, g.db.URL)
	var path string
	var first, count int64
	require.NoError(t, pool.QueryRow(t.Context(), `select pg_relation_filepath('events'), min(position), count(*) from events
		where ledger_id = $1 and (ctid::text::point)[0] = 3`, g.ledger).Scan(&path, &first, &count))
	require.NotZero(t, count)
	pool.Reset()

	flip := func() {
		require.NoError(t, server.Stop(t.Context()))
		f, err := os.OpenFile(filepath.Join(server.Data, path), os.O_RDWR, 0)
		require.NoError(t, err)
		const at = 3*8192 + 8000 // within the page's last rows
		var b [1]byte
		_, err = f.ReadAt(b[:], at)
		require.NoError(t, err)
		b[0] ^= 4
		_, err = f.WriteAt(b[:], at)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		server.Start(t)
	}
	flip()
	a.resolve(t, []string{uuid.NewString()})
	lost := int64(0)
	for p := int64(1); p <= last; p++ {
		switch r := read(p); r.Status {
		case 200:
			require.Equal(t, before[p], r.Body, "position %d", p)
		default:
			require.Equal(t, 500, r.Status, dump(r))
			require.NotEmpty(t, r.Header.Get("Request-Id"))
			require.NotContains(t, r.Body, "page", "what the database said is in the log")
			lost++
		}
	}
	require.Equal(t, count, lost)
	require.Contains(t, a.said(), "invalid page in block 3")
	a.made(t) // what is new is not read from there

	cmd := g.command("verify", "-o", "json")
	out, err := cmd.Output()
	require.Error(t, err)
	require.Equal(t, 5, cmd.ProcessState.ExitCode(), "%s", out)
	var report struct {
		Findings []struct {
			Ledger   uuid.UUID
			Position int64
			Problem  string
		}
	}
	require.NoError(t, json.Unmarshal(out, &report), "%s", out)
	require.NotEmpty(t, report.Findings)
	for _, f := range report.Findings {
		if f.Ledger == g.ledger {
			require.Equal(t, first, f.Position)
			require.Contains(t, f.Problem, "cannot be read")
		}
	}
	t.Logf("%d of %d events could not be read: 500; verify named position %d", lost, last, first)

	flip() // nothing else was harmed
	a.resolve(t, []string{uuid.NewString()})
	g.sound(t)
}
