package pgtest

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/subledger/subledger/internal/embeddedpg"
)

// OwnServer is a server of a test's own with fsync on, for crash tests: kill its Pid, Stop it, fill its disk. It has
// the superuser and no database but postgres; EnsureDatabase makes one. Its supervisor starts it again
// when it ends unasked.
type OwnServer struct {
	*embeddedpg.Server
	Data   string // its data directory
	config embeddedpg.Config
}

// Cluster starts one, in about a second.
func Cluster(t testing.TB) *OwnServer {
	t.Helper()
	return ClusterWith(t, func(*embeddedpg.Config) {})
}

// ClusterWith starts one that is set up otherwise.
func ClusterWith(t testing.TB, adjust func(*embeddedpg.Config)) *OwnServer {
	t.Helper()
	c := programs()
	c.Dir = filepath.Join(openDir(t), "pg")
	c.Settings = map[string]string{"shared_buffers": "64MB"}
	adjust(&c)
	return startOwn(t, c)
}

func startOwn(t testing.TB, c embeddedpg.Config) *OwnServer {
	t.Helper()
	s := &OwnServer{config: c, Data: filepath.Join(c.Dir, "data")}
	s.Start(t)
	t.Cleanup(func() {
		if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	return s
}

// Start goes on with the cluster after a Stop, or after the supervisor gave up.
func (s *OwnServer) Start(t testing.TB) {
	t.Helper()
	server, err := embeddedpg.Start(t.Context(), s.config)
	if err != nil {
		t.Fatalf("pgtest: %v", plain(err))
	}
	s.Server = server
}

// Super is the superuser's URL of a database.
func (s *OwnServer) Super(database string) string { return s.URL(embeddedpg.Superuser, database) }

// Exec runs statements as the superuser, each on its own, in a database.
func (s *OwnServer) Exec(t testing.TB, database string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.Super(database))
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("pgtest: %s: %v", sql, err)
		}
	}
}

// Standby copies a server and starts a streaming standby, which calls itself name. It streams from the URL via, such as
// a proxy's; "" is the server itself.
func (s *OwnServer) Standby(t testing.TB, name, via string) *OwnServer {
	t.Helper()
	c := s.config
	c.Settings, c.Initdb = maps.Clone(c.Settings), nil
	c.Dir = filepath.Join(openDir(t), "pg")
	s.Give(t, c.Dir)
	at := s.Super("postgres") + "&application_name=" + name
	if via != "" {
		c.Settings["primary_conninfo"] = via + "&application_name=" + name
	}
	out, err := s.Program(t.Context(), "pg_basebackup", "-d", at, "-D", filepath.Join(c.Dir, "data"), "-R", "-X", "stream", "-c", "fast", "--no-sync")
	if err != nil {
		t.Fatalf("pgtest: pg_basebackup: %v\n%s", err, out)
	}
	return startOwn(t, c)
}

// Give makes a directory that belongs to the user the server runs as.
func (s *OwnServer) Give(t testing.TB, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	info, err := os.Stat(s.Data)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	st := info.Sys().(*syscall.Stat_t)
	if err := os.Chown(dir, int(st.Uid), int(st.Gid)); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
}

// Log is what the server has said.
func (s *OwnServer) Log() string {
	text, _ := os.ReadFile(filepath.Join(filepath.Dir(s.Data), "postgres.log"))
	return strings.ToValidUTF8(string(text), "?")
}

// openDir is a temporary directory that PostgreSQL's user may pass through; t.TempDir() is closed to it.
func openDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "subledger-cluster-")
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("pgtest: remove the cluster: %v", err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return dir
}
