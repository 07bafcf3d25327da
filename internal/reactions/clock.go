package reactions

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/projections"
)

// clocks is the built-in provider that moves test ledgers' clocks: from one due instant to the next, all that is due at
// it done before it goes on, and at last to where it was asked to. Where it stands is the clock itself, so it goes on
// from there whoever asks again, and asked twice at once nothing happens twice.
func (s *scheduler) clocks(ctx context.Context, c Call) (Answer, error) {
	var params task.ClockParams
	if err := s.asked(ctx, c, &params); err != nil {
		return Answer{}, err
	}
	// A call has its time: a long way is gone in several.
	end := time.Now().Add(s.cfg.CallTimeout / 2)
	for time.Now().Before(end) {
		on, err := s.stepClock(ctx, c, params.To)
		switch {
		case errors.Is(err, errStays):
			return Answer{Verdict: Retry, Code: "due_stays", Message: err.Error()}, nil
		case err != nil || !on:
			return Answer{Verdict: Agreed}, err
		}
	}
	return Answer{Verdict: Wait, At: s.cfg.Now()}, nil
}

// asked reads what a task that the scheduler works itself is about.
func (s *scheduler) asked(ctx context.Context, c Call, params any) error {
	state, _, err := s.cfg.Store.Fold(ctx, c.Ledger, c.Task)
	if err != nil {
		return err
	}
	asked, ok := state.(*task.State)
	if !ok {
		return fmt.Errorf("%s is no task", c.Task)
	}
	if err := json.Unmarshal(asked.Params, params); err != nil {
		return fmt.Errorf("decode the params of task %s: %w", c.Task, err)
	}
	return nil
}

// errStays is an attempt of which nothing came: it is made again.
var errStays = errors.New("what is due at the clock's time could not be done yet")

// stepClock does what is due by the clock's time or, when nothing is, moves it on to the next due instant, at the
// furthest to to; on tells that it is not there yet.
func (s *scheduler) stepClock(ctx context.Context, c Call, to time.Time) (on bool, err error) {
	head, _, err := s.cfg.Store.Head(ctx, c.Ledger)
	if err != nil {
		return false, err
	}
	if s.cfg.Applied == nil {
		return false, errors.New("a process that moves clocks has to know how far the read models are")
	}
	if err := s.cfg.Applied.Wait(ctx, c.Ledger, head); err != nil {
		return false, err
	}
	now, err := s.clock(ctx, c.Ledger)
	if err != nil {
		return false, err
	}
	rows, err := projections.DueOf(ctx, s.cfg.Pool, c.Ledger, to, projections.DueRow{}, 1)
	if err != nil {
		return false, err
	}
	switch {
	case len(rows) == 0:
		return false, s.moveClock(ctx, c, to)
	case rows[0].DueAt.After(now):
		return true, s.moveClock(ctx, c, rows[0].DueAt)
	}
	if _, happened := s.once(ctx, c.Ledger, now); happened {
		return true, nil
	}
	// Another scheduler did it, or it failed: the read models tell the one from the other.
	again, _, err := s.cfg.Store.Head(ctx, c.Ledger)
	if err != nil || again > head {
		return true, err
	}
	return true, errStays
}

// moveClock moves on to an instant; that it is there or further is as good.
func (s *scheduler) moveClock(ctx context.Context, c Call, to time.Time) error {
	key := fmt.Sprintf("clock:%s:%d", c.Task, to.UnixMicro())
	_, err := s.cfg.Store.Execute(ctx, eventstore.Request{Ledger: c.Ledger, Command: domain.MoveClock{To: to}, Key: key,
		Fingerprint: sha256.Sum256([]byte(key)), Meta: eventstore.Meta{Actor: "scheduler", CausedBy: c.Event.String()}})
	if errors.Is(err, &domain.Error{Code: "clock_backwards"}) {
		return nil
	}
	return err
}

// ownReport is what is told of an attempt at a task that the scheduler works itself.
func ownReport(id uuid.UUID, attempt int, a Answer, next time.Time) domain.Command {
	r := task.Report{TaskID: id, Attempt: attempt, Status: task.Success, Code: a.Code, Message: a.Message, NextAt: next}
	switch a.Verdict {
	case Agreed:
	case Retry:
		r.Status = task.Retrying
	default:
		r.Status = task.Failed
	}
	return r
}
