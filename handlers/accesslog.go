package handlers

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/subledger/subledger/domain"
)

// metrics counts and times requests by route pattern, never by path: its values are bounded by the
// routes there are.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	panics   prometheus.Counter
	series   sync.Map // of what was counted before, by seriesKey: the vectors hash each label of each request
}

type seriesKey struct {
	dialect, route, method string
	status                 int
}

type series struct {
	requests prometheus.Counter
	seconds  prometheus.Observer
}

func (m *metrics) of(key seriesKey) *series {
	known, ok := m.series.Load(key)
	if !ok {
		known, _ = m.series.LoadOrStore(key, &series{m.requests.WithLabelValues(key.dialect, key.route, key.method, strconv.Itoa(key.status)),
			m.seconds.WithLabelValues(key.dialect, key.route, key.method)})
	}
	return known.(*series)
}

func (s *series) count(took time.Duration) {
	s.requests.Inc()
	s.seconds.Observe(took.Seconds())
}

func newMetrics(registry *prometheus.Registry) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "subledger_http_requests_total",
			Help: "Requests answered, by dialect, route, method and status."}, []string{"dialect", "route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "subledger_http_request_seconds",
			Help:    "Time from the end of the headers to the end of the answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}}, []string{"dialect", "route", "method"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{Name: "subledger_http_panics_total", Help: "Panics in handlers, answered 500."}),
	}
	if registry != nil {
		registry.MustRegister(m.requests, m.seconds, m.panics)
	}
	return m
}

// finish counts and logs a request that was answered or cut off.
func (s *Server) finish(r *http.Request, w *reply, call *Call, began time.Time) {
	took := time.Since(began)
	method := r.Method
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
	default:
		method = "other"
	}
	status := w.status
	if status == 0 && call.code == "client_gone" {
		status = 499 // as proxies log it
	} else if status == 0 {
		status = http.StatusOK
	}
	var counted *series
	usual := call.usual != nil && status == http.StatusOK
	if usual {
		counted = call.usual.Load()
	}
	if counted == nil {
		counted = s.metrics.of(seriesKey{call.dialect.Name, call.Route, method, status})
		if usual {
			call.usual.Store(counted)
		}
	}
	counted.count(took)
	if !s.cfg.AccessLog {
		return
	}
	// The route and not the path, which may hold a grantee's id: a copy here would outlive its erasure.
	// Texts of the client's are bounded and stripped of control characters; slog's JSON quotes the rest.
	s.cfg.Log.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("requestId", call.ID), slog.String("clientRequestId", printable(r.Header.Get("Request-Id"), 100)),
		slog.String("method", printable(r.Method, 20)), slog.String("route", call.Route),
		slog.Int("status", status), slog.String("code", call.code), slog.Int("bytes", w.bytes), slog.Duration("took", took),
		slog.String("ledger", call.Caller.Ledger.String()), slog.String("key", call.Caller.KeyID.String()),
		slog.String("address", call.address()), slog.String("userAgent", printable(r.UserAgent(), 200)))
}

// panicked answers a panic like any other fault; the process lives on.
func (s *Server) panicked(w *reply, r *http.Request, call *Call, v any) {
	call.code = "panic"
	s.metrics.panics.Inc()
	s.cfg.Log.ErrorContext(r.Context(), "panic", "requestId", call.ID, "route", call.Route, "cause", "panic",
		"panic", printable(fmt.Sprint(v), 2000), "stack", string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler) // half an answer is out
	}
	call.dialect.Refuse(w, call.carriedBy(r), domain.Refuse(Fault, "internal", "quote the request id %s", call.ID))
}
