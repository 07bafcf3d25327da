package handlers_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/organisation"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/internal/pgtest"
)

// everything is all routes but tails.
func (a *attack) everything() []write { return append(a.reads(), a.writes...) }

// ask is a request as the test made it, good but for its headers.
func (a *attack) ask(t *testing.T, w write, header ...string) *result {
	t.Helper()
	return a.send(t, "", w.Method, w.path, w.body, append([]string{"Content-Type", "application/json"}, header...)...)
}

func anonymous(r *result) string {
	return strings.Replace(string(r.body), r.header.Get("Request-Id"), "", 1)
}

func TestB05_KeysThatAreNone(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	flipped := a.test[:len(a.test)-1] + string(rune(a.test[len(a.test)-1]^1))
	a.writesNothing(t, func() {
		var same string
		for _, w := range a.everything() {
			for _, header := range [][]string{
				nil, {"X-Api-Key", ""}, {"X-Api-Key", " "}, {"X-Api-Key", "x"}, {"X-Api-Key", flipped}, {"X-Api-Key", "live_" + strings.TrimPrefix(a.test, "test_")},
				{"X-Api-Key", strings.ToUpper(a.test)}, {"X-Api-Key", a.test + "x"}, {"X-Api-Key", a.test[:20]}, {"X-Api-Key", "test_" + strings.Repeat("A", 43)},
				{"X-Api-Key", strings.Repeat("k", 4000)}, {"X-Api-Key", "\xff\xfe"}, {"X-Api-Key", "' or '1'='1"}, {"X-Api-Key", a.test + "," + a.test},
				{"Authorization", a.test}, {"Authorization", "Basic " + a.test}, {"Authorization", "Bearer"}, {"Authorization", "Bearer  "}, {"Authorization", "Digest x"},
				{"Cookie", "x-api-key=" + a.test}, {"Api-Key", a.test}, {"X-Api-Key-", a.test},
			} {
				got := a.ask(t, w, header...).code(401, "unauthenticated")
				if same == "" {
					same = anonymous(got)
				}
				require.Equal(t, same, anonymous(got), "%s with %q", w.name(), header)
				require.Equal(t, "Bearer", got.header.Get("WWW-Authenticate"))
			}
			for _, header := range [][]string{{"X-Api-Key", w.key, "X-Api-Key", w.key}, {"X-Api-Key", w.key, "X-Api-Key", ""}, {"X-Api-Key", w.key, "Authorization", "Bearer " + w.key},
				{"Authorization", "Bearer " + w.key, "Authorization", "Bearer " + w.key}, {"X-Api-Key", "x", "Authorization", "Basic x"}} {
				a.ask(t, w, header...).code(400, "two_keys")
			}
			for _, header := range [][]string{{"X-Api-Key", strings.Repeat("k", 9<<10)}, {"Authorization", "Bearer " + strings.Repeat("k", 1<<20)}} {
				a.ask(t, w, header...).code(431, "headers_too_large")
			}
		}
		// In the URL a key is none, and no parameter either.
		a.send(t, "", "GET", "/products?x-api-key="+a.test, "").code(401, "unauthenticated")
	})
	require.NotContains(t, a.log.String(), a.test)
}

