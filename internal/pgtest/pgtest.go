// Package pgtest gives every test a migrated database of its own on a real PostgreSQL.
//
// All test processes of a checkout share one server with fsync off, which the first of them
// starts and which ends by itself when none has been there for SUBLEDGER_TEST_IDLE, ten seconds if
// that isn't set (keeper.go). With SUBLEDGER_TEST_DATABASE_URL set, that server is used instead; its user has to be a superuser.
// SUBLEDGER_PG_BIN, SUBLEDGER_PG_CACHE and SUBLEDGER_PG_USER mean what they mean to the ledger.
// Without PostgreSQL a test fails; it is never skipped.
//
// A clone is some 300 files: where making a file is slow, TMPDIR=/dev/shm GOTMPDIR=/tmp helps.
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/subledger/subledger/internal/embeddedpg"
	"github.com/subledger/subledger/internal/pgarray"
)

// When everything fails, the first few databases of a test process tell enough.
const maxKept = 5

// DB is one test's database. Its URLs work with pgx and psql.
type DB struct {
	URL       string // as a superuser, who owns the tables
	AppURL    string // as subledger_app: appends and projects
	ReaderURL string // as subledger_reader: reads, under row-level security
}

// New clones the migrated template. The clone is dropped when the test is over, with whoever is
// still connected; a failed test keeps it for an hour and logs its URL.
func New(t testing.TB) *DB {
	t.Helper()
	server, err := instance()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	name := "test_" + strings.ToLower(rand.Text())
	if err := server.clone(t.Context(), name); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	db := &DB{
		URL:       server.url("", name),
		AppURL:    server.url("subledger_app", name),
		ReaderURL: server.url("subledger_reader", name),
	}
	t.Cleanup(func() {
		if t.Failed() && server.kept.Add(1) <= maxKept {
			t.Logf("pgtest: kept for an hour: %s", server.howToOpen(db.URL))
			return
		}
		if err := server.execute(context.WithoutCancel(t.Context()), `drop database `+name+` with (force)`); err != nil {
			t.Errorf("pgtest: drop the clone: %v", err)
		}
	})
	return db
}

// Pool connects to one of a DB's URLs and is closed before the database is dropped.
func Pool(t testing.TB, databaseURL string) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		t.Fatalf("pgtest: open a pool: %v", err)
	}
	cfg.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		pgarray.Register(conn.TypeMap())
		return nil
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatalf("pgtest: open a pool: %v", err)
	}
	t.Cleanup(pool.Close)
	if err := pool.Ping(t.Context()); err != nil {
		t.Fatalf("pgtest: open a pool: %v", err)
	}
	return pool
}

func programs() embeddedpg.Config {
	return embeddedpg.Config{
		BinDir:   os.Getenv("SUBLEDGER_PG_BIN"),
		CacheDir: os.Getenv("SUBLEDGER_PG_CACHE"),
		User:     os.Getenv("SUBLEDGER_PG_USER"),
	}
}

// plain is one line where the ledger's message for the same is a page.
func plain(err error) error {
	if errors.Is(err, embeddedpg.ErrNoPrograms) {
		return fmt.Errorf("%w: install it (apt-get install -y postgresql, or brew install postgresql@17) or set SUBLEDGER_TEST_DATABASE_URL", embeddedpg.ErrNoPrograms)
	}
	return err
}

// server is the one that this process' tests share with those of other processes.
type server struct {
	base     string   // URL of its maintenance database, as a superuser
	inUse    *os.File // keeps it running while it is open; nil for a server that isn't ours
	template string
	kept     atomic.Int32 // databases that failed tests of this process left
}

// url keeps the password, if there is one, for every user: a test server that asks for
// passwords has to give the roles the superuser's.
func (s *server) url(user, database string) string {
	u, err := url.Parse(s.base)
	if err != nil {
		panic(err) // buildTemplate connected with it
	}
	if user != "" {
		if password, ok := u.User.Password(); ok {
			u.User = url.UserPassword(user, password)
		} else {
			u.User = url.User(user)
		}
	}
	u.Path = "/" + database
	return u.String()
}

func (s *server) howToOpen(databaseURL string) string {
	if s.inUse == nil {
		return fmt.Sprintf("psql '%s'", databaseURL)
	}
	return fmt.Sprintf("psql '%s'  (when the server has ended, %s=10m go test ./internal/pgtest starts it for ten minutes)", databaseURL, idleVar)
}

// execute runs one statement on a connection of its own, so that nothing of pgtest's lives on
// after a test that counts goroutines.
func (s *server) execute(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, s.base)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, sql)
	return err
}
