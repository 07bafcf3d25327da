package handlers

import (
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/sealed"
)

// SessionPrefix begins a session token: what a widget in a browser presents in place of an API key.
const SessionPrefix = "session_"

// SessionTime is how long a session lasts.
const SessionTime = time.Hour

const forSession sealed.Purpose = "session"

// Scopes of sessions; each opens the reading routes that name it.
const (
	SessionInvoices     = "web-components:invoices"
	SessionPricingTable = "web-components:pricing-table"
	SessionCheckout     = "web-components:checkout"
)

// Session is what a session token stands for.
type Session struct {
	Scope        string    `json:"scope"`
	Subscription uuid.UUID `json:"subscription,omitzero"` // the one whose invoices it opens
	KeyID        uuid.UUID `json:"key_id"`                // that made it
	Organisation uuid.UUID `json:"organisation"`
	Mode         string    `json:"mode"`
}

// NewSession makes a token of the caller's ledger.
func NewSession(sealer *sealed.Sealer, c Caller, scope string, subscription uuid.UUID, now time.Time) (string, error) {
	token, err := sealer.Seal(forSession, c.Ledger, now.Add(SessionTime),
		Session{Scope: scope, Subscription: subscription, KeyID: c.KeyID, Organisation: c.Organisation, Mode: c.Mode})
	return SessionPrefix + token, err
}

// session finds the caller of a token, or refuses as for a wrong key.
func (s *Server) session(token string) (Caller, error) {
	if s.cfg.Sessions == nil {
		return Caller{}, refusedKey()
	}
	var of Session
	ledger, err := s.cfg.Sessions.Open(forSession, token, s.cfg.Now(), &of)
	switch {
	case errors.Is(err, sealed.ErrBad), errors.Is(err, sealed.ErrExpired):
		return Caller{}, refusedKey()
	case err != nil:
		return Caller{}, err
	}
	return Caller{KeyID: of.KeyID, Organisation: of.Organisation, Ledger: ledger, Mode: of.Mode, Session: &of}, nil
}

// allow holds a session to its routes, and to its subscription where it has one.
func (of *Session) allow(r *http.Request, rt *Route) error {
	if rt.Session == "" || rt.Session != of.Scope {
		return domain.Refuse(domain.Forbidden, "missing_scope", "the session is not for this")
	}
	if of.Scope == SessionInvoices {
		if id, _ := ParseUUID(mux.Vars(r)["subscriptionUuid"]); id != of.Subscription {
			return domain.Refuse(domain.NotFound, "no_subscription", "%s is not known here", id)
		}
	}
	return nil
}
