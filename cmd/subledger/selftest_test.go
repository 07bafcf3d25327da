package main_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestSelftestCheck(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("demo")
	require.Contains(t, c.ok("selftest", "check"), "holds")

	db := c.database()
	db.exec(`update subscriptions set quantity = quantity + 1`)
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
			require.Regexp(t, `^subscriptions id "[0-9a-f-]{36}": there is quantity \d+, and should be quantity \d+$`, f.Breaches[0].Problem)
			require.Contains(t, f.Advice, "projections rebuild")
		}
	}
	require.Equal(t, 6, broken)
	require.Contains(t, c.fails(5, "selftest", "check").stdout, "BROKEN")
	c.fails(2, "selftest", "check", "--journal", "go.mod.nowhere")
	empty := filepath.Join(t.TempDir(), "journal")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	require.Contains(t, c.fails(2, "selftest", "check", "--journal", empty).stderr, "has no command")
	nobodys := uuid.NewString()
	require.Contains(t, c.fails(4, "selftest", "check", "--ledger", nobodys).stderr, "there is no ledger "+nobodys)

	db.exec(`update checkpoints set position = position + 1`)
	require.Contains(t, c.fails(5, "selftest", "check").stdout, "ahead of the log")
	require.Contains(t, c.fails(5, "projections", "check").stderr, "ahead of the log")
}
