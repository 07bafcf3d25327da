// Package application breaks the running program: kills, stops, panics, starved of files, overloaded. Each test
// has the id of its fault in its name (docs/faults.md); after each, the invariants hold.
package application

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/faults"
	"github.com/subledger/subledger/internal/pgtest"
	"github.com/subledger/subledger/internal/selftest"
)

var built string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "subledger-faults-")
	if err != nil {
		panic(err)
	}
	built = filepath.Join(dir, "subledger")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", built, "../../../cmd/subledger").CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// rig is a database with a demo organisation, and clients that keep a journal.
type rig struct {
	db  *pgtest.DB
	dir string
	key string // of the test ledger

	subscription string // of a private database's demo
	product      string // that F10 changes
	processor    string // that an overloaded server has for itself

	ledger  uuid.UUID
	journal *faults.Journal
	path    string
	client  *http.Client
	demo    struct {
		Keys  struct{ Live, Test, Admin string }
		Plans struct{ PerSeat string }
	}
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return newRigOn(t, pgtest.New(t))
}

func newRigOn(t *testing.T, db *pgtest.DB) *rig {
	t.Helper()
	g := &rig{db: db, dir: t.TempDir(), path: filepath.Join(t.TempDir(), "journal"),
		client: &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	t.Cleanup(g.client.CloseIdleConnections)
	var err error
	g.journal, err = faults.OpenJournal(g.path)
	require.NoError(t, err)
	cmd := g.command("demo", "-o", "json")
	out, err := cmd.Output()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(out, &g.demo), "%s", out)
	g.key = g.demo.Keys.Test
	pool := pgtest.Pool(t, g.db.URL)
	require.NoError(t, pool.QueryRow(t.Context(), "select ledger_id from ledgers where mode = 'test'").Scan(&g.ledger))
	return g
}

func (g *rig) command(args ...string) *exec.Cmd {
	cmd := exec.Command(built, args...)
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !strings.HasPrefix(name, "DATABASE_") && (!strings.HasPrefix(name, "SUBLEDGER_") || strings.HasPrefix(name, "SUBLEDGER_PG_")) {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "SUBLEDGER_DATA_DIR="+g.dir, "SUBLEDGER_RATE_LIMIT=0")
	if g.db != nil { // else a private one
		cmd.Env = append(cmd.Env, "DATABASE_URL="+g.db.URL)
	}
	return cmd
}

// app is a running server.
type app struct {
	*rig
	address string
	cmd     *exec.Cmd
	log     *os.File
	ended   chan struct{}
}

// start runs a server on the rig's database; env adds to its environment.
func (g *rig) start(t *testing.T, env ...string) *app {
	t.Helper()
	return g.startWith(t, g.command("serve", "--listen", "127.0.0.1:0", "-o", "json"), env...)
}

func (g *rig) startWith(t *testing.T, cmd *exec.Cmd, env ...string) *app {
	t.Helper()
	a := &app{rig: g, cmd: cmd, ended: make(chan struct{})}
	cmd.Env = append(cmd.Env, env...)
	var err error
	a.log, err = os.CreateTemp(t.TempDir(), "log")
	require.NoError(t, err)
	cmd.Stderr = a.log
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	told := make(chan string, 1)
	go func() {
		var s struct {
			Address string
			Keys    struct{ Test string }
		}
		_ = json.NewDecoder(out).Decode(&s)
		if a.key == "" {
			a.key = s.Keys.Test // of a private database's demo
		}
		told <- s.Address
		_ = cmd.Wait()
		close(a.ended)
	}()
	t.Cleanup(func() { a.kill(); <-a.ended })
	select {
	case a.address = <-told:
	case <-time.After(30 * time.Second):
	}
	require.NotEmpty(t, a.address, "the server did not start:\n%s", a.said())
	return a
}

func (a *app) said() string {
	text, _ := os.ReadFile(a.log.Name())
	return string(text)
}

func (a *app) kill()                   { _ = a.cmd.Process.Kill() }
func (a *app) signal(s syscall.Signal) { _ = a.cmd.Process.Signal(s) }

