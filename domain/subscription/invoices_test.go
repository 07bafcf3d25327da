package subscription_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/settings"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

// payer makes a customer whose payment method does as told; "" has none.
func (l *till) payer(outcome string) *uuid.UUID {
	l.t.Helper()
	usd := "USD"
	id := ledgertest.Must[customer.View](l.Ledger, customer.Create{Patch: customer.Patch{Currency: &usd}}).ID
	l.pays(id, outcome)
	return &id
}

func (l *till) pays(id uuid.UUID, outcome string) {
	l.t.Helper()
	if outcome != "" {
		_, _, err := l.Execute(customer.SetPaymentMethod{ID: id, Method: customer.PaymentMethod{Provider: "manual", Outcome: outcome}})
		require.NoError(l.t, err)
	}
}

func (l *till) status(id uuid.UUID) string {
	return l.State(id).(*subscription.State).View(l.Now()).Status
}

func (l *till) bill(id uuid.UUID) *invoice.State { return l.State(id).(*invoice.State) }

func (l *till) pay(id uuid.UUID, amount int64) invoice.View {
	l.t.Helper()
	return ledgertest.Must[invoice.View](l.Ledger, subscription.PayInvoice{RecordPayment: invoice.RecordPayment{ID: id, Amount: amount}})
}

func TestAnInvoiceIsChargedAtOnce(t *testing.T) {
	for outcome, want := range map[string][]string{"succeeds": {"paid", "ACTIVE"}, "fails": {"open", "PAST_DUE"}, "requiresAction": {"open", "PAST_DUE"},
		"": {"open", "ACTIVE"}} {
		t.Run(outcome, func(t *testing.T) {
			l := openTill(t, april(1))
			id := l.start(subscription.Start{PlanID: l.flat("1000"), CustomerID: l.payer(outcome)})
			require.Equal(t, want, []string{l.bill(l.newest()).Status, l.status(id)})
			l.CheckFolds()
		})
	}
}

// Past-due subscriptions go on renewing; they are so until all that failed is paid.
func TestPastDueUntilAllIsPaid(t *testing.T) {
	l := openTill(t, april(1))
	payer := l.payer("fails")
	id := l.start(subscription.Start{PlanID: l.flat("1000"), CustomerID: payer})
	first := l.newest()
	l.at(on(5, 1), id)
	second := l.newest()
	require.NotEqual(t, first, second)
	require.Equal(t, "PAST_DUE", l.status(id))
	l.pay(first, 400)
	require.Equal(t, "PAST_DUE", l.status(id))
	require.Equal(t, "paid", l.pay(first, 600).Status)
	require.Equal(t, "PAST_DUE", l.status(id), "another one is due")
	l.pays(*payer, "succeeds")
	ledgertest.Must[invoice.View](l.Ledger, subscription.VoidInvoice{ID: second})
	require.Equal(t, "ACTIVE", l.status(id))
	l.at(on(6, 1), id)
	require.Equal(t, "paid", l.bill(l.newest()).Status)
	l.CheckFolds()
}

