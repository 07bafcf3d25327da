package handlers

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/apikey"
	"github.com/subledger/subledger/internal/pgtest"
)

// limitsOf are the headers that tell of limits, in one text.
func limitsOf(h http.Header) string {
	return fmt.Sprint(h["Ratelimit-Limit"], h["Ratelimit-Remaining"], h["Ratelimit-Reset"], h["Retry-After"])
}

func TestRateLimitOfAKey(t *testing.T) {
	e := newEdge(t, 2, Route{Method: "GET", Path: "/x", Serve: answer(200)}, Route{Method: "GET", Path: "/w", Scope: "catalog:write", Serve: answer(200)})
	key := e.key(t, time.Time{})
	get := func(path string) *httptest.ResponseRecorder { return e.do("GET", path, "", "X-Api-Key", key) }
	for _, want := range []struct {
		path, limits string
		status       int
	}{
		{"/ledger/v1/x", "[2] [1] [1] []", 200}, {"/ledger/v1/w", "[2] [0] [1] []", 403}, {"/ledger/v1/x", "[2] [0] [1] [1]", 429}, {"/x", "[2] [0] [1] [1]", 429},
	} {
		w := get(want.path)
		require.Equal(t, want.limits, limitsOf(w.Header()), "the key has one account on all dialects and for all that it asks")
		require.Equal(t, want.status, w.Code)
		if want.status == 429 {
			p := problemOf(t, w)
			require.Equal(t, "rate_limited true", fmt.Sprint(p.Code, " ", p.Retryable))
		}
	}
	e.now = e.now.Add(500 * time.Millisecond)
	require.Equal(t, "[2] [0] [1] []", limitsOf(get("/x").Header()))
	e.now = e.now.Add(time.Hour)
	require.Equal(t, "[2] [1] [1] []", limitsOf(get("/x").Header()), "it never holds more than the limit")

	slow := newEdge(t, 0.1, Route{Method: "GET", Path: "/x", Serve: answer(200)})
	key = slow.key(t, time.Time{})
	require.Equal(t, "[1] [0] [10] []", limitsOf(slow.do("GET", "/x", "", "X-Api-Key", key).Header()))
	slow.now = slow.now.Add(3500 * time.Millisecond)
	require.Equal(t, "[1] [0] [7] [7]", limitsOf(slow.do("GET", "/x", "", "X-Api-Key", key).Header()), "in whole seconds, never too early")

	none := newEdge(t, 0, Route{Method: "GET", Path: "/x", Serve: answer(200)})
	key = none.key(t, time.Time{})
	for range 2 * nobodyBurst {
		require.Equal(t, 200, none.do("GET", "/x", "", "X-Api-Key", key).Code)
		w := none.do("GET", "/x", "")
		require.Equal(t, "401 [] [] [] []", fmt.Sprint(w.Code, " ", limitsOf(w.Header())), "0 lifts both limits")
	}
}

