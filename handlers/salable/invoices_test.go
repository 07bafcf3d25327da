package salable_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// stripeInvoice is what clients read of an invoice.
type stripeInvoice struct {
	ID, Status, Currency string
	Number               *string
	Created, Total       int64
	Subtotal             int64
	Tax                  *int64
	Paid                 bool
	EffectiveAt          *int64 `json:"effective_at"`
	FinalizesAt          *int64 `json:"automatically_finalizes_at"`
	AmountDue            int64  `json:"amount_due"`
	AmountPaid           int64  `json:"amount_paid"`
	AmountRemaining      int64  `json:"amount_remaining"`
	Page                 string `json:"hosted_invoice_url"`
	PDF                  string `json:"invoice_pdf"`
	Reason               string `json:"billing_reason"`
	PeriodStart          int64  `json:"period_start"`
	PeriodEnd            int64  `json:"period_end"`
	Lines                struct {
		Data []struct {
			Amount, Quantity int64
			Proration        bool
			Price            struct {
				UnitAmount        *int64  `json:"unit_amount"`
				UnitAmountDecimal *string `json:"unit_amount_decimal"`
			}
		}
	}
}

type stripeList struct {
	First, Last *string
	HasMore     bool
	Data        []stripeInvoice
}

func (g *rig) invoices(t testing.TB, key, sub, query string, header ...string) (list stripeList) {
	t.Helper()
	require.NoError(t, json.Unmarshal(g.call(t, key, "GET", "/subscriptions/"+sub+"/invoices"+query, "", header...).want(200).body, &list))
	return list
}

// ids lists a part's invoices.
func (l stripeList) ids() (all []string) {
	for _, i := range l.Data {
		all = append(all, i.ID)
	}
	return all
}

// Item 11 of the billing issue: the fields that the demos read are filled, in every version, and the links open.
func TestInvoicesAsStripeShowsThem(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	sub := g.subscribe(t, g.test, g.perSeat, `,"quantity":3,"email":"mia@example.com"`)
	first := g.call(t, g.test, "GET", "/subscriptions/"+sub+"/invoices", "").want(200).golden("invoices")
	for _, version := range []string{"v1", "v2", "v3"} {
		list := g.invoices(t, g.test, sub, "", "version", version)
		require.Len(t, list.Data, 1)
		i := list.Data[0]
		require.Equal(t, []string{i.ID, i.ID}, []string{*list.First, *list.Last})
		require.False(t, list.HasMore)
		require.Equal(t, g.now().Truncate(time.Minute).Unix(), i.Created/60*60)
		require.Equal(t, i.Created, *i.EffectiveAt)
		require.Nil(t, i.FinalizesAt, "it is issued")
		l := i.Lines.Data[0]
		require.Equal(t, []int64{3000, 3, 1000}, []int64{l.Amount, l.Quantity, *l.Price.UnitAmount})
		require.Equal(t, []any{"usd", "open", int64(3000), int64(0), int64(3000), "subscription_create"}, []any{i.Currency, i.Status, i.AmountDue, i.AmountPaid, i.AmountRemaining, i.Reason})

		page := g.visit(t, "GET", i.Page, nil)
		require.Equal(t, 200, page.Code)
		for _, text := range []string{"Invoice INV-000001", "to be paid", "Per seat", "<dd>30.00 USD</dd>", "Test mode"} {
			require.Contains(t, page.Body.String(), text)
		}
		require.Equal(t, 405, g.visit(t, "POST", i.Page, url.Values{}).Code, "it only shows")
		u, err := url.Parse(i.PDF)
		require.NoError(t, err)
		w := httptest.NewRecorder()
		g.server.ServeHTTP(w, httptest.NewRequest("GET", u.EscapedPath(), nil))
		require.Equal(t, []any{200, "application/pdf", "%PDF-"}, []any{w.Code, w.Header().Get("Content-Type"), w.Body.String()[:5]})
		require.Equal(t, string(g.call(t, g.test, "GET", "/ledger/v1/invoices/"+i.ID+"/pdf", "").want(200).body), w.Body.String(), "the buyer's is the original")
	}
	i := g.invoices(t, g.test, sub, "").Data[0]
	g.call(t, g.test, "POST", "/ledger/v1/invoices/"+i.ID+"/payments", `{"amount":1000}`).want(200)
	part := g.invoices(t, g.test, sub, "").Data[0]
	require.Equal(t, []any{"open", int64(3000), int64(1000), int64(2000), false}, []any{part.Status, part.AmountDue, part.AmountPaid, part.AmountRemaining, part.Paid})
	require.Contains(t, g.visit(t, "GET", part.Page, nil).Body.String(), "<dt>Still to pay</dt><dd>20.00 USD</dd>")
	g.call(t, g.test, "POST", "/ledger/v1/invoices/"+i.ID+"/credit-notes", `{"amount":500}`).want(201)
	g.call(t, g.test, "POST", "/ledger/v1/invoices/"+i.ID+"/payments", `{"amount":1500}`).want(200)
	paid := g.invoices(t, g.test, sub, "").Data[0]
	require.Equal(t, []any{"paid", int64(2500), int64(2500), int64(0), true}, []any{paid.Status, paid.AmountDue, paid.AmountPaid, paid.AmountRemaining, paid.Paid})

	g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/cancel?when=now", "").want(204)
	page := g.visit(t, "GET", g.invoices(t, g.test, sub, "").Data[0].Page, nil).Body.String()
	require.Contains(t, page, "<h1>Credit invoice INV-000002</h1>\n<dl>\n<dt>Status</dt><dd>credited</dd>", "it gives back")
	require.NotContains(t, page, "<dt>Due</dt>")

	g.pass(25 * time.Hour)
	require.Contains(t, g.visit(t, "GET", i.Page, nil).Body.String(), "expired")
	require.NotEqual(t, first.text("data", 0, "invoice_pdf"), paid.PDF)
	require.Equal(t, 404, g.visit(t, "GET", "/checkout/invoice/"+strings.Repeat("A", 80), nil).Code)
}

