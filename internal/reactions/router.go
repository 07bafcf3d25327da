package reactions

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	wsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/components/metrics"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A message that is neither handled nor poisoned holds its subscriber's transaction: not for long. The
// retries are for a shortage that passes at once; what takes longer is a row of provider_calls.
const (
	ackDeadline    = 3 * time.Second
	resendInterval = 50 * time.Millisecond
	handlerRetries = 2
	handlerPause   = 10 * time.Millisecond
)

func (r *Reactions) newRouter() (*message.Router, error) {
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: r.cfg.StopTimeout}, r.quietLog)
	if err != nil {
		return nil, fmt.Errorf("make the router: %w", err)
	}
	// The router panics when a name of its metrics is taken by another metric.
	metrics.NewPrometheusMetricsBuilder(r.cfg.Registerer, "subledger", "reactions").AddPrometheusRouterMetrics(router)
	router.AddMiddleware(middleware.CorrelationID)

	poison, err := middleware.PoisonQueueWithFilter(inTransaction{sent: &r.poisonSent}, topicPoisoned, func(err error) bool { return !transient(err) })
	if err != nil {
		return nil, fmt.Errorf("make the router: %w", err)
	}
	retry := middleware.Retry{MaxRetries: handlerRetries, InitialInterval: handlerPause, Multiplier: 2, MaxInterval: time.Second, ResetContextOnRetry: true}
	errands, err := r.subscriber(topicErrands, r.relay.told, func() {
		r.calls.wake.set()
		if r.poisonSent.Swap(false) {
			r.poisonWake.set()
		}
	})
	if err != nil {
		return nil, err
	}
	poisoned, err := r.subscriber(topicPoisoned, r.poisonWake, r.calls.wake.set)
	if err != nil {
		return nil, err
	}
	router.AddConsumerHandler("claim", topicErrands, errands, r.claim).
		AddMiddleware(poison, retry.Middleware, middleware.Recoverer)
	router.AddConsumerHandler("bury", topicPoisoned, poisoned, r.bury).
		AddMiddleware(retry.Middleware, middleware.Recoverer)
	return router, nil
}

func (r *Reactions) subscriber(topic string, wake signal, handled func()) (*wsql.Subscriber, error) {
	return newSubscriber(r.cfg.Pool, group, &pacer{stopped: r.stopped, wake: wake, handled: handled, poll: r.cfg.Poll,
		errors: r.metrics.pollErrors.WithLabelValues(topic), logger: r.cfg.Logger}, r.quietLog)
}

// claim notes a call that is to be made. It does nothing else: the subscriber's transaction is open.
// A task that is done, or noted already, is passed over, so a message may come again.
func (r *Reactions) claim(m *message.Message) error {
	e, err := errandIn(m)
	if err != nil {
		return err
	}
	return savepoint(m, func(ctx context.Context, tx pgx.Tx) error {
		return r.note(ctx, tx, m, e, false)
	})
}

// bury notes that a task fails since its message could not be handled.
func (r *Reactions) bury(m *message.Message) error {
	e, err := errandIn(m)
	r.metrics.poisoned.Inc()
	r.cfg.Logger.Error("reactions: a message was poisoned; its task fails", "message", m.UUID, "ledger", e.Ledger, "task", e.Task,
		"correlation", middleware.MessageCorrelationID(m), "reason", m.Metadata.Get(middleware.ReasonForPoisonedKey))
	if err != nil {
		return nil // there is no task to tell; the message stays in its topic for a while
	}
	return savepoint(m, func(ctx context.Context, tx pgx.Tx) error {
		return r.note(ctx, tx, m, e, true)
	})
}

func (r *Reactions) note(ctx context.Context, tx pgx.Tx, m *message.Message, e errand, poisoned bool) error {
	_, err := tx.Exec(ctx, `insert into provider_calls (ledger_id, task_id, event_id, provider, correlation, due_at, poisoned)
		select $1::uuid, $2::uuid, $3::uuid, $4, $5, $6::timestamptz, $7::boolean
		where not exists (select from events where ledger_id = $1 and stream_id = $2 and type in ('task.succeeded.v1', 'task.failed.v1'))
		on conflict (ledger_id, task_id) do nothing`,
		e.Ledger, e.Task, e.Event, e.Provider, middleware.MessageCorrelationID(m), r.cfg.Now(), poisoned)
	if err != nil {
		return fmt.Errorf("note the call for task %s: %w", e.Task, err)
	}
	if poisoned {
		return r.cfg.Fault("buried")
	}
	return r.cfg.Fault("claimed")
}

// savepoint runs do in the subscriber's transaction, and undoes it alone when it fails: a nack by
// itself undoes nothing, and what was written would commit with a later message.
func savepoint(m *message.Message, do func(ctx context.Context, tx pgx.Tx) error) error {
	tx, ok := wsql.TxFromContext(m.Context())
	if !ok {
		return errors.New("the message came without its transaction")
	}
	outer, ok := tx.(*honestTx)
	if !ok {
		return fmt.Errorf("the message came with a transaction of %T", tx)
	}
	ctx := m.Context()
	return outer.within(ctx, func(tx pgx.Tx) error { return do(ctx, tx) })
}

// inTransaction publishes in the transaction of the message that is being handled: it is poisoned and
// acknowledged at once.
type inTransaction struct{ sent *atomic.Bool }

// Publish implements message.Publisher.
func (p inTransaction) Publish(topic string, messages ...*message.Message) error {
	for _, m := range messages {
		err := savepoint(m, func(ctx context.Context, tx pgx.Tx) error {
			return publish(ctx, tx, topic, []*message.Message{m})
		})
		if err != nil {
			return err
		}
	}
	p.sent.Store(true)
	return nil
}

// Close implements message.Publisher.
func (inTransaction) Close() error { return nil }

// transient errors say nothing about the message: it is handled again, later.
func transient(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, pgx.ErrTxClosed) {
		return true
	}
	if pg := new(pgconn.PgError); errors.As(err, &pg) {
		switch pg.Code[:2] {
		case "08", "25", "40", "53", "55", "57", "58", "XX":
			return true
		}
		return pg.Code == "42501" // a missing grant is the installation's fault
	}
	return errors.As(err, new(*pgconn.ConnectError)) || pgconn.SafeToRetry(err)
}
