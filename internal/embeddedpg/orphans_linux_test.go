package embeddedpg

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// The test binary is its own helper: with this variable set it supervises a directory until it is killed.
const superviseVar = "EMBEDDEDPG_TEST_SUPERVISE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(superviseVar); dir != "" {
		s, err := Start(context.Background(), Config{Dir: dir, NoFsync: true})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.Pid())
		select {}
	}
	os.Exit(m.Run())
}

func TestSupervisorKilled(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	self, err := os.Executable()
	require.NoError(t, err)
	helper := exec.Command(self)
	helper.Env = append(os.Environ(), superviseVar+"="+dir)
	out, err := helper.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, helper.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err, line)

	require.NoError(t, helper.Process.Kill())
	require.Error(t, helper.Wait())
	began := time.Now()
	s := start(t, Config{Dir: dir, NoFsync: true})
	t.Logf("start %s after the supervisor was killed", time.Since(began).Round(time.Millisecond))
	require.NotEqual(t, pid, s.Pid())
	log, err := os.ReadFile(s.logPath)
	require.NoError(t, err)
	require.Contains(t, string(log), "received fast shutdown request", "the kernel told the orphan")
}

// Where the parent-death signal is missing or was lost, a postmaster lives on and holds the data.
// The one here is also this process' own child, which nobody waits for: it ends as a zombie, and
// its pid counts as alive.
func TestOrphanedPostmasterIsEnded(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	s := start(t, Config{Dir: dir, NoFsync: true})
	stop(t, s)
	orphan := s.who.command(t.Context(), filepath.Join(s.programs.dir, "postgres"), s.config.arguments(s.data, s.socketDir)...)
	orphan.SysProcAttr.Pdeathsig = 0
	require.NoError(t, orphan.Start())
	t.Cleanup(func() { _ = orphan.Wait() })
	require.Eventually(t, func() bool { return ping(t.Context(), s.socketDir) == nil }, 10*time.Second, 10*time.Millisecond)

	began := time.Now()
	s = start(t, Config{Dir: dir, NoFsync: true})
	t.Logf("start %s with an orphan in the way", time.Since(began).Round(time.Millisecond))
	require.NotEqual(t, orphan.Process.Pid, s.Pid())
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", orphan.Process.Pid))
	require.NoError(t, err)
	require.Contains(t, string(stat), "(postgres) Z ")
}

// After a crash the recorded pid may belong to another program of the same user.
func TestStalePidFile(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	s := start(t, Config{Dir: dir, NoFsync: true})
	stop(t, s)
	other := s.who.command(t.Context(), "/bin/sleep", "60")
	require.NoError(t, other.Start())
	t.Cleanup(func() { _ = other.Wait() }) // t.Context() has killed it by then
	record := fmt.Sprintf("%d\n%s\n1\n5432\n%s\n\n", other.Process.Pid, s.data, s.socketDir)
	require.NoError(t, os.WriteFile(filepath.Join(s.data, "postmaster.pid"), []byte(record), 0o600))
	require.NoError(t, s.who.give(filepath.Join(s.data, "postmaster.pid")))

	start(t, Config{Dir: dir, NoFsync: true})
	require.NoError(t, other.Process.Signal(syscall.Signal(0)), "the other program is left alone")
}

// A busy backend outlives its postmaster; it must end before another may write.
func TestBackendOutlivesPostmaster(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Dir: newDir(t), NoFsync: true})
	conn, err := pgx.Connect(t.Context(), s.URL(Superuser, "postgres"))
	require.NoError(t, err)
	defer conn.Close(t.Context())
	backend := int(conn.PgConn().PID())
	go func() {
		// Spins without ever looking whether the postmaster lives.
		_, _ = conn.Exec(t.Context(), `do $$ begin loop end loop; end $$`)
	}()
	require.Eventually(t, func() bool {
		state, err := ask(t, s.URL(Superuser, "postgres"), fmt.Sprintf(`select state from pg_stat_activity where pid = %d`, backend))
		return err == nil && state == "active"
	}, 10*time.Second, 10*time.Millisecond)
	killed := s.Pid()
	require.NoError(t, syscall.Kill(killed, syscall.SIGKILL))
	require.Eventually(t, func() bool { return s.Pid() != killed && ping(t.Context(), s.socketDir) == nil }, 20*time.Second, 20*time.Millisecond)
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", backend)) // gone, or a zombie
	require.False(t, livePostgres(string(stat)), "%s", stat)
}

func TestLivePostgres(t *testing.T) {
	t.Parallel()
	for stat, want := range map[string]bool{
		"12 (postgres) S 1 12": true, "12 (postgres) Z 1 12": false, "12 (bash) S 1": false,
		"12 (a) b) S 1": false, "12 (postgres": false, "": false,
	} {
		require.Equal(t, want, livePostgres(stat), stat)
	}
}
