package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestServeAndCommandsBesideIt(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	s := c.serve()
	require.Equal(t, "private PostgreSQL in "+c.dir, s.started.Database)
	status, body := s.call("GET", "/readyz", "", "")
	require.Equal(t, 200, status, "%s", body)

	r := c.fails(4, "serve", "--listen", "127.0.0.1:0")
	require.Contains(t, r.stderr, "another subledger already runs on "+c.dir)

	// What another process writes is read here.
	d := parse[demoOutput](t, c.ok("demo", "--seed", "2", "-o", "json"))
	status, body = s.call("GET", "/ledger/v1/subscriptions/"+d.Subscription, d.Keys.Test, "")
	require.Equal(t, 200, status, "%s", body)
	_, metrics := s.call("GET", "/metrics", "", "")
	for _, name := range []string{"states", "ledger_keys", "subject_keys", "current_keys", "acknowledged", "entitlements", "answers", "signatures",
		"api_keys", "wrong_api_keys", "licenses", "meters", "license_homes", "signing_keys", "clocks"} {
		for _, metric := range []string{"bytes", "hits_total", "misses_total", "evictions_total"} {
			require.Contains(t, metrics, `subledger_state_cache_`+metric+`{cache="`+name+`"}`)
		}
	}
	c.ok("verify")
	c.ok("doctor")
	c.ok("migrate", "status")

	require.Equal(t, 0, s.stop())
	for line := range strings.Lines(s.stderr.String()) {
		require.True(t, json.Valid([]byte(line)), "the log is JSON: %s", line)
	}
	again := c.serve()
	require.Equal(t, s.started.Keys, again.started.Keys)
	keys := parse[[]keyOutput](t, c.ok("keys", "list", "-o", "json"))
	for _, k := range keys {
		if k.Name == "Demo 1 live" {
			c.ok("keys", "revoke", k.ID)
		}
	}
	require.Equal(t, 0, again.stop())
	third := c.serve()
	require.Empty(t, third.started.Keys.Live, "a revoked key is not shown")
	require.NotEmpty(t, third.started.Keys.Test)
}

func TestServeWithoutADemo(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	s := c.with("SUBLEDGER_DEMO=false").serve()
	require.Empty(t, s.started.Organisation)
	require.Empty(t, s.started.Keys)
	require.Equal(t, "[]\n", c.ok("keys", "list", "-o", "json"))
	require.Contains(t, c.fails(4, "events", "tail").stderr, "there is no organisation yet")
	require.Equal(t, 0, s.stop())

	// Where there is a demo already, its keys are not told either.
	c.ok("demo")
	require.Empty(t, c.serve("--no-demo").started.Keys)
}

// A request that is on its way when the server is told to end is answered.
func TestServeDrains(t *testing.T) {
	t.Parallel()
	s := newCLI(t).serve()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.started.Address, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	body := `{"name": "late"}`
	fmt.Fprintf(conn, "POST /ledger/v1/organisations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		s.started.Keys.Admin, len(body))
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n') // the handler reads the body now
	require.NoError(t, err)
	require.Contains(t, line, "100 Continue")
	_, err = r.ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, s.process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool { return strings.Contains(s.stderr.String(), `"draining"`) }, 10*time.Second, 10*time.Millisecond)
	fmt.Fprint(conn, body)
	res, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, 201, res.StatusCode)
	require.Equal(t, 0, s.code())
	require.Contains(t, s.ok("events", "tail", "--ledger", "system"), `"late"`)
}

