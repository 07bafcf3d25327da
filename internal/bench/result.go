package bench

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Result is one line: the product at a number of clients, and its baseline. Rates are units per
// second, medians of the rounds; latencies are of all rounds together.
type Result struct {
	Profile  string  `json:"profile"`
	Clients  int     `json:"clients"`
	Rate     float64 `json:"rate"`
	Baseline float64 `json:"baseline"`
	Ratio    Spread  `json:"ratio"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	Errors   int     `json:"errors"` // of both sides

	P95        float64        `json:"p95_ms"`
	Max        float64        `json:"max_ms"`
	At         float64        `json:"latency_at,omitzero"` // of the rate: the open loop whose latencies these are; 0: the loop that found the rate
	Mode       string         `json:"mode"`                // of the loop that found the rate: closed, open
	Unit       string         `json:"unit"`                // of the rates
	BaselineOf string         `json:"baseline_of"`
	Target     float64        `json:"target,omitzero"`      // the least ratio that the design asks for
	Most       float64        `json:"most,omitzero"`        // the highest ratio
	P99Most    float64        `json:"p99_most_ms,omitzero"` // the highest p99
	SatP50     float64        `json:"saturated_p50_ms,omitzero"`
	SatP99     float64        `json:"saturated_p99_ms,omitzero"` // in the closed loop, where latencies are of the open one
	ErrorCodes map[string]int `json:"error_codes,omitempty"`     // status and code of the refusal
	Behind     float64        `json:"behind_ms"`                 // what the read models needed to catch up after a round, at most
	CPU        float64        `json:"cpu_us,omitzero"`           // microseconds of all processes per unit, generator included
	CPUBase    float64        `json:"baseline_cpu_us,omitzero"`
	WAL        float64        `json:"wal_bytes"` // per unit, projection included
	WALBase    float64        `json:"baseline_wal_bytes"`
	Allocs     float64        `json:"allocs"` // objects per unit of the Go process, projection included
	AllocBytes float64        `json:"alloc_bytes"`
	Rounds     int            `json:"rounds"`
	Note       string         `json:"note,omitzero"`
}

func newResult(o Options, c contest, product, baseline []sample) Result {
	r := Result{Profile: o.Profile, Clients: c.clients, Mode: "closed", Unit: c.unit, BaselineOf: c.baseline, Target: c.target, Most: c.most,
		P99Most: milliseconds(c.p99), Note: c.note, Rounds: len(product), ErrorCodes: map[string]int{},
		Rate: round(median(c.values(product)), 1), Baseline: round(median(c.values(baseline)), 1)}
	if o.Rate > 0 || c.mode != "" {
		r.Mode = cmp.Or(c.mode, "open")
	}
	r.CPU, r.CPUBase = round(median(costs(product)), 1), round(median(costs(baseline)), 1)
	wal := func(s spent) float64 { return float64(s.wal) }
	r.WAL, r.WALBase = round(median(aUnit(product, wal)), 0), round(median(aUnit(baseline, wal)), 0)
	r.Allocs = round(median(aUnit(product, func(s spent) float64 { return float64(s.allocs) })), 1)
	r.AllocBytes = round(median(aUnit(product, func(s spent) float64 { return float64(s.allocBytes) })), 0)
	s := spreadOf(c.ratios(product, baseline))
	r.Ratio = Spread{round(s.Median, 3), round(s.Min, 3), round(s.Max, 3)}
	var latencies, open []time.Duration
	for _, sample := range product {
		latencies = append(latencies, sample.latencies...)
		r.Behind = max(r.Behind, milliseconds(sample.behind))
		if sample.open != nil {
			open = append(open, sample.open.latencies...)
			r.count("", *sample.open)
		}
		r.count("", sample)
	}
	for _, sample := range baseline {
		r.count("baseline ", sample)
	}
	slices.Sort(latencies)
	if len(open) > 0 {
		r.At, r.SatP50, r.SatP99 = o.At, milliseconds(percentile(latencies, 50)), milliseconds(percentile(latencies, 99))
		slices.Sort(open)
		latencies = open
	}
	r.P50, r.P95 = milliseconds(percentile(latencies, 50)), milliseconds(percentile(latencies, 95))
	r.P99, r.Max = milliseconds(percentile(latencies, 99)), milliseconds(percentile(latencies, 100))
	return r
}

func (r *Result) count(prefix string, s sample) {
	for code, n := range s.errors {
		r.ErrorCodes[prefix+code] += n
		r.Errors += n
	}
}

// Reached tells whether the line is what the design asks for; true when it asks for nothing.
func (r Result) Reached() bool {
	return (r.Target == 0 || r.Ratio.Median >= r.Target) && (r.Most == 0 || r.Ratio.Median <= r.Most) && (r.P99Most == 0 || r.P99 <= r.P99Most)
}

func round(v float64, places int) float64 {
	scale := math.Pow10(places)
	return math.Round(v*scale) / scale
}

// Header names the columns of Row.
func Header() []string {
	return []string{"profile", "clients", "loop", "rate", "baseline", "ratio (min-max)", "target", "p50 ms", "p95 ms", "p99 ms", "max ms", "behind ms", "cpu us", "wal bytes", "allocs", "errors"}
}

// Row is the result for people.
func (r Result) Row() []string {
	target := ""
	switch {
	case r.Target > 0:
		target = fmt.Sprintf("%.2f", r.Target)
	case r.Most > 0:
		target = fmt.Sprintf("<= %.2f", r.Most)
	case r.P99Most > 0:
		target = fmt.Sprintf("p99 <= %.0f ms", r.P99Most)
	}
	if target != "" {
		target += map[bool]string{true: " reached", false: " missed"}[r.Reached()]
	}
	loop := r.Mode
	if r.At > 0 {
		loop = fmt.Sprintf("open at %.0f %%", 100*r.At)
	}
	errors := strconv.Itoa(r.Errors)
	for _, code := range slices.Sorted(maps.Keys(r.ErrorCodes)) {
		errors += fmt.Sprintf("\n%d %s", r.ErrorCodes[code], code)
	}
	return []string{r.Profile, strconv.Itoa(r.Clients), loop, fmt.Sprintf("%.0f %s", r.Rate, r.Unit),
		fmt.Sprintf("%.0f %s", r.Baseline, r.BaselineOf), fmt.Sprintf("%.2f (%.2f-%.2f)", r.Ratio.Median, r.Ratio.Min, r.Ratio.Max), target,
		number(r.P50), number(r.P95), number(r.P99), number(r.Max), number(r.Behind),
		fmt.Sprintf("%.0f / %.0f", r.CPU, r.CPUBase), fmt.Sprintf("%.0f / %.0f", r.WAL, r.WALBase), fmt.Sprintf("%.0f", r.Allocs), errors}
}

func number(ms float64) string { return strconv.FormatFloat(ms, 'f', 2, 64) }

// ReadResults reads what an earlier run wrote with -o json.
func ReadResults(from io.Reader) ([]Result, error) {
	var all []Result
	if err := json.NewDecoder(from).Decode(&all); err != nil {
		return nil, fmt.Errorf("it is not what bench -o json prints: %w", err)
	}
	return all, nil
}

// Compare tells for each line that both runs have how the ratio changed. A change is called one only
// when the two spreads don't overlap.
func Compare(old, now []Result) []string {
	var lines []string
	for _, n := range now {
		i := slices.IndexFunc(old, func(o Result) bool { return o.Profile == n.Profile && o.Clients == n.Clients && o.Mode == n.Mode })
		if i < 0 {
			continue
		}
		o := old[i]
		more, less := "better", "worse"
		if n.Most > 0 { // its ratio is one of latencies
			more, less = less, more
		}
		verdict := "within the spread"
		switch {
		case n.Ratio.Min > o.Ratio.Max:
			verdict = more
		case n.Ratio.Max < o.Ratio.Min:
			verdict = less
		}
		if n.Rounds == 1 || o.Rounds == 1 {
			verdict += "; one round has no spread: run more"
		}
		change := ""
		if o.Ratio.Median > 0 {
			change = fmt.Sprintf("%+.0f %%, ", 100*(n.Ratio.Median/o.Ratio.Median-1))
		}
		lines = append(lines, fmt.Sprintf("%s, %d clients, %s loop: ratio %.2f (%.2f-%.2f) was %.2f (%.2f-%.2f): %s%s", n.Profile, n.Clients, n.Mode,
			n.Ratio.Median, n.Ratio.Min, n.Ratio.Max, o.Ratio.Median, o.Ratio.Min, o.Ratio.Max, change, verdict))
	}
	return lines
}

// Failures tells what went wrong in any line, "" for nothing.
func Failures(results []Result) string {
	var all []string
	for _, r := range results {
		for _, code := range slices.Sorted(maps.Keys(r.ErrorCodes)) {
			all = append(all, fmt.Sprintf("%d × %s at %d clients", r.ErrorCodes[code], code, r.Clients))
		}
	}
	return strings.Join(all, "; ")
}
