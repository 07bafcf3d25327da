package salable_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	k1 "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/stretchr/testify/require"
)

// verifies checks a v1 answer as clients do: the names joined, hashed and verified with the key beside them.
func verifies(t *testing.T, publicHash, capsHashed, signature string) {
	t.Helper()
	require.Equal(t, strings.ToLower(publicHash+signature), publicHash+signature)
	point, err := hex.DecodeString(publicHash)
	require.NoError(t, err)
	require.Len(t, point, 65)
	require.EqualValues(t, 4, point[0], "an uncompressed point")
	key, err := secp256k1.ParsePubKey(point)
	require.NoError(t, err)
	der, err := hex.DecodeString(signature)
	require.NoError(t, err)
	parsed, err := k1.ParseDERSignature(der)
	require.NoError(t, err)
	digest := sha256.Sum256([]byte(capsHashed))
	require.True(t, parsed.Verify(digest[:], key))
	s := parsed.S()
	require.False(t, s.IsOverHalfOrder(), "low S")
}

// The two samples that Salable published: its reference page and its older documentation.
func TestPublishedSignatures(t *testing.T) {
	t.Parallel()
	verifies(t, "04b856e9a6ddd762138c52b6edbca5ac5b4be5ae7053f519d804e667adc11992372abd5db91cb0289985cebab1f8b5de9541b8a1a97202240f7a317d4a9f78d299",
		"test_capability", "3044022004f243b5bb524689498537ff6bf865d847b8f6c6f65db687036814281fe4c1cc022043e645238050c587b6a79343a4acad58a925d3fbf3ba914d2f4c38a1f8439993")
	verifies(t, "049dc23c8539f65abd7550f2c4f851f96f5e668c22dc124332e373f227eb2a8740876d734eb1dcbd1c6233e3cfb194326841f421fd8367c95c688ad76ef8555f2d",
		"basic,pro,app", "3045022100ebf990d2422c450e7092f8a0388d73ddedc7fb971f4891255a843272368b556702206cd2ebea2c51574023abd76b53a24f9b36c45cd1e314411ab23bcb3290fa50c9")
}

func TestAnswersAreSigned(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	grant := func(plan string) {
		g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada"}`, plan)).want(201)
	}
	path := "/licenses/check?productUuid=" + g.product + "&granteeIds=ada"
	check := func(more string, header ...string) *result {
		return g.call(t, g.test, "GET", path+more, "", header...).want(200)
	}
	grant(g.flat)
	first := check("")
	require.Equal(t, "read", first.text("capsHashed"))
	verifies(t, first.text("publicHash"), first.text("capsHashed"), first.text("signature"))
	require.Equal(t, string(first.body), string(check("").body), "the same until it changes")
	require.Equal(t, first.text("signature"), check("&grace=2").text("signature"), "dates are not signed")

	grant(g.upgrade)
	second := check("")
	require.Equal(t, "edit,read", second.text("capsHashed"))
	require.Equal(t, first.text("publicHash"), second.text("publicHash"), "one key an organisation")
	verifies(t, second.text("publicHash"), second.text("capsHashed"), second.text("signature"))

	keys := g.call(t, g.test, "GET", "/ledger/v1/signing-keys", "").want(200)
	require.Equal(t, first.text("publicHash"), keys.text("secp256k1"))
	block, _ := pem.Decode([]byte(keys.text("p256")))
	require.NotNil(t, block)
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	require.NoError(t, err)
	public := parsed.(*ecdsa.PublicKey)
	entitlements := "/entitlements" + strings.TrimPrefix(path, "/licenses")
	for _, encoding := range []string{"", "&sigEncode=P1363", "v3", "v3&sigEncode=P1363"} {
		var body struct {
			Capabilities, Features json.RawMessage
			Signature              string
		}
		encoding, third := strings.CutPrefix(encoding, "v3")
		answer := check(encoding, "version", "v2")
		if third {
			answer = g.call(t, g.test, "GET", entitlements+encoding, "").want(200)
			require.Equal(t, string(answer.body), string(g.call(t, g.test, "GET", entitlements+encoding, "").want(200).body), "signed once")
		}
		require.NoError(t, json.Unmarshal(answer.body, &body))
		raw, err := hex.DecodeString(body.Signature)
		require.NoError(t, err)
		digest := sha256.Sum256(append(body.Capabilities, body.Features...))
		if encoding == "" {
			require.True(t, ecdsa.VerifyASN1(public, digest[:], raw))
			continue
		}
		require.Len(t, raw, 64)
		require.True(t, ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])))
	}
}

