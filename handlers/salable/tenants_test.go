package salable_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

var variable = regexp.MustCompile(`\{(\w+)\}`)

// fill puts values in for a pattern's variables.
func fill(pattern string, value func(name string) string) string {
	return variable.ReplaceAllStringFunc(pattern, func(v string) string { return value(strings.Trim(v, "{}")) })
}

// Another ledger's id, wherever a request can carry one, is answered exactly as an id that nobody has.
func TestB01_B02_ForeignIDsAreUnknownIDs(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	theirs := map[string]map[string]string{} // by whose: ids by what they name
	ours := g.subscribe(t, g.test, g.perSeat, `,"granteeId":"ada"`)
	org := g.organisation(t)
	var zoe struct{ key, license, upgrade string }
	for name, key := range map[string]string{"another organisation's": g.key(t, g.organisation(t), "test", allScopes()...),
		"the live ledger's of ours": g.key(t, org, "live", allScopes()...)} {
		s := g.stock(t, key)
		sub := g.subscribe(t, key, s.perSeat, `,"granteeId":"zoe"`)
		adHoc := g.call(t, key, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"zoe"}`, s.flat)).want(201).text("uuid")
		zoe.key, zoe.license, zoe.upgrade = key, adHoc, s.upgrade
		event := g.call(t, key, "POST", "/subscriptions/"+sub+"/seats", `{"increment":1}`).want(201).text("eventUuid")
		theirs[name] = map[string]string{"productUuid": s.product, "planUuid": s.flat, "subscriptionUuid": sub, "licenseUuid": adHoc,
			"eventUuid": event, "granteeId": "zoe", "seat": g.seatsOf(t, key, sub)[0], "couponUuid": g.makeCoupon(t, key, "TEN"), "pricingTableUuid": g.makeTable(t, key, s)}
		theirs[name]["permissionUuid"], theirs[name]["roleUuid"] = g.access(t, key, "zoe")
		theirs[name]["userUuid"] = "zoe"
	}
	g.subscribe(t, g.test, g.flat, "")
	mine := map[string]string{"productUuid": g.product, "planUuid": g.flat, "subscriptionUuid": ours, "granteeId": "ada", "seat": g.seatsOf(t, g.test, ours)[0]}
	mine["licenseUuid"] = g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada"}`, g.flat)).want(201).text("uuid")
	for key, upgrade := range map[string]string{g.test: g.upgrade, zoe.key: zoe.upgrade} { // it has features
		g.call(t, key, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":%q}`, upgrade, map[bool]string{true: "ada", false: "zoe"}[key == g.test])).want(201)
	}
	mine["eventUuid"] = g.call(t, g.test, "POST", "/subscriptions/"+ours+"/seats", `{"increment":1}`).want(201).text("eventUuid")
	g.call(t, g.test, "PUT", "/usage", fmt.Sprintf(`{"licenseUuid":%q,"countOptions":{"increment":1}}`, mine["licenseUuid"]), "unique-key", "ours")
	g.call(t, g.test, "PUT", "/usage", fmt.Sprintf(`{"licenseUuid":%q,"countOptions":{"increment":1}}`, mine["seat"]), "unique-key", "ours, of a seat").want(204)
	coupon := g.makeCoupon(t, g.test, "TEN")
	mine["pricingTableUuid"] = g.makeTable(t, g.test, g.shop)
	mine["permissionUuid"], mine["roleUuid"] = g.access(t, g.test, "ada")
	mine["userUuid"] = "ada"
	unknown := map[string]string{"granteeId": "nobody", "userUuid": "nobody"}
	for _, name := range []string{"productUuid", "planUuid", "subscriptionUuid", "licenseUuid", "eventUuid", "seat", "couponUuid", "pricingTableUuid", "permissionUuid", "roleUuid"} {
		unknown[name] = uuid.Must(uuid.NewV7()).String()
	}
	// Bodies and queries in which routes carry ids: each %s is one of the names, in order.
	type request struct {
		query, body string
		names       []string
	}
	carries := map[string][]request{
		"GET /plans":                            {{"?productUuid=%s", "", []string{"productUuid"}}},
		"GET /features":                         {{"?productUuid=%s", "", []string{"productUuid"}}},
		"GET /subscriptions":                    {{"?productUuid=%s&expand=product,plan,licenses", "", []string{"productUuid"}}, {"?planUuid=%s", "", []string{"planUuid"}}},
		"POST /subscriptions":                   {{"", `{"planUuid":"%s","owner":"o","granteeId":"g"}`, []string{"planUuid"}}},
		"PUT /subscriptions/{subscriptionUuid}": {{"", `{"owner":"o"}`, nil}},
		"PUT /subscriptions/{subscriptionUuid}/manage-seats": {{"", `[{"type":"assign","granteeId":"x"}]`, nil}, {"", `[{"type":"unassign","granteeId":"%s"}]`, []string{"granteeId"}}},
		"PUT /subscriptions": {{"", `{"newPlanId":"%s","subscriptionId":"` + ours + `"}`, []string{"planUuid"}},
			{"", `{"newPlanId":"` + g.flat + `","subscriptionId":"%s"}`, []string{"subscriptionUuid"}}},
		"PUT /subscriptions/{subscriptionUuid}/change-plan": {{"", `{"planUuid":"` + g.flat + `"}`, nil}, {"", `{"planUuid":"%s"}`, []string{"planUuid"}}},
		"POST /subscriptions/{subscriptionUuid}/seats":      {{"", `{"increment":1}`, nil}},
		"PUT /subscriptions/{subscriptionUuid}/seats":       {{"", `{"decrement":1}`, nil}},
		"GET /plans/{planUuid}/checkoutlink":                {{linkQuery, "", nil}},
		"GET /plans/{planUuid}/checkout-link":               {{linkQuery, "", nil}},
		"GET /pricing-tables/{pricingTableUuid}":            {{tableQuery, "", nil}},
		"GET /products/{productUuid}/pricingtable":          {{tableQuery, "", nil}},
		"GET /products/{productUuid}/pricing-table":         {{"?owner=mia", "", nil}},
		"POST /sessions":                                 {{"", `{"scope":"web-components:invoices","metadata":{"subscriptionUuid":"%s"}}`, []string{"subscriptionUuid"}}},
		"POST /checkout/create-subscription":             {{"", `{"planUuid":"%s"}`, []string{"planUuid"}}},
		"POST /checkout/create-subscription-intent":      {{"", `{"planUuid":"%s"}`, []string{"planUuid"}}},
		"POST /subscriptions/{subscriptionUuid}/coupons": {{"", `{"couponUuid":"` + coupon + `"}`, nil}, {"", `{"couponUuid":"%s"}`, []string{"couponUuid"}}},
		"PUT /subscriptions/{subscriptionUuid}/coupons":  {{"", `{"couponUuid":"` + coupon + `"}`, nil}, {"", `{"couponUuid":"%s"}`, []string{"couponUuid"}}},
		"GET /subscriptions/{subscriptionUuid}":          {{"?expand=product,plan,licenses", "", nil}},
		"GET /products/{productUuid}":                    {{"?expand=currencies", "", nil}},
		"GET /licenses": {{"?subscriptionUuid=%s", "", []string{"subscriptionUuid"}}, {"?planUuid=%s", "", []string{"planUuid"}},
			{"?productUuid=%s", "", []string{"productUuid"}}, {"?granteeId=%s", "", []string{"granteeId"}}},
		"POST /licenses": {{"", `{"planUuid":"%s","member":"m","granteeId":null}`, []string{"planUuid"}},
			{"", `[{"planUuid":"%s","member":"m","granteeId":null}]`, []string{"planUuid"}}},
		"PUT /licenses":         {{"", `[{"uuid":"%s","granteeId":"x"}]`, []string{"licenseUuid"}}, {"", `[{"uuid":"%s","granteeId":"x"}]`, []string{"seat"}}},
		"GET /licenses/count":   {{"?subscriptionUuid=%s", "", []string{"subscriptionUuid"}}},
		"POST /licenses/cancel": {{"", `{"uuids":["%s","%s"]}`, []string{"licenseUuid", "seat"}}},
		"PUT /licenses/cancel":  {{"", `{"uuids":["%s"]}`, []string{"licenseUuid"}}},
		"GET /licenses/check": {{"?productUuid=%s&granteeIds=ada", "", []string{"productUuid"}},
			{"?productUuid=" + g.product + "&granteeIds=%s", "", []string{"granteeId"}}},
		"GET /entitlements/check": {{"?productUuid=%s&granteeIds=ada", "", []string{"productUuid"}},
			{"?productUuid=" + g.product + "&granteeIds=%s", "", []string{"granteeId"}}},
		"GET /licenses/purchaser":     {{"?purchaser=mia&productUuid=%s", "", []string{"productUuid"}}},
		"PUT /licenses/{licenseUuid}": {{"", `{"granteeId":"x"}`, nil}},
		"PUT /usage": {{"", `{"licenseUuid":"%s","countOptions":{"increment":1}}`, []string{"licenseUuid"}},
			{"", `{"licenseUuid":"%s","countOptions":{"increment":1}}`, []string{"seat"}},
			{"", `{"granteeId":"%s","planUuid":"%s","countOptions":{"increment":1}}`, []string{"granteeId", "planUuid"}}},
		"GET /usage": {{"?granteeId=%s", "", []string{"granteeId"}}, {"?granteeId=ada&planUuid=%s", "", []string{"planUuid"}},
			{"?granteeId=ada&subscriptionUuid=%s", "", []string{"subscriptionUuid"}}},
		"GET /usage/current":                     {{"?granteeId=%s&planUuid=%s", "", []string{"granteeId", "planUuid"}}},
		"PUT /rbac/permissions/{permissionUuid}": {{"", `{"value":"x"}`, nil}},
	}
	for name, body := range map[string]string{"POST /rbac/roles": `"name":"x"`, "PUT /rbac/roles/{roleUuid}": `"name":"x"`, "POST /rbac/users": `"id":"x"`, "PUT /rbac/users/{userUuid}": `"name":"x"`} {
		for _, links := range []string{`["%s"]`, `{"add":["%s"]}`, `{"remove":["%s"]}`} {
			carries[name] = append(carries[name], request{"", `{` + body + `,"permissions":` + links + `}`, []string{"permissionUuid"}})
		}
		if strings.Contains(name, "users") {
			carries[name] = append(carries[name], request{"", `{` + body + `,"role":"%s"}`, []string{"roleUuid"}})
		}
	}
	n := 0
	ask := func(method, pattern, query, body string, names []string, ids map[string]string, version string) *result {
		var values []any
		for _, name := range names {
			values = append(values, ids[name])
		}
		path := fill(pattern, func(name string) string { return ids[name] })
		n++
		if query != "" {
			query = fmt.Sprintf(query, values[:strings.Count(query, "%s")]...)
		} else if body != "" {
			body = fmt.Sprintf(body, values...)
		}
		return g.call(t, g.test, method, path+query, body, "version", version, "unique-key", fmt.Sprint("key ", n))
	}
	before := g.written(t)
	asked := asksFor(t)
	for _, route := range g.api.Versions() {
		name := route.Method + " " + route.Path
		require.Contains(t, asked, name, "the sources say what a route asks for")
		requests := carries[name]
		if requests == nil {
			requests = append(requests, request{})
		}
		for _, field := range asked[name] { // wherever a request of this route may have an id, one of those above has it
			kind, names := named[field]
			require.True(t, names != slices.Contains(unnamed, field), "%s: say in named what %q names, or in unnamed that it names nothing", name, field)
			if !names || slices.Contains(free, name+" "+field) || variable.MatchString(route.Path) && strings.Contains(route.Path, "{"+field+"}") {
				continue
			}
			require.True(t, slices.ContainsFunc(requests, func(req request) bool {
				carried := strings.Contains(req.query, field+"=%s") || strings.Contains(req.body, `"`+field+`":"%s"`) || strings.Contains(req.body, `"`+field+`":["%s"`)
				return carried && slices.Contains(req.names, kind)
			}), "%s: no request has another ledger's %s", name, field)
		}
		for whose, ids := range theirs {
			for i, req := range requests {
				for _, version := range route.In {
					if slices.Contains([]string{"GET /products", "GET /rbac/permissions", "POST /rbac/permissions", "GET /rbac/roles", "GET /rbac/users"}, name) ||
						name == "GET /licenses" && version == "v1" {
						continue // takes no id
					}
					t.Run(fmt.Sprintf("%s %s, %d, %s, %s", route.Method, route.Path, i, whose, version), func(t *testing.T) {
						want := ask(route.Method, route.Path, req.query, req.body, req.names, unknown, version)
						got := ask(route.Method, route.Path, req.query, req.body, req.names, ids, version)
						require.Less(t, want.status, 500)
						if route.Method == "GET" { // ours makes a difference, so theirs could
							require.NotEqual(t, string(want.body), string(ask(route.Method, route.Path, req.query, req.body, req.names, mine, version).body))
						}
						require.Equal(t, want.status, got.status, "%s: %s", got.what, got.body)
						require.Equal(t, string(want.body), string(got.body), got.what)
						want.header.Del("Request-Id")
						got.header.Del("Request-Id")
						require.Equal(t, want.header, got.header)
					})
				}
			}
		}
	}
	require.Equal(t, before, g.written(t), "nothing was written in any ledger")
	require.Equal(t, "zoe", g.call(t, zoe.key, "GET", "/licenses/"+zoe.license, "").want(200).text("granteeId"), "nobody reached it")
}
