package salable_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A link that nobody could buy by is not made, and the answer says why.
func TestWhyThereIsNoCheckoutLink(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	plan := func(more string) string {
		return g.call(t, g.test, "POST", "/ledger/v1/plans", fmt.Sprintf(`{"productUuid":%q,"name":"p","displayName":"P","licenseType":"licensed","interval":"month","length":1,%s}`,
			g.product, more)).want(201).text("uuid")
	}
	coupon := func(body string) {
		g.call(t, g.test, "POST", "/ledger/v1/coupons", body).want(201)
	}
	archived := plan(`"pricingType":"paid"`)
	g.call(t, g.test, "POST", "/ledger/v1/plans/"+archived+"/archive", "").want(200)
	link := func(plan, more string) *result {
		return g.call(t, g.test, "GET", "/plans/"+plan+"/checkoutlink?successUrl=https://a.example/s&cancelUrl=https://a.example/c&granteeId=ada&member=mia"+more, "")
	}
	for plan, why := range map[string]string{
		plan(`"pricingType":"free"`):                          "this plan is free: there is nothing to pay for by a checkout",
		plan(`"pricingType":"paid","planType":"Coming soon"`): "this plan is announced and not sold yet",
		plan(`"pricingType":"paid","active":false`):           "this plan is not sold any more", archived: "this plan is not sold any more",
	} {
		require.Equal(t, why, link(plan, "").want(400).text("error"))
	}
	require.Equal(t, []string{"currency"}, link(g.flat, "&currency=EUR").properties())

	g.makeCoupon(t, g.test, "TEN")
	coupon(`{"code":"PAST","percentOff":"5","duration":"once","redeemBy":"2026-06-01T12:00:10Z"}`)
	coupon(`{"code":"FIRST","percentOff":"5","duration":"once","maxRedemptions":1}`)
	coupon(`{"code":"EURO","amountOff":100,"currency":"EUR","duration":"once"}`)
	g.subscribe(t, g.test, g.flat, `,"coupon":"FIRST"`)
	link(g.flat, "&promoCode=PAST").want(200)
	g.pass(time.Minute)
	for _, code := range []string{"NOPE", "PAST", "FIRST", "EURO"} {
		require.Equal(t, []string{"promoCode"}, link(g.flat, "&promoCode="+code).properties(), code)
	}
	link(g.upgrade, "&currency=EUR&promoCode=EURO").want(200)
	require.Equal(t, `{"validationErrors":[{"property":"owner","error":"is required"}]}`,
		string(g.call(t, g.test, "GET", "/products/"+g.product+"/pricing-table", "", "version", "v3").want(400).body))
}

// The page says what a code takes off and what is left to pay; one that has been submitted shows what it made.
func TestTheCheckoutPageShowsTheDiscountThenTheSubscription(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.call(t, g.test, "POST", "/ledger/v1/coupons", `{"code":"THIRD","percentOff":"30","duration":"repeating","durationPeriods":3}`).want(201)
	g.call(t, g.test, "POST", "/ledger/v1/coupons", `{"code":"FIVER","amountOff":500,"currency":"USD","duration":"forever"}`).want(201)
	link := g.checkoutLink(t, g.perSeat, "&quantity=3&promoCode=THIRD")
	page := g.visit(t, "GET", link, nil).Body.String()
	for _, text := range []string{"<dd>THIRD</dd>", "30 % off the first 3 periods", "<dt>Discount</dt><dd>9.00 USD</dd>", "<dt>Total</dt><dd>21.00 USD</dd>",
		"begin when you send this form", "access once the seller has recorded your payment"} {
		require.Contains(t, page, text)
	}
	page = g.visit(t, "GET", g.checkoutLink(t, g.flat, "&promoCode=FIVER"), nil).Body.String()
	require.Contains(t, page, "5.00 USD off every period")
	require.Contains(t, page, "<dt>Total</dt><dd>10.00 USD</dd>")
	require.Contains(t, g.visit(t, "GET", g.checkoutLink(t, g.flat, ""), nil).Body.String(), "<dt>Total</dt><dd>15.00 USD</dd>")

	require.Equal(t, http.StatusSeeOther, g.visit(t, "POST", link, url.Values{"email": {"mia@example.com"}}).Code)
	before := g.written(t)
	page = g.visit(t, "GET", link, nil).Body.String()
	for _, text := range []string{"waiting for its first payment", "<dd>3</dd>", "Test mode", "<dd>INV-000001</dd>", "<dt>To pay</dt><dd>21.00 USD</dd>", "Pay 21.00 USD (test)"} {
		require.Contains(t, page, text)
	}
	require.Equal(t, before, g.written(t))
	sub := g.call(t, g.test, "GET", "/ledger/v1/subscriptions", "").want(200).text("data", 0, "uuid")
	g.call(t, g.test, "POST", "/ledger/v1/subscriptions/"+sub+"/activate", "").want(200)
	g.call(t, g.test, "POST", "/ledger/v1/plans/"+g.perSeat+"/archive", "").want(200)
	require.Equal(t, "https://shop.example/thanks?a=1", g.visit(t, "GET", link, nil).Header().Get("Location"), "whatever has become of the plan")
	g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/cancel?when=now", "").want(204)
	require.Contains(t, g.visit(t, "GET", link, nil).Body.String(), "<dd>ended</dd>")
}

