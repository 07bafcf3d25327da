package invoice_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/internal/ledgertest"
)

var now = time.Date(2025, time.April, 10, 12, 0, 0, 0, time.UTC)

// book is a ledger with one customer.
type book struct {
	*ledgertest.Ledger
	t        require.TestingT
	customer uuid.UUID
}

func newBook(t interface {
	ledgertest.TB
	require.TestingT
}) *book {
	return &book{Ledger: ledgertest.New(t, now), t: t, customer: uuid.New()}
}

// draft makes an invoice of lines, taxed at 20 % when tax is set.
func (b *book) draft(currency string, tax bool, amounts ...int64) uuid.UUID {
	of := lines(amounts...)
	var rates []invoice.Rate
	if tax {
		rates = append(rates, rate("20"))
	}
	totals, err := invoice.Settle(of, nil, rates)
	require.NoError(b.t, err)
	id := uuid.New()
	b.Given(id, invoice.Drafted{CustomerID: &b.customer, Currency: currency, Reason: invoice.ForManual, Lines: of, Totals: totals})
	return id
}

func (b *book) do(c domain.Command) invoice.View {
	answer, _, err := b.Execute(c)
	require.NoError(b.t, err)
	return answer.(invoice.View)
}

func (b *book) open(currency string, tax bool, amounts ...int64) invoice.View {
	return b.do(invoice.Finalize{ID: b.draft(currency, tax, amounts...), DaysUntilDue: 14})
}

func (b *book) refuses(c domain.Command, code string) {
	_, _, err := b.Execute(c)
	e, ok := domain.AsRefusal(err)
	require.True(b.t, ok, "%T: %v", c, err)
	if len(e.Fields) > 0 {
		require.Equal(b.t, code, e.Fields[0].Code, "%v", err)
		return
	}
	require.Equal(b.t, code, e.Code, "%v", err)
}

func (b *book) balance(currency string) int64 {
	state, _ := b.State(invoice.BalanceID(b.customer, currency)).(*invoice.Balance)
	if state == nil {
		return 0
	}
	return state.Amount
}

func TestAnInvoicesLife(t *testing.T) {
	b := newBook(t)
	id := b.draft("USD", false, 10000)
	b.refuses(invoice.RecordPayment{ID: id, Amount: 1}, "not_open")
	b.refuses(invoice.IssueCreditNote{ID: id, Amount: 1}, "not_finalized")
	v := b.do(invoice.Finalize{ID: id, DaysUntilDue: 14})
	require.Equal(t, []any{"open", "INV-000001", int64(10000), now, now.AddDate(0, 0, 14)}, []any{v.Status, v.Number, v.AmountDue, *v.IssuedAt, *v.DueAt})
	events := len(b.Log())
	require.Equal(t, v, b.do(invoice.Finalize{ID: id}))
	require.Len(t, b.Log(), events, "once is enough")

	for _, bad := range []int64{0, -1, 10001} {
		b.refuses(invoice.RecordPayment{ID: id, Amount: bad}, "bad_amount")
	}
	tomorrow := now.AddDate(0, 0, 1)
	b.refuses(invoice.RecordPayment{ID: id, Amount: 1, PaidAt: &tomorrow}, "bad_paid_at")
	v = b.do(invoice.RecordPayment{ID: id, Amount: 4000, Method: "wire", Reference: "R 1"})
	require.Equal(t, []any{"open", int64(6000), int64(4000)}, []any{v.Status, v.AmountDue, v.AmountPaid})
	b.refuses(invoice.Cancel{ID: id}, "invoice_paid")
	require.Equal(t, "uncollectible", b.do(invoice.WriteOff{ID: id}).Status)
	require.Equal(t, "paid", b.do(invoice.RecordPayment{ID: id, Amount: 6000}).Status, "it was paid after all")
	b.refuses(invoice.RecordPayment{ID: id, Amount: 1}, "not_open")
	b.refuses(invoice.WriteOff{ID: id}, "not_open")
	for _, c := range []domain.Command{invoice.Finalize{ID: uuid.New()}, invoice.Discard{ID: uuid.New()}, invoice.Cancel{ID: uuid.New()},
		invoice.WriteOff{ID: uuid.New()}, invoice.RecordPayment{ID: uuid.New()}, invoice.IssueCreditNote{ID: uuid.New()}} {
		b.refuses(c, "no_invoice")
	}
	b.CheckFolds()
}

