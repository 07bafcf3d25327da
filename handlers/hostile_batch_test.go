package handlers_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestB42_BatchesAnswerItemByItem(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	record := func(key, more string) string {
		return `{"key":"` + key + `","subscriptionUuid":"` + a.sub + `"` + more + `}`
	}
	post := func(records ...string) *result {
		return a.call(t, a.test, "POST", "/usage", `{"records":[`+strings.Join(records, ",")+`]}`)
	}
	a.writesNothing(t, func() {
		for _, n := range []int{1001, 5000} {
			require.Equal(t, []string{"/records"}, post(slices.Repeat([]string{record("z", `,"quantity":1`)}, n)...).code(422, "too_many").pointers())
		}
		post().code(422, "required")
		for _, records := range []string{"null", `"x"`, "{}", "7"} {
			got := a.call(t, a.test, "POST", "/usage", `{"records":`+records+`}`)
			require.Contains(t, []int{400, 422}, got.status, "%s: %s", records, got.body)
		}
		outcomes := post("null", "7", `"x"`, "[]", record("", `,"quantity":1`), record("k", ""), record("k", `,"quantity":1,"quantity2":2`)).want(200)
		for i := range 7 {
			require.Equal(t, "rejected", outcomes.text("results", i, "status"), "%s", outcomes.body)
		}
	})
	all := make([]string, 1000)
	for i := range all {
		all[i] = record(fmt.Sprint("n", i), `,"quantity":1`)
	}
	all[500] = record("bad", `,"quantity":"many"`)
	got := post(all...).want(200)
	require.Len(t, got.at("results"), 1000)
	for i := range all {
		key, status := fmt.Sprint("n", i), "recorded"
		if i == 500 {
			key, status = "bad", "rejected"
		}
		require.Equal(t, key+" "+status, got.text("results", i, "key")+" "+got.text("results", i, "status"), "the order is kept")
	}
	twice := post(record("one", `,"quantity":1`), record("two", `,"quantity":2`), record("one", `,"quantity":1`), record("one", `,"quantity":9`)).want(200)
	for i, status := range []string{"recorded", "recorded", "duplicate", "rejected"} {
		require.Equal(t, status, twice.text("results", i, "status"), "%d: %s", i, twice.body)
	}
	require.Equal(t, "1002", a.call(t, a.test, "GET", "/usage?subscriptionUuid="+a.sub, "").want(200).text("data", 0, "total"))
}

func TestB43_IdempotencyKeys(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	keys := []string{"", " ", strings.Repeat("k", 256), strings.Repeat("k", 5000), "ключ", "é", "a\tb", "\x7f", "k\u00a0", "\xff", "😀"}
	a.writesNothing(t, func() {
		for _, w := range a.writes {
			for _, name := range []string{"Idempotency-Key", "Unique-Key"} {
				for _, key := range keys {
					if key == " " { // printable ASCII
						continue
					}
					got := a.send(t, w.key, w.Method, w.path, w.body, "Content-Type", "application/json", name, key)
					got.code(400, "bad_idempotency_key")
				}
			}
			for _, two := range [][]string{{"Idempotency-Key", "a", "Idempotency-Key", "b"}, {"Idempotency-Key", "a", "Unique-Key", "b"}, {"Idempotency-Key", "a", "Idempotency-Key", "a", "Idempotency-Key", "a"}} {
				a.send(t, w.key, w.Method, w.path, w.body, append(two, "Content-Type", "application/json")...).code(400, "bad_idempotency_key")
			}
		}
	})
	// One key, used on every route with another body and another path: the first answer is the only one.
	used := strings.Repeat("~", 255)
	product := `{"name":"once","displayName":"Once"}`
	a.call(t, a.test, "POST", "/products", product, "Idempotency-Key", used).want(201)
	a.call(t, a.admin, "POST", "/organisations", `{"name":"once"}`, "Idempotency-Key", used).want(201)
	a.writesNothing(t, func() {
		for _, w := range a.writes {
			a.call(t, w.key, w.Method, w.path, w.body, "Idempotency-Key", used).code(422, "key_reused")
		}
		again := a.call(t, a.test, "POST", "/products", ` { "displayName":"On\u0063e", "name":"once" } `, "Unique-Key", used).want(201)
		require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
		a.call(t, a.test, "POST", "/products/", product, "Idempotency-Key", used).want(404)
	})
	// A refusal does not use a key up, and a live ledger's key is another one.
	a.call(t, a.test, "POST", "/products", `{}`, "Idempotency-Key", "again").want(422)
	a.call(t, a.test, "POST", "/products", product, "Idempotency-Key", "again").want(201)
	a.call(t, a.live, "POST", "/products", `{"name":"live","displayName":"L"}`, "Idempotency-Key", "again").want(201)
}

