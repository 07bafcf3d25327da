package period_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/period"
)

func FuzzParseInterval(f *testing.F) {
	for _, seed := range []string{"P1D", "P2W", "P12M", "P1Y", "P0M", "P01M", "PT1H", "P1Y2M", "P99999999999999999999M"} {
		f.Add(seed, int64(1738281600))
	}
	f.Fuzz(func(t *testing.T, s string, unix int64) {
		i, err := period.ParseInterval(s)
		if err != nil {
			return
		}
		require.NoError(t, i.Check())
		require.Equal(t, s, i.String())
		start := time.Unix(unix%250e9, 0)
		if period.Check(start) == nil && start.Before(period.Max) {
			require.True(t, i.After(start, nil).After(start), "%s after %s", s, start)
		}
	})
}

func FuzzZone(f *testing.F) {
	for _, seed := range []string{"UTC", "Europe/Berlin", "Local", "", "../UTC", "America/Argentina/Buenos_Aires"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if z, err := period.Zone(name); err == nil {
			require.Equal(t, name, z.String())
		}
	})
}
