package reactions

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
)

// The scheduler goes through two year's ends, a leap day and every change of clocks between them, in zones with
// odd offsets and odd changes, in two processes: each period is renewed once, at the zone's own time of day.
func TestF58_RenewalsThroughTheCalendar(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	begin := time.Date(2027, 12, 31, 0, 0, 0, 0, time.UTC)
	f.clock.advance(begin.Sub(f.clock.Now()))
	at := func(zone, local string) (time.Time, *time.Location) {
		loc, err := time.LoadLocation(zone)
		require.NoError(t, err)
		instant, err := time.ParseInLocation("2006-01-02 15:04", local, loc)
		require.NoError(t, err)
		return instant, loc
	}
	type account struct {
		zone, start, interval string
		at                    map[string]string // local date → the instant of its renewal, where it is not plain
		sub                   uuid.UUID
	}
	cases := []*account{
		{zone: "UTC", start: "2027-12-31 23:59", interval: "month"},
		{zone: "Europe/Berlin", start: "2027-12-31 23:30", interval: "month", at: map[string]string{
			"2028-02-29": "2028-02-29T22:30:00Z", "2028-03-31": "2028-03-31T21:30:00Z", "2028-10-31": "2028-10-31T22:30:00Z"}},
		{zone: "America/St_Johns", start: "2028-01-01 00:00", interval: "month", at: map[string]string{"2028-04-01": "2028-04-01T02:30:00Z"}},
		{zone: "Asia/Kathmandu", start: "2027-12-31 23:59", interval: "month", at: map[string]string{"2028-02-29": "2028-02-29T18:14:00Z"}},
		{zone: "Pacific/Kiritimati", start: "2028-01-01 00:00", interval: "month", at: map[string]string{"2029-01-01": "2028-12-31T10:00:00Z"}},
		{zone: "Pacific/Chatham", start: "2028-01-31 02:45", interval: "month"},
		{zone: "America/New_York", start: "2028-02-29 12:00", interval: "month"},
		// Hours that are skipped are read with the offset before, of hours that occur twice the first counts.
		{zone: "America/New_York", start: "2028-01-01 02:30", interval: "day", at: map[string]string{
			"2028-03-11": "2028-03-11T07:30:00Z", "2028-03-12": "2028-03-12T07:30:00Z", "2028-03-13": "2028-03-13T06:30:00Z"}},
		{zone: "Europe/Berlin", start: "2028-01-01 02:30", interval: "day", at: map[string]string{
			"2028-03-26": "2028-03-26T01:30:00Z", "2028-10-29": "2028-10-29T00:30:00Z", "2028-10-30": "2028-10-30T01:30:00Z"}},
		{zone: "Australia/Lord_Howe", start: "2028-01-01 01:45", interval: "day", at: map[string]string{
			"2028-04-02": "2028-04-01T14:45:00Z", "2028-04-03": "2028-04-02T15:15:00Z"}},
		{zone: "Australia/Lord_Howe", start: "2028-01-01 02:15", interval: "day", at: map[string]string{
			"2028-09-30": "2028-09-29T15:45:00Z", "2028-10-01": "2028-09-30T15:45:00Z", "2028-10-02": "2028-10-01T15:15:00Z"}},
	}
	plans := map[string]uuid.UUID{"month": f.plan(t, f.live, "month"), "day": f.plan(t, f.live, "day")}
	for _, c := range cases {
		start, _ := at(c.zone, c.start)
		c.sub = answer[subscription.View](t, f.do(t, f.live, subscription.Start{PlanID: plans[c.interval], StartAt: &start, TimeZone: c.zone})).ID
	}
	f.caughtUp(t, f.live)
	one, two := f.start(t, nil), f.start(t, nil)
	end := time.Date(2029, 1, 2, 0, 0, 0, 0, time.UTC)
	for f.clock.Now().Before(end) {
		f.clock.advance(min(11*aDay, end.Sub(f.clock.Now())+time.Second))
		one.scheduler.wake.set()
		two.scheduler.wake.set()
		require.Eventually(t, func() bool {
			return f.count(t, `select count(*) from due where due_at <= $1`, f.clock.Now()) == 0
		}, patience, time.Millisecond)
	}
	all, _ := f.journal.now()
	for _, c := range cases {
		start, loc := at(c.zone, c.start)
		renewals := slices.DeleteFunc(slices.Clone(all), func(e *eventstore.Recorded) bool { return !of[subscription.Renewed](c.sub)(e) })
		for i, e := range renewals {
			wanted := wallOf(start, loc, c.interval, i+1)
			require.True(t, wanted.Equal(e.EffectiveAt), "%s %s, renewal %d: %s, want %s", c.zone, c.start, i+1, e.EffectiveAt, wanted)
			period := e.Event.(subscription.Renewed).Period
			require.True(t, period.Start.Equal(e.EffectiveAt))
			require.True(t, period.End.Equal(wallOf(start, loc, c.interval, i+2)), "%s: no gap and no overlap", c.zone)
			if literal, odd := c.at[wanted.In(loc).Format(time.DateOnly)]; odd {
				require.Equal(t, literal, e.EffectiveAt.UTC().Format(time.RFC3339), c.zone)
				delete(c.at, wanted.In(loc).Format(time.DateOnly))
			}
		}
		require.Empty(t, c.at, "%s %s: these never came", c.zone, c.start)
		require.True(t, wallOf(start, loc, c.interval, len(renewals)+1).After(f.clock.Now()), "%s %s: %d renewals", c.zone, c.start, len(renewals))
	}
}

// wallOf is the n-th boundary as a person with a calendar finds it: the same time of day, on the same day of the month or
// its last; of two such times the first, and for one that is skipped as much later as is skipped.
func wallOf(start time.Time, loc *time.Location, interval string, n int) time.Time {
	local := start.In(loc)
	y, m, d := local.Date()
	if interval == "day" {
		d += n
	} else {
		m += time.Month(n)
		d = min(d, time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day())
	}
	wall := time.Date(y, m, d, local.Hour(), local.Minute(), 0, 0, time.UTC)
	_, before := wall.Add(-30 * time.Hour).In(loc).Zone()
	_, after := wall.Add(30 * time.Hour).In(loc).Zone()
	for _, offset := range []int{max(before, after), min(before, after)} { // the greater offset is the earlier instant
		if at := wall.Add(-time.Duration(offset) * time.Second); at.In(loc).Format(time.DateTime) == wall.Format(time.DateTime) {
			return at
		}
	}
	return wall.Add(-time.Duration(before) * time.Second)
}
