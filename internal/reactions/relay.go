package reactions

import (
	"context"
	"fmt"

	wsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/projections"
)

// relay is the projection that publishes. Its messages commit with its checkpoint, so each event is
// published once. The runner's commit does not wait for the disk: a crash of the server takes the
// messages and the checkpoint back together, and what a consumer did with them as well, which stands
// later in the server's log.
//
// As it sees every event of every process it also tells the scheduler of clocks that moved.
type relay struct {
	fault      func(step string) error
	told       signal
	clockMoved func(ledger uuid.UUID, position int64)

	// Of the page under way; the runner calls from one goroutine.
	sent  bool
	moved map[uuid.UUID]int64
}

// Name implements projections.Projection.
func (*relay) Name() string { return "relay" }

// Skip implements projections.Skipper: most events publish nothing.
func (r *relay) Skip(events []*eventstore.Recorded) bool {
	for _, e := range events {
		if atOnceDue(e) || isErrand(e) {
			return false
		}
	}
	return true
}

// atOnceDue tells events that make something due now.
func atOnceDue(e *eventstore.Recorded) bool {
	switch d := e.Event.(type) {
	case domain.ClockMoved:
		return true
	case customer.Changed:
		return d.LeftZone != ""
	}
	return false
}

// Apply implements projections.Projection.
func (r *relay) Apply(ctx context.Context, tx pgx.Tx, events []*eventstore.Recorded) error {
	var errands []*message.Message
	r.sent, r.moved = false, map[uuid.UUID]int64{}
	for _, e := range events {
		if atOnceDue(e) {
			r.moved[e.Ledger] = e.Position
		}
		m, err := errandOf(e)
		if err != nil {
			return &projections.EventError{Projection: r.Name(), Event: e, Err: err}
		}
		if m != nil {
			errands = append(errands, m)
		}
	}
	if len(errands) == 0 {
		return nil
	}
	if err := publish(ctx, tx, topicErrands, errands); err != nil {
		return err
	}
	r.sent = true
	return r.fault("relay published")
}

// committed is the runner's Follow.
func (r *relay) committed(projections.Handover) {
	if r.fault("relay committed") != nil {
		return
	}
	if r.sent {
		r.told.set()
	}
	for ledger, position := range r.moved {
		r.clockMoved(ledger, position)
	}
	r.sent, r.moved = false, nil
}

// publish appends messages to a topic in tx. It is the only way in: the insert takes the topic's row.
func publish(ctx context.Context, tx pgx.Tx, topic string, messages []*message.Message) error {
	publisher, err := wsql.NewPublisher(wsql.TxFromPgx(tx), wsql.PublisherConfig{SchemaAdapter: keyset{}}, nil)
	if err != nil {
		return fmt.Errorf("publish to %s: %w", topic, err)
	}
	messages[0].SetContext(ctx) // the publisher takes its context from there
	if err := publisher.Publish(topic, messages...); err != nil {
		return fmt.Errorf("publish to %s: %w", topic, err)
	}
	return nil
}
