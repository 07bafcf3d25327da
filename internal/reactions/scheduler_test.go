package reactions

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
)

const aDay = 24 * time.Hour

func (f *fixture) daily(t testing.TB, ledger uuid.UUID) uuid.UUID {
	t.Helper()
	return answer[subscription.View](t, f.do(t, ledger, subscription.Start{PlanID: f.plan(t, ledger, "day")})).ID
}

// caughtUp waits until the read models hold all of a ledger.
func (f *fixture) caughtUp(t testing.TB, ledger uuid.UUID) {
	t.Helper()
	require.NoError(t, f.applied.Wait(t.Context(), ledger, f.store.Acknowledged(ledger)))
}

// tick lets a scheduler go by the clock at once, as its timer would later.
func (p *running) tick(c *clock, d time.Duration) {
	c.advance(d)
	p.scheduler.wake.set()
}

// What fell due while nobody ran happens in order, dated to its instants, and once for two processes.
func TestF61_FortyDaysDown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sub := f.daily(t, f.live)
	ends := f.do(t, f.live, subscription.Cancel{ID: f.daily(t, f.live)})
	ended := answer[subscription.TaskAnswer](t, ends).Subscription.ID
	f.caughtUp(t, f.live)
	f.clock.advance(40*aDay + time.Hour)
	for range 2 {
		f.start(t, nil)
	}
	renewals := f.awaits(t, 40, of[subscription.Renewed](sub))
	f.awaits(t, 1, of[subscription.Ended](ended))
	require.Len(t, renewals, 40)
	require.True(t, slices.IsSortedFunc(renewals, func(a, b *eventstore.Recorded) int { return a.EffectiveAt.Compare(b.EffectiveAt) }))
	for i, e := range renewals {
		require.Equal(t, e.EffectiveAt, e.Event.(subscription.Renewed).Period.Start)
		if i > 0 {
			require.Equal(t, aDay, e.EffectiveAt.Sub(renewals[i-1].EffectiveAt))
		}
	}
	f.caughtUp(t, f.live)
	require.Eventually(t, func() bool {
		return f.count(t, `select count(*) from due where due_at <= $1`, f.clock.Now()) == 0
	}, patience, time.Millisecond)
	require.Len(t, f.awaits(t, 40, of[subscription.Renewed](sub)), 40)
}

// One command does a thousand events at most; the rest follows without a further tick.
func TestThreeYearsDown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sub := f.daily(t, f.live)
	f.caughtUp(t, f.live)
	f.clock.advance(1100*aDay + time.Hour)
	f.start(t, func(c *Config) { c.Tick = time.Hour })
	require.Len(t, f.awaits(t, 1100, of[subscription.Renewed](sub)), 1100)
}

func TestSchedulerWakesAtTheNextInstant(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	plan := f.plan(t, f.live, "month")
	end := f.clock.Now().Add(400 * time.Millisecond)
	granted := answer[license.View](t, f.do(t, f.live, license.Grant{PlanID: plan, Purchaser: "acme", EndTime: &end}))
	f.caughtUp(t, f.live)
	f.start(t, func(c *Config) { c.Tick = time.Hour })
	ended := f.awaits(t, 1, of[license.Ended](granted.ID))[0]
	require.Equal(t, "expired", ended.Event.(license.Ended).Reason)
	require.Equal(t, granted.EndTime, ended.EffectiveAt)
	require.Less(t, ended.RecordedAt.Sub(granted.EndTime), 5*time.Second)
}

// A ledger with a clock of its own knows no other time; one without goes by the system's, test or not.
func TestTestClocks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, clockless := f.organisation(t)
	start := f.clock.Now().Add(-100 * aDay).UTC().Truncate(time.Second)
	f.do(t, f.test, domain.MoveClock{To: start})
	clocked, other := f.daily(t, f.test), f.daily(t, clockless)
	f.caughtUp(t, f.test)
	f.caughtUp(t, clockless)
	p := f.start(t, func(c *Config) { c.Tick = time.Hour })

	p.tick(f.clock, 3*aDay+time.Hour)
	f.awaits(t, 3, of[subscription.Renewed](other))
	events, _ := f.journal.now()
	require.False(t, slices.ContainsFunc(events, of[subscription.Renewed](clocked)), "its own clock stands still")

	f.do(t, f.test, domain.MoveClock{To: start.Add(2*aDay + time.Hour)})
	renewals := f.awaits(t, 2, of[subscription.Renewed](clocked))
	require.Len(t, renewals, 2)
	require.Equal(t, start.Add(2*aDay+time.Hour), renewals[1].RecordedAt)
	require.Equal(t, start.Add(2*aDay), renewals[1].EffectiveAt)
}

