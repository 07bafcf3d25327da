package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// product connects to the product's database, past the product.
func (r *run) product(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, r.target.Database(r.target.Product))
}

// settleTime is how long the read models may lag behind before a run gives up.
const settleTime = 2 * time.Minute

// settle waits until every read model is at the end of its ledger, and tells how long that took. The
// relay saves its checkpoints later.
func (r *run) settle(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	for {
		var behind bool
		err := r.conn.QueryRow(ctx, `select exists (select from checkpoints c join ledgers l using (ledger_id)
			where c.position < l.position and c.parked_at is null and c.projection <> 'relay')`).Scan(&behind)
		switch {
		case err != nil:
			return 0, fmt.Errorf("look at the checkpoints: %w", err)
		case !behind:
			return time.Since(start), nil
		case time.Since(start) > settleTime:
			return 0, fmt.Errorf("the read models did not catch up within %s", settleTime)
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// holds compares what was acknowledged with what the log holds: at least as many keys whose
// commands changed something. Those whose answers were lost may be in it too.
func (r *run) holds(ctx context.Context, prefix string, least int) error {
	conn, err := r.product(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var stored int
	err = conn.QueryRow(ctx, `select count(*) from commands where starts_with(key, $1) and last_position >= first_position`, prefix).Scan(&stored)
	if err != nil {
		return fmt.Errorf("count the commands in the log: %w", err)
	}
	if stored < least {
		return fmt.Errorf("%d keys were acknowledged and only %d are in the log", least, stored)
	}
	return nil
}
