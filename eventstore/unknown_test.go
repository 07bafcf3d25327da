package eventstore

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/faults"
)

// Rule 4. The answer to a commit is lost every time: each command still ends as what it really was,
// once, without its caller doing anything.
func TestF47_ALostAnswerToACommitIsFoundOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	proxy, url := faults.NewProxy(t, f.db.AppURL)
	ledger, stream := f.ledger(t, "live"), uuid.New()
	lose := false
	s := f.storeAt(t, url, Config{Lanes: 1, Fault: func(step string) error {
		if step == "before append" && lose {
			lose = false
			proxy.LoseAnswers(1)
		}
		return nil
	}})
	for i := range 20 {
		lose = true
		r, err := s.Execute(t.Context(), Request{Ledger: ledger, Key: fmt.Sprint("k", i), Command: add{Stream: stream, N: 1}})
		require.NoError(t, err)
		require.Equal(t, i+1, answerOf[total](t, r).Total)
	}
	require.Equal(t, int64(20), proxy.Lost())
	require.Zero(t, proxy.Cancels(), "a cancel after COMMIT may undo the wait for a standby")
	position, _, err := s.Head(t.Context(), ledger)
	require.NoError(t, err)
	require.Equal(t, int64(20), position)
	mustVerify(t, f, ledger)
}

// Rule 4. A commit that was never answered and cannot be looked up in time is outcome_unknown; the
// same key tells the truth afterwards.
func TestF47_AnOutcomeThatCannotBeLookedUpIsUnknownAndTheKeyTells(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	proxy, url := faults.NewProxy(t, f.db.AppURL)
	ledger, stream := f.ledger(t, "live"), uuid.New()
	armed := false
	s := f.storeAt(t, url, Config{Lanes: 1, UnknownAfter: 300 * time.Millisecond, Fault: func(step string) error {
		if step == "before append" && armed {
			armed = false
			proxy.HoldAnswers(true)
			proxy.LoseAnswers(1 << 30) // this one, and every look-up
		}
		return nil
	}})
	_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
	require.NoError(t, err)
	armed = true
	_, err = s.Execute(t.Context(), Request{Ledger: ledger, Key: "k", Command: add{Stream: stream, N: 1}})
	require.ErrorIs(t, err, &domain.Error{Code: "outcome_unknown"})

	proxy.LoseAnswers(0)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	r, err := f.store(t, Config{}).Execute(ctx, Request{Ledger: ledger, Key: "k", Command: add{Stream: stream, N: 1}})
	require.NoError(t, err)
	require.True(t, r.Replayed)
	require.Equal(t, 2, answerOf[total](t, r).Total)
	mustVerify(t, f, ledger)
}

// Rule 4. A position that was reached is no proof: another writer's event there means that ours did
// not happen.
func TestAPositionReachedByAnotherIsNotOurs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ledger, stream := f.ledger(t, "live"), uuid.New()
	s := f.store(t, Config{})
	_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
	require.NoError(t, err)
	p := &part{ls: &ledgerState{id: ledger}, events: []*Recorded{{Position: 1, Hash: [32]byte{1}}}}
	require.Equal(t, fateNot, s.resolve(p, backend{}))
	events, err := s.Page(t.Context(), ledger, 0, 1)
	require.NoError(t, err)
	p.events[0] = events[0]
	require.Equal(t, fateHappened, s.resolve(p, backend{}))
}

