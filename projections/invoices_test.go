package projections

import (
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/internal/pgtest"
)

// Whatever happens to invoices, their rows say what their own folds say, a statement adds up to what they have due, and
// the balance is the log's.
func TestInvoiceRowsAreWhatInvoicesSay(t *testing.T) {
	t.Parallel()
	db, ledger := pgtest.New(t), id(900)
	pool, reads := productPool(t, db.AppURL), NewReads(productPool(t, db.ReaderURL), nil, nil)
	d := rapid.Custom(func(t *rapid.T) *drawn { return drawBills(t, ledger, 400) }).Example(2)
	for page := range slices.Chunk(d.h.events[ledger], 7) {
		apply(t, pool, []*Model{Invoices()}, page)
	}
	require.Greater(t, len(d.bills), 15)
	statuses, payers, due := map[string]int{}, map[uuid.UUID]bool{}, map[balanceKey]int64{}
	positions, documents := map[uuid.UUID]int64{}, 0
	for _, e := range d.h.events[ledger] {
		positions[e.Stream] = e.Position
	}
	for _, of := range d.bills {
		s := d.book.State(of).(*invoice.State)
		statuses[s.Status]++
		if s.Document != nil {
			documents++
		}
		row, err := reads.Invoice(t.Context(), ledger, of)
		require.NoError(t, err)
		require.Empty(t, gocmp.Diff(s.View(), row.View(), cmpopts.EquateEmpty()), "%s", of)
		require.Equal(t, positions[of], row.Position)
		payers[row.owner()] = true
		due[balanceKey{ledger, row.owner(), row.Currency}] += row.AmountDue
		gross := int64(0)
		lines, err := reads.InvoiceLines(t.Context(), ledger, InvoiceFilter{ID: of}, Place{}, 0)
		require.NoError(t, err)
		require.Len(t, lines, len(s.Lines))
		for _, l := range lines {
			gross += l.GrossAmount
		}
		require.Equal(t, s.Total, gross)
	}
	require.Len(t, statuses, 5, "%v", statuses)
	require.Positive(t, documents)

	for payer := range payers {
		last := map[string]Movement{}
		for after := int64(0); ; {
			part, err := reads.Statement(t.Context(), ledger, payer, after, 3)
			require.NoError(t, err)
			for _, m := range part {
				require.Greater(t, m.Position, after)
				require.Equal(t, last[m.Currency].Owed+m.Change, m.Owed)
				require.GreaterOrEqual(t, m.Owed, int64(0))
				last[m.Currency], after = m, m.Position
			}
			if len(part) < 3 {
				break
			}
		}
		balances, err := reads.Balances(t.Context(), ledger, payer)
		require.NoError(t, err)
		require.Len(t, balances, len(last))
		for _, b := range balances {
			amount := int64(0)
			if s, ok := d.book.State(invoice.BalanceID(payer, b.Currency)).(*invoice.Balance); ok {
				amount = s.Amount
			}
			require.Equal(t, []int64{amount, due[b.balanceKey], last[b.Currency].Owed, last[b.Currency].Balance}, []int64{b.Amount, b.Owed, b.Owed, b.Amount})
		}
	}

	// Lists are in the order of making, whatever the ids, and come in parts.
	var listed []uuid.UUID
	for place := (Place{}); ; {
		part, err := reads.Invoices(t.Context(), ledger, InvoiceFilter{}, place, 4)
		require.NoError(t, err)
		if len(part) == 0 {
			break
		}
		for _, i := range part {
			listed, place = append(listed, i.ID), Place{Drafted: i.DraftedPosition}
		}
	}
	require.Equal(t, d.bills, listed)
	// Against it they come in parts too, without those that were discarded if they are not asked for.
	var newest []uuid.UUID
	for place := (Place{}); ; {
		part, err := reads.Invoices(t.Context(), ledger, InvoiceFilter{Newest: true, Kept: true}, place, 4)
		require.NoError(t, err)
		if len(part) == 0 {
			break
		}
		for _, i := range part {
			newest, place = append(newest, i.ID), Place{Drafted: i.DraftedPosition}
		}
	}
	slices.Reverse(listed)
	require.Equal(t, slices.DeleteFunc(listed, func(of uuid.UUID) bool {
		s := d.book.State(of).(*invoice.State)
		return s.Status == invoice.Void && s.Number == ""
	}), newest)
	require.Less(t, len(newest), len(d.bills), "some were discarded")
	for _, f := range []struct {
		InvoiceFilter
		keeps func(s *invoice.State) bool
	}{
		{InvoiceFilter{Status: invoice.Open}, func(s *invoice.State) bool { return s.Status == invoice.Open }},
		{InvoiceFilter{CustomerID: d.buyers[0]}, func(s *invoice.State) bool { return s.CustomerID != nil && *s.CustomerID == d.buyers[0] }},
		{InvoiceFilter{Currency: "USD", Min: pointer(1000), Max: pointer(5000)}, func(s *invoice.State) bool {
			return s.Currency == "USD" && s.Total >= 1000 && s.Total <= 5000
		}},
		{InvoiceFilter{From: day(20), To: day(90)}, func(s *invoice.State) bool {
			at := s.CreatedAt
			if s.Number != "" {
				at = s.IssuedAt
			}
			return !at.Before(day(20)) && at.Before(day(90))
		}},
		{InvoiceFilter{Until: positions[d.bills[0]]}, nil},
	} {
		rows, err := reads.InvoiceRows(t.Context(), ledger, f.InvoiceFilter, Place{}, 1000)
		require.NoError(t, err)
		require.NotEmpty(t, rows)
		if f.keeps == nil {
			continue
		}
		var want, got []uuid.UUID
		for _, of := range d.bills {
			if f.keeps(d.book.State(of).(*invoice.State)) {
				want = append(want, of)
			}
		}
		for _, r := range rows {
			got = append(got, r.ID)
		}
		require.Equal(t, want, got)
	}
	// Lines go on behind a line within an invoice.
	all, err := reads.InvoiceLines(t.Context(), ledger, InvoiceFilter{}, Place{}, 1000)
	require.NoError(t, err)
	for i := range all[:20] {
		rest, err := reads.InvoiceLines(t.Context(), ledger, InvoiceFilter{}, Place{all[i].DraftedPosition, all[i].LineNumber}, 1)
		require.NoError(t, err)
		require.Equal(t, all[i+1].ID, rest[0].ID)
	}
	for _, of := range []uuid.UUID{d.bills[0], uuid.Nil} {
		_, err = reads.Invoice(t.Context(), id(901), of)
		require.ErrorIs(t, err, &domain.Error{Code: "no_invoice"})
	}
}

func pointer(n int64) *int64 { return &n }
