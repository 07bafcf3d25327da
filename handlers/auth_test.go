package handlers

import (
	"bytes"
	"crypto/rand"
	"slices"
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

// Keys that are in use are asked for together once the system ledger has moved, and not before; one that is
// gone meanwhile is refused then, the others go on.
func TestKeysInUseAreAskedForTogether(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.June, 1, 12, 0, 0, 0, time.UTC)
	pool := pgtest.Pool(t, pgtest.New(t).URL)
	keys := NewKeys(pool, func() time.Time { return now })
	ledger := uuid.New()
	system := uuid.New()
	_, err := pool.Exec(t.Context(), "alter table api_keys drop constraint api_keys_ledger_id_fkey")
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), `insert into ledgers (ledger_id, organisation_id, mode, head, recorded_at, wrapped_key)
		values ($1, $2, 'system', $3, now(), '')`, system, uuid.Nil, make([]byte, 32))
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), `insert into installation (system_ledger_id, master_key_check) values ($1, '')`, system)
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
	_, err = pool.Exec(t.Context(), "update ledgers set head = $2, position = 1 where ledger_id = $1", system, bytes.Repeat([]byte{1}, 32))
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
	require.LessOrEqual(t, pool.Stat().AcquireCount()-before, int64(3), "one look at the system ledger, one question for all, and one for whoever came while it was asked")

	now = now.Add(keyFreshness)
	before = pool.Stat().AcquireCount()
	for i, secret := range secrets {
		if _, err := keys.Open(t.Context(), secret); i != 7 {
			require.NoError(t, err)
		}
	}
	require.Equal(t, int64(1), pool.Stat().AcquireCount()-before, "nothing moved: one look at the system ledger")
}

// keyTries is how many keys of each class are tried.
var keyTries = 1500

// How long a key is looked at tells nothing of it (B07): an unknown one, one that begins like a real one and
// one that ends like it take equally long, tried in turns.
func TestB07_TheTimeOfALookUpTellsNothing(t *testing.T) {
	pool := pgtest.Pool(t, pgtest.New(t).URL)
	_, err := pool.Exec(t.Context(), "alter table api_keys drop constraint api_keys_ledger_id_fkey")
	require.NoError(t, err)
	keys := NewKeys(pool, time.Now)
	real, err := apikey.New("test", rand.Reader)
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), `insert into api_keys (hash, key_id, organisation_id, ledger_id, mode, name, hint, scopes, created_at)
		values ($1, $2, $3, $4, 'test', 'k', 'k', '{}', now())`, real.Hash[:], uuid.New(), uuid.New(), uuid.New())
	require.NoError(t, err)
	classes := []string{"unknown", "right beginning", "right end"}
	took := map[string][]time.Duration{}
	for range keyTries {
		other, err := apikey.New("test", rand.Reader)
		require.NoError(t, err)
		n := len(real.Secret)
		guesses := []string{other.Secret, real.Secret[:n-8] + other.Secret[n-8:], other.Secret[:n-8] + real.Secret[n-8:]}
		for i, class := range classes {
			began := time.Now()
			_, err := keys.Open(t.Context(), guesses[i])
			took[class] = append(took[class], time.Since(began))
			require.ErrorIs(t, err, &domain.Error{Code: "unauthenticated"})
		}
	}
	median := func(class string) time.Duration {
		slices.Sort(took[class])
		return took[class][len(took[class])/2]
	}
	spread := took[classes[0]][:0:0]
	spread = append(spread, took[classes[0]]...)
	slices.Sort(spread)
	noise := spread[len(spread)*3/4] - spread[len(spread)/4] // half of the tries lie within
	for _, class := range classes[1:] {
		d := (median(class) - median(classes[0])).Abs()
		t.Logf("%s: median %s, %s from that of unknown keys; half of those lie within %s", class, median(class), d, noise)
		require.Less(t, d, noise, class)
	}
}
