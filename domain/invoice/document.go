package invoice

import (
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// Document is the invoice's original, and when it was made.
type Document struct {
	Documented
	RenderedAt time.Time `json:"rendered_at"`
}

// RecordDocument notes which file is the invoice's original. It answers View; where there is one already it makes no event,
// and the answer tells which.
//
// NotFound: no_invoice. Conflict: not_finalized.
type RecordDocument struct {
	ID uuid.UUID
	Documented
}

// Decide implements domain.Command.
func (c RecordDocument) Decide(l domain.Ledger) (any, error) {
	s, err := load(l, c.ID)
	if err != nil {
		return nil, err
	}
	if s.Number == "" {
		return nil, s.not("not_finalized", "what is not issued has no original")
	}
	if s.Document == nil {
		l.Append(c.ID, c.Documented)
	}
	return show(l, c.ID)
}
