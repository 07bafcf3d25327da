package handlers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/trace"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/cache"
	"github.com/subledger/subledger/internal/sealed"
)

// Times are how long a client may take; each 0 is its default. Writing is the longest: it begins when the
// headers are read.
type Times struct {
	Header time.Duration // to send the headers; 5 s
	Body   time.Duration // to send headers and body; 30 s
	Answer time.Duration // to take the answer; 60 s
	Idle   time.Duration // between two requests; 60 s
}

func (t Times) orDefaults() Times {
	return Times{Header: cmp.Or(t.Header, 5*time.Second), Body: cmp.Or(t.Body, 30*time.Second),
		Answer: cmp.Or(t.Answer, 60*time.Second), Idle: cmp.Or(t.Idle, 60*time.Second)}
}

// Config is what the edge needs. Every field without "nil:" or "0:" is required.
type Config struct {
	Pool      *pgxpool.Pool        // for API keys and readiness
	Now       func() time.Time     // the process clock
	Log       *slog.Logger         // JSON in production
	AccessLog bool                 // one line a request; refusals of 500 and above are logged anyway, but for those of overload
	Registry  *prometheus.Registry // nil: no /metrics
	Tracer    trace.TracerProvider // nil: no traces
	RateLimit float64              // requests per second and key; 0: no limits, of addresses neither
	Timeout   time.Duration        // of a request; 0: 10 s
	MaxIdle   int                  // idle connections; the oldest is closed first; 0: 2000
	Times     Times
	// Sessions opens session tokens; nil: there are none.
	Sessions *sealed.Sealer
	// TestOnly refuses keys of live ledgers: a process with fault points has no business there.
	TestOnly bool
	// Fault is called before a route and after it; it may panic, delay or fail. Nil: not called.
	Fault func(step string) error
	// Ready tells why the process should get no traffic. Checks have two seconds together.
	Ready []Check
}

// Check is one condition of readiness.
type Check struct {
	Name string
	Do   func(context.Context) error
}

// ClockCheck fails while the process clock and the database's are more than five seconds apart.
func ClockCheck(skew func(context.Context) (time.Duration, error)) Check {
	const most = 5 * time.Second
	return Check{"clock", func(ctx context.Context) error {
		d, err := skew(ctx)
		if err == nil && d.Abs() > most {
			err = fmt.Errorf("process and database clocks are %s apart", d.Round(time.Millisecond))
		}
		return err
	}}
}

// Server is the edge: it finds the dialect of a request and the route in it.
type Server struct {
	cfg       Config
	keys      *Keys
	limits    *limits
	writes    *gate
	metrics   *metrics
	mounts    []*mount // longest prefix first
	operators *mount
	closing   chan struct{}
	handler   http.Handler
}

type mount struct {
	prefix  string
	dialect *Dialect
	router  *mux.Router
	hot     map[string]handle // of GET, by path
	shapes  map[string]shape  // by method and path with each id as {}
}

// NewServer serves each dialect below its prefix; "" is the root. /healthz, /readyz and /metrics are
// the server's own.
func NewServer(cfg Config, dialects map[string]*Dialect) *Server {
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.MaxIdle == 0 {
		cfg.MaxIdle = 2000
	}
	s := &Server{cfg: cfg, keys: NewKeys(cfg.Pool, cfg.Now), limits: newLimits(cfg.RateLimit, cfg.Now),
		writes: newGate(), metrics: newMetrics(cfg.Registry), closing: make(chan struct{})}
	if cfg.Registry != nil {
		cache.Register(cfg.Registry, "api_keys", s.keys.known.Stats)
		cache.Register(cfg.Registry, "wrong_api_keys", s.keys.wrong.Stats)
	}
	for prefix, d := range dialects {
		s.mounts = append(s.mounts, s.mount(prefix, d))
	}
	slices.SortFunc(s.mounts, func(a, b *mount) int { return len(b.prefix) - len(a.prefix) })
	s.operators = s.mount("", s.operations())
	s.handler = http.HandlerFunc(s.receive)
	if cfg.Tracer != nil {
		s.handler = otelhttp.NewHandler(s.handler, "http", otelhttp.WithTracerProvider(cfg.Tracer))
	}
	return s
}

func (s *Server) mount(prefix string, d *Dialect) *mount {
	m := &mount{prefix: prefix, dialect: d, router: mux.NewRouter().UseEncodedPath().SkipClean(true), hot: map[string]handle{},
		shapes: map[string]shape{}}
	for i := range d.Routes {
		rt := &d.Routes[i]
		h := s.serve(d, rt, prefix+rt.Path)
		methods := []string{rt.Method}
		if rt.Method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		if rt.Hot {
			m.hot[prefix+rt.Path] = h
		}
		m.router.HandleFunc(prefix+rt.Path, func(w http.ResponseWriter, r *http.Request) { h(w, r, CallOf(r)) }).Methods(methods...)
		m.addShape(rt.Method, rt.Path, h)
	}
	m.router.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := CallOf(r)
		s.fail(w, r, call, s.nobody(w, call, domain.Refuse(domain.NotFound, "not_found", "there is nothing here")))
	})
	m.router.MethodNotAllowedHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := CallOf(r)
		w.Header().Set("Allow", strings.Join(m.allowed(r), ", "))
		s.fail(w, r, call, s.nobody(w, call, domain.Refuse(MethodNotAllowed, "method_not_allowed", "not with this method")))
	})
	return m
}

