package period_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/period"
)

var (
	daily     = period.Interval{Unit: period.Day, Count: 1}
	weekly    = period.Interval{Unit: period.Week, Count: 1}
	monthly   = period.Interval{Unit: period.Month, Count: 1}
	quarterly = period.Interval{Unit: period.Month, Count: 3}
	yearly    = period.Interval{Unit: period.Year, Count: 1}
)

// at reads a date, a date with minutes, or all of RFC 3339; UTC unless it says otherwise.
func at(t require.TestingT, s string) time.Time {
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", time.RFC3339Nano} {
		if got, err := time.Parse(layout, s); err == nil {
			return got.UTC()
		}
	}
	require.FailNow(t, "no time", s)
	return time.Time{}
}

func zone(t require.TestingT, name string) *time.Location {
	z, err := period.Zone(name)
	require.NoError(t, err)
	return z
}

func times(t require.TestingT, ss ...string) []time.Time {
	var ts []time.Time
	for _, s := range ss {
		ts = append(ts, at(t, s))
	}
	return ts
}

// Rule R3.
func TestB29_BoundariesAreCountedFromTheAnchor(t *testing.T) {
	for name, tt := range map[string]struct {
		anchor   string
		interval period.Interval
		zone     string
		first    int // the number of the first boundary in want
		want     []string
	}{
		"the 31st, monthly (case 1)": {"2025-01-31", monthly, "UTC", 1,
			[]string{"2025-02-28", "2025-03-31", "2025-04-30", "2025-05-31", "2025-06-30"}},
		"the 31st in a leap year (case 2)":    {"2024-01-31", monthly, "UTC", 1, []string{"2024-02-29", "2024-03-31"}},
		"the 29th in a leap year (case 4)":    {"2024-01-29", monthly, "UTC", 1, []string{"2024-02-29", "2024-03-29"}},
		"the 29th in any other year (case 4)": {"2025-01-29", monthly, "UTC", 1, []string{"2025-02-28", "2025-03-29"}},
		"29 February, yearly (case 5)": {"2024-02-29", yearly, "UTC", 1,
			[]string{"2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"}},
		"quarterly from 30 November (case 8)": {"2024-11-30", quarterly, "UTC", 1,
			[]string{"2025-02-28", "2025-05-30", "2025-08-30", "2025-11-30"}},
		"weekly over the end of the year (case 11)": {"2024-12-30", weekly, "UTC", 0, []string{"2024-12-30", "2025-01-06"}},
		"the last microsecond of the year (case 13)": {"2024-12-31T23:59:59.999999Z", monthly, "UTC", 0,
			[]string{"2024-12-31T23:59:59.999999Z", "2025-01-31T23:59:59.999999Z", "2025-02-28T23:59:59.999999Z"}},
		"the first of the month in Auckland (case 16)": {"2024-12-31 11:00", monthly, "Pacific/Auckland", 1, []string{"2025-01-31 11:00"}},
		"midnights in New York over the spring change (case 17)": {"2025-03-01 05:00", monthly, "America/New_York", 0,
			[]string{"2025-03-01 05:00", "2025-04-01 04:00"}},
		"a time that New York skips (case 19)": {"2025-02-09 07:30", monthly, "America/New_York", 0,
			[]string{"2025-02-09 07:30", "2025-03-09 07:30", "2025-04-09 06:30"}},
		"a time that New York has twice (case 20)": {"2025-10-02 05:30", monthly, "America/New_York", 0,
			[]string{"2025-10-02 05:30", "2025-11-02 05:30", "2025-12-02 06:30"}},
		"an anchor in the second of the two stays there": {"2025-11-02 06:30", daily, "America/New_York", -1,
			[]string{"2025-11-01 05:30", "2025-11-02 06:30", "2025-11-03 06:30"}},
		"a date that Apia skips (case 22)": {"2011-11-30 10:00", monthly, "Pacific/Apia", 0,
			[]string{"2011-11-30 10:00", "2011-12-30 10:00", "2012-01-29 10:00"}},
		"the same, daily: a period of no length (case 22)": {"2011-12-29 10:00", daily, "Pacific/Apia", 0,
			[]string{"2011-12-29 10:00", "2011-12-30 10:00", "2011-12-30 10:00", "2011-12-31 10:00"}},
		"the same at noon": {"2011-12-29 22:00", daily, "Pacific/Apia", 0,
			[]string{"2011-12-29 22:00", "2011-12-30 22:00", "2011-12-30 22:00", "2011-12-31 22:00"}},
		"an hour's gap at midnight moves to one": {"2018-11-03 03:00", daily, "America/Sao_Paulo", 0,
			[]string{"2018-11-03 03:00", "2018-11-04 03:00", "2018-11-05 02:00"}},
		// Go's ZoneBounds ends before it begins there: golang/go#81583.
		"New Year's Eve of a leap year far ahead": {"2040-12-30 23:00", daily, "Europe/Warsaw", 0,
			[]string{"2040-12-30 23:00", "2040-12-31 23:00", "2041-01-01 23:00"}},
		"the same in a southern summer": {"2040-12-30 11:00", daily, "Pacific/Auckland", 0,
			[]string{"2040-12-30 11:00", "2040-12-31 11:00", "2041-01-01 11:00"}},
		"half an hour's gap in Lord Howe": {"2025-10-03 15:40", daily, "Australia/Lord_Howe", 0,
			[]string{"2025-10-03 15:40", "2025-10-04 15:40", "2025-10-05 15:10"}},
		"days, not hours, over the autumn change": {"2025-10-25 22:00", daily, "Europe/Berlin", 0,
			[]string{"2025-10-25 22:00", "2025-10-26 23:00", "2025-10-27 23:00"}},
		"before the anchor": {"2025-03-31", monthly, "UTC", -3, []string{"2024-12-31", "2025-01-31", "2025-02-28", "2025-03-31"}},
		"fourteen days":     {"2025-02-20", period.Interval{Unit: period.Day, Count: 14}, "UTC", 1, []string{"2025-03-06", "2025-03-20"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := period.New(at(t, tt.anchor), tt.interval, tt.zone)
			require.NoError(t, err)
			var got []time.Time
			for i := range tt.want {
				got = append(got, s.Boundary(tt.first+i))
			}
			require.Empty(t, cmp.Diff(times(t, tt.want...), got))
		})
	}
}

