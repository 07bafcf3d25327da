package customer

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// Customer is the fold of a customer's stream.
type Customer struct {
	domain.Record
	Fields        Fields
	Contact       Contact
	PaymentMethod *PaymentMethod // nil: none
	Failed        []uuid.UUID    // invoices that it did not pay (rule K9), paid otherwise by now or not
	Leaving       []string       // zones from which subscriptions have still to follow (rule K8)
	LeftAt        int64          // version as it left the last of them
	Trials        []TrialBegan   // that still ran when the last one began
}

// Apply implements domain.State.
func (c *Customer) Apply(e domain.Event) {
	switch e := e.(type) {
	case Created:
		c.Fields, c.Contact = e.Fields, e.Contact
	case Changed:
		if c.Fields = e.Fields; e.LeftZone != "" {
			c.Leaving, c.LeftAt = append(slices.Clip(c.Leaving), e.LeftZone), c.Version
		}
	case Moved:
		c.Leaving = nil
	case ContactChanged:
		c.Contact = e.Contact
	case PaymentMethodSet:
		if c.PaymentMethod = &e.PaymentMethod; e.Outcome == Succeeds {
			c.Failed = nil
		}
	case ChargeFailed:
		c.Failed = append(slices.Clip(c.Failed), e.InvoiceID)
	case PaymentMethodRemoved:
		c.PaymentMethod = nil
	case TrialBegan:
		var running []TrialBegan
		for _, t := range c.Trials {
			if t.EndsAt.After(c.Effective) {
				running = append(running, t)
			}
		}
		c.Trials = append(running, e)
	}
}

// View is a customer as its commands answer it.
type View struct {
	ID uuid.UUID `json:"id"`
	Fields
	Contact
	Version   int64     `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// View shows the customer.
func (c *Customer) View() View {
	v := View{ID: c.ID, Fields: c.Fields, Contact: c.Contact, Version: c.Version, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt}
	v.TaxRates, v.Metadata = slices.Clone(v.TaxRates), maps.Clone(v.Metadata)
	if v.TaxExempt != nil {
		v.TaxExempt = &Exemption{v.TaxExempt.Reason}
	}
	return v
}

// show answers the customer of a stream as it is now.
func show(l domain.Ledger, id uuid.UUID) (any, error) {
	c, err := domain.LoadAs[*Customer](l, id, "no_customer")
	if err != nil {
		return nil, err
	}
	return c.View(), nil
}

// Create makes a customer. It answers View. Conflict: external_id_taken. Invalid: unknown_currency, unknown_time_zone,
// bad_name, bad_email, bad_line1, bad_line2, bad_city, bad_state, bad_postal_code, unknown_country, no_tax_rate,
// tax_rate_archived, duplicate_tax_rate, too_many_items, bad_reason, bad_external_id, bad_metadata.
type Create struct{ Patch Patch }

// Decide implements domain.Command.
func (c Create) Decide(l domain.Ledger) (any, error) {
	var f Fields
	c.Patch.apply(&f)
	bad, err := f.check(l, nil)
	if err != nil {
		return nil, err
	}
	c.Patch.check(&bad)
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	id := l.NewID()
	claim(l, id, f.ExternalID)
	l.Append(id, Created{f, c.Patch.contact(Contact{}, Subject(id))})
	return show(l, id)
}

// Change sets some fields. It answers View, and makes no event where nothing changes. NotFound: no_customer. Conflict:
// external_id_taken, currency_is_fixed. Invalid: as Create.
type Change struct {
	ID    uuid.UUID
	Patch Patch
}

// Decide implements domain.Command.
func (c Change) Decide(l domain.Ledger) (any, error) {
	old, err := domain.LoadAs[*Customer](l, c.ID, "no_customer")
	if err != nil {
		return nil, err
	}
	f := old.Fields
	c.Patch.apply(&f)
	bad, err := f.check(l, old.Fields.TaxRates)
	if err != nil {
		return nil, err
	}
	c.Patch.check(&bad)
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	if f.Currency != old.Fields.Currency { // rule K2
		return nil, &domain.Error{Kind: domain.Conflict, Code: "currency_is_fixed", State: old.Fields.Currency,
			Detail: "a customer stays in the currency " + old.Fields.Currency}
	}
	var events []domain.Event
	if !f.same(old.Fields) {
		changed := Changed{Fields: f}
		if f.TimeZone != old.Fields.TimeZone {
			changed.LeftZone = old.Fields.TimeZone
		}
		events = append(events, changed)
	}
	subject := Subject(c.ID)
	if contact := c.Patch.contact(old.Contact, subject); contact != old.Contact {
		events = append(events, ContactChanged{contact.Living()})
	}
	if f.ExternalID != old.Fields.ExternalID {
		claim(l, c.ID, f.ExternalID)
	}
	if len(events) > 0 {
		l.Append(c.ID, events...)
	}
	return show(l, c.ID)
}

// Arrive tells that all subscriptions have followed a customer who left a time zone by a version of its stream. Who left
// another one since makes no event. It answers View. NotFound: no_customer.
type Arrive struct {
	ID      uuid.UUID
	Version int64
}

// Decide implements domain.Command.
func (c Arrive) Decide(l domain.Ledger) (any, error) {
	s, err := domain.LoadAs[*Customer](l, c.ID, "no_customer")
	if err != nil {
		return nil, err
	}
	if len(s.Leaving) > 0 && s.LeftAt <= c.Version {
		l.Append(c.ID, Moved{})
	}
	return show(l, c.ID)
}

// claim takes an external id (rule K4).
func claim(l domain.Ledger, id uuid.UUID, external string) {
	if external != "" {
		l.Claim("customer.external_id", external, id, &domain.Error{Kind: domain.Conflict, Code: "external_id_taken", State: external,
			Detail: "another customer has the externalId " + external})
	}
}

// Living is a contact without what was erased (rule K1).
func (c Contact) Living() Contact {
	for _, p := range c.all() {
		if p.Subject == domain.ErasedSubject {
			*p = domain.Personal{}
		}
	}
	return c
}

func (c *Contact) all() []*domain.Personal {
	a := &c.Address
	return []*domain.Personal{&c.Name, &c.Email, &a.Line1, &a.Line2, &a.City, &a.State, &a.PostalCode, &a.Country}
}
