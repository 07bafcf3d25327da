package handlers

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/go-json-experiment/json"
	"go.opentelemetry.io/otel/trace"

	"github.com/subledger/subledger/domain"
)

// Kinds of refusal that only the edge knows.
const (
	Fault            domain.Kind = "fault" // ours; the client learns the request's id and nothing else
	MethodNotAllowed domain.Kind = "method_not_allowed"
	HeadersTooLarge  domain.Kind = "headers_too_large"
)

// notReached is the code of reads that a client wanted later than the ledger, or its read models, are.
const notReached = "position_not_reached"

// maxHeaderBytes bounds the header fields of a request; the URL is not counted, since lists of ids are
// asked for in it.
const maxHeaderBytes = 8 << 10

// Dialect is how one facade answers. It owns its paths, shapes and statuses, and no rule.
type Dialect struct {
	Name string // in the meta of every event that it caused
	// Refuse writes a refusal, or a fault, in the dialect's own shape. Retry-After is set already.
	Refuse func(w http.ResponseWriter, r *http.Request, e *domain.Error)
	// JSONOnly refuses bodies of other content types with 415.
	JSONOnly bool
	// CORS, when set, lets browsers call the dialect.
	CORS *CORS
	// Except are whole paths below its prefix that another dialect serves.
	Except []string
	// Routes are served below the prefix that the dialect is mounted at.
	Routes []Route
}

// Route is one method and path.
type Route struct {
	Method  string // GET serves HEAD as well, streams too
	Path    string // mux pattern below the mount's prefix: /products/{uuid}
	Session string // scope of sessions that may call it too
	Scope   string // which the caller's key must have; "" with Open: no key at all
	Open    bool   // counted by address, like all that comes without a valid key
	Probe   bool   // with Open: not counted, since who watches over the process may share an address with anybody
	Stream  bool   // answers for as long as the client listens: no deadline
	Hot     bool   // of GET: exact path, found before the router is asked; no deadline for the whole request
	// Quick answers a hot route from what is in memory, for a caller who is admitted, or says false and has done
	// nothing: then Serve answers. Its request's context does not know the call.
	Quick func(w http.ResponseWriter, r *http.Request, c *Caller) bool
	Serve func(w http.ResponseWriter, r *http.Request) error
}

// CORS is the allowance for browsers; credentials are never allowed, keys are a header.
type CORS struct {
	Origins []string // exact; "*" for all
	Headers []string // that a request may carry
}

func (c *CORS) allow(w http.ResponseWriter, r *http.Request) {
	origins := r.Header["Origin"]
	if len(origins) == 0 || origins[0] == "" {
		return
	}
	h, origin := w.Header(), origins[0]
	h.Add("Vary", "Origin")
	switch {
	case slices.Contains(c.Origins, "*"):
		h.Set("Access-Control-Allow-Origin", "*")
	case slices.Contains(c.Origins, origin):
		h.Set("Access-Control-Allow-Origin", origin)
	default:
		return
	}
	h.Set("Access-Control-Expose-Headers", "Request-Id, Event-Uuid, Idempotency-Replayed, Ledger-Position, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset")
}