// Rule 4. Nor is one of the keys that a part only consumed: another process may have consumed that one.
func TestAKeyConsumedByAnotherIsNoProofOfOurs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ledger, stream := f.ledger(t, "live"), uuid.New()
	s := f.store(t, Config{})
	_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
	require.NoError(t, err)
	for _, key := range []string{"a", "b"} {
		r, err := s.Execute(t.Context(), Request{Ledger: ledger, Key: key, Command: add{Stream: stream}})
		require.NoError(t, err)
		require.Greater(t, r.First, r.Last, "it changes nothing")
	}
	events, err := s.Page(t.Context(), ledger, 0, 1)
	require.NoError(t, err)
	part := func(keys ...string) *part {
		p := &part{ls: &ledgerState{id: ledger}, recordedAt: events[0].RecordedAt}
		for _, key := range keys {
			p.keys = append(p.keys, keyRow{name: "key:" + key, first: 2, last: 1})
		}
		return p
	}
	for _, happened := range [][]string{{"a"}, {"b", "a"}} {
		got, err := s.look(t.Context(), part(happened...))
		require.NoError(t, err)
		require.Equal(t, fateHappened, got, happened)
	}
	for _, not := range [][]string{{"c"}, {"a", "c"}} {
		got, err := s.look(t.Context(), part(not...))
		require.NoError(t, err)
		require.Equal(t, fateUnknown, got, not)
	}
}

// Rule 4. As long as the old server process lives it may still commit: nothing is certain before it is gone.
func TestF46_ALivingBackendMayStillCommit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ledger := f.ledger(t, "live")
	s := f.store(t, Config{UnknownAfter: 400 * time.Millisecond})
	conn, err := f.pool(t, f.db.AppURL).Acquire(t.Context())
	require.NoError(t, err)
	who := conn.Conn().PgConn().CustomData()[customBackend].(backend)
	p := &part{ls: &ledgerState{id: ledger}, events: []*Recorded{{Position: 1, Hash: [32]byte{1}}}}
	require.Equal(t, fateUnknown, s.resolve(p, who))
	raw := conn.Hijack()
	require.NoError(t, raw.Close(t.Context()))
	require.Equal(t, fateNot, s.resolve(p, who))
}

// Rule 4, and ADR 0003: a pool of the log sends no cancel even when a reader's context ends, because
// it cannot know that no commit is under way on that server process.
func TestTheLogsConnectionsNeverCancel(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	proxy, url := faults.NewProxy(t, f.db.AppURL)
	pool, err := OpenPool(t.Context(), url, func(c *pgxpool.Config) { c.MaxConns = 1 })
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = pool.Exec(ctx, "select pg_sleep(0.3)")
	require.Error(t, err)
	pool.Close() // waits for the broken connection's clean-up
	require.Zero(t, proxy.Cancels())
}

// A key that was made for an outcome nobody could look up is in the database if it happened: the next command
// about the same person goes through.
func TestF47_AfterAnUnknownOutcomeTheSamePersonIsWrittenAbout(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	proxy, url := faults.NewProxy(t, f.db.AppURL)
	ledger, stream := f.ledger(t, "live"), uuid.New()
	armed := false
	s := f.storeAt(t, url, Config{Lanes: 1, UnknownAfter: 300 * time.Millisecond, Fault: func(step string) error {
		if step == "before append" && armed {
			armed = false
			proxy.HoldAnswers(true)
			proxy.LoseAnswers(1 << 30) // this one, and every look-up
		}
		return nil
	}})
	_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: nameIt(stream, domain.Grantee("ada"))})
	require.NoError(t, err)
	armed = true
	_, err = s.Execute(t.Context(), Request{Ledger: ledger, Key: "k", Command: nameIt(stream, domain.Grantee("grace"))})
	require.ErrorIs(t, err, &domain.Error{Code: "outcome_unknown"})

	proxy.LoseAnswers(0)
	proxy.HoldAnswers(false)
	require.Eventually(t, func() bool {
		r, err := s.Execute(t.Context(), Request{Ledger: ledger, Key: "k", Command: nameIt(stream, domain.Grantee("grace"))})
		return err == nil && r.Replayed
	}, 5*time.Second, 20*time.Millisecond)
	_, err = s.Execute(t.Context(), Request{Ledger: ledger, Command: nameIt(stream, domain.Grantee("grace"))})
	require.NoError(t, err)
	events, err := f.store(t, Config{}).Page(t.Context(), ledger, 0, 10)
	require.NoError(t, err)
	require.Len(t, events, 3)
	mustVerify(t, f, ledger)
}
