package application

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/faults"
)

// through starts a server whose connections to the database go by a proxy.
func (g *rig) through(t *testing.T) (*app, *faults.Proxy) {
	t.Helper()
	proxy, url := faults.NewProxy(t, g.db.URL)
	return g.start(t, "DATABASE_URL="+url), proxy
}

// made sends a command that must succeed, and tells how long it took.
func (a *app) made(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	r, err := a.send(t.Context(), uuid.NewString())
	require.NoError(t, err)
	require.Equal(t, 201, r.Status, dump(r))
	return time.Since(began)
}

// With a fifth of a second to the database and back, a command takes as long as its round trips: at most three.
func TestF43_ASlowNetworkCostsThreeRoundTripsAtMost(t *testing.T) {
	t.Parallel()
	const away = 200 * time.Millisecond
	g := newRig(t)
	a, proxy := g.through(t)
	a.made(t) // what is read once: the key, the ledger's end, the statement
	proxy.Delay(away)
	slowest := a.made(t) // what comes right after a pause costs more: connections are looked at, the key is asked for again
	var took []time.Duration
	for range 8 {
		took = append(took, a.made(t))
		slowest = max(slowest, took[len(took)-1])
	}
	t.Logf("%d ms away: commands one after the other took %v", away.Milliseconds(), took)
	require.GreaterOrEqual(t, slowest, away, "the network was not slow")
	require.Less(t, slowest, 4*away, "a command takes more than three round trips")

	proxy.Delay(0)
	g.sound(t)
}
