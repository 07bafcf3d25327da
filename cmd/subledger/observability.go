package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/cache"
)

func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// observeFlushes counts what the lanes append.
func observeFlushes(to prometheus.Registerer) func(eventstore.Flush) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "subledger", Subsystem: "log", Name: name, Help: help})
	}
	commands := counter("commands_total", "Commands in appends, refused and repeated ones included.")
	events := counter("events_total", "Events in appends.")
	lost := counter("lost_ledgers_total", "Ledgers that another writer had moved first; their commands were decided again.")
	faults := counter("append_faults_total", "Appends that failed.")
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "subledger", Subsystem: "log", Name: "append_seconds",
		Help: "Time of an append.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14)})
	to.MustRegister(commands, events, lost, faults, seconds)
	return func(f eventstore.Flush) {
		commands.Add(float64(f.Commands))
		events.Add(float64(f.Events))
		lost.Add(float64(f.Lost))
		seconds.Observe(f.Took.Seconds())
		if f.Err != nil {
			faults.Inc()
		}
	}
}

func registerCaches(to prometheus.Registerer, all map[string]func() cache.Stats) {
	for name, stats := range all {
		cache.Register(to, name, stats)
	}
}

// tracer sends traces where the standard OTEL_EXPORTER_OTLP_* variables say; nil when they say nothing.
func (s *server) tracer(ctx context.Context) (trace.TracerProvider, error) {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return nil, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("prepare traces: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(pathless{}), sdktrace.WithBatcher(exporter))
	s.project(ctx, "traces", func(ctx context.Context) error {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return provider.Shutdown(ctx)
	})
	return provider, nil
}

// pathless hides the path and the query of a request from traces: they may hold a grantee's id, and what
// was exported would outlive its erasure. A span's name is its route.
type pathless struct{}

func (pathless) OnStart(_ context.Context, s sdktrace.ReadWriteSpan) {
	for _, a := range s.Attributes() {
		if a.Key == "url.path" || a.Key == "url.query" || a.Key == "http.target" {
			s.SetAttributes(a.Key.String("…"))
		}
	}
}

func (pathless) OnEnd(sdktrace.ReadOnlySpan)      {}
func (pathless) Shutdown(context.Context) error   { return nil }
func (pathless) ForceFlush(context.Context) error { return nil }
