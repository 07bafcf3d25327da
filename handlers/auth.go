package handlers

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/singleflight"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/apikey"
	"github.com/subledger/subledger/internal/cache"
)

// A look-up is trusted for a second, which is how long a revoked key may still work. The bounds keep
// memory flat under guessed keys.
const (
	keyFreshness  = time.Second
	knownKeyBytes = 32 << 20
	wrongKeyBytes = 2 << 20
	keyLookupTime = 2 * time.Second
)

// Keys opens ledgers: it answers which ledger an API key belongs to, from the table api_keys.
type Keys struct {
	pool    *pgxpool.Pool
	now     func() time.Time
	known   *cache.Cache[[sha256.Size]byte, *keyEntry]
	wrong   *cache.Cache[[sha256.Size]byte, time.Time]
	flights singleflight.Group
}

// keyEntry is what the table said of a key; but for used it never changes.
type keyEntry struct {
	caller  Caller
	ends    time.Time // the earlier of expiry and ended_at; zero: never
	checked time.Time
	used    atomic.Bool // since it was checked
}

// NewKeys looks keys up in pool; now is the process clock.
func NewKeys(pool *pgxpool.Pool, now func() time.Time) *Keys {
	return &Keys{pool: pool, now: now, known: cache.New(knownKeyBytes, entryBytes),
		wrong: cache.New(wrongKeyBytes, func([sha256.Size]byte, time.Time) int { return 64 })}
}

func entryBytes(_ [sha256.Size]byte, e *keyEntry) int {
	n := 256
	for _, s := range e.caller.Scopes {
		n += 16 + len(s)
	}
	return n
}

// refusedKey is the same answer whatever is wrong with a key.
func refusedKey() *domain.Error {
	return domain.Refuse(domain.Unauthenticated, "unauthenticated", "a valid API key is required")
}

// Open finds the caller of a secret, or refuses with unauthenticated.
func (k *Keys) Open(ctx context.Context, secret string) (Caller, error) {
	if !apikey.Plausible(secret) {
		return Caller{}, refusedKey()
	}
	hash, now := apikey.Hash(secret), k.now()
	entry, ok := k.known.Get(hash)
	if !ok || !fresh(entry.checked, now) {
		if at, ok := k.wrong.Get(hash); ok && fresh(at, now) {
			return Caller{}, refusedKey()
		}
		if ok {
			entry.used.Store(true)
		}
		var err error
		if entry, err = k.lookUp(ctx, hash, ok, now); err != nil {
			return Caller{}, err
		}
	}
	if !entry.used.Load() {
		entry.used.Store(true)
	}
	if !entry.ends.IsZero() && !now.Before(entry.ends) {
		return Caller{}, refusedKey()
	}
	return entry.caller, nil
}

// lookUp asks the database once for all who wait for the same key, so that the first of them to go
// away does not fail the others. A key that was known is asked for together with all others in use:
// a thousand busy keys are one query a second.
func (k *Keys) lookUp(ctx context.Context, hash [sha256.Size]byte, known bool, now time.Time) (*keyEntry, error) {
	flight := "all in use"
	if !known {
		flight = string(hash[:])
	}
	result := k.flights.DoChan(flight, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keyLookupTime)
		defer cancel()
		hashes := [][]byte{hash[:]}
		if known {
			hashes = k.inUse(hash, now)
		}
		err := k.query(ctx, hashes, now)
		if err != nil {
			err = fmt.Errorf("look up API keys: %w", err)
		}
		return nil, err
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
	}
	if entry, ok := k.known.Get(hash); ok && fresh(entry.checked, now) {
		return entry, nil
	}
	if _, wrong := k.wrong.Peek(hash); known && !wrong { // it came into use while the others were asked for
		return k.lookUp(ctx, hash, false, now)
	}
	return nil, refusedKey()
}

func fresh(checked, now time.Time) bool { return now.Sub(checked) < keyFreshness }

// inUse lists the key and the others that were used since they were checked and will need it soon.
func (k *Keys) inUse(hash [sha256.Size]byte, now time.Time) [][]byte {
	hashes := [][]byte{hash[:]}
	for _, other := range k.known.Keys() {
		entry, ok := k.known.Peek(other)
		if ok && other != hash && entry.used.Load() && now.Sub(entry.checked) >= keyFreshness/2 {
			hashes = append(hashes, other[:])
		}
	}
	return hashes
}

// query asks for keys and remembers which are known and which are not. What is compared on the way are
// hashes of random secrets: how long that takes tells nothing of a secret.
func (k *Keys) query(ctx context.Context, hashes [][]byte, now time.Time) error {
	rows, err := k.pool.Query(ctx, `
		select hash, key_id, organisation_id, ledger_id, mode, scopes, least(expires_at, ended_at)
		from api_keys where hash = any($1)`, hashes)
	if err != nil {
		return err
	}
	found := map[[sha256.Size]byte]*keyEntry{}
	var (
		stored       []byte
		caller       Caller
		organisation *uuid.UUID
		ends         *time.Time
	)
	_, err = pgx.ForEachRow(rows, []any{&stored, &caller.KeyID, &organisation, &caller.Ledger, &caller.Mode, &caller.Scopes, &ends}, func() error {
		entry := &keyEntry{caller: caller, checked: now}
		entry.caller.Scopes = slices.Clone(caller.Scopes)
		if organisation != nil {
			entry.caller.Organisation = *organisation
		}
		if ends != nil {
			entry.ends = *ends
		}
		if len(stored) == sha256.Size {
			found[[sha256.Size]byte(stored)] = entry
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, h := range hashes {
		hash := [sha256.Size]byte(h)
		entry, ok := found[hash]
		if !ok {
			k.known.Remove(hash)
			k.wrong.Add(hash, now)
			continue
		}
		k.wrong.Remove(hash)
		k.known.Add(hash, entry)
	}
	return nil
}

// secretOf reads the key from the one header that carries it.
func secretOf(r *http.Request) (string, error) {
	keys, bearers := r.Header.Values("X-Api-Key"), r.Header.Values("Authorization")
	switch {
	case len(keys)+len(bearers) > 1:
		return "", domain.Refuse(domain.Malformed, "two_keys", "send one API key, in x-api-key or as Authorization: Bearer")
	case len(keys) == 1:
		return keys[0], nil
	case len(bearers) == 1:
		scheme, secret, _ := strings.Cut(bearers[0], " ")
		if strings.EqualFold(scheme, "Bearer") {
			return strings.TrimSpace(secret), nil
		}
	}
	return "", refusedKey()
}
