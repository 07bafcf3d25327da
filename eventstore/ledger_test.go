package eventstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/organisation"
)

// Rule 7. A decision may read any stream of its ledger and append to several; all of it or nothing.
func TestADecisionSpansStreams(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger := f.store(t, Config{}), f.ledger(t, "live")
	from, to := uuid.New(), uuid.New()
	move := func(n int) decideFunc {
		return func(l domain.Ledger) (any, error) {
			state, err := l.Load(from)
			if err != nil {
				return nil, err
			}
			if _, err := l.Load(to); err != nil {
				return nil, err
			}
			if have := state.(*counter).Total; have < n {
				return nil, domain.Refuse(domain.Conflict, "too_few", "%d", have)
			}
			l.Append(from, added{-n})
			l.Append(to, added{n})
			return nil, nil
		}
	}
	_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: from, N: 100}})
	require.NoError(t, err)
	var wg sync.WaitGroup
	errs := make([]error, 60)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = s.Execute(context.WithoutCancel(t.Context()), Request{Ledger: ledger, Command: move(3)})
		})
	}
	wg.Wait()
	moved := 0
	for _, err := range errs {
		if err == nil {
			moved += 3
		} else {
			require.ErrorIs(t, err, &domain.Error{Code: "too_few"})
		}
	}
	require.Equal(t, 99, moved)
	for id, want := range map[uuid.UUID]int{from: 1, to: 99} {
		state, _, err := s.Fold(t.Context(), ledger, id)
		require.NoError(t, err)
		require.Equal(t, want, state.(*counter).Total)
	}
	mustVerify(t, f, ledger)
}

// Rule 11. The application's role cannot change history, and the reader's cannot see it.
func TestRolesCannotRewriteHistory(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger := f.store(t, Config{}), f.ledger(t, "live")
	_, err := s.Execute(t.Context(), Request{Ledger: ledger, Key: "k", Command: add{Stream: uuid.New(), N: 1}})
	require.NoError(t, err)
	for role, statements := range map[string][]string{
		f.db.AppURL: {
			"update events set data = '{}'", "delete from events", "truncate events",
			"update commands set answer = '{}'", "delete from commands", "truncate commands",
			"update claims set value = 'x'", "delete from claims", "truncate claims",
			"delete from ledgers", "update ledgers set wrapped_key = ''", "update ledgers set mode = 'live'",
			"delete from subject_keys", "delete from installation", "update installation set created_at = now()",
			"create table more (n int)", "drop table events", "alter table events disable trigger all",
		},
		f.db.ReaderURL: {
			"select data from events", "select answer from commands", "select * from claims", "select * from subject_keys",
			"select wrapped_key from ledgers", "select * from api_keys", "select * from organisations", "insert into events default values",
		},
	} {
		pool := f.pool(t, role)
		for _, sql := range statements {
			_, err := pool.Exec(t.Context(), sql)
			var pg *pgconn.PgError
			require.ErrorAs(t, err, &pg, "%s is allowed", sql)
			require.Equal(t, "42501", pg.Code, "%s: %s", sql, pg.Message)
		}
	}
}

// Rule 12. Times are whole microseconds, and recording never goes backwards, whatever the clock does.
func TestRecordingNeverGoesBackwards(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := time.Date(2026, 6, 1, 12, 0, 0, 123456789, time.FixedZone("", 3600))
	s := f.store(t, Config{Now: func() time.Time { return now }})
	ledger, stream := f.ledger(t, "live"), uuid.New()
	count := func() {
		t.Helper()
		_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
		require.NoError(t, err)
	}
	count()
	now = now.Add(-time.Hour)
	count()
	now = now.Add(2 * time.Hour)
	count()
	events, err := s.Page(t.Context(), ledger, 0, 10)
	require.NoError(t, err)
	var times []string
	for _, e := range events {
		times = append(times, e.RecordedAt.Format(time.RFC3339Nano))
	}
	require.Equal(t, []string{"2026-06-01T11:00:00.123456Z", "2026-06-01T11:00:00.123456Z", "2026-06-01T12:00:00.123456Z"}, times)
	mustVerify(t, f, ledger)
}

