package salable_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestListsOfProductsAndPlans(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for path, name := range map[string]string{
		"/products/" + g.product + "/features": "product_features", "/products/" + g.product + "/currencies": "product_currencies",
		"/products/" + g.product + "/capabilities": "product_capabilities", "/plans/" + g.upgrade + "/features": "plan_features",
		"/plans/" + g.upgrade + "/currencies": "plan_currencies", "/plans/" + g.upgrade + "/capabilities": "plan_capabilities",
	} {
		g.call(t, g.test, "GET", path, "").want(200).golden(name)
		require.Contains(t, g.call(t, g.test, "GET", path, "", "version", "v3").want(404).text("error"), "is of v1 and v2", path)
	}
	plans := g.call(t, g.test, "GET", "/products/"+g.product+"/plans?expand=capabilities.capability,features.feature,features.enumValue,currencies.currency"+
		"&successUrl=https://e.co/s&cancelUrl=https://e.co/c&granteeId=g&member=m&customerEmail=a@b.co&promoCode=P&currency=EUR&automaticTax=true", "").want(200)
	expanded := g.call(t, g.test, "GET", "/products/"+g.product+"?expand=plans.capabilities.capability,plans.features.feature,plans.features.enumValue,plans.currencies.currency", "").want(200)
	require.Equal(t, expanded.at("plans"), plans.at(), "the same plans as below their product")
	require.Len(t, g.call(t, g.test, "GET", "/products/"+g.product+"/plans", "").want(200).at(), 5)
	for _, list := range []string{"plans", "features", "currencies", "capabilities"} {
		require.Equal(t, `{"error":"product not found"}`, string(g.call(t, g.test, "GET", "/products/"+uuid.NewString()+"/"+list, "").want(404).body))
	}
	for _, list := range []string{"features", "currencies", "capabilities"} {
		require.Equal(t, `{"error":"plan not found"}`, string(g.call(t, g.test, "GET", "/plans/"+uuid.NewString()+"/"+list, "").want(404).body))
		require.Equal(t, "[]", string(g.call(t, g.test, "GET", "/plans/"+g.elsewherePlan+"/"+list, "").want(200).body), "an empty list is a list")
	}
}

// However many plans there are, what they are shown with takes one statement each.
func TestRelationsTakeOneStatementEach(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	path := "/products/" + g.product + "/plans?expand=capabilities.capability,features.feature,features.enumValue,currencies.currency,product.currencies"
	few := g.asks(t, path)
	for i := range 20 {
		g.call(t, g.test, "POST", "/ledger/v1/plans", fmt.Sprintf(`{"productUuid":%q,"name":"p%d","displayName":"P","pricingType":"free","licenseType":"licensed","interval":"month",
			"length":1,"capabilities":[%q],"features":[{"featureUuid":%q,"value":"true"}]}`, g.product, i, g.read, g.seats)).want(201)
	}
	require.Len(t, g.call(t, g.test, "GET", path, "").want(200).at(), 25)
	require.Equal(t, few, g.asks(t, path))
	require.EqualValues(t, 6, few, "product, plans, capabilities, features, sales, products")
}

// A plan was bought once a subscription on it gives access, in the currency of that subscription, for ever.
func TestAcceptedTransactions(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	bought := func(plan string) string {
		p := g.call(t, g.test, "GET", "/plans/"+plan+"?expand=currencies.currency", "").want(200)
		all := p.text("hasAcceptedTransaction")
		for i := range p.at("currencies").([]any) {
			if p.text("currencies", i, "hasAcceptedTransaction") == "true" {
				all += " " + p.text("currencies", i, "currency", "shortName")
			}
		}
		return all
	}
	require.Equal(t, "false", bought(g.upgrade))
	sub := g.subscribe(t, g.test, g.flat, "")
	require.Equal(t, "true USD", bought(g.flat))
	require.Equal(t, "false", bought(g.upgrade))
	g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/change-plan", fmt.Sprintf(`{"planUuid":%q}`, g.upgrade)).want(204)
	require.Equal(t, "true USD", bought(g.upgrade))
	g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/cancel?when=now", "").want(204)
	require.Equal(t, "true USD", bought(g.flat), "it stays so")
	g.subscribe(t, g.test, g.upgrade, `,"currency":"EUR"`)
	require.Equal(t, "true USD EUR", bought(g.upgrade))
	require.Equal(t, "false", bought(g.metered))
}

