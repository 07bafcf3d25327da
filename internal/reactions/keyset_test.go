package reactions

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	wsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"

	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/eventstore"
)

func (f *fixture) meta(t testing.TB, e *eventstore.Recorded) (m eventstore.Meta) {
	t.Helper()
	require.NoError(t, json.Unmarshal(e.Meta, &m))
	return m
}

func message3(m *message.Message) []*message.Message {
	return []*message.Message{m, m.Copy(), m.Copy()}
}

func someMessage() *message.Message {
	return message.NewMessage(uuid.NewString(), []byte(`{}`))
}

// subscribe is a group of its own on errands, apart from reactions.
func (f *fixture) subscribe(t testing.TB, name string, wake signal) <-chan *message.Message {
	t.Helper()
	_, err := f.owner.Exec(t.Context(), `insert into watermill_offsets (topic, consumer_group) values ($1, $2) on conflict do nothing`, topicErrands, name)
	require.NoError(t, err)
	stopped := make(chan struct{})
	s, err := newSubscriber(f.app, name, &pacer{stopped: stopped, wake: wake, poll: patience, handled: func() {},
		logger: slog.New(slog.DiscardHandler), errors: prometheus.NewCounter(prometheus.CounterOpts{})}, nil)
	require.NoError(t, err)
	messages, err := s.Subscribe(t.Context(), topicErrands)
	require.NoError(t, err)
	t.Cleanup(func() {
		close(stopped)
		require.NoError(t, s.Close())
	})
	return messages
}

func (f *fixture) publish(t testing.TB, wakes []signal, messages ...*message.Message) {
	t.Helper()
	require.NoError(t, pgx.BeginFunc(t.Context(), f.app, func(tx pgx.Tx) error { return publish(t.Context(), tx, topicErrands, messages) }))
	for _, w := range wakes {
		w.set()
	}
}

func receive(t testing.TB, messages <-chan *message.Message) *message.Message {
	t.Helper()
	select {
	case m := <-messages:
		return m
	case <-time.After(patience):
		require.FailNow(t, "no message came")
		return nil
	}
}

// The adapters rely on what was read in this version of the source; any other has to be read first.
func TestWatermillSQLIsPinned(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	mod, err := modfile.Parse("go.mod", b, nil)
	require.NoError(t, err)
	for _, r := range mod.Require {
		if r.Mod.Path == "github.com/ThreeDotsLabs/watermill-sql/v4" {
			require.Equal(t, "v4.1.3", r.Mod.Version)
			return
		}
	}
	require.FailNow(t, "go.mod does not require watermill-sql")
}

// Who publishes second gets later serials and commits later, whatever the order in which they began.
func TestSerialsAreCommitOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, err := f.app.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = first.Rollback(context.WithoutCancel(t.Context())) }()
	second, err := f.app.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = second.Rollback(context.WithoutCancel(t.Context())) }()
	a, b := someMessage(), someMessage()
	require.NoError(t, publish(t.Context(), first, topicErrands, []*message.Message{a}))
	published := make(chan error, 1)
	go func() { published <- publish(t.Context(), second, topicErrands, []*message.Message{b}) }()
	waits := func() bool {
		return f.count(t, `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`) == 1
	}
	require.Eventually(t, waits, patience, time.Millisecond)
	select {
	case <-published:
		require.FailNow(t, "two transactions publish at once")
	default:
	}
	require.NoError(t, first.Commit(t.Context()))
	require.NoError(t, <-published)
	require.Equal(t, 1, f.count(t, `select count(*) from watermill_messages`))
	require.NoError(t, second.Commit(t.Context()))
	require.Equal(t, 1, f.count(t, `select serial::int from watermill_messages where uuid = $1`, a.UUID))
	require.Equal(t, 2, f.count(t, `select serial::int from watermill_messages where uuid = $1`, b.UUID))
}

func TestAnUnknownTopicIsAnError(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	err := pgx.BeginFunc(t.Context(), f.app, func(tx pgx.Tx) error {
		return publish(t.Context(), tx, "nowhere", []*message.Message{someMessage()})
	})
	require.ErrorContains(t, err, "serial")
}

// The stock adapter shows a group nothing that began after the oldest open transaction, such as that
// of another group's handler.
func TestASlowHandlerDoesNotStallOtherGroups(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	wakeSlow, wakeQuick := newSignal(), newSignal()
	slow, quick := f.subscribe(t, "slow", wakeSlow), f.subscribe(t, "quick", wakeQuick)
	a, b := someMessage(), someMessage()
	f.publish(t, []signal{wakeSlow, wakeQuick}, a)
	held := receive(t, slow)
	tx, ok := wsql.TxFromContext(held.Context())
	require.True(t, ok)
	_, err := tx.ExecContext(t.Context(), `select pg_current_xact_id()`) // it writes: it has a transaction id
	require.NoError(t, err)
	got := receive(t, quick)
	require.Equal(t, a.UUID, got.UUID)
	got.Ack()
	f.publish(t, []signal{wakeQuick}, b)
	got = receive(t, quick)
	require.Equal(t, b.UUID, got.UUID)
	got.Ack()
	held.Ack()
}

