package salable_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// idsOf lists the ids of a page.
func (r *result) idsOf() (ids []string) {
	for _, item := range r.at("data").([]any) {
		ids = append(ids, item.(map[string]any)["uuid"].(string))
	}
	return ids
}

func TestSubscribing(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	made := g.call(t, g.test, "POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"granteeId":"ada","owner":"mia","quantity":3}`, g.perSeat), "version", "v2").
		want(201).golden("subscription_created")
	require.Equal(t, made.at(), g.call(t, g.test, "GET", "/subscriptions/"+made.text("uuid"), "").want(200).at(), "it is read as it was answered")
	until := g.call(t, g.test, "POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"owner":"mia","granteeId":null,"expiryDate":"2026-09-15T00:00:00Z","cancelAtPeriodEnd":true,"status":"TRIALING"}`,
		g.flat), "version", "v3").want(201)
	require.Equal(t, "TRIALING 2026-09-15T00:00:00.000Z true", strings.Join([]string{until.text("status"), until.text("expiryDate"), until.text("cancelAtPeriodEnd")}, " "))
	require.Equal(t, "ACTIVE", g.call(t, g.test, "POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"owner":"mia","status":"ACTIVE"}`, g.evaluation)).want(201).text("status"))
	g.call(t, g.test, "POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"owner":"mia"}`, uuid.NewString())).want(404)

	path := "/subscriptions/" + made.text("uuid")
	require.Equal(t, "noa", g.call(t, g.test, "PUT", path+"?owner=ignored", `{"owner":"noa"}`, "version", "v2").want(200).text("owner"))
	require.Equal(t, "noa", g.call(t, g.test, "GET", path, "").text("owner"))
	g.call(t, g.test, "PUT", "/subscriptions/"+uuid.NewString(), `{"owner":"noa"}`).want(404)
	for _, call := range []string{"GET /subscriptions", "POST /subscriptions", "PUT " + path, "GET " + path + "/seats", "GET " + path + "/seats/count", "PUT " + path + "/manage-seats"} {
		method, path, _ := strings.Cut(call, " ")
		require.Contains(t, g.call(t, g.test, method, path, "{}", "version", "v1").want(404).text("error"), "is of v2 and v3", call)
	}
}

func TestSubscriptionsAreListed(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	require.Equal(t, `{"first":null,"last":null,"data":[]}`, string(g.call(t, g.test, "GET", "/subscriptions", "", "version", "v2").want(200).body))
	a := g.subscribe(t, g.test, g.perSeat, `,"granteeId":"ada","email":"mia@example.com"`)
	b := g.call(t, g.test, "POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"owner":"noa"}`, g.elsewherePlan)).want(201)
	c := g.subscribe(t, g.test, g.evaluation, "")
	g.call(t, g.test, "PUT", "/subscriptions/"+a+"/cancel?when=now", "").want(204)
	list := func(query string) []string {
		return g.call(t, g.test, "GET", "/subscriptions"+query, "", "version", "v3").want(200).idsOf()
	}
	all := []string{a, b.text("uuid"), c}
	for query, want := range map[string][]string{"": all, "?sort=asc": all, "?sort=desc": {c, all[1], a}, "?status=canceled": {a}, "?status=TRIALING": {c}, "?status=ACTIVE": {all[1]}, "?status=PAST_DUE": nil,
		"?email=mia@example.com": {a}, "?owner=noa": {all[1]}, "?productUuid=" + g.product: {a, c}, "?planUuid=" + g.elsewherePlan: {all[1]}, "?planUuid=" + g.perSeat + "&status=active": nil,
		"?take=1": {a}, "?take=2&cursor=" + a: {all[1], c}, "?sort=desc&take=1&cursor=" + c: {all[1]}} {
		require.Equal(t, want, list(query), query)
	}
	g.pass(15 * 24 * time.Hour)
	require.Equal(t, []string{all[1], c}, list("?status=ACTIVE"), "the trial is over, whoever recorded it")
	g.call(t, g.test, "GET", "/subscriptions?owner=mia&expand=product,plan.currencies,customer,licenses&take=1", "", "version", "v2").want(200).golden("subscriptions_expanded")
}

// However many subscriptions there are, each of their relations takes one statement.
func TestSubscriptionsExpandTogether(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	path := "/subscriptions?expand=product.currencies,plan.features.feature,plan.currencies,licenses&take=100"
	g.subscribe(t, g.test, g.upgrade, "")
	few := g.asks(t, path, "version", "v2")
	for range 12 {
		g.subscribe(t, g.test, g.perSeat, `,"quantity":4`)
		g.subscribe(t, g.test, g.elsewherePlan, "")
	}
	page := g.call(t, g.test, "GET", path, "", "version", "v2").want(200)
	require.Len(t, page.at("data"), 25)
	require.Len(t, page.at("data", 1, "licenses"), 4)
	require.Equal(t, few, g.asks(t, path, "version", "v2"))
	require.EqualValues(t, 6, few, "subscriptions, products, plans, features, sales, licences")
}

// Who reads a list page by page while others write sees each that was there at first, once.
func TestPagesUnderWrites(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	var there []string
	for range 20 {
		there = append(there, g.subscribe(t, g.test, g.flat, ""))
	}
	for _, sort := range []string{"asc", "desc"} {
		stop, written := make(chan struct{}), sync.WaitGroup{}
		written.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
					g.subscribe(t, g.test, g.flat, "")
					g.call(t, g.test, "PUT", "/subscriptions/"+there[n%len(there)], fmt.Sprintf(`{"owner":"o%d"}`, n)).want(200)
				}
			}
		})
		seen := map[string]int{}
		for cursor, more := "", true; more; {
			page := g.call(t, g.test, "GET", "/subscriptions?take=3&sort="+sort+cursor, "", "version", "v2").want(200)
			ids := page.idsOf()
			for _, id := range ids {
				seen[id]++
			}
			if len(ids) > 0 {
				require.Equal(t, []string{ids[0], ids[len(ids)-1]}, []string{page.text("first"), page.text("last")})
			}
			cursor = "&cursor=" + page.text("last")
			more = len(ids) > 0 && (sort == "desc" || len(seen) < 60) // in this order they write on and on
		}
		close(stop)
		written.Wait()
		for id, n := range seen {
			require.Equal(t, 1, n, id)
		}
		for _, id := range there {
			require.Contains(t, seen, id, sort)
		}
	}
}

