package handlers

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// keyed is a write with an API key.
func keyed(key string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/ledger/v1/products", strings.NewReader("{"))
	r.Header.Set("X-Api-Key", key)
	return r
}

func TestGate(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	g := newGate()
	g.now = func() time.Time { return now }
	fill := func(key string) (leave []func(time.Duration)) {
		r := keyed(key)
		for {
			l, ok := g.enter(r)
			if !ok {
				return leave
			}
			leave = append(leave, l)
		}
	}
	pass := func(all []func(time.Duration), after time.Duration) {
		now = now.Add(after)
		for _, leave := range all {
			leave(0)
		}
	}
	ann, bob := fill("ann"), fill("bob")
	require.Len(t, ann, firstWrites/2, "no key has more than half")
	require.Len(t, bob, firstWrites/2)
	require.Empty(t, fill("cy"), "it is full")
	pass(append(ann, bob...), writeTime+1)
	require.Equal(t, firstWrites, g.most, "that was a stall")
	later := func() { now = now.Add(time.Millisecond) }
	for range 5 {
		later()
		pass(fill("ann"), writeTime/2)
		now = now.Add(lasting)
		pass(fill("ann"), writeTime+1)
		require.Equal(t, firstWrites, g.most, "and so was that: between them all was well")
	}
	later()
	pass(fill("ann"), writeTime+1)
	require.Equal(t, firstWrites*3/4, g.most, "slow again: those who came in together are too many once")
	for range 50 {
		later()
		pass(fill("ann"), writeTime+1)
	}
	require.Equal(t, fewestWrites, g.most)
	pass(fill("ann")[:1], writeTime/2-1)
	require.Equal(t, fewestWrites+1, g.most, "quick while there was no room: more")
	clear(g.of)
	g.inside = 0
	for range 2 * mostWrites {
		pass(fill("ann"), time.Millisecond)
	}
	require.Equal(t, mostWrites, g.most)
	pass(fill("ann")[:1], time.Millisecond)
	one, ok := g.enter(keyed("bob"))
	require.True(t, ok)
	pass([]func(time.Duration){one}, time.Second)
	require.Equal(t, mostWrites, g.most)
	later()
	one, ok = g.enter(keyed("bob"))
	require.True(t, ok)
	pass([]func(time.Duration){one}, time.Second)
	require.Less(t, g.most, mostWrites)
	most := g.most
	for range 2 { // its body took that long to come
		later()
		one, ok = g.enter(keyed("bob"))
		require.True(t, ok)
		now = now.Add(time.Second)
		one(time.Second - writeTime)
	}
	require.Equal(t, most, g.most)
	pass(fill("nobody"), 0)
	require.NotContains(t, g.of, "bob", "what is over is forgotten")
}

// A write without room is refused before anything is known of it; reads and probes are not asked.
func TestOverloadedWritesAreRefused(t *testing.T) {
	t.Parallel()
	serve := func(http.ResponseWriter, *http.Request) error { panic("it was let in") }
	var log strings.Builder
	server := NewServer(Config{Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil))}, map[string]*Dialect{"/ledger/v1": {Name: "ledger", Refuse: Problem,
		Routes: []Route{{Method: http.MethodPost, Path: "/products", Serve: serve}, {Method: http.MethodGet, Path: "/products", Serve: serve}}}})
	now := time.Unix(0, 0)
	server.writes.most, server.writes.now = 0, func() time.Time { return now }
	w := httptest.NewRecorder()
	r := keyed("no key at all")
	server.ServeHTTP(w, r)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "1", w.Header().Get("Retry-After"))
	require.Contains(t, w.Body.String(), `"overloaded"`)
	rest := make([]byte, 1)
	n, _ := r.Body.Read(rest)
	require.Equal(t, 1, n, "the body was not read")
	refuse := func() { server.ServeHTTP(httptest.NewRecorder(), keyed("")) }
	refuse()
	refuse()
	require.Equal(t, 1, strings.Count(log.String(), "\n"), "thousands a second are no lines: %s", &log)
	require.Contains(t, log.String(), "cause=overloaded sinceLastLine=1")
	now = now.Add(time.Second)
	refuse()
	require.Equal(t, 2, strings.Count(log.String(), "\n"))
	require.Contains(t, log.String(), "sinceLastLine=3", "%s", &log)
	for path, want := range map[string]int{"/healthz": 200, "/ledger/v1/products": 401} {
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		require.Equal(t, want, w.Code, path)
	}
}
