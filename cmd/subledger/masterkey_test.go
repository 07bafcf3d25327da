package main_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMasterKey(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("migrate", "up")
	file := filepath.Join(c.dir, "master.key")
	text, err := os.ReadFile(file)
	require.NoError(t, err)

	require.NoError(t, os.Remove(file))
	for _, args := range [][]string{{"serve", "--listen", "127.0.0.1:0"}, {"demo"}, {"keys", "list"}, {"migrate", "up"}} {
		r := c.fails(4, args...)
		require.Contains(t, r.stderr, "the master key is missing", "%s", args)
		_, err := os.Stat(file)
		require.ErrorIs(t, err, os.ErrNotExist, "%s: a new key beside old data would be a loss", args)
	}
	c.ok("verify") // the chain needs no key
	require.Contains(t, c.fails(6, "doctor").stdout, "the master key is missing")

	other := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	wrong := c.with("SUBLEDGER_MASTER_KEY=" + other)
	for _, args := range [][]string{{"serve", "--listen", "127.0.0.1:0"}, {"demo"}, {"keys", "list"}} {
		r := wrong.fails(4, args...)
		require.Contains(t, r.stderr, "this is not the master key", "%s", args)
		require.NotContains(t, r.stderr, other)
	}

	for _, damaged := range []string{"", "abc", base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 31)))} {
		require.NoError(t, os.WriteFile(file, []byte(damaged), 0o600))
		require.Contains(t, c.fails(4, "demo").stderr, "a master key is 32 bytes", "%q", damaged)
	}
	require.NoError(t, os.Remove(file))

	right := c.with("SUBLEDGER_MASTER_KEY=" + strings.TrimSpace(string(text)))
	right.ok("demo")
	require.NoError(t, os.WriteFile(file, text, 0o644))
	require.Contains(t, c.fails(6, "doctor").stdout, "chmod 600")
	c.ok("keys", "list")
}
