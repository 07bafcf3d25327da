package task

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// AdvanceClock is the type of a task that moves a test ledger's clock, and ClockProvider who works it.
const (
	AdvanceTestClock = "Advance clock"
	ClockProvider    = "clock"
)

// ClockParams are the params of such a task.
type ClockParams struct {
	To time.Time `json:"to"`
}

// AdvanceClock asks for a test ledger's clock to be moved on to an instant, by way of all that is due until then,
// each at its own instant: what happens is the same whether it is moved by a year at once or by months. UTC, cut to
// microseconds. It answers View; the task is done when the clock is there.
//
// It refuses as domain.MoveClock does, with /to in place of /now.
type AdvanceClock struct{ To time.Time }

// Decide implements domain.Command.
func (c AdvanceClock) Decide(l domain.Ledger) (any, error) {
	to := c.To.UTC().Truncate(time.Microsecond)
	if err := domain.CheckClock(l, to, "/to"); err != nil {
		return nil, err
	}
	params, err := json.Marshal(ClockParams{to})
	if err != nil {
		return nil, fmt.Errorf("encode the params: %w", err)
	}
	id := l.NewID()
	l.Append(id, Requested{Type: AdvanceTestClock, Subject: l.ID(), Provider: ClockProvider, Params: params})
	return view(l, id)
}

func view(l domain.Ledger, id uuid.UUID) (View, error) {
	t, err := domain.LoadAs[*State](l, id, "no_task")
	if err != nil {
		return View{}, err
	}
	return t.View(), nil
}

// Report is what became of an attempt, 1 the first, at a task that changes nothing but what its provider did itself. One
// that was reported already and one of a task that is done make no event (rules T1, T3). It answers View.
//
// NotFound: no_task, also for a task of a subject that has a say in it.
type Report struct {
	TaskID  uuid.UUID
	Attempt int
	Status  string // Success, Failed, Retrying
	Code    string
	Message string
	NextAt  time.Time // of Retrying
}

// Decide implements domain.Command.
func (c Report) Decide(l domain.Ledger) (any, error) {
	t, err := domain.LoadAs[*State](l, c.TaskID, "no_task")
	if err != nil {
		return nil, err
	}
	if t.Provider != ClockProvider && t.Provider != BillingProvider {
		return nil, domain.Refuse(domain.NotFound, "no_task", "%s is not a task of this kind", c.TaskID)
	}
	if !t.Counted(c.Attempt) {
		switch c.Status {
		case Success:
			l.Append(c.TaskID, Succeeded{Attempt: c.Attempt})
		case Retrying:
			l.Append(c.TaskID, Retried{Attempt: c.Attempt, Code: Clip(c.Code), Message: Clip(c.Message), NextAt: c.NextAt.UTC().Truncate(time.Microsecond)})
		default:
			l.Append(c.TaskID, GaveUp{Attempt: c.Attempt, Code: Clip(c.Code), Message: Clip(c.Message)})
		}
	}
	return view(l, c.TaskID)
}
