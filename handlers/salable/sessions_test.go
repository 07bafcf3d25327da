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