// Case 154 (rule S15): access until the instant at which the grace ends, none from it on, and again once all is paid.
func TestCase154GraceOfThreeDays(t *testing.T) {
	l := openTill(t, april(1))
	grant := func(days *int) {
		ledgertest.Must[settings.View](l.Ledger, settings.Change{Patch: settings.Patch{GraceDaysPastDue: &days}})
	}
	grant(ptr(3))
	payer := l.payer("fails")
	id := l.start(subscription.Start{PlanID: l.flat("1000"), CustomerID: payer})
	s := l.State(id).(*subscription.State)
	grant(nil)
	l.at(april(2), id)
	status := func() string {
		seat, _ := s.OwnSeat()
		v := license.SeatView(s, seat, l.Now())
		return fmt.Sprint(s.View(l.Now()).Status, " ", v.Status, " ", v.EndTime.Format("2 Jan"))
	}
	ends := april(4)
	for at, want := range map[time.Time]bool{april(1): true, ends.Add(-time.Microsecond): true, ends: false, ends.Add(time.Microsecond): false, on(5, 2): false} {
		until, renews, ok := s.AccessUntil(at)
		require.Equal(t, []bool{want, want}, []bool{ok, s.AccessAt(at)}, "at %s", at)
		require.False(t, renews)
		if ok {
			require.Equal(t, ends, until)
		}
	}
	l.SetNow(ends.Add(-time.Microsecond))
	require.Equal(t, "PAST_DUE ACTIVE 4 Apr", status())
	l.SetNow(ends)
	require.Equal(t, "PAST_DUE INACTIVE 4 Apr", status())
	l.at(on(5, 2), id)
	require.Equal(t, on(5, 1), s.Period.Start, "it goes on renewing")
	require.Equal(t, "PAST_DUE INACTIVE 4 Apr", status())
	for _, e := range l.Log() {
		if d, ok := e.Event.(invoice.Drafted); ok {
			require.Nil(t, s.View(l.Now()).CanceledAt)
			l.pay(e.Stream, d.Total)
		}
	}
	require.Equal(t, "ACTIVE ACTIVE 1 Jun", status())
	require.Nil(t, s.View(l.Now()).GraceUntil)
	require.Equal(t, []bool{true, false, false, true}, []bool{s.AccessAt(april(3)), s.AccessAt(april(4)), s.AccessAt(on(5, 2).Add(-time.Microsecond)), s.AccessAt(on(5, 2))},
		"a look back knows when there was none")
	l.at(on(6, 1), id)
	require.Equal(t, "PAST_DUE ACTIVE 1 Jul", status(), "without the setting there is no end")
	l.pay(l.newest(), 1000)
	grant(ptr(0))
	l.at(on(7, 1), id)
	require.Equal(t, "PAST_DUE INACTIVE 1 Jul", status())
	l.at(on(7, 2), id, subscription.Cancel{ID: id, Now: true})
	_, _, ok := s.AccessUntil(on(7, 1).Add(time.Hour))
	require.False(t, ok, "nor by a look back from after its end")
	until, _, ok := s.AccessUntil(on(7, 1).Add(-time.Hour))
	require.Equal(t, []any{on(7, 1), true}, []any{until, ok})
	l.CheckFolds()
}

// Of an invoice that waited for its usage the payment fails when it is issued.
func TestGraceOfADraft(t *testing.T) {
	l := openTill(t, april(1))
	ledgertest.Must[settings.View](l.Ledger, settings.Change{Patch: settings.Patch{DraftHours: ptr(2), GraceDaysPastDue: ptr(ptr(3))}})
	payer := l.payer("succeeds")
	id := l.start(subscription.Start{PlanID: l.flat("1000"), CustomerID: payer})
	l.pays(*payer, "fails")
	l.at(on(5, 1), id)
	s := l.State(id).(*subscription.State)
	require.Nil(t, s.GraceUntil, "it waits as a draft")
	l.SetNow(on(5, 1, 2))
	ledgertest.Must[invoice.View](l.Ledger, subscription.FinalizeInvoice{ID: l.newest()})
	require.Equal(t, l.Now().AddDate(0, 0, 3), *s.GraceUntil)
	l.CheckFolds()
}

// An invoice that is issued and not paid tells nothing of what was missed elsewhere.
func TestAnInvoiceThatIsIssuedSettlesNothing(t *testing.T) {
	l := openTill(t, april(1))
	hours := 1
	ledgertest.Must[settings.View](l.Ledger, settings.Change{Patch: settings.Patch{DraftHours: &hours}})
	payer := l.payer("fails")
	id := l.start(subscription.Start{PlanID: l.flat("1000"), CustomerID: payer})
	failed := l.newest()
	ledgertest.Must[customer.PaymentMethodView](l.Ledger, customer.RemovePaymentMethod{ID: *payer})
	l.at(on(5, 1), id)
	l.SetNow(on(5, 1, 1))
	require.Equal(t, "open", ledgertest.Must[invoice.View](l.Ledger, subscription.FinalizeInvoice{ID: l.newest()}).Status)
	require.Equal(t, "PAST_DUE", l.status(id))
	l.pay(l.newest(), 1000)
	require.Equal(t, "PAST_DUE", l.status(id), "what failed is not paid yet")
	l.pay(failed, 1000)
	require.Equal(t, "ACTIVE", l.status(id))
	l.CheckFolds()
}