// Parts of the list go from the newest to the oldest; a cursor is an invoice of this subscription.
func TestInvoicesComeInParts(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	sub, other := g.subscribe(t, g.test, g.flat, ""), g.subscribe(t, g.test, g.flat, "")
	require.Equal(t, stripeList{Data: []stripeInvoice{}}, g.invoices(t, g.test, g.subscribe(t, g.test, g.evaluation, ""), ""), "nothing is billed there")
	for n := range 4 {
		g.pass(time.Hour)
		to := map[bool]string{true: g.upgrade, false: g.flat}[n%2 == 0]
		g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/change-plan", fmt.Sprintf(`{"planUuid":%q,"proration":"always_invoice"}`, to)).want(204)
	}
	all := g.invoices(t, g.test, sub, "")
	require.Len(t, all.Data, 5)
	for n, i := range all.Data[1:] {
		require.Less(t, i.Created, all.Data[n].Created, "the newest first")
	}
	require.Equal(t, "subscription_create", all.Data[4].Reason)
	require.Equal(t, "subscription_update", all.Data[0].Reason)
	for _, version := range []string{"v2", "v3"} {
		var got []string
		for cursor, pages := "", 0; ; pages++ {
			part := g.invoices(t, g.test, sub, "?take=2"+cursor, "version", version)
			got = append(got, part.ids()...)
			require.Equal(t, []string{part.Data[0].ID, part.Data[len(part.Data)-1].ID}, []string{*part.First, *part.Last})
			if require.Equal(t, len(got) < 5, part.HasMore); !part.HasMore {
				require.Equal(t, 2, pages)
				break
			}
			cursor = "&cursor=" + *part.Last
		}
		require.Equal(t, all.ids(), got)
		require.Equal(t, stripeList{Data: []stripeInvoice{}}, g.invoices(t, g.test, sub, "?cursor="+*all.Last, "version", version))
		strange := []string{g.invoices(t, g.test, other, "").Data[0].ID, uuid.NewString(), "x"}
		for _, cursor := range strange {
			require.Equal(t, []string{"cursor"}, g.call(t, g.test, "GET", "/subscriptions/"+sub+"/invoices?cursor="+cursor, "", "version", version).properties())
		}
		for _, take := range []string{"0", "101", "x"} {
			require.Equal(t, []string{"take"}, g.call(t, g.test, "GET", "/subscriptions/"+sub+"/invoices?take="+take, "", "version", version).properties())
		}
	}
	require.Equal(t, all, withoutLinks(all, g.invoices(t, g.test, sub, "?take=2&cursor=x")), "v1 knows neither")
	require.Equal(t, g.asks(t, "/subscriptions/"+other+"/invoices"), g.asks(t, "/subscriptions/"+sub+"/invoices"), "as many questions for five as for one")
}

