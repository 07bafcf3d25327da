// Package eventstore is the log: it decides commands one after the other in each ledger, appends
// what they decided to Postgres in one guarded statement, and reads it back.
package eventstore

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// Recorded is an event as the log holds it. It is shared between readers: never change it.
type Recorded struct {
	Ledger      uuid.UUID
	Position    int64 // in the ledger: 1, 2, 3… without a hole
	Stream      uuid.UUID
	Version     int64 // in the stream: 1, 2, 3… without a hole
	ID          uuid.UUID
	Type        string       // "subscription.seats_added.v1", as it was written
	Event       domain.Event // decoded, decrypted and upcast to today's shape
	Data        []byte       // JSON as stored and hashed: personal fields are ciphertext
	Meta        []byte       // JSON of Meta as stored and hashed
	RecordedAt  time.Time    // UTC, microseconds
	EffectiveAt time.Time    // UTC, microseconds
	Hash        [32]byte
}

// Kind is the kind of the event's stream.
func (r *Recorded) Kind() string { return domain.KindOf(r.Type) }

// Meta says where an event came from.
type Meta struct {
	Actor     string `json:"actor,omitzero"` // API key id, "scheduler", "cli", …
	RequestID string `json:"request_id,omitzero"`
	Key       string `json:"key,omitzero"` // the client's idempotency key
	CausedBy  string `json:"caused_by,omitzero"`
	Dialect   string `json:"dialect,omitzero"` // ledger, salable, …
}

// Request is a command on its way into a ledger.
type Request struct {
	Ledger  uuid.UUID
	ID      uuid.UUID // the command's own id, UUIDv7; made by Execute when zero
	Command domain.Command
	// Key makes the command happen once, for ever; empty: it is given a key of its own. 1 to 255
	// printable ASCII characters. Fingerprint is what the key stands for: the same key with another
	// fingerprint is refused with `key_reused`.
	Key         string
	Fingerprint [32]byte
	Meta        Meta
	// DryRun decides and answers without writing anything or consuming the key.
	DryRun bool
	// Expect, when set, is the version that the stream must have (If-Match); refused with `stale_version`.
	Expect *Expectation
}

// Expectation is an optimistic lock by the caller.
type Expectation struct {
	Stream  uuid.UUID
	Version int64
}

// Result is a command's answer.
type Result struct {
	Ledger   uuid.UUID
	Position int64 // the ledger's, at which the answer is true
	First    int64 // positions of the command's own events; First > Last when it changed nothing
	Last     int64
	Replayed bool            // the key was used before: this is the first answer
	DryRun   bool            // nothing was written
	Answer   json.RawMessage // what Decide answered, personal fields in plain text
	Would    []Would         // of a dry run, what would have been recorded
	Value    any             // the same as Decide made it; nil when it was not decided now
}

// Would is an event that a dry run did not record.
type Would struct {
	Stream uuid.UUID
	Event  domain.Event
	At     time.Time // from when it would count
}
