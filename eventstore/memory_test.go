package eventstore

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/subledger/subledger/domain"
)

// Three times through far more ledgers than fit: every answer is right, nothing outgrows its budget, and
// the heap is as large after the third time as after the first.
func TestMemoryIsBoundedOverManyLedgers(t *testing.T) {
	t.Parallel()
	const many, states, keys = 200, 48 << 10, 96 << 10
	f := newFixture(t)
	s := f.store(t, Config{Lanes: 2, CacheBytes: states, KeyBytes: keys})
	ledgers, streams := make([]uuid.UUID, many), make([]uuid.UUID, many)
	for i := range ledgers {
		ledgers[i], streams[i] = f.ledger(t, "live"), uuid.New()
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var first uint64
	for round := range 3 {
		g, ctx := errgroup.WithContext(t.Context())
		g.SetLimit(16)
		for i, ledger := range ledgers {
			g.Go(func() error {
				name := domain.Personal{Subject: fmt.Sprintf("subject %d", i), Text: fmt.Sprintf("name %d", i)}
				if _, err := s.Execute(ctx, Request{Ledger: ledger, Key: "name", Command: nameIt(streams[i], name)}); err != nil {
					return err
				}
				r, err := s.Execute(ctx, Request{Ledger: ledger, Command: add{Stream: streams[i], N: i}})
				if err != nil {
					return err
				}
				if want := fmt.Sprintf(`{"total":%d,"version":%d}`, (round+1)*i, round+2-btoi(i == 0)*(round+1)); string(r.Answer) != want {
					return fmt.Errorf("ledger %d, round %d: %s, want %s", i, round, r.Answer, want)
				}
				return nil
			})
		}
		require.NoError(t, g.Wait())
		if round == 0 {
			first = heap()
		}
	}
	caches := s.Caches()
	for name, limit := range map[string]int64{"states": states, "ledger_keys": keys / 4, "subject_keys": keys / 2, "current_keys": keys / 4} {
		got := caches[name]()
		require.LessOrEqual(t, got.Bytes, limit, name)
		require.Positive(t, got.Bytes, name)
		require.Positive(t, got.Misses, name)
		require.Positive(t, got.Evictions, name)
	}
	require.Less(t, heap(), first+8<<20)
	for i := range 20 {
		state, _, err := s.Fold(t.Context(), ledgers[i], streams[i])
		require.NoError(t, err)
		require.Equal(t, 3*i, state.(*counter).Total)
		require.Equal(t, fmt.Sprintf("name %d", i), state.(*counter).Name.Text)
	}
	mustVerify(t, f, ledgers...)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestAKnownStateIsAHit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger, stream := f.store(t, Config{}), f.ledger(t, "live"), uuid.New()
	for range 5 {
		_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
		require.NoError(t, err)
	}
	got := s.states()
	require.Equal(t, [2]uint64{4, 1}, [2]uint64{got.Hits, got.Misses}, "the first one is read, once")
}

func TestAcknowledgedForgetsWhatIsOldWhenThereIsMuch(t *testing.T) {
	a := &acknowledged{}
	begin := time.Unix(1_800_000_000, 0)
	id := func(i int) uuid.UUID { return uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i)) }
	for i := range acknowledgedEntries {
		a.raise(id(i), 7, begin)
	}
	later := begin.Add(acknowledgedFor + time.Second)
	a.raise(id(0), 8, later)
	a.raise(id(0), 5, later)
	require.Equal(t, int64(acknowledgedEntries), a.stats().Entries)
	a.raise(id(-1), 1, later)
	require.Equal(t, int64(2), a.stats().Entries)
	require.Equal(t, int64(8), a.position(id(0)), "it was written to since, and never goes back")
	require.Zero(t, a.position(id(1)))
	require.Equal(t, uint64(acknowledgedEntries-1), a.stats().Evictions)
}

// However much waits for one ledger, another one's command is in the next batch.
func TestANoisyLedgerDelaysOnlyItself(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const batch, waiting = 8, 200
	began, release := make(chan struct{}), make(chan struct{})
	var flushes atomic.Int64
	s := f.store(t, Config{Lanes: 1, BatchCalls: batch, Fault: func(step string) error {
		if step == "before append" && flushes.Add(1) == 3 { // the first two make the ledgers known
			close(began)
			<-release
		}
		return nil
	}})
	noisy, quiet := f.ledger(t, "live"), f.ledger(t, "live")
	noise, other := uuid.New(), uuid.New()
	run := func(ledger, stream uuid.UUID) error {
		_, err := s.Execute(context.WithoutCancel(t.Context()), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
		return err
	}
	require.NoError(t, run(noisy, noise))
	require.NoError(t, run(quiet, other))
	var done atomic.Int64
	finished := make(chan error, waiting)
	for range waiting {
		go func() {
			err := run(noisy, noise)
			done.Add(1)
			finished <- err
		}()
	}
	<-began
	l := s.lanes[0]
	waits := func(ledger uuid.UUID) int {
		l.mu.Lock()
		defer l.mu.Unlock()
		if q := l.queues[ledger]; q != nil {
			return len(q.calls)
		}
		return 0
	}
	require.Eventually(t, func() bool { return waits(noisy) >= waiting-batch }, 10*time.Second, time.Millisecond)
	answered := make(chan error, 1)
	before := int64(0)
	go func() {
		err := run(quiet, other)
		before = flushes.Load()
		answered <- err
	}()
	require.Eventually(t, func() bool { return waits(quiet) == 1 }, 10*time.Second, time.Millisecond)
	close(release)
	require.NoError(t, <-answered)
	require.LessOrEqual(t, before, int64(3+3), "of some %d flushes that the noisy ledger needs", waiting/batch)
	for range waiting {
		require.NoError(t, <-finished)
	}
	mustVerify(t, f, noisy, quiet)
}

// A page may need more keys than fit: those that were evicted before they were used are fetched again.
func TestMoreKeysThanFit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger := f.store(t, Config{KeyBytes: 4800}), f.ledger(t, "live") // two subjects' keys, one ledger's
	var want []string
	for i := range 6 {
		name := fmt.Sprintf("name %d", i)
		want = append(want, name)
		_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: nameIt(uuid.New(), domain.Personal{Subject: name, Text: name})})
		require.NoError(t, err)
	}
	events, err := s.Page(t.Context(), ledger, 0, 10)
	require.NoError(t, err)
	var got []string
	for _, e := range events {
		got = append(got, e.Event.(named).Name.Text)
	}
	require.Equal(t, want, got)
	require.Positive(t, s.Caches()["subject_keys"]().Evictions)
}
