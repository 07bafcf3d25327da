package handlers_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCatalog(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	create := func(path, body string) *result { t.Helper(); return g.call(t, g.test, "POST", path, body).want(201) }
	product := create("/products", `{"name":"crm","displayName":"Our CRM","description":"<script>alert(1)</script>","paid":true,
		"currencies":[{"currency":"eur","default":true},{"currency":"USD"}]}`).golden("product").text("uuid")
	capability := create("/capabilities", `{"productUuid":"`+product+`","name":"export"}`).golden("capability").text("uuid")
	feature := create("/features", `{"productUuid":"`+product+`","name":"support","displayName":"Support","valueType":"enum","enumOptions":["mail","phone"]}`).golden("feature")
	meter := create("/meters", `{"key":"calls","name":"API calls","aggregation":"sum"}`).golden("meter").text("uuid")
	plan := create("/plans", `{"productUuid":"`+product+`","name":"pro","displayName":"Pro","licenseType":"perSeat","pricingType":"paid","interval":"month","length":1,
		"perSeatAmount":0,"maxSeatAmount":50,"capabilities":["`+capability+`"],
		"features":[{"featureUuid":"`+feature.text("uuid")+`","value":"mail","enumValueUuid":"`+feature.text("enumOptions", 0, "uuid")+`"}],
		"prices":[{"key":"seat","kind":"perSeat","currency":"EUR","unitAmount":"1500","includedSeats":2},
			{"key":"calls","kind":"graduated","currency":"EUR","meter":"calls","freeUnits":100,"tiers":[{"upTo":1000,"unitAmount":"0.0123"},{"upTo":null,"unitAmount":0.01,"flatAmount":5}]}]}`).golden("plan")
	id := plan.text("uuid")
	read := g.call(t, g.test, "GET", "/plans/"+id, "").want(200)
	require.JSONEq(t, string(plan.body), string(read.body))
	require.Equal(t, `"1"`, read.header.Get("ETag"))

	put := func(path, body string, header ...string) *result {
		return g.call(t, g.test, "PUT", path, body, header...)
	}
	named := put("/plans/"+id, `{"displayName":"Professional","description":"all of it"}`, "If-Match", `"1"`).want(200)
	require.Equal(t, "1", named.text("version"), "a name is no price")
	require.Equal(t, `"2"`, named.header.Get("ETag"))
	require.Empty(t, put("/plans/"+id, `{"description":null}`).want(200).text("description"))
	put("/plans/"+id, `{"displayName":"x"}`, "If-Match", `"1"`).code(412, "stale_version")
	dearer := g.call(t, g.test, "POST", "/plans/"+id+"/versions", `{"prices":[{"key":"seat","kind":"perSeat","currency":"EUR","unitAmount":"1700"}]}`).want(200)
	require.Equal(t, "2", dearer.text("version"))
	require.JSONEq(t, string(dearer.body), string(g.call(t, g.test, "GET", "/plans/"+id, "").want(200).body))

	before := g.events(t, g.test)
	put("/products/"+product, `{"name":"crm"}`).want(200)
	require.Equal(t, before, g.events(t, g.test), "what changes nothing is no event")
	put("/meters/"+meter, `{"key":"other"}`).code(422, "key_is_fixed")
	create("/capabilities", `{"productUuid":"`+product+`","name":"import"}`)
	require.Len(t, g.call(t, g.test, "GET", "/capabilities?productUuid="+product, "").want(200).at("data"), 2)

	archive := func(path string) *result { return g.call(t, g.test, "POST", path+"/archive", "") }
	require.Equal(t, "DEPRECATED", archive("/plans/"+id).want(200).text("status"))
	archive("/plans/" + id).want(200)
	put("/plans/"+id, `{"displayName":"y"}`).code(409, "plan_archived")
	g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+id+`"}`).code(409, "plan_archived")
	for _, path := range []string{"/features/" + feature.text("uuid"), "/capabilities/" + capability, "/meters/" + meter, "/products/" + product} {
		archive(path).want(200)
		require.Equal(t, "DEPRECATED", g.call(t, g.test, "GET", path, "").want(200).text("status"))
	}
	require.Len(t, g.call(t, g.test, "GET", "/plans?status=deprecated", "").want(200).at("data"), 1)
}

