package main_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/invoicepdf/pdftest"
	"github.com/subledger/subledger/internal/pgtest"
)

// drafting makes an invoice as what bills a subscription does.
type drafting struct {
	id uuid.UUID
	of invoice.Drafted
}

func (c drafting) Decide(l domain.Ledger) (any, error) {
	l.Append(c.id, c.of)
	return nil, nil
}

func TestAnInvoiceAsPDF(t *testing.T) {
	t.Parallel()
	db, text := pgtest.New(t), base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	c := newCLI(t).with("DATABASE_URL="+db.AppURL, "DATABASE_OWNER_URL="+db.URL, "DATABASE_READER_URL="+db.ReaderURL, "SUBLEDGER_MASTER_KEY="+text)
	c.ok("demo")
	master, err := eventstore.ParseMasterKey(text)
	require.NoError(t, err)
	pool, err := eventstore.OpenPool(t.Context(), db.AppURL, nil)
	require.NoError(t, err)
	defer pool.Close()
	store, err := eventstore.Open(t.Context(), pool, master, eventstore.Vocabularies(), eventstore.Config{Now: time.Now})
	require.NoError(t, err)
	defer store.Close()
	var ledger uuid.UUID
	require.NoError(t, pool.QueryRow(t.Context(), `select test_ledger_id from organisations`).Scan(&ledger))
	do := func(c domain.Command) any {
		t.Helper()
		res, err := store.Execute(t.Context(), eventstore.Request{Ledger: ledger, Command: c})
		require.NoError(t, err)
		return res.Value
	}
	name, currency := "Ada GmbH", "EUR"
	payer := do(customer.Create{Patch: customer.Patch{Name: &name, Currency: &currency}}).(customer.View).ID
	april := period.Period{Start: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)}
	of := uuid.New()
	do(drafting{of, invoice.Drafted{CustomerID: &payer, Currency: "EUR", Reason: invoice.ForManual, Totals: invoice.Totals{Subtotal: 1000, Total: 1000},
		Lines: []invoice.Line{{ID: uuid.New(), Kind: invoice.KindPeriod, Description: "Team", Quantity: "1", Amount: 1000, Period: april}}}})
	do(invoice.Finalize{ID: of})

	path := filepath.Join(t.TempDir(), "invoice.pdf")
	c.ok("invoice", "pdf", of.String(), "--mode", "test", "--file", path)
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(file), "%PDF-"))
	// Case 127: what was given out first is the original.
	write := func(args ...string) []byte {
		t.Helper()
		return []byte(c.ok(append([]string{"invoice", "pdf", of.String(), "--mode", "test", "--file", "-"}, args...)...))
	}
	other := "Ada King GmbH"
	do(customer.Change{ID: payer, Patch: customer.Patch{Name: &other}})
	require.Equal(t, file, write())
	current := write("--current")
	require.Contains(t, strings.Join(pdftest.Pages(t, current), ""), other)
	require.Equal(t, pdftest.Amounts(t, file), pdftest.Amounts(t, current))
	require.Contains(t, c.fails(4, "invoice", "pdf", of.String()).stderr, "the live ledger has no invoice "+of.String())
	require.Contains(t, c.fails(4, "invoice", "pdf", payer.String(), "--mode", "test").stderr, "no invoice")

	_, err = pool.Exec(t.Context(), `delete from documents where stream_id = $1`, of)
	require.NoError(t, err)
	res := c.fails(4, "invoice", "pdf", of.String(), "--mode", "test")
	require.Contains(t, res.stderr, "original_lost")
	require.Contains(t, res.stderr, "--current")
	do(customer.Change{ID: payer, Patch: customer.Patch{Name: &name}})
	require.Equal(t, file, write(), "it can be made again")

	c.ok("erase", "--mode", "test", "--subject", customer.Subject(payer), "--yes")
	require.Contains(t, c.fails(4, "invoice", "pdf", of.String(), "--mode", "test").stderr, "original_erased")
	current = write("--current")
	require.Equal(t, pdftest.Amounts(t, file), pdftest.Amounts(t, current))
	require.NotContains(t, strings.Join(pdftest.Pages(t, current), ""), "Ada")
}
