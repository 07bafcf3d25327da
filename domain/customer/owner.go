package customer

import (
	"maps"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// Owner is the fold of an owner's stream, which is known by the owner's name (domain.Ledger.StreamOf): whose customers
// the owner's purchases are (rule K6).
type Owner struct {
	Customers map[string]uuid.UUID // by currency
}

// OwnerBilled says which customer an owner's purchases in a currency are, from the first one on.
type OwnerBilled struct {
	CustomerID uuid.UUID `json:"customer_id"`
	Currency   string    `json:"currency"`
}

func (OwnerBilled) EventType() string { return "owner.billed.v1" }

// Apply implements domain.State.
func (o *Owner) Apply(e domain.Event) {
	if e, ok := e.(OwnerBilled); ok {
		o.Customers = maps.Clone(o.Customers)
		if o.Customers == nil {
			o.Customers = map[string]uuid.UUID{}
		}
		o.Customers[e.Currency] = e.CustomerID
	}
}

// OwnerVocabulary is for the log's codec.
func OwnerVocabulary() domain.Vocabulary {
	return domain.Vocabulary{Kind: "owner", New: func() domain.State { return &Owner{} }, Events: []domain.EventType{domain.Named[OwnerBilled]()}}
}

// OfOwner gives the customer of an owner's purchases in a currency, nil for one who has not bought in it.
func OfOwner(l domain.Ledger, owner, currency string) (*uuid.UUID, error) {
	stream, err := l.StreamOf(domain.Owner(owner).Subject)
	if err != nil {
		return nil, err
	}
	state, err := l.Load(stream)
	if err != nil {
		return nil, err
	}
	if o, ok := state.(*Owner); ok {
		if id, ok := o.Customers[currency]; ok {
			return &id, nil
		}
	}
	return nil, nil
}

// MakeFor makes the customer of a purchase that names none, and notes whose purchases are that customer's: the owner's, or
// without one nobody's. All of it was checked. The e-mail address stays about whom it is about in the purchase: who
// erases the owner erases it too.
func MakeFor(l domain.Ledger, owner string, email domain.Personal, currency, zone string) (uuid.UUID, error) {
	id := l.NewID()
	var stream uuid.UUID
	if owner != "" {
		var err error
		if stream, err = l.StreamOf(domain.Owner(owner).Subject); err != nil {
			return uuid.Nil, err
		}
	}
	l.Append(id, Created{Fields{Currency: currency, TimeZone: zone, TaxRates: []uuid.UUID{}}, Contact{Email: email}})
	if owner != "" {
		l.Append(stream, OwnerBilled{id, currency})
	}
	return id, nil
}
