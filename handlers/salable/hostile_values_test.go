package salable_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestB21_AmountsOutOfRange(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	dear := a.call(t, a.test, "POST", "/ledger/v1/plans", `{"productUuid":"`+a.product+`","name":"dear","displayName":"Dear","licenseType":"perSeat","pricingType":"paid","interval":"month",
		"length":1,"maxSeatAmount":-1,"prices":[{"key":"a","kind":"perSeat","currency":"USD","unitAmount":"9007199254740991"}]}`).want(201).text("uuid")
	costly := a.subscribe(t, a.test, dear, `,"quantity":1024`) // 2^63 - 1024
	a.writesNothing(t, func() {
		for _, n := range []string{"-1", "0", "2147483648", "9007199254740992", "9223372036854775807", "9223372036854775808", "1e300", "1e309", "0.5", `"1"`, `"many"`, "true", "null", "[]", "-0.0"} {
			seats := "/subscriptions/" + a.sub + "/seats"
			require.Equal(t, 400, a.send(t, a.test, "POST", seats, `{"increment":`+n+`}`).status, n)
			require.Equal(t, 400, a.send(t, a.test, "PUT", seats, `{"decrement":`+n+`}`).status, n)
			if n == "2147483648" {
				continue // a fine quantity of usage
			}
			for _, by := range []string{`"licenseUuid":"` + a.license + `"`, `"granteeId":"ben","planUuid":"` + a.metered + `"`} {
				got := a.send(t, a.test, "PUT", "/usage", `{`+by+`,"countOptions":{"increment":`+n+`}}`, "unique-key", "k")
				require.Equal(t, 400, got.status, "%s: %s", n, got.body)
			}
		}
		a.call(t, a.test, "POST", "/subscriptions/"+costly+"/seats", `{"increment":1}`).want(400)
	})
}

func TestB26_Dates(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	a.writesNothing(t, func() {
		for _, at := range []string{"2026-02-30T00:00:00Z", "2026-01-31T00:00:60Z", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2027-01-31T00:00:00", "2027-01-31T00:00:00+25:00",
			"2027-01-31T00:00:00.1234567890Z", "2027-01-31T00:00:00.1234567Z", "2027-01-31", "", "tomorrow", "2027-01-31T00:00:00,5Z"} {
			for _, body := range []string{`{"planUuid":%q,"member":"m","granteeId":null,"endTime":%q}`, `[{"planUuid":%q,"member":"m","granteeId":null,"endTime":%q}]`} {
				got := a.send(t, a.test, "POST", "/licenses", fmt.Sprintf(body, a.flat, at), "version", "v2")
				require.Equal(t, 400, got.status, "%s: %s", at, got.body)
			}
		}
	})
}

