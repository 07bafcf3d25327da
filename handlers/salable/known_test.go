package salable_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A check that was asked before in the same words is answered without being read again: to the same callers, in the
// same versions, for as long as it is true.
func TestKnownChecksAreAdmittedAndTrue(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	org := g.organisation(t)
	key := g.key(t, org, "test", allScopes()...)
	s := g.stock(t, key)
	sub := g.subscribe(t, key, s.flat, `,"granteeId":"ada"`)
	query := "/check?productUuid=" + s.product + "&granteeIds=ada"
	check := func(key, path string, header ...string) *result {
		return g.call(t, key, "GET", path+query, "", header...)
	}
	cached := func() float64 { return g.cachedChecks(t) }

	var answers [3]string
	for round := range 3 {
		before := cached()
		for i, version := range []string{"v1", "v2", "v3"} {
			r := check(key, map[bool]string{true: "/entitlements", false: "/licenses"}[version == "v3"], "version", version)
			if version == "v3" { // its plan has no features
				r.want(204)
			} else {
				r.want(200)
			}
			require.NotEmpty(t, r.header.Get("Ledger-Position"), version)
			require.NotEmpty(t, r.header.Get("Request-Id"), version)
			if round > 0 {
				require.Equal(t, answers[i], string(r.body), version)
			}
			answers[i] = string(r.body)
		}
		if round > 0 {
			require.InDelta(t, 3, cached()-before, 0, "known")
		}
	}
	require.NotEqual(t, answers[0], answers[1], "each version has its own")
	require.Equal(t, answers[0], string(check(key, "/licenses").want(200).body), "v1 where none is named")
	position := check(key, "/licenses").header.Get("Ledger-Position")
	require.Equal(t, answers[0], string(check(key, "/licenses", "Ledger-Min-Position", position).want(200).body))

	check(key, "/licenses", "version", "v3").want(404)
	check(key, "/licenses", "version", "v9").want(400)
	check(key, "/licenses", "Ledger-Min-Position", "x").want(400)
	check("", "/licenses").want(401)
	check(key+"x", "/licenses").want(401)
	check(g.key(t, org, "test", "products:read"), "/licenses").want(403)
	check(g.key(t, org, "live", allScopes()...), "/licenses").want(404)
	check(g.test, "/licenses").want(404)
	require.Equal(t, answers[0], string(check(g.key(t, org, "test", "licenses:read"), "/licenses").want(200).body))

	g.call(t, key, "PUT", "/subscriptions/"+sub+"/cancel?when=end", "").want(204)
	require.Equal(t, answers[0], string(check(key, "/licenses").want(200).body))
	g.pass(31 * 24 * time.Hour)
	check(key, "/licenses").want(204)
	check(key, "/licenses").want(204)
	g.call(t, key, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada"}`, s.upgrade)).want(201)
	later := check(key, "/licenses").want(200)
	require.NotEqual(t, answers[0], string(later.body))
	require.Equal(t, string(later.body), string(check(key, "/licenses").want(200).body))
}

// cachedChecks counts the checks whose answer was known.
func (g *rig) cachedChecks(t *testing.T) float64 {
	t.Helper()
	families, err := g.registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() != "subledger_entitlement_checks_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == "cached" {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatal("no metric of checks")
	return 0
}

// Long and short answers tell their length, and HEAD sends the same headers.
func TestChecksTellTheirLength(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	server := httptest.NewServer(g.server)
	defer server.Close()
	g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada"}`, g.flat)).want(201)
	capabilities := ""
	for i := range 40 {
		id := g.call(t, g.test, "POST", "/ledger/v1/capabilities", fmt.Sprintf(`{"productUuid":%q,"name":"a long name of a capability %d"}`, g.product, i)).want(201).text("uuid")
		capabilities += fmt.Sprintf(`%q,`, id)
	}
	wide := g.call(t, g.test, "POST", "/ledger/v1/plans", fmt.Sprintf(`{"productUuid":%q,"name":"Wide","displayName":"Wide","licenseType":"licensed",
		"pricingType":"free","interval":"month","length":1,"capabilities":[%s]}`, g.product, capabilities[:len(capabilities)-1])).want(201).text("uuid")
	g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ben"}`, wide)).want(201)
	for _, who := range []string{"ada", "ben"} {
		for range 2 {
			var lengths []int64
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				r, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/licenses/check?productUuid="+g.product+"&granteeIds="+who, http.NoBody)
				require.NoError(t, err)
				r.Header.Set("X-Api-Key", g.test)
				answer, err := http.DefaultClient.Do(r)
				require.NoError(t, err)
				require.NoError(t, answer.Body.Close())
				require.Equal(t, 200, answer.StatusCode)
				require.Empty(t, answer.TransferEncoding)
				lengths = append(lengths, answer.ContentLength)
			}
			require.Positive(t, lengths[0])
			require.Equal(t, lengths[0], lengths[1], who)
		}
	}
}

// An id neither begins nor ends with a blank, so those in a list of grantees part; a parameter that is given twice would
// be an answer to half of the question.
func TestAllGranteesOfACheckAreMeant(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada"}`, g.flat)).want(201)
	path := "/licenses/check?productUuid=" + g.product
	for _, spelt := range []string{"/licenses%2Fcheck", "/%6cicenses/check", "/licenses/chec%6b"} {
		g.call(t, g.test, "GET", spelt+"?productUuid="+g.product+"&granteeIds=ada", "").want(404) // as for any other route
	}
	for range 2 {
		for _, grantees := range []string{"ada", "ben,ada", "ben,%20ada", "%20ada,ben", "%5Bben,%20ada%5D", "ada%09"} {
			g.call(t, g.test, "GET", path+"&granteeIds="+grantees, "").want(200)
		}
		g.call(t, g.test, "GET", path+"&granteeIds=ben,%20", "").want(400)
		g.call(t, g.test, "GET", path+"&granteeIds=ben&granteeIds=ada", "").want(400)
		g.call(t, g.test, "GET", path+"&granteeIds=ada&grace=1&grace=2", "").want(400)
	}
}
