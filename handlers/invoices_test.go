package handlers_test

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/invoice"
)

func (g *rig) customer(t *testing.T, key, currency string) string {
	t.Helper()
	return g.call(t, key, "POST", "/customers", `{"currency":"`+currency+`"}`).want(201).text("uuid")
}

// numbers reads fields of an answer.
func (r *result) numbers(names ...string) (all []string) {
	r.t.Helper()
	for _, name := range names {
		all = append(all, r.text(name))
	}
	return all
}

func TestInvoices(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	ada := g.customer(t, g.test, "USD")
	unit := decimal.RequireFromString("0.0123")
	b := g.draft(t, ada, "USD", line("Base", 10000), invoice.Line{Description: "Calls", Amount: 94, Quantity: "23/3", UnitAmount: &unit, Events: []int64{1, 2}})
	same := func(written *result) *result {
		t.Helper()
		read := g.call(t, g.test, "GET", b.path(""), "").want(200)
		require.JSONEq(t, string(written.body), string(read.body))
		require.Equal(t, written.header.Get("ETag"), read.header.Get("ETag"))
		return written
	}
	drafted := g.call(t, g.test, "GET", b.path(""), "").want(200).golden("invoice_draft")
	require.Equal(t, []string{"draft", "", "", "0"}, drafted.numbers("status", "number", "issuedAt", "amountDue"))
	g.call(t, g.test, "POST", b.path("/payments"), `{"amount":1}`).code(409, "not_open")
	g.call(t, g.test, "POST", b.path("/credit-notes"), `{"amount":1}`).code(409, "not_finalized")
	g.call(t, g.test, "POST", b.path("/uncollectible"), "").code(409, "not_open")

	before := g.events(t, g.test)
	dry := g.call(t, g.test, "POST", b.path("/finalize?dryRun=true"), "").want(200)
	require.Equal(t, "INV-000001", dry.text("number"))
	g.call(t, g.test, "POST", b.path("/finalize"), "", "If-Match", `"7"`).code(412, "stale_version")
	require.Equal(t, before, g.events(t, g.test))
	final := same(g.call(t, g.test, "POST", b.path("/finalize"), "{}", "If-Match", `"1"`, "Idempotency-Key", "f").want(200))
	require.Equal(t, []string{"open", "INV-000001", "2026-06-01T12:00:00Z", "2026-07-01T12:00:00Z", "10094"}, final.numbers("status", "number", "issuedAt", "dueAt", "amountDue"))
	again := g.call(t, g.test, "POST", b.path("/finalize"), "{}", "If-Match", `"1"`, "Idempotency-Key", "f").want(200)
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	require.JSONEq(t, string(final.body), string(again.body))
	same(g.call(t, g.test, "POST", b.path("/finalize"), "").want(200))

	g.writesNothing(t, func() {
		for body, code := range map[string]string{`{}`: "required", `{"amount":0}`: "bad_amount", `{"amount":-1}`: "bad_amount", `{"amount":10095}`: "bad_amount", `{"amount":1,"paidAt":"2026-06-02T00:00:00Z"}`: "bad_paid_at",
			`{"amount":1,"method":"a\tb"}`: "bad_method", `{"amount":1,"currency":"USD"}`: "unknown_field", `{"amount":9223372036854775808}`: "amount_out_of_range"} {
			require.Equal(t, code, g.call(t, g.test, "POST", b.path("/payments"), body).want(422).text("code"), body)
		}
		for body, code := range map[string]string{`{}`: "required", `{"amount":1,"lines":[{"lineUuid":"` + b.lines[0] + `","amount":1}]}`: "required", `{"lines":[]}`: "required", `{"amount":10095}`: "bad_amount",
			`{"lines":[{"lineUuid":"` + b.uuid + `","amount":1}]}`: "no_line", `{"lines":[{"lineUuid":"` + b.lines[0] + `","amount":10001}]}`: "bad_amount", `{"lines":[{"amount":1}]}`: "required",
			`{"lines":[{"lineUuid":"` + b.lines[0] + `","amount":1},{"lineUuid":"` + b.lines[0] + `","amount":1}]}`: "repeated_line"} {
			require.Equal(t, code, g.call(t, g.test, "POST", b.path("/credit-notes"), body).want(422).text("code"), body)
		}
	})
	pdf := g.call(t, g.test, "GET", b.path("/pdf"), "").want(200)
	paid := same(g.call(t, g.test, "POST", b.path("/payments"), `{"amount":4000,"method":"wire","reference":"=R 1","paidAt":"2026-05-30T00:00:00Z"}`).want(200))
	require.Equal(t, []string{"open", "6094", "4000"}, paid.numbers("status", "amountDue", "amountPaid"))
	g.call(t, g.test, "POST", b.path("/void"), "").code(409, "invoice_paid")
	require.Equal(t, "uncollectible", same(g.call(t, g.test, "POST", b.path("/uncollectible"), "").want(200)).text("status"))
	g.call(t, g.test, "POST", b.path("/credit-notes"), `{"lines":[{"lineUuid":"`+b.lines[1]+`","amount":94}],"reason":"an outage"}`).want(201).golden("credit_note")
	require.Equal(t, "paid", same(g.call(t, g.test, "POST", b.path("/payments"), `{"amount":6000}`).want(200)).text("status"))
	g.call(t, g.test, "GET", b.path(""), "").want(200).golden("invoice_paid")
	after := g.call(t, g.test, "GET", b.path("/pdf"), "").want(200)
	require.Equal(t, []string{"application/pdf", `inline; filename="INV-000001.pdf"`}, []string{after.header.Get("Content-Type"), after.header.Get("Content-Disposition")})
	require.Equal(t, pdf.body, after.body, "it is as it was issued")
	etag := g.call(t, g.test, "GET", b.path(""), "").header.Get("ETag")
	g.call(t, g.test, "GET", b.path(""), "", "If-None-Match", etag).want(304)

	// Case 121: a draft uses no number up, what is void keeps it.
	gone := g.draft(t, ada, "USD", line("Base", 100))
	require.Equal(t, []string{"void", ""}, g.call(t, g.test, "POST", gone.path("/void"), "").want(200).numbers("status", "number"))
	g.call(t, g.test, "POST", gone.path("/finalize"), "").code(409, "invoice_void")
	void := g.open(t, g.test, ada, "USD", 100)
	require.Equal(t, []string{"void", "INV-000002", "0"}, g.call(t, g.test, "POST", void.path("/void"), "").want(200).numbers("status", "number", "amountDue"))

	// Another ledger's is unknown.
	g.call(t, g.live, "GET", b.path("/pdf"), "").code(404, "no_invoice")
	for path, body := range map[string]string{"": "", "/finalize": "", "/void": "", "/uncollectible": "", "/payments": `{"amount":1}`, "/credit-notes": `{"amount":1}`} {
		method := "POST"
		if path == "" {
			method = "GET"
		}
		g.call(t, g.live, method, b.path(path), body).code(404, "no_invoice")
	}
	for _, path := range []string{"/statement", "/balance"} {
		g.call(t, g.live, "GET", "/customers/"+ada+path, "").code(404, "no_customer")
	}
	require.Empty(t, g.call(t, g.live, "GET", "/invoices", "").want(200).at("data"))
	for _, path := range []string{"/invoices.csv", "/invoices/lines.csv"} {
		require.Len(t, g.sheet(t, g.live, path), 1)
	}
}

