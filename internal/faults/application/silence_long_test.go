//go:build faults

package application

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// The network swallows everything and tells nobody: each command and each read is answered within ten seconds,
// and within ten seconds after the network is back all goes on.
func TestF46_ASilentNetwork(t *testing.T) {
	t.Parallel()
	const most = 10*time.Second + 500*time.Millisecond
	g := newRig(t)
	a, proxy := g.through(t)
	a.made(t)
	read := func() reply { return a.call(t.Context(), "GET", "/ledger/v1/products?limit=1", "", "") }
	require.Equal(t, 200, read().Status)

	proxy.GoSilent()
	var mu sync.Mutex
	var wg sync.WaitGroup
	var open []string
	slowest := map[string]time.Duration{}
	note := func(what string, r reply, took time.Duration) {
		require.Equal(t, 503, r.Status, "%s: %s", what, dump(r))
		mu.Lock()
		defer mu.Unlock()
		slowest[what] = max(slowest[what], took)
	}
	for range 8 {
		wg.Go(func() {
			for range 2 { // one whose answer vanishes, and one that finds the way blocked
				key, began := uuid.NewString(), time.Now()
				r, err := a.send(t.Context(), key)
				require.NoError(t, err)
				note("command", r, time.Since(began))
				mu.Lock()
				open = append(open, key)
				mu.Unlock()
			}
		})
		wg.Go(func() {
			began := time.Now()
			note("read", read(), time.Since(began))
		})
	}
	wg.Wait()
	t.Logf("answered after at most %v", slowest)
	require.Less(t, slowest["command"], most)
	require.Less(t, slowest["read"], most)

	proxy.Heal()
	healed := time.Now()
	require.Eventually(t, func() bool {
		r, err := a.send(t.Context(), uuid.NewString())
		return err == nil && r.Status == 201
	}, most, 20*time.Millisecond, "%s", a.said())
	t.Logf("writes %s after it was back", time.Since(healed).Round(time.Millisecond))
	require.Eventually(t, func() bool { r := read(); return r.Status == 200 && r.position() >= g.events(t) }, most, 20*time.Millisecond, "%s", a.said())
	t.Logf("read models caught up %s after it was back", time.Since(healed).Round(time.Millisecond))
	require.Less(t, time.Since(healed), most)
	a.resolve(t, open)
	g.sound(t)
}
