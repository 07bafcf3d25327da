package salable_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSessionsOpenWhatTheirScopeNames(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	sub, other := g.subscribe(t, g.test, g.flat, ""), g.subscribe(t, g.test, g.flat, "")
	table := g.makeTable(t, g.test, g.shop)
	session := func(scope, metadata string) string {
		return g.call(t, g.test, "POST", "/sessions", fmt.Sprintf(`{"scope":"web-components:%s","metadata":{%s}}`, scope, metadata)).want(201).text("sessionToken")
	}
	invoices, tables, checkout := session("invoices", `"subscriptionUuid":"`+sub+`"`), session("pricing-table", ""), session("checkout", "")
	with := func(token, path string) int {
		return g.call(t, "", "GET", path, "", "Authorization", "Bearer "+token, "version", "v2").status
	}
	for path, want := range map[string][3]int{
		"/subscriptions/" + sub + "/invoices":            {200, 403, 403},
		"/subscriptions/" + other + "/invoices":          {404, 403, 403},
		"/pricing-tables/" + table:                       {403, 200, 403},
		"/plans/" + g.flat + "/checkoutlink" + linkQuery: {403, 403, 200},
		"/subscriptions/" + sub:                          {403, 403, 403},
		"/licenses":                                      {403, 403, 403},
		"/ledger/v1/subscriptions":                       {403, 403, 403},
	} {
		require.Equal(t, want, [3]int{with(invoices, path), with(tables, path), with(checkout, path)}, path)
	}
	require.Equal(t, "the session has the scope web-components:checkout, which opens GET /plans/{planUuid}/checkoutlink, GET /plans/{planUuid}/checkout-link and nothing else",
		g.call(t, "", "GET", "/subscriptions/"+sub, "", "Authorization", "Bearer "+checkout).want(403).text("error"))
	require.Equal(t, 403, g.call(t, "", "POST", "/sessions", `{"scope":"web-components:checkout"}`, "Authorization", "Bearer "+checkout).status, "no session makes another")
	for _, bad := range []string{invoices + "A", invoices[:len(invoices)-1], "session_", "session_x"} {
		require.Equal(t, 401, with(bad, "/subscriptions/"+sub+"/invoices"))
	}
	require.Equal(t, []string{"scope"}, g.call(t, g.test, "POST", "/sessions", `{"scope":"admin"}`).properties())
	require.Equal(t, []string{"metadata"}, g.call(t, g.test, "POST", "/sessions", `{"scope":"web-components:invoices"}`).properties())
	require.Equal(t, []string{"metadata.subscriptionUuid"}, g.call(t, g.test, "POST", "/sessions", `{"scope":"web-components:invoices","metadata":{}}`).properties())
	g.call(t, g.test, "POST", "/sessions", `{"scope":"web-components:invoices","metadata":{"subscriptionUuid":"`+g.flat+`"}}`).want(404)
	g.pass(time.Hour)
	require.Equal(t, 401, with(invoices, "/subscriptions/"+sub+"/invoices"), "over")
}

// A session is a part of its key: it ends with it, and may nothing that the key may not.
func TestSessionsAreNoMoreThanTheirKey(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	org := g.organisation(t)
	keys := "/ledger/v1/organisations/" + org + "/keys"
	issue := func(more string) (id, secret string) {
		k := g.call(t, g.admin, "POST", keys, `{"mode":"test","name":"k",`+more+`}`).want(201)
		return k.text("id"), k.text("secret")
	}
	const reading = `"scopes":["sessions:write","billing:read","pricing-tables:read","products:read","plans:read"]`
	all := g.key(t, org, "test", allScopes()...)
	s := g.stock(t, all)
	sub := g.subscribe(t, all, s.flat, "")
	table := g.makeTable(t, all, s)
	paths := map[string]string{"invoices": "/subscriptions/" + sub + "/invoices", "pricing-table": "/pricing-tables/" + table, "checkout": "/plans/" + s.flat + "/checkoutlink" + linkQuery}
	sessions := func(secret string) map[string]string {
		made := map[string]string{}
		for scope := range paths {
			made[scope] = g.call(t, secret, "POST", "/sessions", `{"scope":"web-components:`+scope+`","metadata":{"subscriptionUuid":"`+sub+`"}}`).want(201).text("sessionToken")
		}
		return made
	}
	open := func(tokens map[string]string, want int) {
		t.Helper()
		for scope, path := range paths {
			r := g.call(t, "", "GET", path, "", "Authorization", "Bearer "+tokens[scope], "version", "v2").want(want)
			if want == 401 {
				require.Equal(t, string(g.call(t, "", "GET", path, "", "Authorization", "Bearer x", "version", "v2").body), string(r.body), "as for a wrong key")
			}
		}
	}
	id, secret := issue(reading)
	revoked := sessions(secret)
	open(revoked, 200)
	g.call(t, g.admin, "DELETE", keys+"/"+id, "").want(200)
	g.pass(time.Second) // which is how long a key may still be trusted
	open(revoked, 401)
	g.call(t, secret, "POST", "/sessions", `{"scope":"web-components:checkout"}`).want(401)

	_, secret = issue(reading + `,"expiresAt":"` + g.now().Add(time.Minute).Format(time.RFC3339) + `"`)
	expiring := sessions(secret)
	open(expiring, 200)
	g.pass(time.Minute)
	open(expiring, 401)

	id, secret = issue(reading)
	rolled := sessions(secret)
	renewed := g.call(t, g.admin, "POST", keys+"/"+id+"/roll", `{"overlap":"PT10M"}`).want(201).text("secret")
	g.pass(time.Second)
	open(rolled, 200)
	g.pass(10 * time.Minute)
	open(rolled, 401)
	open(sessions(renewed), 200)

	_, secret = issue(`"scopes":["sessions:write"]`)
	open(sessions(secret), 403)
	_, secret = issue(`"scopes":["sessions:write","plans:read"]`)
	some := sessions(secret)
	g.call(t, "", "GET", paths["checkout"], "", "Authorization", "Bearer "+some["checkout"], "version", "v2").want(200)
	g.call(t, "", "GET", paths["invoices"], "", "Authorization", "Bearer "+some["invoices"], "version", "v2").want(403)
	g.call(t, "", "GET", paths["invoices"], "", "Authorization", "Bearer "+some["checkout"], "version", "v2").want(403)
}
