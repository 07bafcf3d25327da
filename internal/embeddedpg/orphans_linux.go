package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// clearOrphans ends what an earlier supervisor left running in data, then removes the pid file
// and the socket. PostgreSQL refuses to start while the recorded pid is alive, and a zombie or a
// reused pid count as alive; yet backends may outlive a killed postmaster, and the pid file is
// what keeps a second writer out, so it goes only when no process is left in data.
// The caller holds the directory's lock.
func clearOrphans(ctx context.Context, who account, data, socketDir string) error {
	if _, err := os.Stat(data); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	pids, sure, err := postgresIn(who, data)
	if err != nil {
		return fmt.Errorf("look for PostgreSQL processes in %s: %w", data, err)
	}
	if len(pids) > 0 {
		// Backends whose postmaster is gone end by themselves unless they are busy.
		grace := time.Second
		if main := recordedPid(data); slices.Contains(pids, main) {
			grace = 15 * time.Second
			_ = syscall.Kill(main, syscall.SIGINT) // it may have ended since
		}
		if pids, _, err = waitGone(ctx, who, data, grace); err != nil {
			return err
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGQUIT)
		}
		if pids, sure, err = waitGone(ctx, who, data, 15*time.Second); err != nil {
			return err
		}
	}
	if len(pids) > 0 {
		return fmt.Errorf("the PostgreSQL processes %v of an earlier run still use %s and don't end; kill them, then start again", pids, data)
	}
	if !sure {
		return nil
	}
	for _, path := range []string{
		filepath.Join(data, "postmaster.pid"),
		filepath.Join(socketDir, socketName),
		filepath.Join(socketDir, socketName+".lock"),
	} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what an earlier run left: %w", err)
		}
	}
	return nil
}

// waitGone returns what is still there after at most limit.
func waitGone(ctx context.Context, who account, data string, limit time.Duration) (pids []int, sure bool, err error) {
	for end := time.Now().Add(limit); ; {
		pids, sure, err = postgresIn(who, data)
		if err != nil || len(pids) == 0 || time.Now().After(end) {
			return pids, sure, err
		}
		select {
		case <-ctx.Done():
			return pids, sure, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// recordedPid is the first line of postmaster.pid; 0 if there is none.
func recordedPid(data string) int {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, _ := strconv.Atoi(strings.TrimSpace(line)) // a torn file counts as none
	return pid
}

// postgresIn lists the living PostgreSQL processes that work in data: all of them do, postmaster
// and backends. Not sure means that one of the account's couldn't be looked at.
func postgresIn(who account, data string) (pids []int, sure bool, err error) {
	type result struct {
		pids []int
		sure bool
		err  error
	}
	done := make(chan result, 1)
	onOwnThread(func() {
		want, err := os.Stat(data)
		if err == nil && who.drop {
			// Root in a container often lacks CAP_SYS_PTRACE, and then only a process' own user
			// may look up its working directory. The thread ends with this function.
			err = errors.Join(unix.Setfsgid(int(who.gid)), unix.Setfsuid(int(who.uid)))
		}
		if err != nil {
			done <- result{err: err}
			return
		}
		pids, sure, err := listPostgres(who, want)
		done <- result{pids, sure, err}
	})
	r := <-done
	return r.pids, r.sure, r.err
}

func listPostgres(who account, data fs.FileInfo) (pids []int, sure bool, err error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, false, err
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, false, err
	}
	sure = true
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", name, "stat"))
		if err != nil {
			continue // it has ended
		}
		if !livePostgres(string(stat)) {
			continue
		}
		cwd, err := os.Stat(filepath.Join("/proc", name, "cwd"))
		switch {
		case err == nil && os.SameFile(cwd, data):
			pids = append(pids, pid)
		case errors.Is(err, fs.ErrPermission):
			info, err := os.Stat(filepath.Join("/proc", name))
			if err != nil {
				continue
			}
			if uid, _ := owner(info); uid == who.uid {
				sure = false
			}
		}
	}
	return pids, sure, nil
}

// livePostgres reads "pid (comm) state …": a shell that stands in the data directory is left
// alone, and a zombie writes nothing any more.
func livePostgres(stat string) bool {
	open, end := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
	if open < 0 || end < open || len(stat) < end+3 {
		return false
	}
	comm, state := stat[open+1:end], stat[end+2]
	return (comm == "postgres" || comm == "postmaster") && state != 'Z' && state != 'X'
}