func TestPagesSayThatTheyAreOfATest(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	live := g.key(t, g.organisation(t), "live", allScopes()...)
	theirs := g.stock(t, live)
	for key, plan := range map[string]string{g.test: g.flat, live: theirs.flat} {
		sub := g.subscribe(t, key, plan, "")
		secret := g.call(t, key, "POST", "/checkout/create-subscription", fmt.Sprintf(`{"planUuid":%q,"member":"mia"}`, plan)).want(201).text("clientSecret")
		links := []string{"/checkout/payment/" + secret}
		for _, of := range []string{"customer-portal", "updatepaymentlink", "cancelpaymentlink"} {
			links = append(links, g.call(t, key, "GET", "/subscriptions/"+sub+"/"+of, "").want(200).text("url"))
		}
		for _, link := range links {
			require.Equal(t, key == g.test, strings.Contains(g.visit(t, "GET", link, nil).Body.String(), "Test mode"), link)
		}
		require.Equal(t, key == g.test, strings.Contains(g.visit(t, "POST", links[3], nil).Body.String(), "Test mode"))
	}
}

// Only what can be cancelled has a link for it, which cancels that; all links together take one question.
func TestCancelLinksOfPurchasedLicenses(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	going, ending := g.subscribe(t, g.test, g.perSeat, `,"quantity":3`), g.subscribe(t, g.test, g.flat, "")
	g.call(t, g.test, "PUT", "/subscriptions/"+ending+"/cancel", "").want(204)
	g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada"}`, g.flat)).want(201)
	list := "/licenses/purchaser?purchaser=mia&productUuid=" + g.product
	got := g.call(t, g.test, "GET", list+"&expand=cancelLink", "").want(200)
	links := map[string]bool{}
	require.Len(t, got.at(), 5)
	for _, l := range got.at().([]any) {
		l := l.(map[string]any)
		require.Contains(t, l, "cancelLink")
		require.NotContains(t, l, "subscription")
		if l["subscriptionUuid"] == going {
			links[l["cancelLink"].(string)] = true
		} else {
			require.Nil(t, l["cancelLink"])
		}
	}
	require.Len(t, links, 1)
	require.NotContains(t, string(g.call(t, g.test, "GET", list, "").want(200).body), "cancelLink")
	require.Equal(t, g.asks(t, list)+1, g.asks(t, list+"&expand=cancelLink"))
	for link := range links {
		require.Contains(t, g.visit(t, "POST", link, nil).Body.String(), "stays usable until")
	}
	require.Equal(t, "true", g.call(t, g.test, "GET", "/subscriptions/"+going, "").want(200).text("cancelAtPeriodEnd"))
}

// A grantee with a comma could never be asked for: nothing is given to one, by any route.
func TestAGranteeHasNoComma(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	sub := g.subscribe(t, g.test, g.perSeat, `,"granteeId":"ada"`)
	lic := g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ben"}`, g.flat)).want(201).text("uuid")
	before := g.written(t)
	grant := fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"a,b"}`, g.flat)
	for name, got := range map[string]*result{
		"granteeId":      g.call(t, g.test, "POST", "/licenses", grant),
		"0.granteeId":    g.call(t, g.test, "POST", "/licenses", "["+grant+"]"),
		"granteeId ":     g.call(t, g.test, "PUT", "/licenses/"+lic, `{"granteeId":"a,b"}`),
		"0.granteeId ":   g.call(t, g.test, "PUT", "/licenses", fmt.Sprintf(`[{"uuid":%q,"granteeId":"a,b"}]`, lic)),
		"0.granteeId  ":  g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/manage-seats", `[{"type":"assign","granteeId":"a,b"}]`),
		"0.newGranteeId": g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/manage-seats", `[{"type":"replace","granteeId":"ada","newGranteeId":"a,b"}]`),
		"granteeId  ":    g.call(t, g.test, "POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"owner":"mia","granteeId":"a,b"}`, g.flat)),
		"granteeId   ":   g.call(t, g.test, "POST", "/checkout/create-subscription", grant),
		"granteeId    ":  g.call(t, g.test, "GET", "/plans/"+g.flat+"/checkoutlink?successUrl=https://a.example/s&cancelUrl=https://a.example/c&member=mia&granteeId=a,b", ""),
	} {
		require.Equal(t, []string{strings.TrimSpace(name)}, got.properties(), "%s", got.what)
	}
	require.Equal(t, before, g.written(t))
	g.call(t, g.test, "GET", "/licenses/granteeId/a,b", "").want(200)
}

// HEAD is answered as GET is, without a body: lists that are streamed too.
func TestHeadIsAnsweredWhereGetIs(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	server := httptest.NewServer(g.server)
	t.Cleanup(server.Close)
	ask := func(method, path string) (int, http.Header, int) {
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, http.NoBody)
		require.NoError(t, err)
		r.Header.Set("X-Api-Key", g.test)
		res, err := server.Client().Do(r)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		for _, own := range []string{"Date", "Request-Id", "Ratelimit-Remaining", "Ratelimit-Reset"} {
			res.Header.Del(own)
		}
		return res.StatusCode, res.Header, len(body)
	}
	for _, path := range []string{"/", "/products", "/products/" + g.product, "/licenses", "/licenses/count", "/licenses/check?productUuid=" + g.product + "&granteeIds=ada",
		"/licenses/purchaser?purchaser=mia&productUuid=" + g.product, "/plans/" + g.flat + "/features", "/nothing", "/ledger/v1/products", "/ledger/v1/head", "/docs", "/healthz"} {
		status, header, size := ask("GET", path)
		head, same, none := ask("HEAD", path)
		require.Equal(t, status, head, path)
		require.Equal(t, header, same, path)
		require.Zero(t, none, path)
		require.True(t, size > 0 || status == 204, path)
	}
	status, header, _ := ask("HEAD", "/ledger/v1/events/stream")
	require.Equal(t, 200, status)
	require.Equal(t, "text/event-stream", header.Get("Content-Type"))
}