func TestSeatsByGrantee(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	path := "/subscriptions/" + g.subscribe(t, g.test, g.perSeat, `,"granteeId":"ada","quantity":3`)
	manage := func(body string) *result {
		return g.call(t, g.test, "PUT", path+"/manage-seats", body, "version", "v2")
	}
	holders := func() (all []string) {
		for _, l := range g.call(t, g.test, "GET", path+"/seats", "", "version", "v3").want(200).at("data").([]any) {
			name, _ := l.(map[string]any)["granteeId"].(string)
			all = append(all, name)
		}
		return all
	}
	manage(`[{"type":"assign","granteeId":"ben"},{"type":"replace","granteeId":"ada","newGranteeId":"cem"}]`).want(204)
	require.Equal(t, []string{"cem", "ben", ""}, holders())
	head := func() string { return g.call(t, g.test, "GET", "/ledger/v1/head", "").text("position") }
	before := head()
	require.Equal(t, []string{"1.granteeId", "3.granteeId"},
		manage(`[{"type":"unassign","granteeId":"ben"},{"type":"unassign","granteeId":"ada"},{"type":"assign","granteeId":"ben"},{"type":"replace","granteeId":"x","newGranteeId":"y"}]`).properties())
	manage(`[{"type":"replace","granteeId":"ben","newGranteeId":"ben"}]`).want(204)
	require.Equal(t, before, head(), "all or none, and nothing for nothing")
	g.call(t, g.test, "PUT", "/subscriptions/"+uuid.NewString()+"/manage-seats", `[{"type":"unassign","granteeId":"ben"}]`).want(404)

	g.call(t, g.test, "POST", path+"/seats", `{"increment":2}`, "version", "v3").want(201)
	g.call(t, g.test, "POST", path+"/seats", `{"decrement":1,"proration":"none"}`, "version", "v3").want(201)
	require.Equal(t, []string{"cem", "ben", "", ""}, holders(), "the removed one is not shown")
	require.Equal(t, `{"count":4,"assigned":2,"unassigned":2}`, string(g.call(t, g.test, "GET", path+"/seats/count", "", "version", "v2").want(200).body))
	page := g.call(t, g.test, "GET", path+"/seats?take=3", "", "version", "v2").want(200)
	rest := g.call(t, g.test, "GET", path+"/seats?take=3&cursor="+page.text("last"), "", "version", "v2").want(200)
	require.Equal(t, g.seatsOf(t, g.test, strings.TrimPrefix(path, "/subscriptions/")), slices.Concat(page.idsOf(), rest.idsOf()))
	require.Len(t, g.call(t, g.test, "GET", path+"?expand=licenses", "").want(200).at("licenses"), 5, "here it is")

	g.call(t, g.test, "PUT", path+"/cancel?when=now", "").want(204)
	require.Empty(t, holders())
	manage(`[{"type":"assign","granteeId":"ben"}]`).want(400)
	for _, of := range []string{"/seats", "/seats/count"} {
		require.Equal(t, `{"error":"subscription not found"}`, string(g.call(t, g.test, "GET", "/subscriptions/"+uuid.NewString()+of, "").want(404).body))
	}
}