// exits waits for the end of the process.
func (a *app) exits(t *testing.T, within time.Duration) int {
	t.Helper()
	select {
	case <-a.ended:
		return a.cmd.ProcessState.ExitCode()
	case <-time.After(within):
		require.Fail(t, "the server did not end", "%s", a.said())
		return -1
	}
}

// reply is an answer; Status 0: none came.
type reply struct {
	Status int
	Header http.Header
	Body   string
}

func (r reply) code() string {
	var problem struct{ Code string }
	_ = json.Unmarshal([]byte(r.Body), &problem)
	return problem.Code
}

func (r reply) position() int64 {
	n, _ := strconv.ParseInt(r.Header.Get("Ledger-Position"), 10, 64)
	return n
}

func (a *app) call(ctx context.Context, method, path, body, key string) reply {
	req, err := http.NewRequestWithContext(ctx, method, a.address+path, strings.NewReader(body))
	if err != nil {
		return reply{}
	}
	req.Header.Set("X-Api-Key", a.key)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := a.client.Do(req)
	if err != nil {
		return reply{}
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return reply{}
	}
	return reply{res.StatusCode, res.Header, string(text)}
}

// command sends a journaled command that makes a product, and notes what came of it.
func (a *app) send(ctx context.Context, key string) (reply, error) {
	body := fmt.Sprintf(`{"name":"p-%s","displayName":"P"}`, key)
	if err := a.journal.Sent(faults.Sent{Ledger: a.ledger, Key: key, Method: "POST", Path: "/ledger/v1/products", Body: body}); err != nil {
		return reply{}, err
	}
	r := a.call(ctx, "POST", "/ledger/v1/products", body, key)
	return r, a.journal.Answered(faults.Answered{Ledger: a.ledger, Key: key, Status: r.Status, Code: r.code(), Position: r.position()})
}

// load lets n clients send commands until stop is closed; it gives the keys without a final answer.
func (a *app) load(ctx context.Context, n int, stop <-chan struct{}) (open []string, replies []reply) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				key := uuid.NewString()
				r, err := a.send(ctx, key)
				mu.Lock()
				replies = append(replies, r)
				if err != nil || r.Status == 0 || r.Status >= 500 {
					open = append(open, key)
				}
				mu.Unlock()
				if r.Status == 0 {
					return // the server is gone
				}
			}
		})
	}
	wg.Wait()
	return open, replies
}

// entries is what the clients know.
func (g *rig) entries(t *testing.T) []*faults.Entry {
	t.Helper()
	require.NoError(t, g.journal.Flush())
	entries, err := faults.ReadJournal(g.path)
	require.NoError(t, err)
	return entries
}

// sound holds the database against the journal and the invariants.
func (g *rig) sound(t *testing.T) {
	t.Helper()
	entries := g.entries(t)
	pool := pgtest.Pool(t, g.db.URL)
	all, err := selftest.Check(t.Context(), pool, selftest.Options{Journal: entries})
	require.NoError(t, err)
	for _, f := range all {
		for _, b := range f.Breaches {
			if f.Number != 2 || !strings.Contains(b.Problem, "demo") { // the demo's own keys are in no journal
				t.Errorf("invariant %d, %s: %s", f.Number, f.Name, b)
			}
		}
	}
	out, err := g.command("projections", "check").CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// events counts those of the test ledger.
func (g *rig) events(t *testing.T) (n int64) {
	t.Helper()
	require.NoError(t, pgtest.Pool(t, g.db.URL).QueryRow(t.Context(), "select position from ledgers where ledger_id = $1", g.ledger).Scan(&n))
	return n
}

func dump(r reply) string { return strings.TrimSpace(string(bytes.ToValidUTF8([]byte(r.Body), nil))) }

func newEmpty(t *testing.T) *pgtest.DB {
	t.Helper()
	db := pgtest.New(t)
	_, err := pgtest.Pool(t, db.URL).Exec(t.Context(), `drop schema public cascade; create schema public`)
	require.NoError(t, err)
	return db
}

func pgtestExec(t *testing.T, g *rig, sql string) (int64, error) {
	t.Helper()
	tag, err := pgtest.Pool(t, g.db.URL).Exec(t.Context(), sql)
	return tag.RowsAffected(), err
}