// Rule 12. A test ledger's clock is moved by an event alone, also into the past at its start; every
// process goes by it, and a live ledger has none.
func TestATestClockIsMovedByAnEventAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger, stream := f.store(t, Config{}), f.ledger(t, "test"), uuid.New()
	move := func(s *Store, ledger uuid.UUID, to string) error {
		at, err := time.Parse(time.RFC3339, to)
		require.NoError(t, err)
		_, err = s.Execute(t.Context(), Request{Ledger: ledger, Command: domain.MoveClock{To: at}})
		return err
	}
	require.NoError(t, move(s, ledger, "2020-01-31T00:00:00Z"))
	_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
	require.NoError(t, err)
	other := f.store(t, Config{})
	require.NoError(t, move(other, ledger, "2020-03-01T00:00:00Z"))
	_, err = s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
	require.NoError(t, err)
	require.ErrorIs(t, move(s, ledger, "2020-02-01T00:00:00Z"), &domain.Error{Code: "clock_backwards"})
	events, err := s.Page(t.Context(), ledger, 0, 10)
	require.NoError(t, err)
	var days []string
	for _, e := range events {
		days = append(days, e.RecordedAt.Format(time.DateOnly))
	}
	require.Equal(t, []string{"2020-01-31", "2020-01-31", "2020-03-01", "2020-03-01"}, days)
	require.ErrorIs(t, move(s, f.ledger(t, "live"), "2020-01-01T00:00:00Z"), &domain.Error{Code: "not_a_test_ledger"})
	mustVerify(t, f, ledger)
}

// Rule 13. An organisation's ledgers and a key's look-up are there when the system ledger's event is,
// and with a crash in between neither.
func TestTheSystemLedgerWritesItsLookUpsWithTheAppend(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	crash := false
	s := f.store(t, Config{Fault: func(step string) error {
		if crash && step == "before serial commit" {
			return errors.New("crash")
		}
		return nil
	}})
	org, live, test, key := uuid.New(), uuid.New(), uuid.New(), uuid.New()
	create, err := s.NewOrganisation(org, live, test, "Acme", "EUR", "Europe/Berlin")
	require.NoError(t, err)
	count := func(sql string, args ...any) (n int) {
		t.Helper()
		require.NoError(t, f.owner.QueryRow(t.Context(), sql, args...).Scan(&n))
		return n
	}
	crash = true
	_, err = s.Execute(t.Context(), Request{Ledger: s.SystemLedger(), Key: "create", Command: create})
	require.Error(t, err)
	require.Zero(t, count(`select count(*) from ledgers where organisation_id = $1`, org)+count(`select count(*) from organisations`)+count(`select count(*) from events`))
	crash = false
	_, err = s.Execute(t.Context(), Request{Ledger: s.SystemLedger(), Key: "create", Command: create})
	require.NoError(t, err)
	require.Equal(t, 2, count(`select count(*) from ledgers where organisation_id = $1`, org))
	_, err = s.Execute(t.Context(), Request{Ledger: s.SystemLedger(), Command: organisation.IssueKey{Organisation: org, KeyID: key, Mode: "test",
		Name: "ci", Hash: make([]byte, 32), Hint: "test_…abcd", Scopes: []string{"licenses:read"}}})
	require.NoError(t, err)
	require.Equal(t, 1, count(`select count(*) from api_keys where ledger_id = $1 and organisation_id = $2 and ended_at is null`, test, org))

	_, err = s.Execute(t.Context(), Request{Ledger: test, Command: add{Stream: uuid.New(), N: 1}})
	require.NoError(t, err, "the new ledger is open at once")
	_, err = s.Execute(t.Context(), Request{Ledger: s.SystemLedger(), Command: organisation.RevokeKey{Organisation: org, KeyID: key}})
	require.NoError(t, err)
	require.Equal(t, 1, count(`select count(*) from api_keys where key_id = $1 and ended_at is not null and end_reason = 'revoked'`, key))
	mustVerify(t, f)
}