// B06: what has ended opens nothing; the key alone decides which ledger, and in which mode.
func TestB06_EndedKeysAndModes(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	keys := "/organisations/" + a.org + "/keys"
	issue := func(more string) *result {
		return a.call(t, a.admin, "POST", keys, `{"mode":"test","name":"k","scopes":["ledger:read","products:read","subscriptions:write"]`+more+`}`).want(201)
	}
	expiring, revoked, rolled := issue(`,"expiresAt":"2026-06-01T12:01:00Z"`), issue(""), issue("")
	a.call(t, expiring.text("secret"), "GET", "/products", "").want(200)
	a.call(t, a.admin, "DELETE", keys+"/"+revoked.text("id"), "").want(200)
	a.call(t, a.admin, "POST", keys+"/"+rolled.text("id")+"/roll", "").want(201)
	a.pass(time.Minute)
	none := anonymous(a.call(t, "test_nobody", "GET", "/products", "").code(401, "unauthenticated"))
	a.writesNothing(t, func() {
		for _, ended := range []*result{expiring, revoked, rolled} {
			got := a.call(t, ended.text("secret"), "GET", "/products", "").code(401, "unauthenticated")
			require.Equal(t, none, anonymous(got), "ended is not told from unknown")
			a.call(t, ended.text("secret"), "POST", "/subscriptions", `{"planUuid":"`+a.seats+`"}`).code(401, "unauthenticated")
		}
		a.call(t, a.live, "POST", "/subscriptions", `{"planUuid":"`+a.seats+`"}`).code(404, "no_plan")
		a.call(t, a.live, "PUT", "/providers/manual", `{"outcome":"fails"}`).want(403)
	})
	for _, header := range []string{"Ledger", "X-Ledger", "Ledger-Uuid", "X-Tenant-Id", "Tenant", "Mode", "X-Test-Mode", "Organisation"} {
		require.Empty(t, a.call(t, a.live, "GET", "/products", "", header, "test").want(200).at("data"))
	}
	for _, query := range []string{"ledger=", "mode=test", "isTest=true", "tenantId=", "organisation="} {
		a.call(t, a.live, "GET", "/products?"+query, "").code(400, "unknown_parameter")
	}
}

func TestB10_ScopesAndGuessedRoutes(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	lacking := map[string]string{} // by scope: a key with all the others
	for _, scope := range append(organisation.Scopes(), "") {
		var others []string
		resource, _, _ := strings.Cut(scope, ":")
		for _, s := range organisation.Scopes() {
			if s != scope && s != resource+":*" && s != organisation.AdminScope {
				others = append(others, s)
			}
		}
		all, err := json.Marshal(others)
		require.NoError(t, err)
		lacking[scope] = a.call(t, a.admin, "POST", "/organisations/"+a.org+"/keys", `{"mode":"test","name":"k","scopes":`+string(all)+`}`).want(201).text("secret")
	}
	a.writesNothing(t, func() {
		for _, w := range a.everything() {
			require.NotEmpty(t, w.Scope, w.name())
			got := a.call(t, lacking[w.Scope], w.Method, w.path, w.body).code(403, "missing_scope")
			require.Contains(t, got.text("detail"), w.Scope)
			if w.Scope != handlers.ScopeAdmin {
				a.call(t, a.admin, w.Method, w.path, w.body).code(403, "missing_scope")
			}
			for _, header := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Forwarded-Method"} {
				got := a.ask(t, write{Route: handlers.Route{Method: "GET"}, path: "/products"}, "X-Api-Key", a.test, header, w.Method).want(200)
				require.Contains(t, string(got.body), "data")
			}
			a.send(t, a.test, "GET", "/products?_method="+w.Method, "").code(400, "unknown_parameter")
		}
		for _, path := range []string{"/admin", "/ledgers", "/keys", "/users", "/organisations/" + a.org + "/ledgers", "/events/1/delete", "/projections/rebuild", "/debug/pprof/", "/config", "/.env", "/subscriptions/" + a.sub + "/delete"} {
			for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
				got := a.send(t, a.test, method, path, "{}", "Content-Type", "application/json")
				require.Contains(t, []int{404, 405}, got.status, "%s %s", method, path)
			}
		}
	})
}

