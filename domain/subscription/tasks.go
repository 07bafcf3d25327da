package subscription

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/task"
)

// Reports of the provider on an attempt, 1 the first. An attempt that was reported already and one of a
// task that is done make no event (rules T1, T3). All answer TaskAnswer.
//
// NotFound: no_task, also for a task of another kind. Invalid: bad_attempt.
type (
	// CompleteTask reports that the provider has agreed: the change is checked again and happens, or,
	// when it has become impossible, is abandoned and the task fails with the code of the refusal.
	CompleteTask struct {
		TaskID  uuid.UUID
		Attempt int
	}
	// FailTask reports that the provider has refused for good.
	FailTask struct {
		TaskID  uuid.UUID
		Attempt int
		Code    string
		Message string
	}
	// RetryTask reports an attempt that failed and is made again at NextAt.
	RetryTask struct {
		TaskID  uuid.UUID
		Attempt int
		Code    string
		Message string
		NextAt  time.Time
	}
	// AwaitAction reports that the payer has to do something first.
	AwaitAction struct {
		TaskID  uuid.UUID
		Attempt int
		Code    string
		Message string
	}
)

// Decide implements domain.Command.
func (c CompleteTask) Decide(l domain.Ledger) (any, error) {
	return report(l, c.TaskID, c.Attempt, func(t *task.State, s *State) error {
		var wanted Change
		if err := json.Unmarshal(t.Params, &wanted); err != nil {
			return fmt.Errorf("decode the change of task %s: %w", c.TaskID, err)
		}
		then, due := s.by(l.Now())
		events, err := then.perform(l, &then.Facts, wanted, l.Now(), c.TaskID)
		if err != nil {
			refusal, ok := domain.AsRefusal(err)
			if !ok {
				return err
			}
			l.Append(t.Subject, ChangeAbandoned{TaskID: c.TaskID})
			l.Append(c.TaskID, task.GaveUp{Attempt: c.Attempt, Code: refusal.Code, Message: refusal.Detail})
			return nil
		}
		if len(events) == 0 { // it is as asked already: the reservation alone is left
			events = []domain.Event{ChangeAbandoned{TaskID: c.TaskID}}
		}
		if _, err := record(l, t.Subject, s.Facts, append(due, dateNow(l, events...)...)); err != nil {
			return err
		}
		l.Append(c.TaskID, task.Succeeded{Attempt: c.Attempt})
		return nil
	})
}

// Decide implements domain.Command.
func (c FailTask) Decide(l domain.Ledger) (any, error) {
	return report(l, c.TaskID, c.Attempt, func(t *task.State, _ *State) error {
		l.Append(t.Subject, ChangeAbandoned{TaskID: c.TaskID})
		l.Append(c.TaskID, task.GaveUp{Attempt: c.Attempt, Code: task.Clip(c.Code), Message: task.Clip(c.Message)})
		return nil
	})
}

// Decide implements domain.Command.
func (c RetryTask) Decide(l domain.Ledger) (any, error) {
	return report(l, c.TaskID, c.Attempt, func(*task.State, *State) error {
		l.Append(c.TaskID, task.Retried{Attempt: c.Attempt, Code: task.Clip(c.Code), Message: task.Clip(c.Message), NextAt: instant(c.NextAt)})
		return nil
	})
}

// Decide implements domain.Command.
func (c AwaitAction) Decide(l domain.Ledger) (any, error) {
	return report(l, c.TaskID, c.Attempt, func(t *task.State, _ *State) error {
		if t.Status != task.Incomplete || t.ErrorCode != task.Clip(c.Code) {
			l.Append(c.TaskID, task.ActionRequired{Attempt: c.Attempt, Code: task.Clip(c.Code), Message: task.Clip(c.Message)})
		}
		return nil
	})
}

// report applies a provider's report unless it counted before.
func report(l domain.Ledger, id uuid.UUID, attempt int, happen func(*task.State, *State) error) (any, error) {
	if attempt < 1 {
		return nil, domain.RefuseField("/attempt", "bad_attempt", "the first attempt is 1")
	}
	t, err := domain.LoadAs[*task.State](l, id, "no_task")
	if err != nil {
		return nil, err
	}
	s, err := domain.LoadAs[*State](l, t.Subject, "no_task")
	if err != nil {
		return nil, err
	}
	if !t.Counted(attempt) {
		if err := happen(t, s); err != nil {
			return nil, err
		}
		if t, err = domain.LoadAs[*task.State](l, id, "no_task"); err != nil {
			return nil, err
		}
	}
	view, err := show(l, t.Subject)
	return TaskAnswer{TaskID: id, Status: t.Status, Subscription: view}, err
}
