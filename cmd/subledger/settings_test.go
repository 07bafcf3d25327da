package main_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The page's table of settings has every flag and variable of serve, and none that there is not.
func TestThePageHasEverySetting(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/running.md")
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(page), "\n|---|---|---|---|\n")
	require.True(t, ok)
	table, _, ok = strings.Cut(table, "\n\n")
	require.True(t, ok)
	find := func(pattern, text string) (all []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			all = append(all, m[1])
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	var flags, variables string
	for line := range strings.Lines(table) {
		columns := strings.Split(line, "|")
		require.Len(t, columns, 6, line)
		variables, flags = variables+columns[1], flags+columns[2]
	}
	help := newCLI(t).ok("serve", "--help")
	_, help, ok = strings.Cut(help, "Flags:")
	require.True(t, ok)
	there := find(`(?m)^ +(?:-\w, )?--(?:\[no-\])?([a-z-]+)`, help)
	require.Contains(t, there, "public-url")
	there = slices.DeleteFunc(there, func(flag string) bool { return flag == "help" || flag == "version" })
	documented := slices.DeleteFunc(find("`--([a-z-]+)`", flags), func(flag string) bool { return flag == "no-demo" })
	require.Equal(t, there, documented)

	// Variables without a flag in the help are read elsewhere, by these names.
	code := ""
	for _, file := range []string{"serve.go", "database.go", "masterkey.go", "observability.go"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		code += string(text)
	}
	want := append(find(`env:"([A-Z_]+)"`, code), "OTEL_EXPORTER_OTLP_ENDPOINT", "SUBLEDGER_MASTER_KEY")
	for _, name := range want {
		require.Contains(t, code, name)
	}
	slices.Sort(want)
	require.Equal(t, want, find("`([A-Z_]+)`", variables))
}
