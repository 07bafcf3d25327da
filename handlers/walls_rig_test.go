package handlers_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/organisation"
	"github.com/subledger/subledger/handlers"
)

// named says what each field of a body and each parameter of a query names, by its name, and "" where it
// names nothing that is looked up: it is kept as it is, whosever it is. A name that is neither here
// nor in unnamed is a new one, and fails.
var named = map[string]string{
	"productUuid": "product", "planUuid": "plan", "capabilities": "capability", "featureUuid": "feature", "enumValueUuid": "option",
	"meter": "meterKey", "licenseUuid": "license", "subscriptionUuid": "subscription", "records/granteeId": "grantee",
	"stream": "subscription", "actor": "actor", "requestId": "requestId",
	"granteeId": "", "customerUuid": "customer", "lineUuid": "line", "taxRates": "tax-rate", "GET /customers/externalId": "externalId", "externalId": "", "organisationPaymentIntegrationUuid": "", "paddlePlanId": "",
	"coupon": "couponCode", "products": "product", "featuredPlanUuid": "plan", "POST /subscriptions/{uuid}/coupon/code": "couponCode",
	"prices/meter": "meterKey",
}

// unnamed are texts, numbers and choices that name nothing. What is not a string in the document is none anyway.
var unnamed = strings.Fields(`active amount aggregation anchorAt appType at billing carriesOver city country credit currency default defaultValue delayMs description draftHours effectiveAt
	displayName email environment enumOptions evalDays evaluation expiresAt failures from graceDaysPastDue includedSeats inclusive increment decrement interval invoiceDaysUntilDue isUnlimited
	isUsage key kind lateUsageHours length licenseType line1 line2 logoUrl maxSeatAmount maxTotal maxUsage minUsage metadata method minTotal minimumAmount mode name now outcome overlap owner paid paidAt perSeatAmount
	planType postalCode price percentOff amountOff duration durationPeriods title text theme featureOrder customTheme maxRedemptions redeemBy endsAt code prorationMode proration provider pricePerUnit quantity reason reference render salablePlan scopes showUnlimited slug sortOrder startAt state status
	timeZone to trialDays trialEnd trialEndsWithoutPayment type unitAmount flatAmount upTo packageSize percentage freeUnits value valueType variableName visibility when zeroInvoices
	pricingType after limit cursor dryRun assigned`) // cursors, and ids in paths and headers, have tests of their own below

// things are ids of one ledger, by what they name.
type things map[string]string

// nobodys are ids of nothing.
func nobodys(of things) things {
	none := things{}
	for kind := range of {
		none[kind] = uuid.Must(uuid.NewV7()).String()
	}
	return none
}

// walls is a ledger with one of everything in it, and all others whose ids it may be asked with.
type walls struct {
	*attack
	own    things
	others map[string]things
	keys   map[string]string // of roles, beside those of the attack's
}

func newWalls(t *testing.T) *walls {
	t.Helper()
	w := &walls{attack: newAttack(t), others: map[string]things{}, keys: map[string]string{}}
	w.own = w.stock(t, w.test, w.shop, w.sub, "ada of ours")
	w.own["key"], w.own["organisation"] = w.keyID, w.org
	w.own["invoice"], w.own["line"] = w.invoice.uuid, w.invoice.lines[0] // that the good bodies are about
	beta := w.call(t, w.admin, "POST", "/organisations", `{"name":"Beta"}`).want(201).text("uuid")
	w.keys["another organisation"] = w.issue(t, beta, "test", ``, w.scopes("")...).text("secret")
	w.keys["the other mode"] = w.live
	for whose, key := range map[string]string{"the other mode's": w.live, "another organisation's": w.keys["another organisation"]} {
		s := w.attack.rig.shop(t, key)
		sub := w.call(t, key, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`"}`).want(201).text("uuid")
		w.others[whose] = w.stock(t, key, s, sub, "zoe of "+whose)
		// Organisations and their keys are in the system ledger, where an id of any other ledger is an unknown one; so is the
		// stream of admin keys, and under an organisation a key of another one.
		w.others[whose]["organisation"], w.others[whose]["key"] = sub, w.issue(t, beta, "test", "", "plans:read").text("id")
	}
	w.others["another organisation's"]["organisation"] = organisation.AdminKeys.String()
	return w
}

