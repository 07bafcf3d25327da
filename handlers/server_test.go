package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/apikey"
)

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	require.NoError(t, err)
	return u
}

// edge is a server with routes of the test's own, keys in memory and a log to look at.
type edge struct {
	*Server
	log *bytes.Buffer
	now time.Time
}

func newEdge(t *testing.T, perSecond float64, routes ...Route) *edge {
	t.Helper()
	e := &edge{log: &bytes.Buffer{}, now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
	e.Server = NewServer(Config{
		Now: func() time.Time { return e.now }, Log: slog.New(slog.NewJSONHandler(e.log, nil)), AccessLog: true,
		Registry: prometheus.NewRegistry(), RateLimit: perSecond,
	}, map[string]*Dialect{
		"/ledger/v1": {Name: "ledger", Refuse: Problem, JSONOnly: true, Routes: routes},
		"":           {Name: "salable", Refuse: Problem, Routes: routes, CORS: &CORS{Origins: []string{"*"}, Headers: []string{"x-api-key"}}},
	})
	return e
}

// key makes a key that the edge knows for the rest of the test.
func (e *edge) key(t *testing.T, ends time.Time, scopes ...string) string {
	t.Helper()
	k, err := apikey.New("test", bytes.NewReader(bytes.Repeat([]byte(t.Name()), 32)))
	require.NoError(t, err)
	e.keys.known.Add(k.Hash, &keyEntry{caller: Caller{KeyID: uuid.New(), Ledger: uuid.New(), Mode: "test", Scopes: scopes},
		ends: ends})
	e.keys.stand.Store(&standing{at: e.now.Add(time.Hour)})
	return k.Secret
}

func (e *edge) do(method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w
}

func problemOf(t *testing.T, w *httptest.ResponseRecorder) problem {
	t.Helper()
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	var p problem
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
	require.Equal(t, w.Code, p.Status)
	require.Equal(t, w.Header().Get("Request-Id"), p.RequestID)
	return p
}

func answer(status int) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, _ *http.Request) error {
		return JSON(w, status, map[string]string{"a": "b"})
	}
}

func TestRefusalsByKind(t *testing.T) {
	for kind, status := range map[domain.Kind]int{
		domain.Malformed: 400, domain.Invalid: 422, domain.Unauthenticated: 401, domain.Forbidden: 403, domain.NotFound: 404,
		domain.Conflict: 409, domain.Gone: 410, domain.Stale: 412, domain.TooLarge: 413, domain.Unsupported: 415, domain.RateLimited: 429,
		domain.Unavailable: 503,
	} {
		e := newEdge(t, 0, Route{Method: "GET", Path: "/x", Open: true, Serve: func(http.ResponseWriter, *http.Request) error {
			return &domain.Error{Kind: kind, Code: "some_code", Detail: "why", State: "ACTIVE", Fields: []domain.Field{{Pointer: "/a", Code: "c", Detail: "d"}}}
		}})
		w := e.do("GET", "/ledger/v1/x", "")
		p := problemOf(t, w)
		require.Equal(t, status, w.Code, kind)
		require.Equal(t, "some_code", p.Code)
		require.Equal(t, []problemField{{"/a", "c", "d"}}, p.Errors)
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"), "B58")
		require.Equal(t, kind == domain.RateLimited || kind == domain.Unavailable, w.Header().Get("Retry-After") != "")
		require.Equal(t, kind == domain.RateLimited || kind == domain.Unavailable, p.Retryable)
	}
}

func TestFaultsShowTheIDAlone(t *testing.T) {
	e := newEdge(t, 0,
		Route{Method: "GET", Path: "/fault", Open: true, Serve: func(http.ResponseWriter, *http.Request) error { return errors.New("secret of the house") }},
		Route{Method: "GET", Path: "/panic", Open: true, Serve: func(http.ResponseWriter, *http.Request) error { panic("secret of the house") }}, // F06
		Route{Method: "GET", Path: "/away", Open: true, Serve: func(http.ResponseWriter, *http.Request) error { return &pgconn.PgError{Code: "57P01"} }})
	for _, path := range []string{"/fault", "/panic"} {
		w := e.do("GET", "/ledger/v1"+path, "")
		require.Equal(t, 500, w.Code)
		require.NotContains(t, w.Body.String(), "secret")
		require.Contains(t, problemOf(t, w).Detail, w.Header().Get("Request-Id"))
		require.Contains(t, e.log.String(), "secret of the house")
		require.Contains(t, e.log.String(), w.Header().Get("Request-Id"))
	}
	w := e.do("GET", "/ledger/v1/away", "")
	require.Equal(t, 503, w.Code)
	require.Equal(t, "database_unavailable", problemOf(t, w).Code)
	require.NotEmpty(t, w.Header().Get("Retry-After"))
}

