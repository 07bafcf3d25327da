package subscription

import (
	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
)

// Switchable asks which of some plans a subscriber may choose from: those that ChangePlan would take now without a
// quantity, but for private ones, which are sold by agreement, and the present one. It makes no event, and answers
// []uuid.UUID in the order asked; none while the subscription cannot change at all.
//
// NotFound: no_subscription.
type Switchable struct {
	ID      uuid.UUID
	PlanIDs []uuid.UUID
}

// Decide implements domain.Command.
func (c Switchable) Decide(l domain.Ledger) (any, error) {
	s, err := load(l, c.ID)
	if err != nil {
		return nil, err
	}
	open := []uuid.UUID{}
	s, _ = s.by(l.Now())
	f := s.Facts
	if _, err := s.free(&f, true, uuid.Nil); err != nil {
		return open, nil //nolint:nilerr // a refusal is the answer: there is nothing to choose from
	}
	for _, id := range c.PlanIDs {
		if id == f.Terms.PlanID {
			continue
		}
		_, err := s.moved(l, &f, id, nil)
		if _, refused := domain.AsRefusal(err); refused {
			continue
		}
		if err != nil {
			return nil, err
		}
		plan, err := domain.LoadAs[*catalog.Plan](l, id, "no_plan")
		if err != nil {
			return nil, err
		}
		if plan.Fields.Visibility != "private" {
			open = append(open, id)
		}
	}
	return open, nil
}
