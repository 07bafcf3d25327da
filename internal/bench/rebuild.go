package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/eventstore"
)

// rebuild is a rebuild of all read models from the whole log; one works in each round, however long it
// takes. The baseline reads all columns of the same events into variables. The log is loaded (loader.go), and
// then left as in a store that has been running: vacuumed, or autovacuum would work beside the first rounds.
func rebuild(ctx context.Context, r *run) error {
	start := time.Now()
	loaded, err := Load(ctx, r.target.Store, Loading{Ledgers: r.Ledgers, Events: r.Events, Months: r.Months, Seed: r.Seed, Progress: func(int64, int64) {}})
	if err != nil {
		return err
	}
	events := int(loaded)
	for _, statement := range []string{"vacuum (analyze)", "checkpoint"} {
		if _, err := r.conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	r.say("loaded %d events into %d ledgers in %s", events, r.Ledgers, time.Since(start).Round(time.Millisecond))
	product := func(ctx context.Context, _ time.Duration) (sample, error) {
		start := time.Now()
		if err := r.target.Rebuild(ctx); err != nil {
			return sample{}, fmt.Errorf("rebuild: %w", err)
		}
		took := time.Since(start)
		return sample{rate: float64(events) / took.Seconds(), units: events, latencies: []time.Duration{took}}, nil
	}
	const name = "events/s, select"
	r.baselines[name] = func(ctx context.Context, _ time.Duration) (sample, error) { return r.readAll(ctx, events) }
	r.contests = append(r.contests, contest{clients: 1, unit: "events/s", product: product, baseline: name, target: 0.3,
		note: fmt.Sprintf("%d events, of subscriptions that lived %d months; latencies are of whole rebuilds", events, r.Months)})
	return nil
}

// readAll is the baseline: one select of all events but the system ledger's.
func (r *run) readAll(ctx context.Context, want int) (sample, error) {
	conn, err := r.product(ctx)
	if err != nil {
		return sample{}, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	start := time.Now()
	rows, err := conn.Query(ctx, `select ledger_id, position, stream_id, version, event_id, type, data, meta, recorded_at, effective_at, hash
		from events where ledger_id <> $1`, r.target.Store.SystemLedger())
	if err != nil {
		return sample{}, fmt.Errorf("read all events: %w", err)
	}
	var e eventstore.Recorded
	var ledger, stream, id [16]byte
	var hash []byte
	read := 0
	_, err = pgx.ForEachRow(rows, []any{&ledger, &e.Position, &stream, &e.Version, &id, &e.Type, &e.Data, &e.Meta, &e.RecordedAt, &e.EffectiveAt, &hash},
		func() error {
			e.Ledger, e.Stream, e.ID = uuid.UUID(ledger), uuid.UUID(stream), uuid.UUID(id)
			copy(e.Hash[:], hash)
			read++
			return nil
		})
	if err != nil {
		return sample{}, fmt.Errorf("read all events: %w", err)
	}
	if read < want {
		return sample{}, fmt.Errorf("%d events were written and only %d are there", want, read)
	}
	return sample{rate: float64(read) / time.Since(start).Seconds(), units: read}, nil
}
