package subscription_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

// A debit note is charged like any invoice, and what is not paid of it makes its subscription PAST_DUE.
func TestADebitNoteIsCharged(t *testing.T) {
	for outcome, want := range map[string][]string{customer.Succeeds: {"paid", "ACTIVE"}, customer.Fails: {"open", "PAST_DUE"}} {
		l := openTill(t, april(1))
		payer := l.payer(customer.Succeeds)
		id := l.start(subscription.Start{PlanID: l.flat("1000"), CustomerID: payer})
		l.method(*payer, outcome)
		first := invoice.IDFor(id, april(1), "period")
		ledgertest.Must[invoice.View](l.Ledger, subscription.DebitInvoice{IssueDebitNote: invoice.IssueDebitNote{ID: first, Amount: 250}})
		require.Equal(t, want, []string{l.bill(l.newest()).Status, l.status(id)})
		require.Equal(t, "INV-000002 manual 2.50: adjustment 2.50", l.bills()[1])
		l.CheckFolds()
	}
}