func TestCatalogRefuses(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.shop(t, g.test)
	other := g.shop(t, g.test)
	live := g.shop(t, g.live)
	plan := func(extra string) string {
		return `{"productUuid":"` + s.product + `","name":"p","displayName":"P","licenseType":"perSeat","pricingType":"paid","interval":"month","length":1` + extra + `}`
	}
	price := func(fields string) string { return plan(`,"prices":[{"key":"a","kind":"flat",` + fields + `}]`) }
	before := g.events(t, g.test)
	for name, tt := range map[string]struct {
		path, body string
		status     int
		code       string
	}{
		"B02 foreign product":             {"/plans", strings.Replace(plan(""), s.product, live.product, 1), 404, "no_product"},
		"B02 foreign plan":                {"/subscriptions", `{"planUuid":"` + live.seats + `"}`, 404, "no_plan"},
		"B02 other product's capability":  {"/plans", plan(`,"capabilities":["` + other.capability + `"]`), 422, ""},
		"B11 status":                      {"/products", `{"name":"x","displayName":"X","status":"ACTIVE"}`, 422, "unknown_field"},
		"B11 isTest":                      {"/products", `{"name":"x","displayName":"X","isTest":true}`, 422, "unknown_field"},
		"B11 version":                     {"/plans", plan(`,"version":9`), 422, "unknown_field"},
		"B11 uuid":                        {"/subscriptions", `{"planUuid":"` + s.seats + `","uuid":"` + s.seats + `"}`, 422, "unknown_field"},
		"B13 array":                       {"/products", `[]`, 400, "wrong_type"},
		"B13 null":                        {"/products", `null`, 400, "wrong_type"},
		"B13 empty":                       {"/products", ` `, 400, "empty_body"},
		"B14 case":                        {"/products", `{"Name":"x","displayName":"X"}`, 400, "invalid_fields"},
		"B14 twice":                       {"/products", `{"name":"x","name":"y","displayName":"X"}`, 400, "duplicate_key"},
		"B19 U+0000":                      {"/products", `{"name":"a\u0000","displayName":"X"}`, 400, "bad_text"},
		"B21 quantity -1":                 {"/subscriptions", `{"planUuid":"` + s.seats + `","quantity":-1}`, 422, "amount_out_of_range"},
		"B21 quantity 2^31":               {"/subscriptions", `{"planUuid":"` + s.seats + `","quantity":2147483648}`, 422, "amount_out_of_range"},
		"B21 quantity 2^63":               {"/subscriptions", `{"planUuid":"` + s.seats + `","quantity":9223372036854775808}`, 422, "amount_out_of_range"},
		"B21 quantity 0 below the least":  {"/subscriptions", `{"planUuid":"` + s.seats + `","quantity":0}`, 422, "quantity_out_of_limits"},
		"B21 price 2^53":                  {"/plans", plan(`,"currencies":[{"currency":"EUR","price":9007199254740992}]`), 422, "amount_out_of_range"},
		"B21 unit amount 2^53":            {"/plans", price(`"currency":"EUR","unitAmount":"9007199254740992"`), 422, "amount_out_of_range"},
		"B23 currency XXX":                {"/plans", price(`"currency":"XXX","unitAmount":1`), 422, ""},
		"B25 percent 100.0001":            {"/plans", plan(`,"prices":[{"key":"a","kind":"percentage","currency":"EUR","meter":"m","percentage":"100.0001"}]`), 422, "out_of_range"},
		"B26 30 February":                 {"/subscriptions", `{"planUuid":"` + s.seats + `","startAt":"2026-02-30T00:00:00Z"}`, 422, "bad_time"},
		"B30 grantee, 256 bytes":          {"/subscriptions", `{"planUuid":"` + s.seats + `","granteeId":"` + strings.Repeat("x", 256) + `"}`, 422, "too_long"},
		"B30 grantee, newline":            {"/subscriptions", `{"planUuid":"` + s.seats + `","granteeId":"a\nb"}`, 422, "bad_grantee"},
		"B34 id with braces":              {"/subscriptions", `{"planUuid":"{` + s.seats + `}"}`, 400, "bad_uuid"},
		"an unknown customer":             {"/subscriptions", `{"planUuid":"` + s.seats + `","customerUuid":"` + s.seats + `"}`, 404, "no_customer"},
		"an unknown coupon":               {"/subscriptions", `{"planUuid":"` + s.seats + `","coupon":"TEN"}`, 404, "no_coupon"},
		"nothing of what is required":     {"/plans", `{}`, 422, "required"},
		"a query that a write has not":    {"/products?limit=1", `{"name":"x","displayName":"X"}`, 400, "unknown_parameter"},
		"two of quantity and its changes": {"/subscriptions/" + s.seats + "/quantity", `{"quantity":1,"increment":1}`, 422, "required"},
	} {
		t.Run(name, func(t *testing.T) {
			res := g.call(t, g.test, "POST", tt.path, tt.body).want(tt.status)
			if tt.code != "" {
				res.code(tt.status, tt.code)
			}
		})
	}
	require.Equal(t, before, g.events(t, g.test), "a refusal writes nothing")
	missing := g.call(t, g.test, "POST", "/plans", `{}`).code(422, "required")
	missing.body = []byte(strings.Replace(string(missing.body), missing.text("requestId"), "00000000-0000-7000-8000-000000000000", 1))
	missing.golden("problem_required")
}

