package salable_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever has a link can do what its page does: to get one takes the right to do that.
func TestLinksThatChangeSomethingNeedTheRightToChange(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	org := g.organisation(t)
	all, read, write := g.key(t, org, "test", allScopes()...), g.key(t, org, "test", "subscriptions:read"), g.key(t, org, "test", "subscriptions:write")
	s := g.stock(t, all)
	sub := "/subscriptions/" + g.subscribe(t, all, s.flat, "")
	for page, version := range map[string]string{"/cancelpaymentlink": "v2", "/cancel-payment-link": "v3", "/updatepaymentlink": "v2", "/update-payment-link": "v3"} {
		require.Contains(t, g.call(t, read, "GET", sub+page, "", "version", version).want(403).text("error"), "subscriptions:write")
		link := g.call(t, write, "GET", sub+page, "", "version", version).want(200).text("url")
		require.Equal(t, 200, g.visit(t, "GET", link, nil).Code)
	}
	licenses := g.key(t, org, "test", "licenses:read")
	path := "/licenses/purchaser?purchaser=mia&productUuid=" + s.product + "&expand="
	g.call(t, licenses, "GET", path+"plan", "").want(200)
	require.Contains(t, g.call(t, licenses, "GET", path+"cancelLink", "").want(403).text("error"), "subscriptions:write")
	require.Contains(t, string(g.call(t, all, "GET", path+"cancelLink", "").want(200).body), "/checkout/cancel/")
	for _, version := range []string{"v2", "v3"} {
		portal := g.call(t, read, "GET", sub+"/customer-portal", "", "version", version).want(200).text("url")
		require.Equal(t, 200, g.visit(t, "GET", portal, nil).Code)
		require.Equal(t, 405, g.visit(t, "POST", portal, url.Values{}).Code, "it only shows")
	}
}

// A plan of an archived product is sold as little as an archived plan, whoever offers it.
func TestNoLinkToAPlanOfAnArchivedProduct(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	table := g.makeTable(t, g.test, g.shop)
	offers := map[string]string{"/plans/" + g.flat + "?expand=generateCheckoutLink": "v1", "/products/" + g.product + "?expand=plans,generateCheckoutLinks": "v1",
		"/products/" + g.product + "/pricingtable" + tableQuery: "v1", "/pricing-tables/" + table + tableQuery: "v1"}
	for path, version := range offers {
		require.Contains(t, string(g.call(t, g.test, "GET", path, "", "version", version).want(200).body), "/checkout/", path)
	}
	link := g.checkoutLink(t, g.flat, "")
	require.Equal(t, 200, g.visit(t, "GET", link, nil).Code)
	g.call(t, g.test, "POST", "/ledger/v1/products/"+g.product+"/archive", "").want(200)
	for path, version := range offers {
		require.NotContains(t, string(g.call(t, g.test, "GET", path, "", "version", version).want(200).body), "/checkout/", path)
	}
	g.call(t, g.test, "GET", "/plans/"+g.flat+"/checkoutlink"+linkQuery, "").want(400)
	g.call(t, g.test, "GET", "/plans/"+g.flat+"/checkout-link"+linkQuery, "", "version", "v3").want(400)
	require.Equal(t, 409, g.visit(t, "GET", link, nil).Code)
}

// Links are made for grantees who can be given a licence.
func TestNoLinkForAGranteeWhomACheckCannotName(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for _, bad := range []string{"a,b", "[a]", " a", "%20", "a%0Ab"} {
		escaped := url.PathEscape(bad)
		if bad[0] == '%' || bad[1] == '%' {
			escaped = bad
		}
		require.Equal(t, []string{"granteeId"}, g.call(t, g.test, "GET", "/plans/"+g.flat+"/checkoutlink?successUrl=https://e.co&cancelUrl=https://e.co&member=m&granteeId="+escaped, "").properties(), bad)
		require.Equal(t, []string{"globalGranteeId"}, g.call(t, g.test, "GET", "/products/"+g.product+"/pricingtable?globalSuccessUrl=https://e.co&globalCancelUrl=https://e.co&member=m&globalGranteeId="+escaped, "").properties(), bad)
	}
	require.Equal(t, []string{"granteeId"}, g.call(t, g.test, "POST", "/checkout/create-subscription", `{"planUuid":"`+g.flat+`","email":"a@b.example","member":"m","granteeId":"a,b"}`).properties())
}
