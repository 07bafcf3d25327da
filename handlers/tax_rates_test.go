package handlers_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTaxRates(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	made := g.call(t, g.test, "POST", "/tax-rates", `{"name":"VAT","percentage":"19.00","description":"of Germany"}`).want(201).golden("tax_rate_created")
	path := "/tax-rates/" + made.text("uuid")
	require.JSONEq(t, string(made.body), string(g.call(t, g.test, "GET", path, "").want(200).body))
	g.call(t, g.live, "GET", path, "").code(404, "no_tax_rate")
	before := g.events(t, g.test)
	g.call(t, g.test, "PUT", path, `{"percentage":"19.0000"}`).want(200)
	require.Equal(t, before, g.events(t, g.test), "what changes nothing makes no event")
	g.call(t, g.test, "PUT", path, `{"percentage":16}`, "If-Match", `"7"`).code(412, "stale_version")
	changed := g.call(t, g.test, "PUT", path, `{"percentage":16,"inclusive":true,"description":null}`, "If-Match", `"1"`).want(200).golden("tax_rate_changed")
	require.JSONEq(t, string(changed.body), string(g.call(t, g.test, "GET", path, "").want(200).body))
	events := g.call(t, g.test, "GET", "/events?stream="+made.text("uuid"), "").want(200)
	require.Equal(t, []any{"19", "16"}, []any{events.text("data", 0, "data", "percentage"), events.text("data", 1, "data", "percentage")}, "both are kept")

	other := g.call(t, g.test, "POST", "/tax-rates", `{"name":"none","percentage":0}`).want(201)
	require.Equal(t, "DEPRECATED", g.call(t, g.test, "POST", path+"/archive", "").want(200).text("status"))
	require.Equal(t, "DEPRECATED", g.call(t, g.test, "GET", path, "").want(200).text("status"))
	g.call(t, g.test, "PUT", path, `{"percentage":7}`).code(409, "tax_rate_archived")
	active := g.call(t, g.test, "GET", "/tax-rates?status=active", "").want(200)
	require.Equal(t, other.text("uuid"), active.text("data", 0, "uuid"))
	require.Len(t, active.at("data"), 1)
}

func TestB25_BadTaxRates(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.writesNothing(t, func() {
		for body, want := range map[string]string{
			`{"name":"x"}`: "required", `{"percentage":1}`: "required", `{"name":"x","percentage":null}`: "required", `{"name":"","percentage":1}`: "required", `{"name":"a\tb","percentage":1}`: "bad_name",
			`{"name":"x","percentage":"100.0001"}`: "bad_percentage", `{"name":"x","percentage":-1}`: "bad_percentage", `{"name":"x","percentage":1e-20}`: "bad_percentage",
			`{"name":"x","percentage":1,"status":"ACTIVE"}`: "unknown_field", `{"name":"x","percentage":1,"country":"DE"}`: "unknown_field",
		} {
			require.Equal(t, want, g.call(t, g.test, "POST", "/tax-rates", body).want(422).text("code"), body)
		}
	})
}
