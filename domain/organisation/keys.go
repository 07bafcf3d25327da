package organisation

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// Modes of a key.
const (
	Live   = "live"
	Test   = "test"
	System = "system"
)

// MaxOverlap is the longest that a rolled key goes on working.
const MaxOverlap = 30 * 24 * time.Hour

// IssueKey gives out an API key for one of an organisation's ledgers or, with the Organisation AdminKeys,
// the mode system and the scope admin alone, for the system ledger (rule O2). Retired spellings of
// scopes are kept as today's. It answers KeyView.
//
// NotFound: no_organisation. Invalid: bad_mode, bad_name, bad_hash, bad_hint, bad_scope, bad_expiry.
// Conflict: key_exists.
type IssueKey struct {
	Organisation uuid.UUID
	KeyID        uuid.UUID
	Mode         string // live, test, system
	Name         string
	Hash         []byte // SHA-256 of the whole secret
	Hint         string
	Scopes       []string
	ExpiresAt    *time.Time
}

// Decide implements domain.Command.
func (c IssueKey) Decide(l domain.Ledger) (any, error) {
	s, err := holder(l, c.Organisation)
	if err != nil {
		return nil, err
	}
	e, err := c.issued(l, s)
	if err != nil {
		return nil, err
	}
	claimHash(l, e.Hash, e.KeyID)
	l.Append(c.Organisation, e)
	return showKey(l, c.Organisation, c.KeyID)
}

// holder is the stream of keys; nil for admin keys before the first one.
func holder(l domain.Ledger, organisation uuid.UUID) (*State, error) {
	if organisation != AdminKeys {
		return domain.LoadAs[*State](l, organisation, "no_organisation")
	}
	state, err := l.Load(AdminKeys)
	s, _ := state.(*State)
	return s, err
}

func (c IssueKey) issued(l domain.Ledger, s *State) (KeyIssued, error) {
	var bad domain.Problems
	e := KeyIssued{KeyID: c.KeyID, LedgerID: l.ID(), Mode: c.Mode, Name: c.Name, Hash: slices.Clone(c.Hash), Hint: c.Hint}
	if c.Organisation == AdminKeys {
		bad.OneOf("/mode", "bad_mode", c.Mode, System)
	} else {
		bad.OneOf("/mode", "bad_mode", c.Mode, Live, Test)
		if e.LedgerID = s.Created.Live.ID; c.Mode == Test {
			e.LedgerID = s.Created.Test.ID
		}
	}
	bad.Line("/name", "bad_name", c.Name)
	checkSecret(&bad, c.Hash, c.Hint)
	e.Scopes = c.canonicalScopes(&bad)
	if c.ExpiresAt != nil {
		at := c.ExpiresAt.UTC().Truncate(time.Microsecond)
		if e.ExpiresAt = &at; !at.After(l.Now()) || at.Year() > 9999 {
			bad.Add("/expiresAt", "bad_expiry", "a key expires in the future, in the year 9999 at the latest")
		}
	}
	if err := bad.Refusal(); err != nil {
		return e, err
	}
	return e, unused(s, c.KeyID)
}

// canonicalScopes: admin opens the system ledger and nothing else does (rule O2).
func (c IssueKey) canonicalScopes(bad *domain.Problems) []string {
	if len(c.Scopes) == 0 {
		bad.Add("/scopes", "bad_scope", "a key has one scope or more")
	}
	var all []string
	for i, asked := range c.Scopes {
		scope, ok := CanonicalScope(asked)
		switch pointer := fmt.Sprintf("/scopes/%d", i); {
		case !ok:
			bad.Add(pointer, "bad_scope", "%.40q is no scope; there are %s", asked, strings.Join(c.grantable(), ", "))
		case (scope == AdminScope) != (c.Organisation == AdminKeys):
			bad.Add(pointer, "bad_scope", "admin keys have the scope admin alone, and belong to no organisation") // rule O2
		case !slices.Contains(all, scope):
			all = append(all, scope)
		}
	}
	return all
}

// grantable lists the scopes that a key of this organisation may have.
func (c IssueKey) grantable() []string {
	if c.Organisation == AdminKeys {
		return []string{AdminScope}
	}
	return slices.DeleteFunc(Scopes(), func(scope string) bool { return scope == AdminScope })
}