// What a plan gives may be no capability: then v1 has nothing to sign and says so. v2 and v3 follow the catalog
// as it is now, from memory.
func TestChecksFollowTheCatalog(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	plan := g.call(t, g.test, "POST", "/ledger/v1/plans", fmt.Sprintf(`{"productUuid":%q,"name":"Plain","displayName":"Plain","licenseType":"licensed",
		"pricingType":"free","interval":"month","length":1}`, g.product)).want(201).text("uuid")
	g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada"}`, plan)).want(201)
	path := "check?productUuid=" + g.product + "&granteeIds=ada"
	got := g.call(t, g.test, "GET", "/licenses/"+path, "").want(204)
	require.Equal(t, "text/plain", got.header.Get("Content-Type"))
	names := func(path, version, list, field string) (all []string) {
		for _, e := range g.call(t, g.test, "GET", path, "", "version", version).want(200).at(list).([]any) {
			all = append(all, e.(map[string]any)[field].(string))
		}
		return all
	}
	require.Equal(t, []string{"plain"}, names("/licenses/"+path, "v2", "capabilities", "capability"))
	g.call(t, g.test, "GET", "/entitlements/"+path, "").want(204)
	features := func(value string) {
		g.call(t, g.test, "PUT", "/ledger/v1/plans/"+plan, fmt.Sprintf(`{"features":[{"featureUuid":%q,"value":%q},{"featureUuid":%q,"enumValueUuid":%q}]}`,
			g.seats, value, g.storage, g.option)).want(200)
	}
	features("true")
	require.Equal(t, []string{"layers", "plain", "storage_size:very_large"}, names("/licenses/"+path, "v2", "capabilities", "capability"))
	require.Equal(t, []string{"layers", "storage_size:very_large"}, names("/entitlements/"+path, "v3", "features", "feature"))
	features("false")
	require.Equal(t, []string{"storage_size:very_large"}, names("/entitlements/"+path, "v3", "features", "feature"))
	g.call(t, g.test, "POST", "/ledger/v1/features/"+g.storage+"/archive", "").want(200)
	require.Equal(t, []string{"plain"}, names("/licenses/"+path, "v2", "capabilities", "capability"))
	g.call(t, g.test, "GET", "/entitlements/"+path, "").want(204)
	g.call(t, g.test, "GET", "/licenses/"+path, "").want(204)
}

// Access is computed from the instant; grace softens an end that came by itself, not a cancellation.
func TestGraceAndEnds(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	path := "/licenses/check?productUuid=" + g.product + "&granteeIds="
	status := func(grantee, more string) int { return g.call(t, g.test, "GET", path+grantee+more, "").status }
	sub := g.subscribe(t, g.test, g.flat, `,"granteeId":"ada"`)
	g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/cancel?when=end", "").want(204)
	lic := g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ben"}`, g.flat)).want(201).text("uuid")
	require.Equal(t, []int{200, 200}, []int{status("ada", ""), status("ben", "")})
	g.call(t, g.test, "DELETE", "/licenses/"+lic, "").want(204)
	require.Equal(t, []int{204, 204}, []int{status("ben", ""), status("ben", "&grace=30")})

	g.pass(31 * 24 * time.Hour)
	require.Equal(t, []int{204, 200}, []int{status("ada", ""), status("ada", "&grace=3")})
	g.pass(3 * 24 * time.Hour)
	require.Equal(t, []int{204, 200}, []int{status("ada", "&grace=3"), status("ada", "&grace=30")})
	require.Equal(t, "CANCELED", g.call(t, g.test, "GET", "/subscriptions/"+sub, "").want(200).text("status"))
}

