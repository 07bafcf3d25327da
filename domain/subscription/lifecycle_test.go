package subscription_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

// Rule S12 and case 100: a pause inside a period leaves the period; one beyond it resumes in the rest of
// the anchored one, in the status that it would have by then.
func TestResume(t *testing.T) {
	for name, tt := range map[string]struct {
		start  subscription.Start
		after  int // days of April on which it resumes
		status string
		period subscription.Period
	}{
		"in the same period":     {subscription.Start{}, 21, "ACTIVE", subscription.Period{Start: april(1), End: april(31)}},
		"in a later period":      {subscription.Start{}, 40, "ACTIVE", subscription.Period{Start: april(40), End: april(62)}},
		"in the trial":           {subscription.Start{TrialEnd: ptr(april(25))}, 21, "TRIALING", subscription.Period{Start: april(1), End: april(25)}},
		"when the trial is over": {subscription.Start{TrialEnd: ptr(april(15))}, 21, "ACTIVE", subscription.Period{Start: april(21), End: april(45)}},
		"before it starts":       {subscription.Start{StartAt: ptr(april(28))}, 21, "ACTIVE", subscription.Period{Start: april(28), End: april(58)}},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			tt.start.PlanID = s.seats
			id := s.start(tt.start)
			s.SetNow(april(11))
			require.Equal(t, "paused", s.do(id, subscription.Pause{ID: id}))
			s.SetNow(april(tt.after))
			s.do(id, subscription.Resume{ID: id})
			require.Equal(t, tt.status, s.view(id).Status)
			require.Equal(t, tt.period, s.sub(id).Period)
			require.Nil(t, s.view(id).PausedAt)
			require.False(t, s.sub(id).AccessAt(april(12)))
			if s.sub(id).StartAt.Equal(april(1)) {
				require.True(t, s.sub(id).AccessAt(april(10)))
			}
			require.True(t, s.sub(id).AccessAt(april(tt.after+10)))
		})
	}
}

// Cases 94 and 95.
func TestReactivate(t *testing.T) {
	s := open(t)
	id := s.start(subscription.Start{PlanID: s.seats})
	before := s.view(id)
	s.SetNow(april(5))
	require.Equal(t, "cancellation_scheduled", s.do(id, subscription.Cancel{ID: id}))
	v := s.view(id)
	require.True(t, v.CancelAtPeriodEnd)
	require.Equal(t, "ACTIVE", v.Status)
	require.Equal(t, april(31), *v.CancelAt)
	require.Equal(t, "reactivated", s.do(id, subscription.Reactivate{ID: id}))
	v = s.view(id)
	require.Equal(t, []any{before.AnchorAt, before.CurrentPeriod, before.Status}, []any{v.AnchorAt, v.CurrentPeriod, v.Status}, "94 the same subscription")
	s.do(id, subscription.Cancel{ID: id})
	s.SetNow(april(31))
	require.Equal(t, "!subscription_ended", s.do(id, subscription.Reactivate{ID: id}), "95 though nobody recorded the end")
	require.Equal(t, "ended", s.do(id, subscription.Advance{ID: id}))
	require.Equal(t, subscription.Ended{At: april(31), Reason: "expired"}, s.Stream(id)[4].Event)
}

// An incomplete subscription with a trial begins it at once: nothing is to be paid yet.
func TestActivateIntoATrial(t *testing.T) {
	s := open(t)
	id := s.start(subscription.Start{PlanID: s.trial, Incomplete: true})
	require.Equal(t, "-", s.do(id, subscription.Activate{ID: id}))
	require.Equal(t, "TRIALING", s.view(id).Status)
	s.SetNow(april(20))
	require.Equal(t, "ACTIVE", s.view(id).Status, "by the instant")
	require.Equal(t, "trial_ended renewed", s.do(id, subscription.Advance{ID: id}))
}

// Rules S6 and R3; cases 1, 13 and 16: boundaries are counted from the anchor on the local calendar.
func TestRenewalsKeepToTheAnchor(t *testing.T) {
	utc := func(month time.Month, day, hour int) time.Time {
		return time.Date(2025, month, day, hour, 0, 0, 0, time.UTC)
	}
	for name, tt := range map[string]struct {
		start time.Time
		zone  string
		ends  []time.Time
	}{
		"1 the 31st":          {utc(1, 31, 0), "UTC", []time.Time{utc(2, 28, 0), utc(3, 31, 0), utc(4, 30, 0), utc(5, 31, 0)}},
		"16 in Auckland":      {utc(1, 31, 11), "Pacific/Auckland", []time.Time{utc(2, 28, 11), utc(3, 31, 11), utc(4, 30, 12), utc(5, 31, 12)}},
		"17 through a summer": {utc(2, 9, 5), "America/New_York", []time.Time{utc(3, 9, 5), utc(4, 9, 4), utc(5, 9, 4), utc(6, 9, 4)}},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			id := s.start(subscription.Start{PlanID: s.seats, StartAt: &tt.start, TimeZone: tt.zone})
			s.SetNow(tt.ends[3].Add(-time.Microsecond))
			require.Equal(t, "renewed renewed renewed", s.do(id, subscription.Advance{ID: id}))
			events := s.Stream(id)
			for i, e := range events {
				period := subscription.Period{}
				switch e := e.Event.(type) {
				case subscription.Started:
					period = e.Period
				case subscription.Renewed:
					period = e.Period
				}
				require.Equal(t, tt.ends[i], period.End)
				if i > 0 {
					require.Equal(t, tt.ends[i-1], period.Start)
					require.Equal(t, tt.ends[i-1], e.EffectiveAt)
				}
			}
		})
	}
}

