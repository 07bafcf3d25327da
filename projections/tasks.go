package projections

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/eventstore"
)

// Task is how far an asynchronous command got; Salable calls it an event.
type Task struct {
	ItemKey
	Type         string          `db:"type"`
	Subject      uuid.UUID       `db:"subject"`
	Provider     string          `db:"provider"`
	Params       json.RawMessage `db:"params"`
	Status       string          `db:"status"`
	Retries      int             `db:"retries"` // attempts that failed
	ErrorCode    *string         `db:"error_code"`
	ErrorMessage *string         `db:"error_message"`
	NextAt       *time.Time      `db:"next_at"`
	Positions    []int64         `db:"positions"` // its own events and those that it caused, ascending
	Touched
}

// Tasks is the read model of asynchronous commands.
func Tasks() *Model {
	rows := NewTable[ItemKey, Task]("tasks")
	// An effect may stand before its task's first event in the same append.
	// One that says done is all of its task, but for effects right before it.
	effect := func(p *Page, e *eventstore.Recorded, id uuid.UUID, done string) {
		if id == uuid.Nil {
			return
		}
		row, ok := rows.Get(p, ItemKey{e.Ledger, id})
		if !ok {
			row = Task{ItemKey: ItemKey{e.Ledger, id}, Params: json.RawMessage("null"), Status: task.Pending,
				Touched: Touched{CreatedAt: e.RecordedAt}}
		}
		row.Positions = append(slices.Clip(row.Positions), e.Position)
		row.Position, row.UpdatedAt = e.Position, e.RecordedAt
		if done != "" {
			row.Type, row.Subject, row.Provider, row.Status, row.Version = done, e.Stream, subscription.NoProvider, task.Success, 1
		}
		rows.Put(p, row)
	}
	return newModel("tasks", func(p *Page, e *eventstore.Recorded) {
		switch d := e.Event.(type) {
		case subscription.SeatsAdded:
			effect(p, e, d.TaskID, d.Done)
		case subscription.SeatsRemoved:
			effect(p, e, d.TaskID, d.Done)
		case subscription.QuantityChanged:
			effect(p, e, d.TaskID, d.Done)
		case subscription.PlanChanged:
			effect(p, e, d.TaskID, d.Done)
		case subscription.CancellationScheduled:
			effect(p, e, d.TaskID, d.Done)
		case subscription.Ended:
			effect(p, e, d.TaskID, d.Done)
		}
		if e.Kind() != "task" {
			return
		}
		var row Task
		if d, ok := e.Event.(task.Requested); ok {
			row, _ = rows.Get(p, key(e))
			row.ItemKey, row.Type, row.Subject, row.Provider, row.Params = key(e), d.Type, d.Subject, d.Provider, d.Params
			if len(d.Params) == 0 {
				row.Params = json.RawMessage("null")
			}
			row.Status = task.Pending
		} else {
			row = rows.Must(p, key(e))
			row.apply(e)
		}
		row.Positions = append(slices.Clip(row.Positions), e.Position)
		row.Touched = row.by(e)
		rows.Put(p, row)
	}, rows)
}

// apply keeps to rule T1: success and failed are for ever.
func (t *Task) apply(e *eventstore.Recorded) {
	if t.Status == task.Success || t.Status == task.Failed {
		return
	}
	failed := func(status string, attempt int, code, message string) {
		t.Status, t.Retries, t.ErrorCode, t.ErrorMessage, t.NextAt = status, max(t.Retries, attempt), &code, &message, nil
	}
	switch d := e.Event.(type) {
	case task.Retried:
		failed(task.Retrying, d.Attempt, d.Code, d.Message)
		t.NextAt = &d.NextAt
	case task.ActionRequired:
		failed(task.Incomplete, t.Retries, d.Code, d.Message)
	case task.GaveUp:
		failed(task.Failed, t.Retries, d.Code, d.Message)
	case task.Succeeded:
		t.Status, t.ErrorCode, t.ErrorMessage, t.NextAt = task.Success, nil, nil, nil
	}
}

// Task refuses with no_task.
func (r *Reads) Task(ctx context.Context, ledger, id uuid.UUID) (Task, error) {
	w := within(ledger).with("id", id, "t.ledger_id = @ledger and t.id = @id and t.type <> ''")
	return one[Task](ctx, r, ledger, "select t.* from tasks t where "+w.String(), w.args,
		domain.Refuse(domain.NotFound, "no_task", "%s is not known here", id))
}
