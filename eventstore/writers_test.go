package eventstore

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/pgtest"
)

// writing is what a process of TestWritersInTwoProcesses does.
type writing struct {
	URL     string
	Master  MasterKey
	Ledgers []uuid.UUID
	Stream  uuid.UUID
	Name    string
	Writers int
	Each    int
	Limit   int
}

// written is what it reports: what was acknowledged, and what refused, by position.
type written struct {
	Acknowledged map[string]int64 // key → the command's position
	Refused      int
	Slowest      time.Duration
	Err          string
}

func (w writing) run(ctx context.Context) written {
	out := written{Acknowledged: map[string]int64{}}
	pool, err := OpenPool(ctx, w.URL, func(c *pgxpool.Config) { c.MaxConns = 8 })
	if err != nil {
		return written{Err: err.Error()}
	}
	defer pool.Close()
	s, err := Open(ctx, pool, w.Master, testVocabularies(), Config{CallTimeout: time.Minute})
	if err != nil {
		return written{Err: err.Error()}
	}
	defer s.Close()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range w.Writers {
		wg.Go(func() {
			for j := range w.Each {
				n := i*w.Each + j
				key := fmt.Sprintf("%s-%d", w.Name, n)
				began := time.Now()
				r, err := s.Execute(ctx, Request{Ledger: w.Ledgers[n%len(w.Ledgers)], Key: key, Command: add{Stream: w.Stream, N: 1, Limit: w.Limit}})
				took := time.Since(began)
				mu.Lock()
				_, refused := domain.AsRefusal(err)
				switch {
				case err == nil && r.First != r.Last:
					out.Err = fmt.Sprintf("%s: positions %d to %d", key, r.First, r.Last)
				case err == nil:
					out.Acknowledged[key] = r.Last
				case refused && w.Limit > 0:
					out.Refused++
				default:
					out.Err = err.Error()
				}
				out.Slowest = max(out.Slowest, took)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return out
}

// TestMain lets the test binary be the second process of a test.
func TestMain(m *testing.M) {
	if job := os.Getenv("SUBLEDGER_TEST_WRITING"); job != "" {
		var w writing
		err := json.Unmarshal([]byte(job), &w)
		out := written{}
		if err == nil {
			out = w.run(context.Background())
		} else {
			out.Err = err.Error()
		}
		b, _ := json.Marshal(out)
		os.Stdout.Write(b)
		return
	}
	os.Exit(m.Run())
}

func (w writing) inAnotherProcess(t *testing.T) written {
	job, err := json.Marshal(w)
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), self)
	cmd.Dir, cmd.Env, cmd.Stderr = filepath.Dir(self), append(os.Environ(), "SUBLEDGER_TEST_WRITING="+string(job)), os.Stderr
	b, err := cmd.Output()
	require.NoError(t, err)
	var out written
	require.NoError(t, json.Unmarshal(b, &out), "%s", b)
	return out
}

// Design section 3. 64 writers in two processes, on one ledger and on a thousand: positions and
// versions are dense, each acknowledged command is there exactly once, no process starves, no refusal
// contradicts the log, the chain verifies.
func TestF21_WritersInTwoProcesses(t *testing.T) {
	for name, tt := range map[string]struct{ ledgers, each, limit int }{
		"on one ledger":                  {1, 40, 0},
		"on one ledger up to a limit":    {1, 40, 1500},
		"on a thousand ledgers":          {1000, 40, 0},
		"on three ledgers up to a limit": {3, 40, 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			ledgers := make([]uuid.UUID, tt.ledgers)
			for i := range ledgers {
				ledgers[i] = f.ledger(t, "live")
			}
			w := writing{URL: f.db.AppURL, Master: f.master, Ledgers: ledgers, Stream: uuid.New(), Writers: 32, Each: tt.each, Limit: tt.limit}
			var outs [2]written
			var wg sync.WaitGroup
			wg.Go(func() { w := w; w.Name = "b"; outs[1] = w.inAnotherProcess(t) })
			wg.Go(func() { w := w; w.Name = "a"; outs[0] = w.run(context.WithoutCancel(t.Context())) })
			wg.Wait()
			acknowledged, refused := 0, 0
			for i, out := range outs {
				require.Empty(t, out.Err)
				t.Logf("process %d: %d acknowledged, %d refused, slowest %v", i, len(out.Acknowledged), out.Refused, out.Slowest.Round(time.Millisecond))
				require.Less(t, out.Slowest, 30*time.Second, "starved")
				acknowledged += len(out.Acknowledged)
				refused += out.Refused
			}
			require.Equal(t, 64*tt.each, acknowledged+refused)
			mustVerify(t, f) // positions and versions dense, chain, heads

			rows, err := f.owner.Query(t.Context(), `select ledger_id, key, first_position, last_position from commands`)
			require.NoError(t, err)
			found := 0
			for rows.Next() {
				var ledger uuid.UUID
				var key string
				var first, last int64
				require.NoError(t, rows.Scan(&ledger, &key, &first, &last))
				key = key[len("key:"):]
				at, ok := outs[0].Acknowledged[key]
				if !ok {
					at, ok = outs[1].Acknowledged[key]
				}
				require.True(t, ok, "%s is in the log and was not acknowledged", key)
				require.Equal(t, at, last)
				require.Equal(t, first, last)
				found++
			}
			require.NoError(t, rows.Err())
			require.Equal(t, acknowledged, found)

			// No refusal that the log contradicts: whoever was refused, the limit had really been reached.
			if tt.limit > 0 {
				require.Positive(t, refused)
				s := f.store(t, Config{})
				for _, ledger := range ledgers {
					state, _, err := s.Fold(t.Context(), ledger, w.Stream)
					require.NoError(t, err)
					require.Equal(t, tt.limit, state.(*counter).Total)
				}
			}
		})
	}
}

// Rule 5. Two processes send the same 50 keys at the same time: each key is executed
// once, and everyone gets the one answer.
func TestF23_TheSameKeysFromTwoProcesses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	w := writing{URL: f.db.AppURL, Master: f.master, Ledgers: []uuid.UUID{f.ledger(t, "live")}, Stream: uuid.New(), Name: "same", Writers: 50, Each: 1}
	var outs [2]written
	var wg sync.WaitGroup
	wg.Go(func() { outs[1] = w.inAnotherProcess(t) })
	wg.Go(func() { outs[0] = w.run(context.WithoutCancel(t.Context())) })
	wg.Wait()
	for _, out := range outs {
		require.Empty(t, out.Err)
		require.Len(t, out.Acknowledged, 50)
	}
	require.Equal(t, outs[0].Acknowledged, outs[1].Acknowledged)
	state, position, err := f.store(t, Config{}).Fold(t.Context(), w.Ledgers[0], w.Stream)
	require.NoError(t, err)
	require.Equal(t, 50, state.(*counter).Total)
	require.Equal(t, int64(50), position)
	mustVerify(t, f)
}

