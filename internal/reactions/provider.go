package reactions

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Ask calls a provider. It runs without a database transaction and may be called again for the same
// Key, by another process too: the provider must then give the same answer and do nothing twice.
//
// An error tells that nothing is known, not even whether the provider did it; the same Key is asked
// again later. What a provider says for sure is an Answer.
type Ask func(ctx context.Context, c Call) (Answer, error)

// Call is a question to a provider.
type Call struct {
	Key      string // idempotency key: the event's id and the number of the answer
	Ledger   uuid.UUID
	Task     uuid.UUID
	Event    uuid.UUID // the task's task.requested
	Answer   int       // 1 for the first answer of this task, the next after each Retry or Action
	AskedAt  time.Time // when this answer was first asked for, UTC
	Position int64     // of the ledger then
}

// Verdict is what a provider says.
type Verdict int

const (
	Agreed  Verdict = iota // it is done
	Refused                // it will not be done
	Retry                  // not this time; another try makes sense
	Action                 // the payer has to do something first
	Wait                   // no answer yet: ask again at Answer.At with the same Key
)

func (v Verdict) String() string {
	return [...]string{"agreed", "refused", "retry", "action", "wait"}[v]
}

// Answer is a verdict with its reason. Code and Message become the task's errorCode and errorMessage.
type Answer struct {
	Verdict Verdict
	Code    string
	Message string
	At      time.Time // for Wait
}

// Codes of tasks that failed for a reason of ours.
const (
	codePoisoned    = "poisoned"
	codeUnavailable = "provider_unavailable"
)
