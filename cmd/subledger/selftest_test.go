package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/faults"
)

// The journal that docs/running.md shows is one, of a command that was acknowledged.
func TestTheJournalOfThePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/running.md")
	require.NoError(t, err)
	var lines strings.Builder
	for _, m := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		lines.WriteString(m[1])
	}
	file := filepath.Join(t.TempDir(), "journal")
	require.NoError(t, os.WriteFile(file, []byte(lines.String()), 0o600))
	entries, err := faults.ReadJournal(file)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, "order-1", entries[0].Key)
	require.Len(t, entries[0].Answers, 1)
	require.Equal(t, 201, entries[0].Answers[0].Status)
	require.EqualValues(t, 17, entries[0].Answers[0].Position)
}

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
