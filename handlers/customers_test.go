package handlers_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCustomers(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	vat := g.call(t, g.test, "POST", "/tax-rates", `{"name":"VAT","percentage":19}`).want(201).text("uuid")
	made := g.call(t, g.test, "POST", "/customers", `{"name":"Ada","email":"ada@example.com","address":{"line1":"1 Elm St","city":"Ulm","country":"de"},"currency":"eur",
		"timeZone":"Europe/Berlin","taxRates":["`+vat+`"],"taxExempt":{"reason":"export"},"externalId":"ada-1","metadata":{"tier":"gold"}}`).want(201).golden("customer_created")
	path := "/customers/" + made.text("uuid")
	same := func(written *result) *result {
		t.Helper()
		read := g.call(t, g.test, "GET", path, "").want(200)
		require.JSONEq(t, string(written.body), string(read.body))
		require.Equal(t, written.header.Get("ETag"), read.header.Get("ETag"))
		return written
	}
	same(made)
	g.call(t, g.live, "GET", path, "").code(404, "no_customer")
	g.call(t, g.test, "POST", "/customers", `{"currency":"EUR","externalId":"ada-1"}`).code(409, "external_id_taken")
	g.call(t, g.live, "POST", "/customers", `{"currency":"EUR","externalId":"ada-1"}`).want(201) // another ledger's
	bare := g.call(t, g.test, "POST", "/customers", `{"currency":"USD"}`).want(201)

	before := g.events(t, g.test)
	g.call(t, g.test, "PUT", path, `{}`).want(200)
	g.call(t, g.test, "PUT", path, `{"name":"Ada","currency":"EUR","metadata":{"tier":"gold"}}`).want(200)
	g.call(t, g.test, "PUT", path, `{"name":"Eve"}`, "If-Match", `"7"`).code(412, "stale_version")
	g.call(t, g.test, "PUT", path, `{"currency":"USD"}`).code(409, "currency_is_fixed")
	g.call(t, g.test, "PUT", path+"?dryRun=true", `{"name":"Eve"}`).want(200)
	require.Equal(t, before, g.events(t, g.test))
	same(g.call(t, g.test, "PUT", path, `{"name":"Ada L.","address":null,"metadata":{"b":""}}`, "If-Match", `"1"`).want(200).golden("customer_changed"))
	same(g.call(t, g.test, "PUT", path, `{"name":null,"email":null,"timeZone":null,"taxRates":null,"taxExempt":null,"externalId":null,"metadata":null}`).want(200).golden("customer_bare"))

	all := g.call(t, g.test, "GET", "/customers?limit=1", "").want(200)
	require.Equal(t, made.text("uuid"), all.text("data", 0, "uuid"))
	require.Equal(t, bare.text("uuid"), g.call(t, g.test, "GET", "/customers?limit=1&cursor="+all.text("nextCursor"), "").text("data", 0, "uuid"))
	require.Empty(t, g.call(t, g.test, "GET", "/customers?externalId=ada-1", "").want(200).at("data"), "it was given up")
	g.call(t, g.test, "PUT", path, `{"externalId":"ada-2"}`).want(200)
	require.Equal(t, made.text("uuid"), g.call(t, g.test, "GET", "/customers?externalId=ada-2", "").want(200).text("data", 0, "uuid"))
	g.call(t, g.test, "GET", "/customers?email=ada@example.com", "").code(400, "unknown_parameter")
}

// A subscription takes its currency and its clock from its customer.
func TestSubscriptionsOfACustomer(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.shop(t, g.test)
	id := g.call(t, g.test, "POST", "/customers", `{"currency":"EUR","timeZone":"Asia/Tokyo"}`).want(201).text("uuid")
	sub := g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`","customerUuid":"`+id+`","email":"ada@example.com"}`).want(201)
	require.Equal(t, []string{id, "EUR", "Asia/Tokyo"}, []string{sub.text("customerUuid"), sub.text("currency"), sub.text("timeZone")})
	g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`"}`).want(201)
	of := g.call(t, g.test, "GET", "/subscriptions?customerUuid="+id, "").want(200)
	require.Len(t, of.at("data"), 1)
	require.Equal(t, sub.text("uuid"), of.text("data", 0, "uuid"))
	g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`","customerUuid":"`+id+`","currency":"USD"}`).want(422)
	theirs := g.call(t, g.live, "POST", "/customers", `{"currency":"EUR"}`).want(201).text("uuid")
	g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`","customerUuid":"`+theirs+`"}`).code(404, "no_customer")
}

// First purchases of one owner at once are one customer's.
func TestFirstPurchasesMakeOneCustomer(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.shop(t, g.test)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			r := g.send(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`","owner":"acme"}`, "Content-Type", "application/json")
			assert.Equal(t, 201, r.status)
		})
	}
	wg.Wait()
	customers := g.call(t, g.test, "GET", "/customers", "").want(200)
	require.Len(t, customers.at("data"), 1)
	require.Len(t, g.call(t, g.test, "GET", "/subscriptions?customerUuid="+customers.text("data", 0, "uuid"), "").want(200).at("data"), 8)
}

func TestB11_B23_BadCustomers(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	many := make([]string, 51)
	for i := range many {
		many[i] = fmt.Sprintf(`"k%d":"v"`, i)
	}
	g.writesNothing(t, func() {
		for members, want := range map[string]string{
			`"currency":"XXX"`: "unknown_currency", `"currency":""`: "required", `"name":"a\tb"`: "bad_name", `"email":"ada"`: "bad_email", `"timeZone":"Mars"`: "unknown_time_zone",
			`"address":{"country":"XX"}`: "unknown_country", `"address":{"zip":"1"}`: "unknown_field", `"taxExempt":{}`: "required", `"taxExempt":{"reason":"r","since":1}`: "unknown_field",
			`"taxRates":["00000000-0000-0000-0000-000000000000"]`: "no_tax_rate", `"uuid":"x"`: "unknown_field",
			`"metadata":{` + strings.Join(many, ",") + `}`: "bad_metadata", `"metadata":{"k":"` + strings.Repeat("v", 501) + `"}`: "bad_metadata", `"metadata":{"":""}`: "bad_metadata",
		} {
			body := `{"currency":"EUR",` + members + `}`
			if strings.HasPrefix(members, `"currency"`) {
				body = `{` + members + `}`
			}
			require.Equal(t, want, g.call(t, g.test, "POST", "/customers", body).want(422).text("code"), members)
		}
		for _, members := range []string{`"address":"Ulm"`, `"address":[]`, `"taxExempt":true`, `"metadata":{"k":1}`, `"metadata":{"k":null}`, `"metadata":{"k":{"nested":[1]}}`, `"metadata":[]`,
			`"taxRates":"x"`, `"taxRates":[null]`, `"name":7`} {
			require.Contains(t, []int{400, 422}, g.call(t, g.test, "POST", "/customers", `{"currency":"EUR",`+members+`}`).status, members)
		}
	})
	odd := `{"__proto__":"a","constructor":"b","a.b":"c","a/b~c":"d","$ref":"e"," ":"f","K":"g","k":"h"}`
	made := g.call(t, g.test, "POST", "/customers", `{"currency":"EUR","metadata":`+odd+`}`).want(201)
	read := g.call(t, g.test, "GET", "/customers/"+made.text("uuid"), "").want(200)
	require.JSONEq(t, string(made.body), string(read.body))
	require.Len(t, read.at("metadata"), 8, "any key is the caller's own")
}
