package subscription

import (
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/task"
)

// Cancel ends a subscription with its current period or, with Now, at once (rule S5). At once it also
// ends what has no current period: before the start, incomplete, or paused since an earlier period.
// Cancelling what ends or has ended already makes no event. It answers TaskAnswer.
//
// NotFound: no_subscription. Invalid: bad_credit, bad_effective_at.
type Cancel struct {
	ID          uuid.UUID
	Now         bool
	Credit      string     // of what is paid and not used: prorate, none (default); at once only
	EffectiveAt *time.Time // rule S18
}

// Decide implements domain.Command.
func (c Cancel) Decide(l domain.Ledger) (any, error) {
	var bad domain.Problems
	if c.Credit != "" {
		bad.OneOf("/credit", "bad_credit", c.Credit, account.Prorate, account.NoCredit)
	}
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	s, err := load(l, c.ID)
	if err != nil {
		return nil, err
	}
	when := Now
	if !c.Now {
		when = PeriodEnd
	}
	m, err := s.moment(l.Now(), when, c.EffectiveAt, true)
	if err != nil {
		return nil, err
	}
	c.Now = !m.end
	f, due := s.at(m.by, noLimit)
	id := l.NewID()
	e, ok := f.cancel(m.by, c, id) // the provider is not asked: whoever wants to go, goes
	if !ok {
		return TaskAnswer{Status: task.Success, Subscription: s.View(l.Now())}, nil
	}
	view, err := m.record(l, s, due, e)
	return TaskAnswer{TaskID: id, Status: task.Success, Subscription: view}, err
}

// cancel is the event of a cancellation; false when there is none.
func (f *Facts) cancel(now time.Time, c Cancel, id uuid.UUID) (domain.Event, bool) {
	switch {
	case f.Status == Canceled || f.Status == Deleted:
		return nil, false
	case c.Now || f.Status == Incomplete || now.Before(f.StartAt) || !now.Before(f.Period.End):
		return Ended{At: now, Reason: "canceled", Credit: c.Credit, TaskID: id, Done: task.CancelSubscription}, true
	case f.CancelAt != nil:
		return nil, false
	}
	return CancellationScheduled{EndsAt: f.Period.End, TaskID: id, Done: task.CancelSubscription}, true
}

// Reactivate undoes a scheduled cancellation before its instant (rule S5); without one it makes no
// event. It answers View.
//
// NotFound: no_subscription. Conflict: subscription_ended.
type Reactivate struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c Reactivate) Decide(l domain.Ledger) (any, error) {
	return happen(l, c.ID, func(f *Facts) ([]domain.Event, error) {
		switch {
		case f.Status == Canceled || f.Status == Deleted:
			return nil, f.ended()
		case f.CancelAt == nil:
			return nil, nil
		}
		return []domain.Event{Reactivated{}}, nil
	})
}

// happen decides a command of few events or none on the facts as they are by now (rule S9).
func happen(l domain.Ledger, id uuid.UUID, decide func(*Facts) ([]domain.Event, error)) (any, error) {
	return happenAt(l, id, nil, func(f *Facts, _ time.Time) ([]domain.Event, error) { return decide(f) })
}

// happenAt is happen from an instant on (rule S18).
func happenAt(l domain.Ledger, id uuid.UUID, asked *time.Time, decide func(*Facts, time.Time) ([]domain.Event, error)) (any, error) {
	s, err := load(l, id)
	if err != nil {
		return nil, err
	}
	m, err := s.moment(l.Now(), Now, asked, false)
	if err != nil {
		return nil, err
	}
	f, due := s.at(m.by, noLimit)
	e, err := decide(&f, m.at)
	if err != nil {
		return nil, err
	}
	if len(e) == 0 {
		return s.View(l.Now()), nil
	}
	return m.record(l, s, due, e...)
}
