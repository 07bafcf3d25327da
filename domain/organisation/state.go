package organisation

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// State is the fold of an organisation's stream, or of the installation's admin keys.
type State struct {
	domain.Record
	Created *Created // nil for the admin keys
	keys    map[uuid.UUID]*key
	order   []uuid.UUID
}

type key struct {
	issued    KeyIssued
	createdAt time.Time
	ends      *KeyEnds
}

// Apply implements domain.State.
func (s *State) Apply(e domain.Event) {
	switch e := e.(type) {
	case Created:
		s.Created = &e
	case KeyIssued:
		if s.keys == nil {
			s.keys = map[uuid.UUID]*key{}
		}
		s.keys[e.KeyID] = &key{issued: e, createdAt: s.UpdatedAt}
		s.order = append(s.order, e.KeyID)
	case KeyEnds:
		if k := s.keys[e.KeyID]; k != nil {
			k.ends = &e
		}
	}
}

// endsAt is when the key stops working: the earlier of its expiry and its recorded end; nil for never.
func (k *key) endsAt() *time.Time {
	at := k.issued.ExpiresAt
	if k.ends != nil && (at == nil || k.ends.At.Before(*at)) {
		at = &k.ends.At
	}
	return at
}

// View is an organisation as its commands answer it.
type View struct {
	ID        uuid.UUID `json:"id"`
	Name      string    `json:"name"`
	Currency  string    `json:"currency"`
	TimeZone  string    `json:"time_zone"`
	Live      uuid.UUID `json:"live"` // ledger ids
	Test      uuid.UUID `json:"test"`
	Version   int64     `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// View shows the organisation; of the admin keys it shows no more than the stream.
func (s *State) View() View {
	v := View{ID: s.ID, Version: s.Version, CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt}
	if c := s.Created; c != nil {
		v.Name, v.Currency, v.TimeZone, v.Live, v.Test = c.Name, c.Currency, c.TimeZone, c.Live.ID, c.Test.ID
	}
	return v
}

// Status of a key.
const (
	KeyActive  = "active"
	KeyRevoked = "revoked"
	KeyRolled  = "rolled"
	KeyExpired = "expired"
)

// KeyView is a key without its secret, at an instant.
type KeyView struct {
	ID           uuid.UUID  `json:"id"`
	Organisation uuid.UUID  `json:"organisation"`
	LedgerID     uuid.UUID  `json:"ledger_id"`
	Mode         string     `json:"mode"` // live, test, system
	Name         string     `json:"name"`
	Hint         string     `json:"hint"`
	Scopes       []string   `json:"scopes"`
	Status       string     `json:"status"` // active also while a roll's overlap runs
	ExpiresAt    *time.Time `json:"expires_at,omitempty"`
	EndsAt       *time.Time `json:"ends_at,omitempty"` // when it stops working, whatever the reason
	CreatedAt    time.Time  `json:"created_at"`
}

// Key shows one key of the organisation.
func (s *State) Key(id uuid.UUID, now time.Time) (KeyView, bool) {
	k := s.keys[id]
	if k == nil {
		return KeyView{}, false
	}
	v := KeyView{ID: id, Organisation: s.ID, LedgerID: k.issued.LedgerID, Mode: k.issued.Mode, Name: k.issued.Name,
		Hint: k.issued.Hint, Scopes: slices.Clone(k.issued.Scopes), Status: KeyActive, CreatedAt: k.createdAt}
	if at := k.issued.ExpiresAt; at != nil {
		expires := *at
		v.ExpiresAt = &expires
	}
	if at := k.endsAt(); at != nil {
		ends := *at
		v.EndsAt = &ends
		if !now.Before(ends) {
			if v.Status = KeyExpired; k.ends != nil && k.ends.At.Equal(ends) {
				v.Status = k.ends.Reason
			}
		}
	}
	return v, true
}

// Keys shows all keys, in the order of their issue.
func (s *State) Keys(now time.Time) []KeyView {
	views := make([]KeyView, 0, len(s.order))
	for _, id := range s.order {
		v, _ := s.Key(id, now)
		views = append(views, v)
	}
	return views
}