// Rule 2. A refusal decided on an old state is not given: the other process has made room since.
func TestARefusalIsConfirmedAtItsPosition(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.store(t, Config{}), f.store(t, Config{})
	ledger, stream := f.ledger(t, "live"), uuid.New()
	execute := func(s *Store, n int) (Result, error) {
		return s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: n, Limit: 10}})
	}
	_, err := execute(a, 10)
	require.NoError(t, err)
	_, err = execute(a, 1)
	require.ErrorIs(t, err, &domain.Error{Code: "limit_reached"})
	_, err = execute(b, -5)
	require.NoError(t, err)
	_, err = execute(a, 1) // a's memory says 10
	require.NoError(t, err)
	// The same for a command that changes nothing: its answer is today's.
	_, err = execute(b, 1)
	require.NoError(t, err)
	r, err := execute(a, 0)
	require.NoError(t, err)
	require.Equal(t, 7, answerOf[total](t, r).Total)
	require.Equal(t, int64(4), r.Position)
}

// Rule 1. A lost ledger costs only its own commands.
func TestALostLedgerCostsOnlyItsOwnCommands(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var lost, flushes atomic.Int64
	var gate atomic.Pointer[chan struct{}]
	s := f.store(t, Config{Lanes: 1, Fault: func(step string) error {
		if g := gate.Load(); g != nil {
			<-*g
		}
		return nil
	}, Observe: func(fl Flush) { lost.Add(int64(fl.Lost)); flushes.Add(1) }})
	ledgers := []uuid.UUID{f.ledger(t, "live"), f.ledger(t, "live"), f.ledger(t, "live")}
	stream := uuid.New()
	for _, l := range ledgers {
		_, err := s.Execute(t.Context(), Request{Ledger: l, Command: add{Stream: stream, N: 1}})
		require.NoError(t, err)
	}
	_, err := f.store(t, Config{}).Execute(t.Context(), Request{Ledger: ledgers[1], Command: add{Stream: stream, N: 1}})
	require.NoError(t, err)
	closed := make(chan struct{})
	gate.Store(&closed)
	var wg sync.WaitGroup
	errs := make([]error, 31)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = s.Execute(context.WithoutCancel(t.Context()), Request{Ledger: ledgers[i%3], Command: add{Stream: stream, N: 1}})
		})
	}
	close(closed)
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, int64(1), lost.Load())
	mustVerify(t, f, ledgers...)
}