func TestServeEndsWhenPostgresIsGoneForGood(t *testing.T) {
	t.Parallel()
	s := newCLI(t).serve()
	deadline := time.Now().Add(time.Minute)
	for last := 0; ; {
		select {
		case code := <-s.exited:
			s.exited <- code
			require.Equal(t, 3, code, "%s", s.stderr)
			return
		case <-time.After(20 * time.Millisecond):
		}
		require.True(t, time.Now().Before(deadline), "%s", s.stderr)
		text, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
		if err != nil {
			continue // between two of them
		}
		first, _, _ := strings.Cut(string(text), "\n")
		if pid, err := strconv.Atoi(first); err == nil && pid != last {
			last = pid
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func TestServeRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	for _, args := range [][]string{
		{"serve", "--listen", "nonsense"}, {"serve", "--listen", "127.0.0.1:65536"}, {"serve", "--listen", ":-1"}, {"serve", "--listen", ":http"}, {"serve", "--roles", "king"}, {"serve", "--connections", "1"}, {"serve", "--log-level", "loud"},
		{"serve", "--drain=-1s"}, {"nothing"}, {"keys", "roll", "no-uuid"},
	} {
		see := "See: subledger " + args[0] + " --help"
		switch args[0] {
		case "nothing":
			see = "See: subledger --help"
		case "keys":
			see = "See: subledger keys roll --help"
		}
		require.Contains(t, c.fails(2, args...).stderr, see, "%s", args)
	}
	for _, env := range []string{"DATABASE_OWNER_URL=postgres://x/y", "DATABASE_READER_URL=postgres://x/y", "DATABASE_URL=mysql://secret@x/y", "SUBLEDGER_MASTER_KEY=short"} {
		r := c.with(env).fails(2, "serve")
		require.NotContains(t, r.stderr, "secret")
	}
	_, err := os.Stat(c.dir)
	require.ErrorIs(t, err, os.ErrNotExist, "nothing was opened")
	r := c.with("DATABASE_URL=postgres://u:secret@127.0.0.1:1/none").fails(1, "serve")
	require.NotContains(t, r.stderr, "secret")
	for _, args := range [][]string{{"verify"}, {"keys", "list"}, {"doctor"}, {"events", "tail"}, {"projections", "status"}} {
		require.Contains(t, c.fails(4, args...).stderr, "there is no ledger in "+c.dir+" yet")
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	require.Contains(t, c.fails(4, "serve", "--listen", taken.Addr().String()).stderr, "SUBLEDGER_LISTEN")
	_, err = os.Stat(c.dir)
	require.ErrorIs(t, err, os.ErrNotExist, "a port in use is found before PostgreSQL is made")

	// A data directory that can't be one, whoever asks.
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, args := range [][]string{{"serve", "--listen", "127.0.0.1:0"}, {"demo"}, {"verify"}} {
		require.Contains(t, c.with("SUBLEDGER_DATA_DIR="+filepath.Join(file, "ledger")).fails(4, args...).stderr, "set SUBLEDGER_DATA_DIR to one that you may write", "%s", args)
	}
}

// A year of a test ledger goes by in a moment.
func TestServeAdvancesATestClock(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	s := c.serve()
	d := parse[demoOutput](t, c.ok("demo", "-o", "json"))
	read := func(path string, into any) {
		t.Helper()
		status, body := s.call("GET", path, d.Keys.Test, "")
		require.Equal(t, 200, status, "%s", body)
		require.NoError(t, json.Unmarshal([]byte(body), into))
	}
	var clock struct{ Now time.Time }
	read("/ledger/v1/clock", &clock)
	to := clock.Now.AddDate(1, 0, 1).Truncate(time.Second)
	status, body := s.call("POST", "/ledger/v1/clock/advance", d.Keys.Test, `{"to":"`+to.Format(time.RFC3339)+`"}`)
	require.Equal(t, 202, status, "%s", body)
	asked := parse[struct{ EventUUID string }](t, body)
	var task struct{ Status string }
	require.Eventually(t, func() bool {
		read("/ledger/v1/tasks/"+asked.EventUUID, &task)
		return task.Status == "success"
	}, time.Minute, 20*time.Millisecond)
	read("/ledger/v1/clock", &clock)
	require.Equal(t, to, clock.Now)
	var sub struct {
		CurrentPeriod struct{ Start, End time.Time }
	}
	read("/ledger/v1/subscriptions/"+d.Subscription, &sub)
	require.False(t, sub.CurrentPeriod.Start.After(to))
	require.True(t, sub.CurrentPeriod.End.After(to), "it renewed until then: %+v", sub)
	require.Contains(t, c.ok("selftest", "check"), "ok")
}
