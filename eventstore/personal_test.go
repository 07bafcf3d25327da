package eventstore

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
)

func nameIt(stream uuid.UUID, name domain.Personal) decideFunc {
	return func(l domain.Ledger) (any, error) {
		if _, err := l.Load(stream); err != nil {
			return nil, err
		}
		l.Append(stream, named{Name: name})
		return nil, nil
	}
}

// Rule 9. From the first event on, no plain text about a person is in the log; who has the keys reads it.
func TestPersonalFieldsAreCiphertextInTheLog(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger, stream := f.store(t, Config{}), f.ledger(t, "live"), uuid.New()
	for range 3 {
		_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: nameIt(stream, domain.Grantee("ada@example.com"))})
		require.NoError(t, err)
	}
	var leaks int
	require.NoError(t, f.owner.QueryRow(t.Context(), `select count(*) from events where data::text like '%ada@%' or meta::text like '%ada@%'`).Scan(&leaks))
	require.Zero(t, leaks)
	var keys int
	require.NoError(t, f.owner.QueryRow(t.Context(), `select count(*) from subject_keys where ledger_id = $1`, ledger).Scan(&keys))
	require.Equal(t, 1, keys, "one process uses one key for a subject")

	events, err := f.store(t, Config{}).Page(t.Context(), ledger, 0, 10)
	require.NoError(t, err)
	for _, e := range events {
		require.Equal(t, named{Name: domain.Grantee("ada@example.com")}, e.Event)
	}
}

// Rule 9. A destroyed key erases the subject from history; the rest stays readable, the chain still
// verifies, and new events about it are readable under a new key.
func TestB90_B91_B93_ErasingASubject(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger, stream := f.store(t, Config{}), f.ledger(t, "live"), uuid.New()
	write := func(name string) {
		t.Helper()
		_, err := s.Execute(t.Context(), Request{Ledger: ledger, Key: name, Command: nameIt(stream, domain.Grantee(name))})
		require.NoError(t, err)
	}
	write("ada")
	write("grace")
	// Another process wrote about her too, with a key of its own.
	_, err := f.store(t, Config{}).Execute(t.Context(), Request{Ledger: ledger, Command: nameIt(stream, domain.Grantee("ada"))})
	require.NoError(t, err)

	n, err := s.EraseSubject(t.Context(), ledger, "grantee:ada")
	require.NoError(t, err)
	require.Equal(t, int64(2), n)
	_, err = s.Execute(t.Context(), Request{Ledger: ledger, Command: nameIt(stream, domain.Grantee("ada"))})
	require.NoError(t, err)

	for _, reader := range []*Store{s, f.store(t, Config{})} {
		events, err := reader.Page(t.Context(), ledger, 0, 10)
		require.NoError(t, err)
		require.Len(t, events, 4)
		text := func(i int) domain.Personal { return events[i].Event.(named).Name }
		require.Equal(t, "erased", text(0).Subject)
		require.Contains(t, text(0).Text, domain.ErasedPrefix)
		require.Equal(t, "erased", text(2).Subject)
		require.Equal(t, domain.Grantee("grace"), text(1))
		require.Equal(t, domain.Grantee("ada"), text(3))
	}
	mustVerify(t, f, ledger)
}

// Rule 9. A command whose answer names an erased subject is still answered.
func TestAnAnswerAboutAnErasedSubject(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger, stream := f.store(t, Config{}), f.ledger(t, "live"), uuid.New()
	_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: nameIt(stream, domain.Grantee("ada"))})
	require.NoError(t, err)
	_, err = s.EraseSubject(t.Context(), ledger, "grantee:ada")
	require.NoError(t, err)
	for range 2 {
		r, err := f.store(t, Config{}).Execute(t.Context(), Request{Ledger: ledger, Key: "k", Command: decideFunc(func(l domain.Ledger) (any, error) {
			state, err := l.Load(stream)
			if err != nil {
				return nil, err
			}
			return struct {
				Name domain.Personal `json:"name"`
			}{state.(*counter).Name}, nil
		})})
		require.NoError(t, err)
		require.Contains(t, string(r.Answer), domain.ErasedPrefix)
	}
}

// Rule 9. Ciphertext that was moved to another event, stream or ledger does not open.
func TestB94_MovedCiphertextDoesNotOpen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger := f.store(t, Config{}), f.ledger(t, "live")
	one, two := uuid.New(), uuid.New()
	for _, stream := range []uuid.UUID{one, two, one} {
		_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: nameIt(stream, domain.Grantee("ada"))})
		require.NoError(t, err)
	}
	for _, to := range []int{2, 3} {
		_, err := f.owner.Exec(t.Context(), `update events e set data = o.data from events o
			where e.ledger_id = $1 and e.position = $2 and o.ledger_id = $1 and o.position = 1`, ledger, to)
		require.NoError(t, err)
	}
	for at := int64(2); at <= 3; at++ {
		_, err := f.store(t, Config{}).Event(t.Context(), ledger, at)
		require.ErrorContains(t, err, "moved or altered")
	}
}

// The wrong master key opens nothing and says so; it never makes new keys beside the old ones.
func TestF55_TheWrongMasterKeyIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, err := Open(t.Context(), f.owner, NewMasterKey(), testVocabularies(), Config{})
	require.ErrorIs(t, err, ErrMasterKey)
	require.ErrorIs(t, Bootstrap(t.Context(), f.owner, NewMasterKey()), ErrMasterKey)
	require.NoError(t, Bootstrap(t.Context(), f.owner, f.master), "a second bootstrap changes nothing")
}

// Rule 10, case 136. A process that does not know an event stops at it; it does not skip it.
func TestF67_AnUnknownEventStopsTheReader(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger, stream := f.store(t, Config{}), f.ledger(t, "live"), uuid.New()
	_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
	require.NoError(t, err)
	old, err := Open(t.Context(), f.pool(t, f.db.AppURL), f.master, Vocabularies(), Config{})
	require.NoError(t, err)
	t.Cleanup(old.Close)
	_, err = old.Page(t.Context(), ledger, 0, 10)
	var unknown *UnknownEventError
	require.ErrorAs(t, err, &unknown)
	require.Equal(t, int64(1), unknown.Position)
	require.Contains(t, err.Error(), "counter.added.v1")
}
