package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMedian(t *testing.T) {
	for name, tt := range map[string]struct {
		values []float64
		want   float64
	}{
		"of none is zero":                          {nil, 0},
		"of one is it":                             {[]float64{3}, 3},
		"of an odd number is the middle one":       {[]float64{9, 1, 5}, 5},
		"of an even number is the mean of the two": {[]float64{4, 1, 2, 9}, 3},
		"does not follow an outlier":               {[]float64{1, 1, 1, 1, 1000}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			given := append([]float64(nil), tt.values...)
			require.Equal(t, tt.want, median(tt.values))
			require.Equal(t, given, tt.values, "the values stay in their order")
		})
	}
}

func TestPercentile(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for name, tt := range map[string]struct {
		sorted []time.Duration
		p      float64
		want   time.Duration
	}{
		"of none is zero":                {nil, 99, 0},
		"of one is it":                   {hundred[:1], 99, 1},
		"the median of a hundred":        {hundred, 50, 50},
		"99 percent of a hundred":        {hundred, 99, 99},
		"of few, the highest":            {hundred[:3], 99, 3},
		"100 percent is the maximum":     {hundred, 100, 100},
		"rounds the rank up, never down": {hundred[:10], 91, 10},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tt.want, percentile(tt.sorted, tt.p)) })
	}
}

// The ratio is taken round by round: a slow minute of the machine counts on both sides.
func TestRatiosArePairedByRound(t *testing.T) {
	product := []sample{{rate: 100}, {rate: 10}, {rate: 300}}
	baseline := []sample{{rate: 200}, {rate: 20}, {rate: 300}}
	require.Equal(t, Spread{Median: 0.5, Min: 0.5, Max: 1}, spreadOf(contest{}.ratios(product, baseline)))
	require.Empty(t, contest{}.ratios(product[:1], []sample{{}}), "a baseline that did nothing")
}

func TestCostsLeaveOutWhatIsNotKnown(t *testing.T) {
	require.Equal(t, []float64{50}, costs([]sample{{units: 10, spent: spent{cpu: 500 * time.Microsecond}}, {units: 10}, {spent: spent{cpu: time.Second}}}))
}

func TestCPUTimeGoesUp(t *testing.T) {
	before := usageOf(0)
	for end := time.Now().Add(30 * time.Millisecond); time.Now().Before(end); {
		median([]float64{1, 2, 3})
	}
	require.Greater(t, usageOf(0), before)
}
