package reactions

import (
	"context"
	"database/sql"
	"fmt"
	"sync"

	"github.com/ThreeDotsLabs/watermill"
	wsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// newSubscriber subscribes a group, paced by p.
func newSubscriber(pool *pgxpool.Pool, consumers string, p *pacer, logger watermill.LoggerAdapter) (*wsql.Subscriber, error) {
	deadline := ackDeadline
	s, err := wsql.NewSubscriber(honest{wsql.BeginnerFromPgx(pool), p}, wsql.SubscriberConfig{
		ConsumerGroup: consumers, AckDeadline: &deadline, ResendInterval: resendInterval,
		SchemaAdapter: keyset{}, OffsetsAdapter: offsets{}, BackoffManager: p}, logger)
	if err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	return s, nil
}

// honest begins a subscriber's transactions and mends two things. Watermill never asks rows for their
// error, and the database's errors come with the rows: a poll that fails looks like one that finds
// nothing. And when a message's deadline is over, or the subscriber closes, it ends the transaction
// while the message's handler may be using it.
type honest struct {
	wsql.Beginner
	pacer *pacer
}

// BeginTx implements wsql.Beginner.
func (h honest) BeginTx(ctx context.Context, options *sql.TxOptions) (wsql.Tx, error) {
	tx, err := h.Beginner.BeginTx(ctx, options)
	if err != nil {
		return nil, err
	}
	plain, ok := tx.(*wsql.PgxTx)
	if !ok {
		return nil, fmt.Errorf("watermill-sql began a transaction of %T", tx)
	}
	return &honestTx{inner: plain, pacer: h.pacer}, nil
}

// honestTx is used by one goroutine at a time.
type honestTx struct {
	mu    sync.Mutex
	inner *wsql.PgxTx
	pacer *pacer
}

// within runs do in a savepoint; once the transaction is over it answers pgx.ErrTxClosed.
func (t *honestTx) within(ctx context.Context, do func(tx pgx.Tx) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return pgx.BeginFunc(ctx, t.inner.Tx, do)
}

// ExecContext implements wsql.Tx.
func (t *honestTx) ExecContext(ctx context.Context, query string, args ...any) (wsql.Result, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.inner.ExecContext(ctx, query, args...)
}

// QueryContext implements wsql.Tx.
func (t *honestTx) QueryContext(ctx context.Context, query string, args ...any) (wsql.Rows, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	rows, err := t.inner.Tx.Query(ctx, query, args...)
	return honestRows{rows, t.pacer}, err
}

// Commit implements wsql.Tx.
func (t *honestTx) Commit() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.inner.Commit()
}

// Rollback implements wsql.Tx.
func (t *honestTx) Rollback() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.inner.Rollback()
}

type honestRows struct {
	pgx.Rows
	pacer *pacer
}

// Close implements wsql.Rows. Watermill drops the text of its error, so the pacer gets it too.
func (r honestRows) Close() error {
	r.Rows.Close()
	r.pacer.cause = r.Err()
	return r.pacer.cause
}