// Case 127. What is recorded first is the original, for ever; what has no number has none.
func TestAnInvoiceHasOneOriginal(t *testing.T) {
	b := newBook(t)
	id := b.draft("USD", false, 10000)
	first, later := invoice.Documented{SHA256: "aa", Template: 1, Size: 10}, invoice.Documented{SHA256: "bb", Template: 2, Size: 11}
	b.refuses(invoice.RecordDocument{ID: id, Documented: first}, "not_finalized")
	b.refuses(invoice.RecordDocument{ID: uuid.New(), Documented: first}, "no_invoice")
	require.Nil(t, b.do(invoice.Finalize{ID: id}).Document)
	require.Equal(t, &invoice.Document{Documented: first, RenderedAt: now}, b.do(invoice.RecordDocument{ID: id, Documented: first}).Document)
	events := len(b.Log())
	require.Equal(t, first, b.do(invoice.RecordDocument{ID: id, Documented: later}).Document.Documented)
	require.Len(t, b.Log(), events)
	v := b.do(invoice.Cancel{ID: id})
	require.Equal(t, []any{"void", first}, []any{v.Status, v.Document.Documented})
	gone := b.draft("USD", false, 100)
	b.do(invoice.Discard{ID: gone})
	b.refuses(invoice.RecordDocument{ID: gone, Documented: first}, "not_finalized")
	b.CheckFolds()
}

// Case 119 but for its races, which the log's one writer takes care of; case 121.
func TestCase121NumbersHaveNoGap(t *testing.T) {
	b := newBook(t)
	var numbers []string
	for i := range 6 {
		id := b.draft("USD", false, 1000)
		if i%2 == 0 {
			var c domain.Command = invoice.Discard{ID: id}
			if i == 2 {
				c = invoice.Cancel{ID: id}
			}
			require.Equal(t, []any{"void", ""}, []any{b.do(c).Status, b.do(c).Number})
			b.refuses(invoice.Finalize{ID: id}, "invoice_void")
			continue
		}
		v := b.do(invoice.Finalize{ID: id})
		numbers = append(numbers, v.Number)
		if i == 3 {
			v = b.do(invoice.Cancel{ID: id})
			require.Equal(t, []any{"void", "INV-000002", int64(0)}, []any{v.Status, v.Number, v.AmountDue})
			b.refuses(invoice.Discard{ID: id}, "not_a_draft")
		}
	}
	require.Equal(t, []string{"INV-000001", "INV-000002", "INV-000003"}, numbers)
}

// Case 112: a line that is credited gives back its part of the tax, to the cent.
func TestCase112CreditNotesOfSingleLines(t *testing.T) {
	b := newBook(t)
	v := b.open("USD", true, 6833, 6833, 5750, 8500)
	require.EqualValues(t, 33499, v.AmountDue)
	for i, want := range []int64{8200, 8199, 6900, 10200} {
		line := v.Drafted.Lines[i].ID
		b.refuses(invoice.IssueCreditNote{ID: v.ID, Lines: []invoice.LineAmount{{LineID: line, Amount: want + 1}}}, "bad_amount")
		got := b.do(invoice.IssueCreditNote{ID: v.ID, Lines: []invoice.LineAmount{{LineID: line, Amount: want}}})
		note := got.CreditNotes[i]
		require.Equal(t, []any{fmt.Sprintf("CN-%06d", i+1), want, want, int64(0)}, []any{note.Number, note.Amount, note.LowersDebt, note.ToBalance})
		require.Equal(t, v.Drafted.Lines[i].Taxes[0].Amount, note.Lines[0].Tax)
		v = got
	}
	require.Equal(t, "paid", v.Status)
	b.refuses(invoice.IssueCreditNote{ID: v.ID, Amount: 1}, "bad_amount")
	b.CheckFolds()
}

// Case 125: what is due is lowered first; what was paid is the customer's.
func TestCase125ACreditNoteOverWhatIsDue(t *testing.T) {
	b := newBook(t)
	v := b.open("USD", false, 10000)
	b.do(invoice.RecordPayment{ID: v.ID, Amount: 4000})
	v = b.do(invoice.IssueCreditNote{ID: v.ID, Amount: 7000, Reason: "an outage"})
	require.Equal(t, []any{"paid", int64(0), int64(6000), int64(1000), int64(1000)}, []any{v.Status, v.AmountDue, v.CreditNotes[0].LowersDebt, v.CreditNotes[0].ToBalance, b.balance("USD")})
	b.refuses(invoice.IssueCreditNote{ID: v.ID, Amount: 3001}, "bad_amount") // case 124
	b.do(invoice.IssueCreditNote{ID: v.ID, Amount: 3000})
	require.EqualValues(t, 4000, b.balance("USD"))
	b.refuses(invoice.Cancel{ID: v.ID}, "invoice_paid")
}

// Case 128.
func TestCase128ABalanceLargerThanTheInvoice(t *testing.T) {
	b := newBook(t)
	credit := b.open("USD", false, -15000)
	require.Equal(t, []any{"paid", int64(-15000), int64(0), int64(15000)}, []any{credit.Status, credit.BalanceApplied, credit.AmountDue, b.balance("USD")})
	v := b.open("USD", false, 10000)
	require.Equal(t, []any{"paid", int64(10000), int64(0), int64(5000)}, []any{v.Status, v.BalanceApplied, v.AmountDue, b.balance("USD")})
	euros := b.open("EUR", false, 10000)
	require.Equal(t, []any{"open", int64(0), int64(5000)}, []any{euros.Status, euros.BalanceApplied, b.balance("USD")}, "another currency's balance is not used")
	part := b.open("USD", false, 7000)
	require.Equal(t, []any{"open", int64(2000), int64(0)}, []any{part.Status, part.AmountDue, b.balance("USD")})
	require.Equal(t, "void", b.do(invoice.Cancel{ID: part.ID}).Status)
	require.EqualValues(t, 5000, b.balance("USD"), "it goes back")
	b.CheckFolds()
}

