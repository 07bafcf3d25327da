package eventstore

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/subledger/subledger/domain/organisation"
)

// ErrMasterKey tells that the master key is not the one that this database was made with.
var ErrMasterKey = errors.New("this is not the master key that the database was made with; nothing can be decrypted without that one")

// ErrNotBootstrapped tells that the database has no system ledger yet.
var ErrNotBootstrapped = errors.New("the database is not set up; run: subledger migrate up")

const checkPurpose = "installation check"

// Bootstrapped tells whether the database has a system ledger, and so a master key of its own.
func Bootstrapped(ctx context.Context, db querier) (bool, error) {
	var done bool
	err := db.QueryRow(ctx, `select exists (select from installation)`).Scan(&done)
	return done, err
}

// Bootstrap makes the system ledger of a new database and binds it to the master key; done before, it
// only checks the key. It needs the owner's rights.
func Bootstrap(ctx context.Context, db interface {
	querier
	Begin(context.Context) (pgx.Tx, error)
}, master MasterKey) error {
	done, err := Bootstrapped(ctx, db)
	if err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	if !done {
		if err := bootstrap(ctx, db, master); err != nil {
			return err
		}
	}
	_, err = readInstallation(ctx, db, master)
	return err
}

func bootstrap(ctx context.Context, db interface {
	Begin(context.Context) (pgx.Tx, error)
}, master MasterKey) error {
	key, err := newLedgerKey(master)
	if err != nil {
		return err
	}
	tx, err := db.Begin(ctx)
	if err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	defer tx.Rollback(ctx)
	// Two processes that start at once: the second waits here and then finds it done.
	if _, err := tx.Exec(ctx, `lock table installation in share row exclusive mode`); err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	if done, err := Bootstrapped(ctx, tx); err != nil || done {
		return err
	}
	if err := insertLedger(ctx, tx, key, uuid.Nil, "system"); err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	_, err = tx.Exec(ctx, `insert into installation (system_ledger_id, master_key_check) values ($1, $2)`,
		key.ID, master.Wrap(key.ID[:], checkPurpose))
	if err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	return tx.Commit(ctx)
}

func readInstallation(ctx context.Context, db querier, master MasterKey) (uuid.UUID, error) {
	var system uuid.UUID
	var check []byte
	err := db.QueryRow(ctx, `select system_ledger_id, master_key_check from installation`).Scan(&system, &check)
	var pg *pgconn.PgError
	switch {
	case isNoRows(err), errors.As(err, &pg) && pg.Code == "42P01":
		return uuid.Nil, ErrNotBootstrapped
	case err != nil:
		return uuid.Nil, fmt.Errorf("read the installation: %w", err)
	}
	if plain, err := master.Unwrap(check, checkPurpose); err != nil || uuid.UUID(plain) != system {
		return uuid.Nil, ErrMasterKey
	}
	return system, nil
}

// insertLedger begins a ledger at the epoch, so that a test clock may start at any time after it.
func insertLedger(ctx context.Context, tx executor, key organisation.LedgerKey, org uuid.UUID, mode string) error {
	_, err := tx.Exec(ctx, `insert into ledgers (ledger_id, organisation_id, mode, head, recorded_at, wrapped_key)
		values ($1, $2, $3, $4, 'epoch', $5)`, key.ID, org, mode, make([]byte, 32), key.WrappedKey)
	return err
}

type executor interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// applySystem writes the look-ups of the system ledger's events in the transaction of their append
// (design section 3, rule 13).
func (s *Store) applySystem(ctx context.Context, tx executor, events []*Recorded) error {
	for _, r := range events {
		var err error
		switch e := r.Event.(type) {
		case organisation.Created:
			if err = insertLedger(ctx, tx, e.Live, r.Stream, "live"); err != nil {
				break
			}
			if err = insertLedger(ctx, tx, e.Test, r.Stream, "test"); err != nil {
				break
			}
			_, err = tx.Exec(ctx, `insert into organisations (organisation_id, name, currency, time_zone, live_ledger_id, test_ledger_id,
					secp256k1_public, secp256k1_private, p256_public, p256_private, created_at)
				values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
				r.Stream, e.Name, e.Currency, e.TimeZone, e.Live.ID, e.Test.ID,
				e.Secp256k1.Public, e.Secp256k1.Private, e.P256.Public, e.P256.Private, r.RecordedAt)
		case organisation.KeyIssued:
			var org *uuid.UUID
			if e.Mode != "system" {
				org = &r.Stream
			}
			_, err = tx.Exec(ctx, `insert into api_keys (hash, key_id, organisation_id, ledger_id, mode, name, hint, scopes, created_at, expires_at)
				values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
				e.Hash, e.KeyID, org, e.LedgerID, e.Mode, e.Name, e.Hint, e.Scopes, r.RecordedAt, e.ExpiresAt)
		case organisation.KeyEnds:
			_, err = tx.Exec(ctx, `update api_keys set ended_at = $2, end_reason = $3 where key_id = $1`, e.KeyID, e.At, e.Reason)
		}
		if err != nil {
			return fmt.Errorf("write the look-up of %s: %w", r.Type, err)
		}
	}
	return nil
}

func newLedgerKey(master MasterKey) (organisation.LedgerKey, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return organisation.LedgerKey{}, err
	}
	return wrapLedgerKey(master, id), nil
}

func wrapLedgerKey(master MasterKey, id uuid.UUID) organisation.LedgerKey {
	raw := make([]byte, 32)
	rand.Read(raw)
	return organisation.LedgerKey{ID: id, WrappedKey: master.Wrap(raw, ledgerKeyPurpose(id))}
}

// SigningPurpose binds a wrapped signing key to its organisation and curve.
func SigningPurpose(org uuid.UUID, curve string) string {
	return "signing key " + curve + " " + org.String()
}

// NewOrganisation prepares the command that makes an organisation with ledgers of the given ids: fresh
// data keys and signing keys, wrapped by the master key. Publics are uncompressed points.
func (s *Store) NewOrganisation(id, live, test uuid.UUID, name, currency, zone string) (organisation.Create, error) {
	k1, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		return organisation.Create{}, fmt.Errorf("make a signing key: %w", err)
	}
	r1, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return organisation.Create{}, fmt.Errorf("make a signing key: %w", err)
	}
	r1Private, err := r1.Bytes()
	if err != nil {
		return organisation.Create{}, fmt.Errorf("make a signing key: %w", err)
	}
	r1Public, err := r1.PublicKey.Bytes()
	if err != nil {
		return organisation.Create{}, fmt.Errorf("make a signing key: %w", err)
	}
	master := s.keys.master
	return organisation.Create{
		ID: id, Name: name, Currency: currency, TimeZone: zone,
		Live: wrapLedgerKey(master, live), Test: wrapLedgerKey(master, test),
		Secp256k1: organisation.SigningKey{Public: k1.PubKey().SerializeUncompressed(), Private: master.Wrap(k1.Serialize(), SigningPurpose(id, "secp256k1"))},
		P256:      organisation.SigningKey{Public: r1Public, Private: master.Wrap(r1Private, SigningPurpose(id, "p256"))},
	}, nil
}

// Master gives the master key to what derives or opens other keys with it.
func (s *Store) Master() MasterKey { return s.keys.master }