func TestUnknownPathsAndMethods(t *testing.T) {
	e := newEdge(t, 0, Route{Method: "GET", Path: "/x/{id}", Open: true, Serve: answer(200)})
	for _, path := range []string{"/ledger/v1/nope", "/ledger/v1", "/ledger/v1/", "/ledger/v1//x/1", "/ledger/v1/x/../x/1", "/ledger/v1/x/a/b", "/nope", "/ledger/v11"} { // B34
		require.Equal(t, 404, e.do("GET", path, "").Code, path)
	}
	require.Equal(t, 200, e.do("GET", "/ledger/v1/x/a%2Fb", "").Code, "B34: an encoded slash is no separator")
	for _, method := range []string{"POST", "DELETE", "TRACE", "CONNECT", "BREW", "OPTIONS"} { // B54
		require.Equal(t, 405, e.do(method, "/ledger/v1/x/1", "").Code, method)
	}
	require.Equal(t, "GET, HEAD", e.do("PUT", "/ledger/v1/x/1", "").Header().Get("Allow"))
	require.Equal(t, 200, e.do("HEAD", "/ledger/v1/x/1", "").Code)
	require.Equal(t, 405, e.do("POST", "/ledger/v1/x/1", "", "X-HTTP-Method-Override", "GET").Code, "B10: no override")
	require.Equal(t, 400, e.do("GET", "http://example.com/ledger/v1/x/1", "").Code, "B54: absolute form")
}

func TestAuthentication(t *testing.T) {
	e := newEdge(t, 0, Route{Method: "GET", Path: "/x", Scope: "plans:read", Serve: answer(200)},
		Route{Method: "GET", Path: "/w", Scope: "catalog:write", Serve: answer(200)})
	key := e.key(t, time.Time{}, "plans:read")
	require.Equal(t, 200, e.do("GET", "/ledger/v1/x", "", "X-Api-Key", key).Code)
	require.Equal(t, 200, e.do("GET", "/ledger/v1/x", "", "Authorization", "bearer "+key).Code)
	require.Equal(t, 403, e.do("GET", "/ledger/v1/w", "", "X-Api-Key", key).Code, "B10")
	var first string
	for _, header := range [][]string{nil, {"X-Api-Key", ""}, {"X-Api-Key", "a b"}, {"X-Api-Key", strings.Repeat("k", 300)},
		{"Authorization", "Basic eA=="}, {"Authorization", "Bearer"}} { // B05
		w := e.do("GET", "/ledger/v1/x", "", header...)
		require.Equal(t, 401, w.Code, header)
		body := strings.ReplaceAll(w.Body.String(), w.Header().Get("Request-Id"), "")
		if first == "" {
			first = body
		}
		require.Equal(t, first, body, "the same body whatever was wrong")
	}
	for _, header := range [][]string{{"X-Api-Key", key, "X-Api-Key", key}, {"X-Api-Key", key, "Authorization", "Bearer " + key}} {
		require.Equal(t, 400, e.do("GET", "/ledger/v1/x", "", header...).Code, "B05: two headers")
	}
	require.Equal(t, 431, e.do("GET", "/ledger/v1/x", "", "X-Api-Key", strings.Repeat("k", 9000)).Code, "B05")
	e.now = e.now.Add(time.Minute)
	require.Equal(t, 200, e.do("GET", "/ledger/v1/x", "", "X-Api-Key", key).Code)
}

// B06: at the very instant of its end a key opens nothing.
func TestExpiredKey(t *testing.T) {
	e := newEdge(t, 0, Route{Method: "GET", Path: "/x", Scope: "plans:read", Serve: answer(200)})
	key := e.key(t, e.now.Add(time.Minute), "plans:read")
	require.Equal(t, 200, e.do("GET", "/ledger/v1/x", "", "X-Api-Key", key).Code)
	e.now = e.now.Add(time.Minute)
	require.Equal(t, 401, e.do("GET", "/ledger/v1/x", "", "X-Api-Key", key).Code)
}

func TestContentTypes(t *testing.T) {
	e := newEdge(t, 0, Route{Method: "POST", Path: "/x", Open: true, Serve: func(w http.ResponseWriter, r *http.Request) error {
		if _, err := Read(r); err != nil {
			return err
		}
		return JSON(w, 200, struct{}{})
	}})
	for contentType, status := range map[string]int{ // B18
		"application/json": 200, "application/json; charset=utf-8": 200, "Application/JSON;charset=UTF-8": 200,
		"": 415, "text/plain": 415, "application/json; charset=utf-16": 415, "application/x-www-form-urlencoded": 415, "application/jsonx": 415, ";": 415,
	} {
		require.Equal(t, status, e.do("POST", "/ledger/v1/x", `{}`, "Content-Type", contentType).Code, contentType)
		require.Equal(t, 200, e.do("POST", "/x", `{}`, "Content-Type", contentType).Code, "Salable takes JSON under any type")
	}
	require.Equal(t, 415, e.do("POST", "/ledger/v1/x", `{}`, "Content-Type", "application/json", "Content-Encoding", "gzip").Code, "B17")
	require.Equal(t, "application/json", e.do("POST", "/x", `{}`).Header().Get("Content-Type"), "no charset")
}