// preflight answers a browser's question before a request.
func (c *CORS) preflight(w http.ResponseWriter, r *http.Request) {
	c.allow(w, r)
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
	h.Set("Access-Control-Allow-Headers", strings.Join(c.Headers, ", "))
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

// handle serves a request whose context need not know the call.
type handle func(w http.ResponseWriter, r *http.Request, call *Call)

// serve runs a route: who calls, how often, with which right, and then what was asked.
func (s *Server) serve(d *Dialect, rt *Route, pattern string) handle {
	usual := new(atomic.Pointer[series])
	return func(w http.ResponseWriter, r *http.Request, call *Call) {
		call.Route = pattern
		if r.Method == rt.Method {
			call.usual = usual
		}
		if s.cfg.Tracer != nil {
			trace.SpanFromContext(r.Context()).SetName(r.Method + " " + pattern)
		}
		if !rt.Hot {
			r = call.carriedBy(r)
		}
		if err := s.admit(w, r, call, d, rt); err != nil {
			s.fail(w, r, call, err)
			return
		}
		switch {
		case rt.Stream:
		case !rt.Hot:
			call.receiving = receiveBody(r)
			ctx, cancel := context.WithTimeout(r.Context(), s.cfg.Timeout)
			defer cancel()
			r = r.WithContext(ctx)
		default: // it answers from memory; where it has to ask the database, that bounds itself
			if rt.Quick != nil && s.cfg.Fault == nil && rt.Quick(w, r, &call.Caller) {
				return
			}
			r = call.carriedBy(r)
		}
		if err := s.run(rt, w, r); err != nil {
			s.fail(w, r, call, err)
		}
	}
}

func (s *Server) run(rt *Route, w http.ResponseWriter, r *http.Request) error {
	if s.cfg.Fault == nil {
		return rt.Serve(w, r)
	}
	if err := s.cfg.Fault("handler"); err != nil {
		return err
	}
	return errors.Join(rt.Serve(w, r), s.cfg.Fault("answered"))
}

func (s *Server) admit(w http.ResponseWriter, r *http.Request, call *Call, d *Dialect, rt *Route) error {
	if rt.Open && !rt.Probe {
		if err := s.nobody(w, call, nil); err != nil {
			return err
		}
	}
	if !rt.Open {
		secret, err := secretOf(r)
		if err == nil {
			if token, ok := strings.CutPrefix(secret, SessionPrefix); ok {
				call.Caller, err = s.session(r.Context(), token)
			} else {
				call.Caller, err = s.keys.Open(r.Context(), secret)
			}
		}
		if err != nil {
			if _, refused := domain.AsRefusal(err); refused {
				return s.nobody(w, call, err)
			}
			return err
		}
		if !s.limits.ofKey(w.Header(), call.Caller.KeyID) {
			return domain.Refuse(domain.RateLimited, "rate_limited", "too many requests with this key")
		}
		if s.cfg.TestOnly && call.Caller.Mode == "live" {
			return domain.Refuse(domain.Unavailable, "fault_points", "this process has fault points on and serves test ledgers only")
		}
		if of := call.Caller.Session; of != nil {
			if err := s.allow(of, r, rt); err != nil {
				return err
			}
		}
		if rt.Scope == ScopeAdmin && !call.Caller.May(rt.Scope) {
			return domain.Refuse(domain.Forbidden, "missing_scope", "this route is for admin keys only")
		}
		if rt.Scope != "" && !call.Caller.May(rt.Scope) {
			return domain.Refuse(domain.Forbidden, "missing_scope", "the key lacks the scope %s", rt.Scope)
		}
	}
	hasBody := r.ContentLength != 0
	if types := r.Header["Content-Type"]; d.JSONOnly && hasBody && (len(types) != 1 || !JSONType(types[0])) {
		return domain.Refuse(domain.Unsupported, "unsupported_media_type", "want application/json in UTF-8")
	}
	return nil
}

// nobody counts a request without a valid key, whose answer is err; beyond its address's limit it is rate_limited.
func (s *Server) nobody(w http.ResponseWriter, call *Call, err error) error {
	if !s.limits.ofAddress(w.Header(), call.address()) {
		return domain.Refuse(domain.RateLimited, "rate_limited", "too many requests without a valid key")
	}
	return err
}

// fail answers a refusal as it is and a fault as a number: it is logged here, once.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, call *Call, err error) {
	if errors.Is(err, context.Canceled) && errors.Is(r.Context().Err(), context.Canceled) {
		call.code = "client_gone" // nobody listens
		return
	}
	e, refused := domain.AsRefusal(err)
	switch {
	case refused:
	case unavailable(err):
		e = domain.Refuse(domain.Unavailable, "database_unavailable", "try again later")
	default:
		e = domain.Refuse(Fault, "internal", "quote the request id %s", call.ID)
	}
	call.code = e.Code
	switch {
	case e.Code == notReached: // the client asked to wait, and may ask again
		s.cfg.Log.DebugContext(r.Context(), "position not reached", "requestId", call.ID, "route", call.Route, "ledger", call.Caller.Ledger)
	case e.Kind == Fault, e.Kind == domain.Unavailable:
		s.cfg.Log.ErrorContext(r.Context(), "request failed", "requestId", call.ID, "route", call.Route, "cause", e.Code,
			"ledger", call.Caller.Ledger, "error", printable(err.Error(), 2000))
	}
	if rw, ok := w.(*reply); ok && rw.status != 0 {
		panic(http.ErrAbortHandler) // half an answer is out: cut it off rather than pass it for a whole one
	}
	h := w.Header()
	if (e.Kind == domain.RateLimited || e.Kind == domain.Unavailable) && h.Get("Retry-After") == "" {
		h.Set("Retry-After", "1")
	}
	call.dialect.Refuse(w, call.carriedBy(r), e)
}

// JSON answers a value. The type says no charset, since published Salable clients compare it whole.
func JSON(w http.ResponseWriter, status int, v any) error {
	return writeJSON(w, status, "application/json", v)
}

func writeJSON(w http.ResponseWriter, status int, contentType string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	_, _ = w.Write(data) // the client may be gone; the access log knows what was sent
	return nil
}

// reply remembers what was answered.
type reply struct {
	http.ResponseWriter
	status int
	bytes  int
}

func (w *reply) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *reply) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += n
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *reply) Unwrap() http.ResponseWriter { return w.ResponseWriter }