// A row that cannot be done is tried again later; the rows after it do not wait.
func TestAFailingRowBlocksNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sub := f.daily(t, f.live)
	f.caughtUp(t, f.live)
	orphan := uuid.New()
	_, err := f.owner.Exec(t.Context(), `insert into due (ledger_id, stream_id, kind, due_at, position) values ($1, $2, 'period_end', now() - interval '1 day', 1)`, f.live, orphan)
	require.NoError(t, err)
	f.clock.advance(aDay + time.Hour)
	p := f.start(t, func(c *Config) { c.Tick = time.Millisecond })
	f.awaits(t, 1, of[subscription.Renewed](sub))
	failures := func() float64 { return p.gauge(t, "scheduled_total") }
	require.Eventually(t, func() bool { return failures() >= 2 }, patience, time.Millisecond) // one done, one failed
	before := failures()
	p.tick(f.clock, 2*time.Second)
	require.Eventually(t, func() bool { return failures() > before }, patience, time.Millisecond)
	p.scheduler.mu.Lock()
	defer p.scheduler.mu.Unlock()
	for id, failure := range p.scheduler.failing {
		require.Equal(t, orphan, id.stream)
		require.GreaterOrEqual(t, failure.times, 2)
	}
	require.Len(t, p.scheduler.failing, 1)
}

// A crash after the command leaves the row; the next scheduler repeats the command's key.
func TestSchedulerCrash(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sub := f.daily(t, f.live)
	f.caughtUp(t, f.live)
	row := f.count(t, `select count(*) from due where stream_id = $1`, sub)
	require.Equal(t, 1, row)
	f.clock.advance(aDay + time.Hour)
	crashes := 0
	p := f.start(t, func(c *Config) {
		c.Fault = func(step string) error {
			if step == "due" {
				if crashes++; crashes == 1 {
					return errors.New("before the command")
				}
			}
			return nil
		}
	})
	require.Eventually(t, func() bool { return p.gauge(t, "scheduled_total") == 1 }, patience, time.Millisecond)
	p.tick(f.clock, 20*time.Second)
	require.Len(t, f.awaits(t, 1, of[subscription.Renewed](sub)), 1)
}

// BenchmarkPass is a look at many ledgers with nothing due.
func BenchmarkPass(b *testing.B) {
	f := newFixture(b)
	_, err := f.owner.Exec(b.Context(), `insert into ledgers (ledger_id, organisation_id, mode, head, recorded_at, wrapped_key)
		select gen_random_uuid(), gen_random_uuid(), 'live', decode(repeat('00', 32), 'hex'), now(), '' from generate_series(1, 10000)`)
	require.NoError(b, err)
	_, err = f.owner.Exec(b.Context(), `insert into due (ledger_id, stream_id, kind, due_at, position)
		select ledger_id, gen_random_uuid(), 'period_end', now() + interval '1 day', 1 from ledgers cross join generate_series(1, 10)`)
	require.NoError(b, err)
	_, err = f.owner.Exec(b.Context(), `analyze ledgers; analyze due`)
	require.NoError(b, err)
	cfg := Config{Store: f.store, Pool: f.app, Now: f.clock.Now}
	cfg.setDefaults()
	m, err := newInstruments(cfg.Registerer)
	require.NoError(b, err)
	s := &scheduler{cfg: &cfg, metrics: m, wake: newSignal(), moved: map[uuid.UUID]int64{}, failing: map[dueKey]failure{}}
	for b.Loop() {
		s.pass(b.Context())
	}
}
