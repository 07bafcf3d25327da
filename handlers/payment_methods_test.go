package handlers_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPaymentMethods(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	customer := "/customers/" + g.call(t, g.test, "POST", "/customers", `{"currency":"EUR"}`).want(201).text("uuid")
	path := customer + "/payment-method"
	g.call(t, g.test, "GET", path, "").code(404, "no_payment_method")
	g.call(t, g.test, "DELETE", path, "").code(404, "no_payment_method")
	g.call(t, g.live, "GET", path, "").code(404, "no_customer")
	g.call(t, g.live, "PUT", path, `{"provider":"manual","outcome":"fails"}`).code(404, "no_customer")
	g.call(t, g.test, "PUT", path+"?dryRun=true", `{"provider":"manual","outcome":"fails"}`).want(200)
	g.call(t, g.test, "GET", path, "").code(404, "no_payment_method")

	set := g.call(t, g.test, "PUT", path, `{"provider":"manual","outcome":"succeeds"}`, "If-Match", `"1"`).want(200)
	require.JSONEq(t, `{"provider":"manual","outcome":"succeeds"}`, string(set.body))
	read := g.call(t, g.test, "GET", path, "", "Ledger-Min-Position", set.header.Get("Ledger-Position")).want(200)
	require.JSONEq(t, string(set.body), string(read.body))
	whole := g.call(t, g.test, "GET", customer, "").want(200)
	for _, r := range []*result{set, read, whole} {
		require.Equal(t, `"2"`, r.header.Get("ETag"), "it is the customer's")
	}
	require.Nil(t, whole.at("paymentMethod"), "it is shown by itself alone")
	g.call(t, g.test, "GET", path, "", "If-None-Match", `"2"`).want(304)
	g.call(t, g.test, "PUT", path, `{"provider":"manual","outcome":"fails"}`, "If-Match", `"1"`).code(412, "stale_version")
	require.Equal(t, "requiresAction", g.call(t, g.test, "PUT", path, `{"provider":"manual","outcome":"requiresAction"}`).want(200).text("outcome"))
	g.writesNothing(t, func() {
		for body, want := range map[string]string{
			`{}`: "required", `{"provider":"manual"}`: "required", `{"provider":"stripe","outcome":"fails"}`: "bad_enum", `{"provider":"manual","outcome":"Fails"}`: "bad_enum",
			`{"provider":"manual","outcome":null}`: "required", `{"provider":"manual","outcome":"fails","card":"4242"}`: "unknown_field",
		} {
			require.Equal(t, want, g.call(t, g.test, "PUT", path, body).want(422).text("code"), body)
		}
	})
	require.Equal(t, "requiresAction", g.call(t, g.test, "DELETE", path, "", "Idempotency-Key", "gone").want(200).text("outcome"))
	require.Equal(t, "requiresAction", g.call(t, g.test, "DELETE", path, "", "Idempotency-Key", "gone").want(200).text("outcome"))
	g.call(t, g.test, "GET", path, "").code(404, "no_payment_method")
	require.Equal(t, `"4"`, g.call(t, g.test, "GET", customer, "").want(200).header.Get("ETag"))
}
