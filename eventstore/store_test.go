package eventstore

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/pgtest"
)

// The tests count. A counter has a limit that it never passes and a name that is personal.

type added struct {
	N int `json:"n"`
}

type named struct {
	Name  domain.Personal   `json:"name,omitzero"`
	Also  []domain.Personal `json:"also,omitzero"`
	Plain string            `json:"plain,omitzero"`
}

func (added) EventType() string { return "counter.added.v1" }
func (named) EventType() string { return "counter.named.v1" }

type counter struct {
	domain.Record
	Total int
	Name  domain.Personal
}

func (c *counter) Apply(e domain.Event) {
	switch e := e.(type) {
	case added:
		c.Total += e.N
	case named:
		c.Name = e.Name
	}
}

func testVocabularies() []domain.Vocabulary {
	return append(Vocabularies(), domain.Vocabulary{Kind: "counter", New: func() domain.State { return &counter{} },
		Events: []domain.EventType{domain.Named[added](), domain.Named[named]()}})
}

// add counts up to a limit; N 0 changes nothing.
type add struct {
	Stream uuid.UUID
	N      int
	Limit  int
}

type total struct {
	Total   int   `json:"total"`
	Version int64 `json:"version"`
}

func (c add) Decide(l domain.Ledger) (any, error) {
	state, err := l.Load(c.Stream)
	if err != nil {
		return nil, err
	}
	have := 0
	if s, ok := state.(*counter); ok {
		have = s.Total
	}
	if c.Limit > 0 && have+c.N > c.Limit {
		return nil, domain.Refuse(domain.Conflict, "limit_reached", "%d and %d are more than %d", have, c.N, c.Limit)
	}
	if c.N != 0 {
		l.Append(c.Stream, added{c.N})
	}
	return total{have + c.N, l.Version(c.Stream)}, nil
}

// decideFunc is a command made on the spot.
type decideFunc func(l domain.Ledger) (any, error)

func (f decideFunc) Decide(l domain.Ledger) (any, error) { return f(l) }

type fixture struct {
	db     *pgtest.DB
	master MasterKey
	owner  *pgxpool.Pool
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{db: pgtest.New(t), master: NewMasterKey()}
	f.owner = f.pool(t, f.db.URL)
	require.NoError(t, Bootstrap(t.Context(), f.owner, f.master))
	return f
}

func (f *fixture) pool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := OpenPool(t.Context(), url, func(c *pgxpool.Config) { c.MaxConns = 16 })
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// store opens the log as the application's role does.
func (f *fixture) store(t *testing.T, cfg Config) *Store {
	t.Helper()
	return f.storeAt(t, f.db.AppURL, cfg)
}

func (f *fixture) storeAt(t *testing.T, url string, cfg Config) *Store {
	t.Helper()
	s, err := Open(t.Context(), f.pool(t, url), f.master, testVocabularies(), cfg)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// ledger makes a ledger without an organisation.
func (f *fixture) ledger(t *testing.T, mode string) uuid.UUID {
	t.Helper()
	key, err := newLedgerKey(f.master)
	require.NoError(t, err)
	require.NoError(t, insertLedger(t.Context(), f.owner, key, uuid.New(), mode))
	return key.ID
}

func answerOf[T any](t *testing.T, r Result) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal(r.Answer, &v), "answer %s", r.Answer)
	return v
}

func mustVerify(t *testing.T, f *fixture, ledgers ...uuid.UUID) {
	t.Helper()
	report, err := Verify(t.Context(), f.owner, ledgers, nil)
	require.NoError(t, err)
	require.Empty(t, report.Findings)
}

func TestACommandAppendsAnswersAndIsFolded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger, stream := f.store(t, Config{}), f.ledger(t, "live"), uuid.New()

	r, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 3}, Meta: Meta{Actor: "me", RequestID: "r1"}})
	require.NoError(t, err)
	require.Equal(t, total{3, 1}, answerOf[total](t, r))
	require.Equal(t, [3]int64{1, 1, 1}, [3]int64{r.Position, r.First, r.Last})

	r, err = s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 4}})
	require.NoError(t, err)
	require.Equal(t, total{7, 2}, answerOf[total](t, r))

	state, position, err := s.Fold(t.Context(), ledger, stream)
	require.NoError(t, err)
	require.Equal(t, int64(2), position)
	require.Equal(t, 7, state.(*counter).Total)

	events, err := s.Page(t.Context(), ledger, 0, 10)
	require.NoError(t, err)
	require.Len(t, events, 2)
	require.Equal(t, added{4}, events[1].Event)
	require.JSONEq(t, `{"actor":"me","request_id":"r1"}`, string(events[0].Meta))
	require.Equal(t, stream, events[1].Stream)
	mustVerify(t, f, ledger)

	// Another process reads the same and goes on.
	other := f.store(t, Config{})
	r, err = other.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
	require.NoError(t, err)
	require.Equal(t, total{8, 3}, answerOf[total](t, r))
	// And the first one, which holds an old state, notices.
	r, err = s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
	require.NoError(t, err)
	require.Equal(t, total{9, 4}, answerOf[total](t, r))
	mustVerify(t, f, ledger)
}

func TestDryRunWritesNothingAndSpoilsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger, stream := f.store(t, Config{}), f.ledger(t, "live"), uuid.New()
	execute := func(req Request) Result {
		t.Helper()
		req.Ledger = ledger
		r, err := s.Execute(t.Context(), req)
		require.NoError(t, err)
		return r
	}
	execute(Request{Command: add{Stream: stream, N: 3}})
	dry := execute(Request{Command: add{Stream: stream, N: 5}, DryRun: true, Key: "k"})
	require.True(t, dry.DryRun)
	require.Equal(t, total{8, 2}, answerOf[total](t, dry))
	wet := execute(Request{Command: add{Stream: stream, N: 5}, Key: "k"})
	require.False(t, wet.Replayed)
	require.JSONEq(t, string(dry.Answer), string(wet.Answer))
	require.Equal(t, int64(2), wet.Position)
	mustVerify(t, f, ledger)
}

func TestUnknownLedgerIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, err := f.store(t, Config{}).Execute(t.Context(), Request{Ledger: uuid.New(), Command: add{Stream: uuid.New(), N: 1}})
	require.ErrorIs(t, err, &domain.Error{Code: "no_ledger"})
}

func TestAPanicOrFaultInADecisionIsThatCommandsAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger, stream := f.store(t, Config{Lanes: 1}), f.ledger(t, "live"), uuid.New()
	panics := decideFunc(func(l domain.Ledger) (any, error) {
		if _, err := l.Load(stream); err != nil {
			return nil, err
		}
		l.Append(stream, added{1000})
		panic("bad rule")
	})
	done := make(chan error, 40)
	for i := range 40 {
		go func() {
			req := Request{Ledger: ledger, Command: add{Stream: stream, N: 1}}
			if i%4 == 0 {
				req.Command = panics
			}
			_, err := s.Execute(context.WithoutCancel(t.Context()), req)
			if i%4 == 0 {
				if err == nil {
					err = fmt.Errorf("a panic passed")
				} else if _, refusal := domain.AsRefusal(err); !refusal {
					err = nil
				}
			}
			done <- err
		}()
	}
	for range 40 {
		require.NoError(t, <-done)
	}
	state, _, err := s.Fold(t.Context(), ledger, stream)
	require.NoError(t, err)
	require.Equal(t, 30, state.(*counter).Total)
	mustVerify(t, f, ledger)
}

func TestCallersGiveUpWithoutATrace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	began, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s := f.store(t, Config{Lanes: 1, Fault: func(step string) error {
		once.Do(func() {
			close(began)
			<-release
		})
		return nil
	}})
	ledger, stream := f.ledger(t, "live"), uuid.New()
	first := make(chan error, 1)
	go func() {
		_, err := s.Execute(context.WithoutCancel(t.Context()), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
		first <- err
	}()
	<-began // the lane is busy flushing: the next one waits
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := s.Execute(ctx, Request{Ledger: ledger, Command: add{Stream: stream, N: 10}})
	require.ErrorIs(t, err, &domain.Error{Code: "busy"})
	close(release)
	require.NoError(t, <-first)
	r, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
	require.NoError(t, err)
	require.Equal(t, 2, answerOf[total](t, r).Total)
}

// The id of a stream opens it in its own ledger alone, whichever way it is read (B01).
func TestB01_AForeignStreamIsAnUnknownOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, mine, other, stream := f.store(t, Config{}), f.ledger(t, "live"), f.ledger(t, "live"), uuid.New()
	_, err := s.Execute(t.Context(), Request{Ledger: mine, Command: add{Stream: stream, N: 3}})
	require.NoError(t, err)
	own, err := s.Stream(t.Context(), mine, stream, 0, 10)
	require.NoError(t, err)
	require.Len(t, own, 1)
	foreign, err := s.Stream(t.Context(), other, stream, 0, 10)
	require.NoError(t, err)
	require.Empty(t, foreign)
	state, _, err := s.Fold(t.Context(), other, stream)
	require.NoError(t, err)
	require.Nil(t, state)
	r, err := s.Execute(t.Context(), Request{Ledger: other, Command: add{Stream: stream, N: 1}})
	require.NoError(t, err)
	require.Equal(t, total{1, 1}, answerOf[total](t, r), "a decision sees its own ledger")
}