// A process hangs with a batch: others of its group are not blocked on it, and get the batch when its
// transaction is gone.
func TestAGroupHasOneBatchAtATime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	wakeOne, wakeTwo := newSignal(), newSignal()
	one := f.subscribe(t, "g", wakeOne)
	a := someMessage()
	f.publish(t, []signal{wakeOne}, a)
	held := receive(t, one)
	two := f.subscribe(t, "g", wakeTwo)
	wakeTwo.set()
	select {
	case <-two:
		require.FailNow(t, "both have it")
	default:
	}
	require.Zero(t, f.count(t, `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`))
	require.NoError(t, savepoint(held, func(ctx context.Context, tx pgx.Tx) error {
		var limit string
		require.NoError(t, tx.QueryRow(ctx, `show idle_in_transaction_session_timeout`).Scan(&limit))
		require.Equal(t, "30s", limit)
		return nil
	}))
	f.count(t, `select count(pg_terminate_backend(pid)) from pg_stat_activity
		where datname = current_database() and state = 'idle in transaction'`)
	held.Ack() // into the void
	wakeTwo.set()
	wakeOne.set()
	select {
	case got := <-one:
		require.Equal(t, a.UUID, got.UUID)
		got.Ack()
	case got := <-two:
		require.Equal(t, a.UUID, got.UUID)
		got.Ack()
	case <-time.After(patience):
		require.FailNow(t, "the message is lost")
	}
}

// What a handler wrote in the subscriber's transaction stays when it nacks, and commits with whatever
// comes next; in a savepoint it goes.
func TestNackedWritesStayWithoutASavepoint(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, err := f.owner.Exec(t.Context(), `create table notes (text text); grant insert on notes to subledger_app`)
	require.NoError(t, err)
	wake := newSignal()
	messages := f.subscribe(t, "nacks", wake)
	f.publish(t, []signal{wake}, someMessage())
	m := receive(t, messages)
	tx, ok := wsql.TxFromContext(m.Context())
	require.True(t, ok)
	_, err = tx.ExecContext(m.Context(), `insert into notes values ('plain')`)
	require.NoError(t, err)
	require.ErrorIs(t, savepoint(m, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `insert into notes values ('savepoint')`)
		require.NoError(t, err)
		return errFault
	}), errFault)
	require.ErrorContains(t, savepoint(m, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `select no_such_column`)
		return err
	}), "no_such_column")
	m.Nack()
	receive(t, messages).Ack()
	require.Eventually(t, func() bool {
		return f.count(t, `select acked::int from watermill_offsets where consumer_group = 'nacks'`) == 1
	}, patience, time.Millisecond)
	require.Equal(t, 1, f.count(t, `select count(*) from notes where text = 'plain'`), "the hazard is real")
	require.Zero(t, f.count(t, `select count(*) from notes where text = 'savepoint'`))
}

// Errors of the database at run time are seen by no handler and fail no call. They show as lag.
func TestABrokenQueueShowsAsLag(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sub := f.subscribed(t, f.test)
	p := f.start(t, func(c *Config) { c.LagLimit = 20 * time.Millisecond })
	require.Eventually(t, func() bool { return p.Ready() == nil }, patience, time.Millisecond)
	_, err := f.owner.Exec(t.Context(), `revoke update on watermill_offsets from subledger_app; revoke update (acked) on watermill_offsets from subledger_app`)
	require.NoError(t, err)
	id := f.addSeat(t, f.test, sub)
	require.Eventually(t, func() bool {
		return p.gauge(t, "unprocessed_messages") == 1 && p.gauge(t, "unprocessed_message_seconds") > 0 && p.gauge(t, "poll_errors_total") > 0
	}, patience, time.Millisecond)
	require.Eventually(t, func() bool {
		err := p.Ready()
		return err != nil && strings.Contains(err.Error(), "1 messages wait")
	}, patience, time.Millisecond)
	require.Equal(t, task.Pending, f.task(t, f.test, id).Status)

	_, err = f.owner.Exec(t.Context(), `grant update (acked) on watermill_offsets to subledger_app`)
	require.NoError(t, err)
	require.Equal(t, task.Success, f.ends(t, f.test, id).Status)
	require.Eventually(t, func() bool { return p.Ready() == nil && p.gauge(t, "unprocessed_messages") == 0 }, patience, time.Millisecond)
}

