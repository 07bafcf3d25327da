package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/subledger/subledger/domain/organisation"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/handlers/salable"
	"github.com/subledger/subledger/projections"
)

// server is everything that runs in one process. stop undoes start, in the order in which work flows:
// requests, reactions, lanes, projections; the database comes last, with the installation.
type server struct {
	*installation
	config *serveCommand
	log    *slog.Logger
	told   started

	listener  net.Listener
	pools     []*pgxpool.Pool
	store     *eventstore.Store
	fence     *eventstore.Fence
	witness   *witness
	back      []organisation.TakenBack // by the witness, and accepted
	http      *worker
	reactor   *worker
	projector []*worker
	reads     *projections.Reads
	checks    *projections.Entitlements
	signer    *salable.Signer
	runners   []*projections.Runner // of read models and of the relay
	signals   projections.Listener  // from other processes
	ready     []handlers.Check
	fault     func(step string) error // nil: none
	failed    chan error              // the first worker that ended unasked
}

// worker is a goroutine that runs until it is stopped.
type worker struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // after done
}

// spawn runs f until stop. Ending before that, it ends the server.
func (s *server) spawn(ctx context.Context, name string, f func(context.Context) error) *worker {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w := &worker{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		err := f(ctx)
		if ctx.Err() != nil {
			if err != nil && !errors.Is(err, context.Canceled) {
				w.err = fmt.Errorf("%s: %w", name, err)
			}
			return
		}
		if err == nil {
			err = errors.New("ended unasked")
		}
		select {
		case s.failed <- fmt.Errorf("%s: %w", name, err):
		default:
		}
	}()
	return w
}

func (w *worker) stop() error {
	if w == nil {
		return nil
	}
	w.cancel()
	<-w.done
	return w.err
}

// relaxCollector trades memory for time: the live heap is small beside what a second of commands
// allocates, and collecting at its double took an eighth of the processor. Where caches are full the limit makes it collect
// more often. GOGC and GOMEMLIMIT win.
func relaxCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(1 << 30)
	}
}

// patience is how long the database may be silent on a statement of a server's: all of them are short, but
// for the wait for a synchronous standby, which the log bounds by itself.
const patience = 8 * time.Second

func (s *server) poolOf(ctx context.Context, url, name string, most int, after func(context.Context, *pgx.Conn) error) (*pgxpool.Pool, error) {
	pool, err := eventstore.OpenImpatientPool(ctx, url, patience, func(c *pgxpool.Config) {
		c.MaxConns = int32(most)
		c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
			if err := s.fence.Pass(ctx, conn, url == s.reader && url != s.app); err != nil || after == nil {
				return err
			}
			return after(ctx, conn)
		}
		c.ConnConfig.RuntimeParams["application_name"] = name
	})
	if err != nil {
		return nil, err
	}
	s.pools = append(s.pools, pool)
	if err := pool.Ping(ctx); err != nil {
		return nil, s.unreachable(err)
	}
	return pool, nil
}

// wait returns when the server has to end: nil when it was asked to.
func (s *server) wait(ctx context.Context) error {
	var exited <-chan error
	if s.server != nil {
		exited = s.server.Exited()
	}
	select {
	case <-ctx.Done():
		s.log.Info("draining")
		return nil
	case err := <-exited:
		return &status{code: exitPostgres, err: err, next: "See postgres.log in " + s.installation.config.DataDir}
	case err := <-s.failed:
		return err
	}
}

// stop lets everything finish what it has begun.
func (s *server) stop() error {
	if s.listener != nil {
		_ = s.listener.Close()
	}
	err := errors.Join(s.http.stop(), s.reactor.stop())
	if s.store != nil {
		s.store.Close()
	}
	var all sync.WaitGroup
	errs := make([]error, len(s.projector))
	for i, w := range s.projector {
		all.Go(func() { errs[i] = w.stop() })
	}
	all.Wait()
	for _, pool := range s.pools {
		pool.Close()
	}
	return errors.Join(append(errs, err)...)
}

// clockSkew is how far the process clock is ahead of the database's, give or take half a round trip.
func clockSkew(ctx context.Context, pool *pgxpool.Pool) (time.Duration, error) {
	var there time.Time
	before := time.Now()
	if err := pool.QueryRow(ctx, `select clock_timestamp()`).Scan(&there); err != nil {
		return 0, fmt.Errorf("read the database's clock: %w", err)
	}
	return before.Add(time.Since(before) / 2).Sub(there), nil
}