// States are a cache: with hardly any room for them every command still gets the same answer.
func TestAnEvictedStateIsReadAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.store(t, Config{Lanes: 1, CacheBytes: 1})
	ledgers := []uuid.UUID{f.ledger(t, "live"), f.ledger(t, "live")}
	stream := uuid.New()
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			_, err := s.Execute(context.WithoutCancel(t.Context()), Request{Ledger: ledgers[i%2], Command: add{Stream: stream, N: 1}})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, ledger := range ledgers {
		state, _, err := s.Fold(t.Context(), ledger, stream)
		require.NoError(t, err)
		require.Equal(t, 30, state.(*counter).Total)
	}
	s.Close() // a caller has its answer before the lane evicts
	require.LessOrEqual(t, len(s.lanes[0].ledgers), 1)
	mustVerify(t, f, ledgers...)
}

// A caller may ask for a version (If-Match); another one is refused. An unknown stream is the command's to refuse; where it does not, its version is 0.
func TestAnExpectedVersion(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger, stream := f.store(t, Config{}), f.ledger(t, "live"), uuid.New()
	execute := func(expect int64) error {
		_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}, Expect: &Expectation{stream, expect}})
		return err
	}
	require.ErrorIs(t, execute(7), &domain.Error{Code: "stale_version"}, "there is nothing yet")
	require.NoError(t, execute(0))
	require.ErrorIs(t, execute(2), &domain.Error{Code: "stale_version"})
	require.NoError(t, execute(1))
	require.ErrorIs(t, execute(1), &domain.Error{Code: "stale_version"})
}

// Subscribers hear of each ledger's events in order, before the command's caller gets its answer.
func TestSubscribersHearInOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger := f.store(t, Config{}), f.ledger(t, "live")
	var mu sync.Mutex
	var heard []int64
	s.Subscribe(func(events []*Recorded) {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range events {
			heard = append(heard, e.Position)
		}
	})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			r, err := s.Execute(context.WithoutCancel(t.Context()), Request{Ledger: ledger, Command: add{Stream: uuid.New(), N: 1}})
			mu.Lock()
			defer mu.Unlock()
			if err != nil || int64(len(heard)) < r.Last || s.Acknowledged(ledger) < r.Last {
				t.Errorf("answered %d before the subscribers heard of it: %v", r.Last, err)
			}
		})
	}
	wg.Wait()
	for i, position := range heard {
		require.Equal(t, int64(i+1), position)
	}
	require.Len(t, heard, 50)
}

// What is created later has the higher id, within a millisecond too and whichever process decides: who pages by ids
// misses nothing that comes while they do.
func TestIDsSortByPosition(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stand := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	one, two := f.store(t, Config{Now: func() time.Time { return stand }}), f.store(t, Config{Now: func() time.Time { return stand.Add(-time.Hour) }})
	ledger := f.ledger(t, "live")
	type made struct {
		at  int64
		ids []uuid.UUID
	}
	var mu sync.Mutex
	var all []made
	var wg sync.WaitGroup
	for i := range 120 {
		wg.Go(func() {
			var ids []uuid.UUID
			s := one
			if i%3 == 0 {
				s = two
			}
			r, err := s.Execute(context.WithoutCancel(t.Context()), Request{Ledger: ledger, Command: decideFunc(func(l domain.Ledger) (any, error) {
				ids = []uuid.UUID{l.NewID(), l.NewID(), l.NewID()}
				l.Append(ids[0], added{1})
				return nil, nil
			})})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, made{r.First, ids})
		})
	}
	wg.Wait()
	slices.SortFunc(all, func(a, b made) int { return cmp.Compare(a.at, b.at) })
	var last uuid.UUID
	for _, m := range all {
		for _, id := range m.ids {
			require.Equal(t, 1, bytes.Compare(id[:], last[:]), "at %d", m.at)
			last = id
		}
	}
}
