package subscription_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/settings"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

// R5: what a credit on another invoice took back of a line is not taken back again by a credit note.
func TestACreditNoteAfterAProrationCredit(t *testing.T) {
	l := openTill(t, april(1))
	payer := l.payer("succeeds")
	sub := l.start(subscription.Start{PlanID: l.flat("3000"), CustomerID: payer})
	first := l.newest()
	l.at(april(11), sub, subscription.Cancel{ID: sub, Now: true, Credit: account.Prorate})
	note := func(amount int64) (*domain.Error, invoice.View) {
		answer, _, err := l.Execute(subscription.CreditInvoice{IssueCreditNote: invoice.IssueCreditNote{ID: first, Amount: amount}})
		e, _ := domain.AsRefusal(err)
		v, _ := answer.(invoice.View)
		return e, v
	}
	refused, _ := note(1001)
	require.Equal(t, "bad_amount", refused.Fields[0].Code)
	refused, v := note(1000)
	require.Nil(t, refused)
	require.EqualValues(t, 1000, v.CreditNotes[0].ToBalance)
	require.EqualValues(t, 3000, l.State(invoice.BalanceID(*payer, "USD")).(*invoice.Balance).Amount, "all of it is back, and no more")
	l.CheckFolds()
}

// What other invoices hang on is not voided: the credit would be for nothing, or lost.
func TestWhatACreditHangsOnIsNotVoided(t *testing.T) {
	l := openTill(t, april(1))
	sub := l.start(subscription.Start{PlanID: l.flat("6000")})
	first := l.newest()
	l.at(april(16), sub, subscription.ChangePlan{ID: sub, PlanID: l.flat("3000"), Proration: "always_invoice"})
	second := l.newest()
	for id, code := range map[uuid.UUID]string{first: "line_credited", second: "carries_credits"} {
		_, _, err := l.Execute(subscription.VoidInvoice{ID: id})
		e, ok := domain.AsRefusal(err)
		require.True(t, ok)
		require.Equal(t, []any{domain.Conflict, code}, []any{e.Kind, e.Code})
	}
	hours := 48
	ledgertest.Must[settings.View](l.Ledger, settings.Change{Patch: settings.Patch{DraftHours: &hours}})
	l.at(on(5, 1), sub, subscription.ChangePlan{ID: sub, PlanID: l.flat("6000")})
	_, _, err := l.Execute(subscription.VoidInvoice{ID: l.newest()})
	e, _ := domain.AsRefusal(err)
	require.Equal(t, "line_credited", e.Code, "a draft too")
	l.CheckFolds()
}

// Rule B10: a credit pays what is due of what it credits; the rest, which was paid, is the balance's, which pays what else is open
// when it is told to.
func TestACreditOfWhatWasNotPaid(t *testing.T) {
	l := openTill(t, april(1))
	payer := l.payer("fails")
	sub := l.start(subscription.Start{PlanID: l.flat("3000"), CustomerID: payer})
	first := l.newest()
	require.Equal(t, subscription.PastDue, l.status(sub))
	l.at(april(11), sub, subscription.Cancel{ID: sub, Now: true, Credit: account.Prorate})
	of := l.bill(first)
	require.EqualValues(t, []int64{1000, 2000}, []int64{of.AmountDue(), of.BalanceApplied})
	require.Zero(t, l.State(invoice.BalanceID(*payer, "USD")).(*invoice.Balance).Amount, "nobody gets back what could not be had")

	balance := func(of uuid.UUID) int64 { return l.State(invoice.BalanceID(of, "USD")).(*invoice.Balance).Amount }
	unpaid := l.start(subscription.Start{PlanID: l.flat("3000")})
	asked := l.newest()
	l.at(april(26), unpaid, subscription.Cancel{ID: unpaid, Now: true, Credit: account.Prorate})
	require.EqualValues(t, []int64{1500, 1500}, []int64{l.bill(asked).AmountDue(), l.bill(asked).BalanceApplied}, "nobody was asked twice, nobody has what was not paid")
	require.Zero(t, balance(*l.facts(unpaid).CustomerID))

	owner := *l.payer("")
	partly := l.start(subscription.Start{PlanID: l.flat("3000"), CustomerID: &owner})
	l.pay(l.newest(), 2000)
	other := l.start(subscription.Start{PlanID: l.flat("3000"), CustomerID: &owner})
	open := l.newest()
	l.at(on(5, 11), partly, subscription.Cancel{ID: partly, Now: true, Credit: account.Prorate})
	require.EqualValues(t, 500, balance(owner), "1000 of 1500 pay what was due")
	l.at(on(5, 11), other)
	pay := func(amount int64) error {
		_, _, err := l.Execute(subscription.PayInvoice{RecordPayment: invoice.RecordPayment{ID: open, Amount: amount, Method: invoice.FromBalance}})
		return err
	}
	require.Error(t, pay(501), "more than there is")
	require.NoError(t, pay(500))
	require.EqualValues(t, []int64{2500, 0}, []int64{l.bill(open).AmountDue(), l.bill(open).AmountPaid})
	require.Zero(t, balance(owner))
	l.CheckFolds()
}

