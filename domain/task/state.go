package task

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/mutant"
)

// State is the fold of a task's stream.
type State struct {
	domain.Record
	Type         string
	Subject      uuid.UUID
	Provider     string
	Params       json.RawMessage
	Status       string
	Retries      int // attempts that failed and were made again
	NextAt       time.Time
	ErrorCode    string
	ErrorMessage string
}

// Apply implements domain.State.
func (s *State) Apply(e domain.Event) {
	switch e := e.(type) {
	case Requested:
		s.Type, s.Subject, s.Provider, s.Params, s.Status = e.Type, e.Subject, e.Provider, e.Params, Pending
	case Retried:
		s.Status, s.Retries, s.NextAt = Retrying, e.Attempt, e.NextAt
		s.ErrorCode, s.ErrorMessage = e.Code, e.Message
	case ActionRequired:
		s.Status, s.ErrorCode, s.ErrorMessage = Incomplete, e.Code, e.Message
	case Succeeded:
		s.Status, s.ErrorCode, s.ErrorMessage = Success, "", ""
	case GaveUp:
		s.Status, s.ErrorCode, s.ErrorMessage = Failed, e.Code, e.Message
	}
}

// Done tells that nothing more can happen to the task (rule T1).
func (s *State) Done() bool { return s.Status == Success || s.Status == Failed }

// Counted tells that an attempt was reported already, or that no report counts any more (rules T1, T3).
func (s *State) Counted(attempt int) bool {
	return s.Done() && mutant.Active != mutant.TaskBackwards || attempt <= s.Retries
}

// View is a task as its caller sees it.
type View struct {
	ID           uuid.UUID `json:"id"`
	Type         string    `json:"type"`
	Status       string    `json:"status"`
	Subject      uuid.UUID `json:"subject"`
	Retries      int       `json:"retries"`
	ErrorCode    string    `json:"error_code,omitzero"`
	ErrorMessage string    `json:"error_message,omitzero"`
	CreatedAt    time.Time `json:"created_at"`
	UpdatedAt    time.Time `json:"updated_at"`
}

// View shows the task.
func (s *State) View() View {
	return View{ID: s.ID, Type: s.Type, Status: s.Status, Subject: s.Subject, Retries: s.Retries,
		ErrorCode: s.ErrorCode, ErrorMessage: s.ErrorMessage, CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt}
}
