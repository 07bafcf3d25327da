package embeddedpg

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNoPrograms(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	empty := filepath.Dir(dir)
	_, err := Start(t.Context(), Config{Dir: dir, BinDir: empty})
	require.ErrorContains(t, err, "no PostgreSQL 15 or newer found on this machine")
	require.ErrorContains(t, err, empty+": no postgres in it")
	require.ErrorContains(t, err, "apt-get install -y postgresql")
	_, err = os.Stat(dir)
	require.ErrorIs(t, err, os.ErrNotExist, "nothing is made before the programs are found")
}

func TestProgramsArePassedOver(t *testing.T) {
	t.Parallel()
	me := account{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	for name, tt := range map[string]struct {
		says  string
		made  int
		fails string
	}{
		"too old":          {"postgres (PostgreSQL) 14.9", 0, "PostgreSQL 14 is too old"},
		"a beta counts":    {"postgres (PostgreSQL) 18beta1", 0, ""},
		"another major":    {"postgres (PostgreSQL) 16.4 (Debian 16.4-1)", 15, "PostgreSQL 16"},
		"the right major":  {"postgres (PostgreSQL) 16.4 (Debian 16.4-1)", 16, ""},
		"something else":   {"hello", 0, `says "hello"`},
		"an ancient kept":  {"postgres (PostgreSQL) 12.1", 12, "PostgreSQL 12 is too old"},
		"two-digit minors": {"postgres (PostgreSQL) 15.13", 15, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, program := range []string{"postgres", "initdb"} {
				require.NoError(t, os.WriteFile(filepath.Join(dir, program), []byte("#!/bin/sh\necho '"+tt.says+"'\n"), 0o755))
			}
			got, err := findPrograms(t.Context(), Config{BinDir: dir}, me, "/data", tt.made)
			if tt.fails != "" {
				require.ErrorContains(t, err, tt.fails)
				return
			}
			require.NoError(t, err)
			require.Equal(t, dir, got.dir)
		})
	}
}

func TestNewestFirst(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"/v/18/bin", "/v/15/bin", "/v/9.6/bin"}, newestFirst([]string{"/v/15/bin", "/v/18/bin", "/v/9.6/bin"}))
}

func TestBlockedDirectoryIsNamed(t *testing.T) {
	t.Parallel()
	closed := filepath.Join(newDir(t), "closed")
	inside := filepath.Join(closed, "bin")
	require.NoError(t, os.MkdirAll(inside, 0o755))
	require.NoError(t, os.Chmod(closed, 0o700))
	stranger := account{uid: uint32(os.Geteuid()) + 12345, gid: uint32(os.Getegid()) + 12345, drop: true}
	at, err := stranger.blocked(inside)
	require.NoError(t, err)
	require.Equal(t, closed+" (mode 700)", at)
	require.NoError(t, os.Chmod(closed, 0o711))
	at, err = stranger.blocked(inside)
	require.NoError(t, err)
	require.Empty(t, at)
	require.ErrorContains(t, prepareIn(t, closed, stranger), "can't pass through")
}

// prepareIn closes a directory and asks for a data directory in it.
func prepareIn(t *testing.T, dir string, who account) error {
	t.Helper()
	require.NoError(t, os.Chmod(dir, 0o700))
	return prepare(filepath.Join(dir, "ledger"), who)
}