// Case 19 as it is written: the anchor itself is a time that does not exist.
func TestAWallTimeThatIsSkippedIsAnAnchorToo(t *testing.T) {
	s := period.Schedule{Wall: period.NewWall(2025, time.March, 9, 2, 30, 0, 0), Interval: monthly, Zone: zone(t, "America/New_York")}
	require.Equal(t, at(t, "2025-03-09 07:30"), s.Boundary(0))
	require.Equal(t, at(t, "2025-04-09 06:30"), s.Boundary(1)) // 02:30 again
	s.Interval = daily
	require.Equal(t, at(t, "2025-03-10 06:30"), s.Boundary(1))

	// Case 20.
	require.Equal(t, at(t, "2025-11-02 05:30"), period.NewWall(2025, time.November, 2, 1, 30, 0, 0).In(zone(t, "America/New_York")))
	// Case 22.
	require.Equal(t, at(t, "2011-12-30 10:00"), period.NewWall(2011, time.December, 30, 0, 0, 0, 0).In(zone(t, "Pacific/Apia")))
}

// Case 7.
func TestMonthEndIsAChoice(t *testing.T) {
	plain := period.Schedule{Anchor: at(t, "2025-02-28"), Interval: monthly}
	require.Equal(t, times(t, "2025-03-28", "2025-04-28"), []time.Time{plain.Boundary(1), plain.Boundary(2)})
	end := plain
	end.MonthEnd = true
	require.Equal(t, times(t, "2025-02-28", "2025-03-31", "2025-04-30"), []time.Time{end.Boundary(0), end.Boundary(1), end.Boundary(2)})
	end.Interval = yearly
	require.Equal(t, at(t, "2028-02-29"), end.Boundary(3))
}

