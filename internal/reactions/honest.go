package reactions

import (
	"context"
	"database/sql"
	"fmt"

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

// honest begins a subscriber's transactions. Watermill never asks rows for their error, and the
// database's errors come with the rows: a poll that fails looks like one that finds nothing. Close tells.
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
	return honestTx{plain, h.pacer}, nil
}

type honestTx struct {
	*wsql.PgxTx
	pacer *pacer
}

// QueryContext implements wsql.Tx.
func (t honestTx) QueryContext(ctx context.Context, query string, args ...any) (wsql.Rows, error) {
	rows, err := t.Tx.Query(ctx, query, args...)
	return honestRows{rows, t.pacer}, err
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