// A plan with a meter that is not there would be sold, and its usage recorded, and never billed (newuser 12).
func TestAPlansMeterIsThere(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.shop(t, g.test)
	prices := func(amount string) string {
		return `"prices":[{"key":"calls","kind":"perUnit","currency":"EUR","unitAmount":"` + amount + `","billing":"inArrears","meter":"cals"}]}`
	}
	plan := func(name string) string {
		return `{"productUuid":"` + s.product + `","name":"` + name + `","displayName":"P","licenseType":"metered","pricingType":"paid","interval":"month","length":1,` + prices("5")
	}
	for _, try := range [][3]string{{"POST", "/plans", plan("p")}, {"PUT", "/plans/" + s.seats, "{" + prices("5")}, {"POST", "/plans/" + s.seats + "/versions", "{" + prices("5")}} {
		refused := g.call(t, g.test, try[0], try[1], try[2]).code(422, "no_meter")
		require.Equal(t, "/prices/0/meter", refused.text("errors", 0, "pointer"))
		require.Contains(t, refused.text("errors", 0, "detail"), `there is no meter "cals": make it first`)
		g.call(t, g.test, try[0], try[1]+"?dryRun=true", try[2]).code(422, "no_meter")
	}
	meter := g.call(t, g.test, "POST", "/meters", `{"key":"cals"}`).want(201).text("uuid")
	made := g.call(t, g.test, "POST", "/plans", plan("p")).want(201).text("uuid") // at once: the read models may be behind
	g.call(t, g.test, "POST", "/meters/"+meter+"/archive", "").want(200)
	g.call(t, g.test, "POST", "/plans", plan("q")).code(422, "meter_archived")
	require.Equal(t, "2", g.call(t, g.test, "POST", "/plans/"+made+"/versions", "{"+prices("6")).want(200).text("version"), "it has the meter already")
}

// B31, B37, B38: text is kept as it was sent, whatever it looks like.
func TestTextIsKept(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for _, name := range []string{`'; drop table events; --`, `<b onmouseover=alert(1)>`, "e\u0301", "é", "А", "A", "\u202eabc", "=1+1"} {
		id := g.call(t, g.test, "POST", "/products", `{"name":"`+name+`","displayName":"`+name+`"}`).want(201)
		require.Equal(t, name, g.call(t, g.test, "GET", "/products/"+id.text("uuid"), "").want(200).text("name"))
	}
}