func TestCases124And125CreditNotesOverHTTP(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	ada := g.customer(t, g.test, "USD")
	b := g.open(t, g.test, ada, "USD", 10000)
	g.call(t, g.test, "POST", b.path("/payments"), `{"amount":4000}`).want(200)
	note := g.call(t, g.test, "POST", b.path("/credit-notes"), `{"amount":7000,"reason":"an outage"}`).want(201)
	require.Equal(t, []string{"CN-000001", "7000", "6000", "1000"}, note.numbers("number", "amount", "lowersDebt", "toBalance"))
	read := g.call(t, g.test, "GET", b.path(""), "").want(200)
	require.Equal(t, []string{"paid", "0"}, read.numbers("status", "amountDue"))
	require.Equal(t, note.at(), read.at("creditNotes", 0))
	require.Equal(t, "1000", g.call(t, g.test, "GET", "/customers/"+ada+"/balance", "").want(200).text(0, "amount"))

	require.Equal(t, []string{"6000", "4000"}, read.numbers("credited", "amountPaid"))

	// Case 124: of two at once, one is too much.
	statuses := make(chan int, 2)
	for range 2 {
		go func() { statuses <- g.call(t, g.test, "POST", b.path("/credit-notes"), `{"amount":2000}`).status }()
	}
	require.ElementsMatch(t, []int{201, 422}, []int{<-statuses, <-statuses})
	g.call(t, g.test, "POST", b.path("/credit-notes"), `{"amount":1001}`).code(422, "bad_amount")

	// They are listed by invoice, by customer and all together, in parts, as they stand on the invoice (newuser 18 and 23).
	other := g.open(t, g.test, g.customer(t, g.test, "USD"), "USD", 500)
	g.call(t, g.test, "POST", other.path("/credit-notes"), `{"amount":200}`).want(201)
	mine := g.call(t, g.test, "GET", b.path(""), "").want(200).at("creditNotes").([]any)
	theirs := g.call(t, g.test, "GET", other.path(""), "").want(200).at("creditNotes").([]any)
	for path, want := range map[string][]any{b.path("/credit-notes?"): mine, other.path("/credit-notes?"): theirs, "/credit-notes?customerUuid=" + ada + "&": mine, "/credit-notes?": append(slices.Clone(mine), theirs...)} {
		require.Equal(t, want, g.call(t, g.test, "GET", path+"limit=100", "").want(200).at("data"), path)
		var parts []any
		for cursor := ""; ; {
			part := g.call(t, g.test, "GET", path+"limit=1"+cursor, "").want(200)
			parts = append(parts, part.at("data").([]any)...)
			if part.at("nextCursor") == nil {
				break
			}
			cursor = "&cursor=" + part.text("nextCursor")
		}
		require.Equal(t, want, parts, path)
	}
	g.call(t, g.live, "GET", b.path("/credit-notes"), "").code(404, "no_invoice")
	require.Empty(t, g.call(t, g.live, "GET", "/credit-notes", "").want(200).at("data"))

	statement := g.call(t, g.test, "GET", "/customers/"+ada+"/statement", "").want(200).golden("statement")
	require.Len(t, statement.at("data"), 6)
	first := g.call(t, g.test, "GET", "/customers/"+ada+"/statement?limit=4", "").want(200)
	rest := g.call(t, g.test, "GET", "/customers/"+ada+"/statement?limit=4&cursor="+first.text("nextCursor"), "").want(200)
	require.Equal(t, statement.at("data"), append(first.at("data").([]any), rest.at("data").([]any)...))
	require.Empty(t, rest.text("nextCursor"))
	bob := g.customer(t, g.test, "USD")
	g.call(t, g.test, "GET", "/customers/"+bob+"/statement?cursor="+first.text("nextCursor"), "").code(400, "bad_cursor")
	require.Empty(t, g.call(t, g.test, "GET", "/customers/"+bob+"/balance", "").want(200).at())
}

