package salable

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	k1 "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/cache"
)

// Opened keys of a ledger take some bytes; all together no more than signingBytes, and what they signed no more than
// signedBytes.
const (
	signingKeyBytes = 1500
	signingBytes    = 32 << 20
	signedBytes     = 16 << 20
)

// Signer signs answers to licence checks with an organisation's keys, which never change: secp256k1 for v1,
// P-256 for v2 and v3, both over SHA-256. It keeps opened keys by ledger.
type Signer struct {
	pool   *pgxpool.Pool
	master eventstore.MasterKey
	opened *cache.Cache[uuid.UUID, *signingKeys]
	signed *cache.Cache[string, string] // signatures of v1, by ledger and what was signed
}

type signingKeys struct {
	secp256k1 *secp256k1.PrivateKey
	public    string // uncompressed, in lower-case hex
	p256      *ecdsa.PrivateKey
	ledger    uuid.UUID
	signed    *cache.Cache[string, string] // the signer's
}

// NewSigner reads keys from the table organisations; pool needs the role subledger_app.
func NewSigner(pool *pgxpool.Pool, master eventstore.MasterKey) *Signer {
	return &Signer{pool: pool, master: master, opened: cache.New(signingBytes, func(uuid.UUID, *signingKeys) int { return signingKeyBytes }),
		signed: cache.New(signedBytes, func(key, signature string) int { return 64 + len(key) + len(signature) })}
}

// open makes a ledger's keys ready to sign.
func (s *Signer) open(ctx context.Context, ledger, organisation uuid.UUID) (*signingKeys, error) {
	if keys, ok := s.opened.Get(ledger); ok {
		return keys, nil
	}
	var public, private, p256 []byte
	err := s.pool.QueryRow(ctx, `select secp256k1_public, secp256k1_private, p256_private from organisations
		where organisation_id = $1 and $2 in (live_ledger_id, test_ledger_id)`, organisation, ledger).Scan(&public, &private, &p256)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("ledger %s is not of organisation %s", ledger, organisation)
	}
	if err != nil {
		return nil, fmt.Errorf("read the signing keys of %s: %w", organisation, err)
	}
	keys := &signingKeys{public: hex.EncodeToString(public), ledger: ledger, signed: s.signed}
	raw, err := s.master.Unwrap(private, eventstore.SigningPurpose(organisation, "secp256k1"))
	if err != nil {
		return nil, err
	}
	keys.secp256k1 = secp256k1.PrivKeyFromBytes(raw)
	if raw, err = s.master.Unwrap(p256, eventstore.SigningPurpose(organisation, "p256")); err != nil {
		return nil, err
	}
	if keys.p256, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), raw); err != nil {
		return nil, fmt.Errorf("read the signing key of %s: %w", organisation, err)
	}
	s.opened.Add(ledger, keys)
	return keys, nil
}

// signV1 is v1's signature of the names of capabilities joined by commas: deterministic and low-S, in DER, in
// lower-case hex. Lists of names are few, and most checks of a ledger ask for the same ones again.
func (k *signingKeys) signV1(capsHashed string) string {
	key := string(k.ledger[:]) + capsHashed
	if kept, ok := k.signed.Get(key); ok {
		return kept
	}
	digest := sha256.Sum256([]byte(capsHashed))
	signature := hex.EncodeToString(k1.Sign(k.secp256k1, digest[:]).Serialize())
	k.signed.Add(key, signature)
	return signature
}

// signV2 is v2's signature of the compact JSON text of the capabilities, in hex: DER, or r and s side by
// side (P1363, as browsers verify).
func (k *signingKeys) signV2(text []byte, p1363 bool) (string, error) {
	digest := sha256.Sum256(text)
	if !p1363 {
		der, err := ecdsa.SignASN1(rand.Reader, k.p256, digest[:])
		return hex.EncodeToString(der), err
	}
	r, s, err := ecdsa.Sign(rand.Reader, k.p256, digest[:])
	if err != nil {
		return "", err
	}
	var raw [64]byte
	r.FillBytes(raw[:32])
	s.FillBytes(raw[32:])
	return hex.EncodeToString(raw[:]), nil
}
