package salable_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var payForm = regexp.MustCompile(`<form method="post" action="([^"]+)"`)

// buyer submits a checkout.
var buyer = url.Values{"email": {"mia@example.com"}}

// What the page says is what is billed: it is the purchase itself, tried.
func TestTheCheckoutPageSaysWhatIsBilled(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	tax := func(percentage string, inclusive bool) string {
		return g.call(t, g.test, "POST", "/ledger/v1/tax-rates", fmt.Sprintf(`{"name":"VAT","percentage":%q,"inclusive":%t}`, percentage, inclusive)).want(201).text("uuid")
	}
	customer := g.customerOf(t, "/subscriptions/"+g.subscribe(t, g.test, g.flat, ""))
	g.call(t, g.test, "POST", "/ledger/v1/coupons", `{"code":"TENTH","percentOff":"10","duration":"once"}`).want(201)
	link := g.checkoutLink(t, g.perSeat, "&quantity=3&promoCode=TENTH")
	shows := func(texts ...string) {
		t.Helper()
		before := g.written(t)
		page := g.visit(t, "GET", link, nil).Body.String()
		require.Equal(t, before, g.written(t))
		for _, text := range texts {
			require.Contains(t, page, text)
		}
	}
	shows("10 % off the first period", "<dt>Discount</dt><dd>3.00 USD</dd>", "<dt>Total</dt><dd>27.00 USD</dd>")
	g.call(t, g.test, "PUT", "/ledger/v1/customers/"+customer, fmt.Sprintf(`{"taxRates":[%q]}`, tax("19", true))).want(200)
	shows("<dt>Total</dt><dd>27.00 USD</dd>", "<dt>Tax in it</dt><dd>4.31 USD</dd>")
	g.call(t, g.test, "PUT", "/ledger/v1/customers/"+customer, fmt.Sprintf(`{"taxRates":[%q]}`, tax("20", false))).want(200)
	shows("<dt>Discount</dt><dd>3.00 USD</dd>", "<dt>Tax</dt><dd>5.40 USD</dd>", "<dt>Total</dt><dd>32.40 USD</dd>")

	// A balance of the buyer's pays its part.
	other := g.subscribe(t, g.test, g.flat, `,"prorationMode":"day"`)
	i := g.invoices(t, g.test, other, "").Data[0]
	g.call(t, g.test, "POST", "/ledger/v1/invoices/"+i.ID+"/payments", fmt.Sprintf(`{"amount":%d}`, i.AmountDue)).want(200)
	g.call(t, g.test, "PUT", "/subscriptions/"+other+"/cancel?when=now", "").want(204)
	require.Equal(t, "1800", g.balanceOf(t, customer))
	shows("<dt>Total</dt><dd>32.40 USD</dd>", "<dt>Your balance pays</dt><dd>18.00 USD</dd>", "<dt>Left to pay</dt><dd>14.40 USD</dd>")
	require.Equal(t, http.StatusSeeOther, g.visit(t, "POST", link, buyer).Code)
	sub := g.call(t, g.test, "GET", "/ledger/v1/subscriptions?status=incomplete", "").want(200).text("data", 0, "uuid")
	i = g.invoices(t, g.test, sub, "").Data[0]
	require.Equal(t, []int64{3240, 1440}, []int64{i.Total, i.AmountRemaining})
	shows("<dt>To pay</dt><dd>14.40 USD</dd>")

	// The payment method of who bought before is charged at once.
	g.call(t, g.test, "PUT", "/ledger/v1/customers/"+customer+"/payment-method", `{"provider":"manual","outcome":"succeeds"}`).want(200)
	link = g.checkoutLink(t, g.flat, "")
	shows("<dt>Total</dt><dd>18.00 USD</dd>", "Your payment method is charged.", "you have access at once")
	require.Equal(t, "https://shop.example/thanks?a=1", g.visit(t, "POST", link, buyer).Header().Get("Location"))
	// What nobody can buy has no total.
	seats := g.checkoutLink(t, g.perSeat, "&changeQuantity=true")
	page := g.visit(t, "POST", seats, url.Values{"email": {"mia@example.com"}, "quantity": {"151"}})
	require.Equal(t, 400, page.Code)
	require.NotContains(t, page.Body.String(), "Total")
}

