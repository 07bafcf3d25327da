package period_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/period"
)

// Intervals, zones and wall times are read and written back alike; the periods of what is read follow
// one another and find the instants in them.
func FuzzPeriod(f *testing.F) {
	for _, seed := range []string{"P1D", "P2W", "P12M", "P1Y", "P0M", "P01M", "PT1H", "P1Y2M", "P99999999999999999999M"} {
		f.Add(seed, "Europe/Berlin", int64(1738281600), int16(1), "2025-01-31T12:00:00")
	}
	for _, zone := range []string{"UTC", "Local", "", "../UTC", "America/Argentina/Buenos_Aires", "Australia/Lord_Howe", "Pacific/Apia"} {
		f.Add("P1M", zone, int64(1709164799), int16(-3), "2011-12-30T00:00:00.999999")
	}
	f.Fuzz(func(t *testing.T, s, name string, unix int64, n int16, wall string) {
		var w period.Wall
		if err := w.UnmarshalText([]byte(wall)); err == nil {
			require.Equal(t, wall, w.String())
		}
		zone, zoneErr := period.Zone(name)
		if zoneErr == nil {
			require.Equal(t, name, zone.String())
		}
		i, err := period.ParseInterval(s)
		if err != nil {
			return
		}
		require.NoError(t, i.Check())
		require.Equal(t, s, i.String())
		start := time.Unix(unix%250e9, 0).UTC()
		if period.Check(start) != nil || !start.Before(period.Max) {
			return
		}
		require.True(t, i.After(start, nil).After(start), "%s after %s", s, start)
		if zoneErr != nil {
			return
		}
		schedule, err := period.New(start, i, name)
		if err != nil {
			return
		}
		this, next := schedule.Boundary(int(n)), schedule.Boundary(int(n)+1)
		require.False(t, next.Before(this), "%s in %s from %s: boundary %d is %s, the next %s", s, name, start, n, this, next)
		if n == 0 {
			require.True(t, this.Equal(start), "the anchor is the first boundary")
		}
	})
}