// A daily plan that nobody looked after for years is caught up with many periods at a time, not all.
func TestAdvanceIsBounded(t *testing.T) {
	s := open(t)
	daily := s.Plan(s.product, func(f *catalog.PlanFields) { f.Interval = "day" })
	id := s.start(subscription.Start{PlanID: daily, StartAt: ptr(april(-1500))})
	total := 0
	for more := true; more; {
		answer, events, err := s.Execute(subscription.Advance{ID: id})
		require.NoError(t, err)
		renewed := len(slices.DeleteFunc(events, func(e ledgertest.Event) bool { return e.Event.EventType() != subscription.Renewed{}.EventType() }))
		require.LessOrEqual(t, renewed, subscription.MaxAdvance)
		total += renewed
		more = !answer.(subscription.View).DueAt.After(s.Now())
	}
	require.Equal(t, 1501, total)
	require.Equal(t, "-", s.do(id, subscription.Advance{ID: id}))
	_, _, err := s.Execute(subscription.Start{PlanID: daily, StartAt: ptr(april(-12_000))})
	require.ErrorIs(t, err, &domain.Error{Code: "bad_start"})
}

// A free subscription has no currency until it moves to a plan that has one.
func TestCurrencyComesWithThePlan(t *testing.T) {
	l := ledgertest.New(t, april(1))
	product := l.Product(func(f *catalog.ProductFields) { f.Currencies = nil })
	free := l.Plan(product, func(f *catalog.PlanFields) { f.PricingType, f.Currencies = "free", nil })
	paid := l.Plan(product)
	v := ledgertest.Must[subscription.View](l, subscription.Start{PlanID: free})
	require.Empty(t, v.Currency)
	v = ledgertest.Must[subscription.TaskAnswer](l, subscription.ChangePlan{ID: v.ID, PlanID: paid}).Subscription
	require.Equal(t, "USD", v.Currency)
}

// Rule S14: a change that was scheduled for an end in a pause holds from the resume on.
func TestAScheduledChangeInAPause(t *testing.T) {
	for name, schedule := range map[string]func(l *till, id uuid.UUID) domain.Command{
		"a plan": func(l *till, id uuid.UUID) domain.Command {
			return subscription.ChangePlan{ID: id, PlanID: l.seats("1000"), When: subscription.PeriodEnd}
		},
		"a quantity": func(_ *till, id uuid.UUID) domain.Command {
			return subscription.RemoveSeats{ID: id, Count: 1, When: subscription.PeriodEnd}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := openTill(t, april(1))
			id := l.start(subscription.Start{PlanID: l.seats("2000"), Quantity: ptr(2)})
			l.at(april(20), id, schedule(l, id), subscription.Pause{ID: id})
			l.at(on(5, 11), id)
			require.NotNil(t, l.facts(id).Scheduled)
			l.at(on(5, 11), id, subscription.Resume{ID: id})
			require.Nil(t, l.facts(id).Scheduled)
			require.Equal(t, "INV-000002 period 13.55: period 13.55", l.bills()[1], "21 of 31 days of 20.00")
			l.CheckFolds()
		})
	}
}

// A pause that extends gives its time back when no period is left to extend, and extends no trial.
func TestWhatAPauseCannotExtend(t *testing.T) {
	l := openTill(t, april(1))
	id := l.start(subscription.Start{PlanID: l.flat("3000")})
	l.at(april(5), id, subscription.Cancel{ID: id})
	l.at(april(11), id, subscription.Pause{ID: id, Credit: account.Extend})
	l.at(on(5, 21), id)
	require.Equal(t, subscription.Canceled, l.facts(id).Status)
	require.Equal(t, "INV-000002 cancel -20.00: prorationCredit -20.00", l.bills()[1])

	end := on(6, 15)
	l.SetNow(on(6, 1))
	tried := l.start(subscription.Start{PlanID: l.flat("3000"), TrialEnd: &end})
	l.at(on(6, 5), tried, subscription.Pause{ID: tried, Credit: account.Extend})
	l.at(on(6, 10), tried, subscription.Resume{ID: tried})
	require.Equal(t, end, l.facts(tried).Period.End)
	l.at(end, tried)
	require.Equal(t, end, l.facts(tried).Period.Start)
	l.CheckFolds()
}

// What a scheduled change leads to is on the upcoming invoice.
func TestTheInvoiceAfterAScheduledChange(t *testing.T) {
	l := openTill(t, april(1))
	for _, to := range []subscription.ChangePlan{{PlanID: l.flat("2000")}, {PlanID: l.flat("30000", func(f *catalog.PlanFields) { f.Interval = "year" })}} {
		id := l.start(subscription.Start{PlanID: l.flat("6000")})
		to.ID, to.When = id, subscription.PeriodEnd
		l.at(april(2), id, to)
		_, events, err := l.DryRun(subscription.Upcoming{ID: id})
		require.NoError(t, err)
		var next []int64
		for _, e := range events {
			if d, ok := e.Event.(invoice.Drafted); ok {
				next = append(next, d.Total)
			}
		}
		require.Len(t, next, 1)
		require.Contains(t, []int64{2000, 30000}, next[0])
		l.SetNow(april(2))
	}
}
