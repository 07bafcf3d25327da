package salable_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What an ended subscription says of its end is the same in all that shows it, before and after somebody has recorded it.
func TestAnEndSaysTheSameWhoeverRecordedIt(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	shown := func(t *testing.T, id string) string {
		t.Helper()
		s := g.call(t, g.test, "GET", "/subscriptions/"+id, "", "version", "v2").want(200)
		listed := g.call(t, g.test, "GET", "/subscriptions?planUuid="+s.text("planUuid")+"&take=100", "", "version", "v2").want(200)
		own := g.call(t, g.test, "GET", "/ledger/v1/subscriptions/"+id, "").want(200)
		var all []string
		for i, other := range listed.idsOf() {
			if other == id {
				all = append(all, listed.text("data", i, "status")+" "+listed.text("data", i, "cancelAtPeriodEnd"))
			}
		}
		for i := range g.call(t, g.test, "GET", "/licenses?subscriptionUuid="+id, "", "version", "v2").want(200).at("data").([]any) {
			l := g.call(t, g.test, "GET", "/licenses?subscriptionUuid="+id, "", "version", "v2")
			all = append(all, l.text("data", i, "status")+" "+l.text("data", i, "cancelAtPeriodEnd"))
		}
		require.Equal(t, s.text("status") == "CANCELED", own.text("canceledAt") != "", "%s", own.body)
		return fmt.Sprintf("%s %s: %s", s.text("status"), s.text("cancelAtPeriodEnd"), strings.Join(all, ", "))
	}
	subscribe := func(more string) string {
		return g.call(t, g.test, "POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"owner":"mia","quantity":2%s}`, g.perSeat, more), "version", "v2").want(201).text("uuid")
	}
	soon := g.now().Add(time.Hour).Format(time.RFC3339)
	served := subscribe(`,"cancelAtPeriodEnd":true,"expiryDate":"` + soon + `"`)
	require.Equal(t, "ACTIVE true: ACTIVE true, ACTIVE true, ACTIVE true", shown(t, served))
	early := subscribe(`,"cancelAtPeriodEnd":true,"expiryDate":"` + soon + `"`)
	g.call(t, g.test, "PUT", "/subscriptions/"+early+"/cancel?when=now", "").want(204)
	require.Equal(t, "CANCELED false: CANCELED false, CANCELED false, CANCELED false", shown(t, early), "it did not end as was scheduled")
	atOnce := subscribe("")
	g.call(t, g.test, "PUT", "/subscriptions/"+atOnce+"/cancel?when=now", "").want(204)
	require.Equal(t, "CANCELED false: CANCELED false, CANCELED false, CANCELED false", shown(t, atOnce))

	g.pass(time.Hour)
	const over = "CANCELED true: CANCELED true, CANCELED true, CANCELED true"
	require.Equal(t, over, shown(t, served), "nobody has recorded it")
	recorded := g.call(t, g.test, "PUT", "/subscriptions/"+served, `{"owner":"noa"}`, "version", "v2").want(200)
	require.Equal(t, "CANCELED true", recorded.text("status")+" "+recorded.text("cancelAtPeriodEnd"))
	require.Equal(t, over, shown(t, served), "the end is recorded now")

	fewer := subscribe(`,"cancelAtPeriodEnd":true,"expiryDate":"` + g.now().Add(time.Hour).Format(time.RFC3339) + `"`)
	g.call(t, g.test, "POST", "/subscriptions/"+fewer+"/seats", `{"increment":1}`).want(201)
	g.call(t, g.test, "PUT", "/subscriptions/"+fewer+"/seats", `{"decrement":1}`).want(200)
	require.Equal(t, "ACTIVE true: ACTIVE true, ACTIVE true, ACTIVE true, CANCELED false", shown(t, fewer), "a removed seat ended by itself")
}

// Seats that an open change is about to remove are given to nobody, whichever way it is asked for.
func TestSeatsOfAnOpenRemovalAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.subscribe(t, g.test, g.perSeat, `,"provider":"manual","quantity":3`)
	seats := g.seatsOf(t, g.test, s)
	removal := g.call(t, g.test, "PUT", "/subscriptions/"+s+"/seats", `{"decrement":1}`).want(200).text("eventUuid")
	manage := func(items string) *result {
		return g.call(t, g.test, "PUT", "/subscriptions/"+s+"/manage-seats", items, "version", "v2")
	}
	refused := `{"error":"1 of the 3 unassigned seats are about to be removed (open change ` + removal + `)"}`
	require.Equal(t, refused, string(manage(`[{"type":"assign","granteeId":"a"},{"type":"assign","granteeId":"b"},{"type":"assign","granteeId":"c"}]`).want(400).body))
	manage(`[{"type":"assign","granteeId":"a"},{"type":"assign","granteeId":"b"}]`).want(204)
	refused = strings.Replace(refused, "the 3", "the 1", 1)
	for _, seat := range seats {
		if g.call(t, g.test, "GET", "/licenses/"+seat, "").text("granteeId") == "" {
			require.Equal(t, refused, string(g.call(t, g.test, "PUT", "/licenses/"+seat, `{"granteeId":"c"}`).want(400).body))
		}
	}
	require.Equal(t, "pending", g.call(t, g.test, "GET", "/events/"+removal, "").want(200).text("status"))
	manage(`[{"type":"unassign","granteeId":"a"},{"type":"assign","granteeId":"c"}]`).want(204)
}