// Everything without a valid key has one account an address; valid keys of the same address go on.
func TestRateLimitOfAnAddress(t *testing.T) {
	e := newEdge(t, 1000, Route{Method: "GET", Path: "/x", Serve: answer(200)}, Route{Method: "GET", Path: "/open", Open: true, Serve: answer(200)})
	key := e.key(t, time.Time{})
	ask := func(address, path string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", path, nil)
		r.RemoteAddr = address
		for i := 0; i < len(header); i += 2 {
			r.Header.Add(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		return w
	}
	const here = "192.0.2.1:1234"
	kinds := []struct {
		path   string
		header []string
		status int
	}{
		{"/ledger/v1/x", nil, 401}, {"/x", []string{"X-Api-Key", ""}, 401}, {"/x", []string{"X-Api-Key", "a b"}, 401}, {"/x", []string{"X-Api-Key", key, "X-Api-Key", key}, 400},
		{"/ledger/v1/open", nil, 200}, {"/", nil, 200}, {"/openapi/ledger-v1.json", nil, 200}, {"/nowhere", []string{"X-Api-Key", key}, 404}, {"/ledger/v1/nowhere", nil, 404}, {"/.env", nil, 404},
	}
	for i := range nobodyBurst {
		kind := kinds[i%len(kinds)]
		w := ask(here, kind.path, kind.header...)
		require.Equal(t, kind.status, w.Code, kind.path)
		left := nobodyBurst - 1 - i
		require.Equal(t, fmt.Sprintf("[100] [%d] [%d] []", left, (nobodyBurst-left+nobodyPerSecond-1)/nobodyPerSecond), limitsOf(w.Header()))
	}
	for _, kind := range kinds {
		w := ask(here, kind.path, kind.header...)
		require.Equal(t, "429 [100] [0] [5] [1]", fmt.Sprint(w.Code, " ", limitsOf(w.Header())), kind.path)
		require.Equal(t, 429, ask("[::ffff:192.0.2.1]:9", kind.path, kind.header...).Code, "the same address in another spelling")
	}
	require.Equal(t, 200, ask(here, "/x", "X-Api-Key", key).Code, "a valid key is on its own account")
	for _, path := range []string{"/healthz", "/metrics"} {
		w := ask(here, path)
		require.Equal(t, "200 [] [] [] []", fmt.Sprint(w.Code, " ", limitsOf(w.Header())), "who watches over the process is not turned away")
	}
	require.Equal(t, 401, ask("192.0.2.2:1234", "/x").Code, "another address has its own")
	require.Equal(t, 401, ask("192.0.2.3:1", "/x", "X-Forwarded-For", "192.0.2.1", "Forwarded", "for=192.0.2.1").Code, "what a header claims does not count")
	e.now = e.now.Add(50 * time.Millisecond)
	require.Equal(t, 401, ask(here, "/x").Code)
	require.Equal(t, 429, ask(here, "/x").Code)

	for i := range nobodyBurst { // whoever has an address of IPv6 has 2^64 of them
		require.Equal(t, 401, ask(fmt.Sprintf("[2001:db8::%x]:1", i), "/x").Code)
	}
	require.Equal(t, 429, ask("[2001:db8::ffff:1:2%25eth0]:1", "/x").Code)
	require.Equal(t, 401, ask("[2001:db8:0:1::1]:1", "/x").Code)
}

// manyAddresses is how many come: more than are kept.
var manyAddresses = 100_000

// However many addresses come, no more memory is taken than for those that are kept.
func TestLimitersAreBounded(t *testing.T) {
	l := newLimits(1, time.Now)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, h := heap(), http.Header{}
	for i := range manyAddresses {
		l.ofAddress(h, fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
		l.ofKey(h, uuid.UUID{0: byte(i >> 16), 1: byte(i >> 8), 2: byte(i)})
	}
	grown := int64(heap()) - int64(before)
	require.Equal(t, maxLimiters, l.addresses.Len())
	require.Equal(t, maxLimiters, l.keys.Len())
	t.Logf("%d addresses: %.1f MB for %d limiters of addresses and as many of keys", manyAddresses, float64(grown)/1e6, maxLimiters)
	require.Less(t, grown, int64(60<<20))
	runtime.KeepAlive(l)
}

// bruteForce is how many keys are guessed.
var bruteForce = 2000

// One address guesses keys as fast as it can: it is told 429, and clients with valid keys, on other addresses and
// on its own, notice nothing.
func TestB09_BruteForce(t *testing.T) {
	pool := pgtest.Pool(t, pgtest.New(t).URL)
	_, err := pool.Exec(t.Context(), "alter table api_keys drop constraint api_keys_ledger_id_fkey")
	require.NoError(t, err)
	s := NewServer(Config{Pool: pool, Now: time.Now, Log: slog.New(slog.DiscardHandler), RateLimit: 500},
		map[string]*Dialect{"": {Name: "ledger", Refuse: Problem, Routes: []Route{{Method: "GET", Path: "/x", Serve: answer(200)}}}})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Run(ctx, ln, 10*time.Second) }()
	defer func() { stop(); require.NoError(t, <-stopped) }()

	guess := func() string {
		k, err := apikey.New("test", rand.Reader)
		require.NoError(t, err)
		return k.Secret
	}
	valid := func() string {
		secret := guess()
		hash := apikey.Hash(secret)
		_, err := pool.Exec(t.Context(), `insert into api_keys (hash, key_id, organisation_id, ledger_id, mode, name, hint, scopes, created_at)
			values ($1, $2, $3, $4, 'test', 'k', 'k', '{}', now())`, hash[:], uuid.New(), uuid.New(), uuid.New())
		require.NoError(t, err)
		return secret
	}
	dialer := func(address string) *net.Dialer {
		return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	}
	from := func(address string) *http.Client {
		transport := &http.Transport{DialContext: dialer(address).DialContext}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport, Timeout: 20 * time.Second}
	}
	get := func(c *http.Client, key string) int {
		r, err := http.NewRequest("GET", "http://"+ln.Addr().String()+"/x", nil)
		if err != nil {
			return 0
		}
		r.Header.Set("X-Api-Key", key)
		res, err := c.Do(r)
		if err != nil {
			return 0
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		return res.StatusCode
	}

	var mu sync.Mutex
	guessed, served := map[int]int{}, map[int]int{}
	var took []time.Duration
	over := make(chan struct{})
	var attackers, clients sync.WaitGroup
	const lines = 4
	began := time.Now()
	for range lines {
		line, err := dialer("127.0.0.2").Dial("tcp", ln.Addr().String())
		require.NoError(t, err)
		defer func() { _ = line.Close() }()
		attackers.Go(func() { // one guess after the other, without waiting for what is said to it
			for range bruteForce / lines {
				if _, err := fmt.Fprintf(line, "GET /x HTTP/1.1\r\nHost: a\r\nX-Api-Key: %s\r\n\r\n", guess()); err != nil {
					return
				}
			}
		})
		attackers.Go(func() {
			answers := bufio.NewReader(line)
			for range bruteForce / lines {
				res, err := http.ReadResponse(answers, nil)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				mu.Lock()
				guessed[res.StatusCode]++
				if res.StatusCode == 429 && res.Header.Get("Retry-After") != "1" {
					guessed[0]++
				}
				mu.Unlock()
			}
		})
	}
	for _, c := range []*http.Client{from("127.0.0.3"), from("127.0.0.4"), from("127.0.0.2")} {
		key := valid()
		clients.Go(func() {
			due := time.NewTicker(10 * time.Millisecond)
			defer due.Stop()
			for {
				asked := time.Now()
				status := get(c, key)
				mu.Lock()
				served[status]++
				took = append(took, time.Since(asked))
				mu.Unlock()
				select {
				case <-over:
					return
				case <-due.C:
				}
			}
		})
	}
	attackers.Wait()
	spent := time.Since(began)
	close(over)
	clients.Wait()
	slices.Sort(took)
	t.Logf("%.0f guesses a second from one address: %v; clients with keys meanwhile: %v, half within %s, 99 %% within %s",
		float64(bruteForce)/spent.Seconds(), guessed, served, took[len(took)/2], took[len(took)*99/100])
	require.Equal(t, []int{200}, slices.Collect(maps.Keys(served)))
	require.LessOrEqual(t, guessed[401], nobodyBurst+int(nobodyPerSecond*spent.Seconds())+1)
	require.Equal(t, bruteForce, guessed[401]+guessed[429])
	require.Zero(t, guessed[0])
}
