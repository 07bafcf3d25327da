package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A log that is longer than this when PostgreSQL starts becomes postgres.log.1.
const logLimit = 16 << 20

// postmaster is one run of the server process.
type postmaster struct {
	process *os.Process
	logFrom int64         // where its lines begin in the log
	gone    chan struct{} // closed when it has ended; then err says how
	err     error
}

// launch clears the way, starts a postmaster and waits until it takes connections. Recovery
// after a crash may take its time, but no longer than two minutes.
func (s *Server) launch(ctx context.Context) (*postmaster, error) {
	if err := clearOrphans(ctx, s.who, s.data, s.socketDir); err != nil {
		return nil, err
	}
	p, err := s.fork(ctx)
	if err != nil {
		return nil, err
	}
	limit := time.NewTimer(120 * time.Second)
	defer limit.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	var refused error
	for {
		select {
		case <-p.gone:
			return nil, fmt.Errorf("PostgreSQL stopped while starting (%w). Its last lines:\n  %s\n  Full log: %s", p.err, s.lastLines(p), s.logPath)
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), p.stop())
		case <-limit.C:
			return nil, errors.Join(fmt.Errorf("PostgreSQL took no connection within 120 s: %w; its log is %s", refused, s.logPath), p.stop())
		case <-again.C:
			if refused = ping(ctx, s.socketDir); refused == nil {
				return p, nil
			}
		}
	}
}

// fork starts `postgres` itself, not pg_ctl, so that it is our child; and gives it the log file,
// not a pipe, which would lose the shutdown's lines when this process dies.
func (s *Server) fork(ctx context.Context) (*postmaster, error) {
	log, err := s.openLog()
	if err != nil {
		return nil, err
	}
	defer log.Close()
	end, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	p := &postmaster{logFrom: end, gone: make(chan struct{})}
	// Stop ends the child by the book; ctx must not kill it.
	cmd := s.who.command(context.WithoutCancel(ctx), filepath.Join(s.programs.dir, "postgres"), s.config.arguments(s.data, s.socketDir)...)
	cmd.Stdout, cmd.Stderr = log, log
	started := make(chan error)
	onOwnThread(func() {
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			if p.err == nil {
				p.err = errors.New("exit status 0")
			}
			close(p.gone)
		}
	})
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	p.process = cmd.Process
	return p, nil
}

func (s *Server) openLog() (*os.File, error) {
	if info, err := os.Lstat(s.logPath); err == nil && info.Size() > logLimit {
		if err := os.Rename(s.logPath, s.logPath+".1"); err != nil {
			return nil, fmt.Errorf("put the old log aside: %w", err)
		}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// The directory is the account's: a link in it must not lead root elsewhere.
	log, err := os.OpenFile(s.logPath, os.O_RDWR|os.O_CREATE|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL's log: %w", err)
	}
	if err := s.who.give(s.logPath); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return log, nil
}

// lastLines are what a postmaster logged last, indented to stand below a message.
func (s *Server) lastLines(p *postmaster) string {
	log, err := os.Open(s.logPath)
	if err != nil {
		return err.Error()
	}
	defer log.Close()
	text, err := io.ReadAll(io.NewSectionReader(log, p.logFrom, 1<<20))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n  ")
}

// stop asks for a fast shutdown, then for an immediate one, then kills.
func (p *postmaster) stop() error {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, 30 * time.Second}, {syscall.SIGQUIT, 10 * time.Second}, {syscall.SIGKILL, 5 * time.Second}} {
		if err := p.process.Signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("signal PostgreSQL: %w", err)
		}
		select {
		case <-p.gone:
			return nil
		case <-time.After(step.wait):
		}
	}
	return fmt.Errorf("PostgreSQL (pid %d) doesn't end, even killed", p.process.Pid)
}
