package reactions

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/selftest"
	"github.com/subledger/subledger/projections"
)

// period is the one under way of a subscription.
func (f *fixture) period(t testing.TB, ledger, sub uuid.UUID) subscription.Period {
	t.Helper()
	state, _, err := f.store.Fold(t.Context(), ledger, sub)
	require.NoError(t, err)
	return state.(*subscription.State).Period
}

// Case 23 from the customer's change to the next invoice: subscriptions follow by themselves, more than fit on a page.
func TestCase23SubscriptionsFollowTheirCustomer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start(t, func(c *Config) { c.Tick = time.Hour })
	day := func(month time.Month, day, hour int) time.Time {
		return time.Date(2025, month, day, hour, 0, 0, 0, time.UTC)
	}
	f.do(t, f.test, domain.MoveClock{To: day(6, 1, 0)})
	currency := "USD"
	ada := answer[customer.View](t, f.do(t, f.test, customer.Create{Patch: customer.Patch{Currency: &currency}})).ID
	plan := f.metered(t, f.test)
	var subs []uuid.UUID
	for range duePage + 2 {
		subs = append(subs, answer[subscription.View](t, f.do(t, f.test, subscription.Start{PlanID: plan, CustomerID: &ada})).ID)
	}
	f.use(t, f.test, subs[0], "100", day(6, 1, 0))
	f.advance(t, f.test, day(6, 10, 0))
	zone := "America/Los_Angeles"
	f.do(t, f.test, customer.Change{ID: ada, Patch: customer.Patch{TimeZone: &zone}})
	f.awaits(t, 1, of[customer.Moved](ada))
	june := subscription.Period{Start: day(6, 1, 0), End: day(7, 1, 7)}
	for _, id := range subs {
		require.Equal(t, june, f.period(t, f.test, id))
	}
	f.use(t, f.test, subs[0], "10", day(6, 10, 0))
	f.advance(t, f.test, day(7, 1, 6))
	require.Equal(t, len(subs), f.count(t, `select count(*) from events where type = 'invoice.drafted.v1'`), "June is not over")
	f.advance(t, f.test, day(7, 1, 7))
	require.Equal(t, day(8, 1, 7), f.period(t, f.test, subs[1]).End)
	require.Equal(t, 1, f.count(t, `select count(*) from usage_periods where total = 110 and period_start = $1 and period_end = $2`, june.Start, june.End))
	require.Zero(t, f.count(t, `select count(*) from due where kind = 'zone'`))

	// At one instant of its clock a customer may move more than once.
	for n, zone := range []string{"Europe/London", "Asia/Tokyo"} {
		f.do(t, f.test, customer.Change{ID: ada, Patch: customer.Patch{TimeZone: &zone}})
		f.awaits(t, 2+n, of[customer.Moved](ada))
	}
	f.advance(t, f.test, day(8, 2, 0))
	require.Equal(t, day(8, 31, 15), f.period(t, f.test, subs[1]).End)
	f.caughtUp(t, f.test)
	all, err := selftest.Check(t.Context(), f.owner, selftest.Options{Ledgers: []uuid.UUID{f.test}})
	require.NoError(t, err)
	for _, found := range all {
		if found.Number == 7 || found.Number == 8 {
			require.Empty(t, found.Breaches, found.Name)
		}
	}
}

// Who moves on while subscriptions follow has not arrived: the row of the second move takes all of them along.
func TestMovingOnWhileSubscriptionsFollow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	june := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	f.do(t, f.test, domain.MoveClock{To: june})
	currency := "USD"
	ada := answer[customer.View](t, f.do(t, f.test, customer.Create{Patch: customer.Patch{Currency: &currency}})).ID
	sub := answer[subscription.View](t, f.do(t, f.test, subscription.Start{PlanID: f.metered(t, f.test), CustomerID: &ada})).ID
	to := func(zone string) { f.do(t, f.test, customer.Change{ID: ada, Patch: customer.Patch{TimeZone: &zone}}) }
	onward := sync.OnceFunc(func() { to("America/Los_Angeles") })
	to("Asia/Tokyo")
	f.start(t, func(c *Config) {
		c.Tick = 50 * time.Millisecond
		c.Fault = func(step string) error {
			if step == "due" { // all have followed, and the customer has not arrived yet
				onward()
			}
			return nil
		}
	})
	f.awaits(t, 1, of[customer.Moved](ada))
	require.Equal(t, june.AddDate(0, 1, 0).Add(7*time.Hour), f.period(t, f.test, sub).End)
}

// Case 25: another release of the time zone database than last time has all periods under way looked over, once.
func TestCase25AnotherReleaseOfTheZones(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	start := time.Date(time.Now().Year()-2, 4, 10, 4, 0, 0, 0, time.UTC) // midnight in New York in summer
	plan := f.plan(t, f.live, "year")
	buy := func(zone string) uuid.UUID {
		id := answer[subscription.View](t, f.do(t, f.live, subscription.Start{PlanID: plan, StartAt: &start, TimeZone: zone})).ID
		f.do(t, f.live, subscription.Advance{ID: id})
		return id
	}
	sub, other := buy("America/New_York"), buy("Europe/Berlin")
	is := f.period(t, f.live, sub)
	old := subscription.Period{Start: is.Start, End: is.End.Add(time.Hour)} // as if there were no summer time
	f.do(t, f.live, written{sub, subscription.Rezoned{TimeZone: "America/New_York", AnchorAt: start, Period: old}})
	f.settles(t)
	_, err := f.owner.Exec(t.Context(), `insert into zone_release (release) values ('2024a')`)
	require.NoError(t, err)
	stays := f.period(t, f.live, other)
	// As in a process that makes no read models.
	f.start(t, func(c *Config) {
		c.Applied, c.Reads, c.Tick = nil, projections.NewReads(f.app, nil, nil), 20*time.Millisecond
	})
	f.awaits(t, 2, of[subscription.Rezoned](sub))
	require.Equal(t, is, f.period(t, f.live, sub))
	require.Equal(t, stays, f.period(t, f.live, other))
	require.Eventually(t, func() bool {
		return f.count(t, `select count(*) from zone_release where release = $1`, period.ZoneVersion) == 1
	}, patience, 5*time.Millisecond)
	f.do(t, f.live, subscription.Rezone{ID: sub})
	require.Len(t, f.awaits(t, 2, of[subscription.Rezoned](sub)), 2, "once")
}

// written is an event as an earlier version of the program wrote it.
type written struct {
	stream uuid.UUID
	event  domain.Event
}

func (c written) Decide(l domain.Ledger) (any, error) {
	l.Append(c.stream, c.event)
	return nil, nil
}
