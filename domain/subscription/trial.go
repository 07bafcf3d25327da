package subscription

import (
	"slices"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/settings"
)

// awaits settles what the trial's end will bring while the customer has no payment method (rule S16). It answers what the
// customer has to remember of the trial; nil where its end brings nothing else than going on.
func (e *Started) awaits(l domain.Ledger, id uuid.UUID, policy *string) (*customer.TrialBegan, error) {
	if policy == nil || e.TrialEnd == nil || e.CustomerID == nil || !e.Terms.Paid {
		return nil, nil
	}
	payer, err := domain.LoadAs[*customer.Customer](l, *e.CustomerID, "no_customer")
	if err != nil {
		return nil, err
	}
	if payer.PaymentMethod == nil {
		e.TrialOutcome = *policy
	}
	return &customer.TrialBegan{SubscriptionID: id, EndsAt: *e.TrialEnd, Outcome: *policy}, nil
}

// trialOver is the one event that the end of a trial brings.
func (f *Facts) trialOver() domain.Event {
	at := *f.TrialEnd
	switch {
	case f.TrialOutcome == settings.CancelTrial:
		return Ended{At: at, Reason: "expired"}
	case f.TrialOutcome == settings.PauseTrial && f.Status != Paused:
		return PauseBegan{At: at, TrialEnded: true}
	}
	return TrialEnded{At: at}
}

// stopsWithTrial tells whether access ends with the trial as things stand.
func (f *Facts) stopsWithTrial() bool {
	return f.is(Trialing) && f.TrialEnd != nil && f.TrialOutcome != ""
}

// SetPaymentMethod is customer.SetPaymentMethod, after which the trials of the customer go on when they end. One that
// succeeds pays the open invoices whose charge had failed (customer rule K9), and their subscriptions are told.
type SetPaymentMethod struct{ customer.SetPaymentMethod }

// Decide implements domain.Command.
func (c SetPaymentMethod) Decide(l domain.Ledger) (any, error) {
	payer, err := domain.LoadAs[*customer.Customer](l, c.ID, "no_customer")
	if err != nil {
		return nil, err
	}
	failed := slices.Clone(payer.Failed)
	answer, err := pays(l, c.ID, c.SetPaymentMethod, true)
	if err != nil || c.Method.Outcome != customer.Succeeds {
		return answer, err
	}
	if err := payFailed(l, failed); err != nil {
		return nil, err
	}
	return answer, nil
}

// RemovePaymentMethod is customer.RemovePaymentMethod, after which the trials of the customer end as was settled when they
// began.
type RemovePaymentMethod struct{ customer.RemovePaymentMethod }

// Decide implements domain.Command.
func (c RemovePaymentMethod) Decide(l domain.Ledger) (any, error) {
	return pays(l, c.ID, c.RemovePaymentMethod, false)
}

// pays decides a command on how a customer pays, and tells the trials that still run. One whose end has come, recorded or
// not, is none of them.
func pays(l domain.Ledger, id uuid.UUID, c domain.Command, going bool) (any, error) {
	payer, err := domain.LoadAs[*customer.Customer](l, id, "no_customer")
	if err != nil {
		return nil, err
	}
	var trials []uuid.UUID
	var told []TrialOutcomeChanged
	for _, t := range payer.Trials {
		if !l.Now().Before(t.EndsAt) {
			continue
		}
		s, err := load(l, t.SubscriptionID)
		if err != nil {
			return nil, err
		}
		e := TrialOutcomeChanged{Outcome: t.Outcome}
		if going {
			e.Outcome = ""
		}
		if (s.is(Trialing) || s.Status == Incomplete) && s.TrialOutcome != e.Outcome {
			trials, told = append(trials, t.SubscriptionID), append(told, e)
		}
	}
	answer, err := c.Decide(l)
	if err != nil {
		return nil, err
	}
	for i, of := range trials {
		l.Append(of, told[i])
	}
	return answer, nil
}

// payFailed has a payment method that succeeds pay what is open of the invoices that the one before did not pay.
func payFailed(l domain.Ledger, failed []uuid.UUID) error {
	for _, id := range failed {
		s, err := domain.LoadAs[*invoice.State](l, id, "no_invoice")
		if err != nil {
			return err
		}
		if s.Status != invoice.Open {
			continue
		}
		if _, err := (ChargeInvoice{ID: id}).Decide(l); err != nil {
			return err
		}
	}
	return nil
}
