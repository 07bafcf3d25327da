// Package organisation is the installation's own book, kept in the system ledger: organisations,
// their two ledgers, and the API keys that open them.
//
// Vocabulary: organisation, ledger, API key, scope, overlap.
//
// Rules:
//
//	O1 An organisation has a live and a test ledger from its first event on.
//	O2 A key opens one ledger, or with the scope `admin` the system ledger and nothing else. `admin` keys belong to no organisation.
//	O3 Only the SHA-256 of a key's secret is kept. A key ends by revocation or expiry, never by deletion.
//	O4 Rolling a key issues a new one with the same scopes; the old one ends after the overlap.
//	O5 A database that went back is used again only when an operator says so, and that is recorded.
package organisation

import (
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// LedgerKey is a new ledger and its data key, wrapped by the installation's master key.
type LedgerKey struct {
	ID         uuid.UUID `json:"id"`
	WrappedKey []byte    `json:"wrapped_key"`
}

// SigningKey signs entitlement checks; Private is wrapped by the master key. Public is the
// uncompressed point.
type SigningKey struct {
	Public  []byte `json:"public"`
	Private []byte `json:"private"`
}

// Created makes an organisation with its ledgers (rule O1).
type Created struct {
	Name      string     `json:"name"`
	Currency  string     `json:"currency"`
	TimeZone  string     `json:"time_zone"`
	Live      LedgerKey  `json:"live"`
	Test      LedgerKey  `json:"test"`
	Secp256k1 SigningKey `json:"secp256k1"` // v1 checks
	P256      SigningKey `json:"p256"`      // v2 and v3 checks
}

// KeyIssued gives out an API key. Admin keys are on a stream of their own, with the system ledger.
type KeyIssued struct {
	KeyID     uuid.UUID  `json:"key_id"`
	LedgerID  uuid.UUID  `json:"ledger_id"`
	Mode      string     `json:"mode"` // live, test, system
	Name      string     `json:"name"`
	Hash      []byte     `json:"hash"` // SHA-256 of the whole secret
	Hint      string     `json:"hint"` // the prefix and last four characters, to tell keys apart
	Scopes    []string   `json:"scopes"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// KeyEnds sets when a key stops working: now for a revocation, later for a roll's overlap.
type KeyEnds struct {
	KeyID  uuid.UUID `json:"key_id"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"` // revoked, rolled
}

// RestoreAcknowledged records that an operator let the installation go on although its database had gone back: a backup
// was restored, or a standby that was behind took over. What was acknowledged in between is gone.
type RestoreAcknowledged struct {
	Ledgers []TakenBack `json:"ledgers"` // those that are known to have gone back
}

// TakenBack is a ledger that had gone back: what was acknowledged of it, and where it stood when that was found.
type TakenBack struct {
	LedgerID uuid.UUID `json:"ledger_id"`
	Position int64     `json:"position"`
	Hash     []byte    `json:"hash"` // of the event at Position
	Found    int64     `json:"found"`
}

func (Created) EventType() string   { return "organisation.created.v1" }
func (KeyIssued) EventType() string { return "organisation.key_issued.v1" }
func (KeyEnds) EventType() string   { return "organisation.key_ends.v1" }

func (RestoreAcknowledged) EventType() string { return "organisation.restore_acknowledged.v1" }

// Vocabulary is for the log's codec.
func Vocabulary() domain.Vocabulary {
	return domain.Vocabulary{Kind: "organisation", New: func() domain.State { return &State{} },
		Events: []domain.EventType{domain.Named[Created](), domain.Named[KeyIssued](), domain.Named[KeyEnds](),
			domain.Named[RestoreAcknowledged]()}}
}

// AdminKeys is the stream of the installation's admin keys, and of its restores.
var AdminKeys = uuid.MustParse("00000000-0000-8000-8000-000000000001")
