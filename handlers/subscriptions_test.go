package handlers_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shop is a catalog to subscribe to.
type shop struct{ product, seats, flat, yearly, capability string }

func (g *rig) shop(t *testing.T, key string) shop {
	t.Helper()
	var s shop
	create := func(path, body string) string {
		return g.call(t, key, "POST", path, body).want(201).text("uuid")
	}
	s.product = create("/products", `{"name":"crm","displayName":"CRM","currencies":[{"currency":"eur","default":true},{"currency":"USD"}]}`)
	s.capability = create("/capabilities", `{"productUuid":"`+s.product+`","name":"export"}`)
	plan := `{"productUuid":"` + s.product + `","name":"%s","displayName":"%[1]s","licenseType":"%s","pricingType":"paid","interval":"%s","length":1,
		"perSeatAmount":1,"maxSeatAmount":10,"capabilities":["` + s.capability + `"],"currencies":[{"currency":"EUR","price":1500}]}`
	s.seats = create("/plans", fmt.Sprintf(plan, "Team", "perSeat", "month"))
	s.flat = create("/plans", fmt.Sprintf(plan, "Solo", "licensed", "month"))
	s.yearly = create("/plans", fmt.Sprintf(plan, "Year", "perSeat", "year"))
	return s
}

func TestSubscriptionLifecycle(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.shop(t, g.test)
	made := g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`","quantity":"3","owner":"ada","granteeId":"bob","email":"ada@example.com"}`).want(201)
	made.golden("subscription_created")
	id := made.text("uuid")
	require.Equal(t, "/ledger/v1/subscriptions/"+id, made.header.Get("Location"))
	require.Equal(t, `"1"`, made.header.Get("ETag"))
	same := func(written *result) *result {
		t.Helper()
		read := g.call(t, g.test, "GET", "/subscriptions/"+id, "").want(200)
		require.JSONEq(t, string(written.body), string(read.body), "a read after a write shows what the write answered")
		require.Equal(t, written.header.Get("ETag"), read.header.Get("ETag"))
		require.Equal(t, written.header.Get("Ledger-Position"), read.header.Get("Ledger-Position"))
		return written
	}
	do := func(action, body string, header ...string) *result {
		t.Helper()
		return g.call(t, g.test, "POST", "/subscriptions/"+id+"/"+action, body, header...)
	}
	same(made)
	same(do("quantity", `{"increment":2,"proration":"none"}`).want(200))
	require.Equal(t, "4", same(do("quantity", `{"decrement":1}`).want(200)).text("quantity"))
	require.Equal(t, "6", same(do("quantity", `{"quantity":6}`).want(200)).text("quantity"))
	before := g.events(t, g.test)
	same(do("quantity", `{"quantity":6}`).want(200))
	same(do("reactivate", "").want(200)) // B46: what changes nothing is fine and no event
	require.Equal(t, before, g.events(t, g.test))
	do("quantity", `{"quantity":11}`).code(409, "seat_maximum")
	do("quantity", `{"decrement":6}`).want(409)
	same(do("change-plan", `{"planUuid":"`+s.yearly+`","when":"periodEnd"}`).want(200))
	same(do("change-plan", `{"planUuid":"`+s.yearly+`"}`).want(200)).golden("subscription_plan_changed")
	paused := same(do("pause", `{"credit":"none"}`).want(200))
	require.Equal(t, "PAUSED", paused.text("status"))
	require.Equal(t, "ACTIVE", same(do("resume", "").want(200)).text("status"))
	ending := same(do("cancel", `{"when":"periodEnd"}`).want(200))
	require.NotEmpty(t, ending.text("cancelAt"))
	before = g.events(t, g.test)
	same(do("cancel", `{"when":"periodEnd"}`).want(200)) // B46
	require.Equal(t, before, g.events(t, g.test))
	require.Empty(t, same(do("reactivate", "").want(200)).text("cancelAt"))
	same(do("cancel", `{"when":"now","credit":"none"}`).want(200)).golden("subscription_canceled")
	do("cancel", `{"when":"now"}`).want(200)
	require.Equal(t, "CANCELED", do("quantity", `{"quantity":7}`).code(409, "subscription_ended").text("state"))
	do("reactivate", "").want(409)

	history := g.call(t, g.test, "GET", "/subscriptions/"+id+"/history?limit=2", "").want(200)
	history.golden("subscription_history")
	require.Len(t, history.at("data"), 2)
	next := g.call(t, g.test, "GET", "/subscriptions/"+id+"/history?limit=2&cursor="+history.text("nextCursor"), "").want(200)
	require.Equal(t, "3", next.text("data", 0, "version"))
	licenses := g.call(t, g.test, "GET", "/subscriptions/"+id+"/licenses?assigned=true", "").want(200)
	licenses.golden("subscription_licenses")
	require.Len(t, licenses.at("data"), 1)
}

