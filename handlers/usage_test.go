package handlers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.shop(t, g.test)
	g.call(t, g.test, "POST", "/meters", `{"key":"calls"}`).want(201)
	sub := g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`","granteeId":"bob"}`).want(201).text("uuid")
	license := g.call(t, g.test, "GET", "/subscriptions/"+sub+"/licenses", "").want(200).text("data", 0, "uuid")
	post := func(records string, header ...string) *result {
		t.Helper()
		return g.call(t, g.test, "POST", "/usage", `{"records":[`+records+`]}`, header...)
	}
	statuses := func(r *result) string {
		var all []string
		for _, v := range r.want(200).at("results").([]any) {
			m := v.(map[string]any)
			all = append(all, fmt.Sprint(m["key"], "=", m["status"]))
		}
		return strings.Join(all, " ")
	}
	// B42: one bad record rejects itself alone, and the order stays.
	mixed := post(`{"key":"a","quantity":"1.5","subscriptionUuid":"` + sub + `","meter":"calls"},
		{"key":"b","quantity":2,"licenseUuid":"` + license + `","meter":"calls"},
		{"key":"c","quantity":3,"granteeId":"bob","planUuid":"` + s.seats + `","meter":"calls"},
		{"key":"a","quantity":"1.5","subscriptionUuid":"` + sub + `","meter":"calls"},
		{"key":"a","quantity":9,"subscriptionUuid":"` + sub + `","meter":"calls"},
		{"key":"d","quantity":"many","subscriptionUuid":"` + sub + `"},
		{"key":"e","quantity":1,"subscriptionUuid":"` + sub + `","meter":"nope"},
		{"key":"f","quantity":1,"licenseUuid":"` + s.seats + `"},
		{"key":"g","quantity":1,"granteeId":"eve","planUuid":"` + s.seats + `"},
		{"key":"h","quantity":1},
		{"key":"i","quantity":1,"subscriptionUuid":"` + sub + `","at":"2030-01-01T00:00:00Z"},
		{"key":"j","quantity":-1,"subscriptionUuid":"` + sub + `","meter":"calls","Meter":"x"},
		7`).golden("usage")
	require.Equal(t, "a=recorded b=recorded c=recorded a=duplicate a=rejected d=rejected e=rejected f=rejected g=rejected h=rejected i=rejected j=rejected =rejected",
		statuses(mixed))
	require.Equal(t, "c=duplicate x=recorded", statuses(post(`{"key":"c","quantity":3,"granteeId":"bob","planUuid":"`+s.seats+`","meter":"calls"},{"key":"x","quantity":-0.5,"subscriptionUuid":"`+sub+`","meter":"calls"}`)))
	totals := g.call(t, g.test, "GET", "/usage?subscriptionUuid="+sub+"&meter=calls", "").want(200).golden("usage_totals")
	require.Equal(t, "6", totals.text("data", 0, "total"))
	require.Empty(t, g.call(t, g.test, "GET", "/usage?subscriptionUuid="+sub+"&from=2027-01-01T00:00:00Z", "").want(200).at("data"))

	first := post(`{"key":"k1","quantity":1,"subscriptionUuid":"`+sub+`"}`, "Idempotency-Key", "batch").want(200)
	again := post(`{"key":"k1","quantity":1,"subscriptionUuid":"`+sub+`"}`, "Idempotency-Key", "batch").want(200)
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	require.Equal(t, string(first.body), string(again.body))

	post("").code(422, "required")
	post(strings.TrimSuffix(strings.Repeat(`{"key":"z","quantity":1},`, 1001), ",")).code(422, "too_many") // B42
	foreign := g.shop(t, g.live)
	foreignSub := g.call(t, g.live, "POST", "/subscriptions", `{"planUuid":"`+foreign.seats+`"}`).want(201).text("uuid")
	for _, id := range []string{foreignSub, "01900000-0000-7000-8000-00000000dead"} { // B01, in a batch
		for _, ref := range []string{"subscriptionUuid", "licenseUuid"} {
			res := post(`{"key":"y","quantity":1,"` + ref + `":"` + id + `"}`).want(200)
			require.Equal(t, "no_license", res.text("results", 0, "error", "code"))
		}
		g.call(t, g.test, "GET", "/usage?subscriptionUuid="+id, "").code(404, "no_subscription")
	}
	g.call(t, g.test, "GET", "/usage", "").code(400, "required")
}
