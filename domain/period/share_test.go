package period_test

import (
	"math/big"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/money"
	"github.com/subledger/subledger/domain/period"
)

var modes = []period.Mode{period.BySecond, period.ByDay, period.ByFixed30}

// Rules R4 and R1: what is left of a price at a change, in minor units.
func TestWhatIsLeftOfAPrice(t *testing.T) {
	for name, tt := range map[string]struct {
		start, end string
		zone       string
		change     string
		price      int64
		want       map[period.Mode]int64
	}{
		"half of April: 10 (case 26)": {"2025-04-01", "2025-05-01", "UTC", "2025-04-16", 1000,
			map[period.Mode]int64{period.BySecond: 500, period.ByDay: 500, period.ByFixed30: 500}},
		"January from the 11th: 100 (case 28)": {"2025-01-01", "2025-02-01", "UTC", "2025-01-11", 10000,
			map[period.Mode]int64{period.BySecond: 6774, period.ByDay: 6774, period.ByFixed30: 6667}},
		"January from the 11th: 250 (case 28)": {"2025-01-01", "2025-02-01", "UTC", "2025-01-11", 25000,
			map[period.Mode]int64{period.BySecond: 16935, period.ByDay: 16935, period.ByFixed30: 16667}},
		"February: 30 (case 29)":           {"2025-02-01", "2025-03-01", "UTC", "2025-02-15", 3000, map[period.Mode]int64{period.BySecond: 1500, period.ByDay: 1500}},
		"a leap February: 30 (case 29)":    {"2024-02-01", "2024-03-01", "UTC", "2024-02-15", 3000, map[period.Mode]int64{period.BySecond: 1552, period.ByDay: 1552}},
		"a leap February: 60 (case 29)":    {"2024-02-01", "2024-03-01", "UTC", "2024-02-15", 6000, map[period.Mode]int64{period.BySecond: 3103}},
		"to the 11th of April (case 32)":   {"2025-04-01", "2025-05-01", "UTC", "2025-04-11", 1000, map[period.Mode]int64{period.BySecond: 667}},
		"half of 13.33 to even (case 32)":  {"2025-04-11", "2025-05-01", "UTC", "2025-04-21", 1333, map[period.Mode]int64{period.BySecond: 666}},
		"the last second (case 35)":        {"2025-04-01", "2025-05-01", "UTC", "2025-04-30T23:59:59Z", 3000, map[period.Mode]int64{period.BySecond: 0}},
		"a year to 2 July (case 37)":       {"2025-01-01", "2026-01-01", "UTC", "2025-07-02", 12000, map[period.Mode]int64{period.BySecond: 6016, period.ByDay: 6016}},
		"a leap year's last day (case 38)": {"2024-01-01", "2025-01-01", "UTC", "2024-12-31", 36600, map[period.Mode]int64{period.BySecond: 100, period.ByDay: 100}},
		"yen (case 40)":                    {"2025-04-01", "2025-05-01", "UTC", "2025-04-11", 1000, map[period.Mode]int64{period.BySecond: 667, period.ByDay: 667, period.ByFixed30: 667}},
		"dinars (case 41)":                 {"2025-04-01", "2025-05-01", "UTC", "2025-04-11", 25000, map[period.Mode]int64{period.BySecond: 16667}},
		"New York in March (case 17)": {"2025-03-01 05:00", "2025-04-01 04:00", "America/New_York", "2025-03-09 05:00", 3100,
			map[period.Mode]int64{period.ByDay: 2300, period.BySecond: 2299}},
		"the day of change belongs to the new state": {"2025-04-01", "2025-05-01", "UTC", "2025-04-16 18:00", 3000,
			map[period.Mode]int64{period.ByDay: 1500, period.ByFixed30: 1500, period.BySecond: 1425}},
		"and it is the zone's day": {"2025-03-31 22:00", "2025-04-30 22:00", "Europe/Berlin", "2025-04-15 22:30", 3000,
			map[period.Mode]int64{period.ByDay: 1500, period.ByFixed30: 1500}},
	} {
		t.Run(name, func(t *testing.T) {
			whole := period.Period{Start: at(t, tt.start), End: at(t, tt.end)}
			_, rest := whole.Split(at(t, tt.change))
			for mode, want := range tt.want {
				share := mode.Share(rest, whole, zone(t, tt.zone))
				got, err := money.RoundRat(share.Of(decimal.NewFromInt(tt.price)))
				require.NoError(t, err)
				require.Equal(t, want, got, "%s: %d of %d", mode, share.Part, share.Whole)
			}
		})
	}
}

