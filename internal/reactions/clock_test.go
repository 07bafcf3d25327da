package reactions

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/eventstore"
)

// advance asks for a ledger's clock to be moved and waits for the end of it.
func (f *fixture) advance(t testing.TB, ledger uuid.UUID, to time.Time) *task.State {
	t.Helper()
	asked := answer[task.View](t, f.do(t, ledger, task.AdvanceClock{To: to}))
	return f.ends(t, ledger, asked.ID)
}

// lives are subscriptions and licences in which much happens by time, from an instant on.
func (f *fixture) lives(t testing.TB, ledger uuid.UUID, from time.Time) {
	t.Helper()
	f.do(t, ledger, domain.MoveClock{To: from})
	monthly := f.plan(t, ledger, "month")
	trial, later := from.AddDate(0, 0, 10), from.AddDate(0, 2, 3)
	f.do(t, ledger, subscription.Start{PlanID: monthly, TrialEnd: &trial})
	f.do(t, ledger, subscription.Start{PlanID: monthly, StartAt: &later})
	ends := answer[subscription.View](t, f.do(t, ledger, subscription.Start{PlanID: f.plan(t, ledger, "week")}))
	f.do(t, ledger, subscription.Cancel{ID: ends.ID})
	end := from.AddDate(0, 5, 0)
	f.do(t, ledger, license.Grant{PlanID: monthly, Purchaser: "mia", EndTime: &end})
}

// happened lists a ledger's events without ids and without the clock's own.
func (f *fixture) happened(t testing.TB, ledger uuid.UUID) (all []string) {
	t.Helper()
	names := map[uuid.UUID]string{}
	events, err := f.store.Page(t.Context(), ledger, 0, 1000)
	require.NoError(t, err)
	for _, e := range events {
		if e.Kind() == "clock" || e.Kind() == "task" {
			continue
		}
		if names[e.Stream] == "" {
			names[e.Stream] = fmt.Sprint("stream ", len(names))
		}
		var period struct{ Period json.RawMessage }
		require.NoError(t, json.Unmarshal(e.Data, &period))
		all = append(all, fmt.Sprintf("%s %s %s %s %s", names[e.Stream], e.Type, e.EffectiveAt.Format(time.RFC3339Nano), e.RecordedAt.Format(time.RFC3339Nano), period.Period))
	}
	return all
}

// Case 142: thirteen months at once are what thirteen times one month are; everything happens at its own instant.
func TestCase142TheClockAdvances(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	from := time.Date(2024, 1, 31, 12, 0, 0, 0, time.UTC)
	_, other := f.organisation(t)
	for _, ledger := range []uuid.UUID{f.test, other} {
		f.lives(t, ledger, from)
	}
	f.start(t, func(c *Config) { c.Tick = time.Hour })
	to := from.AddDate(0, 13, 0)
	require.Equal(t, task.Success, f.advance(t, f.test, to).Status)
	for month := 1; month <= 13; month++ {
		require.Equal(t, task.Success, f.advance(t, other, from.AddDate(0, month, 0)).Status)
	}
	at := f.happened(t, f.test)
	require.Equal(t, at, f.happened(t, other))
	require.Greater(t, len(at), 30)
	head, err := f.store.Page(t.Context(), f.test, 0, 1000)
	require.NoError(t, err)
	require.Equal(t, to, head[len(head)-1].RecordedAt)
	for _, e := range head {
		if e.EffectiveAt.After(from) && e.EffectiveAt.Before(to) && e.Kind() != "clock" && e.Kind() != "task" && e.Type != "subscription.cancellation_scheduled.v1" {
			if _, started := e.Event.(subscription.Started); !started {
				require.Equal(t, e.EffectiveAt, e.RecordedAt, "%s at its own instant", e.Type)
			}
		}
	}
	require.Zero(t, f.count(t, `select count(*) from due where ledger_id = $1 and asleep is null and due_at <= $2`, f.test, to))
	require.Equal(t, task.Success, f.advance(t, f.test, to).Status, "where it stands already")
}

// A worker that is killed at any step leaves a clock that the next one moves on, and two at once do nothing twice.
func TestAnAdvanceGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	from := time.Date(2024, 1, 31, 12, 0, 0, 0, time.UTC)
	_, other := f.organisation(t)
	for _, ledger := range []uuid.UUID{f.test, other} {
		f.lives(t, ledger, from)
	}
	to := from.AddDate(1, 0, 0)
	var crashes atomic.Int64
	crashing := f.start(t, func(c *Config) {
		c.Tick = time.Hour
		c.Fault = func(step string) error {
			if (step == "due" || step == "call asked") && crashes.Add(1)%3 == 1 {
				return errors.New("killed")
			}
			return nil
		}
	})
	asked := answer[task.View](t, f.do(t, f.test, task.AdvanceClock{To: to}))
	require.Eventually(t, func() bool { return crashes.Load() > 2 }, patience, time.Millisecond)
	crashing.stop()
	f.clock.advance(2 * time.Minute) // its lease is over
	for range 2 {
		f.start(t, func(c *Config) { c.Tick = time.Hour })
	}
	require.Equal(t, task.Success, f.ends(t, f.test, asked.ID).Status)
	require.Equal(t, task.Success, f.advance(t, other, to).Status)
	require.Equal(t, f.happened(t, other), f.happened(t, f.test))
}

func TestAClockIsAdvancedOnlyWhereThereIsOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, tt := range map[string]struct {
		ledger uuid.UUID
		to     time.Time
		code   string
	}{
		"a live ledger":  {f.live, time.Now().Add(time.Hour), "not_a_test_ledger"},
		"the year 10000": {f.test, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), "bad_time"},
		"backwards":      {f.test, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), "clock_backwards"},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.code == "clock_backwards" {
				f.plan(t, f.test, "day")
			}
			f.refuses(t, tt.ledger, task.AdvanceClock{To: tt.to}, tt.code)
		})
	}
	f.refuses(t, f.test, task.Report{TaskID: uuid.New(), Attempt: 1, Status: task.Success}, "no_task")
	seat := f.addSeat(t, f.test, f.subscribed(t, f.test))
	f.refuses(t, f.test, task.Report{TaskID: seat, Attempt: 1, Status: task.Success}, "no_task")
}

func (f *fixture) refuses(t testing.TB, ledger uuid.UUID, c domain.Command, code string) {
	t.Helper()
	_, err := f.store.Execute(t.Context(), eventstore.Request{Ledger: ledger, Command: c})
	require.ErrorIs(t, err, &domain.Error{Code: code})
}