// Rule 1. A restored backup is behind, or has another head at the same position: what is cached is
// forgotten, and nothing is decided on it.
func TestALedgerThatWentBackIsReadAnew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger, stream := f.store(t, Config{}), f.ledger(t, "live"), uuid.New()
	for range 5 {
		_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
		require.NoError(t, err)
	}
	for _, sql := range []string{
		`delete from commands where ledger_id = $1 and last_position > 3`,
		`delete from events where ledger_id = $1 and position > 3`,
		`update ledgers l set position = 3, head = e.hash from events e where l.ledger_id = $1 and e.ledger_id = $1 and e.position = 3`,
	} {
		_, err := f.owner.Exec(t.Context(), sql, ledger)
		require.NoError(t, err)
	}
	r, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
	require.NoError(t, err)
	require.Equal(t, total{4, 4}, answerOf[total](t, r))
	mustVerify(t, f, ledger)
}

// Rule 1. A lane that had to forget where a ledger stood still reports that it stood further.
func TestF38_ALossIsReportedAfterTheLaneForgot(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var said strings.Builder
	s, ledger, stream := f.store(t, Config{Logger: slog.New(slog.NewTextHandler(&said, nil))}), f.ledger(t, "live"), uuid.New()
	for range 5 {
		_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
		require.NoError(t, err)
	}
	for _, sql := range []string{
		`delete from commands where ledger_id = $1 and last_position > 3`,
		`delete from events where ledger_id = $1 and position > 3`,
		`update ledgers l set position = 3, head = e.hash from events e where l.ledger_id = $1 and e.ledger_id = $1 and e.position = 3`,
	} {
		_, err := f.owner.Exec(t.Context(), sql, ledger)
		require.NoError(t, err)
	}
	c := newCall(t.Context(), Request{Ledger: ledger})
	require.NoError(t, s.loadCold(t.Context(), c, &miss{ledger: true}))
	require.Contains(t, said.String(), "history was lost")
	require.Equal(t, int64(3), s.Acknowledged(ledger))
}

// Rule 1. A restored backup that others have written on since is longer than what is known, and no
// continuation of it.
func TestALedgerThatBranchedIsReadAnew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger, stream := f.store(t, Config{}), f.ledger(t, "live"), uuid.New()
	count := func(s *Store, n int) Result {
		t.Helper()
		r, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: n}})
		require.NoError(t, err)
		return r
	}
	for range 5 {
		count(s, 1)
	}
	for _, sql := range []string{
		`delete from commands where ledger_id = $1 and last_position > 3`,
		`delete from events where ledger_id = $1 and position > 3`,
		`update ledgers l set position = 3, head = e.hash from events e where l.ledger_id = $1 and e.ledger_id = $1 and e.position = 3`,
	} {
		_, err := f.owner.Exec(t.Context(), sql, ledger)
		require.NoError(t, err)
	}
	for range 4 {
		count(f.store(t, Config{}), 10)
	}
	// The command that notices is about another stream; the one that is stale by now was only cached.
	_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: uuid.New(), N: 1}})
	require.NoError(t, err)
	require.Equal(t, total{44, 8}, answerOf[total](t, count(s, 1)))
	mustVerify(t, f, ledger)
}

