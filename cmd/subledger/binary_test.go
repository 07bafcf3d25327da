package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/embeddedpg"
)

// The tests of this package run the built binary on private PostgreSQL servers.

var built string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "subledger-cli-")
	if err != nil {
		panic(err)
	}
	built = filepath.Join(dir, "subledger")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", built, ".").CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// dataDir is a directory for a private PostgreSQL; t.TempDir() is closed to the user that it runs as.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "subledger-data-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o711))
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return filepath.Join(dir, "ledger")
}

// cli runs the binary on one data directory.
type cli struct {
	t   *testing.T
	dir string
	env []string // in place of what the test's own environment says
}

func newCLI(t *testing.T) *cli {
	t.Helper()
	return &cli{t: t, dir: dataDir(t)}
}

func (c *cli) with(env ...string) *cli {
	return &cli{c.t, c.dir, append(c.env[:len(c.env):len(c.env)], env...)}
}

func (c *cli) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, built, args...)
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !strings.HasPrefix(name, "DATABASE_") && (!strings.HasPrefix(name, "SUBLEDGER_") || strings.HasPrefix(name, "SUBLEDGER_PG_")) {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(append(cmd.Env, "SUBLEDGER_DATA_DIR="+c.dir), c.env...)
	return cmd
}

type result struct {
	code           int
	stdout, stderr string
}

func (c *cli) run(args ...string) result {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := c.command(ctx, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(c.t, err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// ok runs a command that must succeed and returns what it printed.
func (c *cli) ok(args ...string) string {
	c.t.Helper()
	r := c.run(args...)
	require.Equal(c.t, 0, r.code, "subledger %s\n%s%s", strings.Join(args, " "), r.stdout, r.stderr)
	return r.stdout
}

// fails runs a command that must end with a status, and returns what it said.
func (c *cli) fails(code int, args ...string) result {
	c.t.Helper()
	r := c.run(args...)
	require.Equal(c.t, code, r.code, "subledger %s\n%s%s", strings.Join(args, " "), r.stdout, r.stderr)
	return r
}

// parse reads the one JSON value of an output.
func parse[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(text))
	require.NoError(t, d.Decode(&v), "%s", text)
	_, err := d.Token()
	require.ErrorIs(t, err, io.EOF, "more than one value: %s", text)
	return v
}

type demoOutput struct {
	Organisation string
	Keys         struct{ Live, Test, Admin string }
	Product      string
	Plans        struct{ Free, Flat, FlatUpgrade, PerSeat, Metered string }
	Subscription, FlatSubscription,
	MeteredLicense, PricingTable, Coupon string
	Licenses, Grantees []string
}

// serving is a running server.
type serving struct {
	*cli
	process *os.Process
	started struct {
		Address, Database, Organisation string
		Keys                            struct{ Live, Test, Admin string }
	}
	stderr *syncBuffer
	exited chan int
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// serve starts a server on a free port and waits for its block.
func (c *cli) serve(args ...string) *serving {
	c.t.Helper()
	s := &serving{cli: c, stderr: &syncBuffer{}, exited: make(chan int, 1)}
	cmd := c.command(context.WithoutCancel(c.t.Context()), append([]string{"serve", "--listen", "127.0.0.1:0", "-o", "json"}, args...)...)
	out, err := cmd.StdoutPipe()
	require.NoError(c.t, err)
	cmd.Stderr = s.stderr
	require.NoError(c.t, cmd.Start())
	s.process = cmd.Process
	decoded := make(chan error, 1)
	go func() {
		decoded <- json.NewDecoder(out).Decode(&s.started)
		_ = cmd.Wait()
		s.exited <- cmd.ProcessState.ExitCode()
	}()
	c.t.Cleanup(func() {
		_ = s.process.Signal(syscall.SIGTERM) // it may have ended
		s.code()
	})
	select {
	case err := <-decoded:
		require.NoError(c.t, err, "%s", s.stderr)
	case <-time.After(time.Minute):
		require.Fail(c.t, "the server did not start", "%s", s.stderr)
	}
	return s
}

// stop asks the server to end and returns its exit status.
func (s *serving) stop() int {
	s.t.Helper()
	require.NoError(s.t, s.process.Signal(syscall.SIGTERM))
	return s.code()
}

// code waits for the end.
func (s *serving) code() int {
	s.t.Helper()
	select {
	case code := <-s.exited:
		s.exited <- code
		return code
	case <-time.After(time.Minute):
		_ = s.process.Kill()
		require.Fail(s.t, "the server did not end", "%s", s.stderr)
		return -1
	}
}

// call sends a request and returns status and body.
func (s *serving) call(method, path, key, body string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.started.Address+path, strings.NewReader(body))
	require.NoError(s.t, err)
	req.Header.Set("Authorization", "Bearer "+key)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	return res.StatusCode, string(text)
}

// database is the directory's PostgreSQL, run by the test: commands join it.
type database struct {
	t    *testing.T
	conn *pgx.Conn // with all rights
}

func (c *cli) database() *database {
	c.t.Helper()
	server, err := embeddedpg.Start(c.t.Context(), embeddedpg.Config{Dir: c.dir})
	require.NoError(c.t, err)
	c.t.Cleanup(func() { require.NoError(c.t, server.Stop(context.WithoutCancel(c.t.Context()))) })
	conn, err := pgx.Connect(c.t.Context(), server.URL(embeddedpg.Superuser, "subledger"))
	require.NoError(c.t, err)
	c.t.Cleanup(func() { conn.Close(context.WithoutCancel(c.t.Context())) })
	return &database{c.t, conn}
}

// exec runs statements that each change something.
func (d *database) exec(statements ...string) {
	d.t.Helper()
	for _, sql := range statements {
		tag, err := d.conn.Exec(d.t.Context(), sql)
		require.NoError(d.t, err, "%s", sql)
		require.NotZero(d.t, tag.RowsAffected(), "%s", sql)
	}
}
