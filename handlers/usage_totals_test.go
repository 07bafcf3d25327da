package handlers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What GET /usage answers is what the aggregation of each meter makes of the records, in pages too.
func TestUsageTotals(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.shop(t, g.test)
	g.call(t, g.test, "PUT", "/clock", `{"now":"2027-04-01T00:00:00Z"}`).want(200)
	hows := []string{"sum", "count", "max", "last", "unique", "weightedSum"}
	for _, how := range hows {
		g.call(t, g.test, "POST", "/meters", fmt.Sprintf(`{"key":"m-%s","aggregation":"%[1]s","carriesOver":%t}`, how, how == "last" || how == "weightedSum")).want(201)
	}
	sub := g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`","quantity":2}`).want(201).text("uuid")
	g.call(t, g.test, "PUT", "/clock", `{"now":"2027-04-21T00:00:00Z"}`).want(200)
	var records []string
	for _, how := range hows {
		for i, r := range []struct{ quantity, value, at string }{{"5", "a", "01"}, {"3", "b", "11"}, {"-2", "b", "16"}, {"4", "a", "21"}} {
			records = append(records, fmt.Sprintf(`{"key":"%s%d","quantity":"%s","value":"%s","at":"2027-04-%sT00:00:00Z","meter":"m-%s","subscriptionUuid":"%s"}`,
				how, i, r.quantity, r.value, r.at, how, sub))
		}
	}
	records = append(records, `{"key":"below","quantity":"-2","subscriptionUuid":"`+sub+`"}`)
	g.call(t, g.test, "POST", "/usage", `{"records":[`+strings.Join(records, ",")+`]}`).want(200)
	comes := func(r *result) (all []string) {
		t.Helper()
		for _, row := range r.want(200).at("data").([]any) {
			m := row.(map[string]any)
			meter, _ := m["meter"].(string)
			start := m["period"].(map[string]any)["start"].(string)
			all = append(all, fmt.Sprintf("%s %s=%v", start[5:7], meter, m["quantity"]))
		}
		return all
	}
	// weightedSum: 5 for ten days, 8 for five, 6 for five, 10 for ten.
	april := []string{"04 =0", "04 m-count=2", "04 m-last=4", "04 m-max=5", "04 m-sum=10", "04 m-unique=1", "04 m-weightedSum=7.333333333333"}
	got := g.call(t, g.test, "GET", "/usage?subscriptionUuid="+sub, "").golden("usage_aggregations")
	require.Equal(t, april, comes(got))
	require.Equal(t, true, got.at("data", 0, "floored"))

	// A month later what carries over is there without a record; the month before stays as it was.
	g.call(t, g.test, "PUT", "/clock", `{"now":"2027-05-10T00:00:00Z"}`).want(200)
	later := []string{"04 =0", "04 m-count=2", "04 m-last=4", "05 m-last=4", "04 m-max=5", "04 m-sum=10", "04 m-unique=1", "04 m-weightedSum=7.333333333333", "05 m-weightedSum=10"}
	require.Equal(t, later, comes(g.call(t, g.test, "GET", "/usage?subscriptionUuid="+sub, "")))
	require.Equal(t, []string{"05 m-last=4"}, comes(g.call(t, g.test, "GET", "/usage?subscriptionUuid="+sub+"&meter=m-last&from=2027-05-01T00:00:00Z", "")))
	require.Equal(t, []string{"04 m-last=4"}, comes(g.call(t, g.test, "GET", "/usage?subscriptionUuid="+sub+"&meter=m-last&to=2027-05-01T00:00:00Z", "")))

	// Page by page it is the same, with a late record among them.
	g.call(t, g.test, "POST", "/usage", `{"records":[{"key":"late","quantity":"6","at":"2027-04-25T00:00:00Z","meter":"m-last","subscriptionUuid":"`+sub+`"},
		{"key":"new","quantity":"1","meter":"m-sum","subscriptionUuid":"`+sub+`"}]}`).want(200)
	later[2], later[3] = "04 m-last=6", "05 m-last=6"
	later = append(later[:6], append([]string{"05 m-sum=1"}, later[6:]...)...)
	for limit := 1; limit < 4; limit++ {
		var all []string
		for next := any(""); next != nil; {
			path := fmt.Sprintf("/usage?subscriptionUuid=%s&limit=%d", sub, limit)
			if next != "" {
				path += "&cursor=" + next.(string)
			}
			r := g.call(t, g.test, "GET", path, "")
			all, next = append(all, comes(r)...), r.at("nextCursor")
		}
		require.Equal(t, later, all, "%d a page", limit)
	}
	g.call(t, g.test, "GET", "/usage?subscriptionUuid="+sub+"&cursor=AAAAAAAAAAAAAAAAAAAA", "").code(400, "bad_cursor")
}
