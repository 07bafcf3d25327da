package main_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type benchResult struct {
	Profile  string  `json:"profile"`
	Clients  int     `json:"clients"`
	Mode     string  `json:"mode"`
	Rate     float64 `json:"rate"`
	Baseline float64 `json:"baseline"`
	Ratio    struct {
		Median float64 `json:"median"`
		Min    float64 `json:"min"`
		Max    float64 `json:"max"`
	} `json:"ratio"`
	P50    float64 `json:"p50_ms"`
	P99    float64 `json:"p99_ms"`
	Errors int     `json:"errors"`
}

// Each profile once, for an instant: what it says of speed means nothing, that it says something does.
func TestBenchProfiles(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"commands":           {"commands", "--clients", "1,4", "--ledgers", "10"},
		"commands at a rate": {"commands", "--clients", "1", "--ledgers", "10", "--rate", "40"},
		"hot":                {"hot", "--clients", "8", "--ledgers", "8"},
		"lag":                {"lag", "--clients", "4", "--ledgers", "8"},
		"mixed":              {"mixed", "--clients", "2", "--ledgers", "2"},
		"noisy":              {"noisy", "--clients", "4", "--ledgers", "8"},
		"scale":              {"scale", "--clients", "2", "--ledgers", "50", "--events", "20000"},
		"check":              {"check", "--clients", "4", "--ledgers", "2"},
		"usage":              {"usage", "--clients", "2", "--ledgers", "4"},
		"rebuild":            {"rebuild", "--ledgers", "4", "--events", "2000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			temp := dataDir(t) // what is left in it would stay for ever
			require.NoError(t, os.Mkdir(temp, 0o711))
			cmd := newCLI(t).with("TMPDIR="+temp).command(t.Context(), append([]string{"bench", "--rounds", "1", "--seconds", "0.3", "--warm-up", "0.1", "-o", "json"}, args...)...)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			require.NoError(t, err, "%s\n%s", out, &stderr)
			var results []benchResult
			require.NoError(t, json.Unmarshal(out, &results), "%s", out)
			require.NotEmpty(t, results)
			for _, r := range results {
				require.True(t, strings.HasPrefix(r.Profile, args[0]), r.Profile)
				require.Positive(t, r.Clients)
				require.Positive(t, r.Rate)
				require.Positive(t, r.Baseline)
				require.Positive(t, r.Ratio.Min)
				require.LessOrEqual(t, r.Ratio.Min, r.Ratio.Median)
				require.LessOrEqual(t, r.Ratio.Median, r.Ratio.Max)
				require.Positive(t, r.P50)
				require.LessOrEqual(t, r.P50, r.P99)
				require.Zero(t, r.Errors)
			}
			left, err := os.ReadDir(temp)
			require.NoError(t, err)
			require.Empty(t, left, "the private PostgreSQL and its directory are gone")
		})
	}
}

// A store that was loaded once is measured again and again.
func TestBenchKeepsAStore(t *testing.T) {
	t.Parallel()
	store := filepath.Join(dataDir(t), "store")
	bench := func(args ...string) (profiles []string, stderr string) {
		cmd := newCLI(t).command(t.Context(), append([]string{"bench", "--rounds", "1", "--seconds", "0.2", "--warm-up", "0", "--clients", "2",
			"--store", store, "-o", "json"}, args...)...)
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		require.NoError(t, err, "%s\n%s", out, &said)
		var results []benchResult
		require.NoError(t, json.Unmarshal(out, &results), "%s", out)
		for _, r := range results {
			profiles = append(profiles, r.Profile)
		}
		return profiles, said.String()
	}
	profiles, said := bench("scale", "--only", "usage", "--ledgers", "10", "--events", "2000")
	require.Equal(t, []string{"scale usage"}, profiles)
	require.Contains(t, said, "loaded 2")
	profiles, said = bench("scale", "--only", "hot,lag")
	require.Equal(t, []string{"scale hot", "scale lag"}, profiles)
	require.NotContains(t, said, "built the read models")
	require.Contains(t, said, "events in 10 ledgers")
	profiles, _ = bench("check")
	require.Equal(t, []string{"check"}, profiles)
}

func TestBenchComparesAndProfiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old, profile := filepath.Join(dir, "old.json"), filepath.Join(dir, "cpu.pprof")
	require.NoError(t, os.WriteFile(old, []byte(`[{"profile":"check","clients":2,"mode":"closed","ratio":{"median":1000,"min":999,"max":1001}}]`), 0o600))
	cmd := newCLI(t).command(t.Context(), "bench", "check", "--clients", "2", "--ledgers", "1", "--rounds", "1", "--seconds", "0.2", "--warm-up", "0",
		"--compare", old, "--cpuprofile", profile)
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "was 1000.00")
	require.Contains(t, string(out), "worse")
	info, err := os.Stat(profile)
	require.NoError(t, err)
	require.Positive(t, info.Size())
}

func TestBenchRefusesWrongUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"nothing"}, {"check", "--rounds", "0"}, {"check", "--clients", "0"}, {"rebuild", "--events", "200000000"}, {"check", "--rate", "-1"},
		{"check", "--events", "5"}, {"check", "--only", "hot"}, {"rebuild", "--store", "x"}, {"check", "--store", "/nowhere"}, {"check", "--compare", "bench.go"}, {"check", "--cpuprofile", "/nowhere/profile"}} {
		err := newCLI(t).command(t.Context(), append([]string{"bench"}, args...)...).Run()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, 2, exit.ExitCode(), args)
	}
}
