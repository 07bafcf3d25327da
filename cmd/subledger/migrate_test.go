package main_test

import (
	"bufio"
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type step struct {
	Version   int64
	File, SQL string
	Applied   bool
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir("../../migrations")
	require.NoError(t, err)
	numbered := 0
	for _, f := range files {
		if f.Name()[0] == '0' {
			numbered++
		}
	}
	c := newCLI(t)
	require.Contains(t, c.fails(4, "migrate", "status").stderr, "subledger serve")
	applied := parse[struct{ Applied []step }](t, c.ok("migrate", "up", "-o", "json")).Applied
	require.Len(t, applied, numbered)
	require.Empty(t, parse[struct{ Applied []step }](t, c.ok("migrate", "up", "-o", "json")).Applied)
	for _, s := range parse[[]step](t, c.ok("migrate", "status", "-o", "json")) {
		require.True(t, s.Applied)
	}
	require.Equal(t, "-- nothing to do: the schema is up to date\n", c.ok("migrate", "plan"))

	// Commands refuse a schema that is older than the program, and say what is missing.
	db := c.database()
	db.exec(`delete from schema_migrations where version_id = (select max(version_id) from schema_migrations)`)
	plan := parse[[]step](t, c.ok("migrate", "plan", "-o", "json"))
	require.Len(t, plan, 1)
	require.Contains(t, plan[0].SQL, "alter table")
	r := c.fails(4, "keys", "list")
	require.Contains(t, r.stderr, plan[0].File+" is missing")
	require.Contains(t, r.stderr, "subledger migrate up")
}

func TestVersion(t *testing.T) {
	t.Parallel()
	v := parse[struct{ Version, Go, Schema string }](t, newCLI(t).ok("version", "-o", "json"))
	require.NotEmpty(t, v.Version)
	require.Contains(t, v.Go, "go1.")
	require.NotEmpty(t, v.Schema)
}

func TestEventsAreFollowed(t *testing.T) {
	t.Parallel()
	s := newCLI(t).serve()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := s.command(ctx, "events", "tail", "--follow", "-n", "0", "--mode", "test", "-o", "json")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewReader(out)
	plan := parse[demoOutput](t, s.ok("demo", "-o", "json")).Plans.Flat
	read := make(chan string, 1)
	go func() {
		line, _ := lines.ReadString('\n')
		read <- line
	}()
	// It may begin to follow after this: so buy until it shows.
	for line := ""; line == ""; {
		status, body := s.call("POST", "/ledger/v1/subscriptions", s.started.Keys.Test, `{"planUuid": "`+plan+`"}`)
		require.Equal(t, 201, status, "%s", body)
		select {
		case line = <-read:
			require.Contains(t, line, `"type":"subscription.started.v1"`)
		case <-time.After(50 * time.Millisecond):
		case <-t.Context().Done():
			return
		}
	}
	cancel()
	_ = cmd.Wait()
	require.Equal(t, 0, cmd.ProcessState.ExitCode(), "to be interrupted is how it ends")
}