// A credit that has paid something is not taken back.
func TestACreditThatWasUsedStays(t *testing.T) {
	b := newBook(t)
	credit := b.open("USD", false, -1000)
	b.open("USD", false, 600)
	b.refuses(invoice.Cancel{ID: credit.ID}, "credit_used")
	require.EqualValues(t, 400, b.balance("USD"))
	unused := b.open("EUR", false, -1000)
	b.do(invoice.Cancel{ID: unused.ID})
	require.Zero(t, b.balance("EUR"))
}

// Case 37: a year's credit covers the first months, and the seventh in part.
func TestCase37ABalancePaysTheMonthsThatFollow(t *testing.T) {
	b := newBook(t)
	first := b.open("USD", false, -6016, 1000)
	require.EqualValues(t, -5016, first.BalanceApplied)
	for range 5 {
		require.Equal(t, "paid", b.open("USD", false, 1000).Status)
	}
	require.EqualValues(t, 984, b.open("USD", false, 1000).AmountDue)
}

// Whatever is done in whatever order: notes never exceed their invoice nor a line, the money adds up, numbers have no gap.
func TestInvoicesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBook(t)
		var all []uuid.UUID
		numbers := 0
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			if len(all) == 0 || rapid.IntRange(0, 3).Draw(t, "new") == 0 {
				amounts := rapid.SliceOfN(rapid.Int64Range(-2000, 5000), 1, 4).Draw(t, "amounts")
				for i, n := range amounts {
					if i > 0 && n < 0 {
						amounts[i] = -n
					}
				}
				all = append(all, b.draft("USD", rapid.Bool().Draw(t, "tax"), amounts...))
				continue
			}
			id := rapid.SampledFrom(all).Draw(t, "invoice")
			amount := rapid.Int64Range(1, 6000).Draw(t, "amount")
			var c domain.Command
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0, 1:
				c = invoice.Finalize{ID: id}
			case 2:
				c = invoice.RecordPayment{ID: id, Amount: amount}
			case 3:
				c = invoice.IssueCreditNote{ID: id, Amount: amount}
			case 4:
				line := rapid.SampledFrom(b.State(id).(*invoice.State).Lines).Draw(t, "line")
				c = invoice.IssueCreditNote{ID: id, Lines: []invoice.LineAmount{{LineID: line.ID, Amount: amount}}}
			case 5:
				c = rapid.SampledFrom([]domain.Command{invoice.Cancel{ID: id}, invoice.Discard{ID: id}, invoice.WriteOff{ID: id}}).Draw(t, "end")
			}
			if _, _, err := b.Execute(c); err != nil {
				_, refused := domain.AsRefusal(err)
				require.True(t, refused, "%v", err)
			}
		}
		balance, seen := int64(0), map[string]bool{}
		for _, id := range all {
			s := b.State(id).(*invoice.State)
			if s.Number != "" {
				numbers++
				seen[s.Number] = true
			}
			credited, toBalance := int64(0), int64(0)
			for _, n := range s.CreditNotes {
				require.Equal(t, n.Amount, n.LowersDebt+n.ToBalance)
				credited, toBalance = credited+n.Amount, toBalance+n.ToBalance
			}
			require.LessOrEqual(t, credited, max(0, s.Total))
			for _, l := range s.Lines {
				require.GreaterOrEqual(t, s.Left(l.ID), int64(0))
			}
			balance += toBalance - s.BalanceApplied
			switch s.Status {
			case invoice.Paid:
				require.Zero(t, s.AmountDue())
			case invoice.Open, invoice.Uncollectible:
				require.Positive(t, s.AmountDue())
				require.Equal(t, s.Total, s.AmountDue()+s.BalanceApplied+s.AmountPaid+s.LowersDebt)
			}
		}
		require.Equal(t, balance, b.balance("USD"))
		require.GreaterOrEqual(t, balance, int64(0))
		require.Len(t, seen, numbers)
		for n := range numbers {
			require.True(t, seen[fmt.Sprintf("INV-%06d", n+1)])
		}
		b.CheckFolds()
	})
}

func TestAPeriodHasOneInvoice(t *testing.T) {
	a, b := uuid.New(), uuid.New()
	seen := map[uuid.UUID]bool{}
	for _, sub := range []uuid.UUID{a, b} {
		for _, at := range []time.Time{now, now.Add(time.Microsecond)} {
			for _, reason := range []string{invoice.ForPeriod, invoice.ForProration} {
				id := invoice.IDFor(sub, at, reason)
				require.Equal(t, id, invoice.IDFor(sub, at.In(time.FixedZone("x", 3600)), reason))
				seen[id] = true
			}
		}
	}
	require.Len(t, seen, 8)
}
