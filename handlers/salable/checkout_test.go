package salable_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// visit opens a page, or submits its form.
func (g *rig) visit(t testing.TB, method, link string, form url.Values) *httptest.ResponseRecorder {
	t.Helper()
	u, err := url.Parse(link)
	require.NoError(t, err)
	r := httptest.NewRequest(method, u.EscapedPath(), strings.NewReader(form.Encode()))
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	g.pass(time.Millisecond)
	w := httptest.NewRecorder()
	g.server.ServeHTTP(w, r)
	if w.Code < 300 || w.Code >= 400 {
		require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
		require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'; style-src 'sha256-")
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		require.NotContains(t, w.Body.String(), "<script")
	}
	require.Equal(t, "no-referrer", w.Header().Get("Referrer-Policy"))
	return w
}

func (g *rig) checkoutLink(t testing.TB, plan, more string) string {
	t.Helper()
	return g.call(t, g.test, "GET", "/plans/"+plan+"/checkoutlink?successUrl=https://shop.example/thanks%3Fa%3D1&cancelUrl=https://shop.example/back&granteeId=ada&member=mia"+more, "").want(200).text("checkoutUrl")
}

// A paid plan whose price was forgotten is not given away.
func TestPlansWithoutAPriceHaveNoLink(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	plan := g.call(t, g.test, "POST", "/ledger/v1/plans", fmt.Sprintf(`{"productUuid":%q,"name":"q","displayName":"Q","licenseType":"licensed",
		"pricingType":"paid","interval":"month","length":1}`, g.product)).want(201).text("uuid")
	refused := g.call(t, g.test, "GET", "/plans/"+plan+"/checkoutlink?successUrl=https://e.example/s&cancelUrl=https://e.example/c&granteeId=ada&member=mia", "").want(400)
	require.Contains(t, string(refused.body), "has no price")
	g.call(t, g.test, "PUT", "/ledger/v1/plans/"+plan, `{"prices":[{"key":"base","kind":"flat","currency":"USD","unitAmount":"700"}]}`).want(200)
	require.NotEmpty(t, g.checkoutLink(t, plan, ""))
}

func TestACheckoutBeginsASubscriptionOnce(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	link := g.checkoutLink(t, g.perSeat, "&quantity=3&customerEmail=mia@example.com")
	seen := g.visit(t, "GET", link, nil)
	require.Equal(t, 200, seen.Code)
	for _, text := range []string{"Atlas", "Per seat", "10.00 USD per seat and month", "<dd>3</dd>", `value="mia@example.com"`, "Test mode", `href="https://shop.example/back"`} {
		require.Contains(t, seen.Body.String(), text)
	}
	require.Contains(t, seen.Header().Get("Content-Security-Policy"), "form-action 'self' https://shop.example;")
	before := g.written(t)
	require.Equal(t, 400, g.visit(t, "POST", link, url.Values{"email": {"nobody"}}).Code)
	require.Equal(t, 413, g.visit(t, "POST", link, url.Values{"email": {strings.Repeat("x", 20_000)}}).Code)
	require.Equal(t, before, g.written(t), "a refusal writes nothing")

	got := atOnce(8, func(i int) int {
		w := g.visit(t, "POST", link, url.Values{"email": {fmt.Sprint("mia", i, "@example.com")}, "quantity": {"150"}})
		require.Equal(t, link[strings.LastIndex(link, "/")+1:], w.Header().Get("Location"), "the page of the link, which tells what is to be paid")
		return w.Code
	})
	require.Equal(t, map[int]int{http.StatusSeeOther: 8}, got)
	subs := g.call(t, g.test, "GET", "/ledger/v1/subscriptions?status=incomplete", "").want(200).at("data").([]any)
	require.Len(t, subs, 1, "once, however often it is submitted")
	sub := subs[0].(map[string]any)
	require.Equal(t, "3 mia USD", fmt.Sprint(sub["quantity"], " ", sub["owner"], " ", sub["currency"]), "what the seller fixed stays")
	id := sub["uuid"].(string)
	require.Equal(t, "INCOMPLETE", g.call(t, g.test, "GET", "/subscriptions/"+id, "").want(200).text("status"))
	require.Equal(t, 204, g.call(t, g.test, "GET", "/licenses/check?productUuid="+g.product+"&granteeIds=ada", "").status, "no access before it is paid")
	require.Equal(t, "ACTIVE", g.call(t, g.test, "POST", "/ledger/v1/subscriptions/"+id+"/activate", "").want(200).text("status"))
	require.Equal(t, "ACTIVE", g.call(t, g.test, "POST", "/ledger/v1/subscriptions/"+id+"/activate", "").want(200).text("status"))
	g.call(t, g.test, "GET", "/licenses/check?productUuid="+g.product+"&granteeIds=ada", "").want(200)
	paid := g.visit(t, "GET", link, nil)
	require.Equal(t, http.StatusSeeOther, paid.Code)
	require.Equal(t, "https://shop.example/thanks?a=1", paid.Header().Get("Location"))
}

