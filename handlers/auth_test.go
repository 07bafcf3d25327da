package handlers

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/apikey"
	"github.com/subledger/subledger/internal/pgtest"
)

// Keys that are in use are asked for together once a second; one that is gone meanwhile is refused
// then, the others go on.
func TestKeysInUseAreAskedForTogether(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.June, 1, 12, 0, 0, 0, time.UTC)
	pool := pgtest.Pool(t, pgtest.New(t).URL)
	keys := NewKeys(pool, func() time.Time { return now })
	ledger := uuid.New()
	_, err := pool.Exec(t.Context(), "alter table api_keys drop constraint api_keys_ledger_id_fkey")
	require.NoError(t, err)
	var secrets []string
	for i := range 20 {
		k, err := apikey.New("test", bytes.NewReader(bytes.Repeat([]byte{byte(i + 1)}, 32)))
		require.NoError(t, err)
		_, err = pool.Exec(t.Context(), `insert into api_keys (hash, key_id, organisation_id, ledger_id, mode, name, hint, scopes, created_at)
			values ($1, $2, $3, $4, 'test', 'k', 'k', '{catalog:write}', now())`, k.Hash[:], uuid.New(), uuid.New(), ledger)
		require.NoError(t, err)
		secrets = append(secrets, k.Secret)
		caller, err := keys.Open(t.Context(), k.Secret)
		require.NoError(t, err)
		require.Equal(t, ledger, caller.Ledger)
		require.Equal(t, []string{"catalog:write"}, caller.Scopes)
	}
	gone := apikey.Hash(secrets[7])
	_, err = pool.Exec(t.Context(), "delete from api_keys where hash = $1", gone[:])
	require.NoError(t, err)
	_, err = keys.Open(t.Context(), secrets[7])
	require.NoError(t, err, "it is trusted for a second")

	now = now.Add(keyFreshness)
	before := pool.Stat().AcquireCount()
	var wg sync.WaitGroup
	for i, secret := range secrets {
		wg.Go(func() {
			_, err := keys.Open(t.Context(), secret)
			if i == 7 {
				assert.ErrorIs(t, err, &domain.Error{Code: "unauthenticated"})
			} else {
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, pool.Stat().AcquireCount()-before, int64(2), "one question for all, and one for whoever came while it was asked")
}
