package customer

import (
	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// ManualProvider is the provider that is built in: it stands for the outside world.
const ManualProvider = "manual"

// What charges of a payment method come to.
const (
	Succeeds       = "succeeds"
	Fails          = "fails"
	RequiresAction = "requiresAction" // of the payer
)

// Outcomes are what charges may come to.
func Outcomes() []string { return []string{Succeeds, Fails, RequiresAction} }

// PaymentMethod is how a customer's invoices are charged.
type PaymentMethod struct {
	Provider string `json:"provider"` // manual
	Outcome  string `json:"outcome"`  // succeeds, fails, requiresAction
}

// PaymentMethodView is a payment method with the version of its customer's stream.
type PaymentMethodView struct {
	PaymentMethod
	Version int64 `json:"version"`
}

// Pays gives the customer's payment method. NotFound: no_payment_method.
func (c *Customer) Pays() (PaymentMethodView, error) {
	if c.PaymentMethod == nil {
		return PaymentMethodView{}, domain.Refuse(domain.NotFound, "no_payment_method", "customer %s has no payment method", c.ID)
	}
	return PaymentMethodView{*c.PaymentMethod, c.Version}, nil
}

// SetPaymentMethod says how a customer's invoices are charged from now on (rule K5). It answers PaymentMethodView.
// NotFound: no_customer. Invalid: bad_provider, bad_outcome.
type SetPaymentMethod struct {
	ID     uuid.UUID
	Method PaymentMethod
}

// Decide implements domain.Command.
func (c SetPaymentMethod) Decide(l domain.Ledger) (any, error) {
	s, err := domain.LoadAs[*Customer](l, c.ID, "no_customer")
	if err != nil {
		return nil, err
	}
	var bad domain.Problems
	bad.OneOf("/provider", "bad_provider", c.Method.Provider, ManualProvider)
	bad.OneOf("/outcome", "bad_outcome", c.Method.Outcome, Outcomes()...)
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	if s.PaymentMethod == nil || *s.PaymentMethod != c.Method {
		l.Append(c.ID, PaymentMethodSet{c.Method})
	}
	return PaymentMethodView{c.Method, l.Version(c.ID)}, nil
}

// RemovePaymentMethod leaves a customer without one. It answers the PaymentMethodView of what was removed, under the new
// version. NotFound: no_customer, no_payment_method.
type RemovePaymentMethod struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c RemovePaymentMethod) Decide(l domain.Ledger) (any, error) {
	s, err := domain.LoadAs[*Customer](l, c.ID, "no_customer")
	if err != nil {
		return nil, err
	}
	v, err := s.Pays()
	if err != nil {
		return nil, err
	}
	l.Append(c.ID, PaymentMethodRemoved{})
	v.Version = l.Version(c.ID)
	return v, nil
}
