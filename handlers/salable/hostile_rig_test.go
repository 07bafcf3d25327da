package salable_test

import (
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/handlers"
)

// attack is a rig with one of everything in it, to be sent what nobody should send.
type attack struct {
	*rig
	sub, seat, license, event, coupon, table string
	permission, linked                       string // the first is deleted in the end
	role, held                               string // so are this and the user ada, who has the other
	writes, reads                            []ask
	spent                                    bool // its good bodies were sent by the test itself
}

// ask is a route with a request to it that is taken.
type ask struct {
	handlers.Route
	path, body string
	status     int // of a GET
}

func (w ask) name() string { return w.Method + " " + w.Path }

// with is the good body with members put before its own; in a list, those of its first item.
func (w ask) with(members string) string { return strings.Replace(w.body, "{", "{"+members+",", 1) }

// newAttack walks the routes: one that writes and has no good body here fails the test.
func newAttack(t *testing.T) *attack {
	t.Helper()
	a := &attack{rig: newRig(t)}
	a.sub = a.subscribe(t, a.test, a.perSeat, `,"granteeId":"ada","quantity":5`)
	a.seat = a.seatsOf(t, a.test, a.sub)[0]
	a.license = a.call(t, a.test, "POST", "/licenses", `{"planUuid":"`+a.metered+`","member":"mia","granteeId":"ben"}`).want(201).text("uuid")
	a.call(t, a.test, "POST", "/licenses", `{"planUuid":"`+a.upgrade+`","member":"mia","granteeId":"fay"}`).want(201) // it has features
	a.event = a.call(t, a.test, "POST", "/subscriptions/"+a.sub+"/seats", `{"increment":1}`).want(201).text("eventUuid")
	a.coupon = a.makeCoupon(t, a.test, "TEN")
	for _, p := range []*string{&a.permission, &a.linked} {
		*p = a.call(t, a.test, "POST", "/rbac/permissions", `{"value":"doc:read"}`).want(201).text("uuid")
	}
	for _, r := range []*string{&a.role, &a.held} {
		*r = a.call(t, a.test, "POST", "/rbac/roles", `{"name":"reader","permissions":["`+a.linked+`"]}`).want(201).text("uuid")
	}
	a.call(t, a.test, "POST", "/rbac/users", `{"id":"ada","role":"`+a.held+`"}`).want(201)
	a.table = a.makeTable(t, a.test, a.shop)
	bodies := map[string]string{
		"POST /sessions":                                              `{"scope":"web-components:invoices","metadata":{"subscriptionUuid":"` + a.sub + `"}}`,
		"POST /checkout/create-subscription":                          `{"planUuid":"` + a.flat + `","email":"ada@example.com","member":"mia","granteeId":"ada","currency":"USD"}`,
		"POST /checkout/create-subscription-intent":                   `{"planUuid":"` + a.flat + `","email":"ada@example.com"}`,
		"POST /subscriptions/{subscriptionUuid}/coupons":              `{"couponUuid":"` + a.coupon + `"}`,
		"PUT /subscriptions/{subscriptionUuid}/coupons":               `{"couponUuid":"` + a.coupon + `"}`,
		"POST /subscriptions":                                         `{"planUuid":"` + a.flat + `","owner":"mia","granteeId":"gil"}`,
		"PUT /subscriptions/{subscriptionUuid}":                       `{"owner":"noa"}`,
		"PUT /subscriptions/{subscriptionUuid}/manage-seats":          `[{"type":"assign","granteeId":"fay"}]`,
		"PUT /subscriptions":                                          `{"newPlanId":"` + a.perSeat + `","subscriptionId":"` + a.sub + `"}`,
		"PUT /subscriptions/{subscriptionUuid}/change-plan":           `{"planUuid":"` + a.perSeat + `"}`,
		"PUT /subscriptions/{subscriptionUuid}/updateplan/{planUuid}": "",
		"PUT /subscriptions/{subscriptionUuid}/cancel":                "",
		"PUT /subscriptions/{subscriptionUuid}/reactivate":            "",
		"POST /subscriptions/{subscriptionUuid}/seats":                `{"increment":1}`,
		"PUT /subscriptions/{subscriptionUuid}/seats":                 `{"decrement":1}`,
		"POST /licenses":                                              `{"planUuid":"` + a.flat + `","member":"mia","granteeId":"cem"}`,
		"PUT /licenses":                                               `[{"uuid":"` + a.license + `","granteeId":"dan"}]`,
		"POST /licenses/cancel":                                       `{"uuids":["` + a.license + `"]}`,
		"PUT /licenses/cancel":                                        `{"uuids":["` + a.license + `"]}`,
		"PUT /licenses/{licenseUuid}":                                 `{"granteeId":"eve"}`,
		"DELETE /licenses/{licenseUuid}":                              "",
		"POST /rbac/permissions":                                      `{"value":"doc:write","type":"doc","dependencies":["doc:read"]}`,
		"PUT /rbac/permissions/{permissionUuid}":                      `{"value":"doc:write","dependencies":{"doc":"read"}}`,
		"DELETE /rbac/permissions/{permissionUuid}":                   "",
		"POST /rbac/roles":                                            `{"name":"editor","permissions":["` + a.linked + `"]}`,
		"PUT /rbac/roles/{roleUuid}":                                  `{"name":"editor","permissions":{"add":["` + a.linked + `"]}}`,
		"DELETE /rbac/roles/{roleUuid}":                               "",
		"POST /rbac/users":                                            `{"id":"ben","name":"Ben","role":"` + a.held + `","permissions":["` + a.linked + `"]}`,
		"PUT /rbac/users/{userUuid}":                                  `{"name":"Ada","role":"` + a.held + `","permissions":{"add":["` + a.linked + `"]}}`,
		"DELETE /rbac/users/{userUuid}":                               "",
		"PUT /usage":                                                  `{"licenseUuid":"` + a.license + `","countOptions":{"increment":1}}`,
	}
	queries := map[string]string{"/usage": "?granteeId=ada", "/usage/current": "?granteeId=ada&planUuid=" + a.perSeat,
		"/features": "?productUuid=" + a.product, "/licenses/check": "?granteeIds=ada&productUuid=" + a.product, "/entitlements/check": "?granteeIds=fay&productUuid=" + a.product, "/pricing-tables/{pricingTableUuid}": tableQuery,
		"/products/{productUuid}/pricingtable": tableQuery, "/products/{productUuid}/pricing-table": "?owner=mia", "/plans/{planUuid}/checkoutlink": linkQuery, "/plans/{planUuid}/checkout-link": linkQuery, "/licenses/purchaser": "?purchaser=mia&productUuid=" + a.product}
	for _, rt := range a.api.Dialect().Routes {
		w := ask{Route: rt, path: a.fill(rt.Path) + queries[rt.Path], status: 200}
		if rt.Method == "GET" {
			if strings.HasSuffix(rt.Path, "/payment-method") {
				w.status = 404 // there are none
			}
			a.call(t, a.test, "GET", w.path, "").want(w.status)
			a.reads = append(a.reads, w)
			continue
		}
		body, known := bodies[w.name()]
		require.True(t, known, "%s has no good body here", w.name())
		w.body = body
		a.writes = append(a.writes, w)
	}
	t.Cleanup(func() {
		for _, w := range a.writes { // in their order all of them are taken: what was refused was refused for what was wrong with it
			if t.Failed() || a.spent || strings.HasSuffix(w.Path, "updateplan/{planUuid}") || slices.Contains([]string{"PUT /licenses/cancel", "PUT /licenses/{licenseUuid}", "PUT /usage"}, w.name()) {
				continue // of what the routes before them have ended
			}
			got := a.call(t, a.test, w.Method, w.path, w.body, "unique-key", "good "+w.name())
			require.Less(t, got.status, 300, "the good body of %s: %s", w.name(), got.body)
		}
	})
	return a
}

