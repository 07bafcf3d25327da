package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
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
	require.Contains(t, plan[0].SQL, "-- +goose Up")
	r := c.fails(4, "keys", "list")
	require.Contains(t, r.stderr, plan[0].File+" is missing")
	require.Contains(t, r.stderr, "subledger migrate up")
}

// A read model that this version brings is built before anybody waits for it: by migrate up, or by serve.
func TestNewReadModelsAreBuilt(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	s := c.serve()
	d := parse[demoOutput](t, c.ok("demo", "-o", "json"))
	records := make([]string, 1000)
	for i := range records {
		records[i] = fmt.Sprintf(`{"key":"%d","quantity":1,"subscriptionUuid":"%s"}`, i, d.Subscription)
	}
	status, body := s.call("POST", "/ledger/v1/usage", d.Keys.Test, `{"records":[`+strings.Join(records, ",")+`]}`)
	require.Equal(t, 200, status, "%s", body)
	require.NotContains(t, body, "rejected")
	status, body = s.call("GET", "/ledger/v1/subscriptions/"+d.Subscription, d.Keys.Test, "") // the read models are there
	require.Equal(t, 200, status, "%s", body)
	require.Equal(t, 0, s.stop())
	forget := func() { // as an older version left it
		t.Run("forget", func(t *testing.T) {
			c := *c
			c.t = t
			c.database().exec(`with own as (delete from checkpoints where projection = 'usage_records'),
				shared as (update checkpoints set covers = array_remove(covers, 'usage_records') where covers is not null)
				delete from usage_records`)
		})
	}
	forget()
	require.Equal(t, []string{"usage_records"}, parse[struct{ Built []string }](t, c.ok("migrate", "up", "-o", "json")).Built)
	require.Empty(t, parse[struct{ Built []string }](t, c.ok("migrate", "up", "-o", "json")).Built)
	require.Contains(t, c.ok("projections", "check"), "as the log says")
	forget()
	require.Contains(t, c.ok("migrate", "up"), "1 new read model built: usage_records")
	forget()
	again := c.serve()
	require.Equal(t, 0, again.stop())
	require.Contains(t, again.stderr.String(), `"built":["usage_records"]`)
	for line := range strings.Lines(again.stderr.String()) {
		require.True(t, json.Valid([]byte(line)), "the log is JSON: %s", line)
	}
	require.Empty(t, parse[struct{ Built []string }](t, c.ok("migrate", "up", "-o", "json")).Built)
	require.Contains(t, c.ok("projections", "check"), "as the log says")
}

func TestVersion(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	v := parse[struct{ Version, Go, Schema string }](t, c.ok("version", "-o", "json"))
	require.Equal(t, c.ok("version"), c.ok("--version"))
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
			require.Contains(t, line, `"type":"customer.created.v1"`)
		case <-time.After(50 * time.Millisecond):
		case <-t.Context().Done():
			return
		}
	}
	cancel()
	_ = cmd.Wait()
	require.Equal(t, 0, cmd.ProcessState.ExitCode(), "to be interrupted is how it ends")
}

// Processes that make the same read models anew at once do it one after the other: they share a shadow.
func TestRebuildsWaitForEachOther(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	s := c.serve()
	d := parse[demoOutput](t, c.ok("demo", "-o", "json"))
	records := make([]string, 1000)
	for i := range records {
		records[i] = fmt.Sprintf(`{"key":"%d","quantity":1,"subscriptionUuid":"%s"}`, i, d.Subscription)
	}
	status, body := s.call("POST", "/ledger/v1/usage", d.Keys.Test, `{"records":[`+strings.Join(records, ",")+`]}`)
	require.Equal(t, 200, status, "%s", body)
	status, body = s.call("GET", "/ledger/v1/subscriptions/"+d.Subscription, d.Keys.Test, "")
	require.Equal(t, 200, status, "%s", body)
	built := make(chan result, 3)
	for range cap(built) {
		go func() { built <- c.run("projections", "rebuild", "--model", "usage_records", "-o", "json") }()
	}
	for range cap(built) {
		r := <-built
		require.Equal(t, 0, r.code, "%s", r.stderr)
	}
	require.Contains(t, c.ok("projections", "check"), "as the log says")
}
