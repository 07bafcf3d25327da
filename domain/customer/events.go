// Package customer is who is billed: in which currency, by which clock, with which taxes. Each customer is a stream.
//
// Vocabulary: customer, contact (name, e-mail, address), tax rate, exemption, external id, metadata, payment method.
//
// Rules:
//
//	K1 The contact is personal, all of it about the customer, but for the e-mail address of who was made by a purchase
//	   (rule K6), which is about its owner, until it is changed. It has events of its own: who was erased is changed like
//	   anybody else, and what was erased is not written again.
//	K2 The currency stays: what was billed in it is owed in it.
//	K3 Tax rates exist and are not archived when a customer gets them; one that is archived later stays.
//	K4 An external id is unique in the ledger for ever, also when it was given up.
//	K5 A customer has one payment method or none. Setting the same again makes no event.
//	K6 An owner's purchases that name no customer are one customer's a currency: whom the first of them made.
//	K7 Of trials whose end depends on whether there is a payment method, a customer knows those that still run: setting and
//	   removing one tells them (subscription rule S16).
//	K8 Who moves to another time zone takes along the subscriptions that were in the zone left behind, one after the other
//	   (subscription rule S17). Until all have followed, the customer knows which zones were left.
//	K9 A customer knows which invoices its payment method did not pay: one that succeeds, once it is set, pays those that are
//	   still open.
package customer

import (
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// Fields are what is not personal of a customer, as callers set it.
type Fields struct {
	Currency   string            `json:"currency"`  // ISO 4217
	TimeZone   string            `json:"time_zone"` // IANA
	TaxRates   []uuid.UUID       `json:"tax_rates"` // in the order in which they were given
	TaxExempt  *Exemption        `json:"tax_exempt,omitzero"`
	ExternalID string            `json:"external_id,omitzero"`
	Metadata   map[string]string `json:"metadata,omitempty"`
}

// Exemption is why a customer is charged no tax.
type Exemption struct {
	Reason string `json:"reason"`
}

// Contact is what is personal of a customer.
type Contact struct {
	Name    domain.Personal `json:"name,omitzero"`
	Email   domain.Personal `json:"email,omitzero"`
	Address Address         `json:"address,omitzero"`
}

// Address is a postal address; the country is a code of ISO 3166-1 alpha-2.
type Address struct {
	Line1      domain.Personal `json:"line1,omitzero"`
	Line2      domain.Personal `json:"line2,omitzero"`
	City       domain.Personal `json:"city,omitzero"`
	State      domain.Personal `json:"state,omitzero"`
	PostalCode domain.Personal `json:"postal_code,omitzero"`
	Country    domain.Personal `json:"country,omitzero"`
}

// A created customer has all fields; a change has all of its half.
type (
	Created struct {
		Fields
		Contact
	}
	Changed struct {
		Fields
		LeftZone string `json:"left_zone,omitzero"` // the time zone before, where it is another one now
	}
	ContactChanged struct{ Contact }
)

// Moved tells that all subscriptions have followed their customer into another time zone.
type Moved struct{}

// PaymentMethodSet is how the customer pays from now on, PaymentMethodRemoved that there is no way any more.
type (
	PaymentMethodSet     struct{ PaymentMethod }
	PaymentMethodRemoved struct{}
)

// TrialBegan is a trial of a subscription of the customer's whose end depends on whether there is a payment method then:
// without one, Outcome comes of it.
type TrialBegan struct {
	SubscriptionID uuid.UUID `json:"subscription_id"`
	EndsAt         time.Time `json:"ends_at"`
	Outcome        string    `json:"outcome"` // pause, cancel
}

// ChargeFailed is an invoice that the payment method did not pay. One that succeeds, once it is set, pays what is open of them.
type ChargeFailed struct {
	InvoiceID uuid.UUID `json:"invoice_id"`
}

func (Created) EventType() string        { return "customer.created.v1" }
func (Changed) EventType() string        { return "customer.changed.v1" }
func (ContactChanged) EventType() string { return "customer.contact_changed.v1" }
func (Moved) EventType() string          { return "customer.moved.v1" }

func (PaymentMethodSet) EventType() string     { return "customer.payment_method_set.v1" }
func (PaymentMethodRemoved) EventType() string { return "customer.payment_method_removed.v1" }
func (TrialBegan) EventType() string           { return "customer.trial_began.v1" }
func (ChargeFailed) EventType() string         { return "customer.charge_failed.v1" }

// Vocabulary is the aggregate for the log's codec.
func Vocabulary() domain.Vocabulary {
	return domain.Vocabulary{Kind: "customer", New: func() domain.State { return &Customer{} }, Events: []domain.EventType{
		domain.Named[Created](), domain.Named[Changed](), domain.Named[ContactChanged](),
		domain.Named[PaymentMethodSet](), domain.Named[PaymentMethodRemoved](), domain.Named[TrialBegan](), domain.Named[Moved](), domain.Named[ChargeFailed]()}}
}

// Subject is whom a customer's personal fields are about, for erasure.
func Subject(id uuid.UUID) string { return "customer:" + id.String() }
