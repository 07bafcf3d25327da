package period_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain/period"
)

// Zones with odd offsets, changes at midnight, half hours, negative summer time, skipped and repeated dates.
var zoneNames = []string{
	"UTC", "America/New_York", "Europe/Berlin", "Europe/Dublin", "Pacific/Auckland", "Pacific/Apia", "Pacific/Kwajalein",
	"Pacific/Kiritimati", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu", "Asia/Tehran", "Africa/Casablanca",
	"Africa/Cairo", "America/St_Johns", "Asia/Gaza", "Antarctica/Troll", "America/Nuuk",
}

var skipsADate = map[string]bool{"Pacific/Apia": true, "Pacific/Kwajalein": true, "Pacific/Kiritimati": true}

// dice rolls evenly, from a seed of rapid's: rapid's own integers favour small ones, which would anchor
// nearly everything in January 1985.
func dice(t *rapid.T) *rand.Rand {
	return rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
}

var fiftyYears = period.Period{
	Start: time.Date(1985, time.January, 1, 0, 0, 0, 0, time.UTC),
	End:   time.Date(2035, time.January, 1, 0, 0, 0, 0, time.UTC),
}

func anySchedule(t *rapid.T, r *rand.Rand) period.Schedule {
	s := period.Schedule{
		Anchor: instantIn(r, fiftyYears),
		Interval: period.Interval{
			Unit:  []period.Unit{period.Day, period.Week, period.Month, period.Year}[r.IntN(4)],
			Count: 1 + r.IntN(14)*r.IntN(2),
		},
		Zone:     zone(t, zoneNames[r.IntN(len(zoneNames))]),
		MonthEnd: r.IntN(10) == 0,
	}
	if r.IntN(2) == 0 { // when most clocks change
		s.Anchor = s.Anchor.Truncate(30 * time.Minute)
	}
	return s
}

func instantIn(r *rand.Rand, p period.Period) time.Time {
	return time.UnixMicro(p.Start.UnixMicro() + r.Int64N(max(1, p.End.UnixMicro()-p.Start.UnixMicro()))).UTC()
}

// Rules R2 and R3 over 10,000 anchors, a hundred to a run of rapid's.
func TestEveryInstantLiesInExactlyOnePeriod(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := dice(t)
		for range 100 {
			s := anySchedule(t, r)
			first, _ := s.At(instantIn(r, fiftyYears))
			last := s.Boundary(first)
			for n := first; n < first+12; n++ {
				p := s.Period(n)
				require.Equal(t, last, p.Start, "period %d of %v does not adjoin", n, s)
				last = p.End
				if p.Empty() {
					require.True(t, p.Start.Equal(p.End) && skipsADate[s.Zone.String()], "boundary %d is not after %d: %v", n+1, n, s)
					continue
				}
				for _, in := range []time.Time{p.Start, instantIn(r, p), p.End.Add(-time.Microsecond)} {
					if !in.Before(p.End) {
						continue
					}
					got, at := s.At(in)
					require.Equal(t, n, got, "%s in %v", in, s)
					require.Equal(t, p, at)
				}
			}
		}
	})
}

func TestAtAgreesWithANaiveScan(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := dice(t)
		s, in := anySchedule(t, r), instantIn(r, fiftyYears)
		want := 0
		for ; in.Before(s.Boundary(want)); want-- {
		}
		for ; !in.Before(s.Boundary(want + 1)); want++ {
		}
		got, p := s.At(in)
		require.Equal(t, want, got)
		require.True(t, p.Contains(in))
	})
}

// Rule R3: the local date is the anchor's day or the month's last, the local time the anchor's, save in a gap.
func TestABoundaryShowsTheAnchorsWallTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := dice(t)
		s, n := anySchedule(t, r), 1+r.IntN(200)
		s.Interval.Unit, s.MonthEnd = period.Month, false
		anchor, got := s.Anchor.In(s.Zone), s.Boundary(n).In(s.Zone)
		first := time.Date(anchor.Year(), anchor.Month()+time.Month(n*s.Interval.Count), 1, 0, 0, 0, 0, time.UTC)
		day := min(anchor.Day(), first.AddDate(0, 1, -1).Day())
		want := period.NewWall(first.Year(), first.Month(), day, anchor.Hour(), anchor.Minute(), anchor.Second(), anchor.Nanosecond())
		if _, before := got.Add(-24 * time.Hour).Zone(); period.WallOf(got, s.Zone) != want {
			// In a gap: the offset of the day before still gives the anchor's wall time.
			require.Equal(t, want, period.WallOf(got, time.FixedZone("before", before)))
		}
	})
}

// The first instant at which the zone's clocks show a wall time, found by asking them every minute.
func TestAWallTimeIsTheFirstInstantThatShowsIt(t *testing.T) {
	t.Parallel()
	for _, name := range zoneNames {
		z := zone(t, name)
		seen := map[period.Wall]bool{}
		for _, change := range []string{"1969-09-30", "1993-08-21", "1995-01-01", "2011-12-30", "2018-11-04", "2025-03-09", "2025-03-30", "2025-10-05", "2025-11-02"} {
			from := at(t, change).Add(-48 * time.Hour)
			clear(seen)
			for m := range 5 * 24 * 12 {
				in := from.Add(time.Duration(m) * 5 * time.Minute)
				w := period.WallOf(in, z)
				if !seen[w] && m > 2*24*12 { // a repeated date began a day ago
					require.Equal(t, in, w.In(z), "%s %s", name, w)
				}
				seen[w] = true
			}
		}
	}
}
