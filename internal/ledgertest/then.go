package ledgertest

import (
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// Data is the events without what the log adds to them.
func Data(events []Event) []domain.Event {
	var data []domain.Event
	for _, e := range events {
		data = append(data, e.Event)
	}
	return data
}

// Names is the names of events: what happened, in short.
func Names(events []Event) []string {
	names := []string{}
	for _, e := range events {
		names = append(names, e.Event.EventType())
	}
	return names
}

// On keeps the events of one stream.
func On(stream uuid.UUID, events []Event) []Event {
	var kept []Event
	for _, e := range events {
		if e.Stream == stream {
			kept = append(kept, e)
		}
	}
	return kept
}

// Diff compares like Equal.
func Diff(want, got any) string { return cmp.Diff(want, got, Equal()) }