func TestB45_IfMatch(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	checked := 0
	a.writesNothing(t, func() {
		for _, w := range a.writes {
			stale := a.call(t, w.key, w.Method, w.path, w.body, "If-Match", `"999"`)
			if stale.status == 400 { // what makes something new has nothing to match, and neither has what names no stream
				stale.code(400, "bad_if_match")
			} else {
				stale.code(412, "stale_version")
				checked++
			}
			for _, tag := range []string{"1", `W/"1"`, `"x"`, `""`, `"`, `"1", "2"`, `"1",*`, `"-1"`, `"+1"`, `"01"`, `"1 "`, `"9223372036854775808"`, `"1.0"`, `"١"`, "**", `'1'`, `"1`, "\xff"} {
				a.call(t, w.key, w.Method, w.path, w.body, "If-Match", tag).code(400, "bad_if_match")
			}
			a.send(t, w.key, w.Method, w.path, w.body, "Content-Type", "application/json", "If-Match", `"1"`, "If-Match", `"1"`).code(400, "bad_if_match")
			if stale.status == 412 {
				require.Contains(t, []int{200, 201}, a.call(t, w.key, w.Method, w.path+"?dryRun=true", w.body, "If-Match", "*").status, w.name())
			}
		}
	})
	require.Greater(t, checked, 15)
	read := a.call(t, a.test, "GET", "/subscriptions/"+a.sub, "").want(200)
	a.call(t, a.test, "POST", "/subscriptions/"+a.sub+"/pause", "", "If-Match", read.header.Get("ETag")).want(200)
	a.call(t, a.test, "POST", "/subscriptions/"+a.sub+"/pause", "", "If-Match", read.header.Get("ETag")).code(412, "stale_version")
}

func TestB46_RepeatsAndImpossibleChanges(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	do := func(action, body string) *result {
		t.Helper()
		return a.call(t, a.test, "POST", "/subscriptions/"+a.sub+"/"+action, body)
	}
	nothing := func(action, body string) {
		t.Helper()
		before := a.events(t, a.test)
		do(action, body).want(200)
		require.Equal(t, before, a.events(t, a.test), "%s again is no event", action)
	}
	impossible := func(action, body, code string) {
		t.Helper()
		a.writesNothing(t, func() { require.NotEmpty(t, do(action, body).code(409, code).text("state"), "with the state") })
	}
	nothing("reactivate", "")
	nothing("resume", "")
	nothing("change-plan", `{"planUuid":"`+a.seats+`"}`)
	nothing("quantity", `{"quantity":1}`)
	impossible("quantity", `{"decrement":1}`, "seat_minimum")
	impossible("quantity", `{"increment":10}`, "seat_maximum")
	do("quantity", `{"quantity":10}`).want(200)
	impossible("quantity", `{"increment":1}`, "seat_maximum")
	impossible("quantity", `{"decrement":10}`, "seat_minimum")
	impossible("change-plan", `{"planUuid":"`+a.flat+`"}`, "seat_maximum")
	other := a.call(t, a.test, "POST", "/products", `{"name":"o","displayName":"O"}`).want(201).text("uuid")
	foreign := a.call(t, a.test, "POST", "/plans", strings.Replace(a.planWith(""), a.product, other, 1)).want(201).text("uuid")
	dollars := a.call(t, a.test, "POST", "/plans", a.planWith(`,"maxSeatAmount":-1,"currencies":[{"currency":"USD","price":1}]`)).want(201).text("uuid")
	a.writesNothing(t, func() { do("change-plan", `{"planUuid":"`+foreign+`"}`).code(422, "other_product") })
	impossible("change-plan", `{"planUuid":"`+dollars+`"}`, "currency_not_offered")
	do("pause", "").want(200)
	nothing("pause", "")
	impossible("quantity", `{"quantity":5}`, "subscription_paused")
	impossible("change-plan", `{"planUuid":"`+a.yearly+`"}`, "subscription_paused")
	do("resume", "").want(200)
	do("cancel", `{"when":"periodEnd"}`).want(200)
	nothing("cancel", `{"when":"periodEnd"}`)
	do("cancel", `{"when":"now"}`).want(200)
	for _, when := range []string{"now", "periodEnd"} {
		nothing("cancel", `{"when":"`+when+`"}`)
	}
	for action, body := range map[string]string{"quantity": `{"increment":1}`, "change-plan": `{"planUuid":"` + a.yearly + `"}`, "reactivate": "", "pause": "", "resume": ""} {
		impossible(action, body, "subscription_ended")
	}
	impossible("change-plan", `{"planUuid":"`+a.seats+`"}`, "subscription_ended")
	a.call(t, a.test, "POST", "/plans/"+a.yearly+"/archive", "").want(200)
	got := a.call(t, a.test, "POST", "/subscriptions", `{"planUuid":"`+a.yearly+`"}`).code(409, "plan_archived")
	require.Equal(t, "DEPRECATED", got.text("state"))
}

func TestB47_TheLastSeatIsGivenOnce(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	path := "/subscriptions/" + a.sub + "/quantity"
	for range 5 {
		a.call(t, a.test, "POST", path, `{"quantity":9}`).want(200)
		var all sync.WaitGroup
		statuses := make([]int, 8)
		start := make(chan struct{})
		for i := range statuses {
			all.Go(func() {
				<-start
				statuses[i] = a.call(t, a.test, "POST", path, `{"increment":1}`).status
			})
		}
		close(start)
		all.Wait()
		slices.Sort(statuses)
		require.Equal(t, []int{200, 409, 409, 409, 409, 409, 409, 409}, statuses)
		require.Equal(t, "10", a.call(t, a.test, "GET", "/subscriptions/"+a.sub, "").want(200).text("quantity"))
	}
}
