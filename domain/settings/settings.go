// Package settings is a ledger's policies of billing: what is done where nobody says otherwise. One stream a ledger.
//
// Vocabulary: settings, policy.
//
// Rules:
//
//	G1 Until they are set, a ledger has the defaults. Its first change keeps those of the moment for all that it does not
//	   name: another version's defaults do not reach it.
//	G2 A decision goes by the settings of its own moment; what was decided before stays.
package settings

import (
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/period"
)

// What becomes of a subscription whose trial ends while its customer has no payment method.
const (
	PauseTrial  = "pause"
	CancelTrial = "cancel"
)

// Bounds; none is below zero.
const (
	MaxDaysUntilDue = 365
	MaxDraftHours   = 31 * 24
	MaxLateHours    = 366 * 24
	MaxGraceDays    = 365
)

// Settings are a ledger's policies.
type Settings struct {
	ProrationMode           string  `json:"proration_mode"`             // of subscriptions that name none: second, day, fixed30
	InvoiceDaysUntilDue     int     `json:"invoice_days_until_due"`     // from its issue on
	DraftHours              int     `json:"draft_hours"`                // before a draft is finalised
	ZeroInvoices            bool    `json:"zero_invoices"`              // whether invoices of nothing are made
	LateUsageHours          int     `json:"late_usage_hours"`           // after an end, how long usage from before it is taken
	GraceDaysPastDue        *int    `json:"grace_days_past_due"`        // after which what is past due gives no access; nil: it goes on
	TrialEndsWithoutPayment *string `json:"trial_ends_without_payment"` // pause, cancel; nil: the subscription goes on
}

// Defaults are the settings of a ledger that has set none.
func Defaults(test bool) Settings {
	s := Settings{ProrationMode: string(period.BySecond), InvoiceDaysUntilDue: 30, DraftHours: 1, ZeroInvoices: true, LateUsageHours: 72}
	if test {
		s.DraftHours = 0
	}
	return s
}

// LateUsage is LateUsageHours.
func (s Settings) LateUsage() time.Duration { return time.Duration(s.LateUsageHours) * time.Hour }

// same tells whether nothing differs.
func (s Settings) same(o Settings) bool {
	if !equal(s.GraceDaysPastDue, o.GraceDaysPastDue) || !equal(s.TrialEndsWithoutPayment, o.TrialEndsWithoutPayment) {
		return false
	}
	s.GraceDaysPastDue, s.TrialEndsWithoutPayment = o.GraceDaysPastDue, o.TrialEndsWithoutPayment
	return s == o
}

func equal[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// Changed tells all settings as they are from now on.
type Changed struct{ Settings }

func (Changed) EventType() string { return "settings.changed.v1" }

// State is the fold of a ledger's settings.
type State struct {
	Settings Settings
	Version  int64
}

// Observe implements domain.Observer.
func (s *State) Observe(_ uuid.UUID, version int64, _, _ time.Time) { s.Version = version }

// Apply implements domain.State.
func (s *State) Apply(e domain.Event) {
	if e, ok := e.(Changed); ok {
		s.Settings = e.Settings
	}
}

// Vocabulary is for the log's codec.
func Vocabulary() domain.Vocabulary {
	return domain.Vocabulary{Kind: "settings", Latest: true, New: func() domain.State { return &State{} },
		Events: []domain.EventType{domain.Named[Changed]()}}
}

// streams is the name space of the ids of settings' streams.
var streams = uuid.MustParse("b3f6d1c8-1f0e-5d59-9a6c-7f0e4c2b8d35")

// StreamID is the stream of a ledger's settings.
func StreamID(ledger uuid.UUID) uuid.UUID { return uuid.NewSHA1(streams, ledger[:]) }

// Of gives the settings that a decision goes by.
func Of(l domain.Ledger) (Settings, error) {
	state, err := l.Load(StreamID(l.ID()))
	if err != nil {
		return Settings{}, err
	}
	return From(state, l.Test()).Settings, nil
}

// View is a ledger's settings with the version of their stream, 0 for the defaults.
type View struct {
	Settings
	Version int64 `json:"version"`
}

// From gives the settings of a stream's state, which is nil until they are set.
func From(state domain.State, test bool) View {
	if s, ok := state.(*State); ok {
		return View{s.Settings.copied(), s.Version}
	}
	return View{Defaults(test), 0}
}

// copied shares nothing with s.
func (s Settings) copied() Settings {
	if s.GraceDaysPastDue != nil {
		days := *s.GraceDaysPastDue
		s.GraceDaysPastDue = &days
	}
	if s.TrialEndsWithoutPayment != nil {
		then := *s.TrialEndsWithoutPayment
		s.TrialEndsWithoutPayment = &then
	}
	return s
}
