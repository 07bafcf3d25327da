package settings

import (
	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/period"
)

// Patch sets some of the settings: nil leaves one, a pointer to nil clears one.
type Patch struct {
	ProrationMode           *string
	InvoiceDaysUntilDue     *int
	DraftHours              *int
	ZeroInvoices            *bool
	LateUsageHours          *int
	GraceDaysPastDue        **int
	TrialEndsWithoutPayment **string
}

// Change sets some of a ledger's settings. It answers View, and makes no event where nothing changes.
//
// Invalid: bad_proration_mode, bad_trial_policy, out_of_range.
type Change struct{ Patch Patch }

// Decide implements domain.Command.
func (c Change) Decide(l domain.Ledger) (any, error) {
	id := StreamID(l.ID())
	state, err := l.Load(id)
	if err != nil {
		return nil, err
	}
	old := From(state, l.Test())
	next := old.Settings
	c.Patch.apply(&next)
	if err := next.check(); err != nil {
		return nil, err
	}
	if !next.same(old.Settings) {
		l.Append(id, Changed{next.copied()})
	}
	return View{next.copied(), l.Version(id)}, nil
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func (p Patch) apply(s *Settings) {
	set(&s.ProrationMode, p.ProrationMode)
	set(&s.InvoiceDaysUntilDue, p.InvoiceDaysUntilDue)
	set(&s.DraftHours, p.DraftHours)
	set(&s.ZeroInvoices, p.ZeroInvoices)
	set(&s.LateUsageHours, p.LateUsageHours)
	set(&s.GraceDaysPastDue, p.GraceDaysPastDue)
	set(&s.TrialEndsWithoutPayment, p.TrialEndsWithoutPayment)
}

func (s Settings) check() error {
	var bad domain.Problems
	_, err := period.ParseMode(s.ProrationMode)
	bad.AddError("/prorationMode", err)
	within := func(pointer string, n, most int) {
		if n < 0 || n > most {
			bad.Add(pointer, "out_of_range", "it is 0 to %d", most)
		}
	}
	within("/invoiceDaysUntilDue", s.InvoiceDaysUntilDue, MaxDaysUntilDue)
	within("/draftHours", s.DraftHours, MaxDraftHours)
	within("/lateUsageHours", s.LateUsageHours, MaxLateHours)
	if s.GraceDaysPastDue != nil {
		within("/graceDaysPastDue", *s.GraceDaysPastDue, MaxGraceDays)
	}
	if then := s.TrialEndsWithoutPayment; then != nil {
		bad.OneOf("/trialEndsWithoutPayment", "bad_trial_policy", *then, PauseTrial, CancelTrial)
	}
	return bad.Refusal()
}