// What is listed can be moved to, and of what is not listed only private plans can. The rule is the domain's, and proved there.
func TestSwitchablePlans(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	plan := func(more string) string {
		return g.call(t, g.test, "POST", "/ledger/v1/plans", fmt.Sprintf(`{"productUuid":%q,"name":"p","displayName":"P","pricingType":"free","licenseType":"licensed",
			"interval":"month","length":1%s}`, g.product, more)).want(201).text("uuid")
	}
	soon, private, inactive, archived := plan(`,"planType":"Coming soon"`), plan(`,"visibility":"private"`), plan(`,"active":false`), plan("")
	g.call(t, g.test, "POST", "/ledger/v1/plans/"+archived+"/archive", "").want(200)
	sub := g.subscribe(t, g.test, g.flat, "")
	list := "/subscriptions/" + sub + "/updateplan/listplans"
	listed := func() (ids []string) {
		for _, p := range g.call(t, g.test, "GET", list, "").want(200).at().([]any) {
			ids = append(ids, p.(map[string]any)["uuid"].(string))
		}
		return ids
	}
	open := []string{g.upgrade, g.perSeat, g.metered, g.evaluation}
	require.Equal(t, open, listed())
	g.call(t, g.test, "GET", list, "").golden("switchable_plans")
	require.Equal(t, 404, g.call(t, g.test, "GET", list, "", "version", "v3").status)
	for _, id := range []string{soon, inactive, archived, g.elsewherePlan} {
		g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/updateplan/"+id, "").want(400)
	}
	for _, id := range []string{g.upgrade, g.metered, g.evaluation, private, g.flat} {
		g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/updateplan/"+id, "").want(204)
	}
	require.Equal(t, open, listed())
	g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/updateplan/"+g.perSeat, "").want(204)
	require.Empty(t, listed(), "two seats are no one licence, and there is no other plan by the seat")
	seats := func(least, most int) string {
		return g.call(t, g.test, "POST", "/ledger/v1/plans", fmt.Sprintf(`{"productUuid":%q,"name":"s","displayName":"S","pricingType":"free","licenseType":"perSeat",
			"perSeatAmount":%d,"maxSeatAmount":%d,"interval":"month","length":1}`, g.product, least, most)).want(201).text("uuid")
	}
	larger, smaller := seats(4, -1), seats(1, 1)
	require.Equal(t, []string{larger}, listed())
	g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/updateplan/"+smaller, "").want(400)
	g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/updateplan/"+larger, "").want(204)
	require.Equal(t, []string{g.perSeat}, listed())
	g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/cancel?when=now", "").want(204)
	require.Empty(t, listed(), "after the end there is none")
}

// A subscription has invoices once something is billed, and the payment method of its customer if there is one.
func TestInvoicesAndPaymentMethods(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	id := g.subscribe(t, g.test, g.evaluation, "")
	sub := "/subscriptions/" + id
	for _, version := range []string{"v1", "v2", "v3"} {
		invoices := g.call(t, g.test, "GET", sub+"/invoices?take=1", "", "version", version).want(200)
		require.Equal(t, `{"first":null,"last":null,"hasMore":false,"data":[]}`, string(invoices.body))
		require.Equal(t, `{"error":"the subscription has no payment method"}`, string(g.call(t, g.test, "GET", sub+"/payment-method", "", "version", version).want(404).body))
		for _, of := range []string{"/invoices", "/payment-method"} {
			require.Equal(t, `{"error":"subscription not found"}`, string(g.call(t, g.test, "GET", "/subscriptions/"+uuid.NewString()+of, "", "version", version).want(404).body))
		}
	}
	sub = "/subscriptions/" + g.subscribe(t, g.test, g.flat, `,"email":"mia@example.com"`)
	customer := g.customerOf(t, sub)
	g.call(t, g.test, "PUT", "/ledger/v1/customers/"+customer, `{"name":"Mia","address":{"city":"Ulm","country":"DE"}}`).want(200)
	g.call(t, g.test, "PUT", "/ledger/v1/customers/"+customer+"/payment-method", `{"provider":"manual","outcome":"succeeds"}`).want(200)
	for _, version := range []string{"v1", "v2", "v3"} {
		g.call(t, g.test, "GET", sub+"/payment-method", "", "version", version).want(200).golden("payment_method")
	}
	g.call(t, g.test, "DELETE", "/ledger/v1/customers/"+customer+"/payment-method", "").want(200)
	g.call(t, g.test, "GET", sub+"/payment-method", "").want(404)
}