func TestCase128OverHTTP(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	ada := g.customer(t, g.test, "USD")
	credit := g.open(t, g.test, ada, "USD", -15000)
	require.Equal(t, []string{"paid", "-15000", "-15000", "0"}, g.call(t, g.test, "GET", credit.path(""), "").want(200).numbers("status", "total", "balanceApplied", "amountDue"))
	b := g.draft(t, ada, "USD", line("Base", 10000))
	require.Equal(t, []string{"paid", "10000", "0"}, g.call(t, g.test, "POST", b.path("/finalize"), "").want(200).numbers("status", "balanceApplied", "amountDue"))
	euros := g.open(t, g.test, ada, "EUR", 10000)
	require.Equal(t, []string{"open", "0", "10000"}, g.call(t, g.test, "GET", euros.path(""), "").want(200).numbers("status", "balanceApplied", "amountDue"))
	require.JSONEq(t, `[{"currency":"EUR","amount":0,"owed":10000},{"currency":"USD","amount":5000,"owed":0}]`, string(g.call(t, g.test, "GET", "/customers/"+ada+"/balance", "").want(200).body))
	g.call(t, g.test, "POST", credit.path("/void"), "").code(409, "credit_used")
}

func TestListsOfInvoices(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	ada, bob := g.customer(t, g.test, "USD"), g.customer(t, g.test, "EUR")
	var all []string
	for i := range 7 {
		who, currency := ada, "USD"
		if i%3 == 0 {
			who, currency = bob, "EUR"
		}
		of := line("Base", int64(100*i))
		if i == 2 {
			of.SubscriptionID = uuid.MustParse(bob) // any id
		}
		all = append(all, g.draft(t, who, currency, of).uuid)
	}
	ids := func(query string) (ids []string) {
		t.Helper()
		for _, i := range g.call(t, g.test, "GET", "/invoices"+query, "").want(200).at("data").([]any) {
			ids = append(ids, i.(map[string]any)["uuid"].(string))
		}
		return ids
	}
	require.Equal(t, all, ids(""))
	var parts []string
	for cursor := ""; ; {
		part := g.call(t, g.test, "GET", "/invoices?limit=3&currency=usd"+cursor, "").want(200)
		for i := range part.at("data").([]any) {
			parts = append(parts, part.text("data", i, "uuid"))
		}
		if part.text("nextCursor") == "" {
			break
		}
		g.call(t, g.test, "GET", "/invoices?limit=3&currency=eur&cursor="+part.text("nextCursor"), "").code(400, "bad_cursor")
		g.call(t, g.live, "GET", "/invoices?limit=3&currency=usd&cursor="+part.text("nextCursor"), "").code(400, "bad_cursor")
		cursor = "&cursor=" + part.text("nextCursor")
	}
	require.Equal(t, []string{all[1], all[2], all[4], all[5]}, parts)
	g.pass(1_000_000_000)
	g.call(t, g.test, "POST", "/invoices/"+all[4]+"/finalize", "").want(200)
	g.call(t, g.test, "POST", "/invoices/"+all[6]+"/void", "").want(200)
	for query, want := range map[string][]string{
		"?status=open": {all[4]}, "?status=void": {all[6]}, "?customerUuid=" + bob: {all[0], all[3], all[6]}, "?customerUuid=" + all[0]: nil,
		"?minTotal=400&maxTotal=500": {all[4], all[5]}, "?minTotal=0&maxTotal=0": {all[0]}, "?from=2026-06-01T12:00:01Z": {all[4]}, "?to=2026-06-01T12:00:00Z": nil, "?subscriptionUuid=" + bob: {all[2]}, "?subscriptionUuid=" + ada: nil,
		"?status=draft&currency=EUR&to=2026-06-01T12:00:00.000001Z": {all[0], all[3]},
	} {
		require.Equal(t, want, ids(query), query)
		for _, path := range []string{"/invoices.csv", "/invoices/lines.csv"} {
			var rows []string
			for _, row := range g.sheet(t, g.test, path+query)[1:] {
				rows = append(rows, row[0])
			}
			require.Equal(t, want, rows, path+query)
		}
	}
	for query, code := range map[string]string{"?status=OPEN": "bad_enum", "?from=yesterday": "bad_time", "?minTotal=1.5": "not_an_integer", "?customerUuid=x": "bad_uuid", "?number=1": "unknown_parameter", "?limit=101": "out_of_range"} {
		require.Equal(t, code, g.call(t, g.test, "GET", "/invoices"+query, "").want(400).text("errors", 0, "code"), query)
	}
	g.call(t, g.test, "GET", "/invoices.csv?limit=1", "").code(400, "unknown_parameter")
}