func checkSecret(bad *domain.Problems, hash []byte, hint string) {
	if len(hash) != sha256.Size {
		bad.Add("/hash", "bad_hash", "it is no SHA-256")
	}
	bad.Line("/hint", "bad_hint", hint)
}

func unused(s *State, id uuid.UUID) error {
	if s != nil && s.keys[id] != nil {
		return &domain.Error{Kind: domain.Conflict, Code: "key_exists", State: id.String(), Detail: "the key's id is taken"}
	}
	return nil
}

func claimHash(l domain.Ledger, hash []byte, key uuid.UUID) {
	l.Claim("key.hash", hex.EncodeToString(hash), key,
		&domain.Error{Kind: domain.Conflict, Code: "key_exists", State: "secret", Detail: "the secret is taken"})
}

func showKey(l domain.Ledger, organisation, id uuid.UUID) (any, error) {
	s, err := domain.LoadAs[*State](l, organisation, "no_organisation")
	if err != nil {
		return nil, err
	}
	v, _ := s.Key(id, l.Now())
	return v, nil
}

// findKey loads a key. NotFound: no_key, whatever is missing.
func findKey(l domain.Ledger, organisation, id uuid.UUID) (*key, error) {
	s, err := domain.LoadAs[*State](l, organisation, "no_key")
	if err != nil {
		return nil, err
	}
	if k := s.keys[id]; k != nil {
		return k, nil
	}
	return nil, domain.Refuse(domain.NotFound, "no_key", "%s is not known here", id)
}

// RevokeKey ends a key now, an overlap too; one that has ended makes no event. It answers KeyView.
//
// NotFound: no_key.
type RevokeKey struct {
	Organisation uuid.UUID
	KeyID        uuid.UUID
}

// Decide implements domain.Command.
func (c RevokeKey) Decide(l domain.Ledger) (any, error) {
	k, err := findKey(l, c.Organisation, c.KeyID)
	if err != nil {
		return nil, err
	}
	if end := k.endsAt(); end == nil || l.Now().Before(*end) {
		l.Append(c.Organisation, KeyEnds{KeyID: c.KeyID, At: l.Now(), Reason: KeyRevoked})
	}
	return showKey(l, c.Organisation, c.KeyID)
}

// RollKey issues a new key like an old one, which ends after the overlap, 0 to 30 days (rule O4). It
// answers the new key's KeyView.
//
// NotFound: no_key. Invalid: bad_hash, bad_hint, bad_overlap. Conflict: key_ended, already_rolled, key_exists.
type RollKey struct {
	Organisation uuid.UUID
	KeyID        uuid.UUID
	NewKeyID     uuid.UUID
	Hash         []byte
	Hint         string
	Overlap      time.Duration
}

// Decide implements domain.Command.
func (c RollKey) Decide(l domain.Ledger) (any, error) {
	old, err := findKey(l, c.Organisation, c.KeyID)
	if err != nil {
		return nil, err
	}
	s, err := holder(l, c.Organisation)
	if err != nil {
		return nil, err
	}
	var bad domain.Problems
	checkSecret(&bad, c.Hash, c.Hint)
	if c.Overlap < 0 || c.Overlap > MaxOverlap {
		bad.Add("/overlap", "bad_overlap", "an overlap is 0 to %s", MaxOverlap)
	}
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	now := l.Now()
	if end := old.endsAt(); end != nil && !now.Before(*end) {
		return nil, &domain.Error{Kind: domain.Conflict, Code: "key_ended", State: end.Format(time.RFC3339Nano),
			Detail: "the key ended: issue a new one"}
	}
	if old.ends != nil {
		return nil, &domain.Error{Kind: domain.Conflict, Code: "already_rolled", State: old.ends.At.Format(time.RFC3339Nano),
			Detail: "the key has a successor already"}
	}
	if err := unused(s, c.NewKeyID); err != nil {
		return nil, err
	}
	next := old.issued
	next.KeyID, next.Hash, next.Hint, next.Scopes = c.NewKeyID, slices.Clone(c.Hash), c.Hint, slices.Clone(next.Scopes)
	claimHash(l, next.Hash, next.KeyID)
	l.Append(c.Organisation, next, KeyEnds{KeyID: c.KeyID, At: now.Add(c.Overlap).Truncate(time.Microsecond), Reason: KeyRolled})
	return showKey(l, c.Organisation, c.NewKeyID)
}
