package domain

import (
	"time"

	"github.com/google/uuid"
)

// Observer is a State that keeps what the log knows of its events besides their data. Observe comes
// right before the Apply of the same event.
type Observer interface {
	State
	Observe(stream uuid.UUID, version int64, recorded, effective time.Time)
}

// Evolve is the way to fold: it applies an event that the log holds, or is about to hold, as the
// given version of a stream. Both times are UTC.
func Evolve(s State, e Event, stream uuid.UUID, version int64, recorded, effective time.Time) {
	if o, ok := s.(Observer); ok {
		o.Observe(stream, version, recorded, effective)
	}
	s.Apply(e)
}

// Record is what a state knows of its own stream; embedded in a State it makes it an Observer.
type Record struct {
	ID        uuid.UUID
	Version   int64
	CreatedAt time.Time // the recording of the first event, UTC
	UpdatedAt time.Time // the recording of the newest event, UTC
	Effective time.Time // from when the newest event counts, UTC
}

// Observe implements Observer.
func (r *Record) Observe(stream uuid.UUID, version int64, recorded, effective time.Time) {
	if r.CreatedAt.IsZero() {
		r.CreatedAt = recorded
	}
	r.ID, r.Version, r.UpdatedAt, r.Effective = stream, version, recorded, effective
}
