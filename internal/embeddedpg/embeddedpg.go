// Package embeddedpg runs a private PostgreSQL for a ledger that was given no DATABASE_URL.
//
// Vocabulary: the supervisor is this process, holding DIR/supervisor.lock; the postmaster is the
// server process it starts as its own child; an orphan is a PostgreSQL process that outlived its
// supervisor or its postmaster. A directory has one supervisor at a time.
//
// Inside DIR (mode 0700, owned by the user PostgreSQL runs as):
//
//	data/            the cluster; never deleted, never re-initialized, never upgraded in place
//	data.new/        a cluster that initdb didn't finish; removed at the next start
//	run/             the socket, when its path fits into a socket address
//	postgres.log     the server's log; postgres.log.1 is the one before
//	supervisor.lock  held by flock; its content is the socket's directory
//
// There is no password: DIR and the socket are closed to other users, and TCP is off.
package embeddedpg

import (
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
)

// Superuser owns the cluster and every database that EnsureDatabase makes.
const Superuser = "subledger"

// Config says where the cluster lives and which programs run it. The zero value is DefaultDir, the
// first fitting PostgreSQL on this machine, full durability and no log.
type Config struct {
	Dir      string            // parent of the data directory; "" is DefaultDir()
	BinDir   string            // SUBLEDGER_PG_BIN: the only directory to look for programs in; "" searches
	CacheDir string            // SUBLEDGER_PG_CACHE: an npm prefix that is searched too; may be ""
	User     string            // SUBLEDGER_PG_USER: who runs PostgreSQL when this process is root; "" chooses
	NoFsync  bool              // lose everything in a power cut, for tests only
	Settings map[string]string // over the defaults; can't loosen durability, socket or TCP settings
	Initdb   []string          // further options of initdb, for a cluster that is made
	Logger   *slog.Logger      // nil is silence
}

// DefaultDir is $SUBLEDGER_DATA_DIR, or /var/lib/subledger for root, or subledger below
// $XDG_DATA_HOME, which itself defaults to ~/.local/share.
func DefaultDir() string {
	if dir := os.Getenv("SUBLEDGER_DATA_DIR"); dir != "" {
		return dir
	}
	if os.Geteuid() == 0 {
		return "/var/lib/subledger"
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "subledger")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = "."
	}
	return filepath.Join(home, ".local", "share", "subledger")
}

// arguments are the postmaster's. The last -c of a name wins, so what makes trust authentication
// and acknowledged appends safe comes after the caller's settings.
func (c Config) arguments(data, socketDir string) []string {
	settings := []string{
		"shared_buffers=256MB", "max_connections=60", "random_page_cost=1.1", "jit=off",
		"wal_level=replica", "max_wal_senders=4", "wal_log_hints=on", "wal_compression=on",
		"min_wal_size=256MB", "max_wal_size=2GB", "checkpoint_timeout=15min",
		"autovacuum_naptime=15s", "autovacuum_vacuum_insert_scale_factor=0.05",
		"idle_in_transaction_session_timeout=60s", "timezone=UTC",
		// Neither values of statements nor of rows that clash: they may be personal, and outlive an erasure there.
		"log_lock_waits=on", "log_min_duration_statement=500ms", "log_parameter_max_length=0", "log_parameter_max_length_on_error=0", "log_error_verbosity=terse",
	}
	names := make([]string, 0, len(c.Settings))
	for name := range c.Settings {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		settings = append(settings, name+"="+c.Settings[name])
	}
	durable := "on"
	if c.NoFsync {
		durable = "off"
	}
	settings = append(settings,
		"fsync="+durable, "synchronous_commit="+durable, "full_page_writes="+durable,
		// The supervisor and Running read the log, the socket and the data where they put them.
		"logging_collector=off", "log_destination=stderr", "data_directory="+data,
		"listen_addresses=", "unix_socket_directories="+socketDir, "unix_socket_permissions=0700")
	args := []string{"-D", data, "-p", "5432"}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	return args
}

// connString is a URL that libpq and pgx take: the socket's directory stands in for the host.
func connString(socketDir, user, database string) string {
	return (&url.URL{
		Scheme:   "postgres",
		User:     url.User(user),
		Path:     "/" + database,
		RawQuery: url.Values{"host": {socketDir}, "port": {"5432"}}.Encode(),
	}).String()
}
