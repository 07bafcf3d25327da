package reactions

import (
	"context"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/prometheus/client_golang/prometheus"
)

// signal says that there may be something to do. Set before anyone waits, it is kept; set twice, it is
// one.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (s signal) set() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// wait returns when s is set or d has passed, with the context's error when that ends first.
func (s signal) wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s:
	case <-t.C:
	}
	return nil
}

// Pauses of a subscriber after errors, doubled each time.
const (
	firstErrorPause = 50 * time.Millisecond
	lastErrorPause  = 5 * time.Second
)

// pacer is a subscriber's Watermill BackoffManager. It is asked after every poll, when the subscriber's
// transaction is over, and waits by itself instead of telling how long to sleep, since only so can a
// signal end the wait.
type pacer struct {
	stopped <-chan struct{}
	wake    signal        // a message was committed
	handled func()        // called after each batch: what its handlers wrote is committed
	poll    time.Duration // without a signal
	errors  prometheus.Counter
	logger  *slog.Logger
	pause   time.Duration
	cause   error // why the last poll failed, if its rows told
}

// HandleError implements wsql.BackoffManager.
func (p *pacer) HandleError(_ watermill.LoggerAdapter, noMsg bool, err error) time.Duration {
	if p.cause != nil {
		err, p.cause = p.cause, nil
	}
	switch {
	case p.over():
	case err != nil:
		p.errors.Inc()
		p.pause = min(max(2*p.pause, firstErrorPause), lastErrorPause)
		p.logger.Warn("reactions: could not read messages", "error", err, "again_in", p.pause)
		p.sleep(nil, p.pause)
	case noMsg:
		p.pause = 0
		p.sleep(p.wake, p.poll)
	default:
		p.pause = 0
		p.handled()
	}
	return 0
}

func (p *pacer) sleep(wake signal, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.stopped:
	case <-wake:
	case <-t.C:
	}
}

func (p *pacer) over() bool {
	select {
	case <-p.stopped:
		return true
	default:
		return false
	}
}
