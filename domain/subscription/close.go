package subscription

import (
	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
)

// CloseAccount bills what came in the time in which usage from before the end of a subscription is taken, once that is over.
// It is given what was counted, up to a position of the ledger, of each part that was billed and that usage came for since;
// with Show, which is for dry runs, it does so before its time. It answers View; again, or too early, it makes no event.
//
// NotFound: no_subscription.
type CloseAccount struct {
	ID       uuid.UUID
	Counts   []account.Count
	Position int64
	Show     bool
}

// Decide implements domain.Command.
func (c CloseAccount) Decide(l domain.Ledger) (any, error) {
	at, err := counting(l, c.ID, nil, c.Counts)
	if err != nil {
		return nil, err
	}
	if err := at.book.Close(at.plans, at.bought, c.Counts, c.Position, c.Show); err != nil {
		return nil, err
	}
	return show(l, c.ID)
}
