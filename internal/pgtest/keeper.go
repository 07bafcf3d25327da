package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/subledger/subledger/internal/embeddedpg"
)

const (
	keeperVar   = "SUBLEDGER_PGTEST_KEEPER"
	keeperReady = "ready"
	idleVar     = "SUBLEDGER_TEST_IDLE"
)

// A test binary that is run with keeperVar set is no test but the shared server's keeper. Only
// init comes before the package under test gets its turn: this is the one place that needs it.
func init() {
	if dir := os.Getenv(keeperVar); dir != "" {
		keep(home{dir: dir})
		os.Exit(0)
	}
}

// keep runs the server until it has been idle. It answers on descriptor 3: ready, or why not.
func keep(h home) {
	ctx := context.Background()
	syscall.CloseOnExec(3) // or PostgreSQL holds it open, and who asked never sees its end
	answer := os.NewFile(3, "answer")
	server, err := startServer(ctx, h.path("pg"))
	if err != nil {
		fmt.Fprint(answer, plain(err))
		os.Exit(1)
	}
	if err := dropOld(ctx, server); err != nil {
		fmt.Fprintln(os.Stderr, err) // they take up room, no more
	}
	fmt.Fprint(answer, keeperReady)
	answer.Close()
	lock, err := os.OpenFile(h.path(inUseLock), os.O_RDWR, 0)
	if err == nil {
		err = waitIdle(server, lock, idleLimit())
	}
	// The lock is closed, and a test process let in, when the server is down.
	if err = errors.Join(err, server.Stop(ctx), lock.Close()); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// startServer goes on with the cluster of an earlier run, if it is of today: roles belong to the
// cluster, so an old one may hide a fault in a migration. A cluster that can't be used is made anew:
// without fsync a power cut may have spoilt it, and another PostgreSQL may have been installed.
func startServer(ctx context.Context, dir string) (*embeddedpg.Server, error) {
	c := programs()
	c.Dir, c.NoFsync = dir, true
	c.Settings = map[string]string{
		"max_connections": "300", "min_wal_size": "80MB", "log_min_duration_statement": "-1",
		"wal_compression": "off", // a clone goes through the log: compressing it took two thirds of the time
	}
	made, err := os.Stat(filepath.Join(dir, "data", "PG_VERSION"))
	if err == nil && time.Since(made.ModTime()) < 24*time.Hour {
		server, err := embeddedpg.Start(ctx, c)
		if err == nil || errors.Is(err, embeddedpg.ErrInUse) || errors.Is(err, embeddedpg.ErrNoPrograms) {
			return server, err
		}
		fmt.Fprintln(os.Stderr, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	return embeddedpg.Start(ctx, c)
}

// dropOld removes what tests left that failed more than an hour ago or were killed.
func dropOld(ctx context.Context, server *embeddedpg.Server) error {
	conn, err := pgx.Connect(ctx, server.URL(embeddedpg.Superuser, "postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `select datname from pg_database where datname ~ '^test_'
		and (pg_stat_file('base/' || oid || '/PG_VERSION')).modification < now() - interval '1 hour'`)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := conn.Exec(ctx, `drop database `+pgx.Identifier{name}.Sanitize()+` with (force)`); err != nil {
			return err
		}
	}
	return nil
}

// idleLimit is how long a server waits for the next test process.
func idleLimit() time.Duration {
	if d, err := time.ParseDuration(os.Getenv(idleVar)); err == nil {
		return d
	}
	return 10 * time.Second
}

// waitIdle returns when nobody has shared the lock for limit, with the lock taken: a process
// that comes then waits until the keeper has ended. Or it returns why the server is gone for good.
func waitIdle(server *embeddedpg.Server, lock *os.File, limit time.Duration) error {
	last := time.Now()
	for {
		select {
		case err := <-server.Exited():
			return err
		case <-time.After(250 * time.Millisecond):
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			last = time.Now()
			continue
		}
		if time.Since(last) >= limit {
			return nil
		}
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_UN); err != nil {
			return err
		}
	}
}
