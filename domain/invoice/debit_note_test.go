package invoice_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/invoice"
)

func debit(id uuid.UUID, amount int64) invoice.IssueDebitNote {
	return invoice.IssueDebitNote{ID: id, Amount: amount, DaysUntilDue: 14}
}

func TestADebitNoteIsAnInvoiceThatAddsToOne(t *testing.T) {
	b := newBook(t)
	first := b.open("USD", true, 10000, 5000)
	b.refuses(debit(b.draft("USD", false, 1), 1), "not_finalized")
	void := b.open("USD", false, 100)
	b.do(invoice.Cancel{ID: void.ID})
	b.refuses(debit(void.ID, 1), "not_finalized")
	b.refuses(debit(uuid.New(), 1), "no_invoice")
	b.refuses(debit(first.ID, 0), "bad_amount")
	line := first.Drafted.Lines[1]
	parts := func(all ...invoice.DebitedLine) domain.Command {
		return invoice.IssueDebitNote{ID: first.ID, Lines: all, Reason: "hours on site"}
	}
	of := func(id uuid.UUID, amount int64) invoice.DebitedLine {
		return invoice.DebitedLine{LineAmount: invoice.LineAmount{LineID: id, Amount: amount}}
	}
	b.refuses(parts(of(uuid.New(), 1)), "no_line")
	b.refuses(parts(of(line.ID, 0)), "bad_amount")
	b.refuses(parts(of(line.ID, 1), of(line.ID, 1)), "repeated_line")

	v := b.do(parts(of(line.ID, 1200)))
	require.Equal(t, []any{"INV-000003", invoice.ForManual, first.ID, "INV-000001", int64(1200), int64(200)},
		[]any{v.Number, v.Drafted.Reason, *v.Drafted.DebitNoteOf, v.Drafted.DebitNoteTo, v.AmountDue, v.Drafted.TaxTotal})
	got := v.Drafted.Lines[0]
	require.Equal(t, []any{invoice.KindAdjustment, line.Description + ": hours on site", line.Period, line.PlanID, line.PriceKey, int64(1000), line.ID},
		[]any{got.Kind, got.Description, got.Period, got.PlanID, got.PriceKey, got.Amount, *got.Adds})
	spread := b.do(debit(first.ID, 300)).Drafted.Lines
	require.Equal(t, []int64{200, 100}, []int64{spread[0].Asked, spread[1].Asked}, "by what each asks for")

	// It is one like any other.
	require.Equal(t, invoice.Paid, b.do(invoice.IssueCreditNote{ID: v.ID, Amount: 1200}).Status)
	again := b.do(debit(v.ID, 60))
	require.Equal(t, invoice.Void, b.do(invoice.Cancel{ID: again.ID}).Status)
	b.CheckFolds()
}

// What is asked for is what is paid, to the cent, whatever the rates.
func TestADebitNoteAsksForWhatItSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBook(rt)
		var rates []invoice.Rate
		for range rapid.IntRange(0, 3).Draw(rt, "rates") {
			r := rate(rapid.SampledFrom([]string{"20", "7.7", "19", "0", "33.333", "100"}).Draw(rt, "percentage"))
			r.ID, r.Inclusive = uuid.New(), rapid.Bool().Draw(rt, "included")
			rates = append(rates, r)
		}
		of := lines(rapid.Int64Range(1, 1e6).Draw(rt, "one"), rapid.Int64Range(1, 1e6).Draw(rt, "other"))
		totals, err := invoice.Settle(of, nil, rates)
		require.NoError(rt, err)
		id := uuid.New()
		b.Given(id, invoice.Drafted{CustomerID: &b.customer, Currency: "USD", Reason: invoice.ForManual, Lines: of, Totals: totals})
		b.do(invoice.Finalize{ID: id})
		asked := rapid.Int64Range(1, 1e9).Draw(rt, "asked")
		v := b.do(debit(id, asked))
		require.Equal(rt, asked, v.Drafted.Total)
		for _, l := range v.Drafted.Lines {
			require.Equal(rt, l.Asked, l.Sums().Gross)
			require.GreaterOrEqual(rt, l.Sums().Net, int64(0))
			require.Len(rt, l.Taxes, len(rates))
		}
	})
}
