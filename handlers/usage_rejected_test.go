package handlers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Usage at the edges of what is taken, over HTTP: cases 80, 82, 83 and 85.
func TestUsageThatIsRefused(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.shop(t, g.test)
	at := func(now string) { t.Helper(); g.call(t, g.test, "PUT", "/clock", `{"now":"`+now+`"}`).want(200) }
	at("2027-04-01T00:00:00Z")
	sub := g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`"}`).want(201).text("uuid")
	other := g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`"}`).want(201).text("uuid")
	record := func(of, key, quantity, at string) string {
		return fmt.Sprintf(`{"key":"%s","quantity":"%s","at":"%s","subscriptionUuid":"%s"}`, key, quantity, at, of)
	}
	post := func(records ...string) *result {
		return g.call(t, g.test, "POST", "/usage", `{"records":[`+strings.Join(records, ",")+`]}`).want(200)
	}
	outcome := func(r *result, i int) string {
		if r.text("results", i, "status") != "rejected" {
			return r.text("results", i, "status")
		}
		return r.text("results", i, "error", "code")
	}
	// Case 82.
	clock := post(record(sub, "ahead", "1", "2027-04-01T00:05:00Z"), record(sub, "far ahead", "1", "2027-04-02T01:00:00Z"))
	require.Equal(t, []string{"recorded", "bad_time"}, []string{outcome(clock, 0), outcome(clock, 1)})

	// Case 80: usage from before the end is taken for 72 hours, then refused and kept.
	at("2027-04-10T00:00:00Z")
	g.call(t, g.test, "POST", "/subscriptions/"+sub+"/cancel", `{"when":"now"}`).want(200)
	at("2027-04-13T00:00:00Z")
	in := post(record(sub, "in time", "4", "2027-04-09T00:00:00Z"), record(sub, "after the end", "4", "2027-04-10T00:00:00Z"))
	require.Equal(t, []string{"recorded", "no_access_then"}, []string{outcome(in, 0), outcome(in, 1)})
	at("2027-04-13T00:00:01Z")
	for range 2 {
		late := post(record(sub, "late", "4.50", "2027-04-09T00:00:00Z"), record(other, "early", "1", "2027-03-01T00:00:00Z"), record(s.seats, "no one's", "1", "2027-04-09T00:00:00Z"))
		require.Equal(t, []string{"usage_too_late", "no_access_then", "no_license"}, []string{outcome(late, 0), outcome(late, 1), outcome(late, 2)})
	}
	keys := func(r *result) (all []string) {
		for _, row := range r.want(200).at("data").([]any) {
			all = append(all, row.(map[string]any)["key"].(string))
		}
		return all
	}
	all := g.call(t, g.test, "GET", "/usage/rejected", "").golden("usage_rejected")
	require.Equal(t, []string{"early", "late", "after the end"}, keys(all))
	require.Equal(t, []string{"late", "after the end"}, keys(g.call(t, g.test, "GET", "/usage/rejected?subscriptionUuid="+sub, "")))
	first := g.call(t, g.test, "GET", "/usage/rejected?limit=2", "")
	require.Equal(t, []string{"early", "late"}, keys(first))
	require.Equal(t, []string{"after the end"}, keys(g.call(t, g.test, "GET", "/usage/rejected?limit=2&cursor="+first.text("nextCursor"), "")))
	require.Empty(t, keys(g.call(t, g.live, "GET", "/usage/rejected", "")))
	g.call(t, g.live, "GET", "/usage/rejected?subscriptionUuid="+sub, "").code(404, "no_subscription")
	g.call(t, g.test, "POST", "/usage?dryRun=true", `{"records":[`+record(sub, "tried", "1", "2027-04-09T00:00:00Z")+`]}`).want(200)
	require.Len(t, keys(g.call(t, g.test, "GET", "/usage/rejected", "")), 3)

	// Case 83, forty days later too.
	require.Equal(t, "recorded", outcome(post(record(other, "same", "5", "2027-04-12T00:00:00Z")), 0))
	at("2027-05-25T00:00:00Z")
	again := post(record(other, "same", "5.0", "2027-04-12T00:00:00Z"), record(other, "same", "6", "2027-04-12T00:00:00Z"))
	require.Equal(t, []string{"duplicate", "key_reused"}, []string{outcome(again, 0), outcome(again, 1)})

	// Case 85: row by row, and the same when it is sent again.
	var batch []string
	for i := range 1000 {
		batch = append(batch, record(other, fmt.Sprint("b", i), "1", "2027-04-12T00:00:00Z"))
	}
	batch[0], batch[500], batch[999] = record(other, "", "1", "2027-04-12T00:00:00Z"), record(sub, "b500", "1", "2027-04-12T00:00:00Z"), `{"key":"b999","quantity":"x"}`
	for _, good := range []string{"recorded", "duplicate"} {
		r, n := post(batch...), map[string]int{}
		for i := range batch {
			n[outcome(r, i)]++
		}
		require.Equal(t, 997, n[good], "%v", n)
		require.Equal(t, "no_access_then", outcome(r, 500))
	}
	require.Equal(t, "1002", g.call(t, g.test, "GET", "/usage?to=2027-05-01T00:00:00Z&subscriptionUuid="+other, "").want(200).text("data", 0, "quantity"))
}
