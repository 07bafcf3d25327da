package main_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSelftestCheck(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("demo")
	require.Contains(t, c.ok("selftest", "check"), "holds")

	c.database().exec(`update subscriptions set quantity = quantity + 1`)
	r := c.fails(5, "selftest", "check", "-o", "json")
	type finding struct {
		Number     int
		NotChecked string
		Checked    int64
		Advice     string
		Breaches   []struct{ Ledger, Problem string }
	}
	broken := 0
	for _, f := range parse[[]finding](t, r.stdout) {
		require.True(t, f.NotChecked != "" || f.Checked > 0 || f.Number == 10, "%+v", f)
		if len(f.Breaches) > 0 {
			broken = f.Number
			require.Contains(t, f.Breaches[0].Problem, "subscriptions is")
			require.Contains(t, f.Advice, "projections rebuild")
		}
	}
	require.Equal(t, 6, broken)
	require.Contains(t, c.fails(5, "selftest", "check").stdout, "BROKEN")
	c.fails(2, "selftest", "check", "--journal", "go.mod.nowhere")
}