func TestIncompleteUntilItsFirstInvoiceIsPaid(t *testing.T) {
	l := openTill(t, april(1))
	id := l.start(subscription.Start{PlanID: l.flat("1000"), Incomplete: true})
	require.Equal(t, "INCOMPLETE", l.status(id))
	l.pay(l.newest(), 1000)
	require.Equal(t, "ACTIVE", l.status(id))
	paid := l.start(subscription.Start{PlanID: l.flat("1000"), Incomplete: true, CustomerID: l.payer("succeeds")})
	require.Equal(t, "ACTIVE", l.status(paid))
	failed := l.start(subscription.Start{PlanID: l.flat("1000"), Incomplete: true, CustomerID: l.payer("fails")})
	require.Equal(t, "INCOMPLETE", l.status(failed))
	ledgertest.Must[invoice.View](l.Ledger, subscription.VoidInvoice{ID: l.newest()})
	require.Equal(t, "INCOMPLETE", l.status(failed), "nobody paid for it")
	left := l.start(subscription.Start{PlanID: l.flat("1000"), Incomplete: true})
	_, _, err := l.Execute(subscription.Cancel{ID: left, Now: true})
	require.NoError(t, err)
	require.Equal(t, "void", l.bill(l.newest()).Status, "who leaves before paying owes nothing")
	nothing := l.start(subscription.Start{PlanID: l.flat("0"), Incomplete: true})
	require.Equal(t, "ACTIVE", l.status(nothing), "there is nothing to pay")
	_, _, err = l.Execute(subscription.PayInvoice{RecordPayment: invoice.RecordPayment{ID: uuid.New(), Amount: 1}})
	require.ErrorIs(t, err, &domain.Error{Code: "no_invoice"})
}

// Cases 53 and 128: whether invoices of nothing are issued is a setting; the lines count all the same.
func TestInvoicesOfNothing(t *testing.T) {
	l := openTill(t, april(1))
	never := false
	ledgertest.Must[settings.View](l.Ledger, settings.Change{Patch: settings.Patch{ZeroInvoices: &never}})
	id := l.start(subscription.Start{PlanID: l.flat("1000")})
	other := l.flat("1000")
	l.at(april(16), id, subscription.ChangePlan{ID: id, PlanID: other, Proration: "always_invoice"})
	quiet := l.bill(l.newest())
	require.Equal(t, []any{"void", "", int64(0)}, []any{quiet.Status, quiet.Number, quiet.Total})
	l.at(april(21), id, subscription.Cancel{ID: id, Now: true, Credit: "prorate"})
	require.Equal(t, "INV-000002 cancel -3.33: prorationCredit -3.33", l.bills()[2], "what it debited is taken back")
	l.CheckFolds()
}

// A void invoice was not asked for: there is nothing to take back of it. Nor of what a credit note took off.
func TestOnlyWhatWasAskedForIsTakenBack(t *testing.T) {
	l := openTill(t, april(1))
	void := l.start(subscription.Start{PlanID: l.flat("3000")})
	ledgertest.Must[invoice.View](l.Ledger, subscription.VoidInvoice{ID: l.newest()})
	noted := l.start(subscription.Start{PlanID: l.flat("3000")})
	note := invoice.IssueCreditNote{ID: l.newest(), Amount: 2500}
	ledgertest.Must[invoice.View](l.Ledger, subscription.CreditInvoice{IssueCreditNote: note})
	for _, id := range []uuid.UUID{void, noted} {
		l.at(april(11), id, subscription.Cancel{ID: id, Now: true, Credit: "prorate"})
	}
	require.Equal(t, []string{"INV-000003 cancel -5.00: prorationCredit -5.00"}, l.bills()[2:], "20 days of 30.00, of which 5.00 are left")
}

// A dry run and the command itself make the same lines, ids included (case 47).
func TestCase47APreviewIsTheTruth(t *testing.T) {
	l := openTill(t, april(1))
	id := l.start(subscription.Start{PlanID: l.flat("1000")})
	to := l.flat("2000")
	l.SetNow(april(16))
	change := subscription.ChangePlan{ID: id, PlanID: to, Proration: "always_invoice"}
	_, would, err := l.DryRun(change)
	require.NoError(t, err)
	_, did, err := l.Execute(change)
	require.NoError(t, err)
	lines := func(events []ledgertest.Event) (all []invoice.Line) {
		for _, e := range events {
			if d, ok := e.Event.(invoice.Drafted); ok {
				all = append(all, d.Lines...)
			}
		}
		return all
	}
	require.Len(t, lines(would), 2)
	require.Empty(t, ledgertest.Diff(lines(would), lines(did)))
}

func TestUpcomingInvoices(t *testing.T) {
	l := openTill(t, april(1))
	id := l.start(subscription.Start{PlanID: l.flat("1000", func(f *catalog.PlanFields) { f.TrialDays = ptr(10) })})
	_, would, err := l.DryRun(subscription.Upcoming{ID: id})
	require.NoError(t, err)
	var next *invoice.Drafted
	for _, e := range would {
		if d, ok := e.Event.(invoice.Drafted); ok {
			next = &d
		}
	}
	require.EqualValues(t, 1000, next.Total)
	require.Equal(t, april(11), next.Period.Start)
	l.at(april(12), id, subscription.Cancel{ID: id, Now: true})
	_, _, err = l.DryRun(subscription.Upcoming{ID: id})
	require.ErrorIs(t, err, &domain.Error{Code: "nothing_upcoming"})
}
