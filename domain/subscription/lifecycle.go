package subscription

import (
	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// Pause stops access and renewal until Resume (rule S12); a paused one makes no event. It answers View.
//
// NotFound: no_subscription. Conflict: subscription_ended, subscription_incomplete.
type Pause struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c Pause) Decide(l domain.Ledger) (any, error) {
	return happen(l, c.ID, func(f *Facts) (domain.Event, error) {
		if f.Status == Paused {
			return nil, nil
		}
		if err := f.changeable(); err != nil {
			return nil, err
		}
		return PauseBegan{At: l.Now()}, nil
	})
}

// Resume ends a pause. The running period goes on if it still runs, else the rest of the anchored one
// that holds now begins; a trial that still runs goes on. One that is not paused makes no event. It answers View.
//
// NotFound: no_subscription. Conflict: subscription_ended, subscription_incomplete.
type Resume struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c Resume) Decide(l domain.Ledger) (any, error) {
	return happen(l, c.ID, func(f *Facts) (domain.Event, error) {
		now := l.Now()
		if f.Status != Paused {
			return nil, f.changeable()
		}
		p := f.Period
		if !now.Before(p.End) {
			p = f.periodFrom(now)
		}
		return Resumed{At: now, Period: p}, nil
	})
}

// Activate reports that the first invoice is paid: an INCOMPLETE subscription becomes ACTIVE, or
// TRIALING while its trial runs. Any other makes no event (rule S11). It answers View.
//
// NotFound: no_subscription.
type Activate struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c Activate) Decide(l domain.Ledger) (any, error) {
	return happen(l, c.ID, func(f *Facts) (domain.Event, error) {
		if f.Status == Incomplete {
			return PaymentSettled{}, nil
		}
		return nil, nil
	})
}

// MissPayment reports a payment that did not come: ACTIVE becomes PAST_DUE, also behind a pause. Any
// other makes no event (rule S11). It answers View.
//
// NotFound: no_subscription.
type MissPayment struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c MissPayment) Decide(l domain.Ledger) (any, error) {
	return happen(l, c.ID, func(f *Facts) (domain.Event, error) {
		if f.is(Active) {
			return PaymentMissed{}, nil
		}
		return nil, nil
	})
}

// SettlePayment reports that nothing is due any more: PAST_DUE becomes ACTIVE, also behind a pause, and
// INCOMPLETE what Activate makes of it. Any other makes no event (rule S11). It answers View.
//
// NotFound: no_subscription.
type SettlePayment struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c SettlePayment) Decide(l domain.Ledger) (any, error) {
	return happen(l, c.ID, func(f *Facts) (domain.Event, error) {
		if f.is(PastDue) || f.Status == Incomplete {
			return PaymentSettled{}, nil
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
	return happen(l, c.ID, func(f *Facts) (domain.Event, error) {
		if f.Owner.Text == c.Owner {
			return nil, nil
		}
		return OwnerChanged{Owner: domain.Owner(c.Owner)}, nil
	})
}
