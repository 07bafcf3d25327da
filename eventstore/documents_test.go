package eventstore

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// A document is read as it was stored, by the ledger and stream that it is of; it is in the database in plain only when it
// is about nobody, and whoever is erased takes theirs along.
func TestDocuments(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger, other, stream := f.store(t, Config{}), f.ledger(t, "live"), f.ledger(t, "live"), uuid.New()
	file := []byte("%PDF Ada Lovelace, 12 St James's Square")
	sum := sha256.Sum256(file)
	read := func(stream uuid.UUID) ([]byte, error) { return s.Document(t.Context(), ledger, stream, sum[:]) }
	stored := func(stream uuid.UUID) (b []byte) {
		require.NoError(t, s.pool.QueryRow(t.Context(), `select bytes from documents where ledger_id = $1 and stream_id = $2`, ledger, stream).Scan(&b))
		return b
	}
	_, err := read(stream)
	require.ErrorIs(t, err, ErrNoDocument)
	for range 2 { // the same again is the same
		require.NoError(t, s.PutDocument(t.Context(), ledger, stream, "customer:ada", file))
		got, err := read(stream)
		require.NoError(t, err)
		require.Equal(t, file, got)
		require.False(t, bytes.Contains(stored(stream), []byte("Ada")))
	}
	_, err = s.Document(t.Context(), other, stream, sum[:])
	require.ErrorIs(t, err, ErrNoDocument)

	plain := uuid.New()
	require.NoError(t, s.PutDocument(t.Context(), ledger, plain, "", file))
	require.Equal(t, file, stored(plain))
	require.NoError(t, s.PutDocument(t.Context(), ledger, plain, "", []byte("of who came too late")))
	require.NoError(t, s.KeepOnlyDocument(t.Context(), ledger, plain, sum[:]))
	require.Equal(t, file, stored(plain))

	// Rule 9: what was moved or altered is not read, nor what its row claims to be.
	bob := uuid.New()
	require.NoError(t, s.PutDocument(t.Context(), ledger, bob, "customer:bob", file))
	change := func(sql string, args ...any) {
		tag, err := s.pool.Exec(t.Context(), sql, append([]any{ledger, bob}, args...)...)
		require.NoError(t, err)
		require.EqualValues(t, 1, tag.RowsAffected())
	}
	for name, sql := range map[string]string{
		"a byte":          `update documents set bytes = set_byte(bytes, 20, get_byte(bytes, 20) # 1) where ledger_id = $1 and stream_id = $2`,
		"another's bytes": `update documents d set bytes = x.bytes, key_id = x.key_id from documents x where d.ledger_id = $1 and d.stream_id = $2 and x.stream_id = $3`,
		"plain bytes":     `update documents set key_id = null where ledger_id = $1 and stream_id = $2`,
		"no such key":     `update documents set key_id = gen_random_uuid() where ledger_id = $1 and stream_id = $2`,
	} {
		require.NoError(t, s.PutDocument(t.Context(), ledger, bob, "customer:bob", file))
		if name == "another's bytes" {
			change(sql, stream)
		} else {
			change(sql)
		}
		_, err := read(bob)
		require.ErrorIs(t, err, ErrDocumentDamaged, name)
	}
	require.NoError(t, s.PutDocument(t.Context(), ledger, bob, "customer:bob", file))

	_, err = s.EraseSubject(t.Context(), ledger, "customer:ada")
	require.NoError(t, err)
	_, err = read(stream)
	require.ErrorIs(t, err, ErrDocumentErased)
	for _, still := range []uuid.UUID{plain, bob} {
		got, err := read(still)
		require.NoError(t, err)
		require.Equal(t, file, got)
	}
}
