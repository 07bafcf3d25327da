package reactions

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/eventstore"
)

// Topics and their consumer group; migration 0020 makes their rows.
const (
	topicErrands  = "errands"
	topicPoisoned = "poisoned"
	group         = "reactions"
)

// Metadata of a message, beside Watermill's correlation id.
const (
	metaLedger   = "ledger"
	metaPosition = "position"
	metaEvent    = "event_type"
)

// errand is outside work that an event calls for: the payload of a message.
type errand struct {
	Ledger   uuid.UUID `json:"ledger"`
	Task     uuid.UUID `json:"task"`
	Event    uuid.UUID `json:"event"`
	Provider string    `json:"provider"`
}

// isErrand tells whether an event calls for outside work.
func isErrand(e *eventstore.Recorded) bool {
	requested, ok := e.Event.(task.Requested)
	return ok && requested.Provider != "" && requested.Provider != "none"
}

// errandOf is the message for an event, nil when the event calls for nothing.
func errandOf(e *eventstore.Recorded) (*message.Message, error) {
	if !isErrand(e) {
		return nil, nil
	}
	payload, err := json.Marshal(errand{Ledger: e.Ledger, Task: e.Stream, Event: e.ID, Provider: e.Event.(task.Requested).Provider})
	if err != nil {
		return nil, fmt.Errorf("encode the errand of event %s: %w", e.ID, err)
	}
	m := message.NewMessage(e.ID.String(), payload)
	m.Metadata.Set(metaLedger, e.Ledger.String())
	m.Metadata.Set(metaPosition, strconv.FormatInt(e.Position, 10))
	m.Metadata.Set(metaEvent, e.Type)
	middleware.SetCorrelationID(correlationOf(e), m)
	return m, nil
}

// correlationOf is the request that caused the event, or else the event itself.
func correlationOf(e *eventstore.Recorded) string {
	var meta eventstore.Meta
	if err := json.Unmarshal(e.Meta, &meta); err == nil && meta.RequestID != "" {
		return meta.RequestID
	}
	return e.ID.String()
}

func errandIn(m *message.Message) (errand, error) {
	var e errand
	if err := json.Unmarshal(m.Payload, &e); err != nil {
		return e, fmt.Errorf("decode the errand of message %s: %w", m.UUID, err)
	}
	return e, nil
}
