package salable_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// Every bad field is named at once.
func TestBadInputs(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	sub := g.subscribe(t, g.test, g.perSeat, `,"granteeId":"ada"`)
	lic := g.seatsOf(t, g.test, sub)[0]
	seats, check := "/subscriptions/"+sub+"/seats", "/licenses/check?productUuid="+g.product
	usage := func(more string) string {
		return fmt.Sprintf(`{"licenseUuid":%q,"countOptions":{"increment":%s}}`, lic, more)
	}
	g.call(t, g.test, "PUT", "/licenses/"+lic, `{"granteeId":"ada"}`, "unique-key", "used").want(200)
	before := g.call(t, g.test, "GET", "/ledger/v1/head", "").text("position")
	for name, tt := range map[string]struct {
		method, path, body string
		header             []string
		want               []string // properties; nil: a plain error
	}{
		"version":                   {"GET", "/products", "", []string{"version", "v7"}, []string{"version"}},
		"two versions":              {"GET", "/products", "", []string{"version", "v1,v3"}, []string{"version"}},
		"expand":                    {"GET", "/products/" + g.product + "?expand=plans,nope", "", nil, []string{"expand"}},
		"expand, in another case":   {"GET", "/plans/" + g.flat + "?expand=Features", "", nil, []string{"expand"}},
		"a query that is not UTF-8": {"GET", "/licenses?status=%ff", "", nil, nil},
		"status":                    {"GET", "/licenses?status=gone", "", nil, []string{"status"}},
		"take and cursor":           {"GET", "/licenses?take=-1&cursor=x", "", []string{"version", "v2"}, []string{"cursor", "take"}},
		"take, too many":            {"GET", "/licenses?take=1e9", "", []string{"version", "v2"}, []string{"take"}},
		"count":                     {"GET", "/licenses/count?subscriptionUuid=1&status=x", "", nil, []string{"subscriptionUuid", "status"}},
		"purchaser":                 {"GET", "/licenses/purchaser", "", nil, []string{"productUuid", "purchaser"}},
		"grantee in the path":       {"GET", "/licenses/granteeId/a%0ab", "", nil, []string{"granteeId"}},
		"options of a checkout": {"GET", "/plans/" + g.flat + "?successUrl=here&cancelUrl=/x&customerEmail=x&allowPromoCode=maybe&automaticTax=1", "", nil,
			[]string{"successUrl", "cancelUrl", "customerEmail", "allowPromoCode", "automaticTax"}},
		"a promotion twice":          {"GET", "/products/" + g.product + "/plans?promoCode=P&allowPromoCode=true", "", nil, []string{"allowPromoCode"}},
		"a currency that is not its": {"GET", "/plans/" + g.flat + "?currency=JPY", "", nil, []string{"currency"}},
		"the same of a product":      {"GET", "/products/" + g.product + "/plans?currency=gbp", "", nil, []string{"currency"}},
		"invoices, take and cursor":  {"GET", "/subscriptions/" + sub + "/invoices?take=0&cursor=in_1", "", []string{"version", "v2"}, []string{"take", "cursor"}},
		"v3's products":              {"GET", "/products?archived=maybe&sort=up&take=0&cursor=x", "", []string{"version", "v3"}, []string{"archived", "sort", "take", "cursor"}},
		"v3's plans":                 {"GET", "/plans?productUuid=x&archived=1&sort=up&take=101&cursor=x", "", nil, []string{"productUuid", "archived", "sort", "take", "cursor"}},
		"v3's features":              {"GET", "/features", "", nil, []string{"productUuid"}},
		"v3's plan":                  {"GET", "/plans/" + g.flat + "?expand=capabilities", "", []string{"version", "v3"}, []string{"expand"}},
		"v3's product":               {"GET", "/products/" + g.product + "?expand=plans", "", []string{"version", "v3"}, []string{"expand"}},
		"usage records": {"GET", "/usage?type=past&status=gone&planUuid=1&subscriptionUuid=2&sort=up&take=101&cursor=x", "", nil,
			[]string{"granteeId", "type", "status", "planUuid", "subscriptionUuid", "sort", "take", "cursor"}},
		"usage of nobody": {"GET", "/usage/current", "", []string{"version", "v3"}, []string{"granteeId", "planUuid"}},
		"list of subscriptions": {"GET", "/subscriptions?status=gone&productUuid=1&planUuid=2&sort=up&take=101&cursor=x&expand=seats", "", []string{"version", "v2"},
			[]string{"status", "productUuid", "planUuid", "sort", "take", "cursor", "expand"}},
		"a subscription, nothing": {"POST", "/subscriptions", `{}`, []string{"version", "v3"}, []string{"planUuid", "owner"}},
		"a subscription, all of it": {"POST", "/subscriptions", `{"planUuid":"x","owner":1,"granteeId":"","expiryDate":"soon","cancelAtPeriodEnd":"no","quantity":-1,"status":"PAUSED"}`,
			[]string{"version", "v2"}, []string{"planUuid", "owner", "granteeId", "expiryDate", "cancelAtPeriodEnd", "quantity", "status"}},
		"a subscription that is over": {"POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"owner":"o","expiryDate":"2020-01-01T00:00:00Z"}`, g.flat), nil, []string{"expiryDate"}},
		"a trial of no length":        {"POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"owner":"o","status":"TRIALING"}`, g.flat), nil, []string{"status"}},
		"no owner":                    {"PUT", "/subscriptions/" + sub, `{"owner":null}`, nil, []string{"owner"}},
		"no part of the seats":        {"GET", seats + "?take=0&cursor=1", "", []string{"version", "v2"}, []string{"take", "cursor"}},
		"seats by grantee, no list":   {"PUT", "/subscriptions/" + sub + "/manage-seats", `{}`, nil, []string{"body"}},
		"seats by grantee, unread":    {"PUT", "/subscriptions/" + sub + "/manage-seats", `[{"type":"swap"},7,{"type":"replace","granteeId":"a"}]`, nil, []string{"0.type", "0.granteeId", "1", "2.newGranteeId"}},
		"seats by grantee, unheld": {"PUT", "/subscriptions/" + sub + "/manage-seats",
			`[{"type":"assign","granteeId":"x"},{"type":"assign","granteeId":"y"},{"type":"unassign","granteeId":"z"}]`, nil, []string{"1.granteeId", "2.granteeId"}},
		"v3's seats, neither": {"POST", seats, `{}`, []string{"version", "v3"}, []string{"increment"}},
		"v3's seats, both":    {"POST", seats, `{"increment":1,"decrement":1,"proration":"some"}`, []string{"version", "v3"}, []string{"decrement", "proration"}},
		"when":                {"PUT", "/subscriptions/" + sub + "/cancel?when=soon", "", nil, []string{"when"}},

		"check without anything":    {"GET", "/licenses/check", "", nil, []string{"productUuid", "granteeIds"}},
		"check, an empty id":        {"GET", check + "&granteeIds=a,,b", "", nil, []string{"granteeIds"}},
		"check, empty brackets":     {"GET", check + "&granteeIds=[]", "", nil, []string{"granteeIds"}},
		"check, too many ids":       {"GET", check + "&granteeIds=" + strings.Repeat("a,", 100) + "a", "", nil, []string{"granteeIds"}},
		"check, grace of no days":   {"GET", check + "&granteeIds=a&grace=0", "", nil, []string{"grace"}},
		"check, half a day's grace": {"GET", check + "&granteeIds=a&grace=1.5", "", nil, []string{"grace"}},
		"check, grace in words":     {"GET", check + "&granteeIds=a&grace=two", "", nil, []string{"grace"}},

		"no body":               {"POST", "/licenses", "", nil, nil},
		"not JSON":              {"POST", "/licenses", "{", nil, nil},
		"a duplicate key":       {"POST", seats, `{"increment":1,"increment":2}`, nil, []string{"increment"}},
		"a key in another case": {"POST", seats, `{"increment":1,"Increment":2}`, nil, []string{"Increment"}},
		"U+0000":                {"PUT", "/licenses/" + lic, `{"granteeId":"a\u0000"}`, nil, nil},
		"null for an object":    {"POST", "/licenses", "null", nil, []string{"body"}},
		"a text for an object":  {"PUT", "/usage", `"x"`, nil, []string{"body", "unique-key"}},

		"seats, nothing":           {"POST", seats, `{}`, nil, []string{"increment"}},
		"seats, below one":         {"POST", seats, `{"increment":0,"proration":"some"}`, nil, []string{"increment", "proration"}},
		"seats, in words":          {"PUT", seats, `{"decrement":"1"}`, nil, []string{"decrement"}},
		"seats, 2^63":              {"POST", seats, `{"increment":9223372036854775808}`, nil, []string{"increment"}},
		"seats, above the maximum": {"POST", seats, `{"increment":149}`, nil, nil},
		"seats, below the minimum": {"PUT", seats, `{"decrement":1}`, nil, nil},
		"change-plan":              {"PUT", "/subscriptions/" + sub + "/change-plan", `{"planUuid":"x","proration":1}`, nil, []string{"planUuid", "proration"}},
		"change-plan, elsewhere":   {"PUT", "/subscriptions/" + sub + "/change-plan", fmt.Sprintf(`{"planUuid":%q}`, g.elsewherePlan), nil, []string{"planUuid"}},
		"oldest form":              {"PUT", "/subscriptions", `{}`, nil, []string{"subscriptionId", "newPlanId"}},
		"oldest form, elsewhere":   {"PUT", "/subscriptions", fmt.Sprintf(`{"newPlanId":%q,"subscriptionId":%q}`, g.elsewherePlan, sub), nil, []string{"newPlanId"}},
		"licence":                  {"POST", "/licenses", `{"planUuid":"x","granteeId":""}`, nil, []string{"planUuid", "member", "granteeId"}},
		"licence, e-mail":          {"POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"m\n","granteeId":null,"email":"x"}`, g.flat), nil, []string{"member", "email"}},
		"licence, at both ends":    {"POST", "/licenses", `{"planUuid":"x","member":"","granteeId":null,"email":"bad"}`, nil, []string{"planUuid", "member", "email"}},
		"licences, at both ends":   {"POST", "/licenses", `[{"planUuid":"x","member":"m","granteeId":null,"email":"bad"},7]`, nil, []string{"0.planUuid", "1", "0.email"}},
		"licence of v2":            {"POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"m","granteeId":null,"status":"GONE","endTime":"2026-02-30T00:00:00Z"}`, g.flat), []string{"version", "v2"}, []string{"status", "endTime"}},
		"licences, none":           {"POST", "/licenses", `[]`, nil, []string{"body"}},
		"licences, 1,001":          {"POST", "/licenses", "[" + strings.Repeat("{},", 1000) + "{}]", nil, []string{"body"}},
		"licences, each bad":       {"POST", "/licenses", `[{"planUuid":1,"member":"m","granteeId":null},7]`, nil, []string{"0.planUuid", "1"}},
		"updates, an object":       {"PUT", "/licenses", `{}`, nil, []string{"body"}},
		"update without grantee":   {"PUT", "/licenses/" + lic, `{}`, nil, []string{"granteeId"}},
		"update, 256 bytes":        {"PUT", "/licenses/" + lic, `{"granteeId":"` + strings.Repeat("é", 128) + `"}`, nil, []string{"granteeId"}},
		"update, a control":        {"PUT", "/licenses/" + lic, `{"granteeId":"a\tb"}`, nil, []string{"granteeId"}},
		"cancel many, no list":     {"POST", "/licenses/cancel", `{"uuids":"x"}`, nil, []string{"uuids"}},
		"cancel many, a bad id":    {"POST", "/licenses/cancel", `{"uuids":["x"]}`, nil, []string{"uuids.0"}},
		"cancel of a seat":         {"DELETE", "/licenses/" + lic, "", nil, nil},
		"usage without key":        {"PUT", "/usage", usage("1"), nil, []string{"unique-key"}},
		"usage, an empty key":      {"PUT", "/usage", usage("1"), []string{"unique-key", ""}, []string{"unique-key"}},
		"usage, a key of 256":      {"PUT", "/usage", usage("1"), []string{"unique-key", strings.Repeat("k", 256)}, []string{"unique-key"}},
		"usage, a key of letters":  {"PUT", "/usage", usage("1"), []string{"unique-key", "ключ"}, []string{"unique-key"}},
		"usage, below one":         {"PUT", "/usage", usage("-1"), []string{"unique-key", "k"}, []string{"countOptions.increment"}},
		"usage, a half":            {"PUT", "/usage", usage("0.5"), []string{"unique-key", "k"}, []string{"countOptions.increment"}},
		"usage, 1e999999999":       {"PUT", "/usage", usage("1e999999999"), []string{"unique-key", "k"}, nil},
		"usage of v2, half a pair": {"PUT", "/usage", `{"granteeId":"ada","countOptions":{"increment":1}}`, []string{"unique-key", "k", "version", "v2"}, []string{"planUuid"}},
		"a key with another body":  {"PUT", "/licenses/" + lic, `{"granteeId":"eve"}`, []string{"unique-key", "used"}, []string{"unique-key"}},
		"a key on another route":   {"POST", seats, `{"increment":1}`, []string{"idempotency-key", "used"}, []string{"unique-key"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := g.call(t, g.test, tt.method, tt.path, tt.body, tt.header...).want(400)
			if tt.want == nil {
				require.NotEmpty(t, got.text("error"))
				return
			}
			require.ElementsMatch(t, tt.want, got.properties(), "%s", got.body)
		})
	}
	require.Equal(t, before, g.call(t, g.test, "GET", "/ledger/v1/head", "").text("position"), "a refusal writes nothing")
}

// Who sends something else where a list belongs is told that.
func TestB10_AListIsAskedForByThatName(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for path, body := range map[string]string{"/rbac/roles": `"name":"n","permissions":%s`, "/rbac/users": `"id":"u","permissions":%s`, "/rbac/permissions": `"value":"v","dependencies":%s`} {
		for _, value := range []string{`"x"`, `7`, `true`} {
			got := g.call(t, g.test, "POST", path, "{"+fmt.Sprintf(body, value)+"}").want(400)
			require.Contains(t, string(got.body), `"error":"is not a list: want `, "%s %s", path, value)
			require.Len(t, got.properties(), 1)
		}
	}
	require.Contains(t, g.call(t, "", "GET", "/products", "").want(401).text("error"), "x-api-key")
}

// Clients send fields that are not theirs to set, or that an older API had: they are neither refused nor kept.
func TestB11_ForeignFieldsAreIgnored(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	id := g.call(t, g.test, "POST", "/licenses?planUuid=x&isTest=false", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada","uuid":%q,
		"isTest":false,"status":"CANCELED","endTime":"2099-01-01T00:00:00Z","organisation":"x","capabilities":[],"__proto__":{"x":1}}`, g.flat, uuid.NewString())).
		want(201).text("uuid")
	got := g.call(t, g.test, "GET", "/licenses/"+id+"?unknown=1&unknown=2", "").want(200)
	require.Equal(t, "true ACTIVE 2026-07-01", fmt.Sprint(got.text("isTest"), " ", got.text("status"), " ", got.text("endTime")[:10]))
	require.Len(t, got.at("capabilities"), 1)
	events := string(g.call(t, g.test, "GET", "/ledger/v1/events?limit=1000", "").body)
	for _, foreign := range []string{"2099", "__proto__", "organisation"} {
		require.NotContains(t, events, foreign)
	}
}

// So it is on every route that writes: with the fields and without them, the same is done, and no table has any of them.
func TestB11_ForeignFieldsAreKeptNowhere(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	a.spent = true
	const marker = "marker-of-an-attack"
	asked := asksFor(t)
	for _, w := range a.bodied() {
		var foreign []string
		for _, field := range []string{"id", "uuid", "tenantId", "tenant_id", "ledgerUuid", "organisation", "status", "createdAt", "updatedAt", "price", "isTest", "version", "position",
			"hash", "secret", "role", "admin", "$where", "metadata", "__proto__", "unitAmount", "quantity", "owner", "purchaser", "capabilities", "type", "paymentService"} {
			if !slices.Contains(asked[w.name()], field) {
				foreign = append(foreign, fmt.Sprintf("%q:%q", field, marker))
			}
		}
		got := a.call(t, a.test, w.Method, w.path+"?isTest=false&tenantId="+marker, w.with(strings.Join(foreign, ",")), "unique-key", "foreign "+w.name())
		if w.name() != "PUT /licenses/cancel" && w.name() != "PUT /licenses/{licenseUuid}" && w.name() != "PUT /usage" { // of what the routes before them have ended
			require.Less(t, got.status, 300, "%s: %s", w.name(), got.body)
		}
		require.NotContains(t, string(got.body), marker)
	}
	require.Empty(t, a.holding(t, []string{marker}))
	require.NotContains(t, a.log.String(), marker)
}

func TestB10_WhoMayCall(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	org := g.organisation(t)
	for _, route := range g.api.Dialect().Routes {
		path := fill(route.Path, func(string) string { return uuid.NewString() })
		t.Run(route.Method+" "+route.Path, func(t *testing.T) {
			got := g.call(t, "", route.Method, path, "").want(401)
			require.NotEmpty(t, got.text("error"))
			g.call(t, "test_no-such-key", route.Method, path, "").want(401)

			var others []string
			for _, s := range allScopes() {
				if s != route.Scope {
					others = append(others, s)
				}
			}
			got = g.call(t, g.key(t, org, "test", others...), route.Method, path, "").want(403)
			require.NotEmpty(t, got.text("error"))
			require.NotContains(t, []int{401, 403}, g.call(t, g.key(t, org, "test", route.Scope), route.Method, path, "{}").status)
		})
	}
	retired := g.key(t, org, "test", "write:usage")
	g.call(t, retired, "PUT", "/usage", "{}").want(400)
}

func TestB78_UnknownRoutes(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for _, call := range []string{"GET /nope", "DELETE /subscriptions", "GET /products/", "PATCH /licenses", "DELETE /usage",
		"GET //licenses", "DELETE /events/" + g.product} {
		method, path, _ := strings.Cut(call, " ")
		got := g.call(t, g.test, method, path, "")
		got.want(404)
		require.Equal(t, `{"error":"not found"}`, string(got.body), call)
	}
	for _, tt := range []struct{ version, method, path, want string }{
		{"v1", "GET", "/subscriptions", "GET /subscriptions is of v2 and v3, and this request of v1: send the header version"},
		{"v2", "GET", "/plans", "GET /plans is of v3, and this request of v2: send the header version"},
		{"v3", "GET", "/licenses", "GET /licenses is of v1 and v2, and this request of v3: send the header version"},
		{"v3", "GET", "/licenses/check", "GET /licenses/check is of v1 and v2, and this request of v3: send the header version"},
		{"v1", "GET", "/entitlements/check", "GET /entitlements/check is of v3, and this request of v1: send the header version"},
		{"v1", "GET", "/usage?granteeId=ada", "GET /usage is of v2 and v3, and this request of v1: send the header version"},
	} {
		require.Equal(t, tt.want, g.call(t, g.test, tt.method, tt.path, "", "version", tt.version).want(404).text("error"))
		require.Equal(t, 401, g.call(t, "", tt.method, tt.path, "", "version", tt.version).status, "nobody without a key learns it")
	}
	mine, nobodys := "/subscriptions/"+g.subscribe(t, g.test, g.flat, "")+"/seats/count", "/subscriptions/"+uuid.NewString()+"/seats/count"
	require.Equal(t, string(g.call(t, g.test, "GET", nobodys, "", "version", "v1").want(404).body), string(g.call(t, g.test, "GET", mine, "", "version", "v1").want(404).body), "nor who has an id")
	require.Equal(t, 400, g.call(t, g.test, "TRACE", "/products", "").status)
}

func TestB55_BrowsersMayCall(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	got := g.call(t, "", "OPTIONS", "/licenses/check", "", "Origin", "https://shop.example", "Access-Control-Request-Method", "GET",
		"Access-Control-Request-Headers", "x-api-key,version,unique-key,content-type")
	require.Equal(t, http.StatusNoContent, got.status)
	require.Equal(t, "*", got.header.Get("Access-Control-Allow-Origin"))
	for _, name := range []string{"x-api-key", "version", "unique-key", "content-type"} {
		require.Contains(t, got.header.Get("Access-Control-Allow-Headers"), name)
	}
	require.Empty(t, got.header.Get("Access-Control-Allow-Credentials"))

	body := fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada"}`, g.flat)
	for range 2 {
		got = g.call(t, g.test, "POST", "/licenses", body, "Origin", "https://shop.example", "unique-key", "browser").want(201)
	}
	require.Equal(t, "true", got.header.Get("Idempotency-Replayed"))
	for _, name := range []string{"Idempotency-Replayed", "Ledger-Position", "Event-Uuid", "Request-Id"} {
		require.Contains(t, got.header.Get("Access-Control-Expose-Headers"), name)
	}
}