// stock fills a ledger's shelves up: at least two of each kind that has a list.
func (w *walls) stock(t *testing.T, key string, s shop, sub, grantee string) things {
	t.Helper()
	create := func(path, body string) *result { return w.call(t, key, "POST", path, body).want(201) }
	feature := create("/features", `{"productUuid":"`+s.product+`","name":"size","displayName":"S","valueType":"enum","enumOptions":["a","b"]}`)
	external := "external " + uuid.NewString()
	customer := create("/customers", `{"currency":"EUR","externalId":"`+external+`"}`).text("uuid")
	w.call(t, key, "PUT", "/customers/"+customer+"/payment-method", `{"provider":"manual","outcome":"succeeds"}`).want(200)
	made := create("/subscriptions", `{"planUuid":"`+s.seats+`","customerUuid":"`+customer+`","quantity":3,"granteeId":"`+grantee+`"}`)
	meter := "meter " + uuid.NewString()
	own := things{"product": s.product, "plan": s.seats, "capability": s.capability, "subscription": sub, "feature": feature.text("uuid"), "grantee": grantee,
		"option": feature.text("enumOptions", 0, "uuid"), "requestId": made.header.Get("Request-Id"), "meterKey": meter, "customer": customer, "externalId": external}
	for range 2 {
		billed := w.draft(t, customer, "EUR", invoice.Line{Amount: 1000, SubscriptionID: uuid.MustParse(sub)})
		w.call(t, key, "POST", billed.path("/finalize"), "").want(200)
		own["invoice"], own["line"] = billed.uuid, billed.lines[0]
		for range 2 {
			w.call(t, key, "POST", billed.path("/credit-notes"), `{"amount":1}`).want(201)
		}
	}
	own["meter"] = create("/meters", `{"key":"`+meter+`"}`).text("uuid")
	code := "code " + uuid.NewString()
	own["coupon"], own["couponCode"] = create("/coupons", `{"code":"`+code+`","percentOff":10,"duration":"forever"}`).text("uuid"), code
	own["tax-rate"] = create("/tax-rates", `{"name":"VAT","percentage":19}`).text("uuid")
	table := create("/pricing-tables", `{"productUuid":"`+s.product+`","name":"t"}`)
	own["pricing-table"] = table.text("uuid")
	own["task"] = w.call(t, key, "POST", "/subscriptions/"+sub+"/quantity", `{"increment":1}`).want(200).header.Get("Event-Uuid")
	w.call(t, key, "POST", "/subscriptions/"+sub+"/quantity", `{"increment":1,"when":"periodEnd"}`).want(200) // so that there is something to undo
	w.call(t, key, "POST", "/subscriptions/"+sub+"/cancel", `{"when":"periodEnd"}`).want(200)
	own["license"] = w.call(t, key, "GET", "/subscriptions/"+made.text("uuid")+"/licenses", "").want(200).text("data", 0, "uuid")
	own["actor"] = w.call(t, key, "GET", "/events?limit=1", "").want(200).text("data", 0, "meta", "actor")
	w.call(t, key, "POST", "/usage", `{"records":[{"key":"first","quantity":1,"meter":"`+meter+`","subscriptionUuid":"`+sub+`"},
		{"key":"second","quantity":1,"subscriptionUuid":"`+sub+`"},
		{"key":"early","quantity":1,"subscriptionUuid":"`+sub+`","at":"2020-01-01T00:00:00Z"},
		{"key":"too early","quantity":1,"subscriptionUuid":"`+sub+`","at":"2020-01-02T00:00:00Z"}]}`).want(200)
	create("/products", `{"name":"two","displayName":"2"}`)
	create("/features", `{"productUuid":"`+s.product+`","name":"two","displayName":"2","valueType":"boolean"}`)
	create("/capabilities", `{"productUuid":"`+s.product+`","name":"two"}`)
	create("/meters", `{"key":"two"}`)
	create("/pricing-tables", `{"productUuid":"`+s.product+`","name":"two"}`)
	create("/customers", `{"currency":"EUR"}`)
	create("/tax-rates", `{"name":"two","percentage":0}`)
	create("/coupons", `{"code":"two","percentOff":10,"duration":"once"}`)
	return own
}

func (w *walls) scopes(but string) (all []string) {
	resource, _, _ := strings.Cut(but, ":")
	return slices.DeleteFunc(organisation.Scopes(), func(s string) bool {
		return s == but || s == resource+":*" || s == organisation.AdminScope
	})
}

