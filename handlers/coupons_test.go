package handlers_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCoupons(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.shop(t, g.test)
	made := g.call(t, g.test, "POST", "/coupons", `{"code":"SPRING","percentOff":"12.50","duration":"repeating","durationPeriods":3,"maxRedemptions":2,
		"products":["`+s.product+`"],"redeemBy":"2027-01-01T00:00:00Z","endsAt":"2028-01-01T00:00:00Z"}`).want(201).golden("coupon_created")
	path := "/coupons/" + made.text("uuid")
	require.JSONEq(t, string(made.body), string(g.call(t, g.test, "GET", path, "").want(200).body))
	g.call(t, g.test, "POST", "/coupons", `{"code":"SPRING","percentOff":1,"duration":"once"}`).code(409, "coupon_code_taken")
	g.call(t, g.live, "POST", "/coupons", `{"code":"SPRING","percentOff":1,"duration":"once"}`).want(201) // another ledger's code

	sub := g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`","coupon":"SPRING"}`).want(201)
	require.Equal(t, "SPRING", sub.text("coupons", 0, "code"))
	at := "/subscriptions/" + sub.text("uuid")
	same := func(written *result) *result {
		t.Helper()
		read := g.call(t, g.test, "GET", at, "").want(200)
		require.JSONEq(t, string(written.body), string(read.body))
		own := g.call(t, g.test, "GET", "/events/"+written.text("position"), "").want(200)
		require.Equal(t, sub.text("uuid"), own.text("streamUuid"), "it is the subscription's own event, whatever stands behind it")
		return written
	}
	same(sub)
	fixed := g.call(t, g.test, "POST", "/coupons", `{"code":"é<b>","amountOff":500,"currency":"eur","duration":"once"}`).want(201)
	require.Equal(t, "EUR", fixed.text("currency"))
	require.Equal(t, `é<b>`, same(g.call(t, g.test, "POST", at+"/coupon", `{"code":"é<b>"}`).want(200)).text("coupons", 0, "code"))
	require.Empty(t, same(g.call(t, g.test, "POST", at+"/coupon", `{"code":null}`).want(200)).at("coupons"))
	require.Equal(t, "1", g.call(t, g.test, "GET", path, "").text("redemptions"), "taken off, it stays redeemed")
	before := g.events(t, g.test)
	g.call(t, g.test, "POST", at+"/coupon", `{"code":null}`).want(200)
	g.call(t, g.test, "POST", at+"/coupon", `{"code":"SPRING"}`, "If-Match", `"1"`).code(412, "stale_version")
	g.call(t, g.test, "POST", at+"/coupon?dryRun=true", `{"code":"SPRING"}`).want(200)
	g.call(t, g.test, "POST", at+"/coupon", `{}`).code(422, "required")
	g.call(t, g.test, "POST", at+"/coupon", `{"code":""}`).code(422, "required")
	g.call(t, g.test, "POST", at+"/coupon", `{"code":7}`).code(400, "wrong_type")
	g.call(t, g.test, "POST", at+"/coupon", `{"code":"`+strings.Repeat("x", 256)+`"}`).code(422, "too_long")
	g.call(t, g.test, "POST", at+"/coupon", `{"code":"spring"}`).code(404, "no_coupon")
	require.Equal(t, before, g.events(t, g.test))

	g.call(t, g.test, "PUT", path, `{"percentOff":null,"amountOff":300,"currency":"EUR","redeemBy":null,"endsAt":null,"products":null}`).want(200).golden("coupon_changed")
	g.call(t, g.test, "PUT", path, `{"code":"SUMMER"}`).code(422, "code_is_fixed")
	require.Equal(t, "DEPRECATED", g.call(t, g.test, "POST", path+"/archive", "").want(200).text("status"))
	g.call(t, g.test, "POST", at+"/coupon", `{"code":"SPRING"}`).code(409, "coupon_archived")
	require.Equal(t, "é<b>", g.call(t, g.test, "GET", "/coupons?status=active", "").want(200).text("data", 0, "code"))
}

func TestB11_B23_B25_B26_BadCoupons(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	with := func(members string) string { return `{"code":"X","duration":"once",` + members + `}` }
	a.writesNothing(t, func() {
		for members, want := range map[string]string{
			`"percentOff":"100.0001"`: "bad_percentage", `"percentOff":-5`: "bad_percentage", `"percentOff":1e-20`: "bad_percentage", `"percentOff":0`: "bad_percentage",
			`"percentOff":1,"amountOff":1,"currency":"EUR"`: "not_allowed", `"amountOff":1`: "missing", `"amountOff":0,"currency":"EUR"`: "amount_out_of_range",
			`"amountOff":-1,"currency":"EUR"`: "amount_out_of_range", `"amountOff":9007199254740992,"currency":"EUR"`: "amount_out_of_range",
			`"amountOff":0.5,"currency":"EUR"`: "not_an_integer", `"amountOff":1,"currency":"XXX"`: "unknown_currency",
			`"percentOff":1,"durationPeriods":2`: "not_allowed", `"percentOff":1,"maxRedemptions":0`: "out_of_range", `"percentOff":1,"maxRedemptions":2147483648`: "out_of_range",
			`"percentOff":1,"redeemBy":"2026-02-30T00:00:00Z"`: "bad_time", `"percentOff":1,"endsAt":"2026-02-20T00:00:00"`: "bad_time",
			`"percentOff":1,"redeemBy":"2026-02-20T00:00:00Z","endsAt":"2026-02-19T00:00:00Z"`: "bad_ends_at",
			`"percentOff":1,"redemptions":7`: "unknown_field", `"percentOff":1,"status":"ACTIVE"`: "unknown_field", `"percentOff":1,"uuid":"` + a.sub + `"`: "unknown_field",
			`"percentOff":1,"products":["` + a.sub + `"]`: "no_product",
		} {
			require.Equal(t, want, a.call(t, a.test, "POST", "/coupons", with(members)).want(422).text("code"), members)
		}
		require.ElementsMatch(t, []string{"/code", "/percentOff", "/duration", "/products/0"},
			a.call(t, a.test, "POST", "/coupons", `{"code":"a\tb","duration":"always","products":["`+a.sub+`"]}`).code(422, "invalid_fields").pointers(), "all at once")
	})
}

// However many want the last redemptions at the same time, on whatever subscriptions: no more than there are.
func TestACouponIsNeverRedeemedTooOften(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.shop(t, g.test)
	for _, most := range []int{1, 3} {
		code := fmt.Sprint("last ", most)
		id := g.call(t, g.test, "POST", "/coupons", fmt.Sprintf(`{"code":%q,"percentOff":50,"duration":"once","maxRedemptions":%d}`, code, most)).want(201).text("uuid")
		sub := g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`"}`).want(201).text("uuid")
		var all sync.WaitGroup
		start, results := make(chan struct{}), make([]*result, 12)
		for i := range results {
			all.Go(func() {
				<-start
				if i == 0 { // an old one beside the new ones
					results[i] = g.call(t, g.test, "POST", "/subscriptions/"+sub+"/coupon", fmt.Sprintf(`{"code":%q}`, code))
				} else {
					results[i] = g.call(t, g.test, "POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"coupon":%q}`, s.seats, code))
				}
			})
		}
		close(start)
		all.Wait()
		won := 0
		for _, r := range results {
			if r.status < 300 {
				won++
				continue
			}
			r.code(409, "coupon_used_up")
		}
		require.Equal(t, most, won)
		require.Equal(t, fmt.Sprint(most), g.call(t, g.test, "GET", "/coupons/"+id, "").text("redemptions"))
	}
}
