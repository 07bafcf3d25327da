package salable_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// makeCoupon makes one of a tenth, for ever.
func (g *rig) makeCoupon(t testing.TB, key, code string) string {
	t.Helper()
	return g.call(t, key, "POST", "/ledger/v1/coupons", fmt.Sprintf(`{"code":%q,"percentOff":10,"duration":"forever"}`, code)).want(201).text("uuid")
}

func TestCouponsOnASubscription(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	sub := g.subscribe(t, g.test, g.perSeat, "")
	one, two := g.makeCoupon(t, g.test, "ONE"), g.makeCoupon(t, g.test, "TWO")
	path, body := "/subscriptions/"+sub+"/coupons", func(coupon string) string { return fmt.Sprintf(`{"couponUuid":%q}`, coupon) }
	on := func() (codes []string) {
		all, _ := g.call(t, g.test, "GET", "/ledger/v1/subscriptions/"+sub, "").want(200).at("coupons").([]any)
		for _, c := range all {
			codes = append(codes, c.(map[string]any)["code"].(string))
		}
		return codes
	}
	for _, version := range []string{"v2", "v3"} {
		g.call(t, g.test, "POST", path, body(one), "version", version).want(204)
		g.call(t, g.test, "POST", path, body(two), "version", version).want(204)
		g.call(t, g.test, "POST", path, body(two), "version", version).want(204)
		require.Equal(t, []string{"ONE", "TWO"}, on(), "beside each other")
		g.call(t, g.test, "PUT", path, body(one), "version", version).want(204)
		g.call(t, g.test, "PUT", path, body(one), "version", version).want(204)
		require.Equal(t, []string{"TWO"}, on())
		g.call(t, g.test, "PUT", path, body(two), "version", version).want(204)
		require.Equal(t, []string{"couponUuid"}, g.call(t, g.test, "POST", path, `{}`, "version", version).properties())
		require.Equal(t, `{"error":"coupon not found"}`, string(g.call(t, g.test, "POST", path, body(sub), "version", version).want(404).body))
	}
	g.call(t, g.test, "POST", path, body(one), "version", "v1").want(404)
	g.call(t, g.test, "POST", "/ledger/v1/coupons/"+one+"/archive", "").want(200)
	require.Contains(t, g.call(t, g.test, "POST", path, body(one), "version", "v2").want(400).text("error"), "archived")
}

func TestTheLastRedemptionIsGivenOnce(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	subs := []string{g.subscribe(t, g.test, g.perSeat, ""), g.subscribe(t, g.test, g.flat, "")}
	coupon := g.call(t, g.test, "POST", "/ledger/v1/coupons", `{"code":"LAST","percentOff":10,"duration":"once","maxRedemptions":1}`).want(201).text("uuid")
	got := atOnce(2, func(i int) int {
		return g.call(t, g.test, "POST", "/subscriptions/"+subs[i]+"/coupons", fmt.Sprintf(`{"couponUuid":%q}`, coupon)).status
	})
	require.Equal(t, map[int]int{http.StatusNoContent: 1, http.StatusBadRequest: 1}, got)
	require.Equal(t, "1", g.call(t, g.test, "GET", "/ledger/v1/coupons/"+coupon, "").want(200).text("redemptions"))
}
