package salable_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUsageCountsOncePerKey(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	lic := g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada"}`, g.metered)).want(201).text("uuid")
	count := func() string {
		return g.call(t, g.test, "GET", "/licenses/"+lic+"/usage", "").want(200).text("unitCount")
	}
	record := func(body, key string, header ...string) *result {
		return g.call(t, g.test, "PUT", "/usage", body, append(header, "unique-key", key, "Content-Type", "text/plain;charset=UTF-8")...)
	}
	byLicense := fmt.Sprintf(`{"licenseUuid":%q,"countOptions":{"increment":2}}`, lic)
	byGrantee := fmt.Sprintf(`{"granteeId":"ada","planUuid":%q,"countOptions":{"increment":5}}`, g.metered)
	record(byLicense, "a").want(204)
	require.Equal(t, "true", record(byLicense, "a").want(204).header.Get("Idempotency-Replayed"))
	require.Equal(t, "2", count())
	record(byGrantee, "b", "version", "v2").want(204)
	require.Equal(t, "7", count())
	require.Equal(t, []string{"unique-key"}, record(byGrantee, "a").properties(), "the key of another record")

	// A key of usage is no key of another command, and the reverse.
	g.call(t, g.test, "PUT", "/licenses/"+lic, `{"granteeId":"ben"}`, "unique-key", "a").want(200)
	record(byGrantee, "b").want(204) // as at first, though ada holds nothing any more
	record(byGrantee, "c").want(404)
	record(byLicense, "c").want(204) // a refusal used no key up
	require.Equal(t, "9", count())
	g.call(t, g.test, "DELETE", "/licenses/"+lic, "").want(204)
	record(byLicense, "d").want(400)
	record(byLicense, "c").want(204)
	require.Equal(t, "9", count())
}

// A count is whole and one that JavaScript can hold, whatever the ledger's own API recorded beside.
func TestUnitCountsAreWhole(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	const most = "9007199254740991"
	lic := g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada"}`, g.metered)).want(201).text("uuid")
	record := func(key, increment string) *result {
		return g.call(t, g.test, "PUT", "/usage", fmt.Sprintf(`{"licenseUuid":%q,"countOptions":{"increment":%s}}`, lic, increment), "unique-key", key)
	}
	counts := func() []string {
		return []string{g.call(t, g.test, "GET", "/licenses/"+lic+"/usage", "").want(200).text("unitCount"),
			g.call(t, g.test, "GET", "/usage/current?granteeId=ada&planUuid="+g.metered, "", "version", "v2").want(200).text("unitCount"),
			g.call(t, g.test, "GET", "/usage?granteeId=ada", "", "version", "v2").want(200).text("data", 0, "unitCount")}
	}
	for i, bad := range []string{"1.5", "0.1", "9007199254740992", "1e300", "0", "-1", `"1"`} {
		require.Equal(t, []string{"countOptions.increment"}, record(fmt.Sprint("bad", i), bad).properties(), bad)
	}
	record("a", "9007199254740990").want(204)
	require.Equal(t, []string{"countOptions.increment"}, record("b", "2").properties())
	record("b", "1").want(204) // the refusal used no key up
	require.Equal(t, []string{most, most, most}, counts())
	require.Equal(t, []string{"countOptions.increment"}, record("c", "1").properties())
	record("a", "9007199254740990").want(204)
	own := func(key, quantity string) {
		require.Equal(t, "recorded", g.call(t, g.test, "POST", "/ledger/v1/usage",
			fmt.Sprintf(`{"records":[{"key":%q,"quantity":%s,"licenseUuid":%q}]}`, key, quantity, lic)).want(200).text("results", 0, "status"))
	}
	own("own", "0.1")
	require.Equal(t, []string{most, most, most}, counts())
	own("more", "9007199254740991")
	require.Equal(t, []string{most, most, most}, counts(), "the ledger counts on, by its own bounds")

	lic = g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ben"}`, g.metered)).want(201).text("uuid")
	own("part", "0.75")
	require.Equal(t, "0", g.call(t, g.test, "GET", "/licenses/"+lic+"/usage", "").want(200).text("unitCount"))
	own("rest", "0.5")
	record("d", "2").want(204)
	require.Equal(t, "3", g.call(t, g.test, "GET", "/licenses/"+lic+"/usage", "").want(200).text("unitCount"))
}

func TestEveryWriteTakesAKey(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	sub := g.subscribe(t, g.test, g.perSeat, "")
	flat := g.subscribe(t, g.test, g.flat, "")
	head := func() string { return g.call(t, g.test, "GET", "/ledger/v1/head", "").text("position") }
	twice := func(method, path, body string) {
		t.Helper()
		key := method + " " + path
		first := g.call(t, g.test, method, path, body, "unique-key", key)
		require.Less(t, first.status, 300, "%s: %s", first.what, first.body)
		at := head()
		again := g.call(t, g.test, method, path, body, "idempotency-key", key)
		require.Equal(t, first.status, again.status)
		require.Equal(t, string(first.body), string(again.body))
		require.Equal(t, "true", again.header.Get("Idempotency-Replayed"), first.what)
		require.Equal(t, at, head(), first.what)
	}
	twice("POST", "/subscriptions/"+sub+"/seats", `{"increment":3}`)
	twice("PUT", "/subscriptions/"+sub+"/seats", `{"decrement":1}`)
	twice("PUT", "/subscriptions/"+flat+"/change-plan", fmt.Sprintf(`{"planUuid":%q}`, g.upgrade))
	twice("PUT", "/subscriptions/"+flat+"/updateplan/"+g.flat, "")
	twice("PUT", "/subscriptions", fmt.Sprintf(`{"newPlanId":%q,"subscriptionId":%q}`, g.upgrade, flat))
	twice("PUT", "/subscriptions/"+flat+"/cancel", "")
	twice("PUT", "/subscriptions/"+flat+"/reactivate", "")
	twice("POST", "/licenses", fmt.Sprintf(`[{"planUuid":%q,"member":"mia","granteeId":"ada"}]`, g.flat))
	twice("POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"owner":"mia"}`, g.flat))
	twice("PUT", "/subscriptions/"+sub, `{"owner":"noa"}`)
	twice("PUT", "/subscriptions/"+sub+"/manage-seats", `[{"type":"assign","granteeId":"ada"}]`)
	lic := g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ben"}`, g.flat)).want(201).text("uuid")
	twice("PUT", "/licenses/"+lic, `{"granteeId":"cem"}`)
	twice("PUT", "/licenses", fmt.Sprintf(`[{"uuid":%q,"granteeId":null}]`, lic))
	twice("POST", "/licenses/cancel", fmt.Sprintf(`{"uuids":[%q]}`, lic))

	key := "another instant"
	g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/cancel?when=end", "", "unique-key", key).want(204)
	require.Equal(t, []string{"unique-key"}, g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/cancel?when=now", "", "unique-key", key).properties())
}
