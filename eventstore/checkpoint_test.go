package eventstore

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// Rule 8. A signed checkpoint convicts rewriting that the chain alone cannot see: the last events are
// gone and the head with them, or everything was rewritten and hashed again.
func TestF35_ACheckpointConvictsLaterRewriting(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.store(t, Config{})
	signer, verifier, err := f.master.CheckpointSigner()
	require.NoError(t, err)
	for name, rewrite := range map[string]func(ledger uuid.UUID){
		"the last events cut off with the head": func(ledger uuid.UUID) {
			for _, sql := range []string{`delete from events where ledger_id = $1 and position > 3`,
				`update ledgers l set position = 3, head = e.hash, recorded_at = e.recorded_at from events e where l.ledger_id = $1 and e.ledger_id = $1 and e.position = 3`} {
				_, err := f.owner.Exec(t.Context(), sql, ledger)
				require.NoError(t, err)
			}
		},
		"an event altered and the chain hashed anew": func(ledger uuid.UUID) {
			events, err := rawPage(t.Context(), f.owner, ledger, 0, 5, verifyPage)
			require.NoError(t, err)
			var head Head
			for _, e := range events {
				if e.Position == 2 {
					e.Data = []byte(`{"n":1000}`)
				}
				e.Hash = chainHash(head.Hash, e.Recorded)
				head = Head{e.Position, e.Hash}
				_, err := f.owner.Exec(t.Context(), `update events set data = $3, hash = $4 where ledger_id = $1 and position = $2`, ledger, e.Position, string(e.Data), e.Hash[:])
				require.NoError(t, err)
			}
			_, err = f.owner.Exec(t.Context(), `update ledgers set head = $2 where ledger_id = $1`, ledger, head.Hash[:])
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			ledger, stream := f.ledger(t, "live"), uuid.New()
			for range 5 {
				_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
				require.NoError(t, err)
			}
			taken, err := TakeCheckpoint(t.Context(), f.owner, time.Now())
			require.NoError(t, err)
			signed, err := taken.Sign(signer)
			require.NoError(t, err)
			opened, err := OpenCheckpoint(signed, verifier)
			require.NoError(t, err)
			require.Equal(t, taken.Heads, opened.Heads)
			only := Checkpoint{At: opened.At, Heads: map[uuid.UUID]Head{ledger: opened.Heads[ledger]}}
			findings, err := only.Against(t.Context(), f.owner)
			require.NoError(t, err)
			require.Empty(t, findings)

			rewrite(ledger)
			mustVerify(t, f, ledger) // the chain alone is content
			findings, err = only.Against(t.Context(), f.owner)
			require.NoError(t, err)
			require.Len(t, findings, 1)
			require.Equal(t, int64(5), findings[0].Position)
		})
	}
}

func TestB74_AForgedCheckpointIsRefused(t *testing.T) {
	t.Parallel()
	mine, other := NewMasterKey(), NewMasterKey()
	signer, verifier, err := mine.CheckpointSigner()
	require.NoError(t, err)
	signed, err := Checkpoint{At: time.Now(), Heads: map[uuid.UUID]Head{uuid.New(): {7, [32]byte{7}}}}.Sign(signer)
	require.NoError(t, err)
	_, err = OpenCheckpoint(bytes.Replace(signed, []byte(" 7 "), []byte(" 6 "), 1), verifier)
	require.ErrorContains(t, err, "invalid signature")
	_, otherVerifier, err := other.CheckpointSigner()
	require.NoError(t, err)
	_, err = OpenCheckpoint(signed, otherVerifier)
	require.Error(t, err)
	_, err = OpenCheckpoint(signed[:len(signed)-40], verifier)
	require.Error(t, err)
	_, again, err := mine.CheckpointSigner()
	require.NoError(t, err)
	require.Equal(t, verifier, again)
}
