package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/embeddedpg"
	"github.com/subledger/subledger/migrations"
	"github.com/subledger/subledger/projections"
)

// databaseName is the one in a private PostgreSQL.
const databaseName = "subledger"

// Database says which PostgreSQL a subcommand works on. Without a URL it is the private one of the
// data directory: the running one, or one started for as long as the subcommand takes.
type Database struct {
	URL       string `name:"database-url" env:"DATABASE_URL" placeholder:"URL" help:"PostgreSQL to use instead of a private one."`
	OwnerURL  string `name:"database-owner-url" env:"DATABASE_OWNER_URL" placeholder:"URL" help:"The same database as its owner, for migrations. Default: --database-url."`
	ReaderURL string `name:"database-reader-url" env:"DATABASE_READER_URL" placeholder:"URL" help:"The same database as a role that only reads. Default: --database-url."`
	DataDir   string `name:"data-dir" env:"SUBLEDGER_DATA_DIR" placeholder:"DIR" help:"Where the private PostgreSQL and the master key live."`
	PGBin     string `name:"pg-bin" hidden:"" env:"SUBLEDGER_PG_BIN"`
	PGCache   string `name:"pg-cache" hidden:"" env:"SUBLEDGER_PG_CACHE"`
	PGUser    string `name:"pg-user" hidden:"" env:"SUBLEDGER_PG_USER"`
}

// validate refuses what can be seen to be wrong before anything is opened.
func (d *Database) validate() error {
	if d.URL == "" && d.OwnerURL+d.ReaderURL != "" {
		return errors.New("DATABASE_OWNER_URL and DATABASE_READER_URL need DATABASE_URL")
	}
	for name, text := range map[string]string{"DATABASE_URL": d.URL, "DATABASE_OWNER_URL": d.OwnerURL, "DATABASE_READER_URL": d.ReaderURL} {
		if text == "" {
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" { // the text may hold a password: not shown
			return fmt.Errorf("%s has to be a postgres:// URL", name)
		}
	}
	if _, err := environmentKey(); err != nil {
		return err
	}
	if d.DataDir == "" {
		d.DataDir = embeddedpg.DefaultDir()
	}
	dir, err := filepath.Abs(d.DataDir)
	d.DataDir = dir
	return err
}

// validateOwner is validate for what the owner does alone: its URL is enough.
func (d *Database) validateOwner() error {
	d.URL = or(d.URL, d.OwnerURL)
	return d.validate()
}

// installation is an opened Database.
type installation struct {
	config             Database
	owner, app, reader string // URLs
	embedded           bool
	server             *embeddedpg.Server // nil: somebody else's
	users              *os.File           // see shareDirectory
	newKey             string             // file of a master key that this process made
}

// open finds the database, starting a private one if need be; a subcommand that can't begin with an
// empty one says so.
func (d Database) open(ctx context.Context, mayBeNew bool) (*installation, error) {
	if d.URL != "" {
		return &installation{config: d, owner: or(d.OwnerURL, d.URL), app: d.URL, reader: or(d.ReaderURL, d.URL)}, nil
	}
	in := &installation{config: d, embedded: true}
	if err := in.join(ctx, mayBeNew); err != nil {
		return nil, closedDirectory(errors.Join(err, in.close(ctx)))
	}
	return in, nil
}

// closedDirectory says what to do about a data directory that this user may not use.
func closedDirectory(err error) error {
	var at *fs.PathError // others are of programs and sockets
	if !errors.As(err, &at) || at.Op == "fork/exec" {
		return err
	}
	if !errors.Is(at, fs.ErrPermission) && !errors.Is(at, syscall.ENOTDIR) && !errors.Is(at, syscall.EROFS) {
		return err
	}
	return &status{code: exitRefused, err: err, next: "Run it as the user who owns the directory, or set SUBLEDGER_DATA_DIR to one that you may write."}
}

// join uses the directory's running PostgreSQL or starts it.
func (in *installation) join(ctx context.Context, mayBeNew bool) error {
	dir := in.config.DataDir
	for {
		// First the share, then the look: who is about to stop a server would not wait otherwise.
		var err error
		if in.users == nil {
			if in.users, err = shareDirectory(ctx, dir); err != nil {
				return err
			}
		}
		at, ok, err := embeddedpg.Running(ctx, dir)
		if err != nil {
			return err
		}
		if ok && in.users == nil {
			continue // the directory was made a moment ago
		}
		if ok {
			in.locate(at)
			return in.waitForDatabase(ctx)
		}
		if _, err := os.Stat(filepath.Join(dir, "data")); errors.Is(err, fs.ErrNotExist) && !mayBeNew {
			return refused("Start one: subledger serve\nOr say where it is: SUBLEDGER_DATA_DIR or DATABASE_URL", "there is no ledger in %s yet", dir)
		}
		err = in.start(ctx, slog.New(slog.DiscardHandler))
		if errors.Is(err, embeddedpg.ErrInUse) {
			continue // somebody was quicker
		}
		if err == nil && in.users == nil { // the directory is new
			in.users, err = shareDirectory(ctx, dir)
		}
		return err
	}
}

// start runs a private PostgreSQL of this process.
func (in *installation) start(ctx context.Context, log *slog.Logger) error {
	c := in.config
	var err error
	in.server, err = embeddedpg.Start(ctx, embeddedpg.Config{Dir: c.DataDir, BinDir: c.PGBin, CacheDir: c.PGCache, User: c.PGUser, Logger: log})
	if err != nil {
		return err
	}
	in.locate(in.server.URL)
	return in.server.EnsureDatabase(ctx, databaseName)
}