// Case 10.
func TestAMonthlyAddOnCutsItsQuarterInThree(t *testing.T) {
	anchor := at(t, "2026-03-31")
	quarter := period.Schedule{Anchor: anchor, Interval: quarterly}.Period(2)
	require.Equal(t, period.Period{Start: at(t, "2026-09-30"), End: at(t, "2026-12-31")}, quarter)
	var slices []period.Period
	for _, p := range (period.Schedule{Anchor: anchor, Interval: monthly}).Between(quarter.Start, quarter.End) {
		slices = append(slices, p)
	}
	require.Equal(t, []period.Period{
		{Start: at(t, "2026-09-30"), End: at(t, "2026-10-31")},
		{Start: at(t, "2026-10-31"), End: at(t, "2026-11-30")},
		{Start: at(t, "2026-11-30"), End: at(t, "2026-12-31")},
	}, slices)
}

// Case 22: neither lost nor doubled, and the empty period is not listed.
func TestBetweenLeavesTheSkippedDateOut(t *testing.T) {
	s := period.Schedule{Anchor: at(t, "2011-12-28 10:00"), Interval: daily, Zone: zone(t, "Pacific/Apia")}
	var got []int
	last := at(t, "2011-12-28 10:00")
	for n, p := range s.Between(last, at(t, "2012-01-02")) {
		require.Equal(t, last, p.Start)
		got, last = append(got, n), p.End
	}
	require.Equal(t, []int{0, 1, 3, 4, 5}, got)
}

// Case 23.
func TestACustomersNewZoneKeepsTheWallTime(t *testing.T) {
	old := period.Schedule{Anchor: at(t, "2025-06-01"), Interval: monthly}
	n, running := old.At(at(t, "2025-06-10"))
	moved := old.Rezone(zone(t, "America/Los_Angeles"))
	running.End = moved.Boundary(n + 1)
	require.Equal(t, period.Period{Start: at(t, "2025-06-01"), End: at(t, "2025-07-01 07:00")}, running)
	require.EqualValues(t, 727*3600, running.Seconds())
	require.Equal(t, running.End, moved.Period(n+1).Start)
	require.Equal(t, at(t, "2025-12-01 08:00"), moved.Boundary(6))
}

// Rule R2 and cases 34, 74.
func TestABoundaryBelongsToTheNewPeriod(t *testing.T) {
	s := period.Schedule{Anchor: at(t, "2025-01-31"), Interval: monthly}
	n, p := s.At(at(t, "2025-02-28"))
	require.Equal(t, 1, n)
	require.Equal(t, period.Period{Start: at(t, "2025-02-28"), End: at(t, "2025-03-31")}, p)
	require.True(t, p.Contains(p.Start))
	require.False(t, p.Contains(p.End))
	n, before := s.At(at(t, "2025-02-27T23:59:59.999999Z"))
	require.Equal(t, 0, n)
	require.Equal(t, p.Start, before.End)
	n, _ = s.At(at(t, "2024-12-30"))
	require.Equal(t, -2, n)
}

// What a licence of `length` × `interval` or a trial of some days ends at.
func TestAfter(t *testing.T) {
	for _, tt := range []struct {
		start string
		i     period.Interval
		zone  string
		want  string
	}{
		{"2025-01-31T12:34:56.789Z", monthly, "UTC", "2025-02-28T12:34:56.789Z"},
		{"2024-02-29", yearly, "UTC", "2025-02-28"},
		{"2025-03-20", period.Interval{Unit: period.Day, Count: 14}, "UTC", "2025-04-03"},
		{"2025-03-20 12:00", period.Interval{Unit: period.Day, Count: 14}, "Europe/Berlin", "2025-04-03 11:00"},
		{"2025-01-31", period.Interval{Unit: period.Week, Count: 2}, "UTC", "2025-02-14"},
		{"9999-12-15", monthly, "UTC", "9999-12-31T23:59:59.999999Z"},
	} {
		require.Equal(t, at(t, tt.want), tt.i.After(at(t, tt.start), zone(t, tt.zone)), tt.start)
	}
}