// Rule 3. A process that always comes late wins by taking the row first: it is not starved by a
// neighbour who never pauses.
func TestADistantProcessIsNotStarved(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	near := f.store(t, Config{})
	serial := atomic.Int64{}
	far := f.store(t, Config{
		Fault: func(string) error { time.Sleep(20 * time.Millisecond); return nil }, // the distance, not a wait for something
		Observe: func(fl Flush) {
			if fl.Serial {
				serial.Add(1)
			}
		},
	})
	ledger, stream := f.ledger(t, "live"), uuid.New()
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				near.Execute(context.WithoutCancel(ctx), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
			}
		})
	}
	for range 10 {
		_, err := far.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
		require.NoError(t, err)
	}
	stop()
	wg.Wait()
	require.Positive(t, serial.Load(), "optimism alone would not have won")
	mustVerify(t, f, ledger)
}

// Negative control of design section 3: with a sequence for a position, a reader that goes by it loses
// events, because a sequence is not commit order. This test would fail if the premise were wrong.
func TestNegativeControlANaiveReaderLosesEvents(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	pool := pgtest.Pool(t, db.URL)
	_, err := pool.Exec(t.Context(), `create table naive (position bigserial primary key)`)
	require.NoError(t, err)
	slow, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = slow.Exec(t.Context(), `insert into naive default values`)
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), `insert into naive default values`)
	require.NoError(t, err)
	var checkpoint, missed int64
	require.NoError(t, pool.QueryRow(t.Context(), `select max(position) from naive`).Scan(&checkpoint))
	require.NoError(t, slow.Commit(t.Context()))
	require.NoError(t, pool.QueryRow(t.Context(), `select count(*) from naive where position <= $1`, checkpoint).Scan(&missed))
	require.Equal(t, int64(2), checkpoint)
	require.Equal(t, int64(2), missed, "the reader at 2 saw one event; the other came behind it")
}

// Negative control: an insert that is not guarded by the ledger's own row commits an event although
// another writer was first. The guarded statement of the same append writes nothing.
func TestNegativeControlAnUnguardedInsertCommitsAHole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger, stream := f.store(t, Config{}), f.ledger(t, "live"), uuid.New()
	_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
	require.NoError(t, err)
	// A writer that believes the ledger to be at 4 appends 5.
	late := &part{ls: &ledgerState{id: ledger}, old: Head{Position: 4}, head: Head{Position: 5}, recordedAt: time.Now()}
	late.events = []*Recorded{{Ledger: ledger, Position: 5, Stream: uuid.New(), Version: 1, ID: uuid.New(), Type: "counter.added.v1",
		Data: []byte(`{"n":1}`), Meta: []byte(`{}`), RecordedAt: time.Now(), EffectiveAt: time.Now()}}
	got, err := appendParts(t.Context(), f.owner, []*part{late}, false)
	require.NoError(t, err)
	require.False(t, got.won[ledger])
	mustVerify(t, f, ledger)

	_, err = f.owner.Exec(t.Context(), `with moved as (update ledgers set position = 5 where ledger_id = $1 and position = 4)
		insert into events (ledger_id, position, stream_id, version, event_id, type, data, meta, recorded_at, effective_at, hash)
		values ($1, 5, $2, 1, $2, 'counter.added.v1', '{"n":1}', '{}', now(), now(), sha256('x'))`, ledger, uuid.New())
	require.NoError(t, err)
	report, err := Verify(t.Context(), f.owner, []uuid.UUID{ledger}, nil)
	require.NoError(t, err)
	require.NotEmpty(t, report.Findings, "the unguarded insert left a hole")
}
