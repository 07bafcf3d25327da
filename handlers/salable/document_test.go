package salable_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The table of docs/salable.md is the list of routes.
func TestB78_DocumentListsTheRoutes(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	var served, documented []string
	for _, rt := range g.api.Versions() {
		served = append(served, fmt.Sprintf("| %s | `%s` | `%s` | %s |", rt.Method, rt.Path, rt.Scope, strings.Join(rt.In, " ")))
	}
	text, err := os.ReadFile("../../docs/salable.md")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "| `/") {
			documented = append(documented, strings.TrimSpace(line))
		}
	}
	require.Equal(t, strings.Join(served, "\n"), strings.Join(documented, "\n"))
}
