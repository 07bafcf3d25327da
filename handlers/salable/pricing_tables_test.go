package salable_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	tableQuery = "?globalSuccessUrl=https://e.example/s&globalCancelUrl=https://e.example/c&globalGranteeId=g1&member=m1&owner=m1"
	linkQuery  = "?successUrl=https://e.example/s&cancelUrl=https://e.example/c&granteeId=g1&member=m1&owner=m1"
)

// makeTable makes a pricing table of two plans.
func (g *rig) makeTable(t testing.TB, key string, s shop) string {
	t.Helper()
	return g.call(t, key, "POST", "/ledger/v1/pricing-tables", fmt.Sprintf(`{"productUuid":%q,"name":"main","title":"Plans","featuredPlanUuid":%q,
		"features":[{"featureUuid":%q,"sortOrder":1},{"featureUuid":%q}],"plans":[{"planUuid":%q,"sortOrder":2},{"planUuid":%q,"sortOrder":1}]}`,
		s.product, s.upgrade, s.seats, s.storage, s.upgrade, s.flat)).want(201).text("uuid")
}

func TestPricingTablesOnTheWire(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	soon := g.call(t, g.test, "POST", "/ledger/v1/plans", fmt.Sprintf(`{"productUuid":%q,"name":"soon","displayName":"Soon","pricingType":"paid","planType":"Coming soon",
		"licenseType":"licensed","interval":"month","length":1}`, g.product)).want(201).text("uuid")
	free := g.call(t, g.test, "POST", "/ledger/v1/plans", fmt.Sprintf(`{"productUuid":%q,"name":"free","displayName":"Free","pricingType":"free",
		"licenseType":"licensed","interval":"month","length":1}`, g.product)).want(201).text("uuid")
	gone := g.call(t, g.test, "POST", "/ledger/v1/plans", fmt.Sprintf(`{"productUuid":%q,"name":"gone","displayName":"Gone","pricingType":"free",
		"licenseType":"licensed","interval":"month","length":1}`, g.product)).want(201).text("uuid")
	g.call(t, g.test, "POST", "/ledger/v1/plans/"+gone+"/archive", "").want(200)
	table := "/pricing-tables/" + g.makeTable(t, g.test, g.shop)
	of := "/products/" + g.product + "/pricingtable"

	got := g.call(t, g.test, "GET", of+tableQuery, "").want(200)
	var order []string
	for _, p := range got.at("plans").([]any) {
		p := p.(map[string]any)
		order = append(order, p["displayName"].(string))
		if id := p["uuid"]; id == free || id == soon {
			require.Empty(t, p["checkoutUrl"], "nobody pays for %s", p["displayName"])
		} else {
			require.Contains(t, p["checkoutUrl"], "http://example.com/checkout/")
		}
	}
	require.Equal(t, []string{"Free", "Trial", "Metered", "Per seat", "Flat", "Flat Plus", "Soon"}, order, "free ones, by price, and what comes soon")
	got = g.call(t, g.test, "GET", table+tableQuery, "").want(200)
	require.Equal(t, []any{g.flat, g.upgrade, g.storage}, []any{got.at("plans", 0, "planUuid"), got.at("plans", 1, "planUuid"), got.at("features", 0, "featureUuid")})

	// v3 asks for an owner, and shows what they have; its fields are fewer.
	g.subscribe(t, g.test, g.upgrade, "") // mia's
	for _, path := range []string{table, "/products/" + g.product + "/pricing-table"} {
		require.Equal(t, []string{"owner"}, g.call(t, g.test, "GET", path, "", "version", "v3").properties())
		got := g.call(t, g.test, "GET", path+"?owner=mia", "", "version", "v3").want(200)
		seen := map[string]any{}
		for _, p := range got.at("plans").([]any) {
			p := p.(map[string]any)
			if nested, ok := p["plan"].(map[string]any); ok {
				p = nested
			}
			require.NotContains(t, p, "planType")
			seen[p["uuid"].(string)] = p["isSubscribed"]
		}
		require.Equal(t, []any{true, false}, []any{seen[g.upgrade], seen[g.flat]}, path)
	}
	g.call(t, g.test, "GET", of, "", "version", "v3").want(404)

	// As clients of all ages send them.
	for _, query := range []string{"?&" + tableQuery[1:], "?globalSuccessUrl='https://e.example/s'&globalCancelUrl='https://e.example/c'&globalGranteeId=&member=",
		tableQuery + "&successUrls=%5B" + g.flat + ",https://e.example/s2%5D&cancelUrls=" + g.flat + ",https://e.example/c2&granteeIds=[" + g.flat + ",g2," + g.upgrade + ",g3]",
		tableQuery + "&granteeIds=" + g.flat + ",g2" + g.upgrade + ",g3&promoCode=&customerEmail=&allowPromoCode=&currency="} {
		g.call(t, g.test, "GET", of+query, "").want(200)
		g.call(t, g.test, "GET", table+query, "").want(200)
	}
	require.ElementsMatch(t, []string{"globalSuccessUrl", "globalCancelUrl", "globalGranteeId", "member"}, g.call(t, g.test, "GET", table, "").properties())
	require.ElementsMatch(t, []string{"globalSuccessUrl", "globalCancelUrl", "globalGranteeId"}, g.call(t, g.test, "GET", of, "").properties())
	for _, path := range []string{of, table} {
		g.call(t, g.test, "GET", path+"?granteeId=g1&currency=USD", "", "version", "v2").want(200)
		g.call(t, g.test, "GET", path, "", "version", "v2").want(200)
		require.Equal(t, []string{"currency"}, g.call(t, g.test, "GET", path+tableQuery+"&currency=JPY", "").properties())
		require.ElementsMatch(t, []string{"successUrls", "granteeIds", "customerEmail", "allowPromoCode"},
			g.call(t, g.test, "GET", path+tableQuery+"&successUrls="+g.flat+",javascript:x&granteeIds=x&customerEmail=x&promoCode=a&allowPromoCode=true", "").properties())
	}
	g.call(t, g.test, "POST", "/ledger/v1"+table+"/archive", "").want(200)
	g.call(t, g.test, "GET", table+tableQuery, "").want(404)
}

