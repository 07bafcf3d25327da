package handlers

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/singleflight"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/apikey"
)

// A look-up is trusted for a second, which is how long a revoked key may still work. The bounds keep
// memory flat under guessed keys.
const (
	keyFreshness  = time.Second
	maxKnownKeys  = 10_000
	maxWrongKeys  = 10_000
	keyLookupTime = 2 * time.Second
)

// Keys opens ledgers: it answers which ledger an API key belongs to, from the table api_keys.
type Keys struct {
	pool    *pgxpool.Pool
	now     func() time.Time
	known   *lru.Cache[[sha256.Size]byte, keyEntry]
	wrong   *lru.Cache[[sha256.Size]byte, time.Time]
	flights singleflight.Group
}

type keyEntry struct {
	caller  Caller
	ends    time.Time // the earlier of expiry and ended_at; zero: never
	checked time.Time
}

// NewKeys looks keys up in pool; now is the process clock.
func NewKeys(pool *pgxpool.Pool, now func() time.Time) *Keys {
	known, err := lru.New[[sha256.Size]byte, keyEntry](maxKnownKeys)
	if err != nil {
		panic(err) // the size is a constant above
	}
	wrong, err := lru.New[[sha256.Size]byte, time.Time](maxWrongKeys)
	if err != nil {
		panic(err)
	}
	return &Keys{pool: pool, now: now, known: known, wrong: wrong}
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
	if !ok || now.Sub(entry.checked) >= keyFreshness {
		if at, ok := k.wrong.Get(hash); ok && now.Sub(at) < keyFreshness {
			return Caller{}, refusedKey()
		}
		var err error
		if entry, err = k.lookUp(ctx, hash, now); err != nil {
			return Caller{}, err
		}
	}
	if !entry.ends.IsZero() && !now.Before(entry.ends) {
		return Caller{}, refusedKey()
	}
	return entry.caller, nil
}

// lookUp asks the database once for all who wait for the same key, so that the first of them to go
// away does not fail the others.
func (k *Keys) lookUp(ctx context.Context, hash [sha256.Size]byte, now time.Time) (keyEntry, error) {
	result := k.flights.DoChan(string(hash[:]), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keyLookupTime)
		defer cancel()
		entry, err := k.query(ctx, hash)
		entry.checked = now
		switch {
		case err == nil:
			k.known.Add(hash, entry)
		case errors.Is(err, pgx.ErrNoRows):
			k.known.Remove(hash)
			k.wrong.Add(hash, now)
			err = refusedKey()
		default:
			err = fmt.Errorf("look up an API key: %w", err)
		}
		return entry, err
	})
	select {
	case <-ctx.Done():
		return keyEntry{}, ctx.Err()
	case r := <-result:
		if r.Err != nil {
			return keyEntry{}, r.Err
		}
		return r.Val.(keyEntry), nil
	}
}

func (k *Keys) query(ctx context.Context, hash [sha256.Size]byte) (keyEntry, error) {
	var (
		entry        keyEntry
		stored       []byte
		organisation *uuid.UUID
		ends         *time.Time
	)
	err := k.pool.QueryRow(ctx, `
		select hash, key_id, organisation_id, ledger_id, mode, scopes, least(expires_at, ended_at)
		from api_keys where hash = $1`, hash[:]).
		Scan(&stored, &entry.caller.KeyID, &organisation, &entry.caller.Ledger, &entry.caller.Mode, &entry.caller.Scopes, &ends)
	if err != nil {
		return entry, err
	}
	if subtle.ConstantTimeCompare(stored, hash[:]) != 1 {
		return entry, pgx.ErrNoRows
	}
	if organisation != nil {
		entry.caller.Organisation = *organisation
	}
	if ends != nil {
		entry.ends = *ends
	}
	return entry, nil
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
