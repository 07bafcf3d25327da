package embeddedpg

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// newDir is a directory that whoever PostgreSQL runs as can reach; t.TempDir() is closed to it.
func newDir(t *testing.T) string {
	t.Helper()
	parent, err := os.MkdirTemp("", "embeddedpg-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(parent)) })
	require.NoError(t, os.Chmod(parent, 0o755))
	return filepath.Join(parent, "pg")
}

func start(t *testing.T, c Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop(context.WithoutCancel(t.Context()))) })
	return s
}

// ask runs one statement on a connection of its own and returns the only value it gives.
func ask(t *testing.T, url, sql string) (string, error) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		return "", err
	}
	defer conn.Close(t.Context())
	var got string
	err = conn.QueryRow(t.Context(), sql).Scan(&got)
	return got, err
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	require.NoError(t, s.Stop(t.Context()))
}

// B90: what was bound to a slow statement, or to one that failed, may be personal: the log keeps the statement alone.
func TestB90_TheLogHoldsNoValues(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	s := start(t, Config{Dir: dir})
	conn, err := pgx.Connect(t.Context(), s.URL(Superuser, "postgres"))
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), "create table people (name text primary key)")
	require.NoError(t, err)
	insert := "insert into people select $1 from pg_sleep(0.6)"
	_, err = conn.Exec(t.Context(), insert, "Ada Lovelace")
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), insert, "Ada Lovelace")
	require.ErrorContains(t, err, "people_pkey")
	log, err := os.ReadFile(filepath.Join(dir, "postgres.log"))
	require.NoError(t, err)
	require.Contains(t, string(log), "pg_sleep(0.6)")
	require.Contains(t, string(log), "people_pkey")
	require.NotContains(t, string(log), "Lovelace")
}

func TestColdAndWarmStart(t *testing.T) {
	t.Parallel()
	dir, began := newDir(t), time.Now()
	s := start(t, Config{Dir: dir})
	t.Logf("cold start %s, PostgreSQL %d", time.Since(began).Round(time.Millisecond), s.programs.major)
	require.NoError(t, s.EnsureDatabase(t.Context(), "ledger"))
	require.NoError(t, s.EnsureDatabase(t.Context(), "ledger"), "a second time does nothing")
	_, err := ask(t, s.URL(Superuser, "ledger"), `select lo_from_bytea(4711, 'kept')::text`)
	require.NoError(t, err)
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	began = time.Now()
	stop(t, s)
	t.Logf("stop %s", time.Since(began).Round(time.Millisecond))
	stop(t, s)

	began = time.Now()
	s = start(t, Config{Dir: dir})
	t.Logf("warm start %s", time.Since(began).Round(time.Millisecond))
	got, err := ask(t, s.URL(Superuser, "ledger"), `select convert_from(lo_get(4711), 'utf8')`)
	require.NoError(t, err)
	require.Equal(t, "kept", got)
	for setting, want := range map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "data_checksums": "on",
		"listen_addresses": "", "TimeZone": "UTC", "max_connections": "60", "server_encoding": "UTF8",
	} {
		got, err := ask(t, s.URL(Superuser, "ledger"), `select current_setting('`+setting+`')`)
		require.NoError(t, err)
		require.Equal(t, want, got, setting)
	}
}

func TestSettingsCantLoosenWhatTrustRestsOn(t *testing.T) {
	t.Parallel()
	args := strings.Join(Config{Settings: map[string]string{"listen_addresses": "*", "fsync": "off"}}.arguments("/d", "/s"), " ")
	require.Greater(t, strings.LastIndex(args, "-c listen_addresses= "), strings.Index(args, "-c listen_addresses=*"))
	require.Greater(t, strings.LastIndex(args, "-c fsync=on"), strings.Index(args, "-c fsync=off"))
}

func TestPostmasterKilled(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Dir: newDir(t)})
	killed := s.Pid()
	require.NoError(t, syscall.Kill(killed, syscall.SIGKILL))
	require.Eventually(t, func() bool {
		_, err := ask(t, s.URL(Superuser, "postgres"), `select 'up'`)
		return err == nil && s.Pid() != killed
	}, 20*time.Second, 20*time.Millisecond)
}

func TestRestartsAreUsedUp(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Dir: newDir(t), NoFsync: true})
	// Without its version the cluster can't be started again.
	require.NoError(t, os.Rename(filepath.Join(s.data, "PG_VERSION"), filepath.Join(s.data, "aside")))
	require.NoError(t, syscall.Kill(s.Pid(), syscall.SIGKILL))
	select {
	case err := <-s.Exited():
		require.ErrorContains(t, err, "gave up after 5 restarts")
		require.ErrorContains(t, err, "not a valid data directory", "the last lines of the log say why")
	case <-time.After(20 * time.Second):
		require.Fail(t, "nothing came from Exited")
	}
}

func TestHalfFinishedInitdb(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "data.new", "base"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data.new", "PG_VERSION"), []byte("15\n"), 0o600))
	start(t, Config{Dir: dir, NoFsync: true})
	_, err := os.Stat(filepath.Join(dir, "data.new"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestSecondSupervisorIsRefused(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	_, ok, err := Running(t.Context(), dir)
	require.NoError(t, err)
	require.False(t, ok, "nothing there yet")

	s := start(t, Config{Dir: dir, NoFsync: true})
	_, err = Start(t.Context(), Config{Dir: dir})
	require.ErrorIs(t, err, ErrInUse)
	require.ErrorContains(t, err, dir)

	url, ok, err := Running(t.Context(), dir)
	require.NoError(t, err)
	require.True(t, ok)
	got, err := ask(t, url(Superuser, "postgres"), `select current_user::text`)
	require.NoError(t, err)
	require.Equal(t, Superuser, got)

	stop(t, s)
	_, ok, err = Running(t.Context(), dir)
	require.NoError(t, err)
	require.False(t, ok, "stopped")
}

func TestLongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(newDir(t), strings.Repeat("long", 30))
	require.NoError(t, os.Mkdir(filepath.Dir(dir), 0o755))
	s := start(t, Config{Dir: dir, NoFsync: true})
	require.NotContains(t, s.socketDir, dir)
	t.Cleanup(func() { require.NoError(t, os.Remove(s.socketDir)) })
	url, ok, err := Running(t.Context(), dir)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, s.URL("a", "b"), url("a", "b"))
	stop(t, s)
}

func TestForeignDataIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		file, text string
		fails      string
	}{
		"another major version":    {"data/PG_VERSION", "11\n", "was made by PostgreSQL 11, and no PostgreSQL 11 program was found"},
		"not a cluster":            {"data/notes.txt", "mine", "isn't a PostgreSQL data directory"},
		"a directory in other use": {"notes.txt", "mine", "holds other files than subledger's (notes.txt)"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := newDir(t)
			path := filepath.Join(dir, tt.file)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, []byte(tt.text), 0o600))
			before := listing(t, dir)
			_, err := Start(t.Context(), Config{Dir: dir})
			require.ErrorContains(t, err, tt.fails)
			require.Equal(t, before, listing(t, dir))
		})
	}
}

// listing gives every path below dir with its mode and change time.
func listing(t *testing.T, dir string) (lines []string) {
	t.Helper()
	require.NoError(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		lines = append(lines, fmt.Sprint(path, info.Mode(), info.ModTime()))
		return err
	}))
	return lines
}
