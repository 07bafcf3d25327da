// Package license is the ad hoc licence: one that no subscription pays for, a stream of its own.
//
// Vocabulary: licence, grantee, purchaser (Salable's `member`), plan terms.
//
// Rules:
//
//	L1 Capabilities are copied from the plan when the licence is granted and stay frozen.
//	L2 It ends at EndTime by itself; access is a function of the instant, whether or not the end was recorded.
//	L3 Canceled is for ever: no assignment and no revival afterwards. Cancelling twice makes no event.
//	L4 An assignment that changes nothing makes no event.
package license

import (
	"time"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
)

// Status values are Salable's; subscription seats use them too.
const (
	Active     = "ACTIVE"
	Canceled   = "CANCELED"
	Evaluation = "EVALUATION"
	Scheduled  = "SCHEDULED"
	Trialing   = "TRIALING"
	Inactive   = "INACTIVE"
)

// Granted makes a licence.
type Granted struct {
	Terms             catalog.PlanTerms `json:"terms"`
	Status            string            `json:"status"`
	Grantee           domain.Personal   `json:"grantee,omitzero"`
	Purchaser         domain.Personal   `json:"purchaser,omitzero"`
	Email             domain.Personal   `json:"email,omitzero"`
	StartTime         time.Time         `json:"start_time"`
	EndTime           time.Time         `json:"end_time"`
	CancelAtPeriodEnd bool              `json:"cancel_at_period_end,omitzero"`
}

// Assigned sets the grantee; a zero one unassigns.
type Assigned struct {
	Grantee domain.Personal `json:"grantee,omitzero"`
}

// Ended is the end: canceled, or expired at EndTime.
type Ended struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"` // canceled, expired
}

func (Granted) EventType() string  { return "license.granted.v1" }
func (Assigned) EventType() string { return "license.assigned.v1" }
func (Ended) EventType() string    { return "license.ended.v1" }

// Vocabulary is for the log's codec.
func Vocabulary() domain.Vocabulary {
	return domain.Vocabulary{Kind: "license", New: func() domain.State { return &State{} }, Events: []domain.EventType{
		domain.Named[Granted](), domain.Named[Assigned](), domain.Named[Ended](),
	}}
}