func (w *walls) issue(t *testing.T, org, mode, more string, scopes ...string) *result {
	t.Helper()
	list, err := json.Marshal(scopes)
	require.NoError(t, err)
	return w.call(t, w.admin, "POST", "/organisations/"+org+"/keys", `{"mode":"`+mode+`","name":"k","scopes":`+string(list)+more+`}`).want(201)
}

// kindOf is what {uuid} names in a route's pattern.
func kindOf(pattern string) string {
	return strings.TrimSuffix(strings.Replace(strings.Split(pattern, "/")[1], "ies", "ys", 1), "s")
}

// path puts ids into a route's pattern.
func (w *walls) path(pattern string, of things) string {
	kind := kindOf(pattern)
	return strings.NewReplacer("{uuid}", of[kind], "{id}", of["key"], "{position:[0-9]+}", "1").Replace(pattern)
}

// same wants one answer to two requests that differ in ids alone, and nothing to have been written by either.
func (w *walls) same(t *testing.T, a, b *result, of, none things) {
	t.Helper()
	blur := func(r *result, ids things) (string, http.Header) {
		text := anonymous(r)
		for _, kind := range slices.Sorted(maps.Keys(ids)) {
			text = strings.ReplaceAll(text, ids[kind], "ID")
		}
		h := r.header.Clone()
		h.Del("Request-Id")
		h.Del("Content-Length") // of ids of other lengths
		return text, h
	}
	textA, headA := blur(a, of)
	textB, headB := blur(b, none)
	require.Equal(t, fmt.Sprint(b.status, " ", textB), fmt.Sprint(a.status, " ", textA), a.what)
	require.Equal(t, headB, headA, a.what)
}

// asks sends a request with the key, or without one.
func (w *walls) asks(t *testing.T, key, method, path, body string, header ...string) *result {
	t.Helper()
	if body != "" {
		header = append(header, "Content-Type", "application/json")
	}
	return w.send(t, key, method, path, body, header...)
}

// carrier is one place of a request where an id stands.
type carrier struct {
	rt   handlers.Route
	in   string // path, query, body, and a header's name
	name string // a parameter, or a JSON pointer
	kind string // what the id names
}

func (c carrier) String() string { return c.rt.Method + " " + c.rt.Path + ", " + c.in + " " + c.name }

// carriers reads from the document where every route takes ids.
func (w *walls) carriers(t *testing.T) (all []carrier) {
	t.Helper()
	doc, err := document()
	require.NoError(t, err)
	known := func(in, name, where string) (string, bool) {
		steps := strings.Split(strings.TrimSuffix(in, "/0"), "/")
		if kind, ok := named[where+"/"+name]; ok {
			return kind, true
		}
		kind, ok := named[steps[len(steps)-1]+"/"+name]
		if !ok {
			kind, ok = named[name]
		}
		require.True(t, ok != slices.Contains(unnamed, name), "%s: say in named what %q names, or in unnamed that it names nothing", where, name)
		return kind, ok && kind != ""
	}
	for _, rt := range w.api.Dialect().Routes {
		where := rt.Method + " " + rt.Path
		op := doc.Paths.Find(pathPattern.ReplaceAllString(rt.Path, "{$1}")).GetOperation(rt.Method)
		for _, p := range op.Parameters {
			switch in, name := p.Value.In, p.Value.Name; in {
			case "path":
				kind := kindOf(rt.Path)
				if name == "id" {
					kind = "key"
				}
				if name != "position" {
					all = append(all, carrier{rt, in, name, kind})
				}
			case "query":
				if kind, ok := known("", name, where); ok {
					all = append(all, carrier{rt, in, name, kind})
				}
			case "header":
				require.Contains(t, []string{"Idempotency-Key", "If-Match", "If-None-Match", "Ledger-Min-Position", "Last-Event-ID"}, name, "%s: a header that no test here sends", where)
			}
		}
		if op.RequestBody != nil {
			var walk func(s *openapi3.Schema, pointer string)
			walk = func(s *openapi3.Schema, pointer string) {
				for _, list := range []openapi3.SchemaRefs{s.AllOf, s.AnyOf, s.OneOf} {
					for _, of := range list {
						walk(of.Value, pointer)
					}
				}
				if s.Items != nil {
					walk(s.Items.Value, pointer+"/0")
				}
				for name, of := range s.Properties {
					if name == "records" { // anything may stand there, so that it is rejected by itself
						walk(doc.Components.Schemas["UsageRecord"].Value, pointer+"/records/0")
						continue
					}
					if structured(of.Value) || of.Value.Items != nil && structured(of.Value.Items.Value) {
						walk(of.Value, pointer+"/"+name)
						continue
					}
					if kind, ok := known(pointer, name, where); ok {
						if of.Value.Items != nil {
							name += "/0"
						}
						all = append(all, carrier{rt, "body", pointer + "/" + name, kind})
					}
				}
			}
			walk(op.RequestBody.Value.Content["application/json"].Schema.Value, "")
		}
	}
	return all
}