func TestCORS(t *testing.T) { // B55
	e := newEdge(t, 0, Route{Method: "GET", Path: "/x", Open: true, Serve: answer(200)})
	w := e.do("OPTIONS", "/x", "", "Origin", "https://shop.example", "Access-Control-Request-Method", "GET")
	require.Equal(t, 204, w.Code)
	require.Equal(t, "*", w.Header().Get("Access-Control-Allow-Origin"))
	require.Equal(t, "x-api-key", w.Header().Get("Access-Control-Allow-Headers"))
	require.Empty(t, w.Header().Get("Access-Control-Allow-Credentials"))
	require.Equal(t, "*", e.do("GET", "/x", "", "Origin", "https://shop.example").Header().Get("Access-Control-Allow-Origin"))
	w = e.do("GET", "/ledger/v1/x", "", "Origin", "https://shop.example")
	require.Empty(t, w.Header().Get("Access-Control-Allow-Origin"))
	require.Equal(t, 405, e.do("OPTIONS", "/ledger/v1/x", "", "Origin", "https://shop.example", "Access-Control-Request-Method", "GET").Code)
}

func TestB70_RequestIDIsOurs(t *testing.T) {
	e := newEdge(t, 0, Route{Method: "GET", Path: "/x", Open: true, Serve: answer(200)})
	w := e.do("GET", "/ledger/v1/x", "", "Request-Id", "theirs\n{\"level\":\"FORGED\"}")
	_, err := uuid.Parse(w.Header().Get("Request-Id"))
	require.NoError(t, err)
	var line map[string]any
	require.NoError(t, json.Unmarshal(e.log.Bytes(), &line), "one line, not two")
	require.Equal(t, `theirs?{"level":"FORGED"}`, line["clientRequestId"])
	require.Equal(t, "/ledger/v1/x", line["route"])
}

// A path may hold a grantee's id: a copy of it in a log would outlive its erasure.
func TestTheAccessLogHasNoPath(t *testing.T) {
	e := newEdge(t, 0, Route{Method: "GET", Path: "/x/{grantee}", Open: true, Serve: answer(200)})
	e.do("GET", "/ledger/v1/x/ada-secret?q=ada-secret", "")
	e.do("GET", "/ledger/v1/nowhere/ada-secret", "")
	require.Contains(t, e.log.String(), "/ledger/v1/x/{grantee}")
	require.NotContains(t, e.log.String(), "ada-secret")
}

func TestMetricsCountRoutesNotPaths(t *testing.T) {
	e := newEdge(t, 0, Route{Method: "GET", Path: "/x/{id}", Open: true, Serve: answer(200)})
	e.do("GET", "/ledger/v1/x/1", "")
	e.do("GET", "/ledger/v1/x/2", "")
	e.do("GET", "/ledger/v1/nope/3", "")
	e.do("HEAD", "/ledger/v1/x/1", "")
	e.do("GET", "/x/1", "")
	e.do("POST", "/ledger/v1/x/1", "")
	body := e.do("GET", "/metrics", "").Body.String()
	require.Contains(t, body, `subledger_http_requests_total{dialect="ledger",method="GET",route="/ledger/v1/x/{id}",status="200"} 2`)
	require.Contains(t, body, `subledger_http_requests_total{dialect="ledger",method="GET",route="",status="404"} 1`)
	require.Contains(t, body, `subledger_http_requests_total{dialect="ledger",method="HEAD",route="/ledger/v1/x/{id}",status="200"} 1`)
	require.Contains(t, body, `subledger_http_requests_total{dialect="salable",method="GET",route="/x/{id}",status="200"} 1`)
	require.Contains(t, body, `subledger_http_requests_total{dialect="ledger",method="POST",route="",status="405"} 1`)
	require.Equal(t, 200, e.do("GET", "/healthz", "").Code)
}

