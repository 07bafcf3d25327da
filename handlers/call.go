package handlers

import (
	"context"
	"crypto/sha256"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"github.com/subledger/subledger/domain/organisation"
)

// Caller is who an API key says is calling. The ledger comes from the key and from nowhere else.
type Caller struct {
	KeyID        uuid.UUID
	Organisation uuid.UUID // zero for an admin key
	Ledger       uuid.UUID // the system ledger for an admin key
	Mode         string    // live, test, system
	Scopes       []string
	Session      *Session // nil: called with an API key; else that of the session is all above

	keyHash [sha256.Size]byte // what Keys knows the key by
}

// May tells whether the key covers a scope.
func (c *Caller) May(scope string) bool { return organisation.Covers(c.Scopes, scope) }

// Test tells whether the key opens a test ledger.
func (c *Caller) Test() bool { return c.Mode == "test" }

// Call is what the edge knows of the request in hand. One goroutine owns it.
type Call struct {
	ID     string // Request-Id of the answer, and of all that is logged and recorded
	Caller Caller // zero on open routes
	Route  string // pattern, such as /ledger/v1/products/{uuid}; "" while none matched

	dialect   *Dialect
	closing   <-chan struct{}         // closed when the server drains
	receiving time.Duration           // the body
	remote    string                  // the other end's address and port
	code      string                  // of the refusal that was answered
	clock     *time.Time              // of the caller's ledger, if it has one of its own
	usual     *atomic.Pointer[series] // where 200 by the route's own method is counted
}

type callKey struct{}

// carriedBy gives the request whose context knows of the call.
func (c *Call) carriedBy(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), callKey{}, c))
}

// address is the other end's IP address. Headers that claim another one are not believed.
func (c *Call) address() string {
	host, _, err := net.SplitHostPort(c.remote)
	if err != nil {
		return c.remote
	}
	return host
}

// CallOf is the request's call; every request that reaches a Route's Serve has one.
func CallOf(r *http.Request) *Call { return callFrom(r.Context()) }

func callFrom(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}

// CallerOf is the authenticated caller.
func CallerOf(r *http.Request) Caller { return CallOf(r).Caller }

// PathText is a variable of the route's path, decoded: routers here match the escaped path, so that an
// encoded slash is no separator.
func PathText(r *http.Request, name string) string {
	raw := mux.Vars(r)[name]
	s, err := url.PathUnescape(raw)
	if err != nil {
		return raw
	}
	return s
}

// PathUUID is a variable of the path as an id; what is not a UUID is an id that nobody has.
func PathUUID(r *http.Request, name string) uuid.UUID {
	id, _ := ParseUUID(mux.Vars(r)[name])
	return id
}