func TestB57_CheckoutLinks(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	live := g.key(t, g.organisation(t), "live", allScopes()...)
	there := g.stock(t, live)
	link := func(key, plan, success, more string) *result {
		return g.call(t, key, "GET", "/plans/"+plan+"/checkoutlink?cancelUrl=https://e.example/c&granteeId=g1&member=m1&successUrl="+url.QueryEscape(success)+more, "")
	}
	for _, good := range []string{"https://e.example", "https://e.example:8443/a?b=c#d", "http://localhost:3000/x", "http://127.0.0.1", "http://[::1]:80/"} {
		require.Contains(t, link(g.test, g.flat, good, "").want(200).text("checkoutUrl"), "/checkout/")
	}
	for _, bad := range []string{"javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "ftp://e.example", "//e.example/x", "/x", "https:", "https:///x", "https://user@e.example",
		"https://e.example@evil.example", "https://u:p@e.example", "http://e.example", "http://localhost.evil.example", "https://e.example/\\x", "https://e.example/ x", "https://e.example/\"><script>",
		"https://e.example/" + strings.Repeat("x", 3000), "file:///etc/passwd", "https:e.example", "vbscript:x"} {
		require.Equal(t, []string{"successUrl"}, link(g.test, g.flat, bad, "").properties(), bad)
	}
	require.Equal(t, []string{"successUrl"}, link(live, there.flat, "http://localhost/x", "").properties(), "http is for tests")
	require.ElementsMatch(t, []string{"successUrl", "cancelUrl", "granteeId", "member"}, g.call(t, g.test, "GET", "/plans/"+g.flat+"/checkoutlink", "").properties())
	require.Equal(t, []string{"quantity"}, link(g.test, g.perSeat, "https://e.example", "&quantity=1").properties(), "below the minimum")
	require.Equal(t, []string{"quantity"}, link(g.test, g.perSeat, "https://e.example", "&quantity=151").properties())
	require.Equal(t, []string{"currency"}, link(g.test, g.flat, "https://e.example", "&currency=GBP").properties())
	link(g.test, g.flat, "https://e.example", "&quantity=7").want(200) // it does not matter there
	link(g.test, g.flat, "https://e.example", "&currency=EUR").want(400)
	link(g.test, g.evaluation, "https://e.example", "&vatNumber=1&couponCode=x").want(200)
	g.call(t, g.test, "GET", "/plans/"+g.flat+"/checkout-link?successUrl=https://e.example&cancelUrl=https://e.example&granteeId=g&owner=o", "", "version", "v3").want(200)
	free := g.call(t, g.test, "GET", "/plans/"+g.elsewherePlan+"/checkoutlink"+linkQuery, "").want(400)
	require.NotEmpty(t, free.text("error"))

	one := g.call(t, g.test, "GET", "/plans/"+g.flat+"?expand=generateCheckoutLink", "").want(200)
	require.Contains(t, one.text("checkoutUrl"), "/checkout/")
	all := g.call(t, g.test, "GET", "/products/"+g.product+"?expand=plans,generateCheckoutLinks", "").want(200)
	require.Contains(t, all.text("plans", 0, "checkoutUrl"), "/checkout/")
	require.NotContains(t, string(g.call(t, g.test, "GET", "/products/"+g.product+"?expand=plans", "").body), "checkoutUrl")
}
