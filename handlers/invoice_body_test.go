package handlers

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/period"
)

// A preview has neither number nor dates nor position; each list is there, be it empty.
func TestInvoicesOnTheWire(t *testing.T) {
	id := func(n byte) uuid.UUID { return uuid.UUID{6: 0x70, 8: 0x80, 15: n} }
	at := time.Date(2025, 4, 1, 0, 0, 0, 0, time.UTC)
	unit, customer, reversed := decimal.RequireFromString("0.0123"), id(1), id(2)
	april := period.Period{Start: at, End: at.AddDate(0, 1, 0)}
	v := invoice.View{ID: id(3), Status: invoice.Draft, Drafted: invoice.Drafted{CustomerID: &customer, Currency: "EUR", Reason: invoice.ForPeriod, Period: &april,
		TaxExempt: "export", Lines: []invoice.Line{
			{ID: id(4), Kind: invoice.KindUsage, Description: "Calls", SubscriptionID: id(5), PlanID: id(6), PlanVersion: 2, PriceKey: "calls", Quantity: "23/3", UnitAmount: &unit,
				Amount: 1000, Period: april, ProrationMode: "second", Events: []int64{7}, Discounts: []invoice.Discount{{CouponID: id(7), Code: "TEN", Amount: 100}},
				Taxes: []invoice.Tax{{TaxRateID: id(8), Percentage: decimal.NewFromInt(19), Inclusive: true, Taxable: 756, Amount: 144}}},
			{ID: id(9), Kind: invoice.KindCredit, Quantity: "1", Amount: -500, Period: april, Reverses: &reversed},
		}, Totals: invoice.Totals{Subtotal: 500, DiscountTotal: 100, TaxTotal: 144, Total: 400}}, Version: 1, CreatedAt: at, UpdatedAt: at}
	data, err := json.Marshal(invoiceOut(v), jsontext.WithIndent("  "))
	require.NoError(t, err)
	const golden = "testdata/invoice_preview.json"
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(bytes.TrimSpace(want)), string(data))
}
