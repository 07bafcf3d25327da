package application

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// overloadTime is how long each part of the test lasts in CI.
var overloadTime = 3 * time.Second

// At five times the rate that the server can sustain, most of what it can do still gets done; what it refuses
// says when to come again, and health answers.
func TestOverload(t *testing.T) {
	g := newRig(t)
	a := g.start(t)
	measure := func(clients int, pace time.Duration) (good float64, refused, other int) {
		var ok, no, bad atomic.Int64
		ctx, cancel := context.WithTimeout(t.Context(), overloadTime)
		defer cancel()
		var wg sync.WaitGroup
		for range clients {
			wg.Go(func() {
				next := time.Now()
				for ctx.Err() == nil {
					if pace > 0 { // open loop: requests are due whether or not the last one was answered in time
						next = next.Add(pace)
						if wait := time.Until(next); wait > 0 {
							time.Sleep(wait)
						}
					}
					r := a.call(context.WithoutCancel(ctx), "POST", "/ledger/v1/products", `{"name":"`+uuid.NewString()+`","displayName":"P"}`, uuid.NewString())
					switch {
					case r.Status == 201:
						ok.Add(1)
					case (r.Status == 429 || r.Status == 503) && r.Header.Get("Retry-After") != "":
						no.Add(1)
					default:
						bad.Add(1)
					}
				}
			})
		}
		wg.Wait()
		return float64(ok.Load()) / overloadTime.Seconds(), int(no.Load()), int(bad.Load())
	}
	a.client.Transport = &http.Transport{MaxIdleConnsPerHost: 1000}
	measure(32, 0) // warm
	sustained, _, bad := measure(32, 0)
	require.Zero(t, bad)
	require.NotZero(t, sustained)

	healthy, slowest := 0, time.Duration(0)
	watching, stop := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		client := &http.Client{Timeout: 5 * time.Second}
		for watching.Err() == nil {
			for _, path := range []string{"/healthz", "/readyz"} {
				began := time.Now()
				res, err := client.Get(a.address + path)
				if err == nil {
					_ = res.Body.Close()
					if res.StatusCode == 200 {
						healthy++
					}
				}
				slowest = max(slowest, time.Since(began))
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	const clients = 600
	pace := time.Duration(float64(clients) / (5 * sustained) * float64(time.Second))
	good, refused, bad := measure(clients, pace)
	stop()
	<-watched
	t.Logf("sustained %.0f/s; at five times that %.0f/s succeeded (%.0f %%), %d refused, %d otherwise; health answered %d times, at the slowest in %s",
		sustained, good, 100*good/sustained, refused, bad, healthy, slowest)
	require.Zero(t, bad, "every refusal is a 429 or 503 with Retry-After")
	require.GreaterOrEqual(t, good, 0.8*sustained)
	require.Greater(t, healthy, 5)
	require.Less(t, slowest, 3*time.Second)
}

// SIGTERM under load: what was accepted is answered, without a 5xx, and the process ends in time.
func TestDrainUnderLoad(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	a := g.start(t)
	stop := make(chan struct{})
	began := make(chan time.Time, 1)
	time.AfterFunc(time.Second, func() { began <- time.Now(); a.signal(syscall.SIGTERM) })
	_, replies := a.load(t.Context(), 64, stop)
	require.Zero(t, a.exits(t, 20*time.Second), "%s", a.said())
	require.Less(t, time.Since(<-began), 20*time.Second)
	answered := 0
	for _, r := range replies {
		require.True(t, r.Status == 0 || r.Status == 201, "%d %s", r.Status, dump(r))
		if r.Status == 201 {
			answered++
		}
	}
	require.NotZero(t, answered)
	g.sound(t)
}