// Case 154: what is past due is allowed until the instant at which its grace ends, then refused, and allowed at once when
// it is paid.
func TestCase154GraceOfWhatIsPastDue(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	own := func(method, path, body string) *result {
		t.Helper()
		return g.call(t, g.test, method, "/ledger/v1"+path, body)
	}
	own("PUT", "/clock", `{"now":"2031-01-01T00:00:00Z"}`).want(200)
	own("PUT", "/settings", `{"graceDaysPastDue":3}`).want(200)
	customer := own("POST", "/customers", `{"currency":"USD"}`).want(201).text("uuid")
	own("PUT", "/customers/"+customer+"/payment-method", `{"provider":"manual","outcome":"fails"}`).want(200)
	plan := own("POST", "/plans", fmt.Sprintf(`{"productUuid":%q,"name":"Paid","displayName":"Paid","licenseType":"licensed","pricingType":"paid","interval":"month","length":1,
		"capabilities":[%q],"prices":[{"key":"base","kind":"flat","currency":"USD","unitAmount":"1000"}]}`, g.product, g.read)).want(201).text("uuid")
	sub := own("POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"customerUuid":%q,"granteeId":"ada"}`, plan, customer)).want(201)
	require.Equal(t, []string{"PAST_DUE", "2031-01-04T00:00:00Z"}, []string{sub.text("status"), sub.text("graceUntil")})
	id := sub.text("uuid")
	check := func(more string) *result {
		return g.call(t, g.test, "GET", "/licenses/check?productUuid="+g.product+"&granteeIds=ada"+more, "")
	}
	require.Contains(t, string(check("").want(200).body), `"2031-01-04T00:00:00.000Z"`)
	own("PUT", "/clock", `{"now":"2031-01-03T23:59:59.999999Z"}`).want(200)
	require.Contains(t, string(check("").want(200).body), `"2031-01-04T00:00:00.000Z"`)
	own("PUT", "/clock", `{"now":"2031-01-04T00:00:00Z"}`).want(200)
	check("").want(204)
	check("&grace=1").want(200) // asked for, it softens every end that comes by itself
	licenses := func(status string) int {
		return len(own("GET", "/subscriptions/"+id+"/licenses?status="+status, "").want(200).at("data").([]any))
	}
	require.Equal(t, []int{0, 1}, []int{licenses("ACTIVE"), licenses("INACTIVE")})
	row := own("GET", "/subscriptions/"+id, "").want(200)
	require.Equal(t, []string{"PAST_DUE", "2031-01-04T00:00:00Z"}, []string{row.text("status"), row.text("graceUntil")})
	own("PUT", "/clock", `{"now":"2031-01-20T00:00:00Z"}`).want(200)
	check("").want(204)
	bill := own("GET", "/invoices?customerUuid="+customer, "").want(200).text("data", 0, "uuid")
	own("POST", "/invoices/"+bill+"/payments", `{"amount":400}`)
	check("").want(204)
	own("POST", "/invoices/"+bill+"/payments", `{"amount":600}`)
	require.Contains(t, string(check("").want(200).body), `"2031-02-01T00:00:00.000Z"`)
	require.Nil(t, own("GET", "/subscriptions/"+id, "").want(200).at("graceUntil"))
	require.Equal(t, 1, licenses("ACTIVE"))
}

// Case 92: without a payment method access ends with the trial, at that instant, as the settings say.
func TestCase92ATrialEndsWithoutPaymentMethod(t *testing.T) {
	t.Parallel()
	for outcome, want := range map[string][]string{"pause": {"PAUSED", "INACTIVE"}, "cancel": {"CANCELED", "CANCELED"}} {
		t.Run(outcome, func(t *testing.T) {
			t.Parallel()
			g := newRig(t)
			own := func(method, path, body string) *result {
				t.Helper()
				return g.call(t, g.test, method, "/ledger/v1"+path, body)
			}
			own("PUT", "/clock", `{"now":"2031-01-01T00:00:00Z"}`).want(200)
			own("PUT", "/settings", `{"trialEndsWithoutPayment":"`+outcome+`"}`).want(200)
			plan := own("POST", "/plans", fmt.Sprintf(`{"productUuid":%q,"name":"Paid","displayName":"Paid","licenseType":"licensed","pricingType":"paid","interval":"month","length":1,
				"capabilities":[%q],"trialDays":10,"prices":[{"key":"base","kind":"flat","currency":"USD","unitAmount":"1000"}]}`, g.product, g.read)).want(201).text("uuid")
			check := func(who string) int {
				return g.call(t, g.test, "GET", "/licenses/check?productUuid="+g.product+"&granteeIds="+who, "").status
			}
			subs, customers := map[string]string{}, map[string]string{}
			for _, who := range []string{"ada", "ben"} {
				customers[who] = own("POST", "/customers", `{"currency":"USD"}`).want(201).text("uuid")
				subs[who] = own("POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"customerUuid":%q,"granteeId":%q}`, plan, customers[who], who)).want(201).text("uuid")
			}
			require.Equal(t, `"2"`, own("GET", "/customers/"+customers["ben"], "").header.Get("ETag"), "it knows of its trial")
			own("PUT", "/clock", `{"now":"2031-01-10T23:59:59.999999Z"}`).want(200)
			own("PUT", "/customers/"+customers["ben"]+"/payment-method", `{"provider":"manual","outcome":"succeeds"}`).want(200)
			require.Equal(t, []int{200, 200}, []int{check("ada"), check("ben")})
			own("PUT", "/clock", `{"now":"2031-01-11T00:00:00Z"}`).want(200)
			require.Equal(t, []int{204, 200}, []int{check("ada"), check("ben")})
			shown := func(who string) (all []string) {
				row := own("GET", "/subscriptions/"+subs[who], "").want(200)
				list := own("GET", "/subscriptions?status="+row.text("status"), "").want(200).at("data").([]any)
				require.Len(t, list, 1, "found by its status")
				return []string{row.text("status"), own("GET", "/subscriptions/"+subs[who]+"/licenses", "").want(200).text("data", 0, "status")}
			}
			require.Equal(t, want, shown("ada"), "before anybody records it")
			require.Equal(t, []string{"ACTIVE", "ACTIVE"}, shown("ben"))
			before := own("GET", "/subscriptions/"+subs["ada"], "").want(200)
			if outcome == "pause" {
				own("PUT", "/customers/"+customers["ada"]+"/payment-method", `{"provider":"manual","outcome":"succeeds"}`).want(200)
				require.Equal(t, 204, check("ada"), "a method alone does not resume it")
				require.Equal(t, "2031-01-11T00:00:00Z", before.text("pausedAt"))
				own("PUT", "/clock", `{"now":"2031-01-12T00:00:00Z"}`).want(200)
				own("POST", "/subscriptions/"+subs["ada"]+"/resume", "").want(200)
				require.Equal(t, 200, check("ada"))
				return
			}
			require.Equal(t, "2031-01-11T00:00:00Z", before.text("canceledAt"))
			own("POST", "/subscriptions/"+subs["ada"]+"/resume", "").want(409)
		})
	}
}

// In a test ledger with a clock of its own access is what that clock says.
func TestChecksGoByTheLedgersClock(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.subscribe(t, g.test, g.flat, `,"granteeId":"ada","trialEnd":"2031-01-10T00:00:00Z","startAt":"2031-01-01T00:00:00Z"`)
	check := func() int {
		return g.call(t, g.test, "GET", "/licenses/check?productUuid="+g.product+"&granteeIds=ada", "").status
	}
	require.Equal(t, 204, check(), "it has not begun")
	g.call(t, g.test, "PUT", "/ledger/v1/clock", `{"now":"2031-01-05T00:00:00Z"}`).want(200)
	require.Equal(t, 200, check())
	require.Equal(t, "TRIALING", g.call(t, g.test, "GET", "/licenses?granteeId=ada", "").want(200).text(0, "status"))
}

// However long the grace, an end lies in the years that a client can read.
func TestGraceEndsWithTheCalendar(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	const last = "9999-12-31T23:59:59.999Z"
	g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada","endTime":"9999-12-31T23:59:59Z"}`, g.upgrade), "version", "v2").want(201)
	for query, want := range map[string]string{"": "9999-12-31T23:59:59.000Z", "&grace=1": last, "&grace=36500": last} {
		for _, version := range []string{"v1", "v2", "v3"} {
			r := g.call(t, g.test, "GET", "/licenses/check?productUuid="+g.product+"&granteeIds=ada"+query, "", "version", version)
			if version == "v3" {
				r = g.call(t, g.test, "GET", "/entitlements/check?productUuid="+g.product+"&granteeIds=ada"+query, "", "version", version)
			}
			require.Contains(t, string(r.want(200).body), want, version+query)
			require.NotContains(t, string(r.body), `"1000`)
		}
	}
}

// Plans that are called alike are two in a check.
func TestPlansOfOneNameAreTwoInChecks(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	var slugs []string
	for i, per := range []string{"month", "year"} {
		p := g.call(t, g.test, "POST", "/ledger/v1/plans", fmt.Sprintf(`{"productUuid":%q,"name":"pro","displayName":"Pro","licenseType":"licensed","pricingType":"free","interval":%q,"length":1}`,
			g.product, per)).want(201)
		g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"g%d"}`, p.text("uuid"), i)).want(201)
		slugs = append(slugs, p.text("slug"))
	}
	require.Equal(t, "pro", slugs[0])
	require.Regexp(t, "^pro_[0-9a-f]{8}$", slugs[1])
	for i, slug := range slugs {
		r := g.call(t, g.test, "GET", fmt.Sprintf("/licenses/check?productUuid=%s&granteeIds=g%d", g.product, i), "", "version", "v2").want(200)
		require.Contains(t, string(r.body), `"`+slug+`"`)
		require.NotContains(t, string(r.body), `"`+slugs[1-i]+`"`)
	}
}

// Cases 148 and 152: with the position that a change answered, a check has what it brought, every time; what two
// subscriptions give is given, and cancelling one takes away only its own.
func TestCases148And152RightsOfTwoSubscriptions(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	var plans []string
	for _, name := range []string{"read", "write", "both"} {
		capability := g.call(t, g.test, "POST", "/ledger/v1/capabilities", fmt.Sprintf(`{"productUuid":%q,"name":%q}`, g.product, "can_"+name)).want(201).text("uuid")
		plans = append(plans, g.call(t, g.test, "POST", "/ledger/v1/plans", fmt.Sprintf(`{"productUuid":%q,"name":%q,"displayName":%q,"licenseType":"licensed",
			"pricingType":"free","interval":"month","length":1,"capabilities":[%q]}`, g.product, name, name, capability)).want(201).text("uuid"))
	}
	start := func(plan string) (id, position string) {
		r := g.call(t, g.test, "POST", "/ledger/v1/subscriptions", fmt.Sprintf(`{"planUuid":%q,"granteeId":"ada"}`, plan)).want(201)
		return r.text("uuid"), r.header.Get("Ledger-Position")
	}
	can := func(position string) (all []string) {
		r := g.call(t, g.test, "GET", "/licenses/check?productUuid="+g.product+"&granteeIds=ada", "", "Ledger-Min-Position", position)
		for _, name := range []string{"can_read", "can_write", "can_both"} {
			if strings.Contains(string(r.body), `"`+name+`"`) {
				all = append(all, name)
			}
		}
		return all
	}
	reads, at := start(plans[0])
	require.Equal(t, []string{"can_read"}, can(at))
	writes, at := start(plans[1])
	require.Equal(t, []string{"can_read", "can_write"}, can(at))
	for n := range 10 { // to and fro
		r := g.call(t, g.test, "POST", "/ledger/v1/subscriptions/"+writes+"/change-plan", fmt.Sprintf(`{"planUuid":%q}`, plans[2-n%2])).want(200)
		want := "can_both"
		if n%2 == 1 {
			want = "can_write"
		}
		require.Equal(t, []string{"can_read", want}, can(r.header.Get("Ledger-Position")))
	}
	r := g.call(t, g.test, "POST", "/ledger/v1/subscriptions/"+reads+"/cancel", `{"when":"now"}`).want(200)
	require.Equal(t, []string{"can_write"}, can(r.header.Get("Ledger-Position")))
}
