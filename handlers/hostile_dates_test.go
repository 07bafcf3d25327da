package handlers_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// notTimes are texts that some parser takes for an instant.
var notTimes = []string{
	"2026-02-30T00:00:00Z", "2026-04-31T00:00:00Z", "2025-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z",
	"2026-01-31T00:00:60Z", "2016-12-31T23:59:60Z", "2026-01-31T24:00:00Z", "2026-01-31T00:60:00Z", "0000-01-01T00:00:00Z", "0000-12-31T23:59:59-01:00", "10000-01-01T00:00:00Z",
	"9999-12-31T23:59:59-01:00", "-2026-01-31T00:00:00Z", "+2026-01-31T00:00:00Z", "0001-01-01T00:00:00+01:00", "0001-01-01T00:00:00Z", "2026-01-31T00:00:00", "2026-01-31", "2026-01-31T00:00:00+25:00",
	"2026-01-31T00:00:00+24:00", "2026-01-31T00:00:00+00:60", "2026-01-31T00:00:00+0100", "2026-01-31T00:00:00+01", "2026-01-31T00:00:00.1234567Z",
	"2026-01-31T00:00:00.1234567890Z", "2026-01-31T00:00:00,5Z", "2026-01-31T00:00:00.Z", "2026-01-31 00:00:00Z", "2026-01-31t00:00:00z", "2026-1-31T00:00:00Z", "2026-01-31T0:00:00Z",
	"2026-01-31T00:00Z", "2026-W05-6T00:00:00Z", "20260131T000000Z", " 2026-01-31T00:00:00Z", "2026-01-31T00:00:00Z ", "1769817600", "now", "", "２026-01-31T00:00:00Z",
}

func TestB26_Dates(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	a.writesNothing(t, func() {
		for _, at := range notTimes {
			for _, field := range []string{"startAt", "anchorAt", "trialEnd"} {
				got := a.call(t, a.test, "POST", "/subscriptions", `{"planUuid":"`+a.seats+`","`+field+`":"`+at+`"}`)
				require.Equal(t, []string{"/" + field}, got.code(422, "bad_time").pointers())
			}
			a.call(t, a.admin, "POST", "/organisations/"+a.org+"/keys", `{"mode":"test","name":"k","scopes":["plans:read"],"expiresAt":"`+at+`"}`).code(422, "bad_time")
			for _, path := range []string{"/events?from=", "/events?to=", "/usage?subscriptionUuid=" + a.sub + "&from="} {
				a.call(t, a.test, "GET", path+url.QueryEscape(at), "").code(400, "bad_time")
			}
			got := a.call(t, a.test, "POST", "/usage", `{"records":[{"key":"t","quantity":1,"subscriptionUuid":"`+a.sub+`","at":"`+at+`"}]}`).want(200)
			require.Equal(t, "bad_time", got.text("results", 0, "error", "code"), at)
		}
		for _, number := range []string{"1769817600", "1e9", "true", "{}"} {
			a.call(t, a.test, "POST", "/subscriptions", `{"planUuid":"`+a.seats+`","startAt":`+number+`}`).code(400, "wrong_type")
		}
		// Real instants that no subscription can have.
		for field, at := range map[string]string{"startAt": "1969-12-31T23:59:59Z", "trialEnd": "9999-12-31T23:59:59Z", "anchorAt": "0001-01-01T00:00:00Z"} {
			a.call(t, a.test, "POST", "/subscriptions", `{"planUuid":"`+a.seats+`","`+field+`":"`+at+`"}`).want(422)
		}
	})
	for given, kept := range map[string]string{"2026-06-01T01:59:59.123456+14:00": "2026-05-31T11:59:59.123456Z", "2024-02-29T23:59:59-00:00": "2024-02-29T23:59:59Z",
		"2026-05-31T12:00:00.5Z": "2026-05-31T12:00:00.5Z"} {
		require.Equal(t, kept, a.call(t, a.test, "POST", "/subscriptions", `{"planUuid":"`+a.seats+`","startAt":"`+given+`"}`).want(201).text("startAt"))
	}
}

// What exists of reading at an instant: the bounds of lists of events. A parameter asOf is not there yet,
// and is refused rather than passed over, which would answer with the present.
func TestB27_InstantsOfEvents(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.shop(t, g.test)
	g.pass(time.Hour)
	first := g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`"}`).want(201).text("createdAt")
	g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`"}`).want(201) // in the same microsecond
	count := func(query string) int {
		return len(g.call(t, g.test, "GET", "/events?limit=100&kind=subscription&"+query, "").want(200).at("data").([]any))
	}
	at, err := time.Parse(time.RFC3339Nano, first)
	require.NoError(t, err)
	earlier, later := at.Add(-time.Microsecond).Format(time.RFC3339Nano), at.Add(time.Microsecond).Format(time.RFC3339Nano)
	for query, want := range map[string]int{
		"from=" + first: 2, "to=" + first: 0, "from=" + earlier: 2, "from=" + later: 0, "to=" + later: 2, "from=" + first + "&to=" + later: 2, "from=" + later + "&to=" + first: 0,
		"from=9999-12-31T23:59:59.999999Z": 0, "to=0001-01-01T00:00:00.000001Z": 0, "from=0001-01-01T00:00:00.000001Z": 2,
	} {
		require.Equal(t, want, count(query), query)
	}
	head := g.call(t, g.test, "GET", "/head", "").want(200)
	for _, after := range []string{"-1", "1.5", "9223372036854775808", "x", "1e400"} {
		g.call(t, g.test, "GET", "/events?after="+after, "").want(400)
	}
	require.Empty(t, g.call(t, g.test, "GET", "/events?after=9223372036854775807", "").want(200).at("data"))
	require.Empty(t, g.call(t, g.test, "GET", "/events?after="+head.text("position"), "").want(200).at("data"))
	for _, path := range []string{"/products", "/plans/" + s.seats, "/subscriptions", "/events", "/head"} {
		g.call(t, g.test, "GET", path+"?asOf=2026-06-01T00:00:00Z", "").code(400, "unknown_parameter")
	}
}
