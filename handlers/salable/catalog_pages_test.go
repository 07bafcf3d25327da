package salable_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// deprecated are the fields that v3 has no more, of products, plans and features.
var deprecated = []string{"appType", "trialDays", "evaluation", "active", "planType", "environment", "paddlePlanId", "salablePlan"}

func TestCatalogOfV3(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	get := func(path string) *result { return g.call(t, g.test, "GET", path, "", "version", "v3").want(200) }
	get("/products").golden("products_v3")
	get("/products/" + g.product + "?expand=currencies.currency,organisationPaymentIntegration").golden("product_v3")
	get("/plans/" + g.upgrade + "?expand=features.feature,features.enumValue,currencies.currency,product").golden("plan_v3")
	get("/plans?productUuid=" + g.product + "&take=2").golden("plans_v3")
	get("/features?productUuid=" + g.product).golden("features_v3")
	sub := g.subscribe(t, g.test, g.upgrade, `,"granteeId":"ada"`)
	for _, path := range []string{"/products", "/products/" + g.product, "/plans", "/plans/" + g.upgrade, "/features?productUuid=" + g.product,
		"/subscriptions/" + sub + "?expand=product,plan.features.feature", "/subscriptions?expand=product,plan"} {
		for _, field := range deprecated {
			require.NotContains(t, string(get(path).body), `"`+field+`":`, path)
		}
	}
	require.Nil(t, get("/subscriptions/"+sub+"?expand=product,plan.features.feature").at("plan", "features", 0, "feature", "name"))
	for _, path := range []string{"/plans", "/features?productUuid=" + g.product} {
		for _, version := range []string{"v1", "v2"} {
			require.Contains(t, g.call(t, g.test, "GET", path, "", "version", version).want(404).text("error"), "is of v3")
		}
	}
}

func TestCatalogPagesOfV3(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	list := func(path string) []string {
		return g.call(t, g.test, "GET", path, "", "version", "v3").want(200).idsOf()
	}
	g.call(t, g.test, "POST", "/ledger/v1/plans/"+g.metered+"/archive", "").want(200)
	of := "/plans?productUuid=" + g.product
	require.Equal(t, []string{g.flat, g.upgrade, g.perSeat, g.metered, g.evaluation}, list(of))
	require.Equal(t, []string{g.flat, g.upgrade, g.perSeat, g.evaluation}, list(of+"&archived=false"))
	require.Equal(t, []string{g.metered}, list(of+"&archived=true"))
	require.Equal(t, []string{g.evaluation, g.metered}, list(of+"&sort=desc&take=2"))
	require.Equal(t, []string{g.perSeat, g.upgrade}, list(of+"&sort=desc&take=2&cursor="+g.metered))
	require.Len(t, list("/plans"), 6)
	require.Equal(t, []string{g.product}, list("/products?take=1"))
	require.Len(t, list("/products?cursor="+g.product), 1)
	require.Empty(t, list("/products?archived=true"))
	require.Equal(t, []string{g.storage, g.seats}, list("/features?sort=desc&productUuid="+g.product))
	require.EqualValues(t, 3, g.asks(t, of, "version", "v3"), "plans, features, sales")
}

// A plan tells whether an owner has it, when one is asked about.
func TestIsSubscribed(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	sub := g.subscribe(t, g.test, g.flat, "")
	has := func(plan, owner string) string {
		return g.call(t, g.test, "GET", "/plans/"+plan+"?owner="+owner, "", "version", "v3").want(200).text("isSubscribed")
	}
	require.Equal(t, "true false false", strings.Join([]string{has(g.flat, "mia"), has(g.upgrade, "mia"), has(g.flat, "noa")}, " "))
	require.Empty(t, has(g.flat, ""), "nobody is asked about")
	page := g.call(t, g.test, "GET", "/plans?owner=mia&take=2", "", "version", "v3").want(200)
	require.Equal(t, "true false", page.text("data", 0, "isSubscribed")+" "+page.text("data", 1, "isSubscribed"))
	g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/cancel?when=end", "").want(204)
	require.Equal(t, "true", has(g.flat, "mia"))
	g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/cancel?when=now", "").want(204)
	require.Equal(t, "false", has(g.flat, "mia"))
}