func (m *mount) allowed(r *http.Request) []string {
	var methods []string
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		as := *r
		as.Method = method
		var match mux.RouteMatch
		if m.router.Match(&as, &match) && match.MatchErr == nil {
			methods = append(methods, method)
		}
	}
	return methods
}

// mountOf finds the dialect of a path: operators' paths first, then the longest prefix.
func (s *Server) mountOf(r *http.Request) *mount {
	path := r.URL.Path
	if r.URL.RawPath != "" { // an encoded slash is no separator
		path = r.URL.EscapedPath()
	}
	switch {
	case path == "/", path == "/healthz", path == "/readyz", path == "/metrics", path == "/docs",
		strings.HasPrefix(path, "/docs/"), strings.HasPrefix(path, "/openapi/"):
		return s.operators
	}
	for _, m := range s.mounts {
		if below, ok := strings.CutPrefix(path, m.prefix); ok && (below == "" || below[0] == '/') && !slices.Contains(m.dialect.Except, path) {
			return m
		}
	}
	return s.operators
}

// Values of headers that every answer has; shared, since nobody changes a value in place.
var noStore, noSniff = []string{"no-store"}, []string{"nosniff"}

// receive is the outermost step of every request.
func (s *Server) receive(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	id, err := uuid.NewV7()
	if err != nil {
		http.Error(w, "no randomness", http.StatusInternalServerError)
		return
	}
	m := s.mountOf(r)
	x := &exchange{call: Call{ID: id.String(), dialect: m.dialect, closing: s.closing, remote: r.RemoteAddr}, reply: reply{ResponseWriter: w}}
	call, rw := &x.call, &x.reply
	x.id[0] = call.ID
	h := rw.Header()
	h["Request-Id"], h["Cache-Control"], h["X-Content-Type-Options"] = x.id[:], noStore, noSniff
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler { //nolint:errorlint // what was panicked with, not an error that may be wrapped
				s.finish(r, rw, call, began)
				panic(v)
			}
			s.panicked(rw, r, call, v)
		}
		s.finish(r, rw, call, began)
	}()
	s.dispatch(rw, r, call, m)
}

// exchange is what a request needs from its first step to its last.
type exchange struct {
	call  Call
	reply reply
	id    [1]string // the header's values
}

func (s *Server) dispatch(w http.ResponseWriter, r *http.Request, call *Call, m *mount) {
	if cors := m.dialect.CORS; cors != nil {
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			cors.preflight(w, r)
			return
		}
		cors.allow(w, r)
	}
	if len(r.TransferEncoding) > 0 {
		// Where a chunked body ends is net/http's to find; framedConn has followed the connection up to here.
		w.Header().Set("Connection", "close")
	}
	switch {
	case r.Method == http.MethodTrace, r.Method == http.MethodConnect:
		s.fail(w, r, call, s.nobody(w, call, domain.Refuse(MethodNotAllowed, "method_not_allowed", "not with this method")))
	case !strings.HasPrefix(r.RequestURI, "/"):
		s.fail(w, r, call, s.nobody(w, call, domain.Refuse(domain.Malformed, "bad_request_target", "want a path, not an absolute address")))
	case headerBytes(r) > maxHeaderBytes:
		s.fail(w, r, call, s.nobody(w, call, domain.Refuse(HeadersTooLarge, "headers_too_large", "headers have at most %d bytes", maxHeaderBytes)))
	default:
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			leave, ok := s.writes.enter(r)
			if !ok {
				s.overloaded(w, r, call)
				return
			}
			defer func() { leave(call.receiving) }()
		}
		if hot := m.hot[r.URL.Path]; hot != nil && r.Method == http.MethodGet && r.URL.RawPath == "" {
			hot(w, r, call)
			return
		}
		if h, vars := m.byShape(r); h != nil {
			h(w, mux.SetURLVars(r, vars), call)
			return
		}
		m.router.ServeHTTP(w, call.carriedBy(r))
	}
}

func headerBytes(r *http.Request) int {
	n := len(r.Host)
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v) + len(": \r\n")
		}
	}
	return n
}

// ServeHTTP serves without a listener, for tests.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Closing is closed when the server begins to drain: streams end then.
func (s *Server) Closing() <-chan struct{} { return s.closing }

// Run serves ln until ctx is done, then lets requests finish for at most drain, and closes the rest.
func (s *Server) Run(ctx context.Context, ln net.Listener, drain time.Duration) error {
	idle, times := newIdleConns(s.cfg.MaxIdle), s.cfg.Times.orDefaults()
	h := &http.Server{
		Handler: s.handler, ConnState: idle.changed, ErrorLog: slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: times.Header, ReadTimeout: times.Body, WriteTimeout: times.Answer, IdleTimeout: times.Idle,
		MaxHeaderBytes: 1 << 20, // the URL counts here; serve bounds the fields
	}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(framedListener{ln}) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	close(s.closing)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := h.Shutdown(ctx); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = errors.Join(errors.New("requests were cut off after the drain time"), h.Close())
		}
		return err
	}
	return nil
}