// withoutLinks puts links in that another answer has, which each answer makes anew.
func withoutLinks(want, got stripeList) stripeList {
	for n := range min(len(want.Data), len(got.Data)) {
		got.Data[n].Page, got.Data[n].PDF = want.Data[n].Page, want.Data[n].PDF
	}
	return got
}

// A draft says when it will be issued, and nothing that only an issued one has; one that was discarded is none.
func TestDraftsAmongInvoices(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.call(t, g.test, "PUT", "/ledger/v1/settings", `{"draftHours":3}`).want(200)
	sub := g.subscribe(t, g.test, g.flat, "")
	g.pass(31 * 24 * time.Hour)
	g.call(t, g.test, "POST", "/ledger/v1/subscriptions/"+sub+"/quantity", `{"quantity":2}`).want(200) // it renews first
	list := g.invoices(t, g.test, sub, "")
	require.Len(t, list.Data, 2)
	draft := list.Data[0]
	require.Equal(t, []any{"draft", "subscription_cycle", int64(1500), int64(1500)}, []any{draft.Status, draft.Reason, draft.AmountDue, draft.AmountRemaining})
	require.Nil(t, draft.Number)
	require.Nil(t, draft.EffectiveAt)
	require.Equal(t, draft.PeriodStart+3*3600, *draft.FinalizesAt)
	require.Contains(t, g.visit(t, "GET", draft.Page, nil).Body.String(), "not issued yet")
	g.call(t, g.test, "POST", "/ledger/v1/invoices/"+draft.ID+"/finalize", "").want(200)
	issued := g.invoices(t, g.test, sub, "").Data[0]
	require.Equal(t, []any{draft.ID, "open"}, []any{issued.ID, issued.Status})
	require.Nil(t, issued.FinalizesAt)
	require.NotNil(t, issued.EffectiveAt)

	g.pass(31 * 24 * time.Hour)
	g.call(t, g.test, "POST", "/ledger/v1/subscriptions/"+sub+"/quantity", `{"quantity":3}`).want(200)
	require.Len(t, g.invoices(t, g.test, sub, "").Data, 3)
	g.call(t, g.test, "POST", "/ledger/v1/invoices/"+g.invoices(t, g.test, sub, "").Data[0].ID+"/void", "").want(200)
	require.Len(t, g.invoices(t, g.test, sub, "").Data, 2, "it was discarded")
	g.call(t, g.test, "POST", "/ledger/v1/invoices/"+issued.ID+"/void", "").want(200)
	require.Equal(t, []any{"void", false}, []any{g.invoices(t, g.test, sub, "").Data[0].Status, g.invoices(t, g.test, sub, "").Data[0].Paid})
}

// Units of a fraction of a cent, tiers and parts of units are shown as whole numbers, beside what they are exactly.
func TestInvoiceLinesHaveWholeNumbers(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	plan := g.call(t, g.test, "POST", "/ledger/v1/plans", fmt.Sprintf(`{"productUuid":%q,"name":"tiers","displayName":"Tiers","licenseType":"perSeat","pricingType":"paid",
		"interval":"month","length":1,"perSeatAmount":1,"maxSeatAmount":-1,"prices":[{"key":"seats","kind":"graduated","currency":"USD","billing":"inAdvance","tiers":[{"upTo":2,"unitAmount":"100"},{"upTo":null,"unitAmount":"33"}]},
		{"key":"files","kind":"perUnit","currency":"USD","unitAmount":"0.2","billing":"inAdvance"}]}`, g.product)).want(201).text("uuid")
	sub := g.subscribe(t, g.test, plan, `,"quantity":5`)
	lines := g.invoices(t, g.test, sub, "").Data[0].Lines.Data
	require.Len(t, lines, 2)
	require.Equal(t, []int64{299, 5, 60}, []int64{lines[0].Amount, lines[0].Quantity, *lines[0].Price.UnitAmount}, "on average")
	require.Nil(t, lines[0].Price.UnitAmountDecimal)
	require.Equal(t, []int64{1, 5, 0}, []int64{lines[1].Amount, lines[1].Quantity, *lines[1].Price.UnitAmount})
	require.Equal(t, "0.2", *lines[1].Price.UnitAmountDecimal)
}
