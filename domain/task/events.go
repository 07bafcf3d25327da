// Package task is the life of an asynchronous command: what its caller polls. The change itself is
// decided by the aggregate that it changes; a task says how far it got.
//
// Vocabulary: task (Salable: event), attempt, provider.
//
// Rules:
//
//	T1 pending → success | failed | incomplete; pending ⇄ retrying; incomplete → pending | retrying | success | failed. success and failed are for ever.
//	T2 A task that needs no provider is done by the event that it asks for, in the same append, and has no stream.
//	T3 Attempts are counted; the same attempt reported twice counts once.
package task

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// Types are Salable's event types.
const (
	CreateSeats        = "Create seats"
	RemoveSeats        = "Remove seats"
	ChangePlan         = "Change plan"
	UpdateUsage        = "Update usage"
	CancelSubscription = "Cancel subscription"
)

// Status values are Salable's event statuses.
const (
	Queued     = "queued"
	Pending    = "pending"
	Retrying   = "retrying"
	Success    = "success"
	Failed     = "failed"
	Incomplete = "incomplete"
)

// Requested begins a task on a subject stream. Params is the change as its aggregate asked for it.
type Requested struct {
	Type     string          `json:"type"`
	Subject  uuid.UUID       `json:"subject"`
	Provider string          `json:"provider"` // none, manual
	Params   json.RawMessage `json:"params"`
}

// Retried is an attempt that failed and will be made again.
type Retried struct {
	Attempt int       `json:"attempt"` // 1 is the first
	Code    string    `json:"code"`
	Message string    `json:"message"`
	NextAt  time.Time `json:"next_at"`
}

// Succeeded ends a task well.
type Succeeded struct {
	Attempt int `json:"attempt"` // 0 when no provider was asked
}

// GaveUp ends a task for good: it failed.
type GaveUp struct {
	Attempt int    `json:"attempt"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// ActionRequired waits for a step of the payer.
type ActionRequired struct {
	Attempt int    `json:"attempt"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (Requested) EventType() string      { return "task.requested.v1" }
func (Retried) EventType() string        { return "task.retried.v1" }
func (Succeeded) EventType() string      { return "task.succeeded.v1" }
func (GaveUp) EventType() string         { return "task.failed.v1" }
func (ActionRequired) EventType() string { return "task.action_required.v1" }

// ManualConfigured says how the built-in provider `manual` answers in this ledger; it stands for the
// outside world.
type ManualConfigured struct {
	Outcome  string `json:"outcome"`           // succeeds, fails, failsThenSucceeds
	Failures int    `json:"failures,omitzero"` // how many attempts of a task fail first
	DelayMs  int    `json:"delay_ms,omitzero"` // before each answer
}

func (ManualConfigured) EventType() string { return "provider.manual_configured.v1" }

// Vocabularies is for the log's codec.
func Vocabularies() []domain.Vocabulary {
	return []domain.Vocabulary{
		{Kind: "task", New: func() domain.State { return &State{} }, Events: []domain.EventType{
			domain.Named[Requested](), domain.Named[Retried](), domain.Named[Succeeded](),
			domain.Named[GaveUp](), domain.Named[ActionRequired]()}},
		{Kind: "provider", New: func() domain.State { return &ManualProvider{} }, Events: []domain.EventType{
			domain.Named[ManualConfigured]()}},
	}
}

// providers is the name space of the ids of provider streams.
var providers = uuid.MustParse("0d0f63a0-4f2b-5c3e-8a75-0d6c5b2f9a11")

// ManualProviderID is the stream of a ledger's manual provider.
func ManualProviderID(ledger uuid.UUID) uuid.UUID {
	return uuid.NewSHA1(providers, append(ledger[:], "manual"...))
}
