package handlers_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.call(t, g.live, "GET", "/settings", "").want(200).golden("settings_live")
	first := g.call(t, g.test, "GET", "/settings", "").want(200)
	require.Equal(t, []any{"0", `"0"`}, []any{first.text("draftHours"), first.header.Get("ETag")})
	g.writesNothing(t, func() {
		g.call(t, g.test, "PUT", "/settings", `{}`).want(200)
		g.call(t, g.test, "PUT", "/settings", `{"draftHours":0,"graceDaysPastDue":null}`).want(200)
		g.call(t, g.test, "PUT", "/settings?dryRun=true", `{"draftHours":3}`).want(200)
	})
	all := `{"prorationMode":"fixed30","invoiceDaysUntilDue":0,"draftHours":2,"zeroInvoices":false,"lateUsageHours":24,"graceDaysPastDue":7,"trialEndsWithoutPayment":"cancel"}`
	set := g.call(t, g.test, "PUT", "/settings", all, "If-Match", `"0"`).want(200).golden("settings_set")
	g.call(t, g.test, "PUT", "/settings", `{"draftHours":3}`, "If-Match", `"0"`).code(412, "stale_version")
	read := g.call(t, g.test, "GET", "/settings", "", "Ledger-Min-Position", set.header.Get("Ledger-Position")).want(200)
	require.JSONEq(t, string(set.body), string(read.body))
	require.Equal(t, `"1"`, read.header.Get("ETag"))
	require.Equal(t, set.header.Get("Ledger-Position"), read.header.Get("Ledger-Position"))
	g.call(t, g.test, "GET", "/settings", "", "If-None-Match", `"1"`).want(304)
	require.Equal(t, "1", g.call(t, g.live, "GET", "/settings", "").want(200).text("draftHours"), "the other ledger's stay")
	cleared := g.call(t, g.test, "PUT", "/settings", `{"graceDaysPastDue":null,"trialEndsWithoutPayment":null}`, "If-Match", `"1"`).want(200)
	require.Nil(t, cleared.at("graceDaysPastDue"))
	require.Nil(t, cleared.at("trialEndsWithoutPayment"))
	require.Equal(t, "fixed30", cleared.text("prorationMode"))
}

func TestBadSettings(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.writesNothing(t, func() {
		for members, want := range map[string]string{
			`"prorationMode":"month"`: "bad_enum", `"prorationMode":null`: "required", `"invoiceDaysUntilDue":-1`: "out_of_range", `"invoiceDaysUntilDue":366`: "out_of_range",
			`"draftHours":745`: "out_of_range", `"draftHours":1.5`: "not_an_integer", `"draftHours":null`: "required", `"zeroInvoices":null`: "required", `"zeroInvoices":"false"`: "wrong_type",
			`"lateUsageHours":8785`: "out_of_range", `"lateUsageHours":1e300`: "out_of_range", `"graceDaysPastDue":366`: "out_of_range", `"trialEndsWithoutPayment":"never"`: "bad_enum", `"version":1`: "unknown_field",
		} {
			require.Equal(t, want, g.call(t, g.test, "PUT", "/settings", `{`+members+`}`).text("code"), members)
		}
		all := g.call(t, g.test, "PUT", "/settings", `{"prorationMode":"month","draftHours":-1,"graceDaysPastDue":-1,"zeroInvoices":null}`).want(422)
		require.Equal(t, "invalid_fields", all.text("code"))
		require.Len(t, all.at("errors"), 4)
	})
}
