package eventstore

import (
	"context"
	"errors"
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

// Rule 4. Nor is a key of a part that only consumed keys, if another consumed it: then ours did not happen.
func TestAKeyConsumedByAnotherIsNoProofOfOurs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ledger, stream := f.ledger(t, "live"), uuid.New()
	s := f.store(t, Config{})
	_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
	require.NoError(t, err)
	var answer []byte // of both
	for _, key := range []string{"a", "b"} {
		r, err := s.Execute(t.Context(), Request{Ledger: ledger, Key: key, Command: add{Stream: stream}})
		require.NoError(t, err)
		require.Greater(t, r.First, r.Last, "it changes nothing")
		answer = r.Answer
	}
	look := func(change func(*keyRow), keys ...string) fate {
		t.Helper()
		p := &part{ls: &ledgerState{id: ledger}}
		for _, key := range keys {
			p.keys = append(p.keys, keyRow{name: "key:" + key, first: 2, last: 1, answer: answer})
		}
		change(&p.keys[0])
		got, err := s.look(t.Context(), p)
		require.NoError(t, err)
		return got
	}
	as := func(*keyRow) {}
	require.Equal(t, fateHappened, look(as, "a"))
	require.Equal(t, fateHappened, look(as, "b", "a"))
	require.Equal(t, fateUnknown, look(as, "c"))
	require.Equal(t, fateUnknown, look(as, "c", "d"))
	require.Equal(t, fateNot, look(as, "a", "c"), "ours would have consumed both")
	for name, change := range map[string]func(*keyRow){
		"fingerprint": func(k *keyRow) { k.fingerprint[0]++ },
		"first":       func(k *keyRow) { k.first++ },
		"last":        func(k *keyRow) { k.last++ },
		"answer":      func(k *keyRow) { k.answer = append([]byte(" "), k.answer...) },
	} {
		require.Equal(t, fateNot, look(change, "a", "b"), name)
	}
}

// Rule 4. A process that stands behind decides a command again that changed nothing and has its answer. What it
// decided is not taken for that answer when the append's own is lost, though position and time are the same.
func TestF47_ALostReplayOfWhatChangedNothingIsTheFirstAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ledger, stream := f.ledger(t, "live"), uuid.New()
	crash := false
	other := f.store(t, Config{})
	s := f.store(t, Config{Fault: func(step string) error {
		if step == "after append" && crash {
			crash = false
			return errors.New("crash")
		}
		return nil
	}})
	execute := func(s *Store, key string, c domain.Command) Result {
		t.Helper()
		r, err := s.Execute(t.Context(), Request{Ledger: ledger, Key: key, Command: c})
		require.NoError(t, err)
		return r
	}
	execute(other, "", add{Stream: stream, N: 1})
	execute(s, "", add{Stream: uuid.New()}) // from here on it knows where the ledger stands
	require.Equal(t, 1, answerOf[total](t, execute(other, "k", add{Stream: stream})).Total)
	execute(other, "", add{Stream: stream, N: 5})
	crash = true
	r := execute(s, "k", add{Stream: stream})
	require.False(t, crash)
	require.True(t, r.Replayed)
	require.Equal(t, 1, answerOf[total](t, r).Total)
	mustVerify(t, f, ledger)
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