func (in *installation) locate(at func(user, database string) string) {
	in.owner = at(embeddedpg.Superuser, databaseName)
	in.app, in.reader = at("subledger_app", databaseName), at("subledger_reader", databaseName)
}

// waitForDatabase gives a server that is just starting for the first time the moment it needs.
func (in *installation) waitForDatabase(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, in.owner)
		if err == nil {
			return conn.Close(ctx)
		}
		if code(err) != "3D000" { // there is no such database
			return fmt.Errorf("connect to the running subledger's PostgreSQL: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("connect to the running subledger's PostgreSQL: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// place names the database for people, without a password.
func (in *installation) place() string {
	if in.embedded {
		return "private PostgreSQL in " + in.config.DataDir
	}
	u, err := url.Parse(in.app)
	if err != nil {
		return "PostgreSQL"
	}
	u.User, u.RawQuery = url.User(u.User.Username()), ""
	return u.String()
}

// close stops a PostgreSQL that this subcommand started, when no other one uses it any more.
func (in *installation) close(ctx context.Context) error {
	var err error
	if in.server != nil {
		if in.users != nil {
			err = lastInDirectory(ctx, in.users)
		}
		err = errors.Join(err, in.server.Stop(context.WithoutCancel(ctx)))
	}
	if in.users != nil {
		err = errors.Join(err, in.users.Close())
	}
	return err
}

// pool connects as one of the roles, for a subcommand that does one thing at a time.
func (in *installation) pool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	pool, err := eventstore.OpenPool(ctx, url, func(c *pgxpool.Config) {
		c.MaxConns = 4
		c.ConnConfig.RuntimeParams["application_name"] = "subledger cli"
	})
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, in.unreachable(err)
	}
	return pool, nil
}

// unreachable says what to look at when no connection comes about.
func (in *installation) unreachable(err error) error {
	var connect *pgconn.ConnectError
	if !errors.As(err, &connect) {
		return err
	}
	next := "Is the server running, and may this user connect? subledger doctor tells more once it does."
	switch c := code(err); {
	case in.embedded && strings.Contains(err.Error(), "role"):
		next = "Run: subledger migrate up"
	case c == "28P01" || c == "28000": // the password, or pg_hba.conf
		next = "The server answers: look at the user and the password in the URL."
	case c == "3D000":
		next = "The server answers, but it has no such database: make it, or correct the URL."
	}
	return &status{code: exitFault, err: fmt.Errorf("connect to %s: %w", in.place(), err), next: next}
}

// prepare brings a database to where the ledger can run on it: schema, system ledger, master key.
func (in *installation) prepare(ctx context.Context) (eventstore.MasterKey, error) {
	owner, err := in.pool(ctx, in.owner)
	if err != nil {
		return eventstore.MasterKey{}, err
	}
	defer owner.Close()
	if err := migrations.Up(ctx, in.owner); err != nil {
		if none := (*migrations.NoRolesError)(nil); errors.As(err, &none) {
			return eventstore.MasterKey{}, &status{code: exitRefused, err: err,
				next: "A superuser has to make them:\n" + migrations.CreateRoles + "\nThen run it again. Nothing was changed so far."}
		}
		// Under the application's role alone there is nothing to do but to trust the owner.
		done, look := eventstore.Bootstrapped(ctx, owner)
		if code(err) != "42501" || look != nil || !done {
			return eventstore.MasterKey{}, err
		}
	}
	key, err := in.masterKey(ctx, owner, true)
	if err != nil {
		return key, err
	}
	return key, explainKey(eventstore.Bootstrap(ctx, owner, key))
}

// check refuses a database that this binary can't work on yet.
func (in *installation) check(ctx context.Context, owner *pgxpool.Pool) error {
	const up = "Run: subledger migrate up"
	done, err := eventstore.Bootstrapped(ctx, owner)
	switch {
	case code(err) == "42P01", err == nil && !done:
		return refused(up, "%s is not set up for a ledger", in.place())
	case err != nil:
		return fmt.Errorf("look at the installation: %w", err)
	}
	steps, err := migrations.Status(ctx, in.owner)
	if code(err) == "42501" { // the owner's table: the queries themselves will tell
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the schema: %w", err)
	}
	for _, s := range steps {
		if !s.Applied {
			return refused(up, "the schema is older than this program: %s is missing", s.File)
		}
	}
	return nil
}

// code is an error's SQLSTATE, "" for one without.
func code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// store opens the log as the application's role, for a subcommand. done closes it and tells servers
// what was written; one that doesn't hear it finds it a few seconds later.
func (in *installation) store(ctx context.Context, key eventstore.MasterKey) (store *eventstore.Store, done func(), err error) {
	pool, err := in.pool(ctx, in.app)
	if err != nil {
		return nil, nil, err
	}
	store, err = eventstore.Open(ctx, pool, key, eventstore.Vocabularies(), eventstore.Config{Lanes: 1, Logger: slog.New(slog.DiscardHandler),
		CacheBytes: 32 << 20, KeyBytes: 16 << 20}) // a subcommand goes through a ledger once: there is little to keep
	if err != nil {
		pool.Close()
		return nil, nil, explainKey(err)
	}
	written := []string{"cli"}
	store.Subscribe(func(events []*eventstore.Recorded) {
		if id := events[0].Ledger.String(); !slices.Contains(written, id) {
			written = append(written, id)
		}
	})
	return store, func() {
		store.Close()
		if len(written) > 1 {
			_, _ = pool.Exec(context.WithoutCancel(ctx), `select pg_notify($1, $2)`, projections.ChannelCommitted, strings.Join(written, " "))
		}
		pool.Close()
	}, nil
}
