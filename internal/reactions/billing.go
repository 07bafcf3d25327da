package reactions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/internal/metering"
)

// bill is the built-in provider of billing runs: it does what is due by the instant that was asked for, with the scheduler or
// before it. It keeps nothing: asked again, what is done is not due any more.
func (s *scheduler) bill(ctx context.Context, c Call) (Answer, error) {
	var params task.BillingParams
	if err := s.asked(ctx, c, &params); err != nil {
		return Answer{}, err
	}
	running, cancel := context.WithTimeout(ctx, s.cfg.CallTimeout/2)
	defer cancel()
	switch err := s.runTo(running, c.Ledger, params.At); {
	case errors.Is(err, errStays):
		return Answer{Verdict: Retry, Code: "due_stays", Message: "something that is due could not be done yet"}, nil
	case err != nil && running.Err() != nil && ctx.Err() == nil: // a long run is made of several calls
		return Answer{Verdict: Wait, At: s.cfg.Now()}, nil
	case err != nil:
		return Answer{}, err
	}
	return Answer{Verdict: Agreed}, nil
}

// runTo does all that is due in a ledger by an instant. It fails with errStays when something of it stays.
func (s *scheduler) runTo(ctx context.Context, ledger uuid.UUID, at time.Time) error {
	if s.cfg.Applied == nil {
		return errors.New("a process that runs billing has to know how far the read models are")
	}
	for {
		head, _, err := s.cfg.Store.Head(ctx, ledger)
		if err != nil {
			return err
		}
		if err := s.waitFor(ctx, ledger, head); err != nil {
			return err
		}
		if left, err := s.left(ctx, ledger, at); err != nil || left == 0 {
			return err
		}
		if _, happened := s.once(ctx, ledger, at); happened || ctx.Err() != nil {
			continue
		}
		// Another scheduler did it, or it failed: the read models tell the one from the other.
		if again, _, err := s.cfg.Store.Head(ctx, ledger); err != nil || again == head {
			return errors.Join(err, errStays)
		}
	}
}

// comesAlong is how long the read models may take for what a run appended.
const comesAlong = time.Minute

func (s *scheduler) waitFor(ctx context.Context, ledger uuid.UUID, position int64) error {
	waiting, cancel := context.WithTimeout(ctx, comesAlong)
	defer cancel()
	err := s.cfg.Applied.Wait(waiting, ledger, position)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("the read models of %s do not reach position %d; what was done is done, run it again when they do: %w", ledger, position, err)
	}
	return err
}

// left counts what is due in a ledger by an instant.
func (s *scheduler) left(ctx context.Context, ledger uuid.UUID, at time.Time) (n int64, err error) {
	err = s.cfg.Pool.QueryRow(ctx, `select count(*) from due where ledger_id = $1 and asleep is null and due_at <= $2`, ledger, at).Scan(&n)
	return n, err
}

// RunBilling does by hand what is due in a ledger by an instant, beside whatever schedulers run. Progress is told of each
// row that was done, and how many are due at first; what a row makes due in turn comes on top. Config needs Applied and Reads.
func RunBilling(ctx context.Context, cfg Config, ledger uuid.UUID, at time.Time, progress func(done, due int64)) (done int64, err error) {
	cfg.setDefaults()
	m, err := newInstruments(cfg.Registerer)
	if err != nil {
		return 0, err
	}
	s := &scheduler{cfg: &cfg, metrics: m, wake: newSignal(), counter: metering.Counter{Store: cfg.Store, Reads: cfg.Reads},
		moved: map[uuid.UUID]int64{}, failing: map[dueKey]failure{}}
	due, err := s.left(ctx, ledger, at)
	if err != nil {
		return 0, err
	}
	s.done = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		done++
		progress(done, max(due, done))
	}
	err = s.runTo(ctx, ledger, at)
	return done, err
}
