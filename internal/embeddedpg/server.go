package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// A postmaster that ends unasked is restarted this often within a minute.
const maxRestarts = 5

// Server is a running PostgreSQL and its supervision. Its connections break when the postmaster
// is restarted; a pool makes new ones.
type Server struct {
	config    Config
	who       account
	programs  programs
	data      string
	socketDir string
	logPath   string
	log       *slog.Logger
	lock      *os.File
	pid       atomic.Int64

	cancel  context.CancelFunc // asks supervise to stop
	stopped chan struct{}      // closed when supervise has ended; then stopErr is set
	stopErr error
	exited  chan error
}

// Start runs PostgreSQL on c.Dir, making a cluster there if there is none, and returns when it
// takes connections. ctx bounds the start only. errors.Is(err, ErrInUse) means that another
// process supervises the directory; see Running.
func Start(ctx context.Context, c Config) (*Server, error) {
	if c.Dir == "" {
		c.Dir = DefaultDir()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	s := &Server{
		config: c, log: c.Logger,
		data: filepath.Join(dir, "data"), logPath: filepath.Join(dir, "postgres.log"),
		stopped: make(chan struct{}), exited: make(chan error, 1),
	}
	if s.who, err = accountFor(c.User, dir); err != nil {
		return nil, err
	}
	made, err := madeBy(s.data)
	if err != nil {
		return nil, err
	}
	if s.programs, err = findPrograms(ctx, c, s.who, s.data, made); err != nil {
		return nil, err
	}
	if err := prepare(dir, s.who); err != nil {
		return nil, err
	}
	if s.lock, err = lockDir(ctx, dir); err != nil {
		return nil, err
	}
	p, err := s.start(ctx, dir)
	if err != nil {
		return nil, errors.Join(err, s.lock.Close())
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	go s.supervise(running, p)
	return s, nil
}

// start is the part of Start that needs the lock.
func (s *Server) start(ctx context.Context, dir string) (*postmaster, error) {
	var err error
	if s.socketDir, err = makeSocketDir(dir, s.who); err != nil {
		return nil, err
	}
	if err := publish(s.lock, s.socketDir); err != nil {
		return nil, err
	}
	if err := s.initCluster(ctx); err != nil {
		return nil, err
	}
	p, err := s.launch(ctx)
	if err != nil {
		return nil, err
	}
	s.pid.Store(int64(p.process.Pid))
	s.log.Info("PostgreSQL started", "version", s.programs.major, "programs", s.programs.dir, "data", s.data, "pid", p.process.Pid)
	return p, nil
}

// URL connects over the private socket. The user Superuser may do everything; the database has to exist.
func (s *Server) URL(user, database string) string { return connString(s.socketDir, user, database) }

// Pid is the postmaster's process id. It changes with a restart.
func (s *Server) Pid() int { return int(s.pid.Load()) }

// Program runs another of PostgreSQL's programs, such as pg_basebackup, as the user that the server runs as.
func (s *Server) Program(ctx context.Context, name string, args ...string) ([]byte, error) {
	return s.who.run(ctx, filepath.Join(s.programs.dir, name), args...)
}

// EnsureDatabase makes a database if there is none of that name.
func (s *Server) EnsureDatabase(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, s.URL(Superuser, "postgres"))
	if err != nil {
		return fmt.Errorf("make database %s: %w", name, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var there bool
	if err := conn.QueryRow(ctx, `select exists (select from pg_database where datname = $1)`, name).Scan(&there); err != nil {
		return fmt.Errorf("make database %s: %w", name, err)
	}
	if there {
		return nil
	}
	if _, err := conn.Exec(ctx, `create database `+pgx.Identifier{name}.Sanitize()); err != nil {
		return fmt.Errorf("make database %s: %w", name, err)
	}
	return nil
}

// Exited gets one error when PostgreSQL is gone for good: it ended more often than a restart can
// be meant to mend. The ledger then exits with status 3. After Stop nothing comes.
func (s *Server) Exited() <-chan error { return s.exited }

// Stop shuts PostgreSQL down: close the pools first. It takes 45 s at most; when ctx ends before,
// the shutdown goes on without its caller. To call it twice does no harm.
func (s *Server) Stop(ctx context.Context) error {
	s.cancel()
	select {
	case <-s.stopped:
		return s.stopErr
	case <-ctx.Done():
		return fmt.Errorf("wait for PostgreSQL's shutdown: %w", ctx.Err())
	}
}

// supervise keeps a postmaster running until ctx ends or the restarts are used up.
func (s *Server) supervise(ctx context.Context, p *postmaster) {
	defer close(s.stopped)
	defer s.lock.Close()
	var restarts []time.Time
	for {
		select {
		case <-ctx.Done():
			s.stopErr = p.stop()
			return
		case <-p.gone:
		}
		err := fmt.Errorf("PostgreSQL stopped unasked (%w). Its last lines:\n  %s\n  Full log: %s", p.err, s.lastLines(p), s.logPath)
		for p = nil; p == nil; {
			restarts = slices.DeleteFunc(restarts, func(t time.Time) bool { return time.Since(t) > time.Minute })
			if len(restarts) == maxRestarts {
				s.exited <- fmt.Errorf("gave up after %d restarts within a minute: %w", maxRestarts, err)
				return
			}
			wait := 100 * time.Millisecond << len(restarts)
			restarts = append(restarts, time.Now())
			s.log.Error("PostgreSQL is gone; restarting it", "after", wait, "err", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			if p, err = s.launch(ctx); err != nil && ctx.Err() != nil {
				return
			}
		}
		s.pid.Store(int64(p.process.Pid))
		s.log.Info("PostgreSQL restarted", "pid", p.process.Pid)
	}
}
