package reactions

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/eventstore"
)

// workers take due calls, ask the provider with no transaction open, and report to the ledger. A call
// is asked and reported with the same keys however often it is taken, so a worker may die anywhere.
type workers struct {
	cfg     *Config
	metrics *instruments
	wake    signal

	mu   sync.Mutex
	busy map[uuid.UUID]int // calls in flight here, by ledger
	all  int
}

// errCrashed is what a fault point makes of a worker: it stops as if its process had been killed.
var errCrashed = errors.New("the worker crashed at a fault point")

// run takes calls until ctx ends and returns when none is in flight. Those that are get StopTimeout to
// finish; then they are given back.
func (w *workers) run(ctx context.Context) error {
	calls, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	var flying sync.WaitGroup
	failures := 0
	for ctx.Err() == nil {
		wait := w.cfg.Poll
		taken, err := w.take(ctx)
		if err == nil {
			failures = 0
		} else if ctx.Err() == nil {
			failures++
			wait = Backoff{First: firstErrorPause, Last: lastErrorPause}.After(failures)
			w.metrics.takeErrors.Inc()
			w.cfg.Logger.WarnContext(ctx, "reactions: could not take calls", "error", err, "again_in", wait)
		}
		for i := range taken {
			flying.Go(func() { w.handle(calls, &taken[i]) })
		}
		_ = w.wake.wait(ctx, wait)
	}
	timer := time.AfterFunc(w.cfg.StopTimeout, abandon)
	defer timer.Stop()
	flying.Wait()
	return nil
}

func (w *workers) take(ctx context.Context) ([]openCall, error) {
	w.mu.Lock()
	free, busy := w.cfg.Workers-w.all, make(map[uuid.UUID]int, len(w.busy))
	for id, n := range w.busy {
		busy[id] = n
	}
	w.mu.Unlock()
	if free <= 0 {
		return nil, nil
	}
	now := w.cfg.Now()
	taken, err := take(ctx, w.cfg.Pool, now, now.Add(w.cfg.Lease), free, w.cfg.PerLedger, busy)
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range taken {
		w.busy[taken[i].Ledger]++
		w.all++
	}
	w.metrics.inFlight.Set(float64(w.all))
	return taken, err
}

func (w *workers) landed(c *openCall) {
	w.mu.Lock()
	if w.busy[c.Ledger]--; w.busy[c.Ledger] == 0 {
		delete(w.busy, c.Ledger)
	}
	w.all--
	w.metrics.inFlight.Set(float64(w.all))
	w.mu.Unlock()
	w.wake.set()
}

// handle sees one taken call through.
func (w *workers) handle(ctx context.Context, c *openCall) {
	defer w.landed(c)
	err := w.see(ctx, c)
	switch {
	case err == nil || errors.Is(err, errCrashed):
	case ctx.Err() != nil: // abandoned: somebody else may go on at once
		if err := c.release(context.WithoutCancel(ctx), w.cfg.Pool, w.cfg.Now()); err != nil {
			w.cfg.Logger.WarnContext(ctx, "reactions: a call stays leased", "error", err, "ledger", c.Ledger, "task", c.Task)
		}
	default:
		w.metrics.reportErrors.Inc()
		pause := w.cfg.Backoff.After(1)
		if refusal, ok := domain.AsRefusal(err); ok && refusal.Kind != domain.Unavailable {
			pause = w.cfg.Backoff.Last // nothing that will be better in a moment
		}
		w.cfg.Logger.ErrorContext(ctx, "reactions: a call could not be seen through", "error", err, "again_in", pause,
			"ledger", c.Ledger, "task", c.Task, "attempt", c.Attempt, "correlation", c.Correlation)
		if err := c.release(ctx, w.cfg.Pool, w.cfg.Now().Add(pause)); err == nil {
			w.wakeAfter(pause)
		}
	}
}

