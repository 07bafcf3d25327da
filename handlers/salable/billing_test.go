package salable_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// customerOf is whom a subscription's path is billed to.
func (g *rig) customerOf(t testing.TB, path string) string {
	t.Helper()
	id := g.call(t, g.test, "GET", "/ledger/v1"+path, "").want(200).text("customerUuid")
	require.NotEmpty(t, id)
	return id
}

// balanceOf is a customer's balance in US dollars.
func (g *rig) balanceOf(t testing.TB, customer string) string {
	t.Helper()
	return g.call(t, g.test, "GET", "/ledger/v1/customers/"+customer+"/balance", "").want(200).text(0, "amount")
}

// Salable's prorations reach the bill, from each form of a change: create_prorations, which is the default, waits for the
// next invoice, always_invoice bills at once and keeps the period, none bills nothing.
func TestProrationsOfChanges(t *testing.T) {
	t.Parallel()
	changes := map[string]func(g *rig, sub, proration string) *result{
		"change-plan": func(g *rig, sub, p string) *result {
			return g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/change-plan", fmt.Sprintf(`{"planUuid":%q%s}`, g.upgrade, p))
		},
		"seats": func(g *rig, sub, p string) *result {
			return g.call(t, g.test, "POST", "/subscriptions/"+sub+"/seats", `{"increment":3`+p+`}`)
		},
		"seats of v3": func(g *rig, sub, p string) *result {
			return g.call(t, g.test, "POST", "/subscriptions/"+sub+"/seats", `{"increment":3`+p+`}`, "version", "v3")
		},
		"fewer seats": func(g *rig, sub, p string) *result {
			return g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/seats", `{"decrement":3`+p+`}`)
		},
		"fewer seats of v3": func(g *rig, sub, p string) *result {
			return g.call(t, g.test, "POST", "/subscriptions/"+sub+"/seats", `{"decrement":3`+p+`}`, "version", "v3")
		},
	}
	// Half of June is left: what the change comes to, and what the next period costs.
	for name, want := range map[string][2]int64{"change-plan": {750, 3000}, "seats": {1500, 8000}, "seats of v3": {1500, 8000}, "fewer seats": {-1500, 2000}, "fewer seats of v3": {-1500, 2000}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t)
			for _, proration := range []string{"", `,"proration":"create_prorations"`, `,"proration":"always_invoice"`, `,"proration":"none"`} {
				begin := g.now()
				sub := g.subscribe(t, g.test, g.perSeat, `,"quantity":5,"prorationMode":"day"`)
				if name == "change-plan" {
					sub = g.subscribe(t, g.test, g.flat, `,"prorationMode":"day"`)
				}
				before := g.invoices(t, g.test, sub, "")
				g.pass(begin.AddDate(0, 0, 15).Sub(begin))
				require.Less(t, changes[name](g, sub, proration).status, 300)
				after := g.invoices(t, g.test, sub, "")
				next := g.call(t, g.test, "GET", "/ledger/v1/subscriptions/"+sub+"/upcoming-invoice", "").want(200)
				total, err := next.at("total").(interface{ Int64() (int64, error) }).Int64()
				require.NoError(t, err)
				switch proration {
				case `,"proration":"always_invoice"`:
					require.Len(t, after.Data, 2)
					now := after.Data[0]
					require.Equal(t, []any{want[0], "subscription_update", true}, []any{now.Total, now.Reason, now.Lines.Data[0].Proration})
					require.Equal(t, want[1], total)
				case `,"proration":"none"`:
					require.Equal(t, before.ids(), after.ids())
					require.Equal(t, want[1], total)
				default:
					require.Equal(t, before.ids(), after.ids(), "nothing now")
					require.Equal(t, want[0]+want[1], total, "with the next invoice")
				}
				g.pass(g.nextMonth(begin)) // the same half for all
			}
		})
	}
}

