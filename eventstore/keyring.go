package eventstore

import (
	"context"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/cache"
)

// subjectKey encrypts the personal fields of one subject. A subject may have several (each process
// makes its own when it does not remember one), so making one needs no look-up; erasing a subject
// destroys them all.
type subjectKey struct {
	id      uuid.UUID
	aead    cipher.AEAD // nil once destroyed
	subject []byte      // HMAC of the subject's name
	wrapped []byte
	savedIn int64 // the reading of its ledger since which its row is known to be in the database; 0: none
}

type ledgerKey struct {
	raw  [32]byte
	aead cipher.AEAD
}

type keyName struct{ ledger, key uuid.UUID }

type subjectName struct {
	ledger  uuid.UUID
	subject string
}

// keyring remembers keys; all of it can be read again from the database.
type keyring struct {
	master  MasterKey
	ledgers *cache.Cache[uuid.UUID, *ledgerKey]
	byID    *cache.Cache[keyName, *subjectKey]
	current *cache.Cache[subjectName, *subjectKey] // which key new fields of a subject use

	erasures atomic.Int64 // that this process learnt of: what was read before one may be too much
}

// keyBytes is a key in memory, most of it the cipher's tables.
const keyBytes = 1000

func newKeyring(master MasterKey, bytes int) *keyring {
	return &keyring{master: master,
		ledgers: cache.New(bytes/4, func(uuid.UUID, *ledgerKey) int { return keyBytes }),
		byID:    cache.New(bytes/2, func(keyName, *subjectKey) int { return keyBytes }),
		current: cache.New(bytes/4, func(n subjectName, _ *subjectKey) int { return keyBytes + len(n.subject) }),
	}
}

// errForgotten is a key that is not in memory: it was never fetched, or evicted since, or there is none.
var errForgotten = errors.New("the key is not in memory")

func ledgerKeyPurpose(ledger uuid.UUID) string { return "ledger key " + ledger.String() }

// load gives a ledger's key, from the database unless it is known.
func (k *keyring) load(ctx context.Context, db querier, ledger uuid.UUID) (*ledgerKey, error) {
	if key, ok := k.ledgers.Get(ledger); ok {
		return key, nil
	}
	var wrapped []byte
	err := db.QueryRow(ctx, `select wrapped_key from ledgers where ledger_id = $1`, ledger).Scan(&wrapped)
	if err != nil {
		return nil, fmt.Errorf("read the key of ledger %s: %w", ledger, err)
	}
	raw, err := k.master.Unwrap(wrapped, ledgerKeyPurpose(ledger))
	if err != nil {
		return nil, err
	}
	key := &ledgerKey{aead: newAEAD(raw)}
	copy(key.raw[:], raw)
	k.ledgers.Add(ledger, key)
	return key, nil
}

// forSubject gives the key for a subject's next field; made is true when its row must be written in
// the same append, unless it is there: what was saved before the ledger was read anew may be gone with the history
// that it came with. Without the ledger's key it is a *miss.
func (k *keyring) forSubject(ledger uuid.UUID, subject string, reading int64) (key *subjectKey, made bool, err error) {
	name := subjectName{ledger, subject}
	if key, ok := k.current.Get(name); ok && key.aead != nil {
		return key, key.savedIn != reading, nil
	}
	lk, ok := k.ledgers.Get(ledger)
	if !ok {
		return nil, false, &miss{ledger: true}
	}
	raw := make([]byte, 32)
	rand.Read(raw)
	id, err := uuid.NewRandom()
	if err != nil {
		return nil, false, err
	}
	key = &subjectKey{id: id, aead: newAEAD(raw), subject: lk.subjectHash(subject), wrapped: seal(lk.aead, raw, id[:])}
	k.current.Add(name, key)
	return key, true, nil
}

func (lk *ledgerKey) subjectHash(subject string) []byte {
	mac := hmac.New(sha256.New, lk.raw[:])
	mac.Write([]byte(subject))
	return mac.Sum(nil)
}

// saved notes that the rows of new keys are committed: from now on others may read what they sealed.
func (k *keyring) saved(ls *ledgerState, keys []*subjectKey) {
	for _, key := range keys {
		key.savedIn = ls.reading
		k.byID.Add(keyName{ls.id, key.id}, key)
	}
}

// fetch reads the keys that are not known. A destroyed key is known as one without cipher; a key
// without a row is a fault of the data.
func (k *keyring) fetch(ctx context.Context, db querier, ledger uuid.UUID, ids []uuid.UUID) error {
	var missing []uuid.UUID
	for _, id := range ids {
		if _, ok := k.byID.Get(keyName{ledger, id}); !ok {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	lk, err := k.load(ctx, db, ledger)
	if err != nil {
		return err
	}
	erasures := k.erasures.Load()
	rows, err := db.Query(ctx, `select key_id, subject, wrapped_key from subject_keys where ledger_id = $1 and key_id = any($2)`, ledger, missing)
	if err != nil {
		return fmt.Errorf("read subject keys: %w", err)
	}
	var key subjectKey
	_, err = pgx.ForEachRow(rows, []any{&key.id, &key.subject, &key.wrapped}, func() error {
		found := key
		if found.wrapped != nil {
			raw, err := open(lk.aead, found.wrapped, found.id[:])
			if err != nil {
				return fmt.Errorf("subject key %s does not open: %w", found.id, err)
			}
			found.aead = newAEAD(raw)
		}
		k.byID.Add(keyName{ledger, found.id}, &found)
		key = subjectKey{}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read subject keys: %w", err)
	}
	if k.erasures.Load() == erasures {
		return nil
	}
	for _, id := range missing { // one of them may have been destroyed while it was read
		k.byID.Remove(keyName{ledger, id})
	}
	return k.fetch(ctx, db, ledger, ids)
}

// forget drops the subjects' keys of ledgers; without any, of all.
func (k *keyring) forget(ledgers ...uuid.UUID) {
	k.erasures.Add(1) // first: whoever reads keys meanwhile reads them again
	for _, name := range k.current.Keys() {
		if len(ledgers) == 0 || slices.Contains(ledgers, name.ledger) {
			k.current.Remove(name)
		}
	}
	for _, name := range k.byID.Keys() {
		if len(ledgers) == 0 || slices.Contains(ledgers, name.ledger) {
			k.byID.Remove(name)
		}
	}
}

// erasedText stands for a value whose key is gone; values of different keys stay different.
func erasedText(key uuid.UUID) domain.Personal {
	return domain.Personal{Subject: domain.ErasedSubject, Text: domain.ErasedPrefix + key.String()}
}

// querier is what a pool, a connection and a transaction have in common.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}
