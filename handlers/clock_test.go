package handlers_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A test ledger has its own time once it was told so: what is recorded and what statuses count at. Nobody else's moves.
func TestATestLedgersClock(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s, live := g.shop(t, g.test), g.shop(t, g.live)
	system := g.call(t, g.test, "GET", "/clock", "").want(200)
	require.Equal(t, "system 2026-06-01T12:00:00Z", system.text("mode")+" "+system.text("now"))
	g.call(t, g.live, "PUT", "/clock", `{"now":"2027-01-01T00:00:00Z"}`).code(403, "not_a_test_ledger")
	g.call(t, g.live, "POST", "/clock/advance", `{"to":"2027-01-01T00:00:00Z"}`).code(403, "not_a_test_ledger")
	g.call(t, g.test, "PUT", "/clock", `{"now":"2025-01-01T00:00:00Z"}`).code(409, "clock_backwards")
	g.call(t, g.test, "PUT", "/clock", `{}`).code(422, "required")
	g.call(t, g.test, "PUT", "/clock", `{"now":"2027-01-31T00:00:00Z"}`).want(200).golden("clock")
	own := g.call(t, g.test, "GET", "/clock", "").want(200)
	require.Equal(t, "test 2027-01-31T00:00:00Z", own.text("mode")+" "+own.text("now"))
	require.Equal(t, "system", g.call(t, g.live, "GET", "/clock", "").want(200).text("mode"))

	start := func(key, plan, end string) string {
		return g.call(t, key, "POST", "/subscriptions", `{"planUuid":"`+plan+`","trialEnd":"`+end+`"}`).want(201).text("uuid")
	}
	id, other := start(g.test, s.seats, "2027-02-10T00:00:00Z"), start(g.live, live.seats, "2027-02-10T00:00:00Z")
	status := func(key, id string) string {
		return g.call(t, key, "GET", "/subscriptions/"+id, "").want(200).text("status")
	}
	require.Equal(t, "TRIALING", status(g.test, id))
	g.pass(365 * 24 * time.Hour)
	require.Equal(t, "TRIALING", status(g.test, id), "the system's time is nothing to it")
	require.Equal(t, "ACTIVE", status(g.live, other))
	g.call(t, g.test, "PUT", "/clock", `{"now":"2027-02-10T00:00:00Z"}`).want(200)
	require.Equal(t, "ACTIVE", status(g.test, id))
	require.Len(t, g.call(t, g.test, "GET", "/subscriptions?status=ACTIVE", "").want(200).at("data"), 1)
	require.Len(t, g.call(t, g.test, "GET", "/subscriptions/"+id+"/licenses?status=ACTIVE", "").want(200).at("data"), 1)
	require.Equal(t, "2027-02-10T00:00:00Z", g.call(t, g.test, "POST", "/subscriptions/"+id+"/quantity", `{"increment":1}`).want(200).text("updatedAt"))

	asked := g.call(t, g.test, "POST", "/clock/advance", `{"to":"2027-03-10T00:00:00Z"}`, "Idempotency-Key", "on").want(202)
	require.Equal(t, asked.text("eventUuid"), g.call(t, g.test, "POST", "/clock/advance", `{"to":"2027-03-10T00:00:00Z"}`, "Idempotency-Key", "on").want(202).text("eventUuid"))
	task := g.call(t, g.test, "GET", "/tasks/"+asked.text("eventUuid"), "").want(200)
	require.Equal(t, "Advance clock pending", task.text("type")+" "+task.text("status"))
	g.call(t, g.live, "GET", "/tasks/"+asked.text("eventUuid"), "").code(404, "no_task")
	g.call(t, g.test, "POST", "/clock/advance", `{"to":"2027-02-09T00:00:00Z"}`).code(409, "clock_backwards")
}
