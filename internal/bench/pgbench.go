package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNoPgbench says what to install.
var ErrNoPgbench = errors.New("need: pgbench: apt-get install postgresql, or brew install postgresql@17")

// pgbench runs single-row inserts, one a transaction, over prepared statements: the most that one can
// ask of this PostgreSQL a row at a time. A row is a key and about 230 bytes of JSON, as many as an event
// of ours has.
type pgbench struct {
	program, script, url string
}

const (
	bareDatabase = "baseline"
	bareTable    = `create table bare (id bigint generated always as identity primary key, data json not null)`
	bareInsert   = `insert into bare (data) values ('{"task_id":"01980000-0000-7000-8000-000000000000","plan_id":"01980000-0000-7000-8000-000000000001",` +
		`"quantity":12,"proration":"create_prorations","note":"as many bytes as the data of an event has, which is what a ledger would insert"}');` + "\n"
)

// findPgbench looks where the private PostgreSQL's programs are looked for.
func findPgbench() (string, error) {
	var found []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin/pgbench", "/usr/pgsql-*/bin/pgbench", "/usr/local/pgsql/bin/pgbench",
		"/opt/homebrew/opt/postgresql@*/bin/pgbench", "/usr/local/opt/postgresql@*/bin/pgbench",
		"/Applications/Postgres.app/Contents/Versions/*/bin/pgbench",
	} {
		paths, _ := filepath.Glob(pattern) // fails on a malformed pattern only
		slices.Sort(paths)
		slices.Reverse(paths)
		found = append(found, paths...)
	}
	if dir := os.Getenv("SUBLEDGER_PG_BIN"); dir != "" {
		found = slices.Insert(found, 0, filepath.Join(dir, "pgbench"))
	}
	for _, path := range found {
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	if path, err := exec.LookPath("pgbench"); err == nil {
		return path, nil
	}
	return "", ErrNoPgbench
}

// newPgbench prepares a database of its own beside the product's.
func newPgbench(ctx context.Context, r *run) (*pgbench, error) {
	program, err := findPgbench()
	if err != nil {
		return nil, err
	}
	if err := makeBare(ctx, r.target); err != nil {
		return nil, fmt.Errorf("make the baseline's database: %w", err)
	}
	dir, err := os.MkdirTemp("", "subledger-pgbench-")
	if err != nil {
		return nil, err
	}
	r.cleanup = append(r.cleanup, func() { _ = os.RemoveAll(dir) })
	script := filepath.Join(dir, "insert.sql")
	if err := os.WriteFile(script, []byte(bareInsert), 0o600); err != nil {
		return nil, err
	}
	return &pgbench{program: program, script: script, url: r.target.Database(bareDatabase)}, nil
}

func makeBare(ctx context.Context, t Target) error {
	for _, step := range [][2]string{{"postgres", "create database " + bareDatabase}, {bareDatabase, bareTable}} {
		conn, err := pgx.Connect(ctx, t.Database(step[0]))
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, step[1])
		if err = errors.Join(err, conn.Close(ctx)); err != nil {
			return err
		}
	}
	return nil
}

var (
	tpsLine   = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)
	countLine = regexp.MustCompile(`(?m)^number of transactions actually processed: ([0-9]+)`)
)

// run inserts rows. pgbench counts whole seconds.
func (b *pgbench) run(ctx context.Context, clients int, d time.Duration) (sample, error) {
	seconds := strconv.Itoa(int(math.Max(1, math.Round(d.Seconds()))))
	cmd := exec.CommandContext(ctx, b.program, "--no-vacuum", "--protocol=prepared", "--client="+strconv.Itoa(clients),
		"--jobs="+strconv.Itoa(min(clients, 2)), "--time="+seconds, "--file="+b.script, b.url)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("pgbench: %w\n%s", err, out)
	}
	return readPgbench(out)
}

func readPgbench(out []byte) (s sample, err error) {
	tps, count := tpsLine.FindSubmatch(out), countLine.FindSubmatch(out)
	if tps == nil || count == nil {
		return s, fmt.Errorf("pgbench names no rate:\n%s", out)
	}
	if s.rate, err = strconv.ParseFloat(string(tps[1]), 64); err != nil {
		return s, fmt.Errorf("read pgbench's rate: %w", err)
	}
	s.units, err = strconv.Atoi(string(count[1]))
	return s, err
}

func (b *pgbench) side(clients int) side {
	return func(ctx context.Context, d time.Duration) (sample, error) {
		return b.run(ctx, clients, d)
	}
}

// best tries numbers of clients once and gives the one with the highest rate.
func (b *pgbench) best(ctx context.Context, r *run) (clients int, err error) {
	highest, tried := 0.0, ""
	for _, n := range []int{1, 8, 16, 32} {
		got, err := b.run(ctx, n, r.Seconds)
		if err != nil {
			return 0, err
		}
		if tried += fmt.Sprintf(" %d: %.0f/s", n, got.rate); got.rate > highest {
			clients, highest = n, got.rate
		}
	}
	r.say("pgbench at%s; best at %d", tried, clients)
	return clients, nil
}

// insertBaselines adds single-row inserts as the baseline of each contest: pgbench with one client where
// the product has one, at its best number otherwise.
func (r *run) insertBaselines(ctx context.Context) error {
	if r.alone {
		return nil
	}
	b, err := newPgbench(ctx, r)
	if err != nil {
		return err
	}
	best := 0
	for i := range r.contests {
		c := &r.contests[i]
		clients := 1
		if c.clients > 1 {
			if best == 0 {
				if best, err = b.best(ctx, r); err != nil {
					return err
				}
			}
			clients = best
		}
		c.baseline = fmt.Sprintf("inserts/s, pgbench %d", clients)
		r.baselines[c.baseline] = b.side(clients)
	}
	return nil
}