func TestB35_Queries(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	a.writesNothing(t, func() {
		for _, w := range a.everything() {
			get := func(query string) *result {
				return a.call(t, w.key, w.Method, w.path+"?"+query, w.body)
			}
			for _, unknown := range []string{"nope=1", "Limit=1", "LIMIT=1", "limit[]=1", "sort=drop", "order=desc", "take=-1", "take=1e9", "offset=1", "page=2", "expand=all", "fields=*", "__proto__=1", "$where=1", "nope", "%6eope=", "=1"} {
				got := get(unknown).want(400)
				require.Equal(t, "400", got.text("status"))
				if !strings.HasPrefix(unknown, "=") {
					require.Contains(t, string(got.body), "allowed: ", "%s?%s", w.name(), unknown)
				}
			}
			get(strings.Repeat("a", 3000) + "=1").want(400)
			get("dryRun=true&dryRun=false").want(400)
			if w.Method == "GET" {
				for _, query := range []string{"dryRun=true", "limit=1&limit=1", "limit=1&limit=2"} {
					get(query).want(400)
				}
				continue
			}
			for _, value := range []string{"yes", "1", "TRUE", "", "true%20", "null"} {
				get("dryRun=" + value).want(400)
			}
		}
		lists := 0
		for _, r := range a.reads() {
			if a.call(t, r.key, "GET", r.path+"?limit=1", "").status != 200 {
				continue
			}
			lists++
			for _, limit := range []string{"0", "-1", "1e9", "1001", "9223372036854775808", "1.5", "x", "", "%20", "0x1", "1,2", "NaN", "null"} {
				a.call(t, r.key, "GET", r.path+"?limit="+limit, "").want(400)
			}
			for _, cursor := range []string{"x", "AAAA", "", strings.Repeat("A", 100), strings.Repeat("A", 10_000), "%3D%3D", "../..", "null"} {
				if cursor != "" {
					a.call(t, r.key, "GET", r.path+"?cursor="+cursor, "").code(400, "bad_cursor")
				}
			}
		}
		require.Greater(t, lists, 9)
		for _, path := range []string{"/products?status=drop", "/subscriptions?status=%27", "/subscriptions/" + a.sub + "/licenses?assigned=perhaps", "/events?after=-1", "/events?stream=x"} {
			a.call(t, a.test, "GET", path, "").want(400)
		}
	})
	// A cursor is of its list, its filters and its ledger alone.
	for range 2 {
		a.call(t, a.live, "POST", "/meters", `{"key":"`+time.Now().String()+`"}`).want(201)
		a.call(t, a.test, "POST", "/meters", `{"key":"`+time.Now().String()+`"}`).want(201)
	}
	cursor := a.call(t, a.test, "GET", "/meters?limit=1", "").want(200).text("nextCursor")
	a.call(t, a.test, "GET", "/meters?limit=2&cursor="+cursor, "").want(200)
	a.call(t, a.test, "GET", "/meters?status=active&cursor="+cursor, "").code(400, "bad_cursor")
	a.call(t, a.test, "GET", "/products?cursor="+cursor, "").code(400, "bad_cursor")
	a.call(t, a.live, "GET", "/meters?cursor="+cursor, "").code(400, "bad_cursor")
	for i := range cursor {
		other := "A"
		if cursor[i] == 'A' {
			other = "B"
		}
		a.call(t, a.test, "GET", "/meters?cursor="+cursor[:i]+other+cursor[i+1:], "").code(400, "bad_cursor")
	}
}

func TestB55_BrowsersOfOtherSites(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	for _, w := range a.everything() {
		for _, origin := range []string{"https://evil.example", "null", "http://localhost", "https://subledger.example.evil.example"} {
			got := a.ask(t, w, "Origin", origin)
			preflight := a.send(t, "", "OPTIONS", w.path, "", "Origin", origin, "Access-Control-Request-Method", w.Method, "Access-Control-Request-Headers", "x-api-key")
			require.Equal(t, 405, preflight.status, w.name())
			for _, r := range []*result{got, preflight} {
				for name := range r.header {
					require.False(t, strings.HasPrefix(name, "Access-Control-"), "%s: %s", w.name(), name)
				}
			}
		}
	}
}

