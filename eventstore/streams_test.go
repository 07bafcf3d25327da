package eventstore

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/usage"
)

// streamReads counts the statements that read a stream from its beginning, and holds the first until it is let go.
type streamReads struct {
	begun atomic.Int64
	hold  chan struct{}
}

func (r *streamReads) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	if strings.Contains(q.SQL, "order by s.version limit") && r.begun.Add(1) == 1 && r.hold != nil {
		<-r.hold
	}
	return ctx
}

func (*streamReads) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (f *fixture) tracedStore(t *testing.T, cfg Config, tracer pgx.QueryTracer) *Store {
	t.Helper()
	pool, err := OpenPool(t.Context(), f.db.AppURL, func(c *pgxpool.Config) { c.MaxConns, c.ConnConfig.Tracer = 16, tracer })
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	s, err := Open(t.Context(), pool, f.master, testVocabularies(), cfg)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// countTo appends n events of 1 each in one command.
func countTo(stream uuid.UUID, n int) domain.Command {
	return decideFunc(func(l domain.Ledger) (any, error) {
		if _, err := l.Load(stream); err != nil {
			return nil, err
		}
		events := make([]domain.Event, n)
		for i := range events {
			events[i] = added{N: 1}
		}
		l.Append(stream, events...)
		return nil, nil
	})
}

// A stream is read by pages: each length around their ends gives all of it, at its version.
func TestALongStreamIsReadWhole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger := f.store(t, Config{}), f.ledger(t, "live")
	for _, n := range []int{0, 1, firstStreamPage - 1, firstStreamPage, firstStreamPage + 1, firstStreamPage + streamPage - 1,
		firstStreamPage + streamPage, firstStreamPage + streamPage + 1, firstStreamPage + 2*streamPage} {
		stream := uuid.New()
		if n > 0 {
			_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: countTo(stream, n)})
			require.NoError(t, err)
		}
		state, at, err := s.Fold(t.Context(), ledger, stream)
		require.NoError(t, err)
		head, _, err := s.Head(t.Context(), ledger)
		require.NoError(t, err)
		require.Equal(t, head, at)
		if n == 0 {
			require.Nil(t, state)
			continue
		}
		require.Equal(t, []any{n, int64(n)}, []any{state.(*counter).Total, state.(*counter).Version}, "%d events", n)
	}
}

// A licence's usage is millions of records: what is read of it is the newest one, and what it weighs a number. With the
// weight of all of them it was thrown out of the cache, and each command read them all again: an overload that never ended.
func TestALongCountIsItsNewestEvent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ledger, stream := f.ledger(t, "live"), uuid.New()
	record := func(s *Store, n int, from int) (total string) {
		t.Helper()
		_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: decideFunc(func(l domain.Ledger) (any, error) {
			state, err := l.Load(stream)
			if err != nil {
				return nil, err
			}
			sum := decimal.Zero
			if s, ok := state.(*usage.State); ok {
				sum = s.Total
			}
			require.EqualValues(t, from, l.Version(stream))
			events := make([]domain.Event, n)
			for i := range events {
				sum = sum.Add(decimal.NewFromInt(2))
				events[i] = usage.Recorded{Key: fmt.Sprint("k", i), Quantity: decimal.NewFromInt(2), Total: sum, At: l.Now()}
			}
			l.Append(stream, events...)
			total = sum.String()
			return nil, nil
		})})
		require.NoError(t, err)
		return total
	}
	s := f.store(t, Config{Lanes: 1})
	require.Equal(t, "510", record(s, firstStreamPage-1, 0))
	s = f.store(t, Config{Lanes: 1}) // another process: it reads
	require.Equal(t, "512", record(s, 1, firstStreamPage-1))
	s = f.store(t, Config{Lanes: 1})
	require.Equal(t, "20512", record(s, 10_000, firstStreamPage))
	require.Equal(t, "20514", record(s, 1, firstStreamPage+10_000))
	require.Eventually(t, func() bool { return s.Caches()["states"]().Bytes < 3*stateBytes }, 10*time.Second, time.Millisecond)
	s = f.store(t, Config{Lanes: 1})
	require.Equal(t, "20516", record(s, 1, firstStreamPage+10_001))
	state, _, err := s.Fold(t.Context(), ledger, stream)
	require.NoError(t, err)
	require.Equal(t, "20516", state.(*usage.State).Total.String())
	mustVerify(t, f, ledger)
}

// Of many calls that miss the same stream one reads it.
func TestOneReadsForAll(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	reads := &streamReads{hold: make(chan struct{})}
	s, ledger, stream := f.tracedStore(t, Config{Lanes: 1}, reads), f.ledger(t, "live"), uuid.New()
	const calls = 40
	var wg sync.WaitGroup
	var answered atomic.Int64
	call := func() {
		_, err := s.Execute(context.WithoutCancel(t.Context()), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
		if err != nil {
			t.Error(err)
		}
		answered.Add(1)
	}
	for range calls {
		wg.Go(call)
	}
	require.Eventually(t, func() bool { return s.states().Misses == calls && reads.begun.Load() == 1 }, 10*time.Second, time.Millisecond)
	brief, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := s.Execute(brief, Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
	require.ErrorIs(t, err, errBusy, "who waits for another's reading has a deadline all the same")
	require.EqualValues(t, calls+1, s.states().Misses, "it came as far as that")
	require.Zero(t, answered.Load())
	close(reads.hold)
	wg.Wait()
	require.Less(t, reads.begun.Load(), int64(4), "each read for itself")
	state, _, err := s.Fold(t.Context(), ledger, stream)
	require.NoError(t, err)
	require.Equal(t, calls, state.(*counter).Total)
	require.Empty(t, s.cold.under)
}

// What a state weighs is what it is and not how it came about; what grows is measured again.
func TestAStateWeighsWhatItIs(t *testing.T) {
	t.Parallel()
	small := &stream{state: &counter{Total: 7}}
	for range 100_000 {
		small.weigh(200)
		require.Less(t, small.bytes, 2*stateBytes)
	}
	big := &stream{state: &hoard{}}
	kept := 0
	for i := range 20_000 {
		big.state.(*hoard).Texts = append(big.state.(*hoard).Texts, fmt.Sprintf("%0100d", i))
		kept += big.weigh(150)
		require.Equal(t, big.bytes, kept)
	}
	require.Greater(t, big.bytes, 20_000*100)
	require.Less(t, big.bytes, 20_000*(150+2*16)*2)

	text := "0123456789"
	for _, v := range []struct {
		of   any
		want int
	}{{1, 8}, {text, 16 + 10}, {[]string{text, text, text}, 24 + 3*16 + 30}, {&text, 8 + 16 + 10}, {map[string]int{text: 1}, 8 + 16 + 16 + 8 + 10},
		{time.Now(), 24}, {nil, 0}, {[]byte("12345678"), 24 + 8}, {(*string)(nil), 8}, {uuid.New(), 16}, {struct{ A, B any }{text, nil}, 32 + 16 + 10}} {
		require.Equal(t, v.want, sizeOf(reflect.ValueOf(v.of)), "%T", v.of)
	}
}

type hoard struct{ Texts []string }

func (*hoard) Apply(domain.Event) {}