// sheet is a CSV file's rows.
func (g *rig) sheet(t *testing.T, key, path string) [][]string {
	t.Helper()
	r := g.call(t, key, "GET", path, "").want(200)
	require.True(t, strings.HasPrefix(r.header.Get("Content-Type"), "text/csv"), r.header.Get("Content-Type"))
	require.NotEmpty(t, r.header.Get("Ledger-Position"))
	rows, err := csv.NewReader(strings.NewReader(string(r.body))).ReadAll()
	require.NoError(t, err)
	return rows
}

// What people typed is no formula for a spreadsheet; numbers below nothing stay numbers; quotes, line ends and commas are
// quoted. A file has more rows than a part of a list.
func TestInvoicesAsCSV(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	ada := g.customer(t, g.test, "USD")
	odd := []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "a, \"b\"\nc", "'quoted", "", "plain = -1"}
	var lines []invoice.Line
	for _, description := range odd {
		lines = append(lines, line(description, -500))
	}
	b := g.draft(t, ada, "USD", lines...)
	rows := g.sheet(t, g.test, "/invoices/lines.csv")
	at := map[string]int{}
	for i, name := range rows[0] {
		at[name] = i
	}
	require.Len(t, rows, 1+len(odd))
	for i, row := range rows[1:] {
		want := odd[i]
		if i < 6 {
			want = "'" + want
		}
		require.Equal(t, strings.ReplaceAll(want, "\r\n", "\n"), row[at["description"]])
		require.Equal(t, []string{"-500", "-500", "-500", "1", "-500"}, []string{row[at["amount"]], row[at["netAmount"]], row[at["grossAmount"]], row[at["quantity"]], row[at["unitAmount"]]})
		require.Equal(t, b.lines[i], row[at["uuid"]])
	}
	invoices := g.sheet(t, g.test, "/invoices.csv")
	require.Equal(t, strings.Split("uuid,number,status,customerUuid,subscriptionUuid,currency,reason,createdAt,issuedAt,dueAt,subtotal,discountTotal,taxTotal,total,balanceApplied,amountPaid,credited,amountDue,taxExemptReason,debitNoteOf", ","), invoices[0])
	require.Equal(t, []string{b.uuid, "", "draft", ada, "", "USD", "manual", "2026-06-01T12:00:00Z", "", "", "-5000", "0", "0", "-5000", "0", "0", "0", "0", "", ""}, invoices[1])

	for _, path := range []string{"/invoices.csv", "/invoices/lines.csv"} {
		head := g.send(t, g.test, "HEAD", path, "").want(200)
		require.Empty(t, head.body)
		require.True(t, strings.HasPrefix(head.header.Get("Content-Type"), "text/csv"))
		g.call(t, g.test, "GET", path, "", "Ledger-Min-Position", "x").code(400, "bad_min_position")
	}

	var many []invoice.Line
	for i := range 1100 {
		many = append(many, line(fmt.Sprint(i), 1))
	}
	g.draft(t, ada, "USD", many...)
	rows = g.sheet(t, g.test, "/invoices/lines.csv?maxTotal=1100&minTotal=1100")
	require.Len(t, rows, 1101)
	for i, row := range rows[1:] {
		require.Equal(t, fmt.Sprint(i), row[at["description"]])
	}
}