// A downgrade that pays what failed ends PAST_DUE.
func TestACreditSettlesWhatFailed(t *testing.T) {
	l := openTill(t, april(1))
	sub := l.start(subscription.Start{PlanID: l.flat("3000"), CustomerID: l.payer("fails")})
	l.at(april(1), sub, subscription.ChangePlan{ID: sub, PlanID: l.flat("0"), Proration: "always_invoice"})
	require.Equal(t, subscription.Active, l.status(sub))
	l.CheckFolds()
}

// A balance that is no int64 any more is refused.
func TestABalanceIsAnInt64(t *testing.T) {
	l := openTill(t, april(1))
	payer := l.payer("succeeds")
	plan := l.priced([]catalog.Price{{Key: "unit", Kind: catalog.PerUnit, Currency: "USD", UnitAmount: dec("9000000000000000")}})
	var all []uuid.UUID
	for range 2 {
		l.start(subscription.Start{PlanID: plan, CustomerID: payer, Quantity: ptr(1000)})
		all = append(all, l.newest())
	}
	credit := func(id uuid.UUID) error {
		_, _, err := l.Execute(subscription.CreditInvoice{IssueCreditNote: invoice.IssueCreditNote{ID: id, Amount: 9000000000000000000}})
		return err
	}
	require.NoError(t, credit(all[0]))
	e, _ := domain.AsRefusal(credit(all[1]))
	require.Equal(t, "amount_out_of_range", e.Code)
	l.CheckFolds()
}

// Customer rule K9: a payment method that succeeds pays what the one before did not, and access is back.
func TestAnotherPaymentMethodPaysWhatIsOpen(t *testing.T) {
	l := openTill(t, april(1))
	payer := l.payer("fails")
	plan := l.flat("3000")
	sub, other := l.start(subscription.Start{PlanID: plan, CustomerID: payer}), l.start(subscription.Start{PlanID: plan, CustomerID: payer})
	l.at(on(5, 1), sub)
	require.Equal(t, subscription.PastDue, l.status(sub))
	charge := func(id uuid.UUID) (invoice.View, error) {
		answer, _, err := l.Execute(subscription.ChargeInvoice{ID: id})
		v, _ := answer.(invoice.View)
		return v, err
	}
	last := l.newest()
	v, err := charge(last)
	require.NoError(t, err)
	require.Equal(t, invoice.Open, v.Status, "it fails again")
	l.method(*payer, customer.RequiresAction)
	require.Equal(t, subscription.PastDue, l.status(sub))
	l.method(*payer, customer.Succeeds)
	for _, id := range []uuid.UUID{sub, other} {
		require.Equal(t, subscription.Active, l.status(id))
	}
	require.Equal(t, []any{invoice.Paid, int64(3000)}, []any{l.bill(last).Status, l.bill(last).AmountPaid})
	_, err = charge(last)
	e, _ := domain.AsRefusal(err)
	require.Equal(t, "not_open", e.Code)
	require.Empty(t, l.State(*payer).(*customer.Customer).Failed)

	alone := l.start(subscription.Start{PlanID: plan})
	_, err = charge(l.newest())
	e, _ = domain.AsRefusal(err)
	require.Equal(t, "no_payment_method", e.Code)
	owner := *l.facts(alone).CustomerID
	open := l.newest()
	l.method(owner, customer.Succeeds)
	require.Equal(t, invoice.Open, l.bill(open).Status, "what was never charged waits to be told")
	v, err = charge(open)
	require.NoError(t, err)
	require.Equal(t, invoice.Paid, v.Status)
	l.CheckFolds()
}
