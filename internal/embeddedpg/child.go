package embeddedpg

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// command prepares a program to run as the account, in an environment of its own: PGOPTIONS and
// its kin must not reach the server, and a working directory of root's can't be entered.
func (a account) command(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"TZ=UTC", "LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	if libs, ok := os.LookupEnv("LD_LIBRARY_PATH"); ok {
		cmd.Env = append(cmd.Env, "LD_LIBRARY_PATH="+libs)
	}
	cmd.SysProcAttr = childAttr()
	if a.drop {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return cmd
}

// run waits for a program and returns what it printed. When ctx ends it is interrupted, which
// makes initdb remove what it began.
func (a account) run(ctx context.Context, path string, args ...string) ([]byte, error) {
	cmd := a.command(ctx, path, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	type result struct {
		out []byte
		err error
	}
	done := make(chan result, 1)
	onOwnThread(func() {
		out, err := cmd.CombinedOutput()
		done <- result{out, err}
	})
	r := <-done
	return r.out, r.err
}

// onOwnThread runs f on a thread that ends with it. The parent-death signal belongs to the thread
// that forked: on a thread of the scheduler's it could come while this process lives.
func onOwnThread(f func()) {
	go func() {
		runtime.LockOSThread() // never unlocked
		f()
	}()
}
