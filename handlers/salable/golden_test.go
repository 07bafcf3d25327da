package salable_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCatalogReplies(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.call(t, g.test, "GET", "/products", "").want(200).golden("products")
	g.call(t, g.test, "GET", "/products/"+g.product, "").want(200).golden("product")
	g.call(t, g.test, "GET", "/products/"+g.product+"?expand=[features.featureEnumOptions,capabilities,currencies.currency,"+
		"organisationPaymentIntegration,plans.capabilities,plans.features.feature,plans.features.enumValue,plans.currencies.currency,generateCheckoutLinks]", "").
		want(200).golden("product_expanded")
	g.call(t, g.test, "GET", "/plans/"+g.upgrade, "").want(200).golden("plan")
	g.call(t, g.test, "GET", "/plans/"+g.upgrade+"?expand=capabilities.capability,features.feature,features.enumValue,currencies.currency,"+
		"product.organisationPaymentIntegration&successUrl=https://e.co&granteeId=x", "").want(200).golden("plan_expanded")
	g.call(t, g.test, "GET", "/plans/"+g.metered+"?expand=currencies", "").want(200).golden("plan_metered_currencies")
}

func TestSubscriptionReplies(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	id := g.subscribe(t, g.test, g.perSeat, `,"granteeId":"ada","email":"mia@example.com"`)
	path := "/subscriptions/" + id
	g.call(t, g.test, "GET", path, "").want(200).golden("subscription")
	g.call(t, g.test, "GET", path+"?expand=product.organisationPaymentIntegration,product.currencies,plan.currencies,customer", "").
		want(200).golden("subscription_expanded")
	event := g.call(t, g.test, "POST", path+"/seats", `{"increment":2,"proration":"none"}`).want(201).golden("seats_added").text("eventUuid")
	g.call(t, g.test, "GET", "/events/"+event, "").want(200).golden("event")
	require.Equal(t, "4", g.call(t, g.test, "GET", path, "").want(200).text("quantity"))
	g.call(t, g.test, "PUT", path+"/seats", `{"decrement":1}`).want(200).golden("seats_removed")
	g.call(t, g.test, "GET", "/licenses/count?subscriptionUuid="+id, "").want(200).golden("license_count")
	g.call(t, g.test, "GET", "/licenses/count?subscriptionUuid="+id+"&status=Active", "").want(200).golden("license_count_active")
	g.call(t, g.test, "PUT", path+"/cancel", "").want(204)
	g.call(t, g.test, "GET", path, "").want(200).golden("subscription_ending")
	g.call(t, g.test, "PUT", path+"/reactivate", "").want(204)
	require.Equal(t, "false", g.call(t, g.test, "GET", path, "").want(200).text("cancelAtPeriodEnd"))
	g.call(t, g.test, "PUT", path+"/cancel?when=now", "").want(204)
	g.call(t, g.test, "GET", path, "").want(200).golden("subscription_canceled")
	g.call(t, g.test, "PUT", path+"/reactivate", "").want(400).golden("reactivate_refused")
}

func TestPlanChangesInThreeForms(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for name, send := range map[string]func(subscription, plan string) *result{
		"change-plan": func(s, p string) *result {
			return g.call(t, g.test, "PUT", "/subscriptions/"+s+"/change-plan?planUuid="+p, fmt.Sprintf(`{"planUuid":%q,"proration":"always_invoice"}`, p), "version", "v2")
		},
		"updateplan": func(s, p string) *result {
			return g.call(t, g.test, "PUT", "/subscriptions/"+s+"/updateplan/"+p, "")
		},
		"body of ids": func(s, p string) *result {
			return g.call(t, g.test, "PUT", "/subscriptions", fmt.Sprintf(`{"newPlanId":%q,"subscriptionId":%q}`, p, s))
		},
	} {
		t.Run(name, func(t *testing.T) {
			id := g.subscribe(t, g.test, g.flat, `,"granteeId":"ada"`)
			event := send(id, g.upgrade).want(204).header.Get("Event-Uuid")
			require.Equal(t, "Change plan success", g.eventOf(t, event))
			require.Equal(t, g.upgrade, g.call(t, g.test, "GET", "/subscriptions/"+id, "").want(200).text("planUuid"))
			seat := g.call(t, g.test, "GET", "/licenses?take=1&subscriptionUuid="+id, "", "version", "v2").want(200)
			require.Equal(t, g.upgrade, seat.text("data", 0, "planUuid"))
			require.Len(t, seat.at("data", 0, "capabilities"), 2)
			require.Empty(t, send(id, g.upgrade).want(204).header.Get("Event-Uuid"), "twice is once")
			send(id, g.elsewherePlan).want(400)
		})
	}
}

