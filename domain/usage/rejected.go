package usage

import (
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
)

// MaxRejected is how many rejected records are kept of a licence (rule U6).
const MaxRejected = 1000

// rejectedScope is the name space of the keys of rejected records: the key itself stays free (rule U1).
const rejectedScope = "rejected-usage"

// Rejected is a record that a batch had to refuse, one stream a licence. It counts nowhere.
type Rejected struct {
	Key            string          `json:"key"`
	LicenseID      uuid.UUID       `json:"license_id"`
	SubscriptionID *uuid.UUID      `json:"subscription_id,omitzero"`
	Meter          string          `json:"meter,omitzero"`
	Quantity       decimal.Decimal `json:"quantity"`
	At             time.Time       `json:"at"`
	Reason         string          `json:"reason"` // no_access_then, usage_too_late
	Number         int64           `json:"number"` // of the licence's rejected records, from 1
}

func (Rejected) EventType() string { return "rejected_usage.kept.v1" }

// RejectedState is the fold of a licence's rejected records: the newest tells how many there are.
type RejectedState struct{ Number int64 }

// Apply implements domain.State.
func (s *RejectedState) Apply(e domain.Event) {
	if e, ok := e.(Rejected); ok {
		s.Number = e.Number
	}
}

// rejections is the name space of the ids of streams of rejected records.
var rejections = uuid.MustParse("c5a0a5f6-7a1e-5e0c-8a59-0c2a3f9d6b44")

// RejectedID is the stream of a licence's rejected records.
func RejectedID(license uuid.UUID) uuid.UUID { return uuid.NewSHA1(rejections, license[:]) }

// keep keeps a rejected record of a licence that there is, once a key (rule U6). Value is left out: nobody knows whom it names.
func (b *batch) keep(l domain.Ledger, e Recorded, fingerprint [32]byte, refusal *domain.Error) error {
	if refusal.Code != codeNoAccess && refusal.Code != codeTooLate || l.Known(rejectedScope, e.Key, fingerprint) != domain.KeyFresh {
		return nil
	}
	stream := RejectedID(e.LicenseID)
	n, err := b.rejectedSoFar(l, stream)
	if err != nil || n >= MaxRejected {
		return err
	}
	l.Consume(rejectedScope, e.Key, fingerprint)
	b.append(stream, Rejected{Key: e.Key, LicenseID: e.LicenseID, SubscriptionID: e.SubscriptionID, Meter: e.Meter, Quantity: e.Quantity, At: e.At,
		Reason: refusal.Code, Number: n + 1})
	b.rejected[stream] = n + 1
	return nil
}

// rejectedSoFar counts a stream's records with what this batch adds so far.
func (b *batch) rejectedSoFar(l domain.Ledger, stream uuid.UUID) (int64, error) {
	if n, known := b.rejected[stream]; known {
		return n, nil
	}
	state, err := l.Load(stream)
	if s, ok := state.(*RejectedState); ok && err == nil {
		return s.Number, nil
	}
	return 0, err
}