func TestAShareSaysWhatItCounted(t *testing.T) {
	newYork := zone(t, "America/New_York")
	march := period.Period{Start: at(t, "2025-03-01 05:00"), End: at(t, "2025-04-01 04:00")}
	_, rest := march.Split(at(t, "2025-03-09 05:00"))
	require.EqualValues(t, 2674800, march.Seconds()) // case 17
	require.Equal(t, period.Share{Part: 23, Whole: 31}, period.ByDay.Share(rest, march, newYork))
	require.Equal(t, period.Share{Part: 1983600, Whole: 2674800}, period.BySecond.Share(rest, march, newYork))
	require.Equal(t, period.Share{Part: 22, Whole: 30}, period.ByFixed30.Share(rest, march, newYork))

	// Case 46: the denominator is the whole period, though the subscription starts inside it.
	quarter := period.Period{Start: at(t, "2025-04-01"), End: at(t, "2025-07-01")}
	_, rest = quarter.Split(at(t, "2025-05-20"))
	require.Equal(t, period.Share{Part: 42, Whole: 91}, period.ByDay.Share(rest, quarter, nil))

	instant := period.Period{Start: march.Start, End: march.Start.Add(500_000)} // half a millisecond
	require.Equal(t, period.Share{Part: 500, Whole: 2674800e6}, period.BySecond.Share(instant, march, nil))
	lastDay := period.Period{Start: at(t, "2025-01-30"), End: at(t, "2025-01-31")}
	require.Equal(t, period.Share{Part: 86400, Whole: 86400}, period.ByFixed30.Share(lastDay, lastDay, nil))
	for _, mode := range modes {
		require.Equal(t, period.Share{Part: 0, Whole: 1}, mode.Share(march, period.Period{}, nil))
	}
}

func TestParseMode(t *testing.T) {
	for _, mode := range modes {
		got, err := period.ParseMode(string(mode))
		require.NoError(t, err)
		require.Equal(t, mode, got)
	}
	for _, in := range []string{"", "none", "days", "Second"} {
		_, err := period.ParseMode(in)
		require.ErrorIs(t, err, &domain.Error{Code: "bad_proration_mode"})
	}
}

func TestSplitKeepsToThePeriod(t *testing.T) {
	april := period.Period{Start: at(t, "2025-04-01"), End: at(t, "2025-05-01")}
	before, after := april.Split(at(t, "2025-03-01"))
	require.True(t, before.Empty())
	require.Equal(t, april, after)
	before, after = april.Split(at(t, "2025-06-01"))
	require.Equal(t, april, before)
	require.True(t, after.Empty())
}

// Rule R4: however a period is cut, whatever the zone, the parts are the whole.
func TestSharesOfASplitAddUpToOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := dice(t)
		s := anySchedule(t, r)
		n := r.IntN(100) - 50
		whole := s.Period(n)
		for whole.Empty() { // a date that the zone skipped: the next one counts
			n++
			whole = s.Period(n)
		}
		for _, mode := range modes {
			sum, rest := new(big.Rat), whole
			for range r.IntN(6) {
				var part period.Period
				part, rest = rest.Split(instantIn(r, rest))
				share := mode.Share(part, whole, s.Zone)
				require.GreaterOrEqual(t, share.Part, int64(0))
				sum.Add(sum, share.Rat())
			}
			sum.Add(sum, mode.Share(rest, whole, s.Zone).Rat())
			require.Zero(t, sum.Cmp(big.NewRat(1, 1)), "%s: %s", mode, sum)
		}
	})
}
