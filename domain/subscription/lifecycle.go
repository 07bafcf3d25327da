package subscription

import (
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
)

// Pause stops access and renewal until Resume (rule S12); a paused one makes no event. It answers View.
//
// Credit says what becomes of the time that was paid for: prorate takes it back when the pause ends, extend moves the
// period and the anchor by it, none (default) leaves it be.
//
// NotFound: no_subscription. Conflict: subscription_ended, subscription_incomplete. Invalid: bad_credit, bad_effective_at.
type Pause struct {
	ID          uuid.UUID
	Credit      string
	EffectiveAt *time.Time // rule S18
}

// Decide implements domain.Command.
func (c Pause) Decide(l domain.Ledger) (any, error) {
	if c.Credit != "" {
		var bad domain.Problems
		bad.OneOf("/credit", "bad_credit", c.Credit, account.Prorate, account.Extend, account.NoCredit)
		if err := bad.Refusal(); err != nil {
			return nil, err
		}
	}
	return happenAt(l, c.ID, c.EffectiveAt, func(f *Facts, at time.Time) ([]domain.Event, error) {
		if f.Status == Paused {
			return nil, nil
		}
		if err := f.changeable(); err != nil {
			return nil, err
		}
		return []domain.Event{PauseBegan{At: at, Credit: c.Credit}}, nil
	})
}

// Resume ends a pause. The running period goes on if it still runs, else the rest of the anchored one
// that holds now begins, after a change that was scheduled for the end between; a trial that still runs goes on. One that is
// not paused makes no event. It answers View.
//
// NotFound: no_subscription. Conflict: subscription_ended, subscription_incomplete. Invalid: bad_effective_at.
type Resume struct {
	ID          uuid.UUID
	EffectiveAt *time.Time // rule S18
}

// Decide implements domain.Command.
func (c Resume) Decide(l domain.Ledger) (any, error) {
	return happenAt(l, c.ID, c.EffectiveAt, func(f *Facts, now time.Time) ([]domain.Event, error) {
		if f.Status != Paused {
			return nil, f.changeable()
		}
		var changes []domain.Event
		resumed := Resumed{At: now, Period: f.Period}
		by := f.extended(now)
		switch {
		case f.Later && f.TrialEnd == nil && !now.Before(f.StartAt): // it was paused at its start: it begins now
			resumed.Period = f.periodFrom(now)
		case by > 0:
			anchor := f.AnchorAt.Add(by)
			resumed.Period.End, resumed.AnchorAt = f.Period.End.Add(by), &anchor
		case !now.Before(f.Period.End):
			then := *f
			for then.Scheduled != nil { // its instant came while nothing happened: the period that begins now is of what it leads to
				e := then.scheduled()
				then.apply(e)
				changes = append(changes, e)
			}
			resumed.Period = then.periodFrom(now)
		}
		events := append(changes, resumed)
		if f.CancelAt != nil && by > 0 {
			events = append(events, CancellationScheduled{EndsAt: resumed.Period.End}) // it still ends with its period (rule S5)
		}
		return events, nil
	})
}

// Activate reports that the first invoice is paid: an INCOMPLETE subscription becomes ACTIVE, or
// TRIALING while its trial runs. Any other makes no event (rule S11). It answers View.
//
// NotFound: no_subscription.
type Activate struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c Activate) Decide(l domain.Ledger) (any, error) {
	return happen(l, c.ID, func(f *Facts) ([]domain.Event, error) {
		if f.Status == Incomplete {
			return []domain.Event{PaymentSettled{}}, nil
		}
		return nil, nil
	})
}

// ChangeOwner names another owner, in every status; the same one makes no event. It answers View.
//
// NotFound: no_subscription. Invalid: bad_owner.
type ChangeOwner struct {
	ID    uuid.UUID
	Owner string
}

// Decide implements domain.Command.
func (c ChangeOwner) Decide(l domain.Ledger) (any, error) {
	var bad domain.Problems
	bad.Line("/owner", "bad_owner", c.Owner)
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	return happen(l, c.ID, func(f *Facts) ([]domain.Event, error) {
		if f.Owner.Text == c.Owner {
			return nil, nil
		}
		return []domain.Event{OwnerChanged{Owner: domain.Owner(c.Owner)}}, nil
	})
}