// In a test ledger the page pays the first invoice; elsewhere the seller records it. Either sends the buyer back.
func TestPayingSendsTheBuyerBack(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	live := g.key(t, g.organisation(t), "live", allScopes()...)
	theirs := g.stock(t, live)
	for key, plan := range map[string]string{g.test: g.flat, live: theirs.flat} {
		for _, how := range []string{"page", "elsewhere", "secret"} {
			t.Run(fmt.Sprint(how, " ", key == live), func(t *testing.T) {
				link := g.call(t, key, "GET", "/plans/"+plan+"/checkoutlink"+linkQuery, "").want(200).text("checkoutUrl")
				if how == "secret" {
					link = "/checkout/payment/" + g.call(t, key, "POST", "/checkout/create-subscription", fmt.Sprintf(`{"planUuid":%q,"member":"mia"}`, plan)).want(201).text("clientSecret")
				} else {
					require.Equal(t, http.StatusSeeOther, g.visit(t, "POST", link, buyer).Code)
				}
				sub := g.call(t, key, "GET", "/ledger/v1/subscriptions?status=incomplete", "").want(200).text("data", 0, "uuid")
				waits := g.visit(t, "GET", link, nil)
				require.Equal(t, 200, waits.Code)
				require.NotEmpty(t, waits.Header().Get("Refresh"), "it looks again by itself")
				require.Contains(t, waits.Body.String(), "<dt>To pay</dt><dd>15.00 USD</dd>")
				i := g.invoices(t, key, sub, "").Data[0]
				form := payForm.FindStringSubmatch(waits.Body.String())
				require.Equal(t, key == g.test, form != nil)
				if how == "elsewhere" || key == live {
					if how == "secret" {
						require.Equal(t, 409, g.visit(t, "POST", link, url.Values{}).Code, "buyers do not say that they paid")
					}
					g.call(t, key, "POST", "/ledger/v1/invoices/"+i.ID+"/payments", `{"amount":1500,"method":"wire"}`).want(200)
				} else {
					page := "/checkout/payment/" + strings.TrimPrefix(form[1], "payment/") // the action is beside the page itself
					codes := atOnce(4, func(int) int { return g.visit(t, "POST", page, url.Values{}).Code })
					require.Equal(t, map[int]int{http.StatusSeeOther: 4}, codes)
					paid := g.call(t, key, "GET", "/ledger/v1/invoices/"+i.ID, "").want(200)
					require.Equal(t, "paid manual 1500", paid.text("status")+" "+paid.text("payments", 0, "method")+" "+paid.text("payments", 0, "amount"))
					require.Len(t, paid.at("payments"), 1, "once, however often it is sent")
					if how == "page" {
						require.Equal(t, "https://e.example/s", g.visit(t, "GET", page, nil).Header().Get("Location"))
					}
				}
				require.Equal(t, "ACTIVE", g.call(t, key, "GET", "/subscriptions/"+sub, "").want(200).text("status"))
				after := g.visit(t, "GET", link, nil)
				if how == "secret" {
					require.Contains(t, after.Body.String(), "nothing to pay now")
				} else {
					require.Equal(t, "https://e.example/s", after.Header().Get("Location"))
				}
			})
		}
	}
}

// Where there is nothing to pay, access begins at once, and the page says so before.
func TestNothingToPay(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.call(t, g.test, "POST", "/ledger/v1/coupons", `{"code":"ALL","percentOff":"100","duration":"once"}`).want(201)
	trial := g.call(t, g.test, "POST", "/ledger/v1/plans", fmt.Sprintf(`{"productUuid":%q,"name":"t","displayName":"T","licenseType":"licensed","pricingType":"paid","trialDays":7,
		"interval":"month","length":1,"currencies":[{"currency":"USD","price":900}]}`, g.product)).want(201).text("uuid")
	zero := g.call(t, g.test, "POST", "/ledger/v1/plans", fmt.Sprintf(`{"productUuid":%q,"name":"z","displayName":"Z","licenseType":"licensed","pricingType":"paid",
		"interval":"month","length":1,"currencies":[{"currency":"USD","price":0}]}`, g.product)).want(201).text("uuid")
	for name, c := range map[string]struct{ plan, more, status string }{
		"a coupon of everything": {g.flat, "&promoCode=ALL", "ACTIVE"}, "a trial": {trial, "", "TRIALING"},
		"a price of nothing": {zero, "", "ACTIVE"}, "what is used is billed later": {g.metered, "", "ACTIVE"},
	} {
		t.Run(name, func(t *testing.T) {
			link := g.checkoutLink(t, c.plan, c.more)
			page := g.visit(t, "GET", link, nil).Body.String()
			require.Contains(t, page, "There is nothing to pay now.")
			require.Contains(t, page, "you have access at once")
			require.Equal(t, "https://shop.example/thanks?a=1", g.visit(t, "POST", link, buyer).Header().Get("Location"))
			all := g.call(t, g.test, "GET", "/subscriptions?sort=desc&take=1", "", "version", "v2").want(200)
			require.Equal(t, c.plan+" "+c.status, all.text("data", 0, "planUuid")+" "+all.text("data", 0, "status"))
		})
	}
	secret := g.call(t, g.test, "POST", "/checkout/create-subscription", fmt.Sprintf(`{"planUuid":%q,"member":"mia"}`, trial)).want(201).text("clientSecret")
	page := g.visit(t, "GET", "/checkout/payment/"+secret, nil)
	require.Contains(t, page.Body.String(), "on trial")
	require.Contains(t, page.Body.String(), "There is nothing to pay now.")
	require.Empty(t, page.Header().Get("Refresh"))
}