func TestAckedMessagesAreSwept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for range 3 {
		f.publish(t, nil, someMessage())
	}
	_, err := f.owner.Exec(t.Context(), `update watermill_offsets set acked = 2 where topic = 'errands'`)
	require.NoError(t, err)
	cfg := Config{Store: f.store, Pool: f.app, Now: f.clock.Now}
	cfg.setDefaults()
	w := &watch{cfg: &cfg}
	w.sweep(t.Context())
	require.Equal(t, 3, f.count(t, `select count(*) from watermill_messages`))
	f.clock.advance(8 * 24 * time.Hour)
	w.sweep(t.Context())
	require.Equal(t, 1, f.count(t, `select count(*) from watermill_messages`), "the one that nobody has acknowledged")
}

// plan is what EXPLAIN tells of a query that was run.
type plan struct {
	Plan struct {
		Hit  int `json:"Shared Hit Blocks"`
		Read int `json:"Shared Read Blocks"`
	}
	Took float64 `json:"Execution Time"`
}

func (f *fixture) explain(t testing.TB, q wsql.Query) (p plan, text string) {
	t.Helper()
	var got []plan
	for _, format := range []string{"json", "text"} {
		rows, err := f.owner.Query(t.Context(), fmt.Sprintf("explain (analyze, buffers, format %s) %s", format, q.Query), q.Args...)
		require.NoError(t, err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		if text = strings.Join(lines, "\n"); format == "json" {
			require.NoError(t, json.Unmarshal([]byte(text), &got))
		}
	}
	return got[0], text
}

// A poll reads a few blocks, whether fifty thousand messages were acknowledged or wait. Watermill's
// stock adapter goes through what waits, each time.
func TestAPollDoesNotDependOnTheBacklog(t *testing.T) {
	t.Parallel()
	const n = 50_000
	f := newFixture(t)
	exec := func(sql string, args ...any) {
		t.Helper()
		_, err := f.owner.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	stock, stockOffsets := wsql.DefaultPostgreSQLSchema{}, wsql.DefaultPostgreSQLOffsetsAdapter{}
	schema, err := stock.SchemaInitializingQueries(wsql.SchemaInitializingQueriesParams{Topic: "stock"})
	require.NoError(t, err)
	more, err := stockOffsets.SchemaInitializingQueries(wsql.OffsetsSchemaInitializingQueriesParams{Topic: "stock"})
	require.NoError(t, err)
	for _, q := range append(schema, more...) {
		exec(q.Query, q.Args...)
	}
	exec(`insert into watermill_messages (topic, serial, uuid, payload, metadata)
		select 'errands', n, gen_random_uuid(), '{}', '{}' from generate_series(1, $1) n`, n)
	exec(`update watermill_topics set serial = $1 where topic = 'errands'`, n)
	exec(`insert into watermill_stock (uuid, payload, metadata, transaction_id)
		select gen_random_uuid(), '{}', '{}', (3 + n / 100)::text::xid8 from generate_series(1, $1) n`, n)
	exec(`insert into watermill_offsets_stock (consumer_group, offset_acked, last_processed_transaction_id) values ('reactions', 0, '0')`)
	exec(`analyze watermill_messages; analyze watermill_stock`)

	keysetQuery, err := keyset{}.SelectQuery(wsql.SelectQueryParams{Topic: topicErrands, ConsumerGroup: group, OffsetsAdapter: offsets{}})
	require.NoError(t, err)
	stockQuery, err := stock.SelectQuery(wsql.SelectQueryParams{Topic: "stock", ConsumerGroup: group, OffsetsAdapter: stockOffsets})
	require.NoError(t, err)
	for _, state := range []string{"all wait", "all are acknowledged"} {
		if state == "all are acknowledged" {
			exec(`update watermill_offsets set acked = $1`, n)
			exec(`update watermill_offsets_stock set offset_acked = $1, last_processed_transaction_id = $2::text::xid8`, n, fmt.Sprint(3+n/100))
		}
		ours, text := f.explain(t, keysetQuery)
		theirs, theirText := f.explain(t, stockQuery)
		t.Logf("%s: %d blocks, %.2f ms; stock adapter: %d blocks, %.2f ms", state, ours.Plan.Hit+ours.Plan.Read, ours.Took,
			theirs.Plan.Hit+theirs.Plan.Read, theirs.Took)
		require.Less(t, ours.Plan.Hit+ours.Plan.Read, 30, text)
		require.NotContains(t, text, "Sort", "the limit stops the index scan")
		if state == "all wait" {
			require.Greater(t, theirs.Plan.Hit+theirs.Plan.Read, 10*(ours.Plan.Hit+ours.Plan.Read), theirText)
		}
	}
}
