//go:build faults

package application

import (
	"bufio"
	"io"
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
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/pgtest"
)

// tamper changes how system calls of processes, and of those they fork, end: strace does it, and the test fails without it.
// It returns when all are in its hands, and lets go of them at the end.
func tamper(t *testing.T, inject string, pids ...int) (letGo func()) {
	t.Helper()
	call, _, _ := strings.Cut(inject, ":")
	args := []string{"-f", "-o", "/dev/null", "-e", "trace=" + call, "-e", "inject=" + inject}
	for _, pid := range pids {
		args = append(args, "-p", strconv.Itoa(pid))
	}
	cmd := exec.Command("strace", args...)
	said, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	attached, lines := 0, []string{}
	from := bufio.NewScanner(said)
	for attached < len(pids) && from.Scan() {
		lines = append(lines, from.Text())
		if strings.Contains(from.Text(), "attached") {
			attached++
		}
	}
	letGo = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		_, _ = io.Copy(io.Discard, said)
		_ = cmd.Wait()
	})
	t.Cleanup(letGo)
	require.Equal(t, len(pids), attached, "strace: %v", lines)
	go func() { // or it stops when the pipe is full
		for from.Scan() {
		}
	}()
	return letGo
}

// family is a process and its children.
func family(t *testing.T, pid int) []int {
	t.Helper()
	all := []int{pid}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if fields[1] == strconv.Itoa(pid) {
			all = append(all, child)
		}
	}
	return all
}

// The disk takes a fifth of a second longer for every flush: commands take longer, and many share each flush; nobody
// is left without an answer, and when the disk is itself again so is everything.
func TestF30_ASlowDisk(t *testing.T) {
	t.Parallel()
	server := primary(t)
	g := rigOf(t, server)
	a := g.start(t)
	a.made(t)
	usual := a.made(t)
	letGo := tamper(t, "fdatasync:delay_exit=200000", family(t, server.Pid())...)
	slow := a.made(t)
	require.GreaterOrEqual(t, slow, 200*time.Millisecond, "the disk was not slow")
	stop := make(chan struct{})
	time.AfterFunc(2*faultTime, func() { close(stop) })
	began := time.Now()
	open, replies := a.load(t.Context(), 64, stop)
	took := time.Since(began)
	only(t, replies, 201, 429, 503)
	done := len(replies) - len(open)
	t.Logf("a command took %s, then %s; 64 clients: %d commands in %s, %d told to come again", usual.Round(time.Millisecond), slow.Round(time.Millisecond),
		done, took.Round(time.Millisecond), len(open))
	require.Greater(t, float64(done), 2*5*took.Seconds(), "they share flushes: there are five a second")
	require.Less(t, took, 2*faultTime+10*time.Second)
	require.Equal(t, 200, a.call(t.Context(), "GET", "/ledger/v1/products?limit=1", "", "").Status)
	letGo()
	a.resolve(t, open)
	require.Eventually(t, func() bool { return a.made(t) < 100*time.Millisecond }, 10*time.Second, 10*time.Millisecond)
	g.sound(t)
}

// The disk fails to flush a table at a checkpoint. PostgreSQL panics, since nobody knows what is on the disk, and recovers
// from the write-ahead log: what was acknowledged is there.
func TestF25_TheDiskFailsAtACheckpoint(t *testing.T) {
	t.Parallel()
	server := primary(t)
	g := rigOf(t, server)
	a := g.start(t)
	a.made(t)
	pool := pgtest.Pool(t, g.db.URL)
	var checkpointer int
	require.NoError(t, pool.QueryRow(t.Context(), "select pid from pg_stat_activity where backend_type = 'checkpointer'").Scan(&checkpointer))
	letGo := tamper(t, "fsync:error=EIO:when=1", checkpointer)
	stop := make(chan struct{})
	var failed time.Time
	go func() {
		defer close(stop)
		time.Sleep(500 * time.Millisecond) // until there is something to flush
		_, err := pool.Exec(t.Context(), "checkpoint")
		assert.Error(t, err)
		failed = time.Now()
		assert.Eventually(t, func() bool { return strings.Contains(server.Log(), "PANIC:  could not fsync file") }, 10*time.Second, 10*time.Millisecond)
	}()
	open, replies := a.load(t.Context(), 16, stop)
	letGo()
	only(t, replies, 201, 503)
	require.Eventually(t, func() bool {
		r, err := a.send(t.Context(), uuid.NewString())
		return err == nil && r.Status == 201
	}, 10*time.Second, 20*time.Millisecond, "%s", a.said())
	t.Logf("%d commands, %d told to come again; writes %s after the panic", len(replies), len(open), time.Since(failed).Round(time.Millisecond))
	require.Contains(t, server.Log(), "automatic recovery in progress")
	a.resolve(t, open)
	g.sound(t)
}
