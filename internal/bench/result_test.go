package bench

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestResultReportsErrorsOfBothSides(t *testing.T) {
	product := []sample{
		{rate: 50, latencies: []time.Duration{3 * time.Millisecond, time.Millisecond}, errors: map[string]int{"503 busy": 2}},
		{rate: 70, latencies: []time.Duration{2 * time.Millisecond}, errors: map[string]int{"503 busy": 1}, behind: 40 * time.Millisecond},
	}
	baseline := []sample{{rate: 100}, {rate: 100, errors: map[string]int{"500": 1}}}
	r := newResult(Options{Profile: "commands"}, contest{clients: 32, unit: "commands/s", target: 0.5}, product, baseline)
	require.Equal(t, Spread{Median: 0.6, Min: 0.5, Max: 0.7}, r.Ratio)
	require.Equal(t, 2.0, r.P50)
	require.Equal(t, 3.0, r.P99)
	require.Equal(t, 40.0, r.Behind)
	require.Equal(t, 4, r.Errors)
	require.Equal(t, map[string]int{"503 busy": 3, "baseline 500": 1}, r.ErrorCodes)
	require.Equal(t, "3 × 503 busy at 32 clients; 1 × baseline 500 at 32 clients", Failures([]Result{r}))
	row := r.Row()
	require.Len(t, row, len(Header()))
	require.Contains(t, row, "0.50 reached")
	require.Contains(t, row[len(row)-1], "503 busy")
}

// Scripts outside the repository read these names.
func TestResultOnTheWire(t *testing.T) {
	text, err := json.Marshal([]Result{{Profile: "check", Clients: 32, Rate: 2, Baseline: 4, Ratio: Spread{0.5, 0.4, 0.6}, P50: 1, P99: 2}})
	require.NoError(t, err)
	for _, part := range []string{`"profile":"check"`, `"clients":32`, `"rate":2`, `"baseline":4`, `"ratio":{"median":0.5,"min":0.4,"max":0.6}`,
		`"p50_ms":1`, `"p99_ms":2`, `"errors":0`} {
		require.Contains(t, string(text), part)
	}
	back, err := ReadResults(strings.NewReader(string(text)))
	require.NoError(t, err)
	require.Equal(t, 0.5, back[0].Ratio.Median)
}

func TestCompareCallsAChangeOnlyWhatLeavesTheSpread(t *testing.T) {
	line := func(clients int, median, least, most float64) Result {
		return Result{Profile: "commands", Clients: clients, Mode: "closed", Ratio: Spread{median, least, most}}
	}
	old := []Result{line(1, 0.5, 0.4, 0.6), line(32, 0.5, 0.4, 0.6), line(128, 0.5, 0.4, 0.6)}
	now := []Result{line(1, 0.55, 0.45, 0.7), line(32, 0.8, 0.7, 0.9), line(128, 0.2, 0.1, 0.3), line(64, 1, 1, 1)}
	got := Compare(old, now)
	require.Len(t, got, 3, "64 clients were not measured before")
	require.True(t, strings.HasSuffix(got[0], "+10 %, within the spread"), got[0])
	require.True(t, strings.HasSuffix(got[1], "+60 %, better"), got[1])
	require.True(t, strings.HasSuffix(got[2], "-60 %, worse"), got[2])

	latencies, once := line(1, 2, 1.9, 2.1), line(1, 2, 1.9, 2.1)
	latencies.Most, once.Rounds = 1.5, 1
	require.True(t, strings.HasSuffix(Compare(old, []Result{latencies})[0], "+300 %, worse"), "more is not better where a ratio may be so much at most")
	require.True(t, strings.HasSuffix(Compare(old, []Result{once})[0], "no spread: run more"))
}

func TestReadPgbench(t *testing.T) {
	got, err := readPgbench([]byte("number of transactions actually processed: 15012\nlatency average = 1.598 ms\ntps = 5004.123456 (without initial connection time)\n"))
	require.NoError(t, err)
	require.Equal(t, 5004.123456, got.rate)
	require.Equal(t, 15012, got.units)
	_, err = readPgbench([]byte("nothing"))
	require.Error(t, err)
}

func TestEveryProfileIsFound(t *testing.T) {
	for _, p := range Profiles() {
		got, ok := Find(p.Name)
		require.True(t, ok)
		require.NotEmpty(t, got.Clients)
		require.NotEmpty(t, got.Help)
		require.Positive(t, got.Ledgers)
	}
	_, ok := Find("nothing")
	require.False(t, ok)
}
