package salable_test

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
)

// eventOf is an event's type and status.
func (g *rig) eventOf(t testing.TB, id string) string {
	t.Helper()
	e := g.call(t, g.test, "GET", "/events/"+id, "").want(200)
	return e.text("type") + " " + e.text("status")
}

// A change without a body tells its event all the same, so that one learns why it failed; a retry tells the same.
func TestAPlanChangeThatFailsCanBeFound(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	sub := g.subscribe(t, g.test, g.flat, `,"provider":"manual"`)
	change := func() *result {
		return g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/change-plan", fmt.Sprintf(`{"planUuid":%q}`, g.upgrade), "unique-key", "a change").want(204)
	}
	event := change().header.Get("Event-Uuid")
	require.Equal(t, "Change plan pending", g.eventOf(t, event))
	require.Empty(t, g.call(t, g.test, "GET", "/subscriptions/"+sub+"/updateplan/listplans", "").want(200).at(), "one change at a time")
	var ledger uuid.UUID
	require.NoError(t, g.pool.QueryRow(t.Context(), "select ledger_id from subscriptions where id = $1", sub).Scan(&ledger))
	_, err := g.store.Execute(t.Context(), eventstore.Request{Ledger: ledger, Command: subscription.FailTask{TaskID: uuid.MustParse(event), Attempt: 1, Code: "card_declined", Message: "no money"}})
	require.NoError(t, err)
	failed := g.call(t, g.test, "GET", "/events/"+event, "").want(200)
	require.Equal(t, "failed card_declined no money", failed.text("status")+" "+failed.text("errorCode")+" "+failed.text("errorMessage"))
	require.Equal(t, event, change().header.Get("Event-Uuid"))

	cancelled := g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/cancel", "").want(204).header.Get("Event-Uuid")
	require.Equal(t, "Cancel subscription success", g.eventOf(t, cancelled))
	require.Empty(t, g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/cancel", "").want(204).header.Get("Event-Uuid"), "it ends already")
	require.Contains(t, g.call(t, g.test, "GET", "/events/"+event, "", "Origin", "https://shop.example").header.Get("Access-Control-Expose-Headers"), "Event-Uuid")
}

// A plan with one licence is changed to from several seats by saying so; none that is assigned is given up.
func TestAQuantityGivesUpSeatsForAPlanWithOneLicence(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	path := "/subscriptions/" + g.subscribe(t, g.test, g.flat, `,"granteeId":"ada"`)
	change := func(plan, more string) *result {
		return g.call(t, g.test, "PUT", path+"/change-plan", fmt.Sprintf(`{"planUuid":%q%s}`, plan, more))
	}
	change(g.perSeat, "").want(204)
	require.Equal(t, "2", g.call(t, g.test, "GET", path, "").want(200).text("quantity"))
	require.Contains(t, string(change(g.flat, "").want(400).body), "with the quantity 1")
	change(g.flat, `,"quantity":"many"`).want(400)
	change(g.flat, `,"quantity":-1`).want(400)
	change(g.flat, `,"quantity":1`).want(204)
	held := g.call(t, g.test, "GET", "/licenses?subscriptionUuid="+path[len("/subscriptions/"):]+"&status=active", "").want(200)
	require.Len(t, held.at(), 1)
	require.Equal(t, "ada", held.text(0, "granteeId"))
}

// B46: what is not scheduled to end goes on, and no event says so; what has ended stays ended.
func TestReactivatingWhatGoesOnChangesNothing(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	sub := g.subscribe(t, g.test, g.flat, "")
	before := g.written(t)
	for _, version := range []string{"v1", "v2", "v3"} {
		g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/reactivate", "", "version", version).want(204)
	}
	require.Equal(t, before, g.written(t))
	g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/cancel", "").want(204)
	g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/reactivate", "").want(204)
	require.Equal(t, "false", g.call(t, g.test, "GET", "/subscriptions/"+sub, "").want(200).text("cancelAtPeriodEnd"))
	g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/cancel?when=now", "").want(204)
	g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/reactivate", "").want(400)
}

// What is announced only is sold by no way, and granted by hand.
func TestWhatIsToComeIsNotSold(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	link := g.checkoutLink(t, g.upgrade, "&customerEmail=mia@example.com")
	g.call(t, g.test, "PUT", "/ledger/v1/plans/"+g.upgrade, `{"planType":"Coming soon"}`).want(200)
	const why = "this plan is announced and not sold yet"
	before := g.written(t)
	body := fmt.Sprintf(`{"planUuid":%q,"owner":"mia"}`, g.upgrade)
	for _, version := range []string{"v2", "v3"} {
		require.Equal(t, why, g.call(t, g.test, "POST", "/subscriptions", body, "version", version).want(400).text("error"))
	}
	require.Equal(t, why, g.call(t, g.test, "POST", "/checkout/create-subscription", body).want(400).text("error"))
	require.Equal(t, why, g.call(t, g.test, "POST", "/checkout/create-subscription-intent", body).want(400).text("error"))
	for _, query := range []string{"", "?dryRun=true"} {
		require.Equal(t, "plan_coming_soon", g.call(t, g.test, "POST", "/ledger/v1/subscriptions"+query, body).want(409).text("code"))
	}
	for _, method := range []string{"GET", "POST"} {
		page := g.visit(t, method, link, url.Values{"email": {"mia@example.com"}})
		require.Equal(t, 409, page.Code)
		require.Contains(t, page.Body.String(), "announced and not sold yet")
	}
	require.Equal(t, before, g.written(t))
	g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada"}`, g.upgrade)).want(201)

	free := g.call(t, g.test, "POST", "/ledger/v1/plans", fmt.Sprintf(`{"productUuid":%q,"name":"free","displayName":"Free","pricingType":"free","licenseType":"licensed",
		"interval":"month","length":1}`, g.product)).want(201).text("uuid")
	g.call(t, g.test, "POST", "/checkout/create-subscription", fmt.Sprintf(`{"planUuid":%q,"member":"mia"}`, free)).want(201)
}
