package handlers_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOrganisationsAndKeys(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	org := g.call(t, g.admin, "POST", "/organisations", `{"name":"Beta","currency":"jpy","timeZone":"Asia/Tokyo"}`).want(201).golden("organisation").text("uuid")
	keys := "/organisations/" + org + "/keys"
	issue := func(body, idempotency string) *result {
		return g.call(t, g.admin, "POST", keys, body, "Idempotency-Key", idempotency)
	}
	body := `{"mode":"test","name":"ci","scopes":["plans:read","write:usage"],"expiresAt":"2026-06-02T12:00:00Z"}`
	dry := g.call(t, g.admin, "POST", keys+"?dryRun=true", body).want(201)
	require.Empty(t, dry.text("secret"), "a key that does not exist has no secret")
	first := issue(body, "k").want(201).golden("key")
	secret, id := first.text("secret"), first.text("id")
	require.True(t, strings.HasPrefix(secret, "test_"))
	again := issue(body, "k").want(201)
	require.Equal(t, id, again.text("id"))
	require.Empty(t, again.text("secret"), "shown once")
	listed := g.call(t, g.admin, "GET", keys, "").want(200)
	require.NotContains(t, string(listed.body), secret)
	require.NotContains(t, g.log.String(), secret)

	plans := func(key string) int { return g.call(t, key, "GET", "/plans", "").status }
	require.Equal(t, 200, plans(secret))
	rolled := g.call(t, g.admin, "POST", keys+"/"+id+"/roll", `{"overlap":"PT1H"}`).want(201)
	next := rolled.text("secret")
	require.NotEqual(t, secret, next)
	require.Equal(t, `["plans:read","usage:write"]`, compact(t, rolled.at("scopes")))
	require.Equal(t, 200, plans(next))
	g.pass(59 * time.Minute)
	require.Equal(t, 200, plans(secret), "the overlap")
	g.pass(time.Minute)
	require.Equal(t, 401, plans(secret))
	g.call(t, g.admin, "POST", keys+"/"+id+"/roll", "").code(409, "key_ended")

	g.call(t, g.admin, "DELETE", keys+"/"+rolled.text("id"), "").want(200)
	g.call(t, g.admin, "DELETE", keys+"/"+rolled.text("id"), "").want(200)
	g.pass(time.Second) // how long a look-up may be trusted
	require.Equal(t, 401, plans(next), "B06")
	page := g.call(t, g.admin, "GET", keys+"?limit=1", "").want(200)
	require.Equal(t, "rolled", page.text("data", 0, "status"))
	page = g.call(t, g.admin, "GET", keys+"?limit=1&cursor="+page.text("nextCursor"), "").want(200)
	require.Equal(t, "revoked", page.text("data", 0, "status"))
	require.Empty(t, page.text("nextCursor"))
}

func TestOrganisationsAreRead(t *testing.T) {
	t.Parallel()
	g := newRig(t) // with one
	made := g.call(t, g.admin, "POST", "/organisations", `{"name":"Beta","currency":"JPY","timeZone":"Asia/Tokyo"}`).want(201)
	read := g.call(t, g.admin, "GET", strings.TrimPrefix(made.header.Get("Location"), "/ledger/v1"), "").want(200)
	require.JSONEq(t, string(made.body), string(read.body))

	page := g.call(t, g.admin, "GET", "/organisations?limit=1", "").want(200)
	require.Equal(t, g.org, page.text("data", 0, "uuid"))
	page = g.call(t, g.admin, "GET", "/organisations?limit=1&cursor="+page.text("nextCursor"), "").want(200)
	require.Equal(t, made.at(), page.at("data", 0))
	require.Empty(t, page.text("nextCursor"))
	g.call(t, g.admin, "GET", "/organisations/00000000-0000-8000-8000-000000000001", "").code(404, "no_organisation") // admin keys
	g.call(t, g.test, "GET", "/organisations", "").code(403, "missing_scope")
}

func compact(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return string(data)
}

func TestKeysOpenTheirLedgerAlone(t *testing.T) { // B06, B10
	t.Parallel()
	g := newRig(t)
	g.shop(t, g.test)
	require.Empty(t, g.call(t, g.live, "GET", "/products", "").want(200).at("data"))
	require.Len(t, g.call(t, g.test, "GET", "/products", "").want(200).at("data"), 1)
	g.call(t, g.test, "POST", "/organisations", `{"name":"x"}`).code(403, "missing_scope")
	g.call(t, g.test, "GET", "/organisations/"+g.org+"/keys", "").code(403, "missing_scope")
	g.call(t, g.admin, "GET", "/products", "").code(403, "missing_scope")
	g.call(t, "test_nobody", "GET", "/products", "").code(401, "unauthenticated")
	narrow := g.call(t, g.admin, "POST", "/organisations/"+g.org+"/keys", `{"mode":"test","name":"r","scopes":["plans:read"]}`).want(201).text("secret")
	g.call(t, narrow, "GET", "/plans", "").want(200)
	g.call(t, narrow, "POST", "/plans", `{}`).code(403, "missing_scope")
}

func TestKeysRefuse(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	keys := "/organisations/" + g.org + "/keys"
	for body, code := range map[string]string{
		`{"mode":"test","name":"k","scopes":[]}`:                                                        "required",
		`{"mode":"test","name":"k","scopes":["admin"]}`:                                                 "bad_scope",
		`{"mode":"test","name":"k","scopes":["root"]}`:                                                  "bad_scope",
		`{"mode":"system","name":"k","scopes":["plans:read"]}`:                                          "bad_enum",
		`{"mode":"test","name":"k","scopes":["plans:read"],"expiresAt":"2020-01-01T00:00:00Z"}`:         "bad_expiry",
		`{"mode":"test","name":"k","scopes":["plans:read"],"hash":"x"}`:                                 "unknown_field",
		`{"mode":"test","name":"k","scopes":["plans:read"],"expiresAt":"2027-02-30T00:00:00Z"}`:         "bad_time",
		`{"mode":"test","name":"` + strings.Repeat("k", 256) + `","scopes":["plans:read"]}`:             "bad_name",
		`{"mode":"test","name":"k","scopes":["plans:read"],"expiresAt":"2027-01-01T00:00:00+25:00"}`:    "bad_time",
		`{"mode":"test","name":"k","scopes":["plans:read"],"expiresAt":"2027-01-01T00:00:00.1234567Z"}`: "bad_time",
	} {
		g.call(t, g.admin, "POST", keys, body).code(422, code)
	}
	id := g.call(t, g.admin, "POST", keys, `{"mode":"test","name":"k","scopes":["plans:read"]}`).want(201).text("id")
	for _, overlap := range []string{`"soon"`, `"P1M"`, `"PT"`, `"-1h"`, `"31d"`} {
		g.call(t, g.admin, "POST", keys+"/"+id+"/roll", `{"overlap":`+overlap+`}`).code(422, "bad_duration")
	}
	g.call(t, g.admin, "POST", keys+"/"+id+"/roll", `{"overlap":"P31D"}`).code(422, "bad_overlap")
	g.call(t, g.admin, "POST", keys+"/"+id+"/roll", `{"overlap":3600}`).want(201)
	for _, stream := range []string{"00000000-0000-8000-8000-000000000001"} { // that of admin keys
		g.call(t, g.admin, "POST", "/organisations/"+stream+"/keys", `{"mode":"test","name":"k","scopes":["plans:read"]}`).want(404)
		g.call(t, g.admin, "GET", "/organisations/"+stream+"/keys", "").want(404)
	}
}
