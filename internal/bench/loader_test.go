package bench

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/pgtest"
	"github.com/subledger/subledger/projections"
)

// What the loader leaves is a log like any other: its chains verify, the projector's read models are
// those of a rebuild, and the product goes on with it.
func TestLoadedLogIsLikeAnyOther(t *testing.T) {
	t.Parallel()
	db, master := pgtest.New(t), eventstore.NewMasterKey()
	open := func(url string) *pgxpool.Pool {
		pool, err := eventstore.OpenPool(t.Context(), url, func(c *pgxpool.Config) { c.MaxConns = 8 })
		require.NoError(t, err)
		t.Cleanup(pool.Close)
		return pool
	}
	owner, app := open(db.URL), open(db.AppURL)
	require.NoError(t, eventstore.Bootstrap(t.Context(), owner, master))
	store, err := eventstore.Open(t.Context(), app, master, eventstore.Vocabularies(), eventstore.Config{})
	require.NoError(t, err)
	t.Cleanup(store.Close)

	var last atomic.Int64
	events, err := Load(t.Context(), store, Loading{Ledgers: 50, Events: 20_000, Months: 2, Seed: 7, Progress: func(done, _ int64) { last.Store(max(last.Load(), done)) }})
	require.NoError(t, err)
	require.GreaterOrEqual(t, events, int64(20_000))
	require.Equal(t, events, last.Load())
	report, err := eventstore.Verify(t.Context(), owner, nil, nil)
	require.NoError(t, err)
	require.Empty(t, report.Findings)
	var keys, encrypted int
	require.NoError(t, owner.QueryRow(t.Context(), `select count(*) from subject_keys`).Scan(&keys))
	require.NoError(t, owner.QueryRow(t.Context(), `select count(*) from events where data::text like '%enc1:%'`).Scan(&encrypted))
	require.Positive(t, keys)
	require.Positive(t, encrypted)
	var clear int
	require.NoError(t, owner.QueryRow(t.Context(), `select count(*) from events where data::text like '%grantee-%'`).Scan(&clear))
	require.Zero(t, clear, "personal fields are ciphertext")

	// The product goes on: a ledger that was loaded takes a command, through a store that never saw it.
	other, err := eventstore.Open(t.Context(), app, master, eventstore.Vocabularies(), eventstore.Config{})
	require.NoError(t, err)
	t.Cleanup(other.Close)
	rows, err := owner.Query(t.Context(), `select ledger_id from ledgers where position > 0 and mode = 'live' limit 1`)
	require.NoError(t, err)
	require.True(t, rows.Next())
	w := &writer{store: other}
	require.NoError(t, rows.Scan(&w.ledger))
	rows.Close()
	require.NoError(t, w.product(t.Context(), "after"))
	_, err = store.NewBulk(t.Context(), w.ledger)
	require.ErrorContains(t, err, "has", "it is not empty")

	// Live and rebuilt.
	applied := projections.NewApplied()
	var live []projections.Projection
	for _, m := range projections.Models() {
		live = append(live, m)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	runner := projections.NewRunner(projections.Config{Log: store, Pool: app, Projections: live, Applied: applied})
	go func() { done <- runner.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	require.Eventually(t, func() bool {
		var behind bool
		err := owner.QueryRow(t.Context(), `select exists (select from ledgers l left join checkpoints c using (ledger_id)
			where coalesce(c.position, 0) < l.position)`).Scan(&behind)
		return err == nil && !behind
	}, 60*time.Second, 20*time.Millisecond)
	rebuild := projections.NewRebuild(projections.RebuildConfig{Log: store, Owner: owner, Models: projections.Models()})
	require.NoError(t, rebuild.Run(t.Context()))
	differences, err := rebuild.Check(t.Context())
	require.NoError(t, err)
	require.Empty(t, differences)
	var licences int
	require.NoError(t, owner.QueryRow(t.Context(), `select count(*) from licenses`).Scan(&licences))
	require.Greater(t, licences, 1500)
	require.NoError(t, rebuild.Drop(t.Context()))
}
