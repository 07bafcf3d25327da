package projections

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/pgarray"
	"github.com/subledger/subledger/internal/pgtest"
)

// batches counts what is sent together.
type batches struct{ sent, statements int }

func (b *batches) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	b.sent++
	b.statements += d.Batch.Len()
	return ctx
}
func (b *batches) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (b *batches) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}
func (b *batches) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	b.statements++
	return ctx
}
func (b *batches) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

type link struct {
	ItemKey
	Next *uuid.UUID `db:"next"`
	Seen int        `db:"seen"`
}

// Rows whose keys stand in other rows are loaded step by step, each step for the whole page at once; what
// attempts before the last one did, failures included, leaves no trace.
func TestRowsThatLeadToRowsAreLoadedTogether(t *testing.T) {
	t.Parallel()
	cfg, err := pgx.ParseConfig(pgtest.New(t).URL)
	require.NoError(t, err)
	count := &batches{}
	cfg.Tracer = count
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	pgarray.Register(conn.TypeMap())
	_, err = conn.Exec(t.Context(), `create table links (ledger_id uuid, id uuid, next uuid, seen bigint, primary key (ledger_id, id))`)
	require.NoError(t, err)
	links := NewTable[ItemKey, link]("links")
	model := newModel("links", func(p *Page, e *eventstore.Recorded) {
		end := links.Must(p, key(e))
		for end.Next != nil {
			end = links.Must(p, ItemKey{e.Ledger, *end.Next})
		}
		if end.Seen > 1000 {
			p.Fail(errors.New("seen too often"))
		}
		end.Seen++
		links.Put(p, end)
	}, links)
	ledger := uuid.New()
	var events []*eventstore.Recorded
	var ends []uuid.UUID
	for range 50 {
		first, second, third := uuid.New(), uuid.New(), uuid.New()
		for id, next := range map[uuid.UUID]*uuid.UUID{first: &second, second: &third, third: nil} {
			_, err := conn.Exec(t.Context(), `insert into links values ($1, $2, $3, 0)`, ledger, id, next)
			require.NoError(t, err)
		}
		for range 2 {
			events = append(events, &eventstore.Recorded{Ledger: ledger, Position: int64(len(events) + 1), Stream: first, Type: "x.y.v1"})
		}
		ends = append(ends, third)
	}
	apply := func(events []*eventstore.Recorded) error {
		return pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			*count = batches{}
			return model.Apply(t.Context(), tx, events)
		})
	}
	require.NoError(t, apply(events))
	require.Equal(t, batches{sent: 4, statements: 4 + 1}, *count, "three steps of loading, one of writing, and the commit")
	var n, most int
	require.NoError(t, conn.QueryRow(t.Context(), `select count(*), max(seen) from links where seen > 0 and id = any($1)`, ends).Scan(&n, &most))
	require.Equal(t, []int{50, 2}, []int{n, most}, "each event counts once")

	_, err = conn.Exec(t.Context(), `update links set seen = 2000 where id = $1`, ends[30])
	require.NoError(t, err)
	var event *EventError
	require.ErrorAs(t, apply(events), &event)
	require.Equal(t, int64(61), event.Event.Position, "the first event that fails is to blame")
	require.ErrorAs(t, apply([]*eventstore.Recorded{{Ledger: ledger, Position: 1, Stream: uuid.New(), Type: "x.y.v1"}}), &event)
}
