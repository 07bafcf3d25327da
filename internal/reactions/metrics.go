package reactions

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// instruments are the metrics of reactions, beside those of Watermill's router.
type instruments struct {
	relayEvents, relayAge, relayParked prometheus.Gauge
	messages                           *prometheus.GaugeVec
	messageAge, openCalls, callOverdue prometheus.Gauge
	dueLedgers, dueOverdue, inFlight   prometheus.Gauge
	measuredAt                         prometheus.Gauge
	pollErrors                         *prometheus.CounterVec
	takeErrors, reportErrors, poisoned prometheus.Counter
	scheduleErrors                     prometheus.Counter
	calls, scheduled                   *prometheus.CounterVec
	callSeconds                        *prometheus.HistogramVec
}

func newInstruments(to prometheus.Registerer) (*instruments, error) {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "subledger", Subsystem: "reactions", Name: name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "subledger", Subsystem: "reactions", Name: name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "subledger", Subsystem: "reactions", Name: name, Help: help}, labels)
	}
	m := &instruments{
		relayEvents: gauge("relay_backlog_events", "Committed events that the relay has not looked at, parked ledgers left out."),
		relayAge:    gauge("relay_backlog_seconds", "Age of the oldest of them."),
		relayParked: gauge("relay_parked_ledgers", "Ledgers in which the relay stands still."),
		messages: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "subledger", Subsystem: "reactions", Name: "unprocessed_messages",
			Help: "Published messages that are not acknowledged."}, []string{"topic"}),
		messageAge:     gauge("unprocessed_message_seconds", "Age of the oldest message that is not acknowledged."),
		openCalls:      gauge("open_calls", "Provider calls whose task is not done: waiting, in flight, put off."),
		callOverdue:    gauge("call_overdue_seconds", "Time since the earliest provider call that nobody took was due."),
		dueLedgers:     gauge("due_ledgers", "Ledgers in which something was due by the system clock when the scheduler last looked at all of them."),
		dueOverdue:     gauge("due_overdue_seconds", "Time since the earliest of it was due."),
		inFlight:       gauge("calls_in_flight", "Provider calls that this process is making."),
		measuredAt:     gauge("measured_timestamp_seconds", "When the lag was last measured; one that stands still is a fault."),
		pollErrors:     counters("poll_errors_total", "Polls for messages that failed.", "topic"),
		takeErrors:     counter("take_errors_total", "Failures to take up due provider calls."),
		reportErrors:   counter("report_errors_total", "Provider calls that could not be reported and come up again."),
		poisoned:       counter("poisoned_messages_total", "Messages that could not be handled."),
		scheduleErrors: counter("schedule_errors_total", "Failures to read what is due."),
		calls:          counters("calls_total", "Provider calls by their answer; fault: there was none.", "provider", "answer"),
		scheduled:      counters("scheduled_total", "Commands of due rows; nothing: it had happened already; repeated: another process did it.", "kind", "result"),
		callSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "subledger", Subsystem: "reactions", Name: "call_seconds",
			Help: "Time of a provider call.", Buckets: prometheus.ExponentialBuckets(0.001, 3, 10)}, []string{"provider"}),
	}
	for _, c := range []prometheus.Collector{m.relayEvents, m.relayAge, m.relayParked, m.messages, m.messageAge, m.openCalls, m.callOverdue,
		m.dueLedgers, m.dueOverdue, m.inFlight, m.measuredAt, m.pollErrors, m.takeErrors, m.reportErrors, m.poisoned, m.scheduleErrors,
		m.calls, m.scheduled, m.callSeconds} {
		if err := to.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *instruments) show(l Lag) {
	m.relayEvents.Set(float64(l.RelayEvents))
	m.relayAge.Set(l.RelayAge.Seconds())
	m.relayParked.Set(float64(l.RelayParked))
	for topic, n := range l.topicBacklog {
		m.messages.WithLabelValues(topic).Set(float64(n))
	}
	m.messageAge.Set(l.MessageAge.Seconds())
	m.openCalls.Set(float64(l.Calls))
	m.callOverdue.Set(l.CallOverdue.Seconds())
	m.dueLedgers.Set(float64(l.DueLedgers))
	m.dueOverdue.Set(l.DueOverdue.Seconds())
	m.measuredAt.Set(float64(l.MeasuredAt.Unix()))
}