func TestCheckoutFormsAndCodes(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.makeCoupon(t, g.test, "TEN")
	link := g.checkoutLink(t, g.perSeat, "&changeQuantity=true&allowPromoCode=true")
	for code, want := range map[string]string{"NOPE": "not known", "a\x00b": "cannot be read"} {
		got := g.visit(t, "POST", link, url.Values{"email": {"a@b.example"}, "code": {code}})
		require.Equal(t, 400, got.Code)
		require.Contains(t, got.Body.String(), want)
	}
	for _, n := range []string{"1", "151", "x", "-1", "99999999999999999999"} {
		require.Equal(t, 400, g.visit(t, "POST", link, url.Values{"email": {"a@b.example"}, "quantity": {n}}).Code, n)
	}
	hostile := g.visit(t, "POST", link, url.Values{"email": {`"><script>alert(1)</script>`}, "code": {`<b>`}, "quantity": {"1"}})
	require.NotContains(t, hostile.Body.String(), "<script>")
	require.NotContains(t, hostile.Body.String(), "<b>")
	require.Equal(t, http.StatusSeeOther, g.visit(t, "POST", link, url.Values{"email": {"a@b.example"}, "code": {"TEN"}, "quantity": {"4"}}).Code)
	sub := g.call(t, g.test, "GET", "/ledger/v1/subscriptions", "").want(200)
	require.Equal(t, "4 TEN a@b.example", sub.text("data", 0, "quantity")+" "+sub.text("data", 0, "coupons", 0, "code")+" "+sub.text("data", 0, "email"))

	fixed := g.checkoutLink(t, g.flat, "&promoCode=TEN")
	require.Contains(t, g.visit(t, "GET", fixed, nil).Body.String(), "<dd>TEN</dd>")

	// A name of the seller's is text, whatever it looks like.
	plan := g.call(t, g.test, "POST", "/ledger/v1/plans", fmt.Sprintf(`{"productUuid":%q,"name":"x","displayName":"<img src=x onerror=alert(1)>","description":"<script>1</script>","pricingType":"paid",
		"licenseType":"licensed","interval":"month","length":1,"currencies":[{"currency":"USD","price":5}]}`, g.product)).want(201).text("uuid")
	page := g.visit(t, "GET", g.checkoutLink(t, plan, ""), nil).Body.String()
	require.NotContains(t, page, "<img")
	require.Contains(t, page, "0.05 USD per month")
	stale := g.checkoutLink(t, plan, "")
	g.call(t, g.test, "POST", "/ledger/v1/plans/"+plan+"/archive", "").want(200)
	require.Equal(t, 409, g.visit(t, "POST", stale, url.Values{"email": {"a@b.example"}}).Code)
}

// There is one price, wherever it is shown: that of today for who may buy, that of its own plan version for a subscription.
func TestPagesShowThePriceThatCounts(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	plan := g.call(t, g.test, "POST", "/ledger/v1/plans", fmt.Sprintf(`{"productUuid":%q,"name":"p","displayName":"P","pricingType":"paid","licenseType":"licensed",
		"interval":"month","length":1,"currencies":[{"currency":"USD","price":777}]}`, g.product)).want(201).text("uuid")
	sub := g.subscribe(t, g.test, plan, "")
	shows := func(headline, toBuy, bought string) {
		t.Helper()
		require.Equal(t, headline, g.call(t, g.test, "GET", "/plans/"+plan+"/currencies", "").want(200).text(0, "price"))
		require.Contains(t, g.visit(t, "GET", g.checkoutLink(t, plan, ""), nil).Body.String(), toBuy)
		for _, page := range []string{"customer-portal", "updatepaymentlink", "cancelpaymentlink"} {
			link := g.call(t, g.test, "GET", "/subscriptions/"+sub+"/"+page, "", "version", "v2").want(200).text("url")
			require.Contains(t, g.visit(t, "GET", link, nil).Body.String(), bought, page)
		}
	}
	shows("777", "7.77 USD per month", "7.77 USD per month")
	g.call(t, g.test, "PUT", "/ledger/v1/plans/"+plan, `{"currencies":[{"currency":"USD","price":99900}]}`).want(200)
	shows("99900", "999.00 USD per month", "7.77 USD per month")
	g.call(t, g.test, "POST", "/ledger/v1/plans/"+plan+"/versions", `{"prices":[{"key":"base","kind":"flat","currency":"USD","unitAmount":"1234"}]}`).want(200)
	shows("1234", "12.34 USD per month", "7.77 USD per month")
	g.call(t, g.test, "POST", "/ledger/v1/meters", `{"key":"calls"}`).want(201)
	g.call(t, g.test, "POST", "/ledger/v1/plans/"+plan+"/versions", `{"prices":[{"key":"calls","kind":"graduated","currency":"USD","meter":"calls","tiers":[{"upTo":null,"unitAmount":"3"}]}]}`).want(200)
	shows("99900", "by tiers, from 0.03 USD a unit", "7.77 USD per month")
}