// structured tells an object from a value that is one of several kinds.
func structured(s *openapi3.Schema) bool {
	return len(s.Properties) > 0 || slices.ContainsFunc(slices.Concat(s.AllOf, s.AnyOf, s.OneOf), func(r *openapi3.SchemaRef) bool { return structured(r.Value) })
}

// request is the good request of a carrier's route with an id put in its place.
func (w *walls) request(t *testing.T, c carrier, id string) (path, body string) {
	t.Helper()
	ids := maps.Clone(w.own)
	if c.in == "path" {
		ids[c.kind] = id
	}
	path = w.path(c.rt.Path, ids)
	for _, wr := range w.writes {
		if wr.name() == c.rt.Method+" "+c.rt.Path {
			body = wr.body
		}
	}
	switch c.in {
	case "query":
		path += "?" + c.name + "=" + strings.ReplaceAll(id, " ", "+")
		if c.rt.Path == "/usage" && c.name != "subscriptionUuid" { // which it cannot do without
			path += "&subscriptionUuid=" + w.own["subscription"]
		}
	case "body":
		var document any
		require.NoError(t, json.Unmarshal([]byte(body), &document), "%s: %s", c, body)
		steps := strings.Split(c.name, "/")[1:]
		if beside, ok := w.beside()[c.rt.Method+" "+c.name]; ok && !strings.HasPrefix(c.rt.Path, "/pricing-tables") {
			var around any
			require.NoError(t, json.Unmarshal([]byte(beside), &around), "%s: %s", c, beside)
			document = put(document, steps[:len(steps)-1], around)
		}
		data, err := json.Marshal(put(document, steps, id))
		require.NoError(t, err)
		body = string(data)
	}
	return path, body
}

// beside is what has to stand beside an id for it to be looked at, in place of what the good body has there.
func (w *walls) beside() map[string]string {
	record, price := `{"key":"u","quantity":1}`, `{"key":"a","kind":"perUnit","currency":"EUR","unitAmount":"1"}`
	return map[string]string{
		"POST /features/0/featureUuid": `{"enumValueUuid":"` + w.own["option"] + `"}`, "PUT /features/0/featureUuid": `{"enumValueUuid":"` + w.own["option"] + `"}`,
		"POST /features/0/enumValueUuid": `{"featureUuid":"` + w.own["feature"] + `"}`, "PUT /features/0/enumValueUuid": `{"featureUuid":"` + w.own["feature"] + `"}`,
		"POST /lines/0/lineUuid": `{"amount":1}`, "POST /records/0/licenseUuid": record, "POST /records/0/subscriptionUuid": record,
		"POST /prices/0/meter": price, "PUT /prices/0/meter": price,
		"POST /records/0/meter":     `{"key":"u","quantity":1,"subscriptionUuid":"` + w.own["subscription"] + `"}`,
		"POST /records/0/granteeId": `{"key":"u","quantity":1,"planUuid":"` + w.own["plan"] + `"}`,
		"POST /records/0/planUuid":  `{"key":"u","quantity":1,"granteeId":"` + w.own["grantee"] + `"}`,
	}
}

// put sets a value in a document, and what leads to it.
func put(document any, steps []string, value any) any {
	if len(steps) == 0 {
		return value
	}
	if steps[0] == "0" {
		list, _ := document.([]any)
		if len(list) == 0 {
			list = []any{nil}
		}
		return []any{put(list[0], steps[1:], value)}
	}
	object, _ := document.(map[string]any)
	if object == nil {
		object = map[string]any{}
	}
	object[steps[0]] = put(object[steps[0]], steps[1:], value)
	return object
}