func TestIfMatch(t *testing.T) { // B45
	t.Parallel()
	g := newRig(t)
	s := g.shop(t, g.test)
	id := g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`"}`).want(201).text("uuid")
	pause := func(tag string) *result {
		return g.call(t, g.test, "POST", "/subscriptions/"+id+"/pause", "", "If-Match", tag)
	}
	pause(`"7"`).code(412, "stale_version")
	pause(`abc`).code(400, "bad_if_match")
	pause(`"1"`).want(200)
	pause(`*`).want(200)
	read := g.call(t, g.test, "GET", "/subscriptions/"+id, "").want(200)
	g.call(t, g.test, "GET", "/subscriptions/"+id, "", "If-None-Match", read.header.Get("ETag")).want(304)
}

func TestIdempotencyAndDryRun(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.shop(t, g.test)
	body := `{"planUuid":"` + s.seats + `","quantity":2}`
	before := g.events(t, g.test)
	dry := g.call(t, g.test, "POST", "/subscriptions?dryRun=true", body, "Idempotency-Key", "k1").want(201)
	require.Equal(t, "true", dry.header.Get("Dry-Run"))
	require.Equal(t, before, g.events(t, g.test))
	first := g.call(t, g.test, "POST", "/subscriptions", body, "Idempotency-Key", "k1").want(201)
	require.Empty(t, first.header.Get("Idempotency-Replayed"))
	g.pass(time.Hour)
	again := g.call(t, g.test, "POST", "/subscriptions", ` { "quantity" : 2.0 , "planUuid":"`+s.seats+`"}`, "Idempotency-Key", "k1").want(201)
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	require.Equal(t, string(first.body), string(again.body))
	g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`","quantity":3}`, "Idempotency-Key", "k1").code(422, "key_reused") // B43
	g.call(t, g.test, "POST", "/products", `{"name":"a","displayName":"A"}`, "Idempotency-Key", "k1").code(422, "key_reused")
	g.call(t, g.test, "POST", "/products?dryRun=yes", `{"name":"a","displayName":"A"}`).want(400)

	// A change of seats is one event among the task's, so its replay must find the same position.
	quantity := func() *result {
		return g.call(t, g.test, "POST", "/subscriptions/"+first.text("uuid")+"/quantity", `{"increment":1}`, "Idempotency-Key", "k2").want(200)
	}
	require.Equal(t, string(quantity().body), string(quantity().body))
}

// F22, over HTTP: fifty at once, one subscription.
func TestSameKeyAtOnce(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.shop(t, g.test)
	ids := make([]string, 50)
	var wait sync.WaitGroup
	for i := range ids {
		wait.Go(func() {
			ids[i] = g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`"}`, "Idempotency-Key", "same").want(201).text("uuid")
		})
	}
	wait.Wait()
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
	require.Len(t, g.call(t, g.test, "GET", "/subscriptions", "").want(200).at("data"), 1)
}

func TestListsAndCursors(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.shop(t, g.test)
	var want []string
	for range 5 {
		want = append(want, g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`"}`).want(201).text("uuid"))
		g.pass(time.Millisecond)
	}
	g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.flat+`"}`).want(201)
	var got []string
	path := "/subscriptions?limit=2&status=active&planUuid=" + s.seats
	for next := path; next != ""; {
		page := g.call(t, g.test, "GET", next, "").want(200)
		for _, item := range page.at("data").([]any) {
			got = append(got, item.(map[string]any)["uuid"].(string))
		}
		next = ""
		if cursor := page.text("nextCursor"); cursor != "" {
			next = path + "&cursor=" + cursor
		}
	}
	require.Equal(t, want, got)
	cursor := g.call(t, g.test, "GET", path, "").text("nextCursor")
	g.call(t, g.test, "GET", "/subscriptions?status=PAUSED&cursor="+cursor, "").code(400, "bad_cursor") // bound to its filters
	g.call(t, g.live, "GET", path+"&cursor="+cursor, "").code(400, "bad_cursor")
	g.call(t, g.test, "GET", path+"&cursor=AAAA", "").code(400, "bad_cursor")
	g.call(t, g.test, "GET", "/subscriptions?limit=101", "").code(400, "out_of_range")
	g.call(t, g.test, "GET", "/subscriptions?take=1", "").code(400, "unknown_parameter")
	g.call(t, g.test, "GET", "/subscriptions?status=nope", "").code(400, "bad_enum")
	require.Empty(t, g.call(t, g.live, "GET", "/subscriptions", "").want(200).at("data"), "a live ledger sees nothing of the test ledger")
}

