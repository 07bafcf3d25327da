package handlers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/invoicepdf/pdftest"
)

// caller is a subscription to 1.00 a call since 1 April 2027.
type caller struct {
	*rig
	t        *testing.T
	ledger   uuid.UUID
	sub      string
	flat     string // a plan without meters
	recorded int
}

func (g *rig) caller(t *testing.T) *caller {
	t.Helper()
	g.call(t, g.test, "PUT", "/clock", `{"now":"2027-04-01T00:00:00Z"}`).want(200)
	create := func(path, body string) string { return g.call(t, g.test, "POST", path, body).want(201).text("uuid") }
	create("/meters", `{"key":"calls","aggregation":"sum"}`)
	product := create("/products", `{"name":"api","displayName":"API","currencies":[{"currency":"EUR","default":true}]}`)
	plan := `{"productUuid":"` + product + `","name":"%s","displayName":"%[1]s","licenseType":"metered","pricingType":"paid","interval":"month","length":1,"prices":[%s]}`
	byUse := create("/plans", fmt.Sprintf(plan, "by use", `{"key":"calls","kind":"perUnit","currency":"EUR","unitAmount":"100","meter":"calls"}`))
	c := &caller{rig: g, t: t, flat: create("/plans", fmt.Sprintf(plan, "flat", `{"key":"base","kind":"flat","currency":"EUR","unitAmount":"3000"}`)), sub: create("/subscriptions", `{"planUuid":"`+byUse+`"}`)}
	require.NoError(t, g.pool.QueryRow(t.Context(), `select ledger_id from events where stream_id = $1 limit 1`, c.sub).Scan(&c.ledger))
	return c
}

// at moves to an instant and does what is due of the subscription; its drafts wait.
func (c *caller) at(instant string) {
	c.t.Helper()
	c.call(c.t, c.test, "PUT", "/clock", `{"now":"`+instant+`"}`).want(200)
	_, err := c.store.Execute(c.t.Context(), eventstore.Request{Ledger: c.ledger, Command: subscription.Advance{ID: uuid.MustParse(c.sub)}})
	require.NoError(c.t, err)
}

func (c *caller) use(quantity, at string) {
	c.t.Helper()
	c.recorded++
	r := c.call(c.t, c.test, "POST", "/usage", fmt.Sprintf(`{"records":[{"key":"use %d","quantity":"%s","at":"%s","meter":"calls","subscriptionUuid":"%s"}]}`, c.recorded, quantity, at, c.sub)).want(200)
	require.Contains(c.t, string(r.body), `"recorded"`)
}

// total and kinds of an invoice at a path of an answer.
func (c *caller) total(r *result, path ...any) string {
	c.t.Helper()
	field := func(more ...any) any { return r.at(append(append([]any{}, path...), more...)...) }
	text := fmt.Sprint(field("total"))
	for _, l := range field("lines").([]any) {
		text += fmt.Sprintf(" %v %v", l.(map[string]any)["kind"], l.(map[string]any)["amount"])
	}
	return text
}

func (c *caller) get(path string) *result {
	c.t.Helper()
	return c.call(c.t, c.test, "GET", path, "").want(200)
}

func (c *caller) post(path, body string) *result {
	c.t.Helper()
	return c.call(c.t, c.test, "POST", path, body)
}

// Whatever says what will be billed has the usage that is known: previews, drafts and their pages, upcoming invoices.
func TestAnswersHaveTheUsageThatIsKnown(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.call(t, g.test, "PUT", "/settings", `{"draftHours":48}`).want(200)
	c := g.caller(t)
	sub := "/subscriptions/" + c.sub
	c.at("2027-04-20T00:00:00Z")
	c.use("5", "2027-04-10T00:00:00Z")
	require.Equal(t, "500 usage 500", c.total(c.get(sub+"/upcoming-invoice")))
	preview := c.post(sub+"/cancel?dryRun=true", `{"when":"now","credit":"prorate"}`).want(200)
	require.Equal(t, "500 usage 500", c.total(preview, "preview", "invoices", 0))
	require.Empty(t, preview.at("preview", "pendingLines"))

	c.at("2027-05-01T00:00:00Z")
	invoices := c.get("/invoices?subscriptionUuid=" + c.sub)
	require.Equal(t, "0", c.total(invoices, "data", 0), "lists are as recorded")
	draft := "/invoices/" + invoices.text("data", 0, "uuid")
	shown := c.get(draft)
	require.Equal(t, "500 usage 500", c.total(shown))
	require.Equal(t, []any{"draft", invoices.at("data", 0, "updatedAt"), invoices.at("data", 0, "version")}, []any{shown.at("status"), shown.at("updatedAt"), shown.at("version")})
	c.use("2", "2027-04-12T00:00:00Z")
	again := c.call(t, g.test, "GET", draft, "", "If-None-Match", shown.header.Get("ETag")).want(200)
	require.Equal(t, "700 usage 700", c.total(again), "it is another answer, though nothing happened to the invoice")
	require.Contains(t, strings.Join(pdftest.Pages(t, c.get(draft+"/pdf").body), ""), "7.00")
	c.post(draft+"/void", "").code(409, "usage_waits")
	require.Equal(t, "0 usage 0", c.total(c.get(sub+"/upcoming-invoice")), "the draft has it")
	require.Equal(t, "700 usage 700", c.total(c.post(draft+"/finalize", "").want(200)))

	// Late usage is in them too, also at a plan without meters.
	c.use("1", "2027-04-30T00:00:00Z")
	require.Equal(t, "100 usage 0 adjustment 100", c.total(c.get(sub+"/upcoming-invoice")))
	change := c.post(sub+"/change-plan", `{"planUuid":"`+c.flat+`","when":"periodEnd"}`)
	change.want(200)
	c.at("2027-06-01T00:00:00Z")
	require.Equal(t, "3100 period 3000 usage 0 adjustment 100", c.total(c.get("/invoices/"+c.newest())))
	c.post("/invoices/"+c.newest()+"/finalize", "").want(200)
	c.use("1", "2027-04-30T00:00:00Z")
	require.Equal(t, "3100 period 3000 adjustment 100", c.total(c.get(sub+"/upcoming-invoice")))
	require.Equal(t, "-1900 prorationCredit -2000 adjustment 100", func() string {
		c.at("2027-06-11T00:00:00Z")
		return c.total(c.post(sub+"/cancel?dryRun=true", `{"when":"now","credit":"prorate"}`).want(200), "preview", "invoices", 0)
	}())
	c.post(sub+"/cancel", `{"when":"now"}`).want(200)
	require.Equal(t, "100 adjustment 100", c.total(c.get(sub+"/upcoming-invoice")), "what is billed when no more is taken")
}

// newest is the invoice that was drafted last.
func (c *caller) newest() string {
	c.t.Helper()
	data := c.get("/invoices?subscriptionUuid=" + c.sub).at("data").([]any)
	return data[len(data)-1].(map[string]any)["uuid"].(string)
}