func (w *workers) see(ctx context.Context, c *openCall) error {
	if err := w.step("call taken"); err != nil {
		return err
	}
	answer, known := Answer{Verdict: Refused, Code: codePoisoned,
		Message: fmt.Sprintf("the change could not be handed to its provider; operators find the reason under event %s", c.Event)}, true
	if !c.Poisoned {
		answer, known = w.ask(ctx, c)
	}
	if ctx.Err() != nil && !known {
		return ctx.Err()
	}
	if err := w.step("call asked"); err != nil {
		return err
	}
	if answer.Verdict == Wait {
		now := w.cfg.Now()
		at := answer.At
		if !at.After(now) {
			at = now.Add(w.cfg.Backoff.First)
		}
		if err := c.release(ctx, w.cfg.Pool, at); err != nil {
			return err
		}
		w.wakeAfter(at.Sub(now))
		return nil
	}
	if answer.Verdict == Retry && c.Attempt >= w.cfg.Backoff.Attempts {
		answer.Verdict = Refused
	}
	at := w.cfg.Now().Add(w.cfg.Backoff.After(c.Attempt))
	if answer.Verdict == Action {
		at = w.cfg.Now().Add(w.cfg.ActionEvery)
	}
	status, err := w.report(ctx, c, answer, at)
	if err != nil {
		return err
	}
	if err := w.step("call reported"); err != nil {
		return err
	}
	// The task's own status counts, not the answer: another worker may have reported first.
	if status == task.Success || status == task.Failed {
		return c.close(ctx, w.cfg.Pool)
	}
	if err := c.next(ctx, w.cfg.Pool, at, known); err != nil {
		return err
	}
	w.wakeAfter(at.Sub(w.cfg.Now()))
	return nil
}

// ask calls the provider; known is false when there was no answer.
func (w *workers) ask(ctx context.Context, c *openCall) (answer Answer, known bool) {
	began := time.Now()
	err := errors.New("this process has no such provider")
	if ask := w.cfg.Providers[c.Provider]; ask != nil {
		asking, cancel := context.WithTimeout(ctx, w.cfg.CallTimeout)
		answer, err = safely(asking, ask, c.question())
		cancel()
	}
	w.metrics.callSeconds.WithLabelValues(c.Provider).Observe(time.Since(began).Seconds())
	if err != nil {
		w.metrics.calls.WithLabelValues(c.Provider, "fault").Inc()
		w.cfg.Logger.WarnContext(ctx, "reactions: no answer from a provider", "error", err, "provider", c.Provider,
			"ledger", c.Ledger, "task", c.Task, "attempt", c.Attempt, "correlation", c.Correlation)
		return Answer{Verdict: Retry, Code: codeUnavailable, Message: "the provider gave no answer"}, false
	}
	w.metrics.calls.WithLabelValues(c.Provider, answer.Verdict.String()).Inc()
	return answer, true
}

func safely(ctx context.Context, ask Ask, c Call) (answer Answer, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the provider panicked: %v\n%s", v, debug.Stack())
		}
	}()
	return ask(ctx, c)
}

// report tells the ledger and answers the task's status. Reported again, by whomever and whatever the
// answer, it is the first report that counts.
func (w *workers) report(ctx context.Context, c *openCall, a Answer, next time.Time) (status string, err error) {
	var command domain.Command
	switch {
	case c.Provider == task.ClockProvider, c.Provider == task.BillingProvider:
		command = ownReport(c.Task, c.Attempt, a, next)
	case a.Verdict == Agreed:
		command = subscription.CompleteTask{TaskID: c.Task, Attempt: c.Attempt}
	case a.Verdict == Retry:
		command = subscription.RetryTask{TaskID: c.Task, Attempt: c.Attempt, Code: a.Code, Message: a.Message, NextAt: next}
	case a.Verdict == Action:
		command = subscription.AwaitAction{TaskID: c.Task, Attempt: c.Attempt, Code: a.Code, Message: a.Message}
	default:
		command = subscription.FailTask{TaskID: c.Task, Attempt: c.Attempt, Code: a.Code, Message: a.Message}
	}
	key := fmt.Sprintf("reaction:%s:%d", c.Task, c.Attempt)
	request := eventstore.Request{Ledger: c.Ledger, Command: command, Key: key, Fingerprint: sha256.Sum256([]byte(key)),
		Meta: eventstore.Meta{Actor: "reactor", RequestID: c.Correlation, CausedBy: c.Event.String()}}
	result, err := w.cfg.Store.Execute(ctx, request)
	if errors.Is(err, &domain.Error{Code: "key_reused"}) {
		// A client took our key for something of its own. The attempt's number protects as well.
		request.Key = ""
		result, err = w.cfg.Store.Execute(ctx, request)
	}
	if err != nil {
		return "", fmt.Errorf("report attempt %d of task %s: %w", c.Attempt, c.Task, err)
	}
	var told struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal(result.Answer, &told); err != nil {
		return "", fmt.Errorf("decode the answer for task %s: %w", c.Task, err)
	}
	return told.Status, nil
}

func (w *workers) wakeAfter(d time.Duration) {
	if d <= 0 {
		w.wake.set()
	} else if d < w.cfg.Poll {
		time.AfterFunc(d, w.wake.set)
	}
}

func (w *workers) step(name string) error {
	if err := w.cfg.Fault(name); err != nil {
		return fmt.Errorf("%w: %w", errCrashed, err)
	}
	return nil
}
