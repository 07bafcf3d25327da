package migrations_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/pgtest"
)

var update = flag.Bool("update", false, "rewrite schema.sql")

var noise = regexp.MustCompile(`^(--|SET |SELECT pg_catalog|\\(un)?restrict)`)

// schema.sql is what reviewers read: what all migrations together make. `make schema` writes the same.
func TestSchemaIsCurrent(t *testing.T) {
	t.Parallel()
	dump, err := exec.CommandContext(t.Context(), pgDump(t), "--schema-only", "--no-owner", pgtest.New(t).URL).Output()
	require.NoError(t, err, "pg_dump")
	lines := slices.DeleteFunc(strings.Split(strings.TrimSuffix(string(dump), "\n"), "\n"), noise.MatchString)
	blank := func(a, b string) bool { return a == "" && b == "" }
	got := "-- Written by make schema; what the migrations add up to.\n" + strings.Join(slices.CompactFunc(lines, blank), "\n") + "\n"
	if *update {
		require.NoError(t, os.WriteFile("schema.sql", []byte(got), 0o644))
	}
	want, err := os.ReadFile("schema.sql")
	require.NoError(t, err)
	require.Equal(t, string(want), got, "run make schema")
}

// pgDump is on PATH, or beside the newest server where Debian keeps them.
func pgDump(t *testing.T) string {
	if path, err := exec.LookPath("pg_dump"); err == nil {
		return path
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump")
	require.NotEmpty(t, found, "no pg_dump: install PostgreSQL's client programs")
	return slices.Max(found)
}