// A link that is changed, of another page, or too old opens nothing.
func TestHostedPagesNeedTheirOwnLink(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	sub := g.subscribe(t, g.test, g.perSeat, "")
	of := func(path string, version string) string {
		return g.call(t, g.test, "GET", "/subscriptions/"+sub+"/"+path, "", "version", version).want(200).text("url")
	}
	checkout, portal, pay, cancel := g.checkoutLink(t, g.flat, ""), of("customer-portal", "v2"), of("updatepaymentlink", "v2"), of("cancelpaymentlink", "v2")
	require.Contains(t, g.visit(t, "GET", portal, nil).Body.String(), "active")
	require.Contains(t, g.visit(t, "GET", pay, nil).Body.String(), "recorded by the seller")
	require.Equal(t, 200, g.visit(t, "GET", of("update-payment-link", "v3"), nil).Code)
	require.Equal(t, 200, g.visit(t, "GET", of("cancel-payment-link", "v3"), nil).Code)
	token := func(link string) string { return link[strings.LastIndex(link, "/")+1:] }
	before := g.written(t)
	for _, bad := range []string{"/checkout/" + token(portal), "/checkout/portal/" + token(checkout), "/checkout/portal/" + token(cancel), "/checkout/cancel/" + token(portal), "/checkout/cancel/" + token(pay),
		"/checkout/x", "/checkout/" + token(checkout)[1:], "/checkout/portal/" + strings.Repeat("A", 4000), "/checkout/a%2Fb", "/checkout/%00"} {
		require.Equal(t, 404, g.visit(t, "GET", bad, nil).Code, bad)
		require.Contains(t, []int{404, 405}, g.visit(t, "POST", bad, url.Values{"email": {"a@b.example"}}).Code, bad)
	}
	require.Equal(t, 200, g.visit(t, "GET", cancel, nil).Code)
	require.Equal(t, before, g.written(t), "looking changes nothing")
	require.Contains(t, g.visit(t, "POST", cancel, nil).Body.String(), "stays usable until")
	require.Equal(t, "true", g.call(t, g.test, "GET", "/subscriptions/"+sub, "").want(200).text("cancelAtPeriodEnd"))
	require.Equal(t, 200, g.visit(t, "POST", cancel, nil).Code)
	g.pass(25 * time.Hour)
	for _, link := range []string{checkout, portal, pay, cancel} {
		got := g.visit(t, "GET", link, nil)
		require.Equal(t, 404, got.Code)
		require.Contains(t, got.Body.String(), "expired")
	}
}

func TestCreateSubscriptionWaitsForItsPayment(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for _, path := range []string{"/checkout/create-subscription", "/checkout/create-subscription-intent"} {
		body := fmt.Sprintf(`{"planUuid":%q,"email":"a@b.example","member":"mia","granteeId":"ada","currency":"USD"}`, g.flat)
		secret := g.call(t, g.test, "POST", path, body, "unique-key", path).want(201).text("clientSecret")
		g.call(t, g.test, "POST", path, body, "unique-key", path).want(201)
		require.Contains(t, g.visit(t, "GET", "/checkout/payment/"+secret, nil).Body.String(), "waiting for its first payment")
		require.Equal(t, []string{"planUuid"}, g.call(t, g.test, "POST", path, `{}`).properties())
		g.call(t, "", "POST", path, body).want(401)
		g.call(t, g.test, "POST", path, body, "version", "v3").want(404)
	}
	require.Len(t, g.call(t, g.test, "GET", "/ledger/v1/subscriptions?status=incomplete", "").want(200).at("data"), 2)
}
