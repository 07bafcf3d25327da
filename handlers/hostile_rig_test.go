package handlers_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/handlers"
)

// attack is a rig with one of everything in it, to be sent what nobody should send.
type attack struct {
	*rig
	shop
	sub, feature, meter, coupon, rate, customer, table, keyID string
	invoice                                                   billed // open
	writes                                                    []write
}

// write is a route that changes something, with a request to it that is taken.
type write struct {
	handlers.Route
	key, path, body string
	optional        bool // a body need not be there
	fields          bool // a body may say something
}

func (w write) name() string { return w.Method + " " + w.Path }

// with is the good body with members put before its own.
func (w write) with(members string) string {
	rest := strings.TrimPrefix(w.body, "{")
	if rest == "}" || rest == "" {
		return "{" + members + "}"
	}
	return "{" + members + "," + rest
}

// newAttack walks the routes: one that writes and has no good body here fails the test.
func newAttack(t *testing.T) *attack {
	t.Helper()
	a := &attack{rig: newRig(t)}
	a.shop = a.rig.shop(t, a.test)
	a.sub = a.call(t, a.test, "POST", "/subscriptions", `{"planUuid":"`+a.seats+`","granteeId":"bob"}`).want(201).text("uuid")
	ending := a.call(t, a.test, "POST", "/subscriptions", `{"planUuid":"`+a.yearly+`"}`).want(201).text("uuid")
	a.call(t, a.test, "POST", "/subscriptions/"+ending+"/cancel", `{"when":"periodEnd"}`).want(200)
	a.call(t, a.test, "POST", "/subscriptions/"+ending+"/quantity", `{"increment":1,"when":"periodEnd"}`).want(200)
	a.feature = a.call(t, a.test, "POST", "/features", `{"productUuid":"`+a.product+`","name":"f","displayName":"F","valueType":"boolean"}`).want(201).text("uuid")
	a.meter = a.call(t, a.test, "POST", "/meters", `{"key":"calls"}`).want(201).text("uuid")
	a.coupon = a.call(t, a.test, "POST", "/coupons", `{"code":"TEN","percentOff":10,"duration":"forever"}`).want(201).text("uuid")
	a.rate = a.call(t, a.test, "POST", "/tax-rates", `{"name":"VAT","percentage":19}`).want(201).text("uuid")
	a.customer = a.call(t, a.test, "POST", "/customers", `{"name":"Ada","currency":"EUR"}`).want(201).text("uuid")
	a.call(t, a.test, "PUT", "/customers/"+a.customer+"/payment-method", `{"provider":"manual","outcome":"succeeds"}`).want(200)
	a.invoice = a.open(t, a.test, a.customer, "EUR", 1000, 500)
	a.call(t, a.test, "GET", a.invoice.path("/pdf"), "").want(200) // who asks first makes its original: later reads write nothing
	a.table = a.call(t, a.test, "POST", "/pricing-tables", `{"productUuid":"`+a.product+`","name":"t"}`).want(201).text("uuid")
	a.keyID = a.call(t, a.admin, "POST", "/organisations/"+a.org+"/keys", `{"mode":"test","name":"spare","scopes":["plans:read"]}`).want(201).text("id")
	plan := `{"productUuid":"` + a.product + `","name":"p","displayName":"P","licenseType":"perSeat","pricingType":"paid","interval":"month","length":1,` +
		`"prices":[{"key":"a","kind":"graduated","currency":"EUR","tiers":[{"upTo":9,"unitAmount":"2"},{"upTo":null,"unitAmount":1}]}],"currencies":[{"currency":"EUR","price":5}]}`
	bodies := map[string]string{
		"POST /organisations":                         `{"name":"Beta"}`,
		"POST /organisations/{uuid}/keys":             `{"mode":"test","name":"k","scopes":["plans:read"]}`,
		"DELETE /organisations/{uuid}/keys/{id}":      "",
		"POST /organisations/{uuid}/keys/{id}/roll":   `{"overlap":60}`,
		"POST /products":                              `{"name":"n","displayName":"N","currencies":[{"currency":"usd","default":true}]}`,
		"PUT /products/{uuid}":                        `{"displayName":"Other"}`,
		"POST /plans":                                 plan,
		"PUT /plans/{uuid}":                           `{"displayName":"Other"}`,
		"POST /plans/{uuid}/versions":                 `{"prices":[{"key":"a","kind":"flat","currency":"EUR","unitAmount":7}]}`,
		"POST /features":                              `{"productUuid":"` + a.product + `","name":"g","displayName":"G","valueType":"boolean"}`,
		"PUT /features/{uuid}":                        `{"displayName":"Other"}`,
		"POST /capabilities":                          `{"productUuid":"` + a.product + `","name":"import"}`,
		"PUT /capabilities/{uuid}":                    `{"description":"Other"}`,
		"POST /meters":                                `{"key":"bytes"}`,
		"PUT /meters/{uuid}":                          `{"name":"Other"}`,
		"POST /pricing-tables":                        `{"productUuid":"` + a.product + `","name":"u","featuredPlanUuid":"` + a.seats + `","plans":[{"planUuid":"` + a.seats + `","sortOrder":1}],"features":[{"featureUuid":"` + a.feature + `","sortOrder":1}]}`,
		"PUT /pricing-tables/{uuid}":                  `{"title":"T","plans":[{"planUuid":"` + a.seats + `"}]}`,
		"POST /pricing-tables/{uuid}/archive":         "",
		"POST /coupons":                               `{"code":"FIVE","amountOff":500,"currency":"EUR","duration":"repeating","durationPeriods":3,"maxRedemptions":9,"products":["` + a.product + `"],"redeemBy":"2030-01-01T00:00:00Z","endsAt":"2031-01-01T00:00:00Z"}`,
		"PUT /coupons/{uuid}":                         `{"percentOff":"12.5","maxRedemptions":null}`,
		"POST /coupons/{uuid}/archive":                "",
		"POST /tax-rates":                             `{"name":"GST","percentage":"8.875","inclusive":true,"description":"of goods\\nand services"}`,
		"PUT /tax-rates/{uuid}":                       `{"percentage":7,"inclusive":false,"description":null}`,
		"POST /customers":                             `{"name":"Bob","email":"bob@example.com","address":{"line1":"1 Elm St","line2":"b","city":"Ulm","state":"BW","postalCode":"89073","country":"de"},"currency":"EUR","timeZone":"Europe/Berlin","taxRates":["` + a.rate + `"],"taxExempt":{"reason":"reverse charge"},"externalId":"bob-1","metadata":{"tier":"gold"}}`,
		"PUT /customers/{uuid}":                       `{"name":"Other","address":{"city":"Ulm"},"taxRates":["` + a.rate + `"],"taxExempt":{"reason":"none"},"metadata":{"a":"b"}}`,
		"PUT /customers/{uuid}/payment-method":        `{"provider":"manual","outcome":"fails"}`,
		"DELETE /customers/{uuid}/payment-method":     "",
		"POST /invoices/{uuid}/finalize":              "",
		"POST /invoices/{uuid}/void":                  "",
		"POST /invoices/{uuid}/uncollectible":         "",
		"POST /invoices/{uuid}/charge":                "",
		"POST /invoices/{uuid}/payments":              `{"amount":1,"method":"wire","reference":"R 1","paidAt":"2026-05-01T00:00:00Z"}`,
		"POST /invoices/{uuid}/debit-notes":           `{"lines":[{"lineUuid":"` + a.invoice.lines[0] + `","amount":1,"description":"more"}],"reason":"hours"}`,
		"POST /invoices/{uuid}/credit-notes":          `{"lines":[{"lineUuid":"` + a.invoice.lines[0] + `","amount":1}],"reason":"an outage"}`,
		"POST /tax-rates/{uuid}/archive":              "",
		"POST /subscriptions/{uuid}/coupon":           `{"code":"TEN"}`,
		"POST /subscriptions":                         `{"planUuid":"` + a.seats + `","quantity":2,"granteeId":"ada"}`,
		"POST /subscriptions/{uuid}/quantity":         `{"increment":1}`,
		"POST /subscriptions/{uuid}/change-plan":      `{"planUuid":"` + a.yearly + `"}`,
		"POST /subscriptions/{uuid}/cancel":           `{"when":"periodEnd"}`,
		"POST /subscriptions/{uuid}/reactivate":       "",
		"POST /subscriptions/{uuid}/activate":         "",
		"DELETE /subscriptions/{uuid}/pending-change": "",
		"POST /subscriptions/{uuid}/pause":            `{"credit":"none"}`,
		"POST /subscriptions/{uuid}/resume":           "",
		"PUT /providers/manual":                       `{"outcome":"succeeds"}`,
		"PUT /settings":                               `{"prorationMode":"day","invoiceDaysUntilDue":14,"draftHours":2,"zeroInvoices":false,"lateUsageHours":24,"graceDaysPastDue":7,"trialEndsWithoutPayment":"pause"}`,
		"PUT /clock":                                  `{"now":"2026-06-03T00:00:00Z"}`,
		"POST /billing/run":                           `{"at":"2026-06-01T00:00:00Z"}`,
		"POST /clock/advance":                         `{"to":"2026-06-04T00:00:00Z"}`,
		"POST /usage":                                 `{"records":[{"key":"u","quantity":1,"subscriptionUuid":"` + a.sub + `","meter":"calls"}]}`,
		"POST /products/{uuid}/archive":               "",
		"POST /plans/{uuid}/archive":                  "",
		"POST /features/{uuid}/archive":               "",
		"POST /capabilities/{uuid}/archive":           "",
		"POST /meters/{uuid}/archive":                 "",
	}
	for _, rt := range a.api.Dialect().Routes {
		if rt.Method == "GET" {
			continue
		}
		w := write{Route: rt, key: a.test, path: a.fill(rt.Path)}
		for _, undo := range []string{"/reactivate", "/pending-change"} {
			if strings.HasSuffix(rt.Path, undo) {
				w.path = "/subscriptions/" + ending + undo // where nothing is to come there is nothing to undo
			}
		}
		body, known := bodies[w.name()]
		require.True(t, known, "%s has no good body here", w.name())
		w.body, w.fields = body, body != ""
		w.optional = body == "" || strings.HasSuffix(rt.Path, "/roll") || strings.HasSuffix(rt.Path, "/pause") || rt.Path == "/billing/run"
		if rt.Scope == handlers.ScopeAdmin {
			w.key = a.admin
		}
		status := a.call(t, w.key, w.Method, w.path+"?dryRun=true", w.body).status
		require.Contains(t, []int{200, 201, 202}, status, "the good body of %s", w.name())
		a.writes = append(a.writes, w)
	}
	return a
}

