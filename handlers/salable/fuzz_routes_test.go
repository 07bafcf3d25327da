package salable_test

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/handlers"
)

// statuses are all that each dialect may answer. 503 is one of them only for a position that is not
// reached, which nobody asks for here.
var statuses = map[string][]int{
	"ledger":  {200, 201, 202, 304, 400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 429, 431},
	"salable": {200, 201, 204, 206, 400, 401, 403, 404, 429, 431},
}

// target is a route of either dialect.
type target struct {
	handlers.Route
	dialect, prefix string
}

var anyVariable = regexp.MustCompile(`\{[^}]*\}`)

// Every route of both dialects with whatever body, path, query and headers: it never fails, answers in
// its dialect's statuses, writes nothing that it refuses, and what it takes leaves a log that verifies
// and that is read back.
func FuzzRoutes(f *testing.F) {
	g := newRig(f)
	sub := g.subscribe(f, g.test, g.perSeat, `,"granteeId":"ada","quantity":5`)
	license := g.call(f, g.test, "POST", "/licenses", `{"planUuid":"`+g.metered+`","member":"mia","granteeId":"ben"}`).want(201).text("uuid")
	g.call(f, g.test, "POST", "/ledger/v1/meters", `{"key":"m"}`).want(201)
	permission := g.call(f, g.test, "POST", "/rbac/permissions", `{"value":"v"}`).want(201).text("uuid")
	role := g.call(f, g.test, "POST", "/rbac/roles", `{"name":"r","permissions":["`+permission+`"]}`).want(201).text("uuid")
	g.call(f, g.test, "POST", "/rbac/users", `{"id":"ada","role":"`+role+`"}`).want(201)
	var targets []target
	for _, rt := range g.own.Dialect().Routes {
		if rt.Path != "/events/stream" { // it answers for ever
			targets = append(targets, target{rt, "ledger", "/ledger/v1"})
		}
	}
	for _, rt := range g.api.Dialect().Routes {
		targets = append(targets, target{rt, "salable", ""})
	}
	// Ids in seeds are names in brackets, so that a find means the same in every run.
	names := strings.NewReplacer("<product>", g.product, "<plan>", g.perSeat, "<flat>", g.flat, "<other>", g.elsewherePlan, "<sub>", sub, "<license>", license,
		"<capability>", g.read, "<feature>", g.storage, "<option>", g.option, "<permission>", permission, "<role>", role, "<nil>", "00000000-0000-0000-0000-000000000000")
	for i, rt := range targets {
		f.Add(uint16(i), "<sub>", "", "application/json", "", []byte(bodyOf(rt)))
		f.Add(uint16(i), "<license>", "limit=1&expand=plan", "text/plain", "a key", []byte(`{"planUuid":"<plan>","granteeId":"x","member":"m","quantity":3,"increment":1,"when":"now"}`))
	}
	f.Add(uint16(0), "<product>", "dryRun=true", "application/json", "k", []byte(`[{"planUuid":"<flat>","member":"m","granteeId":null},{"uuid":"<license>","granteeId":"\ud83d\ude00"}]`))

	at := map[string]int64{} // what was verified, by ledger
	taken := 0
	f.Fuzz(func(t *testing.T, route uint16, id, query, contentType, key string, body []byte) {
		rt := targets[int(route)%len(targets)]
		secret := g.test
		if rt.Scope == handlers.ScopeAdmin {
			secret = g.admin
		}
		path := rt.prefix + anyVariable.ReplaceAllStringFunc(rt.Path, func(string) string { return url.PathEscape(names.Replace(id)) })
		target, err := url.ParseRequestURI(path + "?" + names.Replace(query))
		if err != nil {
			return
		}
		body = []byte(names.Replace(string(body)))
		r := httptest.NewRequest(rt.Method, "/", strings.NewReader(string(body)))
		r.URL, r.RequestURI = target, target.RequestURI()
		if len(body) == 0 {
			r.Body, r.ContentLength = nil, 0
		}
		r.Header.Set("X-Api-Key", secret)
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		if key != "" {
			r.Header.Set("Idempotency-Key", key)
		}
		g.pass(time.Millisecond)
		before := g.written(t)
		w := httptest.NewRecorder()
		began := time.Now()
		g.server.ServeHTTP(w, r)
		what := fmt.Sprintf("%s %s with %q answered %d: %s", rt.Method, target, body, w.Code, w.Body)
		require.Contains(t, statuses[rt.dialect], w.Code, what)
		require.Less(t, time.Since(began), 10*time.Second, what)
		require.Equal(t, []string{"no-store"}, w.Header().Values("Cache-Control"))
		after := g.written(t)
		if w.Code >= 400 || rt.Method == "GET" {
			require.Equal(t, before, after, what)
		}
		if before == after {
			return
		}
		g.readBack(t, at, what)
		if taken++; taken%200 == 1 {
			report, err := eventstore.Verify(t.Context(), g.pool, nil, nil)
			require.NoError(t, err)
			require.Empty(t, report.Findings, what)
		}
	})
}

