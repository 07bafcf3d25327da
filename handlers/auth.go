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

// What the table said of a key holds while the system ledger stands where it stood: every change of a key
// is an event there. Where it stands is looked at once a second, which is how long a revoked key may still
// work. The bounds keep memory flat under guessed keys.
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
	wrong   *cache.Cache[[sha256.Size]byte, head]
	stand   atomic.Pointer[standing]
	flights singleflight.Group
}

// head is the hash of the system ledger's last event: the same hash is the same history.
type head [sha256.Size]byte

// standing is where the system ledger stood when it was looked at.
type standing struct {
	head head
	at   time.Time
}

// keyEntry is what the table said of a key; but for used it never changes.
type keyEntry struct {
	caller Caller
	ends   time.Time // the earlier of expiry and ended_at; zero: never
	asOf   head
	used   atomic.Bool // since it was asked for
}

// NewKeys looks keys up in pool; now is the process clock.
func NewKeys(pool *pgxpool.Pool, now func() time.Time) *Keys {
	return &Keys{pool: pool, now: now, known: cache.New(knownKeyBytes, entryBytes),
		wrong: cache.New(wrongKeyBytes, func([sha256.Size]byte, head) int { return 64 })}
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
	return domain.Refuse(domain.Unauthenticated, "unauthenticated", "a valid API key is required, in the header x-api-key or as Authorization: Bearer")
}

// Open finds the caller of a secret, or refuses with unauthenticated.
func (k *Keys) Open(ctx context.Context, secret string) (Caller, error) {
	if !apikey.Plausible(secret) {
		return Caller{}, refusedKey()
	}
	return k.openHash(ctx, apikey.Hash(secret))
}

func (k *Keys) openHash(ctx context.Context, hash [sha256.Size]byte) (Caller, error) {
	now := k.now()
	stand, err := k.standing(ctx, now)
	if err != nil {
		return Caller{}, err
	}
	entry, ok := k.known.Get(hash)
	if !ok || entry.asOf != stand {
		if asOf, ok := k.wrong.Get(hash); ok && asOf == stand {
			return Caller{}, refusedKey()
		}
		if ok {
			entry.used.Store(true)
		}
		if entry, err = k.lookUp(ctx, hash, ok, stand); err != nil {
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

// standing is the end of the system ledger as it was at most a second ago.
func (k *Keys) standing(ctx context.Context, now time.Time) (head, error) {
	if s := k.stand.Load(); s != nil && now.Sub(s.at) < keyFreshness {
		return s.head, nil
	}
	err := k.flight(ctx, "standing", func(ctx context.Context) error {
		if s := k.stand.Load(); s != nil && now.Sub(s.at) < keyFreshness {
			return nil // the flight before this one looked
		}
		s := &standing{at: now}
		var hash []byte
		err := k.pool.QueryRow(ctx, `select coalesce((select l.head from installation i join ledgers l on l.ledger_id = i.system_ledger_id), '')`).Scan(&hash)
		if err != nil {
			return fmt.Errorf("look at the system ledger: %w", err)
		}
		copy(s.head[:], hash)
		k.stand.Store(s)
		return nil
	})
	if err != nil {
		return head{}, err
	}
	return k.stand.Load().head, nil
}

// flight does something once for all who want it at the same time, so that the first of them to go away
// does not fail the others.
func (k *Keys) flight(ctx context.Context, name string, do func(context.Context) error) error {
	result := k.flights.DoChan(name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keyLookupTime)
		defer cancel()
		return nil, do(ctx)
	})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case r := <-result:
		return r.Err
	}
}

// lookUp asks the database for a key. A key that was known is asked for together with all others in use:
// a thousand busy keys are one query after a change of the system ledger.
func (k *Keys) lookUp(ctx context.Context, hash [sha256.Size]byte, known bool, stand head) (*keyEntry, error) {
	flight := "key " + string(hash[:])
	if known {
		flight = "all in use"
	}
	err := k.flight(ctx, flight, func(ctx context.Context) error {
		hashes := [][]byte{hash[:]}
		if known {
			hashes = k.inUse(hash, stand)
		}
		if err := k.query(ctx, hashes, stand); err != nil {
			return fmt.Errorf("look up API keys: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// The flight may have been another's, who saw the ledger later or earlier; what it found is true all the same.
	if entry, ok := k.known.Get(hash); ok && (!known || entry.asOf == stand) {
		return entry, nil
	}
	if _, wrong := k.wrong.Peek(hash); known && !wrong { // it came into use while the others were asked for
		return k.lookUp(ctx, hash, false, stand)
	}
	return nil, refusedKey()
}

// inUse lists the key and the others that were used since they were asked for and will need it soon.
func (k *Keys) inUse(hash [sha256.Size]byte, stand head) [][]byte {
	hashes := [][]byte{hash[:]}
	for _, other := range k.known.Keys() {
		entry, ok := k.known.Peek(other)
		if ok && other != hash && entry.used.Load() && entry.asOf != stand {
			hashes = append(hashes, other[:])
		}
	}
	return hashes
}

// query asks for keys and remembers which are known and which are not. What is compared on the way are
// hashes of random secrets: how long that takes tells nothing of a secret.
func (k *Keys) query(ctx context.Context, hashes [][]byte, stand head) error {
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
		entry := &keyEntry{caller: caller, asOf: stand}
		entry.caller.Scopes = slices.Clone(caller.Scopes)
		if organisation != nil {
			entry.caller.Organisation = *organisation
		}
		if ends != nil {
			entry.ends = *ends
		}
		if len(stored) == sha256.Size {
			entry.caller.keyHash = [sha256.Size]byte(stored)
			found[entry.caller.keyHash] = entry
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
			k.wrong.Add(hash, stand)
			continue
		}
		k.wrong.Remove(hash)
		k.known.Add(hash, entry)
	}
	return nil
}

// secretOf reads the key from the one header that carries it.
func secretOf(r *http.Request) (string, error) {
	keys, bearers := r.Header["X-Api-Key"], r.Header["Authorization"]
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
