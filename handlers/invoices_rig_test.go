package handlers_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/eventstore"
)

// drafting makes an invoice as what bills a subscription does.
type drafting struct {
	id    uuid.UUID
	of    invoice.Drafted
	rates []invoice.Rate
}

func (c drafting) Decide(l domain.Ledger) (any, error) {
	totals, err := invoice.Settle(c.of.Lines, nil, c.rates)
	if err != nil {
		return nil, err
	}
	c.of.Totals = totals
	l.Append(c.id, c.of)
	return nil, nil
}

// billed is an invoice that a test drafted.
type billed struct {
	uuid  string
	lines []string // their uuids
}

func (b billed) path(more string) string { return "/invoices/" + b.uuid + more }

// draft makes an invoice for a customer, whose ledger it is in, of lines of April 2025; their subscription is
// the invoice's.
func (g *rig) draft(t *testing.T, customer, currency string, lines ...invoice.Line) billed {
	t.Helper()
	var ledger uuid.UUID
	require.NoError(t, g.pool.QueryRow(t.Context(), `select ledger_id from events where stream_id = $1 limit 1`, customer).Scan(&ledger))
	payer := uuid.MustParse(customer)
	start := time.Date(2025, 4, 1, 0, 0, 0, 0, time.UTC)
	// Ids of invoices follow from what they are for: they do not sort by their making.
	c := drafting{id: uuid.New(), of: invoice.Drafted{CustomerID: &payer, Currency: currency, Reason: invoice.ForManual}}
	b := billed{uuid: c.id.String()}
	for _, l := range lines {
		l.ID, l.Kind, l.PlanID, l.PlanVersion, l.PriceKey = uuid.New(), invoice.KindPeriod, uuid.Max, 1, "base"
		if of := l.SubscriptionID; of != uuid.Nil {
			c.of.SubscriptionID = &of
		}
		l.Period, l.Share, l.ProrationMode = period.Period{Start: start, End: start.AddDate(0, 1, 0)}, period.Share{Part: 1, Whole: 1}, "second"
		if l.Quantity == "" {
			l.Quantity = "1"
		}
		if l.UnitAmount == nil {
			unit := decimal.NewFromInt(l.Amount)
			l.UnitAmount = &unit
		}
		c.of.Lines, b.lines = append(c.of.Lines, l), append(b.lines, l.ID.String())
	}
	_, err := g.store.Execute(t.Context(), eventstore.Request{Ledger: ledger, Command: c})
	require.NoError(t, err)
	return b
}

func line(description string, amount int64) invoice.Line {
	return invoice.Line{Description: description, Amount: amount}
}

// open is draft, finalised.
func (g *rig) open(t *testing.T, key, customer, currency string, amounts ...int64) billed {
	t.Helper()
	var lines []invoice.Line
	for _, n := range amounts {
		lines = append(lines, line("Base", n))
	}
	b := g.draft(t, customer, currency, lines...)
	g.call(t, key, "POST", b.path("/finalize"), "").want(200)
	return b
}