func TestTheCalendarEnds(t *testing.T) {
	s := period.Schedule{Anchor: at(t, "2025-01-31"), Interval: monthly, Zone: zone(t, "Asia/Tokyo")}
	for _, n := range []int{1 << 20, 1<<63 - 1} {
		require.Equal(t, period.Max, s.Boundary(n))
		require.Equal(t, period.Min, s.Boundary(-n))
	}
	longest := period.Interval{Unit: period.Year, Count: period.MaxCount}
	require.Equal(t, period.Max, longest.After(s.Anchor, nil))
	for _, in := range []time.Time{period.Max, time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC)} {
		_, p := s.At(in)
		require.Equal(t, period.Period{Start: at(t, "9999-12-31"), End: period.Max}, p)
	}
	_, p := s.At(time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC))
	require.Equal(t, period.Min, p.Start)
	require.False(t, p.Empty())
	count := 0
	for range s.Between(at(t, "9999-11-01"), time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC)) {
		count++
	}
	require.Equal(t, 3, count) // from 31 October, 30 November and 31 December

	outside := &domain.Error{Code: "time_out_of_range"}
	_, err := period.New(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), monthly, "UTC")
	require.ErrorIs(t, err, outside)
	require.ErrorIs(t, period.Check(period.Min.Add(-1)), outside)
	require.NoError(t, period.Check(period.Min))
	require.NoError(t, period.Check(period.Max))
}

func TestNewRefuses(t *testing.T) {
	for _, name := range []string{"", "Local", "local", "Europe/Nowhere", "../etc/passwd", "/etc/localtime", "europe/berlin", "Europe/", "EUROPE/BERLIN"} {
		_, err := period.New(at(t, "2025-01-01"), monthly, name)
		require.ErrorIs(t, err, &domain.Error{Code: "unknown_time_zone"}, name)
	}
	_, err := period.New(at(t, "2025-01-01"), period.Interval{}, "UTC")
	require.ErrorIs(t, err, &domain.Error{Code: "bad_interval"})
	require.Panics(t, func() { period.Schedule{}.Boundary(1) })
}

// Fault F59: neither ZONEINFO nor the machine's files have a say.
func TestF59_ZonesComeWithTheProgram(t *testing.T) {
	t.Setenv("ZONEINFO", t.TempDir())
	berlin := zone(t, "Europe/Berlin")
	require.Same(t, berlin, zone(t, "Europe/Berlin"))
	require.Equal(t, "Europe/Berlin", berlin.String())
	require.Same(t, time.UTC, zone(t, "UTC"))
	_, offset := at(t, "2040-07-01").In(berlin).Zone()
	require.Equal(t, 7200, offset)
}

func TestAWallTimeAsText(t *testing.T) {
	for _, s := range []string{"2025-03-09T02:30:00", "2024-12-31T23:59:59.999999", "0001-01-02T00:00:00"} {
		var w period.Wall
		require.NoError(t, w.UnmarshalText([]byte(s)))
		out, err := w.MarshalText()
		require.NoError(t, err)
		require.Equal(t, s, string(out))
	}
	for _, s := range []string{"", "2025-02-30T00:00:00", "2025-03-09T02:30:00Z", "2025-03-09"} {
		require.Error(t, new(period.Wall).UnmarshalText([]byte(s)), s)
	}
}

// Every anchor at a month's end clamps and comes back, counted here by hand from the calendar.
func TestB29_FortyEightMonthsFromEveryLateDay(t *testing.T) {
	for day := 28; day <= 31; day++ {
		for start := range 12 {
			anchor := time.Date(2023, time.Month(start+1), day, 23, 59, 59, 999_999_000, time.UTC)
			if anchor.Day() != day {
				continue // no such date
			}
			s, err := period.New(anchor, monthly, "UTC")
			require.NoError(t, err)
			for n := range 49 {
				last := time.Date(2023, time.Month(start+1+n+1), 0, 0, 0, 0, 0, time.UTC).Day() // the day before the next month's first
				want := time.Date(2023, time.Month(start+1+n), min(day, last), 23, 59, 59, 999_999_000, time.UTC)
				require.True(t, s.Boundary(n).Equal(want), "%s + %d months: %s, not %s", anchor, n, s.Boundary(n), want)
			}
		}
	}
	s, err := period.New(at(t, "2024-02-29"), yearly, "UTC")
	require.NoError(t, err)
	for n := range 100 {
		day := 28
		if y := 2024 + n; y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			day = 29
		}
		require.Equal(t, time.Date(2024+n, time.February, day, 0, 0, 0, 0, time.UTC), s.Boundary(n))
	}
}