// fill puts ids of what there is into a route's path.
func (a *attack) fill(pattern string) string {
	ids := map[string]string{"products": a.product, "plans": a.seats, "features": a.feature, "capabilities": a.capability, "meters": a.meter, "coupons": a.coupon, "tax-rates": a.rate, "customers": a.customer, "invoices": a.invoice.uuid, "pricing-tables": a.table,
		"subscriptions": a.sub, "tasks": a.sub, "organisations": a.org}
	return strings.NewReplacer("{uuid}", ids[strings.Split(pattern, "/")[1]], "{id}", a.keyID, "{position:[0-9]+}", "1").Replace(pattern)
}

// reads are the routes that change nothing, tails aside, with a key that may.
func (a *attack) reads() (all []write) {
	for _, rt := range a.api.Dialect().Routes {
		if rt.Method == "GET" && !rt.Stream {
			w := write{Route: rt, key: a.test, path: a.fill(rt.Path)}
			if rt.Scope == handlers.ScopeAdmin {
				w.key = a.admin
			}
			all = append(all, w)
		}
	}
	return all
}

// written is all that a refusal could have written, in one text.
func (g *rig) written(t *testing.T) string {
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
	g.call(t, g.test, "GET", "/head", "").want(200)
}

// send is call with a body of any bytes and every header given, repeated ones too, and none besides.
func (g *rig) send(t *testing.T, key, method, path, body string, header ...string) *result {
	t.Helper()
	r := httptest.NewRequest(method, "/ledger/v1"+path, strings.NewReader(body))
	if key != "" {
		r.Header.Set("X-Api-Key", key)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return g.serve(t, r, body)
}

func (g *rig) serve(t *testing.T, r *http.Request, body string) *result {
	t.Helper()
	w := httptest.NewRecorder()
	g.server.ServeHTTP(w, r)
	res := &result{t: t, what: r.Method + " " + r.URL.Path, status: w.Code, header: w.Header(), body: w.Body.Bytes()}
	if r.Method != "HEAD" && r.Method != "OPTIONS" {
		conforms(t, r, []byte(body), res)
	}
	return res
}

// timed posts a body whose answer is only wanted by its status: nothing but the server's work is in it.
func (g *rig) timed(t *testing.T, body *bytes.Reader) int {
	t.Helper()
	r := httptest.NewRequest("POST", "/ledger/v1/subscriptions", body)
	r.Header.Set("X-Api-Key", g.test)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	g.server.ServeHTTP(w, r)
	return w.Code
}

// jsonText is a text as JSON has it.
func jsonText(t *testing.T, s string) string {
	t.Helper()
	b, err := json.Marshal(s)
	require.NoError(t, err)
	return string(b)
}