// nextMonth is how long it is until a month of thirty days begins at the hour of an instant.
func (g *rig) nextMonth(begin time.Time) time.Duration {
	at := begin
	for at = at.AddDate(0, 1, 0); at.AddDate(0, 1, 0).Sub(at) != 30*24*time.Hour || at.Before(g.now()); at = at.AddDate(0, 1, 0) {
	}
	return at.Sub(g.now())
}

// Cancelling at once gives back what is paid of days that are not used; at the end there is nothing to give back.
func TestCancellingGivesUnusedDaysBack(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for when, want := range map[string]int{"now": 2, "end": 1} {
		sub := g.call(t, g.test, "POST", "/ledger/v1/subscriptions", fmt.Sprintf(`{"planUuid":%q,"owner":%q,"prorationMode":"day"}`, g.flat, when)).want(201).text("uuid")
		path := "/subscriptions/" + sub
		first := g.invoices(t, g.test, sub, "").Data[0]
		g.call(t, g.test, "POST", "/ledger/v1/invoices/"+first.ID+"/payments", `{"amount":1500}`).want(200)
		g.pass(15 * 24 * time.Hour)
		g.call(t, g.test, "PUT", path+"/cancel?when="+when, "").want(204)
		all := g.invoices(t, g.test, sub, "").Data
		require.Len(t, all, want)
		if when == "now" {
			require.Equal(t, int64(-750), all[0].Total)
			require.Equal(t, "750", g.balanceOf(t, g.customerOf(t, path)))
		}
		g.pass(g.nextMonth(time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)))
	}
}

