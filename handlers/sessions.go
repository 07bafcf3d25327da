package handlers

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
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

// Session is what a session token stands for: a part of what its key may, as long as that key is good.
type Session struct {
	Scope        string    `json:"scope"`
	Subscription uuid.UUID `json:"subscription,omitzero"` // the one whose invoices it opens
	KeyHash      []byte    `json:"key_hash"`              // of the key that made it
}

// NewSession makes a token of the caller's ledger and key.
func NewSession(sealer *sealed.Sealer, c Caller, scope string, subscription uuid.UUID, now time.Time) (string, error) {
	token, err := sealer.Seal(forSession, c.Ledger, now.Add(SessionTime),
		Session{Scope: scope, Subscription: subscription, KeyHash: c.keyHash[:]})
	return SessionPrefix + token, err
}

// session finds the caller of a token, who is that of its key, or refuses as for a wrong key.
func (s *Server) session(ctx context.Context, token string) (Caller, error) {
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
	case len(of.KeyHash) != sha256.Size:
		return Caller{}, refusedKey()
	}
	caller, err := s.keys.openHash(ctx, [sha256.Size]byte(of.KeyHash))
	if err != nil {
		return Caller{}, err
	}
	if caller.Ledger != ledger {
		return Caller{}, refusedKey()
	}
	caller.Session = &of
	return caller, nil
}

// allow holds a session to its routes, and to its subscription where it has one.
func (s *Server) allow(of *Session, r *http.Request, rt *Route) error {
	if rt.Session == "" || rt.Session != of.Scope {
		return domain.Refuse(domain.Forbidden, "missing_scope", "the session has the scope %s, which opens %s and nothing else",
			of.Scope, strings.Join(s.openTo(of.Scope), ", "))
	}
	if of.Scope == SessionInvoices {
		if id, _ := ParseUUID(mux.Vars(r)["subscriptionUuid"]); id != of.Subscription {
			return domain.Refuse(domain.NotFound, "no_subscription", "%s is not known here", id)
		}
	}
	return nil
}

// openTo lists the routes that a scope of sessions opens.
func (s *Server) openTo(scope string) []string {
	var routes []string
	for _, m := range s.mounts {
		for _, rt := range m.dialect.Routes {
			if rt.Session == scope {
				routes = append(routes, rt.Method+" "+m.prefix+rt.Path)
			}
		}
	}
	return routes
}