// readBack decodes what was appended to every ledger since the last time: positions without a hole.
func (g *rig) readBack(t *testing.T, at map[string]int64, what string) {
	t.Helper()
	rows, err := g.pool.Query(t.Context(), `select ledger_id, position from ledgers`)
	require.NoError(t, err)
	heads, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct {
		Ledger   uuid.UUID
		Position int64
	}])
	require.NoError(t, err)
	for _, h := range heads {
		ledger, head := h.Ledger, h.Position
		for at[ledger.String()] < head {
			events, err := g.store.Page(t.Context(), ledger, at[ledger.String()], 500)
			require.NoError(t, err, what)
			require.NotEmpty(t, events, what)
			for _, e := range events {
				require.Equal(t, at[ledger.String()]+1, e.Position, what)
				at[ledger.String()] = e.Position
			}
		}
	}
}

// bodyOf is a body that a route may like.
func bodyOf(rt target) string {
	for part, body := range map[string]string{
		"/organisations": `{"name":"Beta","currency":"eur","timeZone":"Europe/Berlin"}`, "/keys": `{"mode":"test","name":"k","scopes":["plans:read"],"expiresAt":"2027-01-01T00:00:00Z"}`,
		"/roll": `{"overlap":"PT1H"}`, "/products": `{"name":"n","displayName":"N","paid":true,"currencies":[{"currency":"usd","default":true}]}`,
		"/plans": `{"productUuid":"<product>","name":"p","displayName":"P","licenseType":"perSeat","pricingType":"paid","interval":"month","length":1,"perSeatAmount":0,"maxSeatAmount":-1,"capabilities":["<capability>"],
			"features":[{"featureUuid":"<feature>","enumValueUuid":"<option>"}],"prices":[{"key":"a","kind":"graduated","currency":"USD","tiers":[{"upTo":9,"unitAmount":"2.5"},{"upTo":null,"unitAmount":1,"flatAmount":3}]}]}`,
		"/versions": `{"prices":[{"key":"a","kind":"percentage","meter":"m","currency":"USD","percentage":"8.875"}]}`,
		"/features": `{"productUuid":"<product>","name":"g","displayName":"G","valueType":"enum","enumOptions":["a","b"]}`, "/capabilities": `{"productUuid":"<product>","name":"import"}`,
		"/meters": `{"key":"bytes","aggregation":"max"}`, "/quantity": `{"increment":1,"proration":"none"}`, "/change-plan": `{"planUuid":"<flat>","quantity":1}`, "/cancel": `{"when":"periodEnd","uuids":["<license>"]}`,
		"/permissions": `{"value":"v","type":"t","description":"d","dependencies":["a"]}`, "/permissions/{permissionUuid}": `{"value":"w","dependencies":{"a":"b"}}`,
		"/roles": `{"name":"r","permissions":["<permission>"]}`, "/roles/{roleUuid}": `{"name":"s","permissions":{"add":["<permission>"],"remove":["<permission>"]}}`,
		"/users": `{"id":"ann","name":"Ann","role":"<role>","permissions":["<permission>"]}`, "/users/{userUuid}": `{"id":"bob","role":"<role>","permissions":["<permission>"]}`,
		"/providers/manual": `{"outcome":"failsThenSucceeds","failures":2,"delayMs":5}`, "/seats": `{"increment":1,"decrement":1}`, "/manage-seats": `[{"type":"assign","granteeId":"x"},{"type":"replace","granteeId":"ada","newGranteeId":"eve"},{"type":"unassign","granteeId":"eve"}]`,
		"/subscriptions/{subscriptionUuid}": `{"owner":"noa"}`,
		"/usage":                            `{"records":[{"key":"u","quantity":"1.5","subscriptionUuid":"<sub>","at":"2026-06-01T12:00:00Z"}],"licenseUuid":"<license>","countOptions":{"increment":1}}`,
	} {
		if strings.HasSuffix(rt.Path, part) {
			return body
		}
	}
	if rt.Path == "/subscriptions" {
		return `{"planUuid":"<plan>","quantity":2,"granteeId":"ada","startAt":"2026-05-01T00:00:00Z","owner":"mia","status":"TRIALING","expiryDate":"2026-09-01T00:00:00Z","cancelAtPeriodEnd":true,"newPlanId":"<plan>","subscriptionId":"<sub>"}`
	}
	if slices.Contains([]string{"POST", "PUT"}, rt.Method) && strings.HasPrefix(rt.Path, "/licenses") {
		return `[{"planUuid":"<flat>","member":"m","granteeId":"x","uuid":"<license>"}]`
	}
	return ""
}
