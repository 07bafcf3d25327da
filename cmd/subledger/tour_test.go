package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tourStep is a block of a page to run and, below it, what it prints.
type tourStep struct{ script, prints string }

// readTour reads the steps exactly as they stand in the page.
func readTour(t *testing.T, page string) []tourStep {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	var steps []tourStep
	for rest := string(text); ; {
		_, after, ok := strings.Cut(rest, "\n```sh\n")
		if !ok {
			return steps
		}
		script, after, ok := strings.Cut(after, "```\n")
		require.True(t, ok)
		prints, ok := strings.CutPrefix(after, "```text\n")
		require.True(t, ok, "what does this print?\n%s", script)
		prints, rest, ok = strings.Cut(prints, "```\n")
		require.True(t, ok)
		steps = append(steps, tourStep{script, prints})
	}
}

func TestTheReadmesTour(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(text), "```\nmake run "), "the first lines are the two commands")
	newCLI(t).serve().follow("../../README.md", 7)
}

func TestFirstStepsWithTheLedger(t *testing.T) {
	t.Parallel()
	newCLI(t).serve("--no-demo").follow("../../docs/ledger.md", 8)
}

func TestTheTourOfUsage(t *testing.T) {
	t.Parallel()
	newCLI(t).serve("--no-demo").follow("../../docs/usage.md", 6)
}

func TestHowThingsAreBilled(t *testing.T) {
	t.Parallel()
	newCLI(t).serve("--no-demo").follow("../../docs/billing.md", 5)
}

func TestInvoicesExplainThemselves(t *testing.T) {
	t.Parallel()
	newCLI(t).serve("--no-demo").follow("../../docs/invoices.md", 2)
}

// follow runs a page's steps in one shell and wants each to print what stands below it.
func (s *serving) follow(page string, least int) {
	t := s.t
	t.Helper()
	steps := readTour(t, page)
	require.GreaterOrEqual(t, len(steps), least)
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "bin"), 0o755))
	require.NoError(t, os.Symlink(built, filepath.Join(dir, "bin", "subledger")))
	const next = "next step"
	var script strings.Builder
	for _, step := range steps {
		script.WriteString(step.script + "echo '" + next + "'\n")
	}
	bash, err := exec.LookPath("bash")
	require.NoError(t, err)
	cmd := s.command(t.Context())
	cmd.Path, cmd.Args, cmd.Dir = bash, []string{"bash", "-eu", "-c", script.String()}, dir
	cmd.Env = append(cmd.Env, "URL="+s.started.Address)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s\n%s", out, &stderr)
	require.Empty(t, stderr.String())
	printed := strings.Split(string(out), next+"\n")
	require.Len(t, printed, len(steps)+1)
	for i, step := range steps {
		require.Equal(t, step.prints, printed[i], "%s", step.script)
	}
}
