package subscription

import (
	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
)

// customerOf is the customer that a purchase is: the one it names, else that of its owner's earlier ones in the same
// currency (customer rule K6); nil when there is none yet.
func (c Start) customerOf(l domain.Ledger, offer catalog.Offer) (*uuid.UUID, error) {
	if c.CustomerID != nil || c.Owner == "" {
		return copied(c.CustomerID), nil
	}
	currency, err := offer.Currency(c.Currency)
	if err != nil || currency == "" {
		return nil, nil // a currency that is not offered is refused with all else that is wrong
	}
	return customer.OfOwner(l, c.Owner, currency)
}

// bill makes the customer of a purchase that has none yet. What is not sold in any currency is billed to nobody.
func (c Start) bill(l domain.Ledger, e *Started) error {
	if e.CustomerID != nil || e.Currency == "" {
		return nil
	}
	id, err := customer.MakeFor(l, c.Owner, e.Email, e.Currency, e.TimeZone)
	if err == nil {
		e.CustomerID = &id
	}
	return err
}
