package application

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/pgtest"
)

// asks is call for a read that has to see a position.
func (a *app) asks(t *testing.T, path string, position int64) reply {
	t.Helper()
	old := a.client.Transport
	defer func() { a.client.Transport = old }()
	a.client.Transport = leastPosition{old, fmt.Sprint(position)}
	return a.call(t.Context(), "GET", path, "", "")
}

type leastPosition struct {
	http.RoundTripper
	position string
}

func (l leastPosition) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Ledger-Min-Position", l.position)
	return l.RoundTripper.RoundTrip(r)
}

// primary is a server with an empty database for the ledger.
func primary(t *testing.T) *pgtest.OwnServer {
	t.Helper()
	server := pgtest.Cluster(t)
	require.NoError(t, server.EnsureDatabase(t.Context(), "subledger"))
	return server
}

// Reads go to a standby that does not replay: they say how far their rows are, and who asks for more waits and
// is told to come again. What is decided, and who has access, does not ask there.
func TestF42_ReadsFromAStandbyThatIsBehind(t *testing.T) {
	t.Parallel()
	server := primary(t)
	g := newRigOn(t, &pgtest.DB{URL: server.Super("subledger")})
	standby := server.Standby(t, "reports", "")
	a := g.start(t, "DATABASE_READER_URL="+standby.Super("subledger"))
	const list = "/ledger/v1/products?limit=100"
	key := uuid.NewString()
	r, err := a.send(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, 201, r.Status, dump(r))
	product := strings.TrimPrefix(r.Header.Get("Location"), "/ledger/v1/products/")
	before := a.asks(t, list, r.position())
	require.Equal(t, 200, before.Status, dump(before))
	require.Contains(t, before.Body, product)
	require.GreaterOrEqual(t, before.position(), r.position())

	there := pgtest.Pool(t, standby.Super("subledger"))
	_, err = there.Exec(t.Context(), "select pg_wal_replay_pause()")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		var state string
		return there.QueryRow(t.Context(), "select pg_get_wal_replay_pause_state()").Scan(&state) == nil && state == "paused"
	}, 10*time.Second, 10*time.Millisecond)
	var held int64
	require.NoError(t, there.QueryRow(t.Context(), "select position from projection_positions where ledger_id = $1 and projection = 'catalog'", g.ledger).Scan(&held))

	again, err := a.send(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, r.Body, again.Body, "a repeated command is answered by the log")
	newer, err := a.send(t.Context(), uuid.NewString())
	require.NoError(t, err)
	require.Equal(t, 201, newer.Status, dump(newer))
	require.Greater(t, newer.position(), held)
	id := strings.TrimPrefix(newer.Header.Get("Location"), "/ledger/v1/products/")

	began := time.Now()
	refused := a.asks(t, list, newer.position())
	waited := time.Since(began)
	require.Equal(t, 503, refused.Status, dump(refused))
	require.Equal(t, "position_not_reached", refused.code())
	require.NotEmpty(t, refused.Header.Get("Retry-After"))
	require.Equal(t, held, refused.position())
	require.GreaterOrEqual(t, waited, 1900*time.Millisecond)
	stale := a.call(t.Context(), "GET", list, "", "")
	require.Equal(t, 200, stale.Status, dump(stale))
	require.Equal(t, held, stale.position(), "it says how old it is")
	require.NotContains(t, stale.Body, id)
	began = time.Now()
	check := a.call(t.Context(), "GET", "/licenses/check?productUuid="+id+"&granteeIds=nobody", "", "")
	require.Equal(t, 204, check.Status, "access is not asked of the standby: %s", dump(check))
	require.GreaterOrEqual(t, check.position(), newer.position())
	require.Less(t, time.Since(began), 2*time.Second)

	_, err = there.Exec(t.Context(), "select pg_wal_replay_resume()")
	require.NoError(t, err)
	fresh := a.asks(t, list, newer.position())
	require.Equal(t, 200, fresh.Status, dump(fresh))
	require.Contains(t, fresh.Body, id)
	t.Logf("asked for position %d while the standby stood at %d: refused after %s", newer.position(), held, waited.Round(time.Millisecond))
	there.Close()
	require.NoError(t, standby.Stop(context.WithoutCancel(t.Context())))
	g.sound(t)
}
