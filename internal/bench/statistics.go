package bench

import (
	"math"
	"slices"
	"time"
)

// Spread is a median and how far single rounds lie from it.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// spreadOf of no values is zero.
func spreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	return Spread{Median: median(values), Min: slices.Min(values), Max: slices.Max(values)}
}

// median of an even number of values is the mean of the two in the middle; of none, 0.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// percentile is the nearest rank: the least latency that p percent do not exceed. 0 for none. The
// latencies must be sorted.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// ratios divides round by round; a round whose baseline did nothing has none.
func (c contest) ratios(product, baseline []sample) []float64 {
	var all []float64
	for i := range min(len(product), len(baseline)) {
		if b := c.valueOf(baseline[i]); b > 0 {
			all = append(all, c.valueOf(product[i])/b)
		}
	}
	return all
}

func (c contest) values(samples []sample) []float64 {
	all := make([]float64, len(samples))
	for i, s := range samples {
		all[i] = c.valueOf(s)
	}
	return all
}

// costs are the processor's microseconds a unit, of the samples that know them.
func costs(samples []sample) []float64 {
	var all []float64
	for _, s := range samples {
		if s.units > 0 && s.spent.cpu > 0 {
			all = append(all, float64(s.spent.cpu.Microseconds())/float64(s.units))
		}
	}
	return all
}

// aUnit is what each round spent on one unit, of those that did any.
func aUnit(samples []sample, of func(spent) float64) []float64 {
	var all []float64
	for _, s := range samples {
		if s.units > 0 {
			all = append(all, of(s.spent)/float64(s.units))
		}
	}
	return all
}

func milliseconds(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Microsecond)) / 1000
}
