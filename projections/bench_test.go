package projections

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/pgtest"
)

// put records what a history holds.
type put []*eventstore.Recorded

func (c put) Decide(l domain.Ledger) (any, error) {
	for _, e := range c {
		if e.Version > 1 { // a new one needs no look at the database
			if _, err := l.Load(e.Stream); err != nil {
				return nil, err
			}
		}
		l.Append(e.Stream, e.Event)
	}
	return nil, nil
}

// BenchmarkRebuildOfTheLog is a rebuild with all that belongs to it, decoding and indexes too, in turns
// with a plain select of the same events. ratio is the rebuild's rate by the select's.
func BenchmarkRebuildOfTheLog(b *testing.B) {
	const ledgers, each = 20, 10_000
	db := pgtest.New(b)
	owner, err := eventstore.OpenPool(b.Context(), db.URL, nil)
	require.NoError(b, err)
	b.Cleanup(owner.Close)
	master := eventstore.NewMasterKey()
	require.NoError(b, eventstore.Bootstrap(b.Context(), owner, master))
	store, err := eventstore.Open(b.Context(), owner, master, eventstore.Vocabularies(), eventstore.Config{})
	require.NoError(b, err)
	b.Cleanup(store.Close)
	for range ledgers {
		live := uuid.New()
		create, err := store.NewOrganisation(uuid.New(), live, uuid.New(), "Acme", "EUR", "UTC")
		require.NoError(b, err)
		_, err = store.Execute(b.Context(), eventstore.Request{Ledger: store.SystemLedger(), Command: create})
		require.NoError(b, err)
		h := newHistory()
		busy(h, live, each)
		for events := h.events[live]; len(events) > 0; {
			n := min(500, len(events))
			_, err := store.Execute(b.Context(), eventstore.Request{Ledger: live, Command: put(events[:n])})
			require.NoError(b, err)
			events = events[n:]
		}
	}
	var selecting, rebuilding time.Duration
	for b.Loop() {
		start := time.Now()
		rows, err := owner.Query(b.Context(), `select ledger_id, position, stream_id, version, event_id, type, data, meta, recorded_at, effective_at, hash from events`)
		require.NoError(b, err)
		var ledger, stream, event uuid.UUID
		var position, version int64
		var name string
		var data, meta, hash []byte
		var recorded, effective time.Time
		for rows.Next() {
			require.NoError(b, rows.Scan(&ledger, &position, &stream, &version, &event, &name, &data, &meta, &recorded, &effective, &hash))
		}
		require.NoError(b, rows.Err())
		selecting += time.Since(start)

		start = time.Now()
		r := NewRebuild(RebuildConfig{Log: store, Owner: owner, Models: Models()})
		require.NoError(b, r.Run(b.Context()))
		rebuilding += time.Since(start)
		require.NoError(b, r.Drop(b.Context()))
	}
	n := float64(ledgers * each * b.N)
	b.ReportMetric(n/selecting.Seconds(), "selected/s")
	b.ReportMetric(n/rebuilding.Seconds(), "rebuilt/s")
	b.ReportMetric(selecting.Seconds()/rebuilding.Seconds(), "ratio")
}
