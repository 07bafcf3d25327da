// Package usage counts what a licence used, one stream a licence and meter.
//
// Vocabulary: usage record, meter, licence, quantity.
//
// Rules:
//
//	U1 A record counts once: its key is unique in the ledger among usage keys, for ever.
//	U2 A correction is a negative quantity with a key of its own.
//	U3 A record counts at its own instant (At), which may lie before its recording, never in the future
//	   beyond the allowed clock skew.
//	U4 Usage is recorded on licences that give access at the instant of the record.
//	U5 After an end, usage from before it is taken as long as the ledger's settings say: 72 hours.
//	U6 Of a batch, what is rejected for its instant or for coming too late is kept: once a key, MaxRejected a licence.
package usage

import (
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
)

// Recorded is one usage record.
type Recorded struct {
	Key            string          `json:"key"`
	LicenseID      uuid.UUID       `json:"license_id"`
	SubscriptionID *uuid.UUID      `json:"subscription_id,omitzero"`
	PlanID         uuid.UUID       `json:"plan_id"`
	ProductID      uuid.UUID       `json:"product_id"`
	Meter          string          `json:"meter,omitzero"` // a meter's key; the default meter has none
	Quantity       decimal.Decimal `json:"quantity"`
	Value          string          `json:"value,omitzero"` // for the aggregation `unique`
	At             time.Time       `json:"at"`
	Total          decimal.Decimal `json:"total"` // sum of the stream's quantities, this one included
}

func (Recorded) EventType() string { return "usage.recorded.v1" }

// Vocabularies are for the log's codec.
func Vocabularies() []domain.Vocabulary {
	return []domain.Vocabulary{
		{Kind: "usage", Latest: true, New: func() domain.State { return &State{} },
			Events: []domain.EventType{domain.Named[Recorded]().Scanned(scanRecorded)}},
		{Kind: "rejected_usage", Latest: true, New: func() domain.State { return &RejectedState{} },
			Events: []domain.EventType{domain.Named[Rejected]()}},
	}
}

func scanRecorded(s *domain.Scanner) domain.Event {
	var e Recorded
	s.Is(`{"key":`)
	e.Key = s.Text()
	s.Is(`,"license_id":`)
	e.LicenseID = s.ID()
	if s.Has(`,"subscription_id":`) {
		id := s.ID()
		e.SubscriptionID = &id
	}
	s.Is(`,"plan_id":`)
	e.PlanID = s.ID()
	s.Is(`,"product_id":`)
	e.ProductID = s.ID()
	if s.Has(`,"meter":`) {
		e.Meter = s.Text()
	}
	s.Is(`,"quantity":`)
	e.Quantity = s.Decimal()
	if s.Has(`,"value":`) {
		e.Value = s.Text()
	}
	s.Is(`,"at":`)
	e.At = s.Time()
	s.Is(`,"total":`)
	e.Total = s.Decimal()
	s.Is(`}`)
	return e
}

// streams is the name space of the ids of usage streams.
var streams = uuid.MustParse("6f1d8a51-52c6-5b61-9d5e-2d1f6c1c7a10")

// StreamID is the stream of a licence's usage on a meter.
func StreamID(license uuid.UUID, meter string) uuid.UUID {
	return uuid.NewSHA1(streams, append(license[:], meter...))
}