func TestHeaderGetters(t *testing.T) {
	request := func(header ...string) *http.Request {
		r := httptest.NewRequest("POST", "/", nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Add(header[i], header[i+1])
		}
		return r
	}
	for name, header := range map[string][]string{ // B43
		"empty": {"Idempotency-Key", ""}, "256": {"Idempotency-Key", strings.Repeat("k", 256)}, "non-ASCII": {"Idempotency-Key", "ключ"},
		"control": {"Idempotency-Key", "a\tb"}, "two": {"Idempotency-Key", "a", "Unique-Key", "b"},
	} {
		_, err := idempotencyKey(request(header...))
		require.Equal(t, domain.Malformed, refusal(t, err).Kind, name)
	}
	key, err := idempotencyKey(request("Unique-Key", strings.Repeat("k", 255)))
	require.NoError(t, err)
	require.Len(t, key, 255)

	stream := uuid.New()
	for _, bad := range []string{"3", `W/"3"`, `"x"`, `""`, `"1", "2"`, `"-1"`, `"+1"`, `"01"`, `"9223372036854775808"`} { // B45
		_, err := expect(request("If-Match", bad), stream)
		require.Equal(t, "bad_if_match", refusal(t, err).Code, bad)
	}
	got, err := expect(request("If-Match", "*"), stream)
	require.NoError(t, err)
	require.Nil(t, got)
	got, err = expect(request("If-Match", `"3"`), stream)
	require.NoError(t, err)
	require.EqualValues(t, 3, got.Version)
	require.Equal(t, stream, got.Stream)
}

// Over a real connection: limits of headers, drain, and the cap of idle connections.
func TestRun(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	e := newEdge(t, 0, Route{Method: "GET", Path: "/slow", Open: true, Serve: func(w http.ResponseWriter, _ *http.Request) error {
		close(begun)
		<-finish
		return JSON(w, 200, "done")
	}})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	stopped := make(chan error, 1)
	go func() { stopped <- e.Run(ctx, ln, 10*time.Second) }()

	huge, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+ln.Addr().String()+"/slow", nil)
	require.NoError(t, err)
	huge.Header.Set("X-Huge", strings.Repeat("x", 2<<20))    // B53
	if res, err := http.DefaultClient.Do(huge); err == nil { // or the connection is reset while we still write
		require.Equal(t, 431, res.StatusCode)
		require.NoError(t, res.Body.Close())
	}

	got := make(chan string, 1)
	go func() {
		res, err := http.Get("http://" + ln.Addr().String() + "/ledger/v1/slow")
		if err != nil {
			got <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		got <- string(body)
	}()
	<-begun
	stop()
	<-e.Closing()
	close(finish)
	require.Equal(t, `"done"`, <-got, "a request under way is finished")
	require.NoError(t, <-stopped)
}

func TestB50_IdleConnectionsAreCounted(t *testing.T) {
	idle := newIdleConns(2)
	open := func() *framedConn {
		a, b := net.Pipe()
		t.Cleanup(func() { _ = a.Close(); _ = b.Close() })
		c := &framedConn{Conn: a}
		idle.changed(c, http.StateNew)
		return c
	}
	closed := func(c *framedConn) bool {
		_ = c.Conn.SetReadDeadline(time.Now())
		_, err := c.Conn.Read(make([]byte, 1))
		return errors.Is(err, io.ErrClosedPipe)
	}
	a, b, c := open(), open(), open()
	require.True(t, closed(a), "the oldest went")
	idle.changed(a, http.StateClosed)
	idle.changed(b, http.StateActive)
	require.Equal(t, 1, idle.all)
	idle.changed(b, http.StateActive)
	require.Equal(t, 1, idle.all, "it was not idle")
	idle.changed(b, http.StateIdle)
	d := open()
	require.Equal(t, []bool{false, true, false}, []bool{closed(b), closed(c), closed(d)}, "c is idle for longer than b")
	idle.changed(c, http.StateClosed)
	idle.changed(d, http.StateHijacked)
	idle.changed(b, http.StateClosed)
	require.Zero(t, idle.all)
	require.Equal(t, &idle.ends, idle.ends.next)
}

// F57: beyond five seconds, either way.
func TestF57_ClockCheck(t *testing.T) {
	for skew, ready := range map[time.Duration]bool{0: true, 5 * time.Second: true, -5 * time.Second: true, 5*time.Second + 1: false, -6 * time.Second: false} {
		err := ClockCheck(func(context.Context) (time.Duration, error) { return skew, nil }).Do(t.Context())
		require.Equal(t, ready, err == nil, skew)
	}
	require.Error(t, ClockCheck(func(context.Context) (time.Duration, error) { return 0, io.EOF }).Do(t.Context()))
}

func TestTracesNameRoutes(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	s := NewServer(Config{Now: time.Now, Log: slog.New(slog.DiscardHandler), Tracer: trace.NewTracerProvider(trace.WithSpanProcessor(spans))},
		map[string]*Dialect{"/ledger/v1": {Name: "ledger", Refuse: Problem, Routes: []Route{{Method: "GET", Path: "/x/{id}", Open: true, Serve: answer(200)}}}})
	s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/ledger/v1/x/secret", nil))
	require.Len(t, spans.Ended(), 1)
	require.Equal(t, "GET /ledger/v1/x/{id}", spans.Ended()[0].Name())
}