// A dry run of a command on an invoice shows it as it would be, and as the command answers it then.
func TestPreviewsOfInvoices(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	ada := g.customer(t, g.test, "USD")
	b, void := g.draft(t, ada, "USD", line("Base", 10000)), g.draft(t, ada, "USD", line("Base", 1))
	for _, step := range []struct{ path, body, status, due string }{
		{b.path("/finalize"), "", "open", "10000"}, {b.path("/payments"), `{"amount":4000}`, "open", "6000"},
		{b.path("/credit-notes"), `{"amount":6000}`, "paid", "0"}, {void.path("/void"), "", "void", "0"},
	} {
		before := g.events(t, g.test)
		dry := g.call(t, g.test, "POST", step.path+"?dryRun=true", step.body)
		require.Equal(t, []string{step.status, step.due}, []string{dry.text("preview", "invoices", 0, "status"), dry.text("preview", "invoices", 0, "amountDue")}, step.path)
		require.Equal(t, []any{}, dry.at("preview", "pendingLines"))
		require.Equal(t, before, g.events(t, g.test))
		require.NotContains(t, string(g.call(t, g.test, "POST", step.path, step.body).body), `"preview"`)
	}
	read := g.call(t, g.test, "GET", b.path(""), "").want(200)
	require.Equal(t, []string{"paid", "INV-000001"}, read.numbers("status", "number"))
}

func TestDebitNotesOverHTTP(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	ada := g.customer(t, g.test, "USD")
	b := g.open(t, g.test, ada, "USD", 10000)
	body := `{"lines":[{"lineUuid":"` + b.lines[0] + `","amount":1200,"description":"Hours on site"}],"reason":"asked for"}`
	before := g.events(t, g.test)
	dry := g.call(t, g.test, "POST", b.path("/debit-notes?dryRun=true"), body).want(201)
	require.Equal(t, "1200", dry.text("preview", "invoices", 0, "amountDue"))
	require.Len(t, dry.at("preview", "invoices"), 1)
	require.Equal(t, before, g.events(t, g.test))
	made := g.call(t, g.test, "POST", b.path("/debit-notes"), body).want(201)
	require.Equal(t, []string{"INV-000002", "manual", b.uuid, "1200", "open"}, made.numbers("number", "reason", "debitNoteOf", "amountDue", "status"))
	require.Equal(t, "Hours on site", made.text("lines", 0, "description"))
	read := g.call(t, g.test, "GET", "/invoices/"+made.text("uuid"), "").want(200)
	require.JSONEq(t, string(made.body), string(read.body))
	require.Nil(t, g.call(t, g.test, "GET", b.path(""), "").want(200).at("debitNoteOf"))
	require.Equal(t, "true", g.call(t, g.test, "GET", "/invoices/"+made.text("uuid")+"/explain", "").want(200).text("agrees"))
	rows := g.sheet(t, g.test, "/invoices.csv")
	require.Equal(t, []string{"debitNoteOf", "", b.uuid}, []string{rows[0][19], rows[1][19], rows[2][19]})
	statement := g.call(t, g.test, "GET", "/customers/"+ada+"/statement", "").want(200)
	require.Equal(t, []string{"INV-000002", "11200"}, []string{statement.text("data", 1, "number"), statement.text("data", 1, "owed")})
	g.call(t, g.test, "POST", b.path("/debit-notes"), `{"amount":0}`).code(422, "bad_amount")
	g.call(t, g.test, "POST", b.path("/debit-notes"), `{}`).want(422)
	g.call(t, g.test, "POST", g.draft(t, ada, "USD", line("Base", 1)).path("/debit-notes"), `{"amount":1}`).code(409, "not_finalized")
}