func TestB30_GranteeIDs(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	seats := "/subscriptions/" + a.subscribe(t, a.test, a.perSeat, `,"granteeId":"ann"`)
	a.writesNothing(t, func() {
		unseen := []string{" ", " a", "a ", "\u00a0a", "a,b", ",", "[a]", "[]"} // no check could name them
		for _, bad := range append([]string{"", "a\nb", "a\tb", "\x1b[2J", "\u0085", "\x7f", strings.Repeat("x", 256), strings.Repeat("é", 128)}, unseen...) {
			id := jsonText(t, bad)
			for _, w := range []ask{{path: "/licenses", body: fmt.Sprintf(`{"planUuid":%q,"member":"m","granteeId":%s}`, a.flat, id)}, {path: "/licenses/" + a.license, body: `{"granteeId":` + id + `}`},
				{path: "/licenses", body: fmt.Sprintf(`[{"uuid":%q,"granteeId":%s}]`, a.license, id)}} {
				w.Method = "PUT"
				if strings.Contains(w.body, "member") {
					w.Method = "POST"
				}
				a.refused(t, w, w.body)
			}
			for call, want := range map[string]string{
				"POST /licenses " + fmt.Sprintf(`{"planUuid":%q,"member":"m","granteeId":%s}`, a.flat, id):             "granteeId",
				"POST /licenses " + fmt.Sprintf(`[{"planUuid":%q,"member":"m","granteeId":%s}]`, a.flat, id):           "0.granteeId",
				"PUT /licenses " + fmt.Sprintf(`[{"uuid":%q,"granteeId":%s}]`, a.license, id):                          "0.granteeId",
				"PUT /licenses/" + a.license + " " + `{"granteeId":` + id + `}`:                                        "granteeId",
				"POST /subscriptions " + fmt.Sprintf(`{"planUuid":%q,"owner":"m","granteeId":%s}`, a.perSeat, id):      "granteeId",
				"PUT " + seats + "/manage-seats " + `[{"type":"assign","granteeId":` + id + `}]`:                       "0.granteeId",
				"PUT " + seats + "/manage-seats " + `[{"type":"replace","granteeId":"ann","newGranteeId":` + id + `}]`: "0.newGranteeId",
			} {
				method, rest, _ := strings.Cut(call, " ")
				path, body, _ := strings.Cut(rest, " ")
				require.Equal(t, []string{want}, a.call(t, a.test, method, path, body, "version", "v2").properties(), call)
			}
			if bad != "" && !slices.Contains(unseen, bad) {
				require.Equal(t, 400, a.send(t, a.test, "GET", "/licenses/granteeId/"+url.PathEscape(bad), "").status, "%q", bad)
			}
		}
	})
	for _, id := range []string{" ", " a", "a,b", "[a]"} { // whoever holds a seat from before is still found
		require.Contains(t, string(a.call(t, a.test, "PUT", seats+"/manage-seats", `[{"type":"unassign","granteeId":`+jsonText(t, id)+`}]`, "version", "v2").want(400).body), "this grantee holds no seat")
		a.call(t, a.test, "GET", "/licenses/granteeId/"+url.PathEscape(id), "", "version", "v1").want(200)
	}
	for _, id := range []string{"a  b", "[a", "\u202eabc", "a\u200bb", "👩‍👩‍👧", "e\u0301", "é", "А", "A", "a", "\u212b", "\u00c5", "%41", "a/b", "..", "a+b", "null", "'; drop table events; --", `" or 1=1`, "$1", "enc1:AAAA", strings.Repeat("x", 255)} {
		got := a.call(t, a.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":%s,"granteeId":%[2]s}`, a.flat, jsonText(t, id))).want(201)
		require.Equal(t, id, got.text("granteeId"))
		list := a.call(t, a.test, "GET", "/licenses/granteeId/"+url.PathEscape(id), "").want(200).at().([]any)
		require.Len(t, list, 1, "%q is nobody else", id)
		require.Equal(t, got.text("uuid"), list[0].(map[string]any)["uuid"])
		require.Len(t, a.call(t, a.test, "GET", "/licenses/purchaser?productUuid="+a.product+"&purchaser="+url.QueryEscape(id), "").want(200).at(), 1, "%q", id)
		page := a.call(t, a.test, "GET", "/licenses?granteeId="+url.QueryEscape(id), "", "version", "v2").want(200)
		require.Len(t, page.at("data"), 1, "%q", id)
		check := a.call(t, a.test, "GET", "/licenses/check?productUuid="+a.product+"&granteeIds="+url.QueryEscape(id), "").want(200)
		require.Equal(t, "read", check.text("capabilities", 0), "%q", id)
	}
}

func TestB34_OddIDs(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	const unknown = "01900000-0000-7000-8000-00000000dead"
	odd := []string{unknown, "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "{" + unknown + "}", "urn:uuid:" + unknown, strings.ReplaceAll(unknown, "-", ""), "nonsense", "-1", "..",
		"%2e%2e%2fx", "a%2Fb", "%00", "%ff", "%0d%0a", "%25", strings.Repeat("x", 10_000), "'", "undefined", "null", "[object%20Object]"}
	a.writesNothing(t, func() {
		for _, w := range append(a.writes, a.reads...) {
			if !strings.Contains(w.Path, "{") || strings.Contains(w.Path, "{granteeId}") {
				continue
			}
			for _, id := range odd {
				path := variable.ReplaceAllString(w.Path, strings.ReplaceAll(id, "$", "$$"))
				if _, query, ok := strings.Cut(w.path, "?"); ok {
					path += "?" + query
				}
				got := a.send(t, a.test, w.Method, path, w.body)
				require.Equal(t, 404, got.status, "%s %.100s: %s", w.Method, path, got.body)
				require.Less(t, len(got.body), 200)
			}
		}
		for _, id := range odd {
			text, err := url.PathUnescape(id)
			require.NoError(t, err)
			if strings.Contains(text, "\x00") || !utf8.ValidString(text) {
				continue // B19
			}
			q := jsonText(t, text)
			for _, w := range []ask{{path: "/licenses", body: `{"planUuid":` + q + `,"member":"m","granteeId":null}`}, {path: "/subscriptions", body: `{"newPlanId":"` + a.perSeat + `","subscriptionId":` + q + `}`},
				{path: "/subscriptions/" + a.sub + "/change-plan", body: `{"planUuid":` + q + `}`}, {path: "/licenses/cancel", body: `{"uuids":[` + q + `]}`},
				{path: "/usage", body: `{"licenseUuid":` + q + `,"countOptions":{"increment":1}}`}, {path: "/licenses", body: `[{"uuid":` + q + `,"granteeId":"x"}]`}} {
				w.Method = "PUT"
				if strings.Contains(w.body, "member") {
					w.Method = "POST"
				}
				got := a.send(t, a.test, w.Method, w.path, w.body, "unique-key", "k")
				require.Contains(t, []int{400, 404}, got.status, "%.200s: %s", got.what, got.body)
			}
			// As filters they find nothing: an id that nobody has is never no filter at all.
			for _, path := range []string{"/licenses?subscriptionUuid=", "/licenses?planUuid=", "/licenses?productUuid=", "/licenses/purchaser?purchaser=mia&productUuid=", "/licenses/count?subscriptionUuid=", "/licenses/check?granteeIds=ada&productUuid="} {
				got := a.send(t, a.test, "GET", path+url.QueryEscape(text), "", "version", "v2")
				switch got.status {
				case 200:
					if strings.Contains(path, "count") {
						require.Equal(t, "0", got.text("count"), "%s%s", path, id)
					} else if list, ok := got.at().([]any); ok {
						require.Empty(t, list, "%s%s", path, id)
					} else {
						require.Empty(t, got.at("data"), "%s%s", path, id)
					}
				default:
					require.Contains(t, []int{400, 404}, got.status, "%s%.50s: %s", path, id, got.body)
				}
			}
		}
	})
}

// B35: SDKs copy fields of bodies into the query, so unknown parameters pass; bad values do not.
func TestB35_Queries(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	a.writesNothing(t, func() {
		for _, r := range a.reads {
			join := "?"
			if strings.Contains(r.path, "?") {
				join = "&"
			}
			for _, query := range []string{"nope=1", "nope=1&nope=2", "order=drop", "limit=-1", "planUUID=x", "__proto__=1", "$where=1", strings.Repeat("a", 3000) + "=1"} {
				got := a.send(t, a.test, "GET", r.path+join+query, "")
				require.Equal(t, r.status, got.status, "%s: %s", got.what, got.body)
			}
		}
		for _, query := range []string{"take=-1", "take=0", "take=101", "take=1e9", "take=x", "take=1.5", "take=9223372036854775808", "cursor=x", "cursor=' or 1=1", "status=drop", "status=%27", "planUuid=x"} {
			require.Equal(t, 400, a.send(t, a.test, "GET", "/licenses?"+strings.ReplaceAll(query, " ", "+"), "", "version", "v2").status, query)
		}
		for _, path := range []string{"/products/" + a.product, "/plans/" + a.flat, "/subscriptions/" + a.sub, "/licenses/" + a.license, "/licenses/granteeId/ada"} {
			for _, expand := range []string{"nope", "plan.nope", "PLAN", "__proto__", "'", "*", strings.Repeat("plan.", 300) + "plan", strings.Repeat("x,", 990) + "x"} {
				got := a.send(t, a.test, "GET", path+"?expand="+url.QueryEscape(expand), "")
				require.Equal(t, 400, got.status, "%.200s: %s", got.what, got.body)
			}
		}
		for _, when := range []string{"soon", "", "NOW", "now%00", "now,end"} {
			require.Equal(t, 400, a.send(t, a.test, "PUT", "/subscriptions/"+a.sub+"/cancel?when="+when, "").status, when)
		}
		for _, version := range []string{"v4", "v0", "V1", "1", "v1,v2", "\xff", "v1 ", strings.Repeat("v", 5000)} {
			got := a.send(t, a.test, "GET", "/products", "", "version", version)
			require.Equal(t, 400, got.status, "%.20q", version)
		}
		require.Equal(t, 400, a.send(t, a.test, "GET", "/products", "", "version", "v1", "version", "v2").status)
	})
}

func TestB42_Batches(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	grant := func(plan, grantee string) string {
		return fmt.Sprintf(`{"planUuid":%q,"member":"m","granteeId":%q}`, plan, grantee)
	}
	many := func(item string, n int) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	a.writesNothing(t, func() {
		for path, body := range map[string]string{"POST /licenses": "[" + many(grant(a.flat, "x"), 1001) + "]", "PUT /licenses": "[" + many(`{"uuid":"`+a.license+`","granteeId":"x"}`, 1001) + "]",
			"POST /licenses/cancel": `{"uuids":[` + many(`"`+a.license+`"`, 1001) + `]}`, "PUT /licenses/cancel": `{"uuids":[]}`} {
			method, path, _ := strings.Cut(path, " ")
			a.refused(t, ask{Route: a.writes[0].Route, path: path}.as(method), body)
		}
	})
	const unknown = "01900000-0000-7000-8000-00000000dead"
	mixed := a.call(t, a.test, "POST", "/licenses", "["+grant(a.flat, "one")+","+grant(unknown, "two")+","+grant(a.flat, "three")+"]")
	require.Equal(t, 206, mixed.status, "%s", mixed.body)
	require.Len(t, mixed.at(), 2)
	require.Equal(t, "one three", mixed.text(0, "granteeId")+" "+mixed.text(1, "granteeId"), "the order is kept")
	first, last := mixed.text(0, "uuid"), mixed.text(1, "uuid")
	twice := a.call(t, a.test, "PUT", "/licenses", fmt.Sprintf(`[{"uuid":%q,"granteeId":"p"},{"uuid":%q,"granteeId":"q"},{"uuid":%[1]q,"granteeId":"r"}]`, first, last))
	require.Contains(t, []int{200, 206}, twice.status, "%s", twice.body)
	require.Equal(t, "r", a.call(t, a.test, "GET", "/licenses/"+first, "").want(200).text("granteeId"), "the last of two items wins")
	partly := a.call(t, a.test, "POST", "/licenses/cancel", fmt.Sprintf(`{"uuids":[%q,%q,%[1]q]}`, first, unknown))
	require.Equal(t, 206, partly.status, "%s", partly.body)
	require.Equal(t, unknown, partly.text("errors", 0, "uuid"))
	require.Len(t, partly.at("errors"), 1)
}

func (w ask) as(method string) ask { w.Method = method; return w }

func TestB43_UniqueKeys(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	a.writesNothing(t, func() {
		for _, w := range a.writes {
			for _, key := range []string{"", strings.Repeat("k", 256), "ключ", "a\tb", "\xff", "é"} {
				for _, name := range []string{"unique-key", "Idempotency-Key"} {
					got := a.send(t, a.test, w.Method, w.path, w.body, name, key)
					require.Equal(t, 400, got.status, "%s with %.20q: %s", w.name(), key, got.body)
				}
			}
			got := a.send(t, a.test, w.Method, w.path, w.body, "unique-key", "a", "idempotency-key", "b")
			require.Equal(t, 400, got.status, w.name())
		}
	})
	a.call(t, a.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"m","granteeId":"k"}`, a.flat), "unique-key", "used").want(201)
	a.writesNothing(t, func() {
		for _, w := range a.writes {
			if w.Path == "/usage" || w.Path == "/sessions" {
				continue // a name space of its own, and nothing that is written
			}
			require.Equal(t, []string{"unique-key"}, a.call(t, a.test, w.Method, w.path, w.body, "unique-key", "used").properties(), w.name())
		}
	})
}

func TestB46_RepeatsAndImpossibleChanges(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	path := "/subscriptions/" + a.sub
	nothing := func(method, path, body string, status int) {
		t.Helper()
		before := a.call(t, a.test, "GET", "/ledger/v1/head", "").text("hash")
		a.call(t, a.test, method, path, body).want(status)
		require.Equal(t, before, a.call(t, a.test, "GET", "/ledger/v1/head", "").text("hash"), "%s again is no event", path)
	}
	a.writesNothing(t, func() {
		a.call(t, a.test, "PUT", path+"/seats", `{"decrement":6}`).want(400) // more than are unassigned
		a.call(t, a.test, "PUT", path+"/seats", `{"decrement":5}`).want(400) // below the plan's minimum
		a.call(t, a.test, "POST", path+"/seats", `{"increment":145}`).want(400)
		a.call(t, a.test, "DELETE", "/licenses/"+a.seat, "").want(400)
		a.call(t, a.test, "PUT", path+"/change-plan", `{"planUuid":"`+a.elsewherePlan+`"}`).want(400)
		a.call(t, a.test, "PUT", path+"/change-plan", `{"planUuid":"`+a.flat+`"}`).want(400) // six seats into one licence
	})
	nothing("PUT", path+"/reactivate", "", 204)
	nothing("PUT", path+"/change-plan", `{"planUuid":"`+a.perSeat+`"}`, 204)
	nothing("PUT", "/licenses/"+a.seat, `{"granteeId":"ada"}`, 200)
	a.call(t, a.test, "PUT", "/licenses/"+a.seat, `{"granteeId":"zoe"}`).want(200)
	require.Empty(t, a.call(t, a.test, "GET", "/licenses/granteeId/ada", "").want(200).at(), "one seat is one grantee's")
	a.call(t, a.test, "PUT", path+"/cancel", "").want(204)
	nothing("PUT", path+"/cancel", "", 204)
	a.call(t, a.test, "PUT", path+"/reactivate", "").want(204)
	a.call(t, a.test, "PUT", path+"/cancel?when=now", "").want(204)
	nothing("PUT", path+"/cancel?when=now", "", 204)
	nothing("PUT", path+"/cancel?when=end", "", 204)
	a.writesNothing(t, func() {
		for _, w := range []ask{{path: path + "/seats", body: `{"increment":1}`}, {path: path + "/reactivate"}, {path: path + "/change-plan", body: `{"planUuid":"` + a.flat + `"}`}, {path: path + "/updateplan/" + a.flat}} {
			w.Method = "PUT"
			if strings.Contains(w.body, "increment") {
				w.Method = "POST"
			}
			a.refused(t, w, w.body)
		}
	})
	a.call(t, a.test, "DELETE", "/licenses/"+a.license, "").want(204)
	nothing("DELETE", "/licenses/"+a.license, "", 204)
	a.writes = nil // they are of a subscription that has ended
}

func TestB49_ChecksOfManyGrantees(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	check := func(ids string, header ...string) *result {
		return a.send(t, a.test, "GET", "/licenses/check?productUuid="+a.product+ids, "", header...)
	}
	for _, version := range []string{"v1", "v2"} {
		for _, n := range []int{101, 1000, 10_000} {
			got := check("&granteeIds="+strings.TrimSuffix(strings.Repeat("g,", n), ","), "version", version)
			require.Equal(t, []string{"granteeIds"}, got.properties(), "%d", n)
		}
		for _, none := range []string{"", "&granteeIds=", "&granteeIds=,", "&granteeIds=[]", "&granteeIds=a,", "&granteeIds[]=ada", "&granteeids=ada"} {
			require.Equal(t, []string{"granteeIds"}, check(none, "version", version).properties(), "%q", none)
		}
		check("&granteeIds=nobody", "version", version).want(204)
		check("&granteeIds="+strings.TrimSuffix(strings.Repeat("nobody,", 100), ","), "version", version).want(204)
		check("&granteeIds="+strings.Repeat("nobody,", 99)+"ada", "version", version).want(200)
	}
}