func TestLicenseReplies(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	body := fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada","email":"ada@example.com"}`, g.upgrade)
	id := g.call(t, g.test, "POST", "/licenses", body).want(201).golden("license_created").text("uuid")
	g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":null}`, g.evaluation), "version", "v2").
		want(201).golden("license_of_evaluation")
	g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ben","status":"TRIALING",
		"endTime":"2026-06-03T00:00:00.5Z","cancelAtPeriodEnd":true}`, g.flat), "version", "v2").want(201).golden("license_of_v2")
	g.call(t, g.test, "GET", "/licenses", "").want(200).golden("licenses")
	g.call(t, g.test, "GET", "/licenses?take=2", "", "version", "v2").want(200).golden("licenses_v2")
	g.call(t, g.test, "GET", "/licenses?granteeId=nobody", "", "version", "v2").want(200).golden("licenses_v2_empty")
	g.call(t, g.test, "GET", "/licenses/"+id+"?expand=subscription,plan.currencies.currency,plan.features,product.currencies", "").
		want(200).golden("license_expanded")
	g.call(t, g.test, "GET", "/licenses/purchaser?purchaser=mia&status=EVALUATION&expand=cancelLink&productUuid="+g.product, "").
		want(200).golden("licenses_of_purchaser")
	g.call(t, g.test, "GET", "/licenses/granteeId/ada?expand=plan", "").want(200).golden("licenses_of_grantee")
	g.call(t, g.test, "GET", "/licenses/granteeId/nobody", "").want(200).golden("licenses_of_nobody")
	g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`[{"planUuid":%q,"member":"mia","granteeId":null},{"planUuid":%q,"member":"mia","granteeId":"ben"}]`,
		g.evaluation, g.flat)).want(201).golden("licenses_created")
	g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`[{"planUuid":%q,"member":"mia","granteeId":"cem"},{"planUuid":%q,"member":"mia","granteeId":"cem"}]`,
		id, g.flat)).want(206).golden("licenses_partly_created")
	g.call(t, g.test, "PUT", "/licenses/"+id, `{"granteeId":null}`).want(200).golden("license_unassigned")
	g.call(t, g.test, "PUT", "/licenses", fmt.Sprintf(`[{"uuid":%q,"granteeId":"dan"}]`, id)).want(200).golden("licenses_updated")
	g.call(t, g.test, "GET", "/licenses/"+id+"/usage", "").want(200).golden("license_usage")
	g.call(t, g.test, "DELETE", "/licenses/"+id, "").want(204)
	g.call(t, g.test, "DELETE", "/licenses/"+id, "").want(204) // twice is once
	g.call(t, g.test, "GET", "/licenses/"+id, "").want(200).golden("license_canceled")
	g.call(t, g.test, "PUT", "/licenses/"+id, `{"granteeId":"eve"}`).want(400) // for ever
}

func TestBatchesAnswerItemByItem(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	sub := g.subscribe(t, g.test, g.perSeat, "")
	seat := g.seatsOf(t, g.test, sub)[0]
	adHoc := g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada"}`, g.flat)).want(201).text("uuid")
	const nobody = "01900000-0000-7000-8000-000000000000"

	g.call(t, g.test, "PUT", "/licenses", fmt.Sprintf(`[{"uuid":%q,"granteeId":"x"},{"uuid":%q,"granteeId":"y"},{"uuid":%q,"granteeId":"z"}]`, seat, nobody, adHoc)).
		want(206).golden("licenses_partly_updated")
	g.call(t, g.test, "PUT", "/licenses", fmt.Sprintf(`[{"uuid":%q,"granteeId":"y"}]`, nobody)).want(404)
	g.call(t, g.test, "POST", "/licenses/cancel", fmt.Sprintf(`{"uuids":[%q,%q,%q]}`, seat, adHoc, nobody)).want(206).golden("licenses_partly_canceled")
	g.call(t, g.test, "PUT", "/licenses/cancel", fmt.Sprintf(`{"uuids":[%q]}`, adHoc)).want(204)
	g.call(t, g.test, "POST", "/licenses/cancel", fmt.Sprintf(`{"uuids":[%q]}`, nobody)).want(404)
	g.call(t, g.test, "POST", "/licenses/cancel", fmt.Sprintf(`{"uuids":[%q,%q]}`, nobody, seat)).want(400).golden("licenses_not_canceled")
	g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`[{"planUuid":%q,"member":"mia","granteeId":"a"}]`, nobody)).want(404)
	g.call(t, g.test, "PUT", "/licenses", fmt.Sprintf(`[{"uuid":%q,"granteeId":"y\u0007"},{"uuid":%q,"granteeId":"y"}]`, seat, nobody)).want(400).golden("licenses_not_updated")
}

func TestCheckReplies(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.subscribe(t, g.test, g.perSeat, `,"granteeId":"ada"`)
	g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ben"}`, g.upgrade)).want(201)
	g.pass(time.Hour)
	check := "/licenses/check?productUuid=" + g.product + "&granteeIds="
	g.call(t, g.test, "GET", check+"ada", "").want(200).golden("check")
	g.call(t, g.test, "GET", check+"[ada,nobody]&grace=3", "").want(200).golden("check_grace")
	g.call(t, g.test, "GET", check+"ben", "", "version", "v2").want(200).golden("check_v2")
	for _, version := range []string{"v1", "v2"} {
		none := g.call(t, g.test, "GET", check+"nobody", "", "version", version).want(204)
		require.Equal(t, "text/plain", none.header.Get("Content-Type"))
	}
	g.call(t, g.test, "GET", "/licenses/check?granteeIds=ada&productUuid="+g.flat, "").want(404).golden("check_unknown_product")
}