func TestB58_NothingIsCached(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	private := func(r *result) {
		t.Helper()
		require.Equal(t, []string{"no-store"}, r.header.Values("Cache-Control"), "%s answered %d", r.what, r.status)
		require.Equal(t, "nosniff", r.header.Get("X-Content-Type-Options"), r.what)
		require.Empty(t, r.header.Get("Set-Cookie"))
	}
	for _, w := range a.everything() {
		private(a.ask(t, w))                                               // 401
		private(a.call(t, w.key, w.Method, w.path+"?dryRun=true", w.body)) // 200, 201 or 400
		private(a.send(t, w.key, "PURGE", w.path, ""))
		if w.Method == "GET" {
			good := a.call(t, w.key, "GET", w.path, "")
			private(good)
			private(a.send(t, w.key, "HEAD", w.path, ""))
			if tag := good.header.Get("ETag"); tag != "" {
				private(a.call(t, w.key, "GET", w.path, "", "If-None-Match", tag).want(304))
			}
		}
	}
	// What is part of the binary is the same for everybody: TestDocsAskNobodyElse.
	for _, path := range []string{"/", "/healthz", "/readyz", "/docs/nowhere", "/nowhere", "/ledger/v1", "/ledger/v1/nowhere"} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		w := httptest.NewRecorder()
		a.server.ServeHTTP(w, r)
		private(&result{t: t, what: path, status: w.Code, header: w.Header()})
	}
}

// B70: no header, path or query of a client's can make a line of the log, or steer who reads it.
func TestB70_LogInjection(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	evil := []string{"\u001b[2Jx", "a\r\n{\"level\":\"ERROR\"}", "\u009b31m", "\u202egnp.exe", "\xff", strings.Repeat("x", 5000)}
	for _, text := range evil {
		a.send(t, a.test, "GET", "/products/x", "", "User-Agent", text, "Request-Id", text, "Referer", text, "X-Forwarded-For", text, "Traceparent", text)
		a.send(t, text, "GET", "/products", "")
		for _, path := range []string{"/products/%1b%5b2J%0d%0a%7b%22level%22:%22ERROR%22%7d", "/%0aX", "/products?%0d%0a=%1b", "/events?type=%1b%5b2J"} {
			a.send(t, a.test, "GET", path, "")
		}
	}
	for line := range strings.Lines(a.log.String()) {
		require.True(t, json.Valid([]byte(line)), "%s", line)
		require.NotContains(t, line, "\x1b")
		require.NotContains(t, line, "\\u001b")
	}
}

// B77: a fresh installation has no key at all, and nothing that anybody could guess opens one that is in use.
func TestB77_NothingOpensAFreshInstallation(t *testing.T) {
	t.Parallel()
	pool, err := eventstore.OpenPool(t.Context(), pgtest.New(t).URL, func(*pgxpool.Config) {})
	require.NoError(t, err)
	defer pool.Close()
	require.NoError(t, eventstore.Bootstrap(t.Context(), pool, eventstore.NewMasterKey()))
	var keys int
	require.NoError(t, pool.QueryRow(t.Context(), `select count(*) from api_keys`).Scan(&keys))
	require.Zero(t, keys)

	a := newAttack(t)
	for _, secret := range []string{"admin", "test", "test_", "live_", "system_", "default", "changeme", "password", "subledger", "00000000-0000-0000-0000-000000000000",
		"system_" + strings.Repeat("A", 43), "system_" + strings.Repeat("0", 43), "test_" + strings.Repeat("0", 43)} {
		for _, w := range a.everything() {
			a.ask(t, w, "X-Api-Key", secret).code(401, "unauthenticated")
		}
	}
}

// B78: neither old versions nor what frameworks bring along.
func TestB78_NoOtherRoutes(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	for _, path := range []string{"/ledger", "/ledger/", "/ledger/v0/products", "/ledger/v2/products", "/ledger/v1", "/ledger/v1/", "/ledger/v10/products", "/ledger/V1/products", "/v1/products",
		"/api/v1/products", "/debug/pprof/", "/debug/vars", "/metrics", "/.git/config", "/.well-known/security.txt", "/favicon.ico", "/robots.txt", "/openapi/", "/openapi/ledger-v2.json",
		"/openapi/../ledger-v1.json", "/healthz/", "/readyz/x", "/swagger", "/graphql", "/console", "/login", "/setup"} {
		for _, method := range []string{"GET", "POST"} {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(method, path, strings.NewReader("{}"))
			r.Header.Set("X-Api-Key", a.admin)
			a.server.ServeHTTP(w, r)
			require.Equal(t, 404, w.Code, "%s %s", method, path)
		}
	}
}
