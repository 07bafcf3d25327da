package pgtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"github.com/subledger/subledger/internal/embeddedpg"
)

func ask(t testing.TB, url, sql string, args ...any) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	var got string
	require.NoError(t, conn.QueryRow(t.Context(), sql, args...).Scan(&got))
	return got
}

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	t.Parallel()
	began := time.Now()
	a := New(t)
	t.Logf("first database of this process %s", time.Since(began).Round(time.Millisecond))
	began = time.Now()
	b := New(t)
	t.Logf("second %s", time.Since(began).Round(time.Millisecond))
	_, err := Pool(t, a.URL).Exec(t.Context(), `create table only_in_a ()`)
	require.NoError(t, err)
	const tables = `select count(*)::text from pg_tables where tablename = $1`
	require.Equal(t, "1", ask(t, a.URL, tables, "only_in_a"))
	require.Equal(t, "0", ask(t, b.URL, tables, "only_in_a"))
	require.Equal(t, "1", ask(t, b.URL, tables, "schema_migrations"), "it is migrated")
	require.Equal(t, "subledger_app", ask(t, a.AppURL, `select session_user::text`))
	require.Equal(t, "subledger_reader", ask(t, a.ReaderURL, `select session_user::text`))
}

func TestDatabaseIsDropped(t *testing.T) {
	t.Parallel()
	var url string
	t.Run("a test", func(t *testing.T) {
		url = New(t).URL
		conn, err := pgx.Connect(t.Context(), url) // left open: it is thrown out
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	})
	_, err := pgx.Connect(t.Context(), url)
	require.ErrorContains(t, err, "does not exist")
}

// failing is a test that has failed, for the eyes of New.
type failing struct {
	testing.TB
	cleanups []func()
	log      string
}

func (f *failing) Failed() bool                 { return true }
func (f *failing) Cleanup(do func())            { f.cleanups = append(f.cleanups, do) }
func (f *failing) Logf(format string, a ...any) { f.log += fmt.Sprintf(format, a...) }

func TestFailedTestKeepsItsDatabase(t *testing.T) {
	t.Parallel()
	f := &failing{TB: t}
	db := New(f)
	for _, do := range f.cleanups {
		do()
	}
	require.Contains(t, f.log, db.URL)
	name := ask(t, db.URL, `select current_database()::text`)
	s, err := instance()
	require.NoError(t, err)
	require.NoError(t, s.execute(t.Context(), `drop database `+name))
}

func TestClusterSurvivesAKill(t *testing.T) {
	t.Parallel()
	c := Cluster(t)
	require.NoError(t, c.EnsureDatabase(t.Context(), "ledger"))
	url := c.URL(embeddedpg.Superuser, "ledger")
	require.Equal(t, "on", ask(t, url, `select current_setting('fsync')`))
	require.NoError(t, syscall.Kill(c.Pid(), syscall.SIGKILL))
	require.Eventually(t, func() bool {
		conn, err := pgx.Connect(t.Context(), url)
		return err == nil && conn.Close(t.Context()) == nil
	}, 20*time.Second, 20*time.Millisecond)
}

// The helpers are this test binary, run with a temporary directory of their own: two processes get
// one server, which outlives them for a while and no longer.
func TestServerIsSharedAndEnds(t *testing.T) {
	t.Parallel()
	temp, err := os.MkdirTemp("", "pgtest-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(temp, 0o755))
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(temp)) })
	said := make(chan string, 2)
	for range 2 {
		go func() { said <- askHelper("TMPDIR="+temp, idleVar+"=2s") }()
	}
	first, second := <-said, <-said
	require.Contains(t, first, "postmaster ")
	require.Equal(t, first, second)

	homes, err := filepath.Glob(filepath.Join(temp, "subledger-test-*"))
	require.NoError(t, err)
	require.Len(t, homes, 1)
	running := func() bool {
		_, ok, err := embeddedpg.Running(t.Context(), filepath.Join(homes[0], "pg"))
		return err == nil && ok
	}
	require.True(t, running(), "it waits for the next package")
	require.Eventually(t, func() bool { return !running() }, 15*time.Second, 100*time.Millisecond)
	began := time.Now()
	require.Contains(t, askHelper("TMPDIR="+temp, idleVar+"=0s"), "postmaster ")
	t.Logf("a process that finds a cluster but no server gets it in %s", time.Since(began).Round(time.Millisecond))
	require.Eventually(t, func() bool { return !running() }, 15*time.Second, 100*time.Millisecond)
}

func TestNoPostgresIsOneLine(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	said := strings.TrimSpace(askHelper("TMPDIR="+temp, "SUBLEDGER_PG_BIN="+temp))
	require.Contains(t, said, "no PostgreSQL 15 or newer found on this machine: install it")
	require.NotContains(t, said, "\n")
}

// helperVar makes the test binary say which postmaster it got, and why it got none.
const helperVar = "SUBLEDGER_PGTEST_HELPER"

func askHelper(env ...string) string {
	helper := exec.Command(os.Args[0])
	helper.Env = append(append(os.Environ(), helperVar+"=1", "SUBLEDGER_TEST_DATABASE_URL="), env...)
	out, err := helper.CombinedOutput()
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func TestMain(m *testing.M) {
	if os.Getenv(helperVar) != "" {
		fmt.Println(whichPostmaster())
		return
	}
	os.Exit(m.Run())
}

func whichPostmaster() string {
	s, err := instance()
	if err != nil {
		return err.Error()
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.base)
	if err != nil {
		return err.Error()
	}
	defer conn.Close(ctx)
	var record string
	if err := conn.QueryRow(ctx, `select pg_read_file('postmaster.pid')`).Scan(&record); err != nil {
		return err.Error()
	}
	pid, _, _ := strings.Cut(record, "\n")
	return "postmaster " + pid
}

func BenchmarkClone(b *testing.B) {
	s, err := instance()
	require.NoError(b, err)
	var clone, drop time.Duration
	for i := 0; b.Loop(); i++ {
		name := fmt.Sprintf("test_bench_%d_%d", os.Getpid(), i)
		began := time.Now()
		require.NoError(b, s.clone(b.Context(), name))
		clone += time.Since(began)
		began = time.Now()
		require.NoError(b, s.execute(b.Context(), `drop database `+name+` with (force)`))
		drop += time.Since(began)
	}
	b.ReportMetric(float64(clone.Microseconds())/1000/float64(b.N), "ms/clone")
	b.ReportMetric(float64(drop.Microseconds())/1000/float64(b.N), "ms/drop")
}
