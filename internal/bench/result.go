package bench

import (
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
	Profile    string         `json:"profile"`
	Clients    int            `json:"clients"`
	Mode       string         `json:"mode"` // closed, open
	Unit       string         `json:"unit"` // of the rates
	Rate       float64        `json:"rate"`
	Baseline   float64        `json:"baseline"`
	BaselineOf string         `json:"baseline_of"`
	Ratio      Spread         `json:"ratio"`
	Target     float64        `json:"target,omitzero"` // the least ratio that the design asks for
	P50        float64        `json:"p50_ms"`
	P95        float64        `json:"p95_ms"`
	P99        float64        `json:"p99_ms"`
	Max        float64        `json:"max_ms"`
	Errors     int            `json:"errors"`
	ErrorCodes map[string]int `json:"error_codes,omitempty"` // status and code of the refusal, of both sides
	Behind     float64        `json:"behind_ms"`             // what the read models needed to catch up after a round, at most
	CPU        float64        `json:"cpu_us,omitzero"`       // microseconds of all processes per unit, generator included
	CPUBase    float64        `json:"baseline_cpu_us,omitzero"`
	Rounds     int            `json:"rounds"`
	Note       string         `json:"note,omitzero"`
}

func newResult(o Options, c contest, product, baseline []sample) Result {
	r := Result{Profile: o.Profile, Clients: c.clients, Mode: "closed", Unit: c.unit, BaselineOf: c.baseline, Target: c.target, Note: c.note,
		Rate: round(median(rates(product)), 1), Baseline: round(median(rates(baseline)), 1), Rounds: len(product), ErrorCodes: map[string]int{}}
	if o.Rate > 0 {
		r.Mode = "open"
	}
	r.CPU, r.CPUBase = round(median(costs(product)), 1), round(median(costs(baseline)), 1)
	s := spreadOf(ratios(product, baseline))
	r.Ratio = Spread{round(s.Median, 3), round(s.Min, 3), round(s.Max, 3)}
	var latencies []time.Duration
	for _, sample := range product {
		latencies = append(latencies, sample.latencies...)
		r.Behind = max(r.Behind, milliseconds(sample.behind))
	}
	slices.Sort(latencies)
	r.P50, r.P95 = milliseconds(percentile(latencies, 50)), milliseconds(percentile(latencies, 95))
	r.P99, r.Max = milliseconds(percentile(latencies, 99)), milliseconds(percentile(latencies, 100))
	for prefix, samples := range map[string][]sample{"": product, "baseline ": baseline} {
		for _, sample := range samples {
			for code, n := range sample.errors {
				r.ErrorCodes[prefix+code] += n
				r.Errors += n
			}
		}
	}
	return r
}

func round(v float64, places int) float64 {
	scale := math.Pow10(places)
	return math.Round(v*scale) / scale
}

// Header names the columns of Row.
func Header() []string {
	return []string{"profile", "clients", "loop", "rate", "baseline", "ratio (min-max)", "target", "p50 ms", "p95 ms", "p99 ms", "max ms", "behind ms", "cpu us", "errors"}
}

// Row is the result for people.
func (r Result) Row() []string {
	target := ""
	if r.Target > 0 {
		target = fmt.Sprintf("%.2f reached", r.Target)
		if r.Ratio.Median < r.Target {
			target = fmt.Sprintf("%.2f missed", r.Target)
		}
	}
	errors := strconv.Itoa(r.Errors)
	for _, code := range slices.Sorted(maps.Keys(r.ErrorCodes)) {
		errors += fmt.Sprintf("\n%d %s", r.ErrorCodes[code], code)
	}
	return []string{r.Profile, strconv.Itoa(r.Clients), r.Mode, fmt.Sprintf("%.0f %s", r.Rate, r.Unit),
		fmt.Sprintf("%.0f %s", r.Baseline, r.BaselineOf), fmt.Sprintf("%.2f (%.2f-%.2f)", r.Ratio.Median, r.Ratio.Min, r.Ratio.Max), target,
		number(r.P50), number(r.P95), number(r.P99), number(r.Max), number(r.Behind),
		fmt.Sprintf("%.0f / %.0f", r.CPU, r.CPUBase), errors}
}

func number(ms float64) string { return strconv.FormatFloat(ms, 'f', 2, 64) }

// ReadResults reads what an earlier run wrote with -o json.
func ReadResults(from io.Reader) ([]Result, error) {
	var all []Result
	if err := json.NewDecoder(from).Decode(&all); err != nil {
		return nil, fmt.Errorf("read earlier results: %w", err)
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
		verdict := "within the spread"
		switch {
		case n.Ratio.Min > o.Ratio.Max:
			verdict = "better"
		case n.Ratio.Max < o.Ratio.Min:
			verdict = "worse"
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
