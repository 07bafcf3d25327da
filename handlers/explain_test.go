package handlers_test

import (
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/handlers"
)

// What an invoice was made from is told with it; one that nothing led to says so.
func TestInvoicesAreExplained(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.shop(t, g.test)
	rate := g.call(t, g.test, "POST", "/tax-rates", `{"name":"VAT","percentage":"19"}`).want(201).text("uuid")
	customer := g.call(t, g.test, "POST", "/customers", `{"name":"Ada","currency":"EUR","taxRates":["`+rate+`"]}`).want(201).text("uuid")
	g.call(t, g.test, "POST", "/coupons", `{"code":"TEN","percentOff":"10","duration":"forever"}`).want(201)
	id := g.call(t, g.test, "POST", "/subscriptions", `{"customerUuid":"`+customer+`","planUuid":"`+s.seats+`","quantity":2,"coupon":"TEN"}`).want(201).text("uuid")
	g.call(t, g.test, "POST", "/subscriptions/"+id+"/quantity", `{"increment":3,"proration":"always_invoice"}`).want(200)

	explained := func(of string) (e handlers.ExplanationBody) {
		t.Helper()
		res := g.call(t, g.test, "GET", "/invoices/"+of+"/explain", "").want(200)
		require.NoError(t, json.Unmarshal(res.body, &e))
		g.call(t, g.test, "GET", "/invoices/"+of+"/explain", "", "If-None-Match", res.header.Get("ETag")).want(304)
		return e
	}
	list := g.call(t, g.test, "GET", "/invoices?subscriptionUuid="+id, "").want(200)
	var page struct {
		Data []struct {
			UUID  string `json:"uuid"`
			Lines []struct {
				Kind   string `json:"kind"`
				Amount int64  `json:"amount"`
			} `json:"lines"`
		} `json:"data"`
	}
	require.NoError(t, json.Unmarshal(list.body, &page))
	require.Len(t, page.Data, 2)
	for _, of := range page.Data {
		e := explained(of.UUID)
		require.True(t, e.Agrees)
		require.Equal(t, of.UUID, e.InvoiceUUID.String())
		require.Len(t, e.Lines, 1)
		amount := e.Lines[0].Amount
		require.Equal(t, of.Lines[0].Amount, amount.Result)
		require.Contains(t, amount.Formula, "unitAmount × quantity")
		require.NotEmpty(t, amount.Events)
		require.NotNil(t, e.Lines[0].PricedAt)
		require.Len(t, e.Lines[0].Discounts, 1)
		require.Len(t, e.Lines[0].Taxes, 1)
		require.Len(t, e.Totals, 5)
	}

	drafted := g.draft(t, customer, "EUR", line("Base", 1000))
	e := explained(drafted.uuid)
	require.False(t, e.Agrees)
	require.Contains(t, e.Lines[0].Amount.Notes[0], "it names no event")
	g.call(t, g.test, "GET", "/invoices/"+id+"/explain", "").code(404, "no_invoice")
	g.call(t, g.live, "GET", "/invoices/"+drafted.uuid+"/explain", "").code(404, "no_invoice")
}
