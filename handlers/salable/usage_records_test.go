package salable_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestUsageRecords(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	n := 0
	use := func(license string, increment int) {
		t.Helper()
		n++
		g.call(t, g.test, "PUT", "/usage", fmt.Sprintf(`{"licenseUuid":%q,"countOptions":{"increment":%d}}`, license, increment), "unique-key", fmt.Sprint(n)).want(204)
	}
	list := func(query string) string {
		t.Helper()
		var all []string
		page := g.call(t, g.test, "GET", "/usage?granteeId=ada"+query, "", "version", "v2").want(200)
		for i := range page.at("data").([]any) {
			all = append(all, page.text("data", i, "unitCount")+" "+page.text("data", i, "type"))
		}
		return strings.Join(all, ", ")
	}
	now := func(license, plan string) string {
		t.Helper()
		current := g.call(t, g.test, "GET", "/usage/current?granteeId=ada&planUuid="+plan, "", "version", "v3").want(200)
		require.Equal(t, current.text("unitCount"), g.call(t, g.test, "GET", "/licenses/"+license+"/usage", "").want(200).text("unitCount"), "one meaning of current")
		return current.text("unitCount") + " " + current.text("updatedAt")
	}
	require.Equal(t, `{"first":null,"last":null,"data":[]}`, string(g.call(t, g.test, "GET", "/usage?granteeId=ada", "", "version", "v2").want(200).body))
	sub := g.subscribe(t, g.test, g.metered, `,"granteeId":"ada"`)
	seat := g.seatsOf(t, g.test, sub)[0]
	began := g.call(t, g.test, "GET", "/licenses/"+seat, "").want(200).text("startTime")
	require.Equal(t, "0 "+began, now(seat, g.metered), "since it began")
	use(seat, 2)
	use(seat, 3)
	require.Equal(t, "5 current", list(""))
	require.True(t, strings.HasPrefix(now(seat, g.metered), "5 "))
	adHoc := g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada","endTime":"2030-01-01T00:00:00Z"}`, g.flat), "version", "v2").want(201).text("uuid")

	g.pass(32 * 24 * time.Hour)
	require.Equal(t, "5 recorded", list(""))
	require.Equal(t, "0 "+strings.Replace(began, "-06-", "-07-", 1), now(seat, g.metered), "since the period began")
	require.Equal(t, "0 2026-07-01T00:00:00.000Z", now(adHoc, g.flat), "since the month began")
	use(seat, 4)
	use(adHoc, 7)
	g.call(t, g.test, "GET", "/usage?granteeId=ada", "", "version", "v2").want(200).golden("usage_records")
	require.Equal(t, "5 recorded, 7 current, 4 current", list(""), "by the beginnings of the periods")
	for query, want := range map[string]string{"&sort=desc": "4 current, 7 current, 5 recorded", "&type=current": "7 current, 4 current", "&type=recorded": "5 recorded", "&type=final": "",
		"&planUuid=" + g.flat: "7 current", "&subscriptionUuid=" + sub: "5 recorded, 4 current", "&status=active": "5 recorded, 7 current, 4 current", "&status=canceled": "",
		"&subscriptionUuid=" + uuid.NewString(): ""} {
		require.Equal(t, want, list(query), query)
	}
	var paged []string
	for cursor := ""; ; {
		page := g.call(t, g.test, "GET", "/usage?granteeId=ada&take=1&sort=desc"+cursor, "", "version", "v3").want(200)
		ids := page.idsOf()
		if len(ids) == 0 {
			break
		}
		paged = append(paged, page.text("data", 0, "unitCount"))
		cursor = "&cursor=" + page.text("last")
	}
	require.Equal(t, []string{"4", "7", "5"}, paged)

	g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/cancel?when=now", "").want(204)
	require.Equal(t, "5 recorded, 4 final", list("&subscriptionUuid="+sub))
	require.Equal(t, "4", g.call(t, g.test, "GET", "/licenses/"+seat+"/usage", "").text("unitCount"), "the last period's")
	g.call(t, g.test, "GET", "/usage/current?granteeId=ada&planUuid="+g.metered, "", "version", "v2").want(404)
	g.call(t, g.test, "GET", "/usage?granteeId=ada&type=final", "", "version", "v3").want(200).golden("usage_final")
}

// A change of plan that begins the periods anew closes the one that ran.
func TestUsageAfterAChangeOfSchedule(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	yearly := g.call(t, g.test, "POST", "/ledger/v1/plans", fmt.Sprintf(`{"productUuid":%q,"name":"yearly","displayName":"Y","pricingType":"free","interval":"year","length":1,"licenseType":"licensed"}`, g.product)).want(201).text("uuid")
	sub := g.subscribe(t, g.test, g.flat, `,"granteeId":"ada"`)
	seat := g.seatsOf(t, g.test, sub)[0]
	use := func(key string) {
		g.call(t, g.test, "PUT", "/usage", fmt.Sprintf(`{"licenseUuid":%q,"countOptions":{"increment":3}}`, seat), "unique-key", key).want(204)
	}
	use("a")
	g.pass(time.Hour)
	g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/change-plan", fmt.Sprintf(`{"planUuid":%q}`, yearly)).want(204)
	changed := g.now()
	page := g.call(t, g.test, "GET", "/usage?granteeId=ada", "", "version", "v2").want(200)
	require.Equal(t, "recorded "+g.flat, page.text("data", 0, "type")+" "+page.text("data", 0, "planUuid"))
	require.Equal(t, changed.UTC().Format("2006-01-02T15:04:05.000Z"), page.text("data", 0, "recordedAt"))
	require.Equal(t, "0", g.call(t, g.test, "GET", "/licenses/"+seat+"/usage", "").text("unitCount"))
	use("b")
	require.Equal(t, "3", g.call(t, g.test, "GET", "/usage/current?granteeId=ada&planUuid="+yearly, "", "version", "v2").want(200).text("unitCount"))
	require.Len(t, g.call(t, g.test, "GET", "/usage?granteeId=ada", "", "version", "v2").idsOf(), 2)
}