// What was not paid is not given back: a credit pays what is due of its invoice.
func TestWhatWasNotPaidBuysNothing(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	sub := g.call(t, g.test, "POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"owner":"mia","granteeId":"ada"}`, g.flat), "version", "v2").want(201).text("uuid")
	g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/cancel?when=now", "").want(204)
	all := g.invoices(t, g.test, sub, "").Data
	require.Equal(t, []int64{-1500, 1500}, []int64{all[0].Total, all[1].Total})
	require.Equal(t, "0", g.balanceOf(t, g.customerOf(t, "/subscriptions/"+sub)))
	bill := g.call(t, g.test, "GET", "/ledger/v1/invoices/"+all[1].ID, "").want(200)
	require.Equal(t, []string{"paid", "0", "0"}, []string{bill.text("status"), bill.text("amountDue"), bill.text("amountPaid")})
}

// Whoever owns subscriptions in a currency is one customer, whichever call names them: owner, member.
func TestOwnersAreCustomers(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	of := map[string]string{}
	for name, sub := range map[string]string{
		"owner":        g.call(t, g.test, "POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"owner":"mia","granteeId":"ada"}`, g.flat)).want(201).text("uuid"),
		"ours":         g.subscribe(t, g.test, g.perSeat, ""),
		"in euros":     g.subscribe(t, g.test, g.upgrade, `,"currency":"EUR"`),
		"another's":    g.call(t, g.test, "POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"owner":"noa","granteeId":"ada"}`, g.flat)).want(201).text("uuid"),
		"nothing sold": g.call(t, g.test, "POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"owner":"mia","granteeId":"ada"}`, g.flat)).want(201).text("uuid"),
	} {
		of[name] = g.customerOf(t, "/subscriptions/"+sub)
		require.Equal(t, of[name], g.call(t, g.test, "GET", "/subscriptions/"+sub+"/invoices", "").want(200).text("data", 0, "customer"))
	}
	g.call(t, g.test, "POST", "/checkout/create-subscription", fmt.Sprintf(`{"planUuid":%q,"member":"mia","email":"mia@example.com"}`, g.flat)).want(201)
	incomplete := g.call(t, g.test, "GET", "/ledger/v1/subscriptions?status=incomplete", "").want(200)
	require.Equal(t, of["owner"], incomplete.text("data", 0, "customerUuid"))
	require.Equal(t, of["owner"], of["ours"])
	require.NotEqual(t, of["owner"], of["in euros"], "a customer has one currency")
	require.NotEqual(t, of["owner"], of["another's"])
}

// A payment of the first invoice gives access, whole: a part of it does not.
func TestAPaidInvoiceGivesAccess(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.call(t, g.test, "POST", "/checkout/create-subscription", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada"}`, g.flat)).want(201)
	sub := g.call(t, g.test, "GET", "/ledger/v1/subscriptions?status=incomplete", "").want(200).text("data", 0, "uuid")
	i := g.invoices(t, g.test, sub, "").Data[0]
	status := func() string { return g.call(t, g.test, "GET", "/subscriptions/"+sub, "").want(200).text("status") }
	access := func() int {
		return g.call(t, g.test, "GET", "/licenses/check?productUuid="+g.product+"&granteeIds=ada", "").status
	}
	pay := func(amount int) *result {
		return g.call(t, g.test, "POST", "/ledger/v1/invoices/"+i.ID+"/payments", fmt.Sprintf(`{"amount":%d,"method":"wire"}`, amount))
	}
	pay(700).want(200)
	require.Equal(t, []any{"INCOMPLETE", 204}, []any{status(), access()})
	pay(801).want(422)
	require.Equal(t, "paid", pay(800).want(200).text("status"))
	require.Equal(t, []any{"ACTIVE", 200}, []any{status(), access()})
	pay(1).want(409)
}

// A customer's payment method pays an invoice at once, or makes the subscription PAST_DUE until somebody pays.
func TestPaymentMethodsPayAtOnce(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	customer := g.customerOf(t, "/subscriptions/"+g.subscribe(t, g.test, g.flat, ""))
	answers := func(outcome string) {
		g.call(t, g.test, "PUT", "/ledger/v1/customers/"+customer+"/payment-method", fmt.Sprintf(`{"provider":"manual","outcome":%q}`, outcome)).want(200)
	}
	bought := func() (sub, status string) {
		made := g.call(t, g.test, "POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"owner":"mia","granteeId":"ada"}`, g.perSeat)).want(201)
		require.Equal(t, customer, g.customerOf(t, "/subscriptions/"+made.text("uuid")))
		return made.text("uuid"), made.text("status")
	}
	answers("succeeds")
	sub, status := bought()
	i := g.invoices(t, g.test, sub, "").Data[0]
	require.Equal(t, []any{"ACTIVE", "paid", int64(2000), int64(0)}, []any{status, i.Status, i.AmountPaid, i.AmountRemaining})
	require.Equal(t, "manual", g.call(t, g.test, "GET", "/ledger/v1/invoices/"+i.ID, "").want(200).text("payments", 0, "method"))
	secret := g.call(t, g.test, "POST", "/checkout/create-subscription", fmt.Sprintf(`{"planUuid":%q,"member":"mia"}`, g.flat)).want(201).text("clientSecret")
	require.Contains(t, g.visit(t, "GET", "/checkout/payment/"+secret, nil).Body.String(), "<dd>active</dd>", "it was charged")

	for _, outcome := range []string{"fails", "requiresAction"} {
		answers(outcome)
		sub, status = bought()
		require.Equal(t, "PAST_DUE", status)
		i = g.invoices(t, g.test, sub, "").Data[0]
		require.Equal(t, []any{"open", int64(2000)}, []any{i.Status, i.AmountRemaining})
		require.Equal(t, "PAST_DUE", g.call(t, g.test, "GET", "/subscriptions/"+sub, "").want(200).text("status"))
		g.call(t, g.test, "POST", "/ledger/v1/invoices/"+i.ID+"/payments", `{"amount":2000}`).want(200)
		require.Equal(t, "ACTIVE", g.call(t, g.test, "GET", "/subscriptions/"+sub, "").want(200).text("status"))
	}
	g.call(t, g.test, "POST", "/checkout/create-subscription", fmt.Sprintf(`{"planUuid":%q,"member":"mia"}`, g.flat)).want(201)
	require.Len(t, g.call(t, g.test, "GET", "/ledger/v1/subscriptions?status=incomplete", "").want(200).at("data"), 1, "it waits for its first payment still")
}
