package projections

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/internal/ledgertest"
	"github.com/subledger/subledger/internal/pgtest"
)

// The queries of docs/invoices.md run as they stand there, as the role that reads, and answer what stands below them.
func TestTheInvoicesPage(t *testing.T) {
	t.Parallel()
	db, ledger := pgtest.New(t), id(900)
	h, book := newHistory(), ledgertest.New(t, day(-60))
	do := func(c domain.Command) {
		t.Helper()
		_, events, err := book.Execute(c)
		require.NoError(t, err)
		for _, e := range events {
			h.add(ledger, e.Stream, book.Now(), e.Event)
		}
	}
	payer := func(n int, name string) uuid.UUID {
		h.add(ledger, id(n), book.Now(), customer.Created{Fields: customer.Fields{Currency: "EUR", TimeZone: "UTC", TaxRates: []uuid.UUID{}},
			Contact: customer.Contact{Name: domain.About(customer.Subject(id(n)), name)}})
		return id(n)
	}
	ada, bob := payer(1, "Ada GmbH"), payer(2, "Bob Ltd")
	h.add(ledger, id(77), book.Now(), catalog.TaxRateCreated{TaxRateFields: catalog.TaxRateFields{Name: "VAT", Percentage: decimal.NewFromInt(19)}})
	vat := []invoice.Rate{{ID: id(77), Percentage: decimal.NewFromInt(19)}}
	lines, late := 100, time.Duration(0)
	bill := func(n int, who uuid.UUID, rates []invoice.Rate, on int, amounts ...int64) uuid.UUID {
		book.SetNow(day(on).Add(late))
		c := draft{id: id(n), of: invoice.Drafted{CustomerID: &who, Currency: "EUR", Reason: invoice.ForPeriod}, rates: rates}
		for i, amount := range amounts {
			lines++
			unit, of := decimal.NewFromInt(1000), []string{"Team, 10 seats", "API calls"}[i]
			quantity := fmt.Sprint(amount / 1000)
			if i == 1 {
				unit, quantity = decimal.RequireFromString("0.2"), fmt.Sprint(amount*5)
			}
			c.of.Lines = append(c.of.Lines, invoice.Line{ID: id(lines), Kind: invoice.KindPeriod, Description: of, Quantity: quantity, UnitAmount: &unit, Amount: amount,
				Period: period.Period{Start: day(on), End: day(on).AddDate(0, 1, 0)}})
		}
		do(c)
		do(invoice.Finalize{ID: c.id, DaysUntilDue: 14})
		return c.id
	}
	first := bill(11, ada, vat, -60, 10000)
	book.SetNow(day(-51))
	do(invoice.RecordPayment{ID: first, Amount: 11900, Method: "wire"})
	second := bill(12, ada, vat, -30, 10000, 469)
	book.SetNow(day(-11))
	do(invoice.RecordPayment{ID: second, Amount: 5000})
	late = -90 * time.Minute // on 31 May at 22:30 UTC, which is June in the organisation's time zone (newuser 11)
	bill(13, bob, nil, 1, 25000)
	late = 0
	book.SetNow(day(2))
	do(invoice.IssueCreditNote{ID: second, Lines: []invoice.LineAmount{{LineID: id(102), Amount: 1190}}, Reason: "an outage"})
	do(invoice.IssueCreditNote{ID: first, Amount: 2380})
	wrong := bill(14, ada, vat, 10, 1000)
	do(invoice.Cancel{ID: wrong})
	bill(15, ada, vat, 31, 10000)
	apply(t, productPool(t, db.AppURL), Models(), h.events[ledger])

	conn, err := productPool(t, db.ReaderURL).Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), "set subledger.ledger_id = '"+ledger.String()+"'")
	require.NoError(t, err)
	page, err := os.ReadFile("../docs/invoices.md")
	require.NoError(t, err)
	blocks := strings.Split(string(page), "```sql\n")[1:]
	require.Len(t, blocks, 5)
	for _, block := range blocks {
		query, rest, ok := strings.Cut(block, "```\n```text\n")
		require.True(t, ok, "what does this answer?\n%s", block)
		want, _, _ := strings.Cut(rest, "```\n")
		rows, err := conn.Query(t.Context(), query, pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err, query)
		require.Equal(t, want, aligned(t, rows), query)
	}
}

// aligned shows a result as a table.
func aligned(t *testing.T, rows pgx.Rows) string {
	t.Helper()
	var table [][]string
	var head []string
	for _, f := range rows.FieldDescriptions() {
		head = append(head, f.Name)
	}
	for table = append(table, head); rows.Next(); {
		var row []string
		for _, v := range rows.RawValues() {
			row = append(row, string(v))
		}
		table = append(table, row)
	}
	require.NoError(t, rows.Err())
	var out strings.Builder
	for _, row := range table {
		line := ""
		for i, cell := range row {
			wide := 0
			for _, other := range table {
				wide = max(wide, len(other[i]))
			}
			line += fmt.Sprintf("%-*s   ", wide, cell)
		}
		out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return out.String()
}
