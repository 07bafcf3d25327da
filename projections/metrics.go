package projections

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	lagEvents, lagSeconds, parked *prometheus.GaugeVec
	parkings                      *prometheus.CounterVec
	faults, lost                  prometheus.Counter
	size, seconds                 prometheus.Histogram
}

func newMetrics(to prometheus.Registerer, names []string) *metrics {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "subledger", Subsystem: "projection", Name: name, Help: help}, []string{"projection"})
	}
	m := &metrics{
		lagEvents:  gauge("lag_events", "Events of all ledgers that are not applied yet, parked ledgers left out; as of the last scan."),
		lagSeconds: gauge("lag_seconds", "Age of the oldest event that is not applied yet, parked ledgers left out; as of the last scan."),
		parked:     gauge("parked", "Ledgers in which the projection stands still."),
		parkings: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "subledger", Subsystem: "projection", Name: "parkings_total",
			Help: "Events that could not be applied."}, []string{"projection"}),
		faults: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "subledger", Subsystem: "projections", Name: "faults_total",
			Help: "Pages that failed for reasons of the database and were retried."}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "subledger", Subsystem: "projections", Name: "lost_guards_total",
			Help: "Checkpoints that another runner had moved first."}),
		size: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "subledger", Subsystem: "projections", Name: "page_events",
			Help: "Events in a page.", Buckets: []float64{1, 3, 10, 30, 100, 300, 1000}}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "subledger", Subsystem: "projections", Name: "page_seconds",
			Help: "Time to apply a page.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14)}),
	}
	for _, n := range names {
		m.parkings.WithLabelValues(n)
	}
	if to != nil {
		// Two runners of a process share a registry: label theirs apart with prometheus.WrapRegistererWith.
		to.MustRegister(m.lagEvents, m.lagSeconds, m.parked, m.parkings, m.faults, m.lost, m.size, m.seconds)
	}
	return m
}

func (m *metrics) page(entries []entry, took time.Duration) {
	n := 0
	for _, e := range entries {
		n += len(e.events)
	}
	m.size.Observe(float64(n))
	m.seconds.Observe(took.Seconds())
}

// scanned sets the gauges; without them the runner works all the same.
func (m *metrics) scanned(ctx context.Context, r *Runner) {
	if r.Metrics == nil {
		return
	}
	all, err := OverallStatus(ctx, r.Pool, r.names)
	if err != nil {
		r.Logger.WarnContext(ctx, "projections: no lag", "error", err)
		return
	}
	for _, s := range all {
		m.lagEvents.WithLabelValues(s.Name).Set(float64(s.LagEvents))
		m.lagSeconds.WithLabelValues(s.Name).Set(s.LagSeconds)
		m.parked.WithLabelValues(s.Name).Set(float64(s.Parked))
	}
}