func TestLedgerMinPosition(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.shop(t, g.test)
	made := g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`"}`).want(201)
	at := made.header.Get("Ledger-Position")
	g.call(t, g.test, "GET", "/subscriptions/"+made.text("uuid"), "", "Ledger-Min-Position", at).want(200)
	g.call(t, g.test, "GET", "/subscriptions", "", "Ledger-Min-Position", "x").code(400, "bad_min_position")
	late := g.call(t, g.test, "GET", "/subscriptions", "", "Ledger-Min-Position", "999999").code(503, "position_not_reached")
	require.Equal(t, at, late.header.Get("Ledger-Position"))
	require.NotEmpty(t, late.header.Get("Retry-After"))
	require.NotContains(t, g.log.String(), "request failed", "a client's waiting is no fault")
}

func TestManualProviderAndTasks(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.shop(t, g.test)
	g.call(t, g.live, "PUT", "/providers/manual", `{"outcome":"fails"}`).code(403, "not_a_test_ledger")
	g.call(t, g.test, "PUT", "/providers/manual", `{"outcome":"failsThenSucceeds","failures":2,"delayMs":5}`).want(200).golden("manual_provider")
	id := g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`","provider":"manual"}`).want(201).text("uuid")
	asked := g.call(t, g.test, "POST", "/subscriptions/"+id+"/quantity", `{"increment":1}`).want(200)
	require.Equal(t, "1", asked.text("quantity"), "it has not happened yet")
	read := g.call(t, g.test, "GET", "/subscriptions/"+id, "").want(200)
	require.JSONEq(t, string(asked.body), string(read.body))
	task := g.call(t, g.test, "GET", "/tasks/"+asked.header.Get("Event-Uuid"), "").want(200)
	task.golden("task")
	require.Equal(t, "pending", task.text("status"))
	require.Equal(t, http.StatusOK, g.call(t, g.test, "GET", "/projections", "").status)
}

func TestEffectiveAt(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.shop(t, g.test)
	began := g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`","quantity":2}`).want(201)
	path := "/subscriptions/" + began.text("uuid")
	start, err := time.Parse(time.RFC3339, began.text("startAt"))
	require.NoError(t, err)
	end := began.text("currentPeriod", "end")
	g.pass(10 * 24 * time.Hour)
	at := start.Add(72 * time.Hour).Format(time.RFC3339Nano)
	dry := g.call(t, g.test, "POST", path+"/quantity?dryRun=true", `{"increment":1,"effectiveAt":"`+at+`"}`).want(200)
	require.Equal(t, at, dry.text("preview", "pendingLines", 0, "period", "start"), "it is prorated from then")
	changed := g.call(t, g.test, "POST", path+"/quantity", `{"increment":1,"effectiveAt":"`+at+`"}`).want(200)
	require.Equal(t, at, g.call(t, g.test, "GET", "/events/"+changed.text("position"), "").want(200).text("effectiveAt"))
	for action, body := range map[string]string{"change-plan": `"planUuid":"` + s.flat + `",`, "quantity": `"quantity":4,`, "cancel": ``, "pause": ``, "resume": ``} {
		bad := g.call(t, g.test, "POST", path+"/"+action, `{`+body+`"effectiveAt":"`+start.Format(time.RFC3339Nano)+`"}`).code(422, "bad_effective_at")
		require.Equal(t, "/effectiveAt", bad.text("errors", 0, "pointer"))
	}
	g.call(t, g.test, "POST", path+"/cancel", `{"credit":"none"}`).want(422)
	waits := g.call(t, g.test, "POST", path+"/change-plan", `{"planUuid":"`+s.yearly+`","effectiveAt":"`+end+`"}`).want(200)
	require.Equal(t, end, waits.text("pendingChange", "at"))
	paused := g.call(t, g.test, "POST", path+"/pause", `{"effectiveAt":"`+start.Add(9*24*time.Hour).Format(time.RFC3339)+`"}`)
	paused.code(422, "bad_effective_at") // the change was scheduled since
	require.Equal(t, end, g.call(t, g.test, "POST", path+"/cancel", `{"effectiveAt":"`+end+`"}`).want(200).text("cancelAt"))
}

// What was scheduled for an end that came in a pause is done when it is resumed, in every answer.
func TestAPendingChangeComesInAPause(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.shop(t, g.test)
	began := g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`","quantity":3}`).want(201)
	path := "/subscriptions/" + began.text("uuid")
	g.call(t, g.test, "POST", path+"/quantity", `{"quantity":2,"when":"periodEnd"}`).want(200)
	g.call(t, g.test, "POST", path+"/pause", `{}`).want(200)
	g.pass(45 * 24 * time.Hour)
	require.Equal(t, "2", g.call(t, g.test, "GET", path, "").want(200).text("pendingChange", "quantity"), "it still comes")
	g.call(t, g.test, "POST", path+"/resume", `{}`).want(200)
	for range 2 {
		now := g.call(t, g.test, "GET", path, "").want(200)
		require.Equal(t, []any{"2", nil}, []any{now.text("quantity"), now.at("pendingChange")})
		g.call(t, g.test, "DELETE", path+"/pending-change", "").want(200)
	}
}