// bodied are the routes that read a body.
func (a *attack) bodied() (all []ask) {
	for _, w := range a.writes {
		if w.body != "" {
			all = append(all, w)
		}
	}
	return all
}

func (a *attack) fill(pattern string) string {
	return fill(pattern, func(name string) string {
		return map[string]string{"productUuid": a.product, "planUuid": a.perSeat, "subscriptionUuid": a.sub, "licenseUuid": a.license, "eventUuid": a.event, "granteeId": "ada", "pricingTableUuid": a.table,
			"permissionUuid": a.permission, "roleUuid": a.role, "userUuid": "ada"}[name]
	})
}

// written is all that a refusal could have written, in one text.
func (g *rig) written(t testing.TB) string {
	t.Helper()
	var all string
	require.NoError(t, g.pool.QueryRow(t.Context(), `select (select string_agg(concat_ws(' ', ledger_id, position, encode(head, 'hex')), ', ' order by ledger_id) from ledgers)
		|| concat_ws(' ', ' events', (select count(*) from events), 'commands', (select count(*) from commands), 'claims', (select count(*) from claims))`).Scan(&all))
	return all
}

// writesNothing checks that what is done inside it writes nothing, and that the process still answers.
func (g *rig) writesNothing(t *testing.T, inside func()) {
	t.Helper()
	before := g.written(t)
	inside()
	require.Equal(t, before, g.written(t), "a refusal writes nothing")
	g.call(t, g.test, "GET", "/products", "").want(200)
}

// send is call with every header given, repeated ones too, and none besides the key, and a usage key.
func (g *rig) send(t *testing.T, key, method, path, body string, header ...string) *result {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if key != "" {
		r.Header.Set("X-Api-Key", key)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	g.choose(r)
	g.pass(time.Millisecond)
	w := httptest.NewRecorder()
	g.server.ServeHTTP(w, r)
	return &result{t: t, what: method + " " + path + " " + body, status: w.Code, header: w.Header(), body: w.Body.Bytes()}
}

// refused sends a body to a route that reads one, as clients do, and wants a 400 in the dialect's shape.
func (a *attack) refused(t *testing.T, w ask, body string, header ...string) *result {
	t.Helper()
	got := a.send(t, a.test, w.Method, w.path, body, append([]string{"Unique-Key", "an attack"}, header...)...)
	require.Equal(t, 400, got.status, "%.300s: %s", got.what, got.body)
	var shape struct {
		Error            string `json:"error"`
		ValidationErrors []struct {
			Property string `json:"property"`
			Error    string `json:"error"`
		} `json:"validationErrors"`
	}
	require.NoError(t, json.Unmarshal(got.body, &shape), "%s", got.body)
	require.True(t, shape.Error != "" != (len(shape.ValidationErrors) > 0), "%s", got.body)
	require.Less(t, len(got.body), 20_000)
	return got
}

func jsonText(t *testing.T, s string) string {
	t.Helper()
	b, err := json.Marshal(s)
	require.NoError(t, err)
	return string(b)
}
