package eventstore

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
)

// goBack makes the database what a standby would be that was behind, or an older backup: all of a ledger after a
// position is gone, while processes go on.
func goBack(t *testing.T, f *fixture, ledger uuid.UUID, to int64) {
	t.Helper()
	for _, sql := range []string{
		`delete from commands where ledger_id = $1 and last_position > $2`,
		`delete from subject_keys k where ledger_id = $1 and created_at > (select recorded_at from events where ledger_id = $1 and position = $2)`,
		`update ledgers l set position = $2, head = e.hash, recorded_at = e.recorded_at from events e
			where l.ledger_id = $1 and e.ledger_id = $1 and e.position = $2`,
		`delete from events where ledger_id = $1 and position > $2`,
	} {
		_, err := f.owner.Exec(t.Context(), sql, ledger, to)
		require.NoError(t, err)
	}
}

// Another process wrote as many events as were lost: the position is the one that this process knows, the
// history is not.
func TestF38_TheSamePositionIsNotTheSameHistory(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"one small command": "", "a command with a key": "k"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			s, ledger, stream := f.store(t, Config{}), f.ledger(t, "live"), uuid.New()
			for range 3 {
				_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
				require.NoError(t, err)
			}
			goBack(t, f, ledger, 2)
			r, err := f.store(t, Config{}).Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 100}})
			require.NoError(t, err)
			require.Equal(t, int64(3), r.Position)

			_, err = s.Execute(t.Context(), Request{Ledger: ledger, Key: key, Command: add{Stream: stream, N: 1, Limit: 4}})
			require.ErrorIs(t, err, &domain.Error{Code: "limit_reached"}, "decided on what is there: 102")
			r, err = s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
			require.NoError(t, err)
			require.Equal(t, total{103, 4}, answerOf[total](t, r))
			mustVerify(t, f, ledger)
		})
	}
}

// What is known of the ledger is ahead of all that can be read: a command that lacks a stream is decided all the same.
func TestF38_StreamsAreReadAfterALoss(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ledger, stream := f.ledger(t, "live"), uuid.New()
	other := f.store(t, Config{})
	for range 5 {
		_, err := other.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
		require.NoError(t, err)
	}
	s := f.store(t, Config{})
	_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: uuid.New()}})
	require.NoError(t, err)
	goBack(t, f, ledger, 3)
	r, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
	require.NoError(t, err)
	require.Equal(t, total{4, 4}, answerOf[total](t, r))
	mustVerify(t, f, ledger)
}

// The key of somebody's personal fields was lost with the event that it came with: what is written about them
// from here on has to be readable for others too.
func TestF38_KeysOfALostHistoryAreUsedNoMore(t *testing.T) {
	t.Parallel()
	for name, forgotten := range map[string]bool{"the loss is noticed": false, "the ledger's end was forgotten meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			s, ledger, stream := f.store(t, Config{Lanes: 1, CacheBytes: 1}), f.ledger(t, "live"), uuid.New()
			for _, who := range []string{"ada", "grace"} {
				_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: nameIt(stream, domain.Grantee(who))})
				require.NoError(t, err)
			}
			goBack(t, f, ledger, 1)
			if forgotten { // for another ledger, there is room for one
				_, err := s.Execute(t.Context(), Request{Ledger: f.ledger(t, "live"), Command: add{Stream: uuid.New(), N: 1}})
				require.NoError(t, err)
			}
			_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: nameIt(stream, domain.Grantee("grace"))})
			require.NoError(t, err)
			events, err := f.store(t, Config{}).Page(t.Context(), ledger, 0, 10)
			require.NoError(t, err)
			require.Len(t, events, 2)
			require.Equal(t, named{Name: domain.Grantee("grace")}, events[1].Event)
			mustVerify(t, f, ledger)
		})
	}
}
